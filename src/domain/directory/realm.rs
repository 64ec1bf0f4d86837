//! Realms: the part of a login name that says whose directory it belongs to, as `ann@example.org` or `EXAMPLE\ann`.

use crate::domain::person::{Username, UsernameError};
use std::borrow::Cow;
use std::collections::HashMap;

/// Why a name in an entry is no name here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It cannot be a username.
    #[error(transparent)]
    Username(#[from] UsernameError),
    /// It has a realm of another directory.
    #[error("its name has a realm of directory `{0}`")]
    OtherRealm(String),
}

/// Name and realm of `ann@realm` and `REALM\\ann`.
pub fn split_realm(typed: &str) -> Option<(&str, &str)> {
    match (typed.split_once('\\'), typed.rsplit_once('@')) {
        (Some((realm, name)), _) | (None, Some((name, realm))) => Some((name, realm)),
        (None, None) => None,
    }
}

/// What people of a directory are called here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Naming {
    /// By the name in their entry alone.
    #[default]
    Plain,
    /// With this realm behind it, so that two directories may have the same name.
    Qualified(String),
}

/// The realms of all directories: whose each is, and what people are called there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Realms(HashMap<String, (String, Naming)>);

impl Realms {
    /// Adds a realm of a directory; `false` if it is there already.
    pub fn add(&mut self, realm: &str, directory: &str, naming: &Naming) -> bool {
        self.0.insert(realm.to_lowercase(), (directory.to_owned(), naming.clone())).is_none()
    }

    /// Whether it is one of a directory.
    pub fn contains(&self, realm: &str) -> bool {
        self.0.contains_key(&realm.to_lowercase())
    }

    /// The name as people are called here: a realm that belongs to a directory is taken off, or brought into its one
    /// form. A name with another realm, or with none, stays as it is.
    pub fn canonical<'t>(&self, typed: &'t str) -> Cow<'t, str> {
        if self.0.is_empty() {
            return Cow::Borrowed(typed);
        }
        let typed = typed.trim();
        let Some((name, realm)) = split_realm(typed) else { return Cow::Borrowed(typed) };
        match self.0.get(&realm.to_lowercase()) {
            Some((_, Naming::Plain)) => Cow::Borrowed(name),
            Some((_, Naming::Qualified(realm))) => Cow::Owned(format!("{name}@{realm}")),
            None => Cow::Borrowed(typed),
        }
    }

    /// What the person is called here whose entry in `directory` says `value`. A realm that belongs to another directory
    /// would be a name of that one: an entry cannot take it.
    pub fn username(&self, directory: &str, naming: &Naming, value: &str) -> Result<Username, NameError> {
        // Also what is left may end in a realm: `ann@theirs@ours`.
        let mut name = value.trim();
        while let Some((rest, realm)) = split_realm(name) {
            match self.0.get(&realm.to_lowercase()) {
                Some((owner, _)) if owner == directory => name = rest,
                Some((owner, _)) => return Err(NameError::OtherRealm(owner.clone())),
                None => break,
            }
        }
        Ok(match naming {
            Naming::Qualified(realm) => Username::parse(&format!("{name}@{realm}"))?,
            Naming::Plain => Username::parse(name)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realms() -> (Realms, Naming) {
        let students = Naming::Qualified("students.example.org".to_owned());
        let mut realms = Realms::default();
        assert!(
            realms.add("example.org", "staff", &Naming::Plain)
                && realms.add("EXAMPLE", "staff", &Naming::Plain)
        );
        assert!(
            realms.add("students.example.org", "students", &students)
                && realms.add("STUD", "students", &students)
        );
        assert!(!realms.add("Example.ORG", "students", &students), "taken");
        (realms, students)
    }

    #[test]
    fn realm_of_a_directory_is_taken_off_or_brought_into_its_form() {
        let (mut realms, students) = realms();
        realms.add("example.org", "staff", &Naming::Plain);
        assert_eq!(realms.canonical(" ann@Example.org "), "ann");
        assert_eq!(realms.canonical("example\\ann"), "ann");
        assert_eq!(realms.canonical("STUD\\ann"), "ann@students.example.org");
        assert_eq!(realms.canonical("ann@STUDENTS.example.org"), "ann@students.example.org");
        let student = |value: &str| realms.username("students", &students, value);
        assert_eq!(student("ann").unwrap().as_str(), "ann@students.example.org");
        assert_eq!(student("ann@students.example.org").unwrap().as_str(), "ann@students.example.org");
        assert_eq!(student("ann@else").unwrap().as_str(), "ann@else@students.example.org");
        assert_eq!(realms.username("staff", &Naming::Plain, "Ann@example.org").unwrap().as_str(), "ann");
    }

    #[test]
    fn entry_cannot_take_a_name_in_a_realm_of_another_directory() {
        let (realms, students) = realms();
        let nested = ["ann@stud@example.org", "EXAMPLE\\ann@students.example.org", "EXAMPLE\\STUD\\ann"];
        for value in ["ann@students.example.org", "STUD\\ann", "ann@stud"].into_iter().chain(nested) {
            let taken = realms.username("staff", &Naming::Plain, value);
            assert_eq!(taken, Err(NameError::OtherRealm("students".to_owned())), "{value}");
        }
        assert!(realms.username("students", &students, "EXAMPLE\\ann").is_err());
    }

    #[test]
    fn other_names_stay_as_they_are() {
        let (realms, _) = realms();
        assert_eq!(realms.canonical("ann@elsewhere.org"), "ann@elsewhere.org");
        assert_eq!(realms.canonical("ann"), "ann");
        assert_eq!(Realms::default().canonical(" a@b "), " a@b ");
    }
}
