//! One circuit breaker for each host: the host that fails is shut off, and the others notice
//! nothing.
//!
//! `cargo run --example keyed`

use std::num::NonZeroUsize;
use std::time::Duration;

use seawall::circuit_breaker::CircuitBreaker;
use seawall::error::{BoxError, Reject};
use seawall::gate::Keyed;
use tower::{ServiceBuilder, ServiceExt, service_fn};

struct Request {
    host: &'static str,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let breaker = CircuitBreaker::builder()
        .name("hosts")
        .time_window(Duration::from_secs(10))
        .min_calls(10)
        .failure_rate(0.5)
        .build()?;
    // No more than so many hosts are kept, those that are in use above all.
    let hosts: Keyed<&str, _> =
        Keyed::bounded(breaker, NonZeroUsize::new(1_000).expect("it is not zero"));

    let client = ServiceBuilder::new()
        .layer(hosts.layer(|request: &Request| request.host))
        .service(service_fn(|request: Request| async move {
            match request.host {
                "down.example" => Err(BoxError::from("connection refused")),
                host => Ok(format!("hello from {host}")),
            }
        }));

    for host in ["down.example", "up.example"] {
        let (mut answers, mut failures, mut rejections) = (0, 0, 0);
        for _ in 0..100 {
            match client.clone().oneshot(Request { host }).await {
                Ok(_) => answers += 1,
                Err(error) if error.rejection().is_some() => rejections += 1,
                Err(_) => failures += 1,
            }
        }
        println!("{host:<14}{answers:>4} answers {failures:>4} failures {rejections:>4} rejected");
    }

    println!();
    for (host, breaker) in hosts.snapshot() {
        println!("{host:<14}{}", breaker.state());
    }
    Ok(())
}
