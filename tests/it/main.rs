//! Tests through the public API only, with time paused.

#![expect(clippy::unchecked_time_subtraction, reason = "a panic in a test is a failure as well")]
#![expect(clippy::unwrap_used, reason = "a test that fails is to panic")]

#[cfg(all(feature = "azure", feature = "azure-imds", feature = "test-util"))]
mod azure;
mod budget;
mod budget_model;
mod bulkhead;
mod circuit_breaker;
mod context;
mod fallback;
#[cfg(feature = "health")]
mod health;
#[cfg(feature = "http")]
mod http;
mod keyed;
mod lease;
mod metastable;
mod polled;
mod queue;
mod rate_limit;
mod retry;
mod stack;
#[path = "../contract/task.rs"]
mod task;
#[cfg(all(feature = "opentelemetry", feature = "tracing"))]
mod telemetry;
mod timeout;
