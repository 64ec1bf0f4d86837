//! What many people choose: a short blocklist, and rows that a finger or the alphabet follows.
//!
//! The list is no substitute for a large one of leaked passwords, which `blocklist` is; it catches what people type when
//! asked for a long password: common ones in a row, with digits and signs around them or in place of letters.

use zeroize::Zeroizing;

/// Rows whose neighbours count as a sequence, both ways.
const ROWS: [&str; 9] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "qsdfghjklm",
    "zxcvbnm",
    "yxcvbnm",
];

/// Passwords and the words that they are made of, from the top of published lists; lower case.
#[rustfmt::skip]
const COMMON: &[&str] = &[
    "password", "passwort", "passwd", "passw", "pass", "motdepasse", "contrasena", "wachtwoord", "senha", "parola",
    "letmein", "welcome", "willkommen", "bienvenue", "login", "logon", "admin", "administrator", "root", "user",
    "guest", "test", "testing", "default", "changeme", "change", "secret", "geheim", "master", "access", "system",
    "temp", "temporary", "hello", "hallo", "bonjour", "iloveyou", "ichliebedich", "loveyou", "love", "trustno", "whatever",
    "qwerty", "qwertz", "azerty", "qwertyuiop", "asdf", "asdfgh", "asdfghjkl", "zxcvbn", "zxcvbnm", "qazwsx",
    "qazwsxedc", "qaz", "wsx", "edc", "qwe", "asd", "zxc", "qweasd", "qweasdzxc", "abc", "abcd", "abcdef",
    "monkey", "dragon", "sunshine", "princess", "football", "baseball", "basketball", "soccer", "hockey", "shadow",
    "superman", "batman", "spiderman", "pokemon", "starwars", "michael", "jordan", "jennifer", "jessica", "ashley",
    "daniel", "thomas", "andrew", "joshua", "charlie", "robert", "george", "hannah", "nicole", "matthew", "martin",
    "anthony", "william", "maggie", "ginger", "buster", "tigger", "summer", "winter", "spring", "autumn", "sommer",
    "fluffy", "cookie", "chocolate", "banana", "orange", "cheese", "flower", "hunter", "killer", "ranger", "harley",
    "mustang", "ferrari", "porsche", "mercedes", "yankees", "liverpool", "arsenal", "chelsea", "barcelona", "london",
    "berlin", "paris", "computer", "internet", "google", "facebook", "samsung", "microsoft", "windows", "student",
    "teacher", "school", "college", "university", "campus", "staff", "faculty", "alumni", "freedom", "forever",
    "angel", "babygirl", "lovely", "happy", "lucky", "family", "jesus", "monday", "friday", "january", "december",
    "phoenix", "matrix", "diamond", "purple", "silver", "golden", "pepper", "blink", "naruto", "corvette", "biteme",
    "dearbook", "zaq", "xsw", "myspace", "fuckyou", "asshole", "nothing",
];

/// What the signs and digits in place of letters stand for.
fn unfold(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

/// Whether nothing is in it but common passwords, digits and signs, with letters replaced or not. A password
/// of digits and signs alone is not meant here.
pub(super) fn made_of_common(lower: &str) -> bool {
    let plain = Zeroizing::new(lower.chars().collect::<Vec<char>>());
    let unfolded = Zeroizing::new(plain.iter().copied().map(unfold).collect::<Vec<char>>());
    plain.iter().any(|c| c.is_alphabetic()) && consists_of_words(&plain, &unfolded)
}

/// `reached[n]` is whether the first `n` characters are used up by words, digits and signs.
fn consists_of_words(plain: &[char], unfolded: &[char]) -> bool {
    let mut reached = vec![false; plain.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for at in 0..plain.len() {
        if !reached.get(at).copied().unwrap_or(false) {
            continue;
        }
        let mut mark = |length: usize| {
            if let Some(end) = reached.get_mut(at + length) {
                *end = true;
            }
        };
        if plain.get(at).is_some_and(|c| !c.is_alphabetic()) {
            mark(1);
        }
        for word in COMMON {
            if starts_with(plain.get(at..), word) || starts_with(unfolded.get(at..), word) {
                mark(word.len()); // the words are ASCII: bytes are characters
            }
        }
    }
    reached.last().copied().unwrap_or(false)
}

fn starts_with(text: Option<&[char]>, word: &str) -> bool {
    text.is_some_and(|text| {
        text.len() >= word.len() && text.iter().copied().zip(word.chars()).all(|(a, b)| a == b)
    })
}

/// Whether at least three quarters of its steps go to the same or the next character of a row.
pub(super) fn follows_rows(chars: &[char]) -> bool {
    let steps = chars.len().saturating_sub(1);
    let along = chars.iter().zip(chars.iter().skip(1)).filter(|(a, b)| neighbours(**a, **b)).count();
    steps >= 2 && along * 4 >= steps * 3
}

fn neighbours(a: char, b: char) -> bool {
    let pair = |row: &str, first, second| {
        row.chars().zip(row.chars().skip(1)).any(|(x, y)| (x, y) == (first, second))
    };
    a == b || ROWS.iter().any(|row| pair(row, a, b) || pair(row, b, a))
}
