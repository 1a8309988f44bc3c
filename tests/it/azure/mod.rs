//! Azure: its clients in a stack, its data services, and what its virtual machines are told.

#![expect(clippy::disallowed_types, reason = "a panic under a lock fails the test as well")]
#![expect(clippy::unwrap_used, reason = "clippy sees tests only where they are marked as such")]

#[cfg(feature = "azure-cosmos")]
mod cosmos;
#[cfg(feature = "azure")]
mod credential;
#[cfg(feature = "azure-imds")]
mod fake;
#[cfg(feature = "azure-imds")]
mod imds;
#[cfg(feature = "azure-storage")]
mod lease;
#[cfg(feature = "azure")]
mod pipeline;
#[cfg(feature = "azure")]
mod region;
#[cfg(feature = "azure")]
mod resilience;
#[cfg(feature = "azure-imds")]
mod scheduled_events;
#[cfg(feature = "azure-imds")]
mod scheduled_events_failures;
#[cfg(feature = "azure")]
mod storage;
