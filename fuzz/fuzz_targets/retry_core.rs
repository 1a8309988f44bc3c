//! A retry and a naive one do the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/retry/model.rs"]
mod model;

fuzz_target!(|bytes: &[u8]| model::check(bytes));
