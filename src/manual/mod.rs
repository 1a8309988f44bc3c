//! The manual: how to choose, order, set and understand policies.
//!
//! | page | answers |
//! |---|---|
//! | [`choosing`] | which pattern cures which trouble, and which makes it worse |
//! | [`ordering`] | what goes outside of what, and why |
//! | [`defaults`] | what a standard stack does when nobody sets anything |
//! | [`health`] | what each Azure product asks, and how to set it up |
//! | [`tuning`] | how to find numbers for one service, and what to watch |
//! | [`recipes`] | short answers to common wishes |
//! | [`internals`] | how it works inside: slots, windows, timers, memory orderings |

pub mod choosing;
pub mod defaults;
pub mod health;
pub mod internals;
pub mod ordering;
pub mod recipes;
pub mod tuning;
