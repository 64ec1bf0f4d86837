//! `[password]`: hashes of the embedded directory, and what new passwords must keep to wherever they are kept.

use super::files::Files;
use super::section::Section;
use crate::domain::password::SHORTEST;
use std::path::PathBuf;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// `[password]`: the embedded directory's passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    /// Argon2id memory in KiB.
    pub memory_kib: u32,
    /// Argon2id passes.
    pub passes: u32,
    /// Argon2id lanes.
    pub lanes: u32,
    /// Hashing threads; 0: one per core.
    pub workers: usize,
    /// Checks waiting at most; more are not decided.
    pub queue: usize,
    /// A check not begun by then is not decided.
    pub deadline: Duration,
    /// How long a right password is remembered as a keyed digest in memory; zero: never.
    pub cache: Duration,
    /// Remembered passwords at most.
    pub cache_entries: usize,
}

/// `[password]`: what new passwords must keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPasswords {
    /// Fewest characters, at least 8.
    pub min_length: usize,
    /// Most characters.
    pub max_length: usize,
    /// So many of four classes of characters; 0: any.
    pub classes: u8,
    /// Estimated strength, 1 to 4; 0: any.
    pub min_strength: u8,
    /// List of passwords that are refused.
    pub blocklist: Option<PathBuf>,
}

/// What the rules are called that others build on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Preset {
    /// NIST SP 800-63B-4 §3.1.1.2.
    Conformant,
    /// What many institutions had before.
    Legacy,
}

/// How passwords are hashed, and what new ones must keep to.
pub(super) fn password(section: &Section<'_>, files: &Files<'_>) -> (Option<Password>, Option<NewPasswords>) {
    (hashing(section), new_passwords(section, files))
}

fn hashing(section: &Section<'_>) -> Option<Password> {
    let memory_kib = section.kib("memory", 8..=256 * 1024);
    let passes = section.number("passes", 1..=10);
    let lanes = section.number("lanes", 1..=8);
    let workers = section.number("workers", 0..=1024);
    let queue = section.number("queue", 1..=1_000_000);
    let deadline = section.duration("deadline", Duration::from_millis(10)..=60 * SECOND);
    let cache = section.duration("cache", Duration::ZERO..=24 * HOUR);
    let cache_entries = section.number("cache_entries", 0..=10_000_000);
    if let (Some(memory), Some(lanes)) = (memory_kib, lanes)
        && memory < 8 * lanes
    {
        let message = "[password] `memory` must be at least 8 KiB for each of the `lanes` (RFC 9106)";
        section.error(section.place("memory"), message, format!("at least {} KiB", 8 * lanes));
    }
    Some(Password {
        memory_kib: memory_kib?,
        passes: passes?,
        lanes: lanes?,
        workers: workers?,
        queue: queue?,
        deadline: deadline?,
        cache: cache?,
        cache_entries: cache_entries?,
    })
}

fn new_passwords(section: &Section<'_>, files: &Files<'_>) -> Option<NewPasswords> {
    let preset = section.choice("rules", &[("conformant", Preset::Conformant), ("legacy", Preset::Legacy)]);
    let legacy = preset == Some(Preset::Legacy);
    // Keys that are written count before the preset; their defaults are those of `conformant`.
    let longest = if legacy && section.written("max_length").is_none() {
        Some(26)
    } else {
        // Who follows the standard lets people have passphrases.
        section.number("max_length", if legacy { 16 } else { 64 }..=1024)
    };
    let shortest = section.number("min_length", SHORTEST as i64..=64);
    if let (Some(shortest), Some(longest)) = (shortest, longest)
        && shortest > longest
    {
        let hint = format!("lower it, or raise `max_length`, which is {longest}");
        section.error(
            section.place("min_length"),
            "[password] `min_length` must not exceed `max_length`",
            hint,
        );
    }
    let min_strength = section.number("min_strength", 0..=4);
    let blocklist = section.text("blocklist");
    Some(NewPasswords {
        min_length: shortest?,
        max_length: longest?,
        classes: if preset? == Preset::Legacy { 3 } else { 0 },
        min_strength: min_strength?,
        blocklist: blocklist.map(|(path, _)| (!path.is_empty()).then(|| files.base.join(path)))?,
    })
}
