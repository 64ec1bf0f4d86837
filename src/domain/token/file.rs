//! Files that tokens come in: what every format has in common. Each line is read for itself, and what is wrong with it is told
//! with its number and without its secrets.

use super::pieces;
use crate::base::Secret;
use crate::domain::factor::{FactorKind, Material};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A token of a file.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where it stands, from 1.
    pub line: usize,
    /// Its name among those of its kind.
    pub name: String,
    /// The number printed on it; may be empty.
    pub serial: String,
    /// What it is.
    pub kind: FactorKind,
    /// Secret material.
    pub material: Material,
    /// The first position that is acceptable.
    pub next: u64,
}

/// What is wrong in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// A sentence without full stop.
    pub problem: String,
}

/// A file that was read.
#[derive(Debug, Clone, Default)]
pub struct File {
    /// What can be imported.
    pub found: Vec<Found>,
    /// What cannot.
    pub bad: Vec<BadLine>,
}

impl File {
    /// Takes what was made of a line. A number that contains secrets is never repeated.
    pub(super) fn take(&mut self, line: usize, read: Result<(String, Material, u64), String>) {
        let checked = read.and_then(|(serial, material, next)| {
            let serial = pieces::label(&serial, "serial number")?;
            let (kind, own) = material.token().ok_or("no token has such a key")?;
            let name = own.unwrap_or_else(|| serial.clone());
            if name.is_empty() {
                return Err("the serial number is missing, by which the token would be found".to_owned());
            }
            Ok(Found { line, name, serial, kind, material, next })
        });
        match checked {
            Ok(found) => self.found.push(found),
            Err(problem) => self.bad.push(BadLine { line, problem }),
        }
    }

    /// Moves what is there twice to what is bad, and puts all in order.
    pub(super) fn finish(mut self) -> Self {
        let mut first = BTreeMap::new();
        let (found, twice): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.found).into_iter().partition(|found| {
                *first.entry((found.kind, found.name.clone())).or_insert(found.line) == found.line
            });
        self.found = found;
        for twice in twice {
            let before = first.get(&(twice.kind, twice.name.clone())).copied().unwrap_or_default();
            let problem = format!("the same token is in line {before} already");
            self.bad.push(BadLine { line: twice.line, problem });
        }
        self.bad.sort_by_key(|bad| bad.line);
        if self.found.is_empty() && self.bad.is_empty() {
            self.bad.push(BadLine { line: 1, problem: "there is no token in this file".to_owned() });
        }
        self
    }
}

/// Lines with something in them, and their numbers, without comments.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().enumerate().map(|(at, line)| {
        let comment = line.find('#').map_or(line.len(), |at| at);
        (at + 1, line.get(..comment).unwrap_or_default().trim())
    });
    lines.filter(|(_, line)| !line.is_empty())
}

/// The fields of a line of comma- or semicolon-separated values.
pub(super) fn fields(line: &str, separator: u8) -> Vec<Zeroizing<String>> {
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .trim(::csv::Trim::All)
        .from_reader(line.as_bytes());
    let record = reader.records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().map(|field| Zeroizing::new(field.to_owned())).collect()
}

/// What separates the fields of this line.
pub(super) fn separator(line: &str) -> u8 {
    match (line.contains(','), line.contains(';'), line.contains('\t')) {
        (false, true, _) => b';',
        (false, false, true) => b'\t',
        _ => b',',
    }
}

/// A seed of 16 to 128 bytes.
pub(super) fn seed(bytes: Vec<u8>) -> Result<Secret<Vec<u8>>, String> {
    let length = bytes.len();
    let seed = Secret::new(bytes);
    match (16..=128).contains(&length) {
        true => Ok(seed),
        false => Err(format!("the key has {length} bytes; it must have 16 to 128")),
    }
}
