//! The mirror: what is known here of each entry of a directory, and the changes that events of the directory mean.
//!
//! ```text
//!   BeginRefresh ─▶ Put | Group | Present | Gone … ─▶ EndRefresh { sweep } ─▶ Put | Group | Gone …
//! ```
//!
//! In a refresh with `sweep`, who was neither put nor named as present is gone. Groups are told apart from people, each
//! with refreshes of its own; until the first one of the groups has ended, everybody keeps the groups of last time.

use super::change::{Change, Put, What};
use super::event::{Event, GroupEntry, Known, MirrorSettings};
use super::groups::Member;
use super::{EntryId, Groups, Identity};
use crate::domain::person::{PersonId, Role};
use crate::wire::ldap::Dn;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One person in the mirror; names of groups are shared.
#[derive(Debug)]
struct Seen {
    person: Option<PersonId>,
    /// In normal form.
    dn: Box<str>,
    fingerprint: Box<str>,
    own_roles: Vec<Role>,
    roles: Vec<Role>,
    groups: Vec<Arc<str>>,
    enabled: bool,
    departed: bool,
    refresh: u32,
}

impl Seen {
    /// Whether what the entry says is the same but for the marker.
    fn says(&self, fingerprint: &str) -> bool {
        let content = |text: &str| text.split_once(' ').map(|(content, _)| content.to_owned());
        content(&self.fingerprint).is_some_and(|before| Some(before) == content(fingerprint))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Mirror {
    settings: MirrorSettings,
    people: HashMap<EntryId, Seen>,
    /// Whose each name is: an entry that gets the name of another one shows that the other is gone.
    by_name: HashMap<Box<str>, EntryId>,
    groups: Groups,
    /// Entry and name of each group, with the refresh that named it last.
    group_entries: HashMap<EntryId, (String, u32)>,
    groups_ready: bool,
    most_losing: Option<usize>,
    losing: usize,
    refresh: u32,
    group_refresh: u32,
}

impl Mirror {
    /// With what is known from last time.
    pub fn new(settings: MirrorSettings, known: Vec<Known>) -> Self {
        let groups = settings.group_base.clone().map_or_else(Groups::default, Groups::below);
        let mut names: HashSet<Arc<str>> = HashSet::new();
        let mut shared = |name: String| {
            let name: Arc<str> = name.into();
            names.get(&name).cloned().unwrap_or_else(|| {
                names.insert(Arc::clone(&name));
                name
            })
        };
        let mut people = HashMap::with_capacity(known.len());
        for known in known {
            let seen = Seen {
                person: Some(known.person),
                dn: normal(&known.dn),
                fingerprint: known.fingerprint.into(),
                own_roles: known.own_roles,
                roles: known.roles,
                groups: known.groups.into_iter().map(&mut shared).collect(),
                enabled: known.enabled,
                departed: known.departed,
                refresh: 0,
            };
            people.insert(known.entry, seen);
        }
        let present = people.iter().filter(|(_, seen): &(&EntryId, &Seen)| !seen.departed);
        let by_name = present.map(|(entry, seen)| (seen.dn.clone(), entry.clone())).collect();
        let groups_ready = !settings.groups_follow;
        let (refresh, group_refresh) = (0, 0);
        Self {
            settings,
            people,
            by_name,
            groups,
            group_entries: HashMap::new(),
            groups_ready,
            most_losing: None,
            losing: 0,
            refresh,
            group_refresh,
        }
    }

    /// People who are there.
    pub fn present(&self) -> usize {
        self.people.values().filter(|seen| !seen.departed).count()
    }

    /// The person to whom an entry belongs has got this id here.
    pub fn assign(&mut self, entry: &EntryId, person: PersonId) {
        if let Some(seen) = self.people.get_mut(entry) {
            seen.person = Some(person);
        }
    }

    /// An entry could not be written: it is as if it had never been seen, so that it is tried again.
    pub fn forget(&mut self, entry: &EntryId) {
        if let Some(seen) = self.people.get_mut(entry) {
            seen.fingerprint = Box::default();
        }
    }

    /// What an event means.
    pub fn handle(&mut self, event: Event) -> Vec<Change> {
        match event {
            Event::Put(identity) => self.put(identity),
            Event::Group(entry) => self.group(entry),
            Event::Present(id) => {
                self.refreshed(&id);
                Vec::new()
            }
            Event::Gone(id) => self.depart(&id).into_iter().collect(),
            Event::GroupPresent(id) => {
                if let Some((_, refresh)) = self.group_entries.get_mut(&id) {
                    *refresh = self.group_refresh;
                }
                Vec::new()
            }
            Event::GroupGone(id) => match self.group_entries.remove(&id) {
                // Another group may have the name by now.
                Some((dn, _)) if !self.is_group(&dn) => self.regroup(&dn, &[]),
                _ => Vec::new(),
            },
            Event::BeginRefresh => {
                self.refresh += 1;
                Vec::new()
            }
            Event::EndRefresh { sweep } => {
                if sweep {
                    self.sweep()
                } else {
                    Vec::new()
                }
            }
            Event::BeginGroups => {
                self.group_refresh += 1;
                Vec::new()
            }
            Event::EndGroups { sweep } => self.groups_told(sweep),
        }
    }

    fn put(&mut self, identity: Box<Identity>) -> Vec<Change> {
        let dn = normal(&identity.dn);
        self.groups.set_member_of(&identity.dn, &identity.member_of);
        let fingerprint = identity.fingerprint().into_boxed_str();
        let known = self.people.get_mut(&identity.id);
        let groups = match &known {
            Some(seen) if !self.groups_ready => seen.groups.clone(),
            _ => self.groups.of(&dn, &identity.id),
        };
        let roles = roles(&identity.roles, &groups, &self.settings.group_roles);
        let event = match &known {
            None => "added",
            Some(seen) if seen.departed => "returned",
            Some(seen) if seen.fingerprint == fingerprint && seen.groups == groups && seen.roles == roles => {
                self.refreshed(&identity.id);
                return Vec::new();
            }
            Some(seen) if seen.says(&fingerprint) && seen.groups == groups && seen.roles == roles => {
                "touched"
            }
            Some(seen) if seen.enabled && !identity.enabled => "disabled",
            Some(seen) if !seen.enabled && identity.enabled => "enabled",
            Some(seen) if seen.dn != dn => "renamed",
            Some(_) => "changed",
        };
        let person = known.as_ref().and_then(|seen| seen.person);
        let before = known.filter(|seen| seen.dn != dn).map(|seen| seen.dn.clone());
        let mut changes = Vec::new();
        if let Some(before) = before
            && self.by_name.get(&before) == Some(&identity.id)
        {
            self.by_name.remove(&before);
        }
        if let Some(other) = self.by_name.insert(dn.clone(), identity.id.clone())
            && other != identity.id
        {
            changes.extend(self.depart(&other));
        }
        let seen = Seen {
            person,
            dn,
            fingerprint,
            own_roles: identity.roles.clone(),
            roles: roles.clone(),
            groups: groups.clone(),
            enabled: identity.enabled,
            departed: false,
            refresh: self.refresh,
        };
        self.people.insert(identity.id.clone(), seen);
        let entry = identity.id.clone();
        let put = Put { identity, roles, groups: names(&groups), event };
        changes.push(Change { entry, person, what: What::Put(put) });
        changes
    }

    fn refreshed(&mut self, entry: &EntryId) {
        if let Some(seen) = self.people.get_mut(entry) {
            seen.refresh = self.refresh;
        }
    }

    /// Whether an entry has left.
    pub fn has_departed(&self, entry: &EntryId) -> bool {
        self.people.get(entry).is_none_or(|seen| seen.departed)
    }

    fn depart(&mut self, entry: &EntryId) -> Option<Change> {
        let seen = self.people.get_mut(entry).filter(|seen| !seen.departed)?;
        seen.departed = true;
        seen.enabled = false;
        seen.fingerprint = Box::default();
        Some(Change { entry: entry.clone(), person: seen.person, what: What::Depart })
    }

    fn sweep(&mut self) -> Vec<Change> {
        let missed = self.people.iter().filter(|(_, seen)| seen.refresh != self.refresh && !seen.departed);
        let missed: Vec<EntryId> = missed.map(|(entry, _)| entry.clone()).collect();
        missed.iter().filter_map(|entry| self.depart(entry)).collect()
    }

    fn group(&mut self, entry: GroupEntry) -> Vec<Change> {
        let told = (entry.dn.clone(), self.group_refresh);
        let mut changes = Vec::new();
        if let Some((old, _)) = self.group_entries.insert(entry.id, told)
            && old != entry.dn
        {
            changes = self.regroup(&old, &[]);
        }
        changes.extend(self.regroup(&entry.dn, &entry.members));
        changes
    }

    /// A group has these members now: what that means for everyone in it, before and after.
    fn regroup(&mut self, dn: &str, members: &[Member]) -> Vec<Change> {
        let mut affected = if self.groups_ready { self.groups.inside(dn) } else { HashSet::new() };
        self.groups.set_members(dn, members);
        if !self.groups_ready {
            return Vec::new();
        }
        affected.extend(self.groups.inside(dn));
        self.recount(Some(&affected))
    }

    fn is_group(&self, dn: &str) -> bool {
        self.group_entries.values().any(|(name, _)| name == dn)
    }

    /// All groups were told. If too many people would lose one, everybody keeps the groups of last time: that is what it
    /// looks like when groups cannot be read any more.
    fn groups_told(&mut self, sweep: bool) -> Vec<Change> {
        let now = self.group_refresh;
        if sweep {
            let missed = self.group_entries.iter().filter(|(_, (_, refresh))| *refresh != now);
            for id in missed.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
                if let Some((dn, _)) = self.group_entries.remove(&id)
                    && !self.is_group(&dn)
                {
                    self.groups.set_members(&dn, &[]);
                }
            }
        }
        let changes = self.count(None);
        let losing =
            changes.iter().filter(|(change, _)| matches!(change.what, What::Groups { fewer: true, .. }));
        let losing = losing.count();
        self.groups_ready = self.most_losing.is_none_or(|most| losing <= most);
        self.losing = if self.groups_ready { 0 } else { losing };
        if self.groups_ready { self.recounted(changes) } else { Vec::new() }
    }

    /// How many people may lose groups at the end of a refresh of groups; `None`: any number.
    pub fn limit_losing(&mut self, most: Option<usize>) {
        self.most_losing = most;
    }

    /// How many people would have lost groups, if that was too many.
    pub const fn losing(&self) -> usize {
        self.losing
    }

    fn recount(&mut self, only: Option<&HashSet<u32>>) -> Vec<Change> {
        let changes = self.count(only);
        self.recounted(changes)
    }

    /// Groups and roles anew, of everyone or of those with these numbers, where they are others than before.
    fn count(&self, only: Option<&HashSet<u32>>) -> Vec<(Change, Vec<Arc<str>>)> {
        let mut changes = Vec::new();
        for (entry, seen) in self.people.iter().filter(|(_, seen)| !seen.departed) {
            if only.is_some_and(|only| {
                !self.groups.numbers(&seen.dn, entry).iter().any(|one| only.contains(one))
            }) {
                continue;
            }
            let groups = self.groups.of(&seen.dn, entry);
            let roles = roles(&seen.own_roles, &groups, &self.settings.group_roles);
            if groups == seen.groups && roles == seen.roles {
                continue;
            }
            let fewer = seen.groups.iter().any(|group| !groups.contains(group));
            let what = What::Groups { roles, groups: names(&groups), fewer };
            changes.push((Change { entry: entry.clone(), person: seen.person, what }, groups));
        }
        changes
    }

    fn recounted(&mut self, changes: Vec<(Change, Vec<Arc<str>>)>) -> Vec<Change> {
        let mut told = Vec::with_capacity(changes.len());
        for (change, groups) in changes {
            if let (Some(seen), What::Groups { roles, .. }) =
                (self.people.get_mut(&change.entry), &change.what)
            {
                seen.roles.clone_from(roles);
                seen.groups = groups;
            }
            told.push(change);
        }
        told
    }
}

/// The normal form of a name; of a text that is none, the empty one, which nobody has.
fn normal(dn: &str) -> Box<str> {
    Dn::parse(dn).map(|dn| dn.normal()).unwrap_or_default().into()
}

fn names(groups: &[Arc<str>]) -> Vec<String> {
    groups.iter().map(|group| group.to_string()).collect()
}

fn roles(own: &[Role], groups: &[Arc<str>], by_group: &[(String, Role)]) -> Vec<Role> {
    let given =
        by_group.iter().filter(|(group, _)| groups.iter().any(|name| name.eq_ignore_ascii_case(group)));
    let mut roles: Vec<Role> = own.iter().copied().chain(given.map(|(_, role)| *role)).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

#[cfg(test)]
mod tests;
