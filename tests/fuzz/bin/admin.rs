#![no_main]

use doorward_fuzz::{begin, targets::admin::run};

libfuzzer_sys::fuzz_target!(init: begin("admin"), |bytes: &[u8]| run(bytes));
