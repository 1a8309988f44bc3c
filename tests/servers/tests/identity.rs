//! Tokens through the SDK's own credentials, with Seawall around them and without.

use std::sync::Arc;
use std::time::{Duration, Instant};

use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::ClientOptions;
use azure_identity::{
    ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions,
};
use futures_util::future::join_all;
use seawall::azure::{Contract, Credential, Resilience};
use seawall::telemetry::Environment;
use seawall::time::Clock;
use seawall_servers::fakes::TokenEndpoint;
use seawall_servers::proxy::{Fault, When};
use seawall_servers::{Proxy, Script, Wire};
use serde_json::json;
use tokio::time::{interval, sleep};

const SCOPE: &str = "https://storage.azure.com/.default";
const SLOW: Duration = Duration::from_millis(400);

#[tokio::test]
async fn the_bare_credential_makes_every_call_wait_although_its_token_is_good() {
    let world = World::start().await;
    let credential = world.credential(|_| {});
    credential.get_token(&[SCOPE], None).await.unwrap();
    world.proxy.fault(When::any(), Fault::Delay(SLOW));

    let longest = longest_wait(&credential, 4).await;

    // One after the other.
    assert!(longest >= SLOW * 4, "{longest:?}");
}

#[tokio::test]
async fn no_call_waits_for_a_slow_endpoint_while_there_is_a_token() {
    let world = World::start().await;
    let credential = world.wrapped(|config| config);
    credential.get_token(&[SCOPE], None).await.unwrap();
    world.proxy.fault(When::any(), Fault::Delay(SLOW));

    let longest = longest_wait(&credential, 100).await;

    assert!(longest < Duration::from_millis(250), "{longest:?}");
}

async fn longest_wait(credential: &Arc<dyn TokenCredential>, calls: usize) -> Duration {
    let waits = (0..calls).map(|_| async {
        let start = Instant::now();
        credential.get_token(&[SCOPE], None).await.expect("there is one");
        start.elapsed()
    });
    join_all(waits).await.into_iter().max().expect("there are calls")
}

/// The life of a token, half of which passes before it is renewed.
const LIFE: Duration = Duration::from_secs(14);
/// How long after the first token the endpoint goes down, and for how long.
const UP: Duration = Duration::from_secs(4);
const DOWN: Duration = Duration::from_secs(7);

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_down_is_felt_by_nobody_while_the_token_lives() {
    let world = World::start().await;
    world.endpoint.life(LIFE);
    let rest = Duration::from_secs(1);
    let credential = world.wrapped(|config| config.max_cool_down(rest).attempt_timeout(rest * 2));
    let start = Instant::now();
    credential.get_token(&[SCOPE], None).await.unwrap();

    let callers = (0..100).map(|_| {
        let credential = Arc::clone(&credential);
        tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(50));
            let mut longest = Duration::ZERO;
            while start.elapsed() < LIFE + Duration::from_secs(2) {
                ticks.tick().await;
                let call = Instant::now();
                credential.get_token(&[SCOPE], None).await.unwrap();
                longest = longest.max(call.elapsed());
            }
            longest
        })
    });
    let callers: Vec<_> = callers.collect();
    sleep(UP).await;
    // It is gone at first, and does not answer after that.
    world.proxy.fault(When::any(), Fault::Hang);
    world.proxy.fault(When::any().times(2), Fault::Reset);
    sleep(DOWN).await;
    let until = Instant::now();
    let tried: Vec<_> = world.proxy.requests().iter().skip(1).map(|seen| seen.at).collect();
    world.proxy.heal().await;

    for caller in callers {
        let longest = caller.await.unwrap();
        assert!(longest < Duration::from_millis(250), "{longest:?}");
    }
    assert!(tried.len() >= 3, "{} tried", tried.len());
    assert!(tried.iter().all(|at| *at < until));
    let gaps: Vec<_> = tried.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap >= Duration::from_millis(900)), "{gaps:?}");
    assert_eq!(world.proxy.most_at_once(), 1);
    assert!(world.endpoint.requests().len() >= 2, "it was renewed once it could be");
}

#[tokio::test]
async fn who_is_refused_for_an_hour_is_told_so_at_once() {
    let world = World::start().await;
    let credential = world.wrapped(|config| config);
    let body = json!({
        "error": "temporarily_unavailable",
        "error_description": "AADSTS90055: too many requests",
        "error_codes": [90_055],
        "timestamp": "",
        "trace_id": "",
        "correlation_id": "",
    });
    let busy = Fault::status(429).header("retry-after", "3600").body(&body.to_string());
    let rule = world.proxy.fault(When::any(), busy);
    let start = Instant::now();

    for _ in 0..2 {
        let error = credential.get_token(&[SCOPE], None).await.unwrap_err();
        assert!(error.to_string().contains("AADSTS90055"), "{error}");
    }

    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(rule.matched(), 1, "the second call knew");
}

#[tokio::test(start_paused = true)]
async fn the_repeats_of_the_metadata_service_are_not_multiplied() {
    let mut made = Vec::new();
    for wrap in [false, true] {
        let script = Script::new([(404, Vec::new())]);
        let mut client_options =
            ClientOptions { transport: Some(script.transport()), ..ClientOptions::default() };
        let clock = Environment::new().clock(Clock::tokio());
        let identity = Resilience::of(Contract::managed_identity(), "identity");
        let identity = identity.build_in(&clock).unwrap();
        if wrap {
            identity.apply(&mut client_options);
        }
        let options = ManagedIdentityCredentialOptions { client_options, ..Default::default() };
        let credential = ManagedIdentityCredential::new(Some(options)).unwrap();
        credential.get_token(&[SCOPE], None).await.unwrap_err();
        made.push(script.requests().len());
    }

    // With a limit in time there may be one less.
    assert!((made[0] - 1..=made[0]).contains(&made[1]), "{made:?}");
}

struct World {
    endpoint: TokenEndpoint,
    proxy: Proxy,
}

impl World {
    /// The tokens are good, and old enough for the SDK's own caches to want the next one.
    async fn start() -> Self {
        let endpoint = TokenEndpoint::start().await;
        endpoint.life(Duration::from_secs(290));
        let proxy = Proxy::start(endpoint.address().port()).await;
        Self { endpoint, proxy }
    }

    fn credential(&self, wrap: impl FnOnce(&mut ClientOptions)) -> Arc<dyn TokenCredential> {
        let transport = Some(Wire::to(self.proxy.address()).transport());
        let mut client_options = ClientOptions { transport, ..ClientOptions::default() };
        wrap(&mut client_options);
        let credential = ClientSecretCredential::new(
            "00000000-0000-0000-0000-000000000000",
            "orders".into(),
            Secret::new("secret"),
            Some(ClientSecretCredentialOptions { client_options }),
        );
        credential.expect("it is well formed")
    }

    fn wrapped(
        &self,
        set: impl FnOnce(seawall::azure::credential::Config) -> seawall::azure::credential::Config,
    ) -> Arc<dyn TokenCredential> {
        let identity = Resilience::identity("identity").build().expect("good settings");
        let inner = self.credential(|options| identity.apply(options));
        Arc::new(set(Credential::builder()).build(inner).expect("good settings"))
    }
}
