//! What an entry says of a person or a group, by the attribute names of the configuration.

use crate::config::{Directory, DirectoryKind, Membership};
use crate::domain::directory::{EntryId, GroupEntry, Identity, Member, Realms};
use crate::domain::person::Role;
use crate::wire::ldap::{Attribute, Dn, Entry, filetime, guid, hex_id};

/// Bit of `userAccountControl`: ACCOUNTDISABLE.
const ACCOUNT_DISABLED: u32 = 2;

/// What is asked of people's entries.
pub(super) fn person_attributes(directory: &Directory) -> Vec<Attribute> {
    let names = &directory.attributes;
    let mut wanted = vec![&names.id, &names.username, &names.name, &names.mail, &names.phone, &names.changed];
    wanted.extend(names.disabled.iter().map(|(attribute, _)| attribute));
    wanted.extend(
        directory.roles.iter().filter_map(|rule| rule.values.as_ref().map(|(attribute, _)| attribute)),
    );
    if directory.groups.membership == Membership::MemberOf {
        wanted.push(&names.member_of);
    }
    let mut wanted: Vec<Attribute> = wanted.into_iter().cloned().collect();
    let more: &[&str] = match directory.kind {
        DirectoryKind::Ldap => &["modifyTimestamp", "entryCSN", "objectClass"],
        DirectoryKind::ActiveDirectory => &["userAccountControl", "accountExpires", "uSNChanged"],
    };
    wanted.extend(more.iter().filter_map(|name| Attribute::parse(name)));
    wanted
}

/// What is asked of groups' entries.
pub(super) fn group_attributes(directory: &Directory) -> Vec<Attribute> {
    let names = &directory.attributes;
    let mut wanted = vec![names.id.clone()];
    if directory.groups.membership == Membership::Member {
        wanted.push(names.member.clone());
    }
    let more = match directory.kind {
        DirectoryKind::Ldap => "modifyTimestamp",
        DirectoryKind::ActiveDirectory => "uSNChanged",
    };
    wanted.extend(Attribute::parse(more));
    wanted
}

/// The stable id of an entry.
pub(super) fn id(entry: &Entry, directory: &Directory) -> Option<EntryId> {
    let value = entry.values(directory.attributes.id.as_str()).first()?;
    let id = match directory.kind {
        DirectoryKind::ActiveDirectory if value.len() == 16 => guid(value),
        _ => hex_id(value),
    };
    id.map(String::into_boxed_str)
}

/// The person that an entry describes; `Err` says why it describes none.
pub(super) fn person(
    entry: &Entry,
    id: EntryId,
    directory: &Directory,
    realms: &Realms,
) -> Result<Identity, String> {
    let names = &directory.attributes;
    let text = |attribute: &Attribute| entry.text(attribute.as_str()).map(str::to_owned);
    if !Dn::parse(&entry.dn).is_ok_and(|dn| dn != Dn::default()) {
        return Err("its name cannot be read".to_owned());
    }
    let username = text(&names.username).ok_or_else(|| format!("it has no {}", names.username.as_str()))?;
    let username =
        realms.username(&directory.name, &directory.naming, &username).map_err(|error| error.to_string())?;
    if username.as_str().starts_with('~') {
        return Err("a username cannot begin with ~ here".to_owned());
    }
    let is = |attribute: &Attribute, wanted: &str| {
        let texts =
            entry.values(attribute.as_str()).iter().filter_map(|value| std::str::from_utf8(value).ok());
        texts.into_iter().any(|text| text.eq_ignore_ascii_case(wanted))
    };
    let mut enabled = !names.disabled.iter().any(|(attribute, value)| is(attribute, value));
    let mut valid_until = None;
    if directory.kind == DirectoryKind::ActiveDirectory {
        let control: u32 = entry.text("userAccountControl").and_then(|text| text.parse().ok()).unwrap_or(0);
        enabled &= control & ACCOUNT_DISABLED == 0;
        valid_until = entry.text("accountExpires").and_then(filetime);
    }
    let mut roles: Vec<Role> = directory
        .roles
        .iter()
        .filter(|rule| {
            rule.values.as_ref().is_some_and(|(name, values)| values.iter().any(|value| is(name, value)))
        })
        .map(|rule| rule.role)
        .collect();
    roles.sort_unstable();
    roles.dedup();
    let member_of = match directory.groups.membership {
        Membership::MemberOf => texts(entry, &names.member_of),
        _ => Vec::new(),
    };
    // Without a time of the password: a change of anything may be one. Seconds are too coarse where there is better.
    let changed = entry.text(names.changed.as_str()).or_else(|| entry.text("entryCSN"));
    let changed = changed.or_else(|| entry.text("modifyTimestamp")).map(str::to_owned);
    Ok(Identity {
        id,
        dn: entry.dn.clone(),
        username,
        name: text(&names.name).unwrap_or_default(),
        roles,
        email: text(&names.mail),
        phone: text(&names.phone),
        enabled,
        valid_until,
        marker: changed.unwrap_or_default(),
        member_of,
    })
}

fn texts(entry: &Entry, attribute: &Attribute) -> Vec<String> {
    let values = entry.values(attribute.as_str()).iter();
    let mut texts: Vec<String> = values.filter_map(|value| String::from_utf8(value.clone()).ok()).collect();
    texts.sort_unstable();
    texts
}

/// The group that an entry describes.
pub(super) fn group(entry: &Entry, id: EntryId, directory: &Directory) -> GroupEntry {
    let members = texts(entry, &directory.attributes.member).into_iter().map(Member::Named).collect();
    GroupEntry { id, dn: entry.dn.clone(), members }
}
