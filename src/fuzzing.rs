//! Ways in for fuzz targets. Only there when the crate is built for fuzzing.

pub use crate::circuit_breaker::check_core as circuit_breaker_core;
