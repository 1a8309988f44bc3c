//! Leadership: its laws under faults of every kind, and its behaviour one case at a time.

mod behaviour;
pub(crate) mod laws;
pub(crate) mod node;
