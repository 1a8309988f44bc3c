//! What answers are made of: the one place that reads the registry.

use crate::health::{Drain, Group, Phase, Registry, Report, Verdict};

/// Reads a registry.
#[derive(Clone, Debug)]
pub(in crate::health) struct Source(Registry);

/// What a scale set is to know of one of its instances.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ScaleSetState {
    Healthy,
    /// No state that the extension takes from an application: it goes on waiting.
    Initializing,
    Unhealthy,
}

impl Source {
    pub(in crate::health) fn new(registry: &Registry) -> Self {
        Self(registry.clone())
    }

    pub(in crate::health) fn verdict(&self, group: Group) -> Verdict {
        self.0.verdict(group)
    }

    pub(in crate::health) fn report(&self) -> Report {
        self.0.report()
    }

    /// The group called `name`, if there is one. A stranger's `name` is not kept.
    #[cfg(feature = "grpc")]
    pub(in crate::health) fn group(&self, name: &str) -> Option<Group> {
        self.0.group_named(name)
    }

    pub(in crate::health) fn drain(&self) -> Option<&Drain> {
        self.0.drain()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.0.phase() != Phase::Serving
    }

    /// Repair is for what a new start would cure: a process that is wedged, or that fails by what is
    /// its own. One that drains is going anyway.
    pub(super) fn scale_set(&self) -> ScaleSetState {
        if self.verdict(Group::LIVENESS) == Verdict::Down {
            return ScaleSetState::Unhealthy;
        }
        if self.verdict(Group::STARTUP) == Verdict::Down {
            return ScaleSetState::Initializing;
        }
        // Before and after: a drain that starts or is taken back in between is seen.
        let leaves = self.is_draining();
        let ready = self.verdict(Group::READINESS).is_up();
        if ready || leaves || self.is_draining() {
            ScaleSetState::Healthy
        } else {
            ScaleSetState::Unhealthy
        }
    }
}
