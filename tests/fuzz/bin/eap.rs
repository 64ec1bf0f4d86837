#![no_main]

use doorward_fuzz::{begin, targets::eap::run};

libfuzzer_sys::fuzz_target!(init: begin("eap"), |bytes: &[u8]| run(bytes));
