//! Files that tokens come in: what every format has in common. Each line is read for itself, and what is wrong with it is told
//! with its number and without its secrets.

use super::pieces;
use crate::base::{Secret, Timestamp};
use crate::domain::factor::{FactorKind, Material};
use crate::wire::syslog::shown;
use crate::wire::yubico::Key;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use zeroize::Zeroizing;

/// Letters of what is told of a line.
const LONGEST: usize = 500;

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
    /// Who made it, where the file says so.
    pub maker: Option<String>,
    /// Where it was before, if another installation says so.
    pub origin: Option<Origin>,
}

/// What another installation knew of a token.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Username of the owner.
    pub user: Option<String>,
    /// Name that the owner knows it by.
    pub label: Option<String>,
    /// When it last let the owner in.
    pub used: Option<Timestamp>,
    /// It was revoked.
    pub revoked: bool,
    /// An AES key that waits for a touch that its validation server accepts.
    pub waiting: Option<Key>,
}

/// What a line describes.
pub(super) struct Described {
    pub(super) serial: String,
    /// Where it is not the serial number or a YubiKey's own.
    pub(super) name: Option<String>,
    pub(super) material: Material,
    pub(super) next: u64,
    pub(super) maker: Option<String>,
    /// What an administrator should know of it.
    pub(super) notes: Vec<String>,
    pub(super) origin: Option<Origin>,
}

impl From<(String, Material, u64)> for Described {
    fn from((serial, material, next): (String, Material, u64)) -> Self {
        Self { serial, name: None, material, next, maker: None, notes: Vec::new(), origin: None }
    }
}

/// What is wrong in a line, or should be known of it.
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
    /// What an administrator should know of what can.
    pub notes: Vec<BadLine>,
}

impl File {
    /// Takes what was made of a line. A number that contains secrets is never repeated.
    pub(super) fn take(&mut self, line: usize, read: Result<impl Into<Described>, String>) {
        let checked = read.map(Into::into).and_then(|described: Described| {
            let serial = pieces::label(&described.serial, "serial number")?;
            let (kind, own) = described.material.token().ok_or("no token has such a key")?;
            let name = own.or(described.name).unwrap_or_else(|| serial.clone());
            let name = pieces::label(&name, "name")?;
            if name.is_empty() {
                return Err("the serial number is missing, by which the token would be found".to_owned());
            }
            let Described { material, next, maker, notes, origin, .. } = described;
            Ok((Found { line, name, serial, kind, material, next, maker, origin }, notes))
        });
        match checked {
            Ok((found, notes)) => {
                self.found.push(found);
                self.notes.extend(notes.into_iter().map(|problem| BadLine { line, problem }));
            }
            Err(problem) => self.reject(line, problem),
        }
    }

    /// Says what is wrong in a line.
    pub(super) fn reject(&mut self, line: usize, problem: impl Into<String>) {
        self.bad.push(BadLine { line, problem: problem.into() });
    }

    /// Puts something before the names of OATH tokens, so that they are told from another maker's with the same serial numbers.
    pub fn prefix(&mut self, prefix: &str) {
        for found in std::mem::take(&mut self.found) {
            let own = found.kind == FactorKind::Yubikey;
            match pieces::label(&format!("{}{}", if own { "" } else { prefix }, found.name), "name") {
                Ok(name) => self.found.push(Found { name, ..found }),
                Err(problem) => self.bad.push(BadLine { line: found.line, problem }),
            }
        }
    }

    /// What is told may repeat what stands in the file: only such that can be shown, and not much of it.
    pub(super) fn tell(&mut self) {
        for said in self.bad.iter_mut().chain(&mut self.notes) {
            said.problem = shown(&said.problem, LONGEST);
        }
    }

    /// Moves what is there twice to what is bad, and puts all in order.
    pub(super) fn finish(mut self) -> Self {
        let mut first = BTreeMap::new();
        for found in std::mem::take(&mut self.found) {
            // Several may stand in one line.
            match first.entry((found.kind, found.name.clone())) {
                Entry::Vacant(place) => {
                    place.insert((found.line, found.maker.clone()));
                    self.found.push(found);
                }
                Entry::Occupied(before) => {
                    let (line, maker) = before.get();
                    let problem = match *maker == found.maker {
                        true => format!("the same token is in line {line} already"),
                        false => format!(
                            "another maker's token in line {line} has the same serial number; put this maker's into a file of \
                             their own, and import that with --prefix"
                        ),
                    };
                    self.bad.push(BadLine { line: found.line, problem });
                }
            }
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
