//! What is fuzzed, for the programs in `bin/`.

#[path = "targets/mod.rs"]
pub mod targets;

use targets::TARGETS;

/// Called once before the first input. With `DOORWARD_FUZZ_SEEDS` the seeds are written into that folder, and the words into the file
/// `DOORWARD_FUZZ_WORDS`, and that is all.
pub fn begin(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    let Some(folder) = std::env::var_os("DOORWARD_FUZZ_SEEDS") else { return };
    for (at, seed) in (target.seeds)().iter().enumerate() {
        std::fs::write(std::path::Path::new(&folder).join(format!("seed-{at:03}")), seed)
            .expect("a seed is written");
    }
    let mut words = String::new();
    for word in (target.words)() {
        let octets = word.bytes().map(|octet| match octet {
            b' '..=b'~' if !b"\"\\".contains(&octet) => char::from(octet).to_string(),
            other => format!("\\x{other:02x}"),
        });
        words += &format!("\"{}\"\n", octets.collect::<String>());
    }
    if let Some(file) = std::env::var_os("DOORWARD_FUZZ_WORDS") {
        std::fs::write(file, words).expect("the words are written");
    }
    std::process::exit(0);
}
