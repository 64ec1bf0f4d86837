#![no_main]

use doorward_fuzz::{begin, targets::packet::run};

libfuzzer_sys::fuzz_target!(init: begin("packet"), |bytes: &[u8]| run(bytes));
