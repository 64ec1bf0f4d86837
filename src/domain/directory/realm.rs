//! Realms: the part of a login name that says whose directory it belongs to, as `ann@example.org` or `EXAMPLE\ann`.

use crate::domain::person::{Username, UsernameError};
use std::borrow::Cow;
use std::collections::HashMap;

/// What people of a directory are called here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Naming {
    /// By the name in their entry alone.
    #[default]
    Plain,
    /// With this realm behind it, so that two directories may have the same name.
    Qualified(String),
}

/// The realms of all directories.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Realms(HashMap<String, Naming>);

impl Realms {
    /// Adds a realm of a directory; `false` if another one has it.
    pub fn add(&mut self, realm: &str, naming: &Naming) -> bool {
        self.0.insert(realm.to_lowercase(), naming.clone()).is_none()
    }

    /// The name as people are called here: a realm that belongs to a directory is taken off, or brought into its one
    /// form. A name with another realm, or with none, stays as it is.
    pub fn canonical<'t>(&self, typed: &'t str) -> Cow<'t, str> {
        if self.0.is_empty() {
            return Cow::Borrowed(typed);
        }
        let typed = typed.trim();
        let split = match (typed.split_once('\\'), typed.rsplit_once('@')) {
            (Some((realm, name)), _) | (None, Some((name, realm))) => Some((name, realm)),
            (None, None) => None,
        };
        let Some((name, realm)) = split else { return Cow::Borrowed(typed) };
        match self.0.get(&realm.to_lowercase()) {
            Some(Naming::Plain) => Cow::Borrowed(name),
            Some(Naming::Qualified(realm)) => Cow::Owned(format!("{name}@{realm}")),
            None => Cow::Borrowed(typed),
        }
    }

    /// What the person whose entry says `value` is called here.
    pub fn username(&self, naming: &Naming, value: &str) -> Result<Username, UsernameError> {
        let name = self.canonical(value);
        match naming {
            Naming::Qualified(realm) if !name.contains('@') => Username::parse(&format!("{name}@{realm}")),
            _ => Username::parse(&name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realms() -> (Realms, Naming) {
        let students = Naming::Qualified("students.example.org".to_owned());
        let mut realms = Realms::default();
        assert!(realms.add("example.org", &Naming::Plain) && realms.add("EXAMPLE", &Naming::Plain));
        assert!(realms.add("students.example.org", &students) && realms.add("STUD", &students));
        assert!(!realms.add("Example.ORG", &students), "taken");
        (realms, students)
    }

    #[test]
    fn realm_of_a_directory_is_taken_off_or_brought_into_its_form() {
        let (mut realms, students) = realms();
        realms.add("example.org", &Naming::Plain);
        assert_eq!(realms.canonical(" ann@Example.org "), "ann");
        assert_eq!(realms.canonical("example\\ann"), "ann");
        assert_eq!(realms.canonical("STUD\\ann"), "ann@students.example.org");
        assert_eq!(realms.canonical("ann@STUDENTS.example.org"), "ann@students.example.org");
        assert_eq!(realms.username(&students, "ann").unwrap().as_str(), "ann@students.example.org");
        assert_eq!(realms.username(&Naming::Plain, "Ann@example.org").unwrap().as_str(), "ann");
    }

    #[test]
    fn other_names_stay_as_they_are() {
        let (realms, _) = realms();
        assert_eq!(realms.canonical("ann@elsewhere.org"), "ann@elsewhere.org");
        assert_eq!(realms.canonical("ann"), "ann");
        assert_eq!(Realms::default().canonical(" a@b "), " a@b ");
    }
}
