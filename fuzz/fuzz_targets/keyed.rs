//! A family's table and a naive model of it do the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall::fuzzing;

fuzz_target!(|bytes: &[u8]| fuzzing::keyed(bytes));
