//! What is read of a directory: where, which entries, which attributes, how changes are noticed.

use super::super::report::At;
use super::super::section::Section;
use super::{
    Attributes, DirectoryKind, GroupSettings, HOUR, Membership, RoleRule, SECOND, SyncMode, SyncSettings,
};
use crate::domain::directory::{Naming, Realms};
use crate::domain::person::Role;
use crate::wire::ldap::{Attribute, Dn, Filter};
use std::time::Duration;

pub(in crate::config) fn dn(section: &Section<'_>, key: &str) -> Option<Dn> {
    let (text, at) = section.text(key)?;
    match Dn::parse(&text) {
        Ok(dn) if !text.trim().is_empty() => Some(dn),
        Ok(_) => {
            section.error(at, format!("`{key}` is empty"), "such as \"ou=people,dc=example,dc=org\"");
            None
        }
        Err(error) => {
            section.error(at, format!("`{text}` is no name of an entry"), error.to_string());
            None
        }
    }
}

pub(super) fn filter(
    section: &Section<'_>,
    key: &str,
    usual: impl Fn(DirectoryKind) -> &'static str,
    kind: DirectoryKind,
) -> Option<Filter> {
    let (text, at) = section.text(key)?;
    let text = if text.is_empty() { usual(kind) } else { &text };
    let filter = Filter::parse(text);
    if filter.is_none() {
        section.error(at, format!("`{text}` is no search filter"), "such as \"(objectClass=person)\"");
    }
    filter
}

fn attribute(section: &Section<'_>, key: &str, usual: &str) -> Option<Attribute> {
    let (text, at) = section.text(key)?;
    let text = if text.is_empty() { usual } else { text.as_str() };
    let attribute = Attribute::parse(text);
    if attribute.is_none() {
        section.error(at, format!("`{text}` is no name of an attribute"), "letters, digits and dashes");
    }
    attribute
}

pub(super) fn attributes(section: &Section<'_>, kind: DirectoryKind) -> Option<Attributes> {
    let usual = |ldap: &'static str, ad: &'static str| match kind {
        DirectoryKind::Ldap => ldap,
        DirectoryKind::ActiveDirectory => ad,
    };
    let id = attribute(section, "id_attribute", usual("entryUUID", "objectGUID"));
    let username = attribute(section, "username_attribute", usual("uid", "sAMAccountName"));
    let name = attribute(section, "name_attribute", usual("cn", "displayName"));
    let mail = attribute(section, "mail_attribute", "mail");
    let phone = attribute(section, "phone_attribute", usual("mobile", "mobile"));
    let changed = attribute(section, "changed_attribute", usual("pwdChangedTime", "pwdLastSet"));
    let member_of = attribute(section, "member_of_attribute", "memberOf");
    let member = attribute(section, "member_attribute", "member");
    let mut disabled = Vec::new();
    for (text, at) in section.texts("disabled")? {
        let pair =
            text.split_once('=').and_then(|(name, value)| Some((Attribute::parse(name.trim())?, value)));
        match pair {
            Some((attribute, value)) => disabled.push((attribute, value.trim().to_owned())),
            None => section.error(at, format!("`{text}` is no condition"), "such as \"nsAccountLock=TRUE\""),
        }
    }
    Some(Attributes {
        id: id?,
        username: username?,
        name: name?,
        mail: mail?,
        phone: phone?,
        changed: changed?,
        member_of: member_of?,
        member: member?,
        disabled,
    })
}

pub(super) fn groups(
    section: &Section<'_>,
    kind: DirectoryKind,
    people: Option<&Dn>,
) -> Option<GroupSettings> {
    let usual = match kind {
        DirectoryKind::Ldap => Membership::Member,
        DirectoryKind::ActiveDirectory => Membership::InChain,
    };
    let modes = [
        ("auto", usual),
        ("member", Membership::Member),
        ("member-of", Membership::MemberOf),
        ("in-chain", Membership::InChain),
        ("none", Membership::None),
    ];
    let membership = section.choice("group_members", &modes);
    let filter = filter(
        section,
        "group_filter",
        |kind| match kind {
            DirectoryKind::Ldap => "(objectClass=groupOfNames)",
            DirectoryKind::ActiveDirectory => "(objectClass=group)",
        },
        kind,
    );
    let (text, _) = section.text("group_base")?;
    let base = if text.is_empty() { people.cloned() } else { dn(section, "group_base") };
    let place = section.place("group_members");
    match (membership, kind) {
        (Some(Membership::InChain), DirectoryKind::Ldap) => {
            section.error(place, "`in-chain` is a matching rule of Active Directory", "member or member-of");
        }
        // There a change of a group shows in the group alone, and not at all when a member is renamed.
        (Some(Membership::Member | Membership::MemberOf), DirectoryKind::ActiveDirectory) => {
            section.error(
                place,
                "Active Directory finds the people in a group by `in-chain`",
                "in-chain or none",
            );
        }
        _ => {}
    }
    let membership = match membership? {
        // Without a place of their own, groups would be looked for among people: most have none there.
        Membership::Member if text.is_empty() && section.written("group_members").is_none() => {
            Membership::None
        }
        other => other,
    };
    Some(GroupSettings { membership, base: base?, filter: filter? })
}

pub(super) fn roles(section: &Section<'_>) -> Option<Vec<RoleRule>> {
    let choices = Role::ALL.map(|role| (role.as_str(), role));
    let rule = |(entries, at): (_, At)| {
        let rule = Section::new("directory.role", entries, at, &section.sink);
        let role = rule.choice("role", &choices);
        let (name, name_at) = rule.text("attribute")?;
        let values: Vec<String> = rule.texts("values")?.into_iter().map(|(value, _)| value).collect();
        let groups: Vec<String> = rule.texts("groups")?.into_iter().map(|(group, _)| group).collect();
        let values = match (name.is_empty(), Attribute::parse(&name)) {
            (true, _) => None,
            (false, Some(attribute)) => Some((attribute, values)),
            (false, None) => {
                rule.error(
                    name_at,
                    format!("`{name}` is no name of an attribute"),
                    "letters, digits and dashes",
                );
                return None;
            }
        };
        if values.is_none() && groups.is_empty() {
            rule.error(
                at,
                "a role comes from an `attribute` with `values`, or from `groups`",
                "add one of them",
            );
        }
        Some(RoleRule { role: role?, values, groups })
    };
    section.tables("role").into_iter().map(rule).collect()
}

pub(super) fn naming(section: &Section<'_>, name: &str, realms: &mut Realms) -> Option<Naming> {
    let texts = section.texts("realms")?;
    let qualified = section.choice("names", &[("plain", false), ("qualified", true)])?;
    let naming = match (qualified, texts.first()) {
        (false, _) => Naming::Plain,
        (true, Some((realm, _))) => Naming::Qualified(realm.to_lowercase()),
        (true, None) => {
            let message = "`names = \"qualified\"` needs a realm to put behind the names";
            section.error(section.place("names"), message, "realms = [\"students.example.org\"]");
            return None;
        }
    };
    for (realm, at) in texts {
        if realm.is_empty() || realm.contains(['@', '\\']) {
            section.error(at, format!("`{realm}` is no realm"), "such as \"example.org\" or \"EXAMPLE\"");
        } else if !realms.add(&realm, name, &naming) {
            section.error(
                at,
                format!("the realm `{realm}` belongs to another directory already"),
                "one of them",
            );
        }
    }
    Some(naming)
}

pub(super) fn sync(section: &Section<'_>) -> Option<SyncSettings> {
    let modes = [
        ("auto", SyncMode::Auto),
        ("persist", SyncMode::Persist),
        ("refresh", SyncMode::Refresh),
        ("poll", SyncMode::Poll),
    ];
    let mode = section.choice("sync", &modes);
    let poll = section.duration("poll_interval", Duration::from_millis(200)..=24 * HOUR);
    let sweep = section.duration("sweep_interval", SECOND..=168 * HOUR);
    let page = section.number("page_size", 10..=10_000);
    let max_removals = section.number("max_removals", 0..=100);
    let keep_departed = section.duration("keep_departed", Duration::ZERO..=24 * 3660 * HOUR);
    let activation = section.boolean("activation");
    Some(SyncSettings {
        mode: mode?,
        poll: poll?,
        sweep: sweep?,
        page: page?,
        max_removals: max_removals?,
        keep_departed: keep_departed?,
        activation: activation?,
    })
}
