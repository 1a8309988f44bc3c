//! A budget and a naive one hold the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/budget_model.rs"]
mod model;

fuzz_target!(|bytes: &[u8]| model::check(bytes));
