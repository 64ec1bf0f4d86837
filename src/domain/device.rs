//! Passwords of devices (R-RAD-3): a device that logs in to Wi-Fi has a password of its own, made here, long and random, which the
//! person types into it once. MSCHAPv2 needs the NT hash of a password, and that is no safer kept than the password
//! itself; so the person's own password is never kept so, and a device that is lost is shut out alone.

use crate::base::{Random, Secret};
use zeroize::Zeroize;

/// Devices of one person at most. As many are tried at each login, whoever it is.
pub const MOST: usize = 16;

/// Crockford's base 32, in lower case: no letter that is taken for a digit.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Groups of letters, with a dash between them: 100 bits.
const GROUPS: usize = 4;
const LENGTH: usize = 5;

/// A new one, such as `k7wd9-m2pq4-x0zrt-8hc3e`. Its dashes belong to it.
pub fn password(random: &dyn Random) -> Secret<String> {
    let mut bytes = [0; GROUPS * LENGTH];
    random.fill(&mut bytes);
    let mut text = String::with_capacity(GROUPS * (LENGTH + 1));
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % LENGTH == 0 {
            text.push('-');
        }
        text.push(char::from(LETTERS[usize::from(byte % 32)])); // in range by modulo
    }
    bytes.zeroize();
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededRandom;

    #[test]
    fn each_is_new_and_has_four_groups_of_letters() {
        let random = SeededRandom::new(7);
        let (one, other) = (password(&random), password(&random));
        assert_ne!(one.expose(), other.expose());
        let groups: Vec<_> = one.expose().split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [5; 4]);
        assert!(groups.concat().bytes().all(|letter| LETTERS.contains(&letter)));
    }
}
