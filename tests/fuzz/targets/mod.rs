//! What is fuzzed, a function of bytes for each input: it panics where something does not hold. The fuzzer and
//! `tests/fuzz_vectors.rs` run the same functions.

pub mod admin;
pub mod config;
pub mod decision;
pub mod directory;
pub mod eap;
pub mod imports;
pub mod model;
pub mod packet;
pub mod peers;
pub mod script;
pub mod trail;
pub mod world;

/// One of them.
pub struct Target {
    /// As in `tests/fuzz/run NAME` and `tests/vectors/fuzz/NAME`.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// Inputs to begin with: they get far.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that its inputs are made of.
    pub words: fn() -> Vec<String>,
}

/// All of them.
pub const TARGETS: [Target; 9] = [
    Target { name: "packet", run: packet::run, seeds: packet::seeds, words: Vec::new },
    Target { name: "eap", run: eap::run, seeds: eap::seeds, words: Vec::new },
    Target { name: "directory", run: directory::run, seeds: directory::seeds, words: directory::words },
    Target { name: "peers", run: peers::run, seeds: peers::seeds, words: peers::words },
    Target { name: "imports", run: imports::run, seeds: imports::seeds, words: imports::words },
    Target { name: "decision", run: decision::run, seeds: decision::seeds, words: Vec::new },
    Target { name: "admin", run: admin::run, seeds: admin::seeds, words: admin::words },
    Target { name: "config", run: config::run, seeds: config::seeds, words: config::words },
    Target { name: "trail", run: trail::run, seeds: trail::seeds, words: Vec::new },
];

/// Takes an input apart, from its beginning. What is missing at its end is zero.
#[derive(Debug)]
pub struct Reader<'b>(pub &'b [u8]);

impl<'b> Reader<'b> {
    /// Whether there is nothing left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An octet.
    pub fn octet(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.octet()) % limit.max(1)
    }

    /// Two octets.
    pub fn number(&mut self) -> usize {
        usize::from(self.octet()) << 8 | usize::from(self.octet())
    }

    /// So many octets, or those that are left.
    pub fn take(&mut self, length: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Octets after their number.
    pub fn octets(&mut self) -> &'b [u8] {
        let length = usize::from(self.octet());
        self.take(length)
    }
}

/// Files of a folder of the tests, and of those within it, with these endings.
pub fn files(folder: &str, endings: &[&str]) -> Vec<Vec<u8>> {
    // The fuzzer's package lies in the folder of the tests.
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = root.ancestors().find(|folder| folder.join("tests/vectors").is_dir()).unwrap().join("tests");
    let (mut folders, mut found) = (vec![tests.join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() && !path.ends_with("fuzz") {
                folders.push(path);
            } else if endings.iter().any(|ending| path.extension().is_some_and(|other| other == *ending)) {
                found.push(std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// Words of a text: for a fuzzer's dictionary.
pub fn words(text: &str) -> Vec<String> {
    let parts = text.split(|letter: char| !letter.is_ascii_alphanumeric() && !"_-".contains(letter));
    let mut words: Vec<_> = parts.filter(|word| word.len() > 2).map(str::to_owned).collect();
    words.sort();
    words.dedup();
    words
}
