//! Azure: what a virtual machine can learn of itself, and of what is about to happen to it.
//!
//! | for | see |
//! |---|---|
//! | region, zone, fault domain, name | [`imds`] |
//! | maintenance that is announced: drain, hand over, approve | [`scheduled_events`] |

pub mod imds;
pub mod scheduled_events;

pub use imds::Imds;
pub use scheduled_events::ScheduledEvents;
