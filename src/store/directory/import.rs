//! People from a file: CSV with a header line, or TOML with `[[person]]` tables, with the same keys.
//!
//! `username,name,roles,groups,email,phone,password,password_hash`; only `username` must be there. In CSV, roles
//! and groups are separated by `;`; in TOML they are arrays, or texts like in CSV. A `password` must keep to the
//! rules and is hashed afterwards; a `password_hash` must pass [`PasswordHash::parse`]; with neither there is no
//! password login.
//!
//! The whole file is read and every error told with its line; with one error there are no rows. Nothing of a
//! password or hash gets into an error. Reading the file and adding the people is left to the caller.

mod csv;
mod toml;

use super::hash::PasswordHash;
use crate::base::Secret;
use crate::domain::password::{Owner, PasswordRules};
use crate::domain::person::{Role, Username};
use crate::wire::syslog::shown;
use std::collections::HashMap;
use std::fmt;

/// Letters of what is told of a line.
const LONGEST: usize = 500;

/// The keys of a row.
const KEYS: [&str; 8] =
    ["username", "name", "roles", "groups", "email", "phone", "password", "password_hash"];

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, UTF-8, with a header line.
    Csv,
    /// `[[person]]` tables.
    Toml,
}

/// How somebody's password came.
#[derive(Debug, Clone)]
pub enum Credential {
    /// As a hash that can be checked.
    Hash(Secret<String>),
    /// As itself, normalised and within the rules: to be hashed.
    Password(Secret<String>),
}

/// One person of the file.
#[derive(Debug, Clone)]
pub struct ImportRow {
    /// Where they begin in the file, from 1.
    pub line: usize,
    /// Unique in the file.
    pub username: Username,
    /// Name to show; may be empty.
    pub name: String,
    /// Sorted, without repeats.
    pub roles: Vec<Role>,
    /// Sorted, without repeats.
    pub groups: Vec<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Password, if there is one.
    pub credential: Option<Credential>,
}

/// What is wrong in a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ImportError {
    /// From 1.
    pub line: usize,
    /// What is wrong, as a sentence without full stop.
    pub problem: String,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

/// A person as written, before any of it is judged.
#[derive(Debug, Default)]
struct Raw {
    line: usize,
    username: String,
    name: String,
    roles: Vec<String>,
    groups: Vec<String>,
    email: String,
    phone: String,
    password: Option<Secret<String>>,
    hash: Option<Secret<String>>,
}

impl Raw {
    /// Takes the value of a key that is in [`KEYS`]; an empty one is as good as none.
    fn set(&mut self, key: &str, value: &str) {
        match key {
            "username" => self.username = value.to_owned(),
            "name" => self.name = value.trim().to_owned(),
            "roles" => self.roles = list(value),
            "groups" => self.groups = list(value),
            "email" => self.email = value.trim().to_owned(),
            "phone" => self.phone = value.trim().to_owned(),
            "password" if !value.is_empty() => self.password = Some(Secret::new(value.to_owned())),
            "password_hash" if !value.trim().is_empty() => {
                self.hash = Some(Secret::new(value.trim().to_owned()))
            }
            _ => {}
        }
    }
}

/// Names between semicolons.
fn list(text: &str) -> Vec<String> {
    text.split(';').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// All people of the file, or everything that is wrong with it, by line.
pub fn parse(text: &str, format: Format, rules: &PasswordRules) -> Result<Vec<ImportRow>, Vec<ImportError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut errors = Errors::default();
    let raws = match format {
        Format::Csv => csv::read(text, &mut errors),
        Format::Toml => toml::read(text, &mut errors),
    };
    let mut seen = HashMap::new();
    let rows: Vec<ImportRow> =
        raws.iter().filter_map(|raw| judge(raw, rules, &mut seen, &mut errors)).collect();
    let mut errors = errors.0;
    if raws.is_empty() && errors.is_empty() {
        errors.push(ImportError { line: 1, problem: "there is nobody in this file".to_owned() });
    }
    errors.sort_by_key(|error| error.line);
    if errors.is_empty() { Ok(rows) } else { Err(errors) }
}

/// Offsets of the line feeds, so that finding a line does not read the file again.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    /// The line, from 1, that the byte at `offset` is in.
    fn at(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|feed| *feed < offset)
    }
}

#[derive(Debug, Default)]
struct Errors(Vec<ImportError>);

impl Errors {
    fn add(&mut self, line: usize, problem: impl Into<String>) {
        // It may repeat what stands in the file.
        self.0.push(ImportError { line, problem: shown(&problem.into(), LONGEST) });
    }
}

/// Checks every field, so that all that is wrong with a person is told at once.
fn judge(
    raw: &Raw,
    rules: &PasswordRules,
    seen: &mut HashMap<Username, usize>,
    errors: &mut Errors,
) -> Option<ImportRow> {
    let before = errors.0.len();
    let line = raw.line;
    let username = match Username::parse(&raw.username) {
        Ok(username) => Some(username),
        Err(error) => {
            errors.add(line, error.to_string());
            None
        }
    };
    if let Some(first) = username.as_ref().and_then(|name| seen.get(name)) {
        errors.add(line, format!("this username is in line {first} already"));
    }
    if let Some(username) = &username {
        seen.entry(username.clone()).or_insert(line);
    }
    let roles = roles(raw, errors);
    let mut groups = raw.groups.clone();
    groups.sort();
    groups.dedup();
    for (what, value) in [("name", &raw.name), ("email", &raw.email), ("phone", &raw.phone)] {
        if value.chars().any(char::is_control) {
            errors.add(line, format!("{what}: control characters are not allowed"));
        }
    }
    if groups.iter().any(|group| group.chars().any(char::is_control)) {
        errors.add(line, "groups: control characters are not allowed");
    }
    let email = optional(&raw.email, "email: this is not an address", is_email, line, errors);
    let phone = optional(&raw.phone, "phone: write it like +49 30 1234567", is_phone, line, errors);
    let credential = credential(raw, username.as_ref(), rules, errors);
    let username = username.filter(|_| errors.0.len() == before)?;
    Some(ImportRow { line, username, name: raw.name.clone(), roles, groups, email, phone, credential })
}

fn roles(raw: &Raw, errors: &mut Errors) -> Vec<Role> {
    let mut roles = Vec::new();
    for name in &raw.roles {
        match name.to_lowercase().parse() {
            Ok(role) => roles.push(role),
            Err(()) => errors.add(raw.line, format!("roles: {name:?} is none of {}", Role::names())),
        }
    }
    roles.sort();
    roles.dedup();
    roles
}

fn optional(
    value: &str,
    problem: &str,
    good: impl Fn(&str) -> bool,
    line: usize,
    errors: &mut Errors,
) -> Option<String> {
    if value.is_empty() {
        return None;
    }
    if !good(value) {
        errors.add(line, problem);
    }
    Some(value.to_owned())
}

fn is_email(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'))
        && !text.contains(char::is_whitespace)
        && text.len() <= 254
}

fn is_phone(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    (3..=15).contains(&digits) && text.chars().all(|c| c.is_ascii_digit() || "+ -()/.".contains(c))
}

fn credential(
    raw: &Raw,
    username: Option<&Username>,
    rules: &PasswordRules,
    errors: &mut Errors,
) -> Option<Credential> {
    match (&raw.password, &raw.hash) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            errors.add(raw.line, "give either password or password_hash, not both");
            None
        }
        (None, Some(hash)) => match PasswordHash::parse(hash.expose()) {
            Ok(_) => Some(Credential::Hash(hash.clone())),
            Err(error) => {
                errors.add(raw.line, format!("password_hash: {error}"));
                None
            }
        },
        // Without a username, which is an error of its own, the rules cannot be applied.
        (Some(password), None) => {
            match rules.check(Owner { username: username?, name: &raw.name }, password.expose()) {
                Ok(password) => Some(Credential::Password(password)),
                Err(problems) => {
                    problems.iter().for_each(|problem| errors.add(raw.line, format!("password: {problem}")));
                    None
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
