//! Keeps an application up when what it depends on slows down, fails, or loses a whole region.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod sync;
pub mod time;
