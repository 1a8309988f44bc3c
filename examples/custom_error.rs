//! An application's own error type under every layer.
//!
//! No layer changes the error type: what a policy has to say goes into the application's enum, in
//! a variant of its own. Two functions make it fit.
//!
//! Run it with `cargo run --example custom_error`.

use std::fmt;
use std::time::Duration;

use seawall::circuit_breaker::CircuitBreaker;
use seawall::error::{InvalidConfig, Reject};
use seawall::retry::Retry;
use seawall::timeout::Timeout;
use seawall::{Outcome, Rejection};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

/// What can go wrong in this application.
#[derive(Debug)]
enum Fault {
    NoSuchOrder(u64),
    Database(&'static str),
    /// A policy ended the call.
    Rejected(Rejection),
}

impl Reject for Fault {
    fn reject(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }

    fn rejection(&self) -> Option<&Rejection> {
        if let Self::Rejected(rejection) = self { Some(rejection) } else { None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchOrder(id) => write!(f, "there is no order {id}"),
            Self::Database(what) => write!(f, "the database failed: {what}"),
            Self::Rejected(rejection) => rejection.fmt(f),
        }
    }
}

/// Says what an answer means: an order that does not exist is no reason to try again, and says
/// nothing against the database.
fn judge(result: Result<&String, &Fault>) -> Outcome {
    match result {
        Ok(_) => Outcome::Success,
        Err(Fault::NoSuchOrder(_)) => Outcome::Permanent,
        Err(Fault::Database(_)) => Outcome::Transient,
        Err(Fault::Rejected(rejection)) if rejection.reason().reached_service() => {
            Outcome::Transient
        }
        Err(Fault::Rejected(_)) => Outcome::Neutral,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), InvalidConfig> {
    let breaker = CircuitBreaker::builder().name("orders").build()?;
    let mut orders = ServiceBuilder::new()
        .layer(Retry::builder().name("orders").build()?.layer().classify(judge))
        .layer(breaker.layer().classify(judge))
        .layer(Timeout::builder().name("orders").after(Duration::from_millis(50)).build()?.layer())
        .service(service_fn(find));

    for id in [1, 2, 3, 4] {
        // The error is the application's own, whoever made it.
        let answer: Result<String, Fault> = match orders.ready().await {
            Ok(orders) => orders.call(id).await,
            Err(fault) => Err(fault),
        };
        match answer {
            Ok(order) => println!("order {id}: {order}"),
            Err(fault) => println!("order {id}: {fault}"),
        }
    }

    breaker.isolate();
    let shut = orders.oneshot(1).await.map_err(|fault| fault.to_string());
    println!("while the circuit is open: {shut:?}");
    Ok(())
}

async fn find(id: u64) -> Result<String, Fault> {
    match id {
        1 => Ok("a pound of salt".into()),
        2 => Err(Fault::NoSuchOrder(id)),
        3 => Err(Fault::Database("connection reset")),
        // Hangs, and is timed out.
        _ => std::future::pending().await,
    }
}
