//! A bulkhead's room and line, and a naive model of them, do the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall::fuzzing;

fuzz_target!(|bytes: &[u8]| fuzzing::bulkhead_core(bytes));
