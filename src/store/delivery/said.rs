//! What a provider said, as one short line that may be kept and logged.

use super::Message;
use crate::domain::texts::spelled;

/// Characters of an answer that are kept.
const LONGEST: usize = 200;
/// In the place of what is nobody's business.
const HIDDEN: &str = "••••••";

/// One line without the code, the destination and control characters, cut.
pub(super) fn said(text: &str, message: &Message) -> String {
    said_without(text, message, "")
}

/// The same without a secret of ours.
pub(super) fn said_without(text: &str, message: &Message, secret: &str) -> String {
    let spaced = spelled(&message.code);
    let number = message.to.trim_start_matches('+');
    let mut text = text.to_owned();
    for hidden in [secret, &message.to, number, &message.code, &spaced, &spaced.replace(", ", " ")] {
        if !hidden.is_empty() {
            text = text.replace(hidden, HIDDEN);
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
    use crate::domain::method::Channel;
    use crate::domain::sent::CodeId;
    use crate::domain::texts::Rendered;

    #[test]
    fn answer_is_one_short_line_without_code_destination_and_secret() {
        let message = Message {
            id: CodeId::from_uuid(uuid::Uuid::nil()),
            channel: Channel::Sms,
            to: "+15208782491".to_owned(),
            body: Rendered::Text(String::new()),
            code: "123456".to_owned(),
        };
        let text =
            format!("to +15208782491, 15208782491:\r\n 123456 and 1, 2, 3, 4, 5, 6\t{}", "x".repeat(500));
        let line = said(&text, &message);
        assert!(
            line.starts_with("to ••••••, ••••••: •••••• and •••••• xxx") && line.ends_with('…'),
            "{line}"
        );
        assert!(line.chars().count() <= LONGEST + 1);
        assert_eq!(said_without("bad token abc", &message, "abc"), "bad token ••••••");
        assert_eq!(said("", &message), "");
    }
}
