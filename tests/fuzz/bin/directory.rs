#![no_main]

use doorward_fuzz::{begin, targets::directory::run};

libfuzzer_sys::fuzz_target!(init: begin("directory"), |bytes: &[u8]| run(bytes));
