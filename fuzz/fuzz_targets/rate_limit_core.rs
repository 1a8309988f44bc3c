//! A rate limiter's core keeps its law, whoever waits and whoever gives up.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall::fuzzing;

fuzz_target!(|bytes: &[u8]| fuzzing::rate_limit_core(bytes));
