//! Events for `tracing`: what changes a policy's state at `WARN`/`INFO`, the rest at `DEBUG`.

use super::{Event, EventKind};

/// Records `event` under the target `seawall`.
pub(super) fn trace(event: &Event) {
    let (pattern, policy, name) = (event.pattern(), event.policy(), event.kind().name());
    match event.kind() {
        EventKind::StateChanged { from, to } => {
            tracing::info!(target: "seawall", pattern, policy, from, to, "{name}");
        }
        EventKind::Ambiguous => tracing::warn!(target: "seawall", pattern, policy, "{name}"),
        EventKind::Paused { wait } => {
            tracing::info!(target: "seawall", pattern, policy, ?wait, "{name}");
        }
        EventKind::Reloaded => tracing::info!(target: "seawall", pattern, policy, "{name}"),
        EventKind::Retry { attempt, after } => {
            tracing::debug!(target: "seawall", pattern, policy, attempt, ?after, "{name}");
        }
        EventKind::RetriesExhausted { attempts } => {
            tracing::debug!(target: "seawall", pattern, policy, attempts, "{name}");
        }
        EventKind::BudgetExhausted { attempt } => {
            tracing::debug!(target: "seawall", pattern, policy, attempt, "{name}");
        }
        EventKind::Rejected { reason } => {
            tracing::debug!(target: "seawall", pattern, policy, reason = reason.name(), "{name}");
        }
        EventKind::NotReplayable { reason } => {
            tracing::debug!(target: "seawall", pattern, policy, reason = reason.name(), "{name}");
        }
        EventKind::TimedOut { after } => {
            tracing::debug!(target: "seawall", pattern, policy, ?after, "{name}");
        }
        EventKind::Fallback { stale } => {
            tracing::debug!(target: "seawall", pattern, policy, ?stale, "{name}");
        }
        EventKind::Evicted => tracing::debug!(target: "seawall", pattern, policy, "{name}"),
    }
}
