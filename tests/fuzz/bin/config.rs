#![no_main]

use doorward_fuzz::{begin, targets::config::run};

libfuzzer_sys::fuzz_target!(init: begin("config"), |bytes: &[u8]| run(bytes));
