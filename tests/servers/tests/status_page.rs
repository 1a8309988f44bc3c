//! The status page in a real browser.

use seawall::circuit_breaker::CircuitBreaker;
use seawall::health::status::Access;
use seawall::health::{Finding, Group, Signal, Token};
use seawall_servers::{Browser, Key, Page, World};
use serde_json::{Value, json};

const HOSTILE: &str =
    "<img src=x onerror=\"window.owned=1\">'&amp;</script><script>window.owned=1</script>";
/// As long as a tag may be.
const HOSTILE_TAG: &str = "<img src=x onerror=window.owned=1>";
const TOKEN: &str = "7c1f0b5d9a3e48627c1f0b5d9a3e4862";

const IS_LIVE: &str = "document.querySelector('#live').dataset.state === 'live'";

#[tokio::test(flavor = "multi_thread")]
async fn it_loads_without_a_complaint_and_asks_nobody_else() {
    let Some(browser) = Browser::launch().await else { return };
    let world = World::start();

    let page = browser.open(&world.url("/status")).await;
    page.until(IS_LIVE).await;

    assert_eq!(page.complaints(), [""; 0]);
    let requests = page.requests();
    let own = |url: &&String| url.starts_with(&world.url("/status")) || url.starts_with("data:");
    assert_eq!(requests.iter().filter(own).count(), requests.len(), "{requests:?}");
    let events = world.url("/status/events");
    assert!(requests.contains(&events), "{requests:?}");
    assert_eq!(page.evaluate("document.title").await, "Healthy · Status");
    assert_eq!(page.evaluate("document.querySelector('.hero .word').textContent").await, "Healthy");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_appears_by_itself_and_disturbs_nobody() {
    let Some(browser) = Browser::launch().await else { return };
    let world = World::start();
    let page = browser.open(&world.url("/status")).await;
    page.until(IS_LIVE).await;
    page.evaluate(
        "window.mark = 1;
         window.row = [...document.querySelectorAll('.check')].find((row) => row.textContent.includes('payments'));
         row.open = true;
         row.querySelector('summary').focus();",
    )
    .await;

    world.payments.set(Finding::down("connection refused"));
    world.breaker.isolate();

    page.until("document.querySelector('.hero .word').textContent === 'Down'").await;
    page.until("document.querySelector('#policies').textContent.includes('Isolated')").await;
    let row = "{ const row = window.row;
        ({ connected: row.isConnected, open: row.open, verdict: row.dataset.verdict,
           detail: row.querySelector('.detail').textContent,
           focused: document.activeElement === row.querySelector('summary'),
           first: row.closest('ul').querySelector('.check') === row,
           mark: window.mark, title: document.title }) }";
    assert_eq!(
        page.evaluate(row).await,
        json!({
            "connected": true, "open": true, "verdict": "down", "detail": "connection refused",
            "focused": true, "first": true, "mark": 1, "title": "Down · Status",
        })
    );
    page.until("document.querySelector('#news').textContent.includes('payments')").await;

    world.payments.set(Finding::healthy());
    world.payments.set(Finding::healthy());
    world.breaker.reset();
    page.until("document.querySelector('.hero .word').textContent === 'Healthy'").await;
    assert_eq!(page.complaints(), [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_reaches_and_works_everything() {
    let Some(browser) = Browser::launch().await else { return };
    let world = World::start();
    let page = browser.open(&world.url("/status")).await;
    page.until(IS_LIVE).await;

    let wanted = page
        .evaluate("document.querySelectorAll('a[href], button, summary').length")
        .await
        .as_u64()
        .unwrap();
    let mut reached = Vec::new();
    for _ in 0..wanted {
        page.press(Key::Tab).await;
        let seen = page
            .evaluate(
                "{ const focused = document.activeElement, style = getComputedStyle(focused);
                   const all = [...document.querySelectorAll('a[href], button, summary')];
                   const box = focused.getBoundingClientRect();
                   [all.indexOf(focused), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
                    box.width > 0 && box.top >= 0] }",
            )
            .await;
        assert_eq!(seen[1], true, "a visible focus at {seen}");
        assert_eq!(seen[2], true, "in sight at {seen}");
        reached.push(seen[0].as_u64().unwrap());
    }
    assert_eq!(reached, (0..wanted).collect::<Vec<_>>(), "each once, in the order of the page");

    // A check is unfolded and folded again.
    page.evaluate(
        "window.row = document.querySelector('.check'); row.querySelector('summary').focus()",
    )
    .await;
    for open in [true, false] {
        page.press(Key::Enter).await;
        page.until(&format!("window.row.open === {open}")).await;
    }
    // The theme is chosen, and stays so.
    page.evaluate("document.querySelector('button[value=dark]').focus()").await;
    page.press(Key::Enter).await;
    page.until("document.documentElement.dataset.theme === 'dark'").await;
    assert_eq!(background(&page).await, "rgb(18, 20, 22)");
    page.goto(&world.url("/status")).await;
    assert_eq!(background(&page).await, "rgb(18, 20, 22)");
    // The first key leads past the head of the page.
    page.press(Key::Tab).await;
    page.press(Key::Enter).await;
    page.until("location.hash === '#checks'").await;
    page.press(Key::Tab).await;
    assert_eq!(page.evaluate("document.activeElement.closest('#checks') !== null").await, true);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_shown_and_do_nothing() {
    let Some(browser) = Browser::launch().await else { return };
    let world = World::start();
    let config = Signal::builder(HOSTILE).tag(HOSTILE_TAG).groups([Group::named(HOSTILE)]);
    let signal = world.registry.signal(config).unwrap();
    signal.set(Finding::degraded(HOSTILE));
    let breaker = CircuitBreaker::builder().name(HOSTILE).build().unwrap();

    // As the page arrives, and as a script has brought it up to date.
    let page = browser.open(&world.url("/status")).await;
    page.until(IS_LIVE).await;
    breaker.isolate();
    signal.set(Finding::down(HOSTILE));
    page.until("document.querySelector('#policies').textContent.includes('Isolated')").await;

    let shown = page
        .evaluate(
            "({ owned: window.owned, images: document.images.length, scripts: document.scripts.length,
                texts: [...document.querySelectorAll('#main *')].filter((element) =>
                    element.childElementCount === 0 && element.textContent.includes('<img')).map((e) => e.textContent) })",
        )
        .await;
    assert_eq!(shown["owned"], Value::Null);
    assert_eq!((&shown["images"], &shown["scripts"]), (&json!(0), &json!(1)));
    let texts = shown["texts"].as_array().unwrap();
    assert!(texts.len() >= 5, "group, check, text, tag and breaker: {texts:?}");
    assert!(texts.contains(&json!(HOSTILE_TAG)), "{texts:?}");
    assert!(
        texts.iter().filter(|text| text.as_str().unwrap().contains(HOSTILE)).count() >= 4,
        "{texts:?}"
    );
    assert!(page.complaints().is_empty(), "nothing tried to run: {:?}", page.complaints());
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_can_be_read_in_both_themes_and_at_any_width() {
    let Some(browser) = Browser::launch().await else { return };
    let world = World::start();
    let page = browser.open(&world.url("/status")).await;
    page.until(IS_LIVE).await;

    for state in ["healthy", "failing"] {
        if state == "failing" {
            world.payments.set(Finding::down("connection refused (os error 111)"));
            world.disk.set(Finding::degraded("91 % full"));
            world.breaker.isolate();
            page.until("document.querySelector('.hero .word').textContent === 'Down'").await;
            page.until("document.querySelector('#policies').textContent.includes('Isolated')")
                .await;
        }
        for scheme in ["light", "dark"] {
            page.prefer(scheme).await;
            for width in [400, 1_280, 1_920] {
                page.resize(width, 1_000).await;
                page.picture(&format!("{state}-{scheme}-{width}")).await;
                let wide = "document.scrollingElement.scrollWidth - innerWidth";
                assert!(page.evaluate(wide).await.as_f64().unwrap() <= 0.0, "{state} {width}");
            }
            page.evaluate(
                "document.querySelectorAll('.check').forEach((check) => { check.open = true; })",
            )
            .await;
            let worst = page.evaluate(CONTRAST).await;
            assert!(worst["texts"].as_u64().unwrap() > 50, "{worst}");
            assert!(worst["ratio"].as_f64().unwrap() >= 4.5, "{state} {scheme}: {worst}");
            let background = background(&page).await;
            assert_eq!(background == "rgb(18, 20, 22)", scheme == "dark", "{background}");
            page.evaluate(
                "document.querySelectorAll('.check').forEach((check) => { check.open = false; })",
            )
            .await;
        }
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_server_is_said_to_be_lost_and_found_again() {
    let Some(browser) = Browser::launch().await else { return };
    let mut world = World::start();
    let page = browser.open(&world.url("/status")).await;
    page.until(IS_LIVE).await;
    page.evaluate("window.mark = 1").await;
    assert_eq!(page.evaluate("document.querySelector('#lost').hidden").await, true);

    world.stop();
    page.until("document.querySelector('#live').dataset.state === 'lost'").await;
    let text = page.evaluate("document.querySelector('#lost').innerText").await;
    assert!(text.as_str().unwrap().starts_with("Not live since "), "{text}");
    page.picture("lost").await;

    world.disk.set(Finding::down("gone"));
    world.serve();
    page.until(IS_LIVE).await;
    page.until("document.querySelector('.hero .word').textContent === 'Down'").await;
    assert_eq!(page.evaluate("document.querySelector('#lost').hidden").await, true);
    assert_eq!(page.evaluate("window.mark").await, 1, "it was not loaded anew");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_is_what_the_script_makes_of_the_same_data() {
    let Some(browser) = Browser::launch().await else { return };
    let world = World::start();
    world.payments.set(Finding::down("connection refused"));
    world.payments.set(Finding::down("connection refused"));
    world.breaker.isolate();
    let page = browser.open(&world.url("/status")).await;
    page.until(IS_LIVE).await;

    // Both tell of the same second sooner or later. Moments are left out: they differ by rounding.
    let difference = page
        .evaluate(
            "(async () => {
                const plain = (main) => {
                    const copy = main.cloneNode(true);
                    for (const age of copy.querySelectorAll('.age')) {
                        age.textContent = '';
                        age.removeAttribute('data-at');
                    }
                    return copy.innerHTML.replaceAll('</', '\\n</');
                };
                let last = null;
                for (let turn = 0; turn < 50; turn++) {
                    const answer = await (await fetch('/status')).text();
                    const arrived = plain(new DOMParser().parseFromString(answer, 'text/html').querySelector('main'));
                    const made = plain(document.querySelector('main'));
                    if (arrived === made) return null;
                    const [a, b] = [arrived.split('\\n'), made.split('\\n')];
                    last = a.map((line, at) => [line, b[at]]).find(([x, y]) => x !== y);
                    await new Promise((done) => setTimeout(done, 100));
                }
                return last;
            })()",
        )
        .await;

    assert_eq!(difference, Value::Null);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_shows_the_token_sees_it_live() {
    let Some(browser) = Browser::launch().await else { return };
    let world = World::start_with(|config| {
        config.status_access(Access::Token).token(Token::new(TOKEN).unwrap())
    });
    let page = browser.blank().await;

    page.authenticate("anybody", TOKEN).await;
    page.goto(&world.url("/status")).await;

    page.until(IS_LIVE).await;
    assert_eq!(page.evaluate("document.body.innerHTML.includes('7c1f0b5d')").await, false);
    browser.close().await;
}

async fn background(page: &Page) -> String {
    let color = page.evaluate("getComputedStyle(document.body).backgroundColor").await;
    color.as_str().expect("a colour").to_owned()
}

/// The worst contrast of any text that is shown with what is behind it, as WCAG 2.2 computes it.
const CONTRAST: &str = "(() => {
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const luminance = (color) => {
        const [r, g, b] = channels(color).map((value) => value / 255)
            .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if (color.startsWith('rgb(')) return color;
            if (channels(color)[3] !== 0) throw new Error(`a colour that is not understood: ${color}`);
        }
        throw new Error('no background');
    };
    let worst = { ratio: 21, texts: 0 };
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join('');
        if (!own || !element.checkVisibility({ visibilityProperty: true }) || element.closest('svg, script, #news')) continue;
        const style = getComputedStyle(element);
        if (!style.color.startsWith('rgb(')) throw new Error(`a colour that is not understood: ${style.color}`);
        const [a, b] = [luminance(style.color), luminance(behind(element))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        worst.texts += 1;
        if (ratio < worst.ratio) worst = { ...worst, ratio, text: own, color: style.color, on: behind(element) };
    }
    return worst;
})()";
