//! Settings, checked, as atomics: they may change while calls run.

// Not `sync`'s: each setting makes sense by itself and publishes nothing, so there is nothing in
// their order for a model to check.
use std::sync::atomic::{AtomicU64, Ordering};

/// Means that a setting is off, or that a time never comes.
pub(in crate::circuit_breaker) const OFF: u64 = u64::MAX;

/// A million parts of a million: all of it.
pub(in crate::circuit_breaker) const MILLION: u64 = 1_000_000;

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Checked settings: what is in here makes sense.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(in crate::circuit_breaker) struct Params {
            $($(#[$doc])* pub(in crate::circuit_breaker) $name: u64,)*
        }

        /// [`Params`] that can be replaced while they are read.
        #[derive(Debug)]
        pub(in crate::circuit_breaker) struct Settings {
            $($name: AtomicU64,)*
        }

        impl Settings {
            pub(in crate::circuit_breaker) fn new(params: &Params) -> Self {
                Self { $($name: AtomicU64::new(params.$name),)* }
            }

            /// Replaces them one by one. A decision that is made meanwhile may see old and new.
            pub(in crate::circuit_breaker) fn store(&self, params: &Params) {
                // Relaxed: each setting makes sense by itself.
                $(self.$name.store(params.$name, Ordering::Relaxed);)*
            }

            $(#[inline]
            pub(in crate::circuit_breaker) fn $name(&self) -> u64 {
                self.$name.load(Ordering::Relaxed)
            })*
        }
    };
}

settings! {
    /// Failures in a row that open the circuit, or [`OFF`].
    consecutive_failures,
    /// The share of failures that opens the circuit.
    failure_ppm,
    /// The part of an open time that chance may take off.
    jitter_ppm,
    /// The longest open time, after failed recoveries.
    max_open_nanos,
    /// The longest pause that a service may ask for.
    max_pause_nanos,
    /// The calls that a rate needs.
    min_calls,
    /// The first open time.
    open_nanos,
    /// How long a place in the half-open state is lent.
    probe_lease_nanos,
    /// Places in the half-open state.
    probes,
    /// How long the way back from a share of the traffic to all of it takes.
    ramp_nanos,
    /// The share of failures in the newest ticks that opens the circuit, or [`OFF`].
    recent_failure_ppm,
    /// The age from which a call is slow, or [`OFF`].
    slow_nanos,
    /// The share of slow calls that opens the circuit, or [`OFF`].
    slow_ppm,
}
