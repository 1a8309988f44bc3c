//! A browser without a window, and what happens in it.

use std::env;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams,
};
use chromiumoxide::cdp::browser_protocol::input::{DispatchKeyEventParams, DispatchKeyEventType};
use chromiumoxide::cdp::browser_protocol::log::EventEntryAdded;
use chromiumoxide::cdp::browser_protocol::network::{self, EventRequestWillBeSent};
use chromiumoxide::cdp::js_protocol::runtime::{
    EvaluateParams, EventConsoleApiCalled, EventExceptionThrown,
};
use chromiumoxide::page::ScreenshotParams;
use chromiumoxide::{BrowserConfig, browser};
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::missing::not_run;

/// A browser of its own, with a profile of its own that goes with it.
pub struct Browser {
    inner: browser::Browser,
    events: JoinHandle<()>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one; none, loudly, where there is none.
    ///
    /// # Panics
    ///
    /// If it does not start, and under `CI=true` also if there is none.
    pub async fn launch() -> Option<Self> {
        let Some(executable) = executable() else {
            not_run("chromium", "CHROMIUM");
            return None;
        };
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let config = BrowserConfig::builder()
            .chrome_executable(executable)
            .new_headless_mode()
            // The only pages it sees are ours, and a container has no sandbox to give.
            .no_sandbox()
            .arg("disable-gpu")
            .user_data_dir(profile.path())
            .viewport(None)
            .window_size(1280, 900)
            .launch_timeout(PATIENCE)
            .request_timeout(PATIENCE)
            .build()
            .expect("its place is given");
        let (inner, mut handler) = browser::Browser::launch(config).await.expect("it starts");
        let events = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Some(Self { inner, events, _profile: profile })
    }

    /// A page with what is at `url`.
    ///
    /// # Panics
    ///
    /// If it can not be loaded.
    pub async fn open(&self, url: &str) -> Page {
        let page = self.blank().await;
        page.goto(url).await;
        page
    }

    /// A page with nothing.
    ///
    /// # Panics
    ///
    /// If the browser is gone.
    pub async fn blank(&self) -> Page {
        let inner = self.inner.new_page("about:blank").await.expect("a page");
        inner.execute(network::EnableParams::default()).await.expect("it tells of requests");
        inner.enable_log().await.expect("it tells of what is logged");
        inner.enable_runtime().await.expect("it tells of errors");
        let page = Page { inner, complaints: Log::default(), requests: Log::default() };
        let Page { inner, complaints, requests } = &page;
        let listen = "it can be listened to";
        complaints.keep(inner.event_listener().await.expect(listen), |event: &EventEntryAdded| {
            format!("{:?}: {}", event.entry.level, event.entry.text)
        });
        complaints
            .keep(inner.event_listener().await.expect(listen), |event: &EventConsoleApiCalled| {
                format!("{:?}: {:?}", event.r#type, event.args)
            });
        complaints
            .keep(inner.event_listener().await.expect(listen), |event: &EventExceptionThrown| {
                event.exception_details.text.clone()
            });
        requests
            .keep(inner.event_listener().await.expect(listen), |event: &EventRequestWillBeSent| {
                event.request.url.clone()
            });
        page
    }

    /// Ends it.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub async fn close(mut self) {
        self.inner.close().await.expect("it is asked to end");
        timeout(PATIENCE, self.inner.wait()).await.expect("in time").expect("it ends");
        self.events.abort();
    }
}

/// A page, and all that was logged and asked for since it was opened.
pub struct Page {
    inner: chromiumoxide::Page,
    complaints: Log,
    requests: Log,
}

impl Page {
    /// Goes to `url`, and waits until it has been loaded.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub async fn goto(&self, url: &str) {
        self.inner.goto(url).await.expect("it loads");
    }

    /// Shows `user` and `password` when they are asked for.
    ///
    /// # Panics
    ///
    /// If the browser is gone.
    pub async fn authenticate(&self, user: &str, password: &str) {
        let credentials = chromiumoxide::auth::Credentials {
            username: user.to_owned(),
            password: password.to_owned(),
        };
        self.inner.authenticate(credentials).await.expect("it takes them");
    }

    /// The value of an expression, or of what it promises.
    ///
    /// # Panics
    ///
    /// If it throws, or keeps its promise too late.
    pub async fn evaluate(&self, expression: &str) -> Value {
        let ask = EvaluateParams::builder()
            .expression(expression)
            .await_promise(true)
            .return_by_value(true)
            .build()
            .expect("there is an expression");
        let answer = timeout(PATIENCE, self.inner.evaluate_expression(ask)).await;
        let answer = answer.unwrap_or_else(|_| panic!("in time: {expression}"));
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {expression}"));
        answer.value().cloned().unwrap_or(Value::Null)
    }

    /// Waits until an expression is true. It is looked at whenever the document changes.
    ///
    /// # Panics
    ///
    /// If that is too late.
    pub async fn until(&self, expression: &str) {
        self.evaluate(&format!(
            "new Promise((done) => {{
                const look = () => {{ if ({expression}) done(true); }};
                new MutationObserver(look).observe(document, {{
                    subtree: true, childList: true, attributes: true, characterData: true,
                }});
                look();
            }})"
        ))
        .await;
    }

    /// Presses a key and lets it go.
    ///
    /// # Panics
    ///
    /// If the browser is gone.
    pub async fn press(&self, key: Key) {
        let (name, code, text) = match key {
            Key::Tab => ("Tab", 9, None),
            Key::Enter => ("Enter", 13, Some("\r")),
        };
        for kind in [DispatchKeyEventType::KeyDown, DispatchKeyEventType::KeyUp] {
            let mut event = DispatchKeyEventParams::builder()
                .r#type(kind)
                .key(name)
                .code(name)
                .windows_virtual_key_code(code);
            if let Some(text) = text {
                event = event.text(text);
            }
            let event = event.build().expect("it has a kind");
            self.inner.execute(event).await.expect("the key is pressed");
        }
    }

    /// Prefers `light` or `dark`, as the system's settings do.
    ///
    /// # Panics
    ///
    /// If the browser is gone.
    pub async fn prefer(&self, scheme: &str) {
        let feature = MediaFeature { name: "prefers-color-scheme".into(), value: scheme.into() };
        let media = SetEmulatedMediaParams::builder().feature(feature).build();
        self.inner.execute(media).await.expect("it is preferred");
    }

    /// Makes the window so wide, in pixels.
    ///
    /// # Panics
    ///
    /// If the browser is gone.
    pub async fn resize(&self, width: i64, height: i64) {
        let size = SetDeviceMetricsOverrideParams::new(width, height, 1.0, false);
        self.inner.execute(size).await.expect("it is resized");
    }

    /// Writes a picture of the whole page, if `SEAWALL_SCREENSHOTS` names a folder for it.
    ///
    /// # Panics
    ///
    /// If it can not be written.
    pub async fn picture(&self, name: &str) {
        if let Ok(folder) = env::var("SEAWALL_SCREENSHOTS") {
            let file = PathBuf::from(folder).join(format!("{name}.png"));
            let whole = ScreenshotParams::builder().full_page(true).build();
            self.inner.save_screenshot(whole, file).await.expect("it is written");
        }
    }

    /// What was logged, and what was thrown.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.read()
    }

    /// The addresses that were asked for.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests.read()
    }
}

/// A key on the keyboard.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    Tab,
    Enter,
}

/// Lines that come in while the test goes on.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn keep<E, S>(&self, mut events: S, line: impl Fn(&E) -> String + Send + 'static)
    where
        S: Stream<Item = Arc<E>> + Send + Unpin + 'static,
        E: Send + Sync + 'static,
    {
        let log = self.clone();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                log.0.lock().unwrap_or_else(PoisonError::into_inner).push(line(&event));
            }
        });
    }

    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What `CHROMIUM` names, or the first that is found on the path.
fn executable() -> Option<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let path = env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let all = env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    all.into_iter().find(|file| file.is_file())
}

/// A hundred times what anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
