//! Harnesses for tests over real servers and in a real browser.

mod account;
mod azurite;
mod browser;
pub mod fakes;
mod missing;
pub mod port;
pub mod proxy;
mod seen;
pub mod tds;
mod wire;
mod cut;
#[cfg(unix)]
mod postgres;
mod world;

pub use account::{Account, UnsignedToken};
pub use azurite::{Azurite, Options};
pub use browser::{Browser, Key, Page};
pub use proxy::Proxy;
pub use seen::Seen;
pub use wire::Wire;
pub use cut::Wire;
#[cfg(unix)]
pub use postgres::Postgres;
pub use world::World;
