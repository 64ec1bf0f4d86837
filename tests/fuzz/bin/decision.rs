#![no_main]

use doorward_fuzz::{begin, targets::decision::run};

libfuzzer_sys::fuzz_target!(init: begin("decision"), |bytes: &[u8]| run(bytes));
