//! Who is in which group, also through groups in groups. Some directories write it into the groups (`member`), some into
//! the members (`memberOf`); both kinds of edges are kept apart, so that each teller can correct what it told.

use super::EntryId;
use crate::wire::ldap::Dn;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Groups in groups are followed so far; a ring of groups ends anyway.
const DEPTH: usize = 32;

type Node = u32;

/// What a group says of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// The name of an entry, which means whoever has that name.
    Named(String),
    /// One entry, whatever it is called.
    Entry(EntryId),
}

/// Edges that one kind of teller has told.
#[derive(Debug, Default)]
struct Edges {
    up: HashMap<Node, Vec<Node>>,
    down: HashMap<Node, Vec<Node>>,
}

impl Edges {
    /// Replaces the edges of `node` in `of` and their mirror image in `back`.
    fn set(
        of: &mut HashMap<Node, Vec<Node>>,
        back: &mut HashMap<Node, Vec<Node>>,
        node: Node,
        ends: Vec<Node>,
    ) {
        let old = of.remove(&node).unwrap_or_default();
        let kept: HashSet<Node> = ends.iter().copied().collect();
        for end in old.iter().filter(|end| !kept.contains(end)) {
            if let Some(list) = back.get_mut(end) {
                list.retain(|other| *other != node);
            }
        }
        let known: HashSet<Node> = old.into_iter().collect();
        for end in ends.iter().filter(|end| !known.contains(end)) {
            back.entry(*end).or_default().push(node);
        }
        if !ends.is_empty() {
            of.insert(node, ends);
        }
    }
}

/// All groups of a directory.
#[derive(Debug, Default)]
pub struct Groups {
    base: Option<Dn>,
    /// By the normal form of a name, or by `id:` and the id of an entry.
    nodes: HashMap<Box<str>, Node>,
    names: Vec<Option<Arc<str>>>,
    /// Told by groups.
    members: Edges,
    /// Told by members.
    member_of: Edges,
}

/// How an entry is found, without its name: no name in normal form has a colon before an equals sign.
fn key(entry: &EntryId) -> String {
    format!("id:{entry}")
}

impl Groups {
    /// Only groups below `base` count. Right below it they have their own name; deeper ones are called by the way to them,
    /// as `clubs/chess`: who may make groups in a corner cannot make one that is called like another.
    pub fn below(base: Dn) -> Self {
        Self { base: Some(base), ..Self::default() }
    }

    fn add(&mut self, key: String, name: Option<Arc<str>>) -> Option<Node> {
        if let Some(node) = self.nodes.get(key.as_str()) {
            return Some(*node);
        }
        let node = Node::try_from(self.names.len()).ok()?;
        self.names.push(name);
        self.nodes.insert(key.into(), node);
        Some(node)
    }

    /// The node of an entry by its name; `None` if the text is no name.
    fn named(&mut self, dn: &str) -> Option<Node> {
        let parsed = Dn::parse(dn).ok()?;
        let normal = parsed.normal();
        if let Some(node) = self.nodes.get(normal.as_str()) {
            return Some(*node);
        }
        let name = self.name_of(&parsed);
        self.add(normal, name)
    }

    fn name_of(&self, dn: &Dn) -> Option<Arc<str>> {
        let values = dn.below(self.base.as_ref()?)?;
        let values: Vec<String> =
            values.iter().rev().map(|value| value.replace('\\', "\\\\").replace('/', "\\/")).collect();
        (!values.is_empty()).then(|| values.join("/").into())
    }

    /// What a group says of its members.
    pub fn set_members(&mut self, group: &str, members: &[Member]) {
        let Some(node) = self.named(group) else { return };
        // Its own spelling counts: members may write it in another case, and policies name it.
        let own = Dn::parse(group).ok().and_then(|dn| self.name_of(&dn));
        if let Some(name) = usize::try_from(node).ok().and_then(|at| self.names.get_mut(at)) {
            *name = own;
        }
        let mut nodes: Vec<Node> = members
            .iter()
            .filter_map(|member| match member {
                Member::Named(dn) => self.named(dn),
                Member::Entry(entry) => self.add(key(entry), None),
            })
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        Edges::set(&mut self.members.down, &mut self.members.up, node, nodes);
    }

    /// What an entry says of its groups.
    pub fn set_member_of(&mut self, entry: &str, groups: &[String]) {
        if groups.is_empty() && self.member_of.up.is_empty() {
            return;
        }
        let Some(entry) = self.named(entry) else { return };
        let mut groups: Vec<Node> = groups.iter().filter_map(|dn| self.named(dn)).collect();
        groups.sort_unstable();
        groups.dedup();
        Edges::set(&mut self.member_of.up, &mut self.member_of.down, entry, groups);
    }

    /// Names of all groups that an entry is in, sorted, without repeats. `dn` is in normal form.
    pub fn of(&self, dn: &str, entry: &EntryId) -> Vec<Arc<str>> {
        let starts = self.numbers(dn, entry);
        let reached = walk(&starts, &[&self.members.up, &self.member_of.up]);
        let name = |node: &Node| self.names.get(usize::try_from(*node).ok()?)?.clone();
        let mut names: Vec<_> = reached.iter().filter_map(name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The numbers under which an entry appears in [`Self::inside`].
    pub fn numbers(&self, dn: &str, entry: &EntryId) -> Vec<u32> {
        let by_id = if self.members.up.is_empty() { None } else { self.nodes.get(key(entry).as_str()) };
        self.nodes.get(dn).into_iter().chain(by_id).copied().collect()
    }

    /// Everyone in a group, by number.
    pub fn inside(&self, group: &str) -> HashSet<u32> {
        let normal = Dn::parse(group).map(|dn| dn.normal()).unwrap_or_default();
        let start: Vec<Node> = self.nodes.get(normal.as_str()).into_iter().copied().collect();
        walk(&start, &[&self.members.down, &self.member_of.down])
    }
}

/// Everything that can be reached from `starts`, without them.
fn walk(starts: &[Node], edges: &[&HashMap<Node, Vec<Node>>]) -> HashSet<Node> {
    let mut reached = HashSet::new();
    let mut edge = starts.to_vec();
    for _ in 0..DEPTH {
        let next =
            edge.iter().flat_map(|node| edges.iter().filter_map(|map| map.get(node))).flatten().copied();
        edge = next.filter(|node| !starts.contains(node)).collect::<HashSet<_>>().into_iter().collect();
        edge.retain(|node| reached.insert(*node));
        if edge.is_empty() {
            break;
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Groups {
        Groups::below(Dn::parse("ou=groups,dc=x").unwrap())
    }

    fn list(dns: &[&str]) -> Vec<String> {
        dns.iter().map(|dn| (*dn).to_owned()).collect()
    }

    fn named(dns: &[&str]) -> Vec<Member> {
        dns.iter().map(|dn| Member::Named((*dn).to_owned())).collect()
    }

    fn of(groups: &Groups, dn: &str) -> String {
        groups.of(&Dn::parse(dn).unwrap().normal(), &"nobody".into()).join(" ")
    }

    #[test]
    fn groups_in_groups_count_and_rings_end() {
        let mut groups = groups();
        groups.set_members("cn=inner,ou=groups,dc=x", &named(&["UID=ann, dc=x"]));
        groups.set_members("cn=Outer,ou=groups,dc=x", &named(&["cn=inner,ou=groups,dc=x"]));
        groups.set_members("cn=inner,ou=groups,dc=x", &named(&["uid=ann,dc=x", "cn=outer,ou=groups,dc=x"]));
        assert_eq!(of(&groups, "uid=ann,dc=x"), "Outer inner");
        assert_eq!(groups.inside("cn=outer,ou=groups,dc=x").len(), 2);
    }

    #[test]
    fn each_teller_corrects_what_it_told() {
        let mut groups = groups();
        groups.set_members("cn=a,ou=groups,dc=x", &named(&["uid=ann,dc=x", "uid=bob,dc=x"]));
        groups.set_member_of("uid=ann,dc=x", &list(&["cn=a,ou=groups,dc=x", "cn=b,ou=groups,dc=x"]));
        groups.set_members("cn=a,ou=groups,dc=x", &named(&["uid=bob,dc=x"]));
        assert_eq!(of(&groups, "uid=ann,dc=x"), "a b", "the entry still says so");
        groups.set_member_of("uid=ann,dc=x", &list(&["cn=b,ou=groups,dc=x"]));
        assert_eq!(of(&groups, "uid=ann,dc=x"), "b");
        assert_eq!(of(&groups, "uid=bob,dc=x"), "a");
        groups.set_members("cn=a,ou=groups,dc=x", &[]);
        assert_eq!(of(&groups, "uid=bob,dc=x"), "");
    }

    #[test]
    fn group_outside_the_base_gives_nothing_but_is_walked_through() {
        let mut groups = groups();
        groups.set_members("cn=admins,ou=clubs,dc=x", &named(&["uid=ann,dc=x"]));
        assert_eq!(of(&groups, "uid=ann,dc=x"), "");
        groups.set_members("cn=all,ou=groups,dc=x", &named(&["cn=admins,ou=clubs,dc=x"]));
        assert_eq!(of(&groups, "uid=ann,dc=x"), "all");
    }

    #[test]
    fn deeper_group_is_not_called_like_one_right_below_the_base() {
        let mut groups = groups();
        groups.set_members("cn=vpn,ou=clubs,ou=groups,dc=x", &named(&["uid=eve,dc=x"]));
        groups.set_members("cn=clubs/vpn,ou=groups,dc=x", &named(&["uid=ann,dc=x"]));
        assert_eq!(of(&groups, "uid=eve,dc=x"), "clubs/vpn");
        assert_eq!(of(&groups, "uid=ann,dc=x"), "clubs\\/vpn", "nor the other way round");
    }

    #[test]
    fn member_by_id_is_that_entry_whatever_it_is_called() {
        let mut groups = groups();
        groups.set_members("cn=vpn,ou=groups,dc=x", &[Member::Entry("7".into())]);
        assert_eq!(groups.of("uid=ann,dc=x", &"7".into()).join(" "), "vpn");
        assert_eq!(groups.of("uid=ann,dc=x", &"8".into()).join(" "), "");
        assert!(groups.inside("cn=vpn,ou=groups,dc=x").contains(&groups.numbers("", &"7".into())[0]));
    }
}
