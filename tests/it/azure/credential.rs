use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{AsyncRawResponse, Context, Method, RawResponse, Request, StatusCode};
use azure_core::time::OffsetDateTime;
use futures_util::FutureExt;
use futures_util::future::join_all;
use seawall::Reason;
use seawall::azure::Credential;
use seawall::azure::credential::Config;
use seawall::context::{self, Context as CallContext};
use seawall::error::Reject;
use seawall::health::{Finding, Verdict};
use seawall::telemetry::Environment;
use seawall::time::{Clock, Instant};
use tokio::time::sleep;

const SCOPE: &[&str] = &["https://storage.azure.com/.default"];
const HOUR: Duration = Duration::from_secs(3600);

/// What an issuer does with a call.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Issues a new token that lives so long.
    Issue(Duration),
    /// Gives out the last token once more.
    Repeat,
    /// Answers with this status, and maybe with a `Retry-After`.
    Status(StatusCode, Option<&'static str>),
    Hang,
    Panic,
}

/// In place of what asks the token endpoint.
#[derive(Debug)]
struct Issuer {
    clock: Clock,
    does: Mutex<Does>,
    /// How long each call takes.
    takes: Mutex<Duration>,
    issued: Mutex<Vec<AccessToken>>,
    started: Mutex<Vec<(Instant, Vec<String>)>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    deadlines: Mutex<Vec<Option<Instant>>>,
}

struct Leaves<'a>(&'a AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Issuer {
    fn new(clock: &Clock) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            does: Mutex::new(Does::Issue(HOUR)),
            takes: Mutex::new(Duration::from_millis(50)),
            issued: Mutex::default(),
            started: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            deadlines: Mutex::default(),
        })
    }

    fn does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    fn calls(&self) -> usize {
        self.started.lock().unwrap().len()
    }

    fn starts(&self) -> Vec<Instant> {
        self.started.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }
}

#[async_trait::async_trait]
impl TokenCredential for Issuer {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let scopes = scopes.iter().map(ToString::to_string).collect();
        self.started.lock().unwrap().push((self.clock.now(), scopes));
        self.deadlines.lock().unwrap().push(context::deadline(&self.clock));
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        let _leaves = Leaves(&self.in_flight);
        self.most_in_flight.fetch_max(in_flight, Ordering::SeqCst);
        let (does, takes) = (*self.does.lock().unwrap(), *self.takes.lock().unwrap());
        if !takes.is_zero() {
            sleep(takes).await;
        }
        let mut issued = self.issued.lock().unwrap();
        match does {
            Does::Issue(life) => {
                let end = wall(&self.clock) + life;
                let token = format!("token {}", issued.len());
                issued.push(AccessToken::new(token, OffsetDateTime::from(end)));
                Ok(issued.last().unwrap().clone())
            }
            Does::Repeat => Ok(issued.last().unwrap().clone()),
            Does::Status(status, hint) => Err(refusal(status, hint)),
            Does::Hang => {
                drop(issued);
                std::future::pending().await
            }
            Does::Panic => {
                drop(issued);
                panic!("as the test wants it")
            }
        }
    }
}

/// As `azure_identity` tells of an answer that is no token.
fn refusal(status: StatusCode, hint: Option<&'static str>) -> Error {
    let mut headers = Headers::new();
    if let Some(hint) = hint {
        headers.insert("retry-after", hint);
    }
    let raw_response = Some(Box::new(RawResponse::from_bytes(status, headers, "")));
    let answer = ErrorKind::HttpResponse { status, error_code: None, raw_response };
    Error::with_error(ErrorKind::Credential, answer.into_error(), "no token")
}

/// A wall clock that goes as the other one does.
fn wall(clock: &Clock) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000) + clock.now().since(Instant::from_nanos(0))
}

fn credential(issuer: &Arc<Issuer>, config: &Config) -> Credential {
    let clock = issuer.clock.clone();
    let environment = Environment::new().clock(clock.clone()).seed(7);
    config.build_with(Arc::clone(issuer) as _, &environment, move || wall(&clock)).unwrap()
}

fn default_pair() -> (Arc<Issuer>, Credential) {
    let issuer = Issuer::new(&Clock::tokio());
    let credential = credential(&issuer, &Credential::builder());
    (issuer, credential)
}

/// The token, which must be there without a wait.
fn at_once(credential: &Credential) -> String {
    let answer = credential.get_token(SCOPE, None).now_or_never();
    answer.expect("no call waits while there is a token").unwrap().token.secret().to_owned()
}

#[tokio::test(start_paused = true)]
async fn while_the_token_endpoint_is_down_no_call_waits_and_one_try_is_made_a_second_at_most() {
    let (issuer, credential) = default_pair();
    credential.get_token(SCOPE, None).await.unwrap();
    // Close to the first moment at which the next token may be asked for: 15 to 18 minutes ahead.
    sleep(HOUR - Duration::from_secs(18 * 60) - Duration::from_secs(1)).await;
    assert_eq!(issuer.calls(), 1);

    issuer.does(Does::Status(StatusCode::ServiceUnavailable, None));
    sleep(Duration::from_secs(181)).await;
    let down = issuer.clock.now();
    assert!(issuer.calls() > 1, "it was to be renewed by now");
    let before = issuer.calls();
    while issuer.clock.now().since(down) < Duration::from_secs(60) {
        let calls = join_all((0..100).map(|_| credential.get_token(SCOPE, None)));
        let answers = calls.now_or_never().expect("no call waits");
        assert!(answers.iter().all(|it| it.as_ref().unwrap().token.secret() == "token 0"));
        sleep(Duration::from_millis(100)).await;
    }

    let starts = issuer.starts();
    assert!(starts.len() > before + 2, "it goes on trying: {starts:?}");
    assert_eq!(issuer.most_in_flight.load(Ordering::SeqCst), 1);
    for pair in starts.windows(2) {
        assert!(pair[1].since(pair[0]) >= Duration::from_secs(1), "{starts:?}");
    }
    let finding = credential.check().run_once().await;
    assert_eq!(finding.verdict(), Verdict::Degraded);
    assert!(finding.detail().unwrap().contains("last status 503"), "{:?}", finding.detail());

    issuer.does(Does::Issue(HOUR));
    sleep(Duration::from_secs(16)).await;
    assert_eq!(at_once(&credential), "token 1");
    assert_eq!(credential.check().run_once().await.verdict(), Verdict::Healthy);
}

/// What the SDK does by itself, so that it is seen what this is for.
#[tokio::test(start_paused = true)]
async fn the_bare_sdk_waits_in_line_for_each_failing_refresh_and_this_does_not() {
    #[derive(Debug)]
    struct Fine;
    #[expect(
        elided_lifetimes_in_paths,
        reason = "async_trait tells the trait's elision from a named one"
    )]
    #[async_trait::async_trait]
    impl Policy for Fine {
        async fn send(&self, _: &Context, _: &mut Request, _: &[Arc<dyn Policy>]) -> PolicyResult {
            Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::new(), ""))
        }
    }
    /// The SDK reads the system's clock: a token inside of its last 5 minutes, and then failures.
    #[derive(Debug, Default)]
    struct Failing(AtomicUsize);
    #[async_trait::async_trait]
    impl TokenCredential for Failing {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
                let end = SystemTime::now() + Duration::from_secs(290);
                return Ok(AccessToken::new("token", OffsetDateTime::from(end)));
            }
            sleep(Duration::from_millis(1_500)).await;
            Err(refusal(StatusCode::ServiceUnavailable, None))
        }
    }
    let take = async |credential: Arc<dyn TokenCredential>| {
        let next: [Arc<dyn Policy>; 1] = [Arc::new(Fine)];
        let policy = BearerTokenAuthorizationPolicy::new(credential, SCOPE.to_vec());
        let send = async move || {
            let url = "https://orders.blob.core.windows.net/".parse().unwrap();
            let mut request = Request::new(url, Method::Get);
            policy.send(&Context::new(), &mut request, &next).await.unwrap();
        };
        send().await;
        let start = tokio::time::Instant::now();
        let sends = tokio::spawn(async move { join_all((0..4).map(|_| send())).await });
        // Those who wait for the SDK's lock wake each other without end, so that time does not go
        // by itself.
        loop {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            if sends.is_finished() {
                sends.await.unwrap();
                break start.elapsed();
            }
            tokio::time::advance(Duration::from_millis(500)).await;
        }
    };

    let bare = take(Arc::new(Failing::default())).await;
    assert!(bare >= Duration::from_secs(6), "{bare:?}");
    let failing = Arc::new(Failing::default());
    let environment = Environment::new().clock(Clock::tokio());
    let calm = Credential::builder().build_in(Arc::clone(&failing) as _, &environment).unwrap();
    assert_eq!(take(Arc::new(calm)).await, Duration::ZERO);
    assert_eq!(failing.0.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_token_is_asked_for_once_and_survives_those_who_give_up() {
    let (issuer, credential) = default_pair();
    let call = || {
        let credential = credential.clone();
        tokio::spawn(async move { credential.get_token(SCOPE, None).await })
    };
    let leader = call();
    tokio::task::yield_now().await;
    let others: Vec<_> = (0..99).map(|_| call()).collect();
    tokio::task::yield_now().await;

    leader.abort();

    for other in others {
        assert_eq!(other.await.unwrap().unwrap().token.secret(), "token 0");
    }
    assert_eq!(issuer.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_try_goes_on_where_all_who_wait_for_it_have_left() {
    let (issuer, credential) = default_pair();
    {
        let call = credential.get_token(SCOPE, None);
        assert!(call.now_or_never().is_none());
    }

    sleep(Duration::from_millis(51)).await;

    assert_eq!(credential.figures().refreshes, 1, "before anybody comes back");
    assert_eq!(at_once(&credential), "token 0");
    assert_eq!(issuer.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_try_that_hangs_is_given_up() {
    let (issuer, credential) = default_pair();
    issuer.does(Does::Hang);
    let start = issuer.clock.now();

    let (one, two) =
        tokio::join!(credential.get_token(SCOPE, None), credential.get_token(SCOPE, None));

    for answer in [one, two] {
        let reason = answer.unwrap_err().rejection().unwrap().reason();
        assert_eq!(reason, Reason::TimedOut);
    }
    assert_eq!(issuer.clock.now().since(start), Duration::from_secs(90));
    assert_eq!((issuer.calls(), issuer.in_flight.load(Ordering::SeqCst)), (1, 0));
    issuer.does(Does::Issue(HOUR));
    sleep(Duration::from_secs(3)).await;
    credential.get_token(SCOPE, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hanging_refresh_is_felt_by_nobody() {
    let (issuer, credential) = default_pair();
    credential.get_token(SCOPE, None).await.unwrap();
    issuer.does(Does::Hang);

    sleep(HOUR - Duration::from_secs(60)).await;

    assert_eq!(at_once(&credential), "token 0");
    assert_eq!(issuer.most_in_flight.load(Ordering::SeqCst), 1);
    assert!(issuer.calls() > 5, "it was given up and tried again: {}", issuer.calls());
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_panics_has_failed() {
    let (issuer, credential) = default_pair();
    issuer.does(Does::Panic);

    let error = credential.get_token(SCOPE, None).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::Credential);
    issuer.does(Does::Issue(HOUR));
    sleep(Duration::from_secs(3)).await;
    assert!(credential.get_token(SCOPE, None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_a_token_calls_fail_at_once_within_the_rest_and_with_the_answer_that_there_was() {
    let (issuer, credential) = default_pair();
    issuer.does(Does::Status(StatusCode::Unauthorized, None));
    let start = issuer.clock.now();
    let mut waited = 0;
    while issuer.clock.now().since(start) < Duration::from_secs(60) {
        let before = issuer.clock.now();
        let error = credential.get_token(SCOPE, None).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Credential);
        let inner = error.downcast_ref::<Error>().unwrap();
        assert_eq!(inner.http_status(), Some(StatusCode::Unauthorized));
        waited += usize::from(issuer.clock.now() > before);
        sleep(Duration::from_millis(50)).await;
    }

    let starts = issuer.starts();
    assert_eq!(waited, starts.len(), "only who makes the try waits for it");
    assert!((4..=60).contains(&starts.len()), "{}", starts.len());
    assert!(starts.windows(2).all(|pair| pair[1].since(pair[0]) >= Duration::from_secs(1)));
    let finding = credential.check().run_once().await;
    assert_eq!(finding.verdict(), Verdict::Down);
    assert!(finding.detail().unwrap().starts_with("no token: "));
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_no_sooner_than_the_service_says_and_not_hours_later() {
    let (issuer, credential) = default_pair();
    for (hint, rest) in [("40", 40), ("7200", 300)] {
        issuer.does(Does::Status(StatusCode::TooManyRequests, Some(hint)));
        credential.get_token(SCOPE, None).await.unwrap_err();
        let calls = issuer.calls();

        sleep(Duration::from_secs(rest - 1)).await;
        credential.get_token(SCOPE, None).await.unwrap_err();
        assert_eq!(issuer.calls(), calls, "after {hint}");
        sleep(Duration::from_secs(1)).await;
        credential.get_token(SCOPE, None).await.unwrap_err();
        assert_eq!(issuer.calls(), calls + 1, "after {hint}");
        // Ends the row of failures.
        issuer.does(Does::Issue(Duration::from_secs(1)));
        sleep(Duration::from_secs(301)).await;
        credential.get_token(SCOPE, None).await.unwrap();
        sleep(Duration::from_secs(2)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_keeps_tokens_itself_is_asked_until_it_brings_a_new_one() {
    let (issuer, credential) = default_pair();
    let end = issuer.clock.now() + HOUR;
    credential.get_token(SCOPE, None).await.unwrap();
    issuer.does(Does::Repeat);

    // As `azure_identity` does: the same until 5 minutes are left.
    sleep(end.since(issuer.clock.now()) - Duration::from_secs(300)).await;
    let repeated = issuer.calls() - 1;
    assert!((20..=36).contains(&repeated), "every 30 s: {repeated}");
    let figures = credential.figures();
    assert_eq!((figures.failures, figures.unchanged), (0, u64::try_from(repeated).unwrap()));
    assert_eq!(credential.check().run_once().await.verdict(), Verdict::Healthy);
    issuer.does(Does::Issue(HOUR));
    sleep(Duration::from_secs(31)).await;

    assert_eq!(at_once(&credential), "token 1");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_never_given_out_after_its_end() {
    let (issuer, credential) = default_pair();
    credential.get_token(SCOPE, None).await.unwrap();
    issuer.does(Does::Status(StatusCode::ServiceUnavailable, None));
    sleep(HOUR + Duration::from_secs(1)).await;

    assert!(credential.get_token(SCOPE, None).await.is_err());

    assert_eq!(credential.check().run_once().await.verdict(), Verdict::Down);
    issuer.does(Does::Issue(HOUR));
    sleep(Duration::from_secs(16)).await;
    assert_eq!(credential.get_token(SCOPE, None).await.unwrap().token.secret(), "token 1");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_ended_when_it_comes_is_handed_over_and_not_kept() {
    let (issuer, credential) = default_pair();
    issuer.does(Does::Issue(Duration::ZERO));

    let one = credential.get_token(SCOPE, None).await.unwrap();
    let two = credential.get_token(SCOPE, None).await.unwrap();

    assert_ne!(one.token.secret(), two.token.secret());
    let finding = credential.check().run_once().await;
    assert_eq!(finding.verdict(), Verdict::Down);
    assert!(finding.detail().unwrap().contains("clock"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_nobody_asks_for_is_not_renewed() {
    let (issuer, credential) = default_pair();
    credential.get_token(SCOPE, None).await.unwrap();

    sleep(24 * HOUR).await;

    assert_eq!(issuer.calls(), 2, "once, since the first was used");
    credential.get_token(SCOPE, None).await.unwrap();
    sleep(HOUR - Duration::from_secs(60)).await;
    assert_eq!(issuer.calls(), 4);
    assert_eq!(at_once(&credential), "token 3");
}

#[tokio::test(start_paused = true)]
async fn each_set_of_scopes_has_its_token_and_their_number_is_bounded() {
    let issuer = Issuer::new(&Clock::tokio());
    let credential = credential(&issuer, &Credential::builder().max_scope_sets(2));
    let token = async |scopes: &[&str]| {
        credential.get_token(scopes, None).await.unwrap().token.secret().to_owned()
    };

    assert_eq!(token(&["a"]).await, "token 0");
    assert_eq!(token(&["a", "b"]).await, "token 1");
    assert_eq!(token(&["a"]).await, "token 0");
    assert_eq!(token(&["c"]).await, "token 2");
    assert_eq!(token(&["a"]).await, "token 0", "the one that was used last stays");
    assert_eq!(token(&["a", "b"]).await, "token 3");
    for n in 0..1_000 {
        token(&[&n.to_string()]).await;
    }

    assert_eq!(credential.figures().scope_sets, 2);
    let started = issuer.started.lock().unwrap();
    assert_eq!(started[1].1, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_try_has_no_callers_deadline() {
    let (issuer, credential) = default_pair();
    let until = issuer.clock.now() + Duration::from_millis(10);

    CallContext::new().deadline(until).scope(credential.get_token(SCOPE, None)).await.unwrap();

    let seen = issuer.deadlines.lock().unwrap()[0].unwrap();
    assert!(seen > until + Duration::from_secs(60), "only that of the try itself");
}

#[tokio::test(start_paused = true)]
async fn no_token_is_ever_printed() {
    let (issuer, credential) = default_pair();
    credential.get_token(SCOPE, None).await.unwrap();
    issuer.does(Does::Status(StatusCode::ServiceUnavailable, None));
    sleep(HOUR - Duration::from_secs(60)).await;
    let finding = credential.check().run_once().await;

    let printed = format!("{credential:?} {:?} {:?}", credential.figures(), finding.detail());

    assert!(!printed.contains("token 0"), "{printed}");
    assert!(printed.contains("not renewed: "), "{printed}");
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_is_dropped_keeps_nothing_alive() {
    let (issuer, credential) = default_pair();
    credential.get_token(SCOPE, None).await.unwrap();
    let another = credential.clone();
    drop(credential);
    assert_eq!(at_once(&another), "token 0");

    drop(another);
    sleep(24 * HOUR).await;

    assert_eq!((issuer.calls(), Arc::strong_count(&issuer)), (1, 1));
}

#[test]
fn outside_of_a_runtime_who_waits_drives() {
    let clock = Clock::manual();
    clock.set(Instant::from_nanos(1));
    let issuer = Issuer::new(&clock);
    *issuer.takes.lock().unwrap() = Duration::ZERO;
    let credential = credential(&issuer, &Credential::builder());
    let token = || {
        let answer = credential.get_token(SCOPE, None).now_or_never();
        answer.unwrap().unwrap().token.secret().to_owned()
    };

    assert_eq!(token(), "token 0");
    clock.advance(HOUR - Duration::from_secs(1));
    assert_eq!(token(), "token 0");
    clock.advance(Duration::from_secs(1));
    assert_eq!(token(), "token 1");
}

#[test]
fn where_the_runtime_ends_the_next_one_goes_on() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let clock = Clock::manual();
    let issuer = Issuer::new(&clock);
    *issuer.takes.lock().unwrap() = Duration::ZERO;
    let credential = credential(&issuer, &Credential::builder());
    let first = runtime();
    first.block_on(credential.get_token(SCOPE, None)).unwrap();
    // Its keeper waits for the hour to pass, and is dropped with it.
    first.block_on(tokio::task::yield_now());
    drop(first);
    clock.advance(HOUR - Duration::from_secs(60));
    assert_eq!(issuer.calls(), 1);

    runtime().block_on(async {
        assert_eq!(at_once(&credential), "token 0");
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(at_once(&credential), "token 1");
    });
}

#[tokio::test(start_paused = true)]
async fn figures_say_how_it_stands() {
    let (issuer, credential) = default_pair();
    let waiting = credential.clone();
    let waiting = tokio::spawn(async move { waiting.get_token(SCOPE, None).await.map(drop) });
    tokio::task::yield_now().await;
    let seen = credential.figures();
    assert_eq!((seen.scope_sets, seen.in_flight, seen.refreshes, seen.age), (1, 1, 0, None));
    waiting.await.unwrap().unwrap();

    sleep(Duration::from_secs(100)).await;
    let seen = credential.figures();
    assert_eq!((seen.in_flight, seen.refreshes, seen.failures), (0, 1, 0));
    assert_eq!(seen.age, Some(Duration::from_secs(100)));
    assert_eq!(seen.left, Some(HOUR - Duration::from_secs(100)));

    issuer.does(Does::Status(StatusCode::ServiceUnavailable, None));
    sleep(HOUR - Duration::from_secs(200)).await;
    let seen = credential.figures();
    assert_eq!((seen.stale, seen.failed, seen.refreshes), (1, 0, 1));
    assert_eq!(seen.failures_in_a_row, seen.failures);
    sleep(Duration::from_secs(100)).await;
    let seen = credential.figures();
    assert_eq!((seen.stale, seen.failed, seen.age, seen.left), (0, 1, None, None));
    assert_eq!(credential.name(), "credential");
}

#[tokio::test(start_paused = true)]
async fn it_is_well_before_anybody_has_asked() {
    let (_, credential) = default_pair();

    assert_eq!(credential.check().run_once().await, Finding::healthy());
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let second = Duration::from_secs(1);
    let wrong = [
        (Credential::builder().refresh_ahead(Duration::ZERO), "refresh_ahead"),
        (Credential::builder().refresh_ahead(25 * HOUR), "refresh_ahead"),
        (Credential::builder().jitter(f64::NAN), "jitter"),
        (Credential::builder().jitter(-0.1), "jitter"),
        (Credential::builder().jitter(1.1), "jitter"),
        (Credential::builder().cool_down(Duration::ZERO), "cool_down"),
        (Credential::builder().cool_down(2 * second).max_cool_down(second), "max_cool_down"),
        (Credential::builder().max_retry_after(Duration::MAX), "max_retry_after"),
        (Credential::builder().attempt_timeout(Duration::ZERO), "attempt_timeout"),
        (Credential::builder().attempt_timeout(Duration::MAX), "attempt_timeout"),
        (Credential::builder().max_scope_sets(0), "max_scope_sets"),
        (Credential::builder().max_scope_sets(257), "max_scope_sets"),
    ];
    for (config, field) in wrong {
        let error = config.build(Issuer::new(&Clock::manual())).unwrap_err();
        assert_eq!(error.field(), field);
    }
}
