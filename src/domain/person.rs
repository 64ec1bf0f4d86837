//! A person as the directory knows them.

use super::contact::Proven;
use crate::base::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, StrExt};
use std::fmt;
use std::str::FromStr;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// From the UUID it was made with (version 7 for new ones).
            pub const fn from_uuid(uuid: uuid::Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID's octets, in network byte order.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Octets of it as text.
            pub const LENGTH: usize = uuid::fmt::Hyphenated::LENGTH;

            /// As it is written, without what formatting costs.
            pub fn text(self) -> String {
                self.write(&mut [0; Self::LENGTH]).to_owned()
            }

            /// The same, into a place for it.
            pub fn write(self, place: &mut [u8; Self::LENGTH]) -> &str {
                self.0.hyphenated().encode_lower(place)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                uuid::Uuid::parse_str(text).map(Self)
            }
        }
    };
}
pub(crate) use id;

id! {
    /// Stable id of a person: it survives a rename.
    PersonId
}

/// A username as it is compared: RFC 8265 UsernameCaseMapped (case folded, width mapped, NFC), with spaces
/// around it removed. At most 253 octets, so that it fits a RADIUS attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Username(SmolStr);

/// Why a text is not a username.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// Nothing was given.
    #[error("a username is needed")]
    Empty,
    /// Longer than a RADIUS attribute can carry.
    #[error("a username has at most 253 bytes")]
    TooLong,
    /// A character that RFC 8265 does not allow in a username.
    #[error("a username consists of letters, digits and punctuation, without spaces or control characters")]
    Character,
}

impl Username {
    /// Normalises and checks `text`.
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        use precis_profiles::precis_core::profile::PrecisFastInvocation;
        let text = text.trim();
        if text.is_empty() {
            return Err(UsernameError::Empty);
        }
        if text.len() > 253 {
            return Err(UsernameError::TooLong);
        }
        // Plain ASCII needs no tables.
        let name = if text.bytes().all(|b| b.is_ascii_graphic()) {
            text.to_ascii_lowercase_smolstr()
        } else {
            let name = precis_profiles::UsernameCaseMapped::enforce(text);
            name.map_err(|_| UsernameError::Character)?.into()
        };
        if name.len() > 253 {
            return Err(UsernameError::TooLong);
        }
        Ok(Self(name))
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a person is to the institution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Teaches or researches.
    Faculty,
    /// Works here.
    Staff,
    /// Studies here.
    Student,
    /// Studied here.
    Alumnus,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 4] = [Role::Faculty, Role::Staff, Role::Student, Role::Alumnus];

    /// The lower-case name, as in configuration, CSV and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Faculty => "faculty",
            Role::Staff => "staff",
            Role::Student => "student",
            Role::Alumnus => "alumnus",
        }
    }
}

impl Role {
    /// All names, for an error that tells them.
    pub fn names() -> String {
        Role::ALL.map(Role::as_str).join(", ")
    }
}

impl FromStr for Role {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or(())
    }
}

/// Whether a person may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// May log in.
    Active,
    /// Has an account that was not activated yet; activating it is all that is possible.
    New,
    /// Locked by an administrator or the help desk; `unlock` ends it.
    Locked,
    /// Switched off in the directory.
    Disabled,
}

impl Status {
    /// The lower-case name, as in the database and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::New => "new",
            Status::Locked => "locked",
            Status::Disabled => "disabled",
        }
    }
}

impl FromStr for Status {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Status::Active, Status::New, Status::Locked, Status::Disabled]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(())
    }
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    /// Stable id.
    pub id: PersonId,
    /// Name to log in with; unique.
    pub username: Username,
    /// Name to show; may be empty.
    pub name: String,
    /// Roles, sorted, without repeats.
    pub roles: Vec<Role>,
    /// Groups by name, sorted, without repeats; policies and reply attributes refer to them.
    pub groups: Vec<String>,
    /// E-mail address from the directory.
    pub email: Option<String>,
    /// Telephone number from the directory.
    pub phone: Option<String>,
    /// Contacts that the person has entered and proven; they come before the directory's.
    pub own: Option<Box<Proven>>,
    /// Whether a login is possible.
    pub status: Status,
    /// Rises with every change of password, status or lock; a cached verdict for another version is void.
    pub version: i64,
    /// The directory that the person comes from; `None`: the embedded one.
    pub origin: Option<Box<Origin>>,
    /// When the account ends; no login is possible after it.
    pub valid_until: Option<Timestamp>,
}

impl Person {
    /// Somebody of whom nothing but the name is known: active, of the embedded directory.
    pub const fn named(id: PersonId, username: Username) -> Self {
        Self {
            id,
            username,
            name: String::new(),
            roles: Vec::new(),
            groups: Vec::new(),
            email: None,
            phone: None,
            own: None,
            status: Status::Active,
            version: 1,
            origin: None,
            valid_until: None,
        }
    }
}

/// Where a person comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Name of the directory in the configuration.
    pub directory: String,
    /// Name of the entry there.
    pub dn: String,
    /// Stable id of the entry, hex.
    pub entry: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_compare_without_case_and_outer_space() {
        assert_eq!(Username::parse(" Alice ").unwrap(), Username::parse("alice").unwrap());
        assert_eq!(Username::parse("JÜRGEN").unwrap(), Username::parse("ju\u{308}rgen").unwrap());
    }

    #[test]
    fn impossible_usernames_are_refused_with_the_reason() {
        assert_eq!(Username::parse("  "), Err(UsernameError::Empty));
        assert_eq!(Username::parse("a\u{0}b"), Err(UsernameError::Character));
        assert_eq!(Username::parse("a b"), Err(UsernameError::Character));
        assert_eq!(Username::parse(&"a".repeat(254)), Err(UsernameError::TooLong));
    }
}
