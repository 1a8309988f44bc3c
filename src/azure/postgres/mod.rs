//! PostgreSQL over tokio-postgres: found again after a failover, and never asked twice by accident.
//!
//! | for | see |
//! |---|---|
//! | calls that survive a failover | [`PgPool`] |
//! | a pool of your own | [`Manager`] |
//! | what is done about which error | [`rows`], and the [manual](crate::manual::postgres) |
//!
//! # Example
//!
//! ```
//! use seawall::azure::postgres::PgPool;
//!
//! let hosts = "host=db-a.internal,db-b.internal user=orders dbname=orders";
//! let pool = PgPool::builder(hosts.parse()?).name("orders").build()?;
//! # let _ = pool;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # When to use it
//!
//! For a server that can move: Azure Database for PostgreSQL with high availability or read
//! replicas, or any primary with standbys. With several hosts in the connection string the primary
//! is looked for among them; with one, which is a name that follows the primary as in Azure's
//! Flexible Server, it is resolved anew for each connection.
//!
//! # How it decides
//!
//! By the SQLSTATE of the server's error, or by what became of the connection: see [`rows`] for
//! what is done about each. What waits how long is said by
//! [`Settings`](crate::azure::database::Settings) and [`Config`].
//!
//! # Cost
//!
//! A call takes a place of bb8's and gives it back, and asks the breaker twice; no round trip but
//! its own. A connection that has been idle for long is asked first. Repeats and connections box
//! and allocate.

mod code;
mod commit;
mod config;
mod connection;
#[cfg(test)]
#[cfg(not(seawall_loom))]
mod fake;
mod health;
mod manager;
mod pool;
mod target;

pub use code::{Row, handling, rows};
pub use config::Config;
pub use connection::Connection;
pub use manager::Manager;
pub use pool::{PgPool, Transaction};
pub use target::Target;
