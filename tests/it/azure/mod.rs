//! Azure: the metadata service of virtual machines, and what it announces.

#![expect(clippy::disallowed_types, reason = "a panic under a lock fails the test as well")]
#![expect(clippy::unwrap_used, reason = "clippy sees tests only where they are marked as such")]

mod fake;
mod imds;
mod scheduled_events;
mod scheduled_events_failures;
