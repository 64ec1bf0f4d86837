//! A line of syslog (RFC 5424) with structured data, and text that stays in its line.

use std::fmt::Write;

/// Facility of security messages that not everybody may read (RFC 5424 §6.2.1).
const AUTHPRIV: u8 = 10;
/// Longest `MSGID` (§6).
const MSGID: usize = 32;
/// Longest `HOSTNAME`.
const HOSTNAME: usize = 255;

/// How grave it is (§6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Somebody should look at it.
    Warning = 4,
    /// Of note.
    Notice = 5,
    /// All is well.
    Informational = 6,
}

/// A message without its header's constants.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// How grave it is.
    pub severity: Severity,
    /// RFC 3339, at most microseconds.
    pub timestamp: &'a str,
    /// Who sends; empty: not known.
    pub host: &'a str,
    /// The program.
    pub app: &'a str,
    /// The kind of message.
    pub id: &'a str,
    /// `name@number` of the structured data.
    pub element: &'a str,
    /// Its parameters; names are ours.
    pub parameters: &'a [(&'static str, &'a str)],
    /// Words for people, ours.
    pub text: &'a str,
}

/// Text of others, such that it neither ends a line nor hides what stands beside it: control characters as their pictures
/// (U+2400 …), other ends of lines and marks of direction as U+FFFD.
pub fn visible(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().map(|letter| match letter {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(letter)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        other => other,
    })
}

/// The same with a backslash before each of these.
pub(super) fn escaped(text: &str, special: &[char]) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in visible(text) {
        if special.contains(&letter) {
            safe.push('\\');
        }
        safe.push(letter);
    }
    safe
}

/// The same for a person to read, of at most so many letters.
pub fn shown(text: &str, most: usize) -> String {
    let mut letters = visible(text);
    let mut shown: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A field of the header: printable ASCII, or `-` where nothing is left (§6).
fn header(text: &str, most: usize) -> String {
    let plain: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if plain.is_empty() { "-".to_owned() } else { plain }
}

impl Message<'_> {
    /// The line, without its end.
    pub fn line(&self) -> String {
        let priority = AUTHPRIV * 8 + self.severity as u8;
        let (host, app, id) = (header(self.host, HOSTNAME), header(self.app, 48), header(self.id, MSGID));
        let mut line = format!("<{priority}>1 {} {host} {app} - {id} [{}", self.timestamp, self.element);
        for (name, value) in self.parameters {
            // A `String` takes anything.
            // §6.3.3: these three, and no others.
            let _ = write!(line, " {name}=\"{}\"", escaped(value, &['"', '\\', ']']));
        }
        line + "] " + self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(user: &str, id: &str) -> String {
        let parameters = [("subject", user), ("outcome", "reject")];
        let message = Message {
            severity: Severity::Notice,
            timestamp: "2026-11-28T10:00:00.123Z",
            host: "node 1",
            app: "doorward",
            id,
            element: "doorward@32473",
            parameters: &parameters,
            text: "login reject",
        };
        message.line()
    }

    #[test]
    fn line_is_as_the_rfc_has_it() {
        assert_eq!(
            line("alice", "login"),
            "<85>1 2026-11-28T10:00:00.123Z node1 doorward - login [doorward@32473 subject=\"alice\" outcome=\"reject\"] login reject"
        );
    }

    #[test]
    fn evil_name_stays_in_its_parameter_and_line() {
        let evil = "x\" outcome=\"accept\"] y\r\n<86>1 - - - - - -\u{2028}\u{202e}\\";
        let line = line(evil, "log in\n");
        assert!(line.contains(
            "subject=\"x\\\" outcome=\\\"accept\\\"\\] y\u{240d}\u{240a}<86>1 - - - - - -\u{fffd}\u{fffd}\\\\\" outcome=\"reject\"] "
        ));
        assert!(line.contains(" - login [") && !line.chars().any(char::is_control));
    }

    #[test]
    fn field_of_which_nothing_is_left_is_a_dash() {
        assert_eq!((header("\u{e9} \n", 10), header("abcdef", 3)), ("-".to_owned(), "abc".to_owned()));
    }
}
