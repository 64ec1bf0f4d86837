//! An event in the Common Event Format (ArcSight CEF, version 0): a header between bars, and names with values.

use super::syslog::escaped;

/// An event of ours.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Version of the program.
    pub version: &'a str,
    /// The kind of event.
    pub class: &'a str,
    /// Words for people.
    pub name: &'a str,
    /// 0 to 10.
    pub severity: u8,
    /// Names, which are ours, and values.
    pub extension: &'a [(&'static str, &'a str)],
}

impl Event<'_> {
    /// The line, without its end. Names without a value are left out.
    pub fn line(&self) -> String {
        let header = |text| escaped(text, &['\\', '|']);
        let mut line = format!(
            "CEF:0|Doorward|Doorward|{}|{}|{}|{}|",
            header(self.version),
            header(self.class),
            header(self.name),
            self.severity
        );
        let mut between = "";
        for (name, value) in self.extension.iter().filter(|(_, value)| !value.is_empty()) {
            line.push_str(between);
            line.push_str(name);
            line.push('=');
            line.push_str(&escaped(value, &['\\', '=']));
            between = " ";
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(user: &str) -> String {
        let extension = [("rt", "1700000000123"), ("duser", user), ("reason", ""), ("outcome", "reject")];
        let event = Event {
            version: "0.1.0",
            class: "login",
            name: "login | reject",
            severity: 5,
            extension: &extension,
        };
        event.line()
    }

    #[test]
    fn line_is_as_the_format_has_it() {
        assert_eq!(
            line("alice"),
            "CEF:0|Doorward|Doorward|0.1.0|login|login \\| reject|5|rt=1700000000123 duser=alice outcome=reject"
        );
    }

    #[test]
    fn evil_name_neither_adds_a_value_nor_an_event() {
        assert_eq!(
            line("x outcome=accept\\\nCEF:0|Doorward|\u{85}"),
            "CEF:0|Doorward|Doorward|0.1.0|login|login \\| reject|5|rt=1700000000123 \
             duser=x outcome\\=accept\\\\\u{240a}CEF:0|Doorward|\u{fffd} outcome=reject"
        );
    }
}
