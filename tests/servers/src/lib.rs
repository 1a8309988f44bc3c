//! Harnesses for tests over real servers and in a real browser.

mod browser;
mod world;

pub use browser::{Browser, Key, Page};
pub use world::World;
