//! Leadership: its laws under faults of every kind, and its behaviour one case at a time.

mod behaviour;
mod laws;
mod node;
