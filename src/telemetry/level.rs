//! What can be read from a policy at any time.

/// A policy whose levels a meter can read.
///
/// Reading changes nothing, and costs the calls that run meanwhile nothing.
///
/// # Example
///
/// ```
/// use seawall::circuit_breaker::CircuitBreaker;
/// use seawall::telemetry::Measure;
///
/// let breaker = CircuitBreaker::builder().name("orders").build()?;
///
/// let mut names = Vec::new();
/// breaker.measure(&mut |level| names.push(level.name()));
/// assert!(names.contains(&"state"));
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
pub trait Measure: Send + Sync {
    /// Gives each level to `sink`.
    fn measure(&self, sink: &mut dyn FnMut(Level));
}

/// One level of one policy, read just now.
///
/// # Example
///
/// ```
/// use seawall::bulkhead::Bulkhead;
/// use seawall::telemetry::{LevelKind, Measure};
///
/// let bulkhead = Bulkhead::builder().name("orders").max_calls(8).build()?;
/// let _permit = bulkhead.enter();
///
/// bulkhead.measure(&mut |level| {
///     if level.name() == "in_flight" {
///         assert_eq!((level.policy(), level.value()), ("orders", 1.0));
///         assert_eq!(level.kind(), LevelKind::Gauge);
///     }
/// });
/// # Ok::<(), seawall::error::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    pattern: &'static str,
    policy: &'static str,
    name: &'static str,
    kind: LevelKind,
    value: f64,
}

impl Level {
    /// A value that goes up and down.
    #[must_use]
    pub const fn gauge(
        pattern: &'static str,
        policy: &'static str,
        name: &'static str,
        value: f64,
    ) -> Self {
        Self { pattern, policy, name, kind: LevelKind::Gauge, value }
    }

    /// A count that only grows.
    #[must_use]
    pub const fn counter(
        pattern: &'static str,
        policy: &'static str,
        name: &'static str,
        value: f64,
    ) -> Self {
        Self { pattern, policy, name, kind: LevelKind::Counter, value }
    }

    /// The pattern that the policy follows: its module's name.
    #[must_use]
    pub const fn pattern(&self) -> &'static str {
        self.pattern
    }

    /// The name of the policy.
    #[must_use]
    pub const fn policy(&self) -> &'static str {
        self.policy
    }

    /// What is measured, in the singular and in snake case. Times are in seconds.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it can fall.
    #[must_use]
    pub const fn kind(&self) -> LevelKind {
        self.kind
    }

    /// How much it is.
    #[must_use]
    pub const fn value(&self) -> f64 {
        self.value
    }
}

/// Whether a level can fall.
///
/// # Example
///
/// ```
/// use seawall::telemetry::{Level, LevelKind};
///
/// let level = Level::counter("retry", "orders", "calls", 3.0);
/// assert_eq!(level.kind(), LevelKind::Counter);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "meters know these two kinds of levels")]
pub enum LevelKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}
