#![no_main]

use doorward_fuzz::{begin, targets::imports::run};

libfuzzer_sys::fuzz_target!(init: begin("imports"), |bytes: &[u8]| run(bytes));
