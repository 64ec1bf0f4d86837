//! Which parts of a source are secrets, so that no error shows them.
//!
//! Two passes over each layer: [`lines`] over the text, because a line that is not TOML is shown too, and [`tree`] over
//! what was parsed, because there a value's extent is exact.

use super::keys;
use super::report::{At, Errors};
use super::tree::{Entry, Node, Value};

/// Whether the value of a key is never shown: `secret`, whatever resembles it, and attributes that carry a secret.
/// Better to hide a harmless value behind a misspelt key than to print a password.
pub(super) fn is_secret(key: &str) -> bool {
    if keys::all().any(|known| known.name == key && !known.section.is_empty()) {
        return key == "secret";
    }
    let key = key.to_lowercase();
    let attribute = key.contains("mppe") && key.contains("key");
    attribute
        || ["secret", "passw", "psk", "shared_key", "sharedkey"].iter().any(|part| key.contains(part))
        || strsim::damerau_levenshtein(&key, "secret") <= 2
}

/// Marks values in what was parsed.
pub(super) fn tree(entries: &[Entry], errors: &mut Errors) {
    for entry in entries {
        // `[password]` is a section, not a password.
        let section = entry.key == "password" && matches!(entry.node.value, Value::Table(_));
        value(&entry.node, is_secret(&entry.key) && !section, errors);
    }
}

fn value(node: &Node, hidden: bool, errors: &mut Errors) {
    if hidden {
        errors.secret(node.at);
    }
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| value(item, hidden, errors)),
        Value::Table(entries) if hidden => {
            entries.iter().for_each(|entry| value(&entry.node, true, errors));
        }
        Value::Table(entries) => tree(entries, errors),
        _ => {}
    }
}

/// Marks in the text, from `offset` on, what follows a secret's key, as far as it may reach.
pub(super) fn lines(source: usize, text: &str, mut offset: usize, errors: &mut Errors) {
    for line in text.get(offset..).unwrap_or_default().split_inclusive('\n') {
        if let Some(from) = after_key(line) {
            let start = offset + from;
            let rest = text.get(start..).unwrap_or_default();
            errors.secret(At { source, start, end: start + extent(rest) });
        }
        offset += line.len();
    }
}

/// Where the value begins that belongs to the first secret key of a line: a word before `=`, or the first word.
fn after_key(line: &str) -> Option<usize> {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut position = 0;
    let mut first = true;
    while let Some(begin) = line.get(position..)?.find(word).map(|found| position + found) {
        let rest = line.get(begin..)?;
        let end = begin + rest.find(|c| !word(c)).unwrap_or(rest.len());
        let after = line.get(end..)?.trim_start_matches(['"', '\'']).trim_start();
        let assigned = after.starts_with('=');
        if (first || assigned) && is_secret(line.get(begin..end)?) {
            let value = after.trim_start_matches(['=', ':']).trim_start();
            // `[password]` and `[client.secret]` are headers; there is no value on their line.
            return (!value.is_empty() && !value.starts_with(']')).then(|| line.len() - value.len());
        }
        first = false;
        position = end;
    }
    None
}

/// How far a value may reach: to the end of its line, or of its brackets or triple quotes.
fn extent(rest: &str) -> usize {
    let line = rest.find('\n').unwrap_or(rest.len());
    let until = |from: usize, close: &str| {
        rest.get(from..)
            .and_then(|more| more.find(close))
            .map_or(rest.len(), |found| from + found + close.len())
    };
    match rest.get(..1) {
        _ if rest.starts_with("\"\"\"") => until(3, "\"\"\"").max(line),
        _ if rest.starts_with("'''") => until(3, "'''").max(line),
        Some("[") => until(1, "]").max(line),
        Some("{") => until(1, "}").max(line),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_hold_or_resemble_a_secret_are_hidden_and_no_other() {
        for key in
            ["secret", "secert", "Secret", "secrets", "shared_secret", "password", "psk", "Tunnel-Password"]
        {
            assert!(is_secret(key), "{key}");
        }
        for key in keys::all().filter(|key| !key.section.is_empty() && key.name != "secret") {
            assert!(!is_secret(key.name), "{}", key.name);
        }
    }

    #[test]
    fn value_begins_after_the_key_also_where_it_is_no_toml() {
        let hidden = |line: &str| after_key(line).map(|from| line[from..].to_owned());
        assert_eq!(hidden("secret = \"x"), Some("\"x".to_owned()));
        assert_eq!(hidden("  secret \"x\""), Some("\"x\"".to_owned()));
        assert_eq!(hidden("secret: x"), Some("x".to_owned()));
        assert_eq!(hidden("client = [{ \"secret\" = 'x"), Some("'x".to_owned()));
        assert_eq!(hidden("secret_file = \"vpn.secret\""), None);
        assert_eq!(hidden("[password]"), None);
    }
}
