//! What a provider said, as one short line that may be kept and logged.

/// Characters of an answer that are kept.
const LONGEST: usize = 200;

/// The first line without control characters, cut; nothing of it if it repeats one of `hidden`.
pub(super) fn line(text: &str, hidden: &[&str]) -> String {
    let repeats = |secret: &&str| !secret.is_empty() && text.contains(secret);
    if hidden.iter().any(repeats) {
        return "(what it says repeats a secret and is not shown)".to_owned();
    }
    let first = text.trim().lines().next().unwrap_or_default();
    let words = first.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty());
    let whole = words.collect::<Vec<_>>().join(" ");
    let mut line: String = whole.chars().take(LONGEST).collect();
    if line.len() < whole.len() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_line_without_secrets_is_kept() {
        assert_eq!(line("a\tb\u{7} c\r\nTrace ID: 1", &["zzz", ""]), "a b c");
        assert!(!line("the secret is zzz.", &["zzz"]).contains("zzz"));
        assert!(!line("fine\r\nzzz", &["zzz"]).contains("fine"));
        let long = line(&"ä".repeat(300), &[]);
        assert_eq!(long.chars().count(), 201);
        assert_eq!(line("", &[]), "");
    }
}
