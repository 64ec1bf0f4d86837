//! What a provider said, as one short line that may be kept and logged.

use crate::domain::texts::spelled;

/// Characters of an answer that are kept.
const LONGEST: usize = 200;

/// One line without the code and without control characters, cut.
pub(super) fn said(text: &str, code: &str) -> String {
    let mut text = text.to_owned();
    if !code.is_empty() {
        for form in [code.to_owned(), spelled(code), spelled(code).replace(", ", " ")] {
            text = text.replace(&form, "••••••");
        }
    }
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line: String = words.chars().take(LONGEST).collect();
    if line.len() < words.len() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_one_short_line_without_the_code() {
        let text = format!("queued:\r\n 123456 and 1, 2, 3, 4, 5, 6\t{}", "x".repeat(500));
        let line = said(&text, "123456");
        assert!(line.starts_with("queued: •••••• and •••••• xxx") && line.ends_with('…'), "{line}");
        assert!(line.chars().count() <= LONGEST + 1);
        assert_eq!(said("", ""), "");
    }
}
