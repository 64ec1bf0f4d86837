//! Passwords of devices (R-RAD-3): a device that logs in to Wi-Fi has a password of its own, made here, long and random, which the
//! person types into it once. MSCHAPv2 needs the NT hash of a password, and that is no safer kept than the password
//! itself; so the person's own password is never kept so, and a device that is lost is shut out alone.

use crate::base::{Random, Secret};
use zeroize::{Zeroize, Zeroizing};

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

/// The password of a device that a typed text can be: in lower case, with its dashes. `None`: it has another shape, and is
/// perhaps the person's own password.
pub fn typed(text: &str) -> Option<Zeroizing<String>> {
    let mut found = Zeroizing::new(String::with_capacity(GROUPS * (LENGTH + 1)));
    let mut letters = 0;
    for letter in text.trim().bytes().map(|byte| byte.to_ascii_lowercase()) {
        if letter == b'-' || letter == b' ' {
            // Between groups only, or a password with a dash elsewhere would be taken for one.
            if letters == 0 || letters % LENGTH != 0 || found.ends_with('-') {
                return None;
            }
            found.push('-');
            continue;
        }
        if !LETTERS.contains(&letter) || letters == GROUPS * LENGTH {
            return None;
        }
        if letters > 0 && letters % LENGTH == 0 && !found.ends_with('-') {
            found.push('-');
        }
        found.push(char::from(letter));
        letters += 1;
    }
    (letters == GROUPS * LENGTH && !found.ends_with('-')).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededRandom;

    #[test]
    fn each_is_new_and_read_as_it_is_written() {
        let random = SeededRandom::new(7);
        let (one, other) = (password(&random), password(&random));
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), 23);
        assert_eq!(typed(one.expose()).as_deref(), Some(one.expose()));
    }

    #[test]
    fn carelessly_typed_ones_are_read_all_the_same() {
        let right = Some("k7wd9-m2pq4-x0zrt-8hc3e");
        for text in ["K7WD9-M2PQ4-X0ZRT-8HC3E", " k7wd9 m2pq4 x0zrt 8hc3e\n", "k7wd9m2pq4x0zrt8hc3e"] {
            assert_eq!(typed(text).as_ref().map(|text| text.as_str()), right, "{text}");
        }
    }

    #[test]
    fn other_passwords_are_not_taken_for_one() {
        for text in [
            "",
            "correct horse battery",
            "k7wd9-m2pq4-x0zrt-8hc3",
            "k7wd9-m2pq4-x0zrt-8hc3e-",
            "k7wd9--m2pq4-x0zrt-8hc3e",
            "k7wd-9m2pq4-x0zrt-8hc3e",
            "-k7wd9-m2pq4-x0zrt-8hc3e",
            "k7wd9-m2pq4-x0zrt-8hc3u",
            "k7wd9-m2pq4-x0zrt-8hc3e1",
        ] {
            assert!(typed(text).is_none(), "{text}");
        }
    }
}
