//! What must be written because of what a directory says.

use super::{EntryId, Identity};
use crate::domain::person::{PersonId, Role};
use std::collections::HashMap;

/// What must be written about one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The entry.
    pub entry: EntryId,
    /// Who it is here; `None`: new here.
    pub person: Option<PersonId>,
    /// What has changed.
    pub what: What,
}

/// See [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A person is new or has changed.
    Put(Put),
    /// Only groups, and roles that hang on them, have changed.
    Groups {
        /// All roles.
        roles: Vec<Role>,
        /// All groups.
        groups: Vec<String>,
        /// Whether one was taken away.
        fewer: bool,
    },
    /// The person has left the directory.
    Depart,
}

/// A person to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// What the entry says.
    pub identity: Box<Identity>,
    /// All roles.
    pub roles: Vec<Role>,
    /// All groups.
    pub groups: Vec<String>,
    /// What happened, for the audit trail: `added`, `returned`, `disabled`, `enabled`, `renamed`, `changed`; `touched` if
    /// only the marker is another, which may be a new password and may be a count of failures.
    pub event: &'static str,
}

/// One change for each entry, the last word of each: a batch is written at once, so what came before it was never here.
pub fn fold(changes: Vec<Change>) -> Vec<Change> {
    let mut last: HashMap<EntryId, usize> = HashMap::new();
    let mut folded: Vec<Option<Change>> = Vec::with_capacity(changes.len());
    for mut change in changes {
        let before = last.get(&change.entry).and_then(|at| folded.get_mut(*at)).and_then(Option::take);
        match (before.map(|before| before.what), &mut change.what) {
            // Came and went: nobody has heard of them.
            (Some(What::Put(_)), What::Depart) if change.person.is_none() => continue,
            (Some(What::Put(first)), What::Put(put)) if first.event == "added" => put.event = "added",
            (Some(What::Put(mut put)), What::Groups { roles, groups, .. }) => {
                (put.roles, put.groups) = (std::mem::take(roles), std::mem::take(groups));
                change.what = What::Put(put);
            }
            // Never written: there is nothing to change.
            (None, What::Depart | What::Groups { .. }) if change.person.is_none() => continue,
            _ => {}
        }
        last.insert(change.entry.clone(), folded.len());
        folded.push(Some(change));
    }
    folded.into_iter().flatten().collect()
}
