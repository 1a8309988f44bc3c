//! Harnesses for tests over real servers and in a real browser.

mod account;
mod azurite;
#[cfg(feature = "browser")]
mod browser;
mod cable;
pub mod clients;
pub mod fakes;
mod missing;
pub mod port;
#[cfg(unix)]
mod postgres;
pub mod proxy;
mod script;
mod seen;
pub mod tds;
mod wire;
mod world;

pub use account::{Account, UnsignedToken};
pub use azurite::{Azurite, Options};
#[cfg(feature = "browser")]
pub use browser::{Browser, Key, Page};
pub use cable::Cable;
#[cfg(unix)]
pub use postgres::Postgres;
pub use proxy::Proxy;
pub use script::Script;
pub use seen::Seen;
pub use wire::Wire;
pub use world::World;
