#![no_main]

use doorward_fuzz::{begin, targets::trail::run};

libfuzzer_sys::fuzz_target!(init: begin("trail"), |bytes: &[u8]| run(bytes));
