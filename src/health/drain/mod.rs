//! Leaving without losing a request.

mod phase;

pub use phase::Phase;
