#![no_main]

use doorward_fuzz::{begin, targets::peers::run};

libfuzzer_sys::fuzz_target!(init: begin("peers"), |bytes: &[u8]| run(bytes));
