//! The engine of contracts: rows, and how an answer, a request or an error finds its own.
//!
//! Knows no service. The rows are in [`contract`](super::contract).

mod answer;
mod failure;
mod hint;
mod operation;
mod reason;

pub(super) use answer::{Answer, Judged, Ran, Verdict};
pub(super) use failure::{Failure, chain, hint_of};
pub(super) use hint::{hint, quota, str_of};
pub(super) use operation::{Call, Doubt, Operation, Repeat, reads};
pub(super) use reason::{Match, Reason};
