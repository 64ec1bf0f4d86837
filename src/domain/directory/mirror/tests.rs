//! What the events of a directory mean.

use super::*;
use crate::domain::directory::fold;
use crate::domain::person::Username;
use uuid::Uuid;

fn identity(id: &str, name: &str) -> Box<Identity> {
    Box::new(Identity {
        id: id.into(),
        dn: format!("uid={name},ou=people,dc=x"),
        username: Username::parse(name).unwrap(),
        name: name.to_owned(),
        roles: Vec::new(),
        email: None,
        phone: None,
        enabled: true,
        valid_until: None,
        marker: String::new(),
        member_of: Vec::new(),
    })
}

fn person(number: u128) -> PersonId {
    PersonId::from_uuid(Uuid::from_u128(number))
}

fn settings() -> MirrorSettings {
    MirrorSettings {
        group_base: Dn::parse("ou=groups,dc=x").ok(),
        group_roles: vec![("teachers".to_owned(), Role::Faculty)],
        groups_follow: true,
    }
}

fn group(id: &str, name: &str, members: &[&str]) -> Event {
    let member = |name: &&str| Member::Named(format!("uid={name},ou=people,dc=x"));
    let members = members.iter().map(member).collect();
    Event::Group(GroupEntry { id: id.into(), dn: format!("cn={name},ou=groups,dc=x"), members })
}

/// Ann (1) and Bob (2) known, groups told.
fn mirror() -> Mirror {
    let mut mirror = Mirror::new(settings(), Vec::new());
    for (number, name) in [(1, "ann"), (2, "bob")] {
        let entry: EntryId = format!("{number}").into();
        assert_eq!(mirror.handle(Event::Put(identity(&entry, name))).len(), 1);
        mirror.assign(&entry, person(number));
    }
    mirror.handle(Event::BeginGroups);
    assert!(mirror.handle(Event::EndGroups { sweep: true }).is_empty());
    mirror
}

fn what(changes: &[Change]) -> Vec<&str> {
    let what = |change: &Change| match change.what {
        What::Put(Put { event, .. }) => event,
        What::Groups { .. } => "groups",
        What::Depart => "departed",
    };
    changes.iter().map(what).collect()
}

#[test]
fn each_change_is_told_for_what_it_is_and_once() {
    let mut mirror = mirror();
    let mut ann = identity("1", "ann");
    assert!(mirror.handle(Event::Put(ann.clone())).is_empty(), "nothing new");
    let mut tell = |ann: &Identity| {
        let changes = mirror.handle(Event::Put(Box::new(ann.clone())));
        assert!(mirror.handle(Event::Put(Box::new(ann.clone()))).is_empty(), "told twice");
        what(&changes).join(" ")
    };
    ann.email = Some("a@example.org".to_owned());
    assert_eq!(tell(&ann), "changed");
    ann.marker = "20260321101500Z".to_owned();
    assert_eq!(tell(&ann), "touched");
    ann.enabled = false;
    assert_eq!(tell(&ann), "disabled");
    ann.enabled = true;
    assert_eq!(tell(&ann), "enabled");
    ann.dn = "uid=anna,ou=people,dc=x".to_owned();
    assert_eq!(tell(&ann), "renamed");
}

#[test]
fn who_left_and_returns_is_the_same_person() {
    let mut mirror = mirror();
    assert_eq!(what(&mirror.handle(Event::Gone("1".into()))), ["departed"]);
    assert!(mirror.handle(Event::Gone("1".into())).is_empty());
    assert_eq!(mirror.present(), 1);
    let changes = mirror.handle(Event::Put(identity("1", "ann")));
    assert_eq!(what(&changes), ["returned"]);
    assert_eq!(changes[0].person, Some(person(1)));
}

#[test]
fn refresh_sweeps_who_was_not_named_and_only_then() {
    let mut mirror = mirror();
    mirror.handle(Event::BeginRefresh);
    mirror.handle(Event::Present("1".into()));
    assert!(mirror.handle(Event::EndRefresh { sweep: false }).is_empty());
    mirror.handle(Event::BeginRefresh);
    mirror.handle(Event::Put(identity("1", "ann")));
    assert_eq!(
        mirror.handle(Event::EndRefresh { sweep: true }),
        [Change { entry: "2".into(), person: Some(person(2)), what: What::Depart }]
    );
}

#[test]
fn groups_and_the_roles_on_them_follow_the_groups() {
    let mut mirror = mirror();
    let changes = mirror.handle(group("g", "teachers", &["ann"]));
    let told = What::Groups { roles: vec![Role::Faculty], groups: vec!["teachers".into()], fewer: false };
    assert_eq!(changes, [Change { entry: "1".into(), person: Some(person(1)), what: told }]);
    assert_eq!(what(&mirror.handle(group("g", "teachers", &["ann", "bob"]))), ["groups"]);
    assert_eq!(
        what(&mirror.handle(group("g", "staff", &["ann"]))),
        ["groups", "groups", "groups"],
        "renamed"
    );
    let changes = mirror.handle(Event::GroupGone("g".into()));
    let told = What::Groups { roles: vec![], groups: vec![], fewer: true };
    assert_eq!(changes, [Change { entry: "1".into(), person: Some(person(1)), what: told }]);
}

#[test]
fn who_is_named_as_present_is_not_swept() {
    let mut mirror = mirror();
    mirror.handle(group("g", "teachers", &["ann"]));
    mirror.handle(Event::BeginGroups);
    mirror.handle(Event::GroupPresent("g".into()));
    assert!(mirror.handle(Event::EndGroups { sweep: true }).is_empty(), "the group");
    mirror.handle(Event::BeginRefresh);
    mirror.handle(Event::Present("1".into()));
    let changes = mirror.handle(Event::EndRefresh { sweep: true });
    assert_eq!(changes, [Change { entry: "2".into(), person: Some(person(2)), what: What::Depart }]);
}

#[test]
fn groups_of_last_time_hold_until_the_groups_are_told() {
    let known = Known {
        entry: "1".into(),
        person: person(1),
        dn: "uid=ann,ou=people,dc=x".to_owned(),
        fingerprint: String::new(),
        own_roles: Vec::new(),
        roles: vec![Role::Faculty],
        groups: vec!["teachers".to_owned()],
        enabled: true,
        departed: false,
    };
    let mut mirror = Mirror::new(settings(), vec![known]);
    let changes = mirror.handle(Event::Put(identity("1", "ann")));
    assert!(matches!(&changes[0].what, What::Put(put) if put.groups == ["teachers"]));
    mirror.handle(Event::BeginGroups);
    assert!(mirror.handle(group("g", "teachers", &["ann"])).is_empty());
    assert!(mirror.handle(Event::EndGroups { sweep: true }).is_empty(), "as last time");
    mirror.handle(Event::BeginGroups);
    assert_eq!(what(&mirror.handle(Event::EndGroups { sweep: true })), ["groups"], "swept");
}

#[test]
fn what_could_not_be_written_is_tried_again() {
    let mut mirror = mirror();
    mirror.forget(&"1".into());
    assert_eq!(what(&mirror.handle(Event::Put(identity("1", "ann")))), ["changed"]);
}

#[test]
fn batch_has_the_last_word_of_each_entry() {
    let mut mirror = mirror();
    let mut run = |events: Vec<Event>| {
        let changes: Vec<_> = events.into_iter().flat_map(|event| mirror.handle(event)).collect();
        let folded = fold(changes);
        (what(&folded).join(" "), folded)
    };
    let mut ann = identity("1", "ann");
    ann.email = Some("a@example.org".to_owned());
    let (told, folded) = run(vec![Event::Put(ann.clone()), Event::Gone("1".into())]);
    assert_eq!((told.as_str(), folded[0].person), ("departed", Some(person(1))), "changed, then gone: gone");
    let (told, _) = run(vec![Event::Put(ann), Event::Gone("1".into()), Event::Put(identity("1", "ann"))]);
    assert_eq!(told, "returned");
    let (told, _) = run(vec![Event::Put(identity("9", "new")), Event::Gone("9".into())]);
    assert_eq!(told, "", "came and went");
    let stranger = What::Groups { roles: vec![], groups: vec![], fewer: false };
    assert!(fold(vec![Change { entry: "7".into(), person: None, what: stranger }]).is_empty());
    let mut late = identity("8", "late");
    let first = Event::Put(late.clone());
    late.phone = Some("1".to_owned());
    let (told, folded) = run(vec![first, Event::Put(late), group("g", "teachers", &["late"])]);
    assert_eq!(told, "added");
    assert!(
        matches!(&folded[0].what, What::Put(put) if put.groups == ["teachers"] && put.identity.phone.is_some())
    );
}

#[test]
fn entry_that_gets_the_name_of_another_shows_that_the_other_is_gone() {
    let mut mirror = mirror();
    let mut other = identity("9", "other");
    other.dn = "UID=ann, ou=people, dc=x".to_owned();
    let changes = mirror.handle(Event::Put(other));
    assert_eq!(what(&changes), ["departed", "added"]);
    assert_eq!(changes[0].person, Some(person(1)));
    // A name that somebody moved away from is free.
    let mut bob = identity("2", "bob");
    bob.dn = "uid=robert,ou=people,dc=x".to_owned();
    assert_eq!(what(&mirror.handle(Event::Put(bob))), ["renamed"]);
    assert_eq!(what(&mirror.handle(Event::Put(identity("8", "bob")))), ["added"]);
}

#[test]
fn too_many_who_would_lose_a_group_keep_theirs() {
    let mut mirror = mirror();
    mirror.handle(group("g", "teachers", &["ann", "bob"]));
    mirror.limit_losing(Some(1));
    mirror.handle(Event::BeginGroups);
    assert!(mirror.handle(Event::EndGroups { sweep: true }).is_empty());
    assert_eq!(mirror.losing(), 2);
    let mut ann = identity("1", "ann");
    ann.phone = Some("1".to_owned());
    let changes = mirror.handle(Event::Put(ann));
    assert!(
        matches!(&changes[0].what, What::Put(put) if put.groups == ["teachers"]),
        "also when the entry changes"
    );
    mirror.limit_losing(None);
    mirror.handle(Event::BeginGroups);
    assert_eq!(what(&mirror.handle(Event::EndGroups { sweep: true })), ["groups", "groups"]);
}
