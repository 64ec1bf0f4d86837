//! People from a file: CSV with a header line, or TOML with `[[person]]` tables. Either all rows are fine, or
//! every error is told with its line and nothing is imported.

use super::hash::PasswordHash;
use crate::base::Secret;
use crate::domain::person::{Role, Username};
use serde::Deserialize;
use std::collections::HashMap;

/// A person as the file has them.
#[derive(Debug, Clone)]
pub struct ImportRow {
    /// Line in the file, from 1.
    pub line: usize,
    /// Username.
    pub username: Username,
    /// Name to show.
    pub name: String,
    /// Roles.
    pub roles: Vec<Role>,
    /// Groups.
    pub groups: Vec<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// How the password came.
    pub password: ImportPassword,
}

/// How a password comes with an import.
#[derive(Debug, Clone)]
pub enum ImportPassword {
    /// None: no password login until one is set.
    None,
    /// In clear, to be hashed.
    Clear(Secret<String>),
    /// As a hash that was checked.
    Hash(Secret<String>),
}

/// One thing wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ImportError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub what: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    username: String,
    name: String,
    #[serde(deserialize_with = "list")]
    roles: Vec<String>,
    #[serde(deserialize_with = "list")]
    groups: Vec<String>,
    email: String,
    phone: String,
    password: String,
    password_hash: String,
}

/// A TOML list, or one text with `;` between (CSV).
fn list<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        List(Vec<String>),
    }
    let items = match Either::deserialize(deserializer)? {
        Either::Text(text) => text.split(';').map(str::to_owned).collect(),
        Either::List(list) => list,
    };
    Ok(items.into_iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
}

/// Reads CSV with the columns `username,name,roles,groups,email,phone,password,password_hash` in any order; all but
/// `username` may be missing. Lists are separated by `;`.
pub fn from_csv(text: &str) -> Result<Vec<ImportRow>, Vec<ImportError>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(text.as_bytes());
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    let known = ["username", "name", "roles", "groups", "email", "phone", "password", "password_hash"];
    let headers = match reader.headers() {
        Ok(headers) => headers.clone(),
        Err(error) => return Err(vec![ImportError { line: 1, what: error.to_string() }]),
    };
    for header in headers.iter().filter(|header| !known.contains(header)) {
        let what = format!("unknown column `{header}`; known are {}", known.join(", "));
        errors.push(ImportError { line: 1, what });
    }
    if !headers.iter().any(|header| header == "username") {
        errors.push(ImportError { line: 1, what: "a column `username` is needed in the first line".into() });
    }
    if errors.is_empty() {
        for record in reader.records() {
            let line = |position: Option<&csv::Position>| position.map_or(0, csv::Position::line);
            let (at, raw) = match record {
                Ok(record) => (line(record.position()), record.deserialize::<Raw>(Some(&headers))),
                Err(error) => (line(error.position()), Err(error)),
            };
            let at = usize::try_from(at).unwrap_or(0);
            match raw {
                Ok(raw) => rows.push((at, raw)),
                Err(error) => errors.push(ImportError { line: at, what: error.to_string() }),
            }
        }
    }
    finish(rows, errors)
}

/// Reads TOML: `[[person]]` tables with the same keys; roles and groups are lists.
pub fn from_toml(text: &str) -> Result<Vec<ImportRow>, Vec<ImportError>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        person: Vec<toml::Spanned<Raw>>,
    }
    let line = |at: usize| text.get(..at).unwrap_or_default().matches('\n').count() + 1;
    match toml::from_str::<File>(text) {
        Err(error) => {
            let at = error.span().map_or(1, |span| line(span.start));
            Err(vec![ImportError { line: at, what: error.message().to_owned() }])
        }
        Ok(file) => {
            let rows = file.person.into_iter().map(|raw| (line(raw.span().start), raw.into_inner()));
            finish(rows.collect(), Vec::new())
        }
    }
}

fn finish(rows: Vec<(usize, Raw)>, mut errors: Vec<ImportError>) -> Result<Vec<ImportRow>, Vec<ImportError>> {
    let mut seen: HashMap<Username, usize> = HashMap::new();
    let mut people = Vec::with_capacity(rows.len());
    for (line, raw) in rows {
        let mut wrong = |what: String| errors.push(ImportError { line, what });
        let username = match Username::parse(&raw.username) {
            Ok(username) => username,
            Err(error) => {
                wrong(error.to_string());
                continue;
            }
        };
        if let Some(first) = seen.insert(username.clone(), line) {
            wrong(format!("`{username}` stands in line {first} already"));
        }
        let mut roles = Vec::new();
        for role in &raw.roles {
            match role.to_lowercase().parse() {
                Ok(role) => roles.push(role),
                Err(()) => wrong(format!(
                    "`{role}` is no role; roles are {}",
                    Role::ALL.map(Role::as_str).join(", ")
                )),
            }
        }
        let password = match (raw.password.is_empty(), raw.password_hash.is_empty()) {
            (true, true) => ImportPassword::None,
            (false, true) => ImportPassword::Clear(Secret::new(raw.password)),
            (true, false) => match PasswordHash::parse(&raw.password_hash) {
                Ok(hash) => ImportPassword::Hash(hash.text().clone()),
                Err(error) => {
                    wrong(error.to_string());
                    ImportPassword::None
                }
            },
            (false, false) => {
                wrong("give `password` or `password_hash`, not both".into());
                ImportPassword::None
            }
        };
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        people.push(ImportRow {
            line,
            username,
            name: raw.name,
            roles,
            groups: raw.groups,
            email: some(raw.email),
            phone: some(raw.phone),
            password,
        });
    }
    if errors.is_empty() {
        Ok(people)
    } else {
        errors.sort_by_key(|error| error.line);
        Err(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_rows_become_people() {
        let rows = from_csv(
            "username,name,roles,groups,password_hash,password\n\
             Alice,\"Alice, A.\",staff;faculty,vpn; wifi,{SSHA}W+q2dx7iMkwRctFL5Lz7/XGQDvJzYWx0c2FsdA==,\n\
             bob,,,,,\"secret, with \"\"comma\"\"\"\n",
        )
        .unwrap();
        assert_eq!(rows[0].username.as_str(), "alice");
        assert_eq!((rows[0].name.as_str(), rows[0].roles.len()), ("Alice, A.", 2));
        assert_eq!(rows[0].groups, ["vpn", "wifi"]);
        assert!(matches!(rows[0].password, ImportPassword::Hash(_)));
        assert!(
            matches!(&rows[1].password, ImportPassword::Clear(p) if p.expose() == "secret, with \"comma\"")
        );
    }

    #[test]
    fn every_error_of_a_csv_file_is_told_with_its_line() {
        let errors =
            from_csv("username,roles,password_hash\n,staff,\nbob,teacher,\nbob,staff,plain\neve,staff\n")
                .unwrap_err();
        let lines: Vec<_> = errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [2, 3, 4, 4, 5], "{errors:?}");
        assert!(errors[1].to_string().starts_with("line 3: `teacher` is no role"), "{}", errors[1]);
        assert!(from_csv("user,x\n").unwrap_err().len() == 3);
    }

    #[test]
    fn toml_people_are_read_and_errors_have_lines() {
        let rows = from_toml("[[person]]\nusername = \"alice\"\nroles = [\"student\"]\n").unwrap();
        assert_eq!(rows[0].roles, [Role::Student]);
        let errors = from_toml("[[person]]\nusername = \"a\"\n\n[[person]]\nusername = \"a\"\n").unwrap_err();
        assert_eq!(errors[0].line, 4);
        assert_eq!(from_toml("[[person]]\nuser = 1\n").unwrap_err()[0].line, 2);
    }
}
