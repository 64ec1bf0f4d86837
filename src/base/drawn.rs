//! A hash of ids that were drawn at random, such as new UUIDs: nobody who asks chooses them, so they need no key, and what was drawn
//! is nearly hash enough.

use std::hash::{BuildHasherDefault, Hasher};

/// For maps whose keys are such ids.
pub type DrawnState = BuildHasherDefault<Drawn>;

/// Takes the last 8 octets of what is written last. In a UUID of version 4 or 7 at least the last 4 are random (RFC 9562 §6.2).
#[derive(Debug, Clone, Copy, Default)]
pub struct Drawn(u64);

impl Hasher for Drawn {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            // Odd: no two become the same. Tables look at the lowest bits and at the highest.
            self.0 = u64::from_be_bytes(*last).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::BuildHasher;
    use uuid::Uuid;

    #[test]
    fn ids_of_one_moment_are_spread_in_the_lowest_and_the_highest_bits() {
        let hashes: Vec<_> = (0..4096).map(|_| DrawnState::default().hash_one(Uuid::now_v7())).collect();
        let different =
            |bits: fn(u64) -> u64| hashes.iter().map(|hash| bits(*hash)).collect::<HashSet<_>>().len();
        // Of 4,096 that fall anywhere, 2,589 of as many places get one.
        assert!(different(|hash| hash & 0xfff) > 2300);
        assert_eq!(different(|hash| hash >> 57), 128);
        assert_eq!(different(|hash| hash), 4096);
    }
}
