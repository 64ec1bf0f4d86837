//! A long list of passwords that attackers try first, as a filter: about 2.25 bytes each.
//!
//! Looked up are the first 64 bits of SHA-1, because that is what breach corpora are published as; it protects nothing
//! here. A password is looked for as it is hashed and in lower case: word lists go in in lower case, so that they count in any
//! case; hashes of a corpus cannot be folded and count as they were leaked, and in lower case. A filter has no false
//! negatives; a password that is not in the list is found in it once in 32,768 times (65,536 if it is all lower case).
//!
//! Keys are spread over shards by their first bits, so that a filter can be made a part at a time. Where the
//! file is read and written is `store::blocklist`.

use super::{MAX_BYTES, SHORTEST, normalise};
use sha1::{Digest, Sha1};
use std::fmt;
use xorf::{BinaryFuse16, Descriptor, Filter};

/// More shards than this are not needed by any list.
pub const MOST_SHARD_BITS: u32 = 8;

/// Hexadecimal digits of SHA-1.
const HASH_DIGITS: usize = 40;

/// The list.
pub struct Blocklist {
    shard_bits: u32,
    shards: Vec<Shard>,
    keys: u64,
}

impl fmt::Debug for Blocklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blocklist({} passwords)", self.keys)
    }
}

impl Blocklist {
    /// Of shards in the order of their keys; `None` if they are no power of two or too many.
    pub fn of_shards(shards: Vec<Shard>, keys: u64) -> Option<Self> {
        let shard_bits = shards.len().checked_ilog2()?;
        (shards.len().is_power_of_two() && shard_bits <= MOST_SHARD_BITS).then_some(Self {
            shard_bits,
            shards,
            keys,
        })
    }

    /// How many different passwords went in.
    pub const fn keys(&self) -> u64 {
        self.keys
    }

    /// Whether `normal`, a password in the form that is hashed, is in the list, or its `lower` case is.
    pub(super) fn lists(&self, normal: &str, lower: &str) -> bool {
        self.has(key_of(lower)) || normal != lower && self.has(key_of(normal))
    }

    fn has(&self, key: u64) -> bool {
        let shard = usize::try_from(shard_of(key, self.shard_bits)).ok();
        shard.and_then(|at| self.shards.get(at)).is_some_and(|shard| shard.has(key))
    }
}

/// Which of `2^bits` shards a key belongs to.
pub fn shard_of(key: u64, bits: u32) -> u64 {
    key.checked_shr(u64::BITS - bits).unwrap_or(0)
}

/// One part of the list.
#[derive(Default)]
pub struct Shard(Option<BinaryFuse16>);

/// What a shard is kept as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardShape {
    /// Seed of the hash function.
    pub seed: u64,
    /// Slots of a segment, a power of two.
    pub segment: u32,
    /// Slots that a key's first place is chosen from, whole segments.
    pub first_places: u32,
}

impl ShardShape {
    /// Slots altogether, if the shape is a possible one: no look-up leaves the slots then.
    pub fn slots(self) -> Option<usize> {
        let whole = self.segment.is_power_of_two() && self.first_places.is_multiple_of(self.segment);
        let slots = self.segment.checked_mul(2)?.checked_add(self.first_places)?;
        if whole { usize::try_from(slots).ok() } else { None }
    }
}

impl Shard {
    /// Makes the part of these keys, which must be sorted and differ; `None` if there is none, which does not happen.
    pub fn build(keys: &[u64]) -> Option<Self> {
        if keys.is_empty() {
            return Some(Self(None));
        }
        BinaryFuse16::try_from(keys).ok().map(|filter| Self(Some(filter)))
    }

    /// As it was kept; `None` if the numbers cannot be right.
    pub fn of_parts(shape: ShardShape, slots: Vec<u16>) -> Option<Self> {
        if slots.is_empty() {
            return Some(Self(None));
        }
        let descriptor = Descriptor {
            seed: shape.seed,
            segment_length: shape.segment,
            segment_length_mask: shape.segment.checked_sub(1)?,
            segment_count_length: shape.first_places,
        };
        (shape.slots()? == slots.len())
            .then(|| Self(Some(BinaryFuse16 { descriptor, fingerprints: slots.into_boxed_slice() })))
    }

    /// To be kept; no slots if it is empty.
    pub fn parts(&self) -> (ShardShape, &[u16]) {
        match &self.0 {
            None => (ShardShape { seed: 0, segment: 0, first_places: 0 }, &[]),
            Some(BinaryFuse16 { descriptor, fingerprints }) => {
                let shape = ShardShape {
                    seed: descriptor.seed,
                    segment: descriptor.segment_length,
                    first_places: descriptor.segment_count_length,
                };
                (shape, fingerprints)
            }
        }
    }

    fn has(&self, key: u64) -> bool {
        self.0.as_ref().is_some_and(|filter| filter.contains(&key))
    }
}

/// What a line of a list says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// A password, or the hash of one.
    Key(u64),
    /// A hash that was seen less often than is asked for.
    Rare,
    /// A password that is too short to be allowed anyway.
    Short,
    /// No text in UTF-8, or one with characters that no password can have.
    Unusable,
    /// Nothing.
    Blank,
}

impl Line {
    /// Reads a line without its end: a password, or `SHA1` or `SHA1:COUNT` in hexadecimal digits. Counts below `least` are
    /// left out; a hash without one counts.
    pub fn read(line: &[u8], least: u64) -> Self {
        if line.is_empty() {
            return Self::Blank;
        }
        match hash(line) {
            Some((_, Some(count))) if count < least => return Self::Rare,
            Some((key, _)) => return Self::Key(key),
            None => {}
        }
        if line.len() > MAX_BYTES {
            return Self::Unusable;
        }
        let Some(normal) = std::str::from_utf8(line).ok().and_then(normalise) else { return Self::Unusable };
        if normal.chars().count() < SHORTEST {
            return Self::Short;
        }
        Self::Key(key_of(&normal.to_lowercase()))
    }
}

/// The beginning of a password's SHA-1.
fn key_of(text: &str) -> u64 {
    beginning(&Sha1::digest(text.as_bytes()))
}

fn beginning(hash: &[u8]) -> u64 {
    hash.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// A hash, and how often it was seen if that stands behind it.
fn hash(line: &[u8]) -> Option<(u64, Option<u64>)> {
    let (digits, rest) = line.split_at_checked(HASH_DIGITS)?;
    let hash = data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok()?;
    if rest.is_empty() {
        return Some((beginning(&hash), None));
    }
    let count = std::str::from_utf8(rest.strip_prefix(b":")?).ok()?.parse().ok()?;
    Some((beginning(&hash), Some(count)))
}

#[cfg(test)]
pub(super) fn of_lines(lines: &[&str]) -> Blocklist {
    let key = |line: &&str| match Line::read(line.as_bytes(), 1) {
        Line::Key(key) => key,
        other => panic!("{line}: {other:?}"),
    };
    let mut keys: Vec<u64> = lines.iter().map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    let half = keys.partition_point(|key| shard_of(*key, 1) == 0);
    let shards = vec![Shard::build(&keys[..half]).unwrap(), Shard::build(&keys[half..]).unwrap()];
    Blocklist::of_shards(shards, keys.len() as u64).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(list: &Blocklist, password: &str) -> bool {
        list.lists(password, &password.to_lowercase())
    }

    // SHA-1 of `password` and of `P@ssw0rd`.
    const LOWER: &str = "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8:9545824";
    const MIXED: &str = "21BD12DC183F740EE76F27B78EB39C8AD972A757:73586";

    #[test]
    fn words_count_in_any_case_and_hashes_as_they_were_leaked_and_in_lower_case() {
        let list = of_lines(&["Lantern Umbrella", "schmetterli\u{308}nge", LOWER, MIXED]);
        assert_eq!(list.keys(), 4);
        for listed in ["lantern umbrella", "LANTERN umbrella", "Schmetterl\u{ef}nge", "PassWord", "P@ssw0rd"]
        {
            assert!(lists(&list, listed), "{listed}");
        }
        for other in ["p@ssw0rd", "lantern umbrell", "lanternumbrella", LOWER] {
            assert!(!lists(&list, other), "{other}");
        }
    }

    #[test]
    fn lines_are_what_they_look_like() {
        let key = |text: &str| Line::Key(key_of(text));
        assert_eq!(Line::read(LOWER.as_bytes(), 1), key("password"));
        assert_eq!(Line::read(LOWER[..40].to_uppercase().as_bytes(), 1000), key("password"));
        assert_eq!(Line::read(LOWER.as_bytes(), 9_545_825), Line::Rare);
        assert_eq!(Line::read(format!("{LOWER}x").as_bytes(), 1), key(&format!("{LOWER}x")));
        assert_eq!(Line::read(b" two  spaces ", 1), key(" two  spaces "));
        assert_eq!(Line::read(b"1234567", 1), Line::Short);
        assert_eq!(Line::read(b"", 1), Line::Blank);
        for unusable in [b"caf\xe9 caf\xe9".as_slice(), b"with\ttab", &[b'x'; MAX_BYTES + 1]] {
            assert_eq!(Line::read(unusable, 1), Line::Unusable);
        }
    }

    #[test]
    fn filters_of_every_small_size_hold_their_keys_and_few_others() {
        let keys: Vec<u64> = (1..=3000).map(|n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        for size in (0..70).chain([255, 256, 257, 1000, 3000]) {
            let mut some = keys[..size].to_vec();
            some.sort_unstable();
            let shard = Shard::build(&some).unwrap();
            assert!(some.iter().all(|key| shard.has(*key)), "{size}");
            let (shape, slots) = shard.parts();
            let again = Shard::of_parts(shape, slots.to_vec()).unwrap();
            assert!(some.iter().all(|key| again.has(*key)), "{size}");
            assert!((1..=1000).filter(|key| again.has(*key)).count() < 3, "{size}");
        }
    }

    #[test]
    fn shapes_that_would_lead_astray_are_refused() {
        let right = ShardShape { seed: 1, segment: 4, first_places: 8 };
        assert!(Shard::of_parts(right, vec![0; 16]).is_some());
        for (shape, slots) in [
            (right, 15),
            (right, 17),
            (ShardShape { segment: 0, ..right }, 8),
            (ShardShape { segment: 3, first_places: 9, ..right }, 15),
            (ShardShape { first_places: 6, ..right }, 14),
            (ShardShape { segment: 1 << 31, first_places: 0, ..right }, 1),
        ] {
            assert!(Shard::of_parts(shape, vec![0; slots]).is_none(), "{shape:?} {slots}");
        }
        let none = |_| Shard::default();
        for (shards, right) in [(0, false), (1, true), (3, false), (256, true), (512, false)] {
            assert_eq!(Blocklist::of_shards((0..shards).map(none).collect(), 0).is_some(), right, "{shards}");
        }
    }

    #[test]
    fn keys_are_spread_by_their_first_bits() {
        assert_eq!((shard_of(u64::MAX, 0), shard_of(u64::MAX, 8), shard_of(1 << 63, 1)), (0, 255, 1));
    }
}
