//! HTTP: what is read from answers, what is sent again, and what ends with the deadline.

mod body;
mod classify;
mod idempotency;
