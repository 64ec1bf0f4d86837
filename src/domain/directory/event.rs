//! What a directory says: people and groups that come, stay and go; and what is known of it from last time.

use super::groups::Member;
use super::{EntryId, Identity};
use crate::domain::person::{PersonId, Role};
use crate::wire::ldap::Dn;

/// What a directory says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A person is there, new or changed.
    Put(Box<Identity>),
    /// A group is there, new or changed.
    Group(GroupEntry),
    /// A person is still there, unchanged.
    Present(EntryId),
    /// A person is not there any more, or no longer one that is looked for.
    Gone(EntryId),
    /// A group is still there, unchanged.
    GroupPresent(EntryId),
    /// A group is not there any more.
    GroupGone(EntryId),
    /// A refresh of people begins.
    BeginRefresh,
    /// It ends; with `sweep`, who was not named is gone.
    EndRefresh {
        /// Whether to sweep.
        sweep: bool,
    },
    /// A refresh of groups begins.
    BeginGroups,
    /// It ends.
    EndGroups {
        /// Whether to sweep.
        sweep: bool,
    },
}

/// A group as its entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupEntry {
    /// Stable id of the entry.
    pub id: EntryId,
    /// Its name.
    pub dn: String,
    /// Its members.
    pub members: Vec<Member>,
}

/// A person who came from the directory before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Stable id of the entry.
    pub entry: EntryId,
    /// Who it is here.
    pub person: PersonId,
    /// Name of the entry.
    pub dn: String,
    /// [`Identity::fingerprint`] of what is written.
    pub fingerprint: String,
    /// Roles from attributes alone.
    pub own_roles: Vec<Role>,
    /// All roles.
    pub roles: Vec<Role>,
    /// All groups.
    pub groups: Vec<String>,
    /// Whether they may log in, as far as the directory goes.
    pub enabled: bool,
    /// Whether they have left the directory.
    pub departed: bool,
}

/// How a directory is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MirrorSettings {
    /// Only groups below it count.
    pub group_base: Option<Dn>,
    /// Roles that members of a group have.
    pub group_roles: Vec<(String, Role)>,
    /// Whether groups come as entries of their own, and are waited for.
    pub groups_follow: bool,
}
