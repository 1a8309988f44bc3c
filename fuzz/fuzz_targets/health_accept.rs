//! Whatever is asked for, one of the formats that are offered is given, and the one that is named
//! exactly if nothing else will do.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall::fuzzing;

fuzz_target!(|lines: Vec<Vec<u8>>| fuzzing::health_accept(&lines));
