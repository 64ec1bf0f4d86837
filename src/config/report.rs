//! Errors with the place where they were made: file, line, column, the line itself and a caret.

use super::keys;
use std::fmt::{self, Write};
use std::path::Path;

/// A text in which errors can be. Not `Debug`: it may hold secrets.
#[derive(Clone)]
pub(super) struct Source {
    name: String,
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Only its user and group can read it, or it is no longer known.
    File,
    /// Everyone on the machine can read it.
    OpenFile,
    /// A variable of the environment.
    Variable,
}

impl Source {
    pub(super) fn file(path: &Path, text: String) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let open = std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0);
        let kind = if open { Kind::OpenFile } else { Kind::File };
        Self { name: path.display().to_string(), text, kind }
    }

    /// One variable, as `NAME=VALUE`.
    pub(super) fn environment(name: &str, text: String) -> Self {
        Self { name: format!("environment {name}"), text, kind: Kind::Variable }
    }
}

/// A place in a source, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) source: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl At {
    /// Nowhere: a default.
    pub(super) const DEFAULT: At = At { source: usize::MAX, start: 0, end: 0 };
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    at: Option<At>,
    message: String,
    hint: String,
}

/// Everything that is wrong with a configuration. `Debug` is what `Display` says: the sources hold secrets.
#[derive(Clone, Default)]
pub struct Errors {
    sources: Vec<Source>,
    items: Vec<Item>,
    /// Places of secrets, which are never shown.
    secrets: Vec<At>,
}

impl Errors {
    /// How many.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// (place as `file:line:column`, what is wrong, what to do) of each error.
    pub fn items(&self) -> impl Iterator<Item = (Option<String>, &str, &str)> {
        let place = |item: &Item| item.at.map(|at| self.place(at));
        self.items.iter().map(move |item| (place(item), item.message.as_str(), item.hint.as_str()))
    }

    /// Each as it is shown: what is wrong, its line and a caret.
    pub fn shown(&self) -> Vec<String> {
        self.items.iter().map(|item| self.item(item).unwrap_or_default()).collect()
    }

    fn item(&self, item: &Item) -> Result<String, fmt::Error> {
        let mut text = String::new();
        writeln!(text, "error: {}", item.message)?;
        if let Some((at, source)) = item.at.and_then(|at| Some((at, self.sources.get(at.source)?))) {
            let (number, ..) = locate(&source.text, at.start);
            let (line, column, width) = self.line(at, source);
            let margin = " ".repeat(number.to_string().len());
            let caret = format!("{}{} {}", " ".repeat(column - 1), "^".repeat(width), item.hint);
            writeln!(text, "{margin}--> {}", self.place(at))?;
            writeln!(text, "{margin} |\n{number} | {line}\n{margin} | {}", caret.trim_end())?;
        }
        Ok(text)
    }

    pub(super) fn add_source(&mut self, source: Source) -> usize {
        self.sources.push(source);
        self.sources.len() - 1
    }

    /// An error without a place.
    pub(super) fn plain(&mut self, message: String) {
        self.push(Item { at: None, message, hint: String::new() });
    }

    /// An error at a place; the hint stands beside the caret.
    pub(super) fn at(&mut self, at: At, message: impl Into<String>, hint: impl Into<String>) {
        let (message, hint) = (self.hushed(at, message.into()), self.hushed(at, hint.into()));
        let at = (at != At::DEFAULT).then_some(at);
        self.push(Item { at, message, hint });
    }

    /// Without what it quotes, if it is about a place with a secret: behind a bracket that is not closed, a secret is an element of a list.
    fn hushed(&self, at: At, text: String) -> String {
        let covers = |secret: &&At| {
            secret.source == at.source && secret.start < at.end.max(at.start + 1) && at.start < secret.end
        };
        if at == At::DEFAULT || !self.secrets.iter().any(|secret| covers(&secret)) {
            return text;
        }
        let written = self.sources.get(at.source).and_then(|source| source.text.get(at.start..at.end));
        let written = written.unwrap_or_default();
        // Parts of it, such as a parameter of an address, are quoted because they are harmless.
        let whole = |part: &str| part.len() * 2 >= written.len() || written.contains('\\');
        let quoted = |(number, part): (usize, &str)| {
            let known = number % 2 == 0 || keys::all().any(|key| key.name == part);
            if known || !whole(part) { part.to_owned() } else { "•••".to_owned() }
        };
        let text = text.split('`').enumerate().map(quoted).collect::<Vec<_>>().join("`");
        // The name of a file is told without quotation marks, in the folder that it was looked for in.
        match written.trim_matches(['"', '\'']) {
            "" => text,
            bare => text.replace(bare, "•••"),
        }
    }

    /// A value that is read twice is wrong once.
    fn push(&mut self, item: Item) {
        if !self.items.contains(&item) {
            self.items.push(item);
        }
    }

    /// In the order of the sources and lines; what has no place comes last.
    pub(super) fn sort(&mut self) {
        self.items.sort_by_key(|item| item.at.map_or((usize::MAX, 0), |at| (at.source, at.start)));
    }

    /// The value of a variable as it was given, if that is what stands at this place.
    pub(super) fn variable(&self, at: At) -> Option<&str> {
        let source = self.sources.get(at.source).filter(|source| source.kind == Kind::Variable)?;
        source.text.get(at.start..at.end)
    }

    /// The name of the file that this place is in, if everyone on the machine can read it.
    pub(super) fn readable_by_everyone(&self, at: At) -> Option<&str> {
        let source = self.sources.get(at.source).filter(|source| source.kind == Kind::OpenFile)?;
        Some(&source.name)
    }

    /// Keeps the value at a place out of everything that is printed.
    pub(super) fn secret(&mut self, at: At) {
        self.secrets.push(at);
    }

    /// Where a part of what stands at this place is, if it is written there as it is meant.
    pub(super) fn within(&self, at: At, part: &str) -> At {
        let text = self.sources.get(at.source).and_then(|source| source.text.get(at.start..at.end));
        match text.and_then(|text| text.find(part)) {
            Some(found) => At { start: at.start + found, end: at.start + found + part.len(), ..at },
            None => at,
        }
    }

    /// Where something stands, as `file:line:column`.
    pub(super) fn place(&self, at: At) -> String {
        match self.sources.get(at.source) {
            Some(source) => {
                let (line, column, _) = locate(&source.text, at.start);
                format!("{}:{line}:{column}", source.name)
            }
            None => "the defaults".to_owned(),
        }
    }

    /// The line that `at` begins in, with secrets blotted out: text, and column of the caret, and its width.
    fn line(&self, at: At, source: &Source) -> (String, usize, usize) {
        let (_, column, start) = locate(&source.text, at.start);
        let rest = source.text.get(start..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let end = start + line.len();
        let mut shown = String::new();
        for (offset, character) in line.char_indices() {
            let position = start + offset;
            let hidden =
                self.secrets.iter().any(|s| s.source == at.source && s.start <= position && position < s.end);
            shown.push(if hidden {
                '•'
            } else if character.is_control() {
                ' '
            } else {
                character
            });
        }
        let marked = source.text.get(at.start..at.end.min(end).max(at.start)).unwrap_or_default();
        (shown, column, marked.chars().count().max(1))
    }
}

/// (line, column in characters, both from 1; where the line begins)
fn locate(text: &str, offset: usize) -> (usize, usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column, start)
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for item in &self.items {
            writeln!(f, "{}", self.item(item)?)?;
        }
        match self.items.len() {
            1 => writeln!(f, "1 error"),
            count => writeln!(f, "{count} errors"),
        }
    }
}

impl fmt::Debug for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Errors {}
