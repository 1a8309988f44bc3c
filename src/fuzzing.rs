//! Ways in for fuzz targets. Only there when the crate is built for fuzzing.

pub use crate::bulkhead::check_core as bulkhead_core;
pub use crate::circuit_breaker::check_core as circuit_breaker_core;
pub use crate::gate::keyed::check_core as keyed;
#[cfg(feature = "health")]
pub use crate::health::endpoint::check_accept as health_accept;
#[cfg(all(feature = "health", feature = "test-util"))]
pub use crate::health::server::check_socket as health_socket;
pub use crate::rate_limit::check_core as rate_limit_core;
