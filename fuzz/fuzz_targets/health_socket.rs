//! Any bytes on a connection get an allowed answer or none, and nothing of them comes back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall::fuzzing;

fuzz_target!(|bytes: &[u8]| fuzzing::health_socket(bytes));
