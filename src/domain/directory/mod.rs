//! People as an outside directory (LDAP, Active Directory) has them: what an entry says of a person, who is in which
//! group, and what must change here when something changes there.
//!
//! Decided here, by values alone: the [`Mirror`] takes events and gives changes. Where the events come from is known to
//! `store::ldap`, how changes are written to `store::records`.

mod change;
mod event;
mod groups;
mod mirror;
mod realm;

pub use change::{Change, Put, What, fold};
pub use event::{Event, GroupEntry, Known, MirrorSettings};
pub use groups::{Groups, Member};
pub use mirror::Mirror;
pub use realm::{NameError, Naming, Realms, split_realm};

use super::person::{Role, Username};
use crate::base::Timestamp;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The id of an entry that survives renames, as lower-case hex: `entryUUID`, `nsUniqueId`, `objectGUID`.
pub type EntryId = Box<str>;

/// A person as their entry says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Stable id of the entry.
    pub id: EntryId,
    /// Name of the entry, as the server writes it.
    pub dn: String,
    /// Name to log in with here.
    pub username: Username,
    /// Name to show.
    pub name: String,
    /// Roles that attributes give; groups may add more.
    pub roles: Vec<Role>,
    /// E-mail.
    pub email: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// Whether the directory lets them in.
    pub enabled: bool,
    /// When the account ends.
    pub valid_until: Option<Timestamp>,
    /// Changes whenever the password may have changed.
    pub marker: String,
    /// Groups by name of their entries, where the person's entry tells them.
    pub member_of: Vec<String>,
}

impl Identity {
    /// The same for the same content, so that an entry that says nothing new is not written again: of what it says,
    /// then the marker.
    pub fn fingerprint(&self) -> String {
        let mut hasher = DefaultHasher::new();
        let Identity { id, dn, username, name, roles, email, phone, enabled, valid_until, marker, member_of } =
            self;
        (id, dn, username, name, roles, email, phone, enabled, valid_until, member_of).hash(&mut hasher);
        format!("{:016x} {marker}", hasher.finish())
    }
}
