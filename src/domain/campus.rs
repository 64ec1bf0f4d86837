//! Campuses of one installation (R-TOP-5): whose each person is, and by which hosts browsers come to it.
//!
//! A person belongs to the campus that has the realm of their username, else to the one that has their directory. Before somebody has
//! shown who they are, only the host decides: whatever username is typed, a stranger sees the same.

use super::person::Person;

/// One campus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campus {
    /// Name, as in the configuration.
    pub name: String,
    /// What stands behind the `@` of its people's usernames, lower case.
    pub realms: Vec<String>,
    /// Directories whose people are its.
    pub directories: Vec<String>,
    /// Hosts of its pages, lower case, without a port.
    pub hosts: Vec<String>,
}

/// All of them; none where the installation has one campus only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Campuses(pub Vec<Campus>);

impl Campuses {
    /// Name of the campus that a person belongs to.
    pub fn of(&self, person: &Person) -> Option<&str> {
        let realm = person.username.as_str().rsplit_once('@').map(|(_, realm)| realm);
        let by_realm = self.0.iter().find(|campus| {
            realm.is_some_and(|realm| campus.realms.iter().any(|own| own.eq_ignore_ascii_case(realm)))
        });
        let directory = person.origin.as_ref().map(|origin| &origin.directory);
        let by_directory = || {
            let directory = directory?;
            self.0.iter().find(|campus| campus.directories.contains(directory))
        };
        by_realm.or_else(by_directory).map(|campus| campus.name.as_str())
    }

    /// Name of the campus whose pages a browser asks for, by the `Host` that it names (RFC 9110 §7.2).
    pub fn at(&self, host: &str) -> Option<&str> {
        let host = bare(host);
        let found = self.0.iter().find(|campus| campus.hosts.contains(&host));
        found.map(|campus| campus.name.as_str())
    }
}

/// A host in lower case, without a port and without the dot of the root.
pub fn bare(host: &str) -> String {
    // The colons of an IPv6 address are in brackets.
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.trim_end_matches('.').to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::person::{Origin, PersonId, Status, Username};

    fn campuses() -> Campuses {
        let campus = |name: &str, realm: &str, directory: &str| Campus {
            name: name.to_owned(),
            realms: vec![realm.to_owned()],
            directories: vec![directory.to_owned()],
            hosts: vec![format!("toolkit.{realm}")],
        };
        Campuses(vec![
            campus("north", "north.example.edu", "ldap"),
            campus("south", "south.example.edu", "ad"),
        ])
    }

    fn person(username: &str, directory: Option<&str>) -> Person {
        let origin = directory.map(|name| {
            let (directory, dn, entry) = (name.to_owned(), String::new(), String::new());
            Box::new(Origin { directory, dn, entry })
        });
        Person {
            id: PersonId::from_uuid(uuid::Uuid::nil()),
            username: Username::parse(username).unwrap(),
            name: String::new(),
            roles: Vec::new(),
            groups: Vec::new(),
            email: None,
            phone: None,
            own: None,
            status: Status::Active,
            version: 0,
            origin,
            valid_until: None,
        }
    }

    // R-TOP-5
    #[test]
    fn realm_of_the_username_comes_before_the_directory() {
        let campuses = campuses();
        let of = |username, directory| campuses.of(&person(username, directory));
        assert_eq!(of("ann@north.example.edu", None), Some("north"));
        assert_eq!(of("ann@North.Example.EDU", Some("ad")), Some("north"));
        assert_eq!(of("ann", Some("ad")), Some("south"));
        assert_eq!(of("ann@elsewhere.example", Some("ldap")), Some("north"));
        assert_eq!(of("ann", None), None);
        assert_eq!(of("north.example.edu", None), None, "a name is no realm");
        assert_eq!(Campuses::default().of(&person("ann@north.example.edu", None)), None);
    }

    // R-TOP-5
    #[test]
    fn host_is_known_however_it_is_written() {
        let campuses = campuses();
        for host in [
            "toolkit.north.example.edu",
            "Toolkit.North.example.edu:8443",
            "toolkit.north.example.edu.",
            "toolkit.north.example.edu.:443",
        ] {
            assert_eq!(campuses.at(host), Some("north"), "{host}");
        }
        for host in ["", ":", "north.example.edu", "x.toolkit.north.example.edu", "[::1]:443", "[::1]"] {
            assert_eq!(campuses.at(host), None, "{host}");
        }
        assert_eq!(bare("[::1]"), "[::1]");
    }
}
