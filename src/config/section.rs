//! Reading one table: known keys by type and range, everything else reported.

use super::keys::{self, Key};
use super::report::{At, Errors};
use super::tree::{self, Entry, Node, Value};
use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

/// Errors are collected, so that one run tells all of them.
pub(super) type Sink = Rc<RefCell<Errors>>;

/// A table under its documented name (`radius`, `client.group`).
pub(super) struct Section<'t> {
    name: &'static str,
    entries: &'t [Entry],
    /// The header of the table, for what is missing in it.
    pub(super) at: At,
    pub(super) sink: Sink,
    /// Keys whose absence means "as in the outer table", not the default.
    inherits: bool,
}

impl<'t> Section<'t> {
    /// Begins to read a table; unknown keys are reported right here.
    pub(super) fn new(name: &'static str, entries: &'t [Entry], at: At, sink: &Sink) -> Self {
        let section = Self { name, entries, at, sink: Rc::clone(sink), inherits: false };
        section.report_unknown();
        section
    }

    /// A table that leaves out what it does not change.
    pub(super) fn inheriting(mut self) -> Self {
        self.inherits = true;
        self
    }

    fn report_unknown(&self) {
        let known: Vec<&str> = keys::of(self.name).map(|key| key.name).collect();
        for entry in self.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let elsewhere = keys::all().find(|key| key.name == entry.key && !key.section.is_empty());
            let near =
                |name: &&&str| strsim::damerau_levenshtein(name, &entry.key) <= 1 + entry.key.len() / 5;
            let best =
                known.iter().filter(near).min_by_key(|name| strsim::damerau_levenshtein(name, &entry.key));
            let hint = match (best, elsewhere) {
                (Some(best), _) => format!("did you mean `{best}`?"),
                (None, Some(key)) => format!("`{}` belongs into [{}]", key.name, key.section),
                (None, None) => format!("known here: {}", known.join(", ")),
            };
            let place = if self.name.is_empty() { String::new() } else { format!(" in [{}]", self.name) };
            self.error(entry.at, format!("unknown key `{}`{place}", entry.key), hint);
        }
    }

    /// An error; one about a default is told where the section begins, if it is there.
    pub(super) fn error(&self, at: At, message: impl Into<String>, hint: impl Into<String>) {
        let at = if at == At::DEFAULT { self.at } else { at };
        self.sink.borrow_mut().at(at, message, hint);
    }

    /// What stands there is never shown.
    pub(super) fn conceal(&self, at: At) {
        self.sink.borrow_mut().secret(at);
    }

    /// The node as written, if it is there.
    pub(super) fn written(&self, key: &str) -> Option<&'t Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// Where a key's value is, or the table's header.
    pub(super) fn place(&self, key: &str) -> At {
        self.written(key).map_or(self.at, |node| node.at)
    }

    /// The node as written, or the default; `None` and an error if there is neither.
    fn node(&self, key: &str) -> Option<Node> {
        if let Some(node) = self.written(key) {
            return Some(node.clone());
        }
        if self.inherits {
            return None;
        }
        match keys::of(self.name).find(|known| known.name == key) {
            Some(Key { default: Some(default), .. }) => Some(tree::literal(default, At::DEFAULT)),
            known => {
                let hint = known.map_or_else(String::new, |known| format!("add it: {}", known.about));
                self.error(self.at, format!("`{key}` is missing in [{}]", self.name), hint);
                None
            }
        }
    }

    fn wrong(&self, node: &Node, key: &str, wanted: &str) {
        self.error(node.at, format!("`{key}` wants {wanted}, and this is {}", node.value.kind()), wanted);
    }

    pub(super) fn text(&self, key: &str) -> Option<(String, At)> {
        let node = self.node(key)?;
        match node.value {
            Value::Text(text) => Some((text, node.at)),
            // In the environment nobody quotes: `…__ADMIN__MODE=660` means the text.
            Value::Integer(_) | Value::Boolean(_) if self.variable(node.at).is_some() => {
                self.variable(node.at).map(|text| (text, node.at))
            }
            _ => {
                self.wrong(&node, key, "text in quotes");
                None
            }
        }
    }

    /// Where a part of a text is, or the whole text where the part is not written as it is meant.
    pub(super) fn within(&self, at: At, part: &str) -> At {
        self.sink.borrow().within(at, part)
    }

    fn variable(&self, at: At) -> Option<String> {
        self.sink.borrow().variable(at).map(str::to_owned)
    }

    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        let node = self.node(key)?;
        match node.value {
            Value::Boolean(value) => Some(value),
            _ => {
                self.wrong(&node, key, "true or false");
                None
            }
        }
    }

    pub(super) fn number<T: TryFrom<i64>>(&self, key: &str, range: RangeInclusive<i64>) -> Option<T> {
        let node = self.node(key)?;
        let wanted = format!("a number from {} to {}", range.start(), range.end());
        match node.value {
            Value::Integer(number) if range.contains(&number) => T::try_from(number).ok(),
            Value::Integer(number) => {
                self.error(node.at, format!("`{key}` wants {wanted}, not {number}"), wanted);
                None
            }
            _ => {
                self.wrong(&node, key, &wanted);
                None
            }
        }
    }

    /// A text that means something: parsed, or reported with what is wanted.
    pub(super) fn understand<T: FromStr>(&self, text: &str, at: At, key: &str, wanted: &str) -> Option<T> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.error(at, format!("`{text}` is nothing for `{key}`"), format!("wanted: {wanted}"));
        }
        parsed
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let (text, at) = self.text(key)?;
        self.choose(&text, at, key, choices)
    }

    fn choose<T: Copy>(&self, text: &str, at: At, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.error(
                at,
                format!("`{text}` is nothing for `{key}`"),
                format!("one of: {}", words.join(", ")),
            );
        }
        found
    }

    /// Some of several words.
    pub(super) fn choices<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<Vec<T>> {
        let texts = self.texts(key)?;
        Some(texts.iter().filter_map(|(text, at)| self.choose(text, *at, key, choices)).collect())
    }

    /// A list of texts; one text counts as a list of one.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<(String, At)>> {
        let node = self.node(key)?;
        let items = match node.value {
            Value::List(items) => items,
            Value::Text(_) => vec![node],
            _ => {
                self.wrong(&node, key, "a list of texts, such as [\"one\", \"two\"]");
                return None;
            }
        };
        let text = |item: Node| match item.value {
            Value::Text(text) => Some((text, item.at)),
            _ => {
                self.wrong(&item, key, "texts in quotes");
                None
            }
        };
        Some(items.into_iter().filter_map(text).collect())
    }

    pub(super) fn duration(&self, key: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let (text, at) = self.text(key)?;
        match parse_duration(&text) {
            Some(duration) if range.contains(&duration) => Some(duration),
            Some(_) => {
                let hint = format!("from {} to {}", show(*range.start()), show(*range.end()));
                self.error(at, format!("`{key}` is out of range"), hint);
                None
            }
            None => {
                let hint = "a number with ms, s, m, h or d, such as \"30s\"";
                self.error(at, format!("`{text}` is no duration for `{key}`"), hint);
                None
            }
        }
    }

    /// A size in KiB.
    pub(super) fn kib(&self, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let (text, at) = self.text(key)?;
        let size = match text.split_at_checked(text.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len())
        {
            Some((number, "KiB")) => number.trim().parse::<u32>().ok(),
            Some((number, "MiB")) => number.trim().parse::<u32>().ok().and_then(|n| n.checked_mul(1024)),
            _ => None,
        };
        let size = size.filter(|size| range.contains(size));
        if size.is_none() {
            let hint = format!("from {} KiB to {} MiB, such as \"19MiB\"", range.start(), range.end() / 1024);
            self.error(at, format!("`{text}` is no size for `{key}`"), hint);
        }
        size
    }

    /// A path; a relative one counts from the folder of the configuration.
    pub(super) fn path(&self, key: &str, base: &std::path::Path) -> Option<PathBuf> {
        let (text, at) = self.text(key)?;
        if text.is_empty() {
            self.error(at, format!("`{key}` is empty"), "a path");
            return None;
        }
        Some(base.join(text))
    }

    /// The tables of `[[key]]`.
    pub(super) fn tables(&self, key: &str) -> Vec<(&'t [Entry], At)> {
        let Some(node) = self.written(key) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            self.wrong(node, key, "double brackets, as in [[…]]");
            return Vec::new();
        };
        let table = |item: &'t Node| match &item.value {
            Value::Table(entries) => Some((entries.as_slice(), item.at)),
            _ => {
                self.wrong(item, key, "a table");
                None
            }
        };
        items.iter().filter_map(table).collect()
    }

    /// The table of `[key]`; an empty one if it is not there.
    pub(super) fn table(&self, key: &'static str) -> Section<'t> {
        let (entries, at): (&[Entry], At) = match self.written(key) {
            None => (&[], At::DEFAULT),
            Some(node @ Node { value: Value::Table(entries), .. }) => (entries, node.at),
            Some(node) => {
                self.wrong(node, key, "a table, as in [name]");
                (&[], node.at)
            }
        };
        Section::new(key, entries, at, &self.sink)
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = text.split_at_checked(digits.len())?;
    let number: u64 = number.trim().parse().ok()?;
    let millis = match unit {
        "ms" => number,
        "s" => number.checked_mul(1000)?,
        "m" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        "d" => number.checked_mul(86_400_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(millis))
}

fn show(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0 => "0s".to_owned(),
        _ if millis.is_multiple_of(86_400_000) => format!("{}d", millis / 86_400_000),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
        _ => format!("{millis}ms"),
    }
}
