//! Resilience without tower: any function that returns a future of a `Result`.
//!
//! A database driver, a message queue, an SDK: what is no tower service goes through `run`, with
//! the same policies, the same counts and the same events.
//!
//! Run it with `cargo run --example closure`.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use seawall::Error;
use seawall::circuit_breaker::CircuitBreaker;
use seawall::error::InvalidConfig;
use seawall::fallback::FallbackLayer;
use seawall::stack::Stack;
use seawall::timeout::Timeout;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), InvalidConfig> {
    // All at once: the standard stack. The closure is called once for each attempt.
    let stack = Stack::builder().name("stock").total_timeout(Duration::from_secs(5)).build()?;
    let database = Database::default();
    let rows = stack.run(|| database.select("salt")).await;
    println!("through the standard stack: {rows:?}, after {} attempts", database.calls());

    // Or one policy alone. A timeout ...
    let timeout = Timeout::new(Duration::from_millis(50))?;
    let late = timeout.run(|| database.lock_table()).await;
    println!("through a timeout: {late:?}");

    // ... a circuit breaker, whose errors say whether the database was asked at all ...
    let breaker = CircuitBreaker::builder().name("stock").build()?;
    breaker.isolate();
    match breaker.run(|| database.select("salt")).await {
        Ok(rows) => println!("through a closed circuit: {rows}"),
        Err(Error::Rejected(rejection)) => println!("not asked: {rejection}"),
        Err(error) => println!("asked, and failed: {error}"),
    }

    // ... or a fallback, which answers for whatever went wrong further in.
    let rows = FallbackLayer::value(0).run((), |()| timeout_then_rows(&timeout, &database)).await;
    println!("through a fallback: {rows:?}");
    Ok(())
}

async fn timeout_then_rows(timeout: &Timeout, database: &Database) -> Result<u32, io::Error> {
    timeout.run(|| database.lock_table()).await.map_err(io::Error::other)
}

/// A client that knows nothing of policies.
#[derive(Default)]
struct Database {
    calls: AtomicU32,
}

impl Database {
    /// Loses its connection once, and then works.
    async fn select(&self, _name: &str) -> Result<u32, io::Error> {
        tokio::task::yield_now().await;
        match self.calls.fetch_add(1, Ordering::Relaxed) {
            0 => Err(io::ErrorKind::ConnectionReset.into()),
            _ => Ok(3),
        }
    }

    /// Waits for a lock that nobody gives back.
    async fn lock_table(&self) -> Result<u32, io::Error> {
        std::future::pending().await
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }
}
