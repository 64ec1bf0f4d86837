//! Who is in which group, also through groups in groups. Some directories write it into the groups (`member`), some into
//! the members (`memberOf`); both kinds of edges are kept apart, so that each teller can correct what it told.

use crate::wire::ldap::Dn;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Groups in groups are followed so far; a ring of groups ends anyway.
const DEPTH: usize = 32;

type Node = u32;

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
    nodes: HashMap<Box<str>, Node>,
    names: Vec<Option<Arc<str>>>,
    /// Told by groups.
    members: Edges,
    /// Told by members.
    member_of: Edges,
}

impl Groups {
    /// Only groups below `base` count: a group of the same name elsewhere, which other people may manage, gives nothing.
    pub fn below(base: Dn) -> Self {
        Self { base: Some(base), ..Self::default() }
    }

    /// The node of an entry; `None` if the text is no name.
    fn node(&mut self, dn: &str) -> Option<Node> {
        let parsed = Dn::parse(dn).ok()?;
        let normal = parsed.normal();
        if let Some(node) = self.nodes.get(normal.as_str()) {
            return Some(*node);
        }
        let node = Node::try_from(self.names.len()).ok()?;
        let counts = self.base.as_ref().is_some_and(|base| parsed.is_within(base));
        self.names.push(parsed.name().filter(|_| counts).map(Arc::from));
        self.nodes.insert(normal.into(), node);
        Some(node)
    }

    fn all(&mut self, dns: &[String]) -> Vec<Node> {
        let mut nodes: Vec<Node> = dns.iter().filter_map(|dn| self.node(dn)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// What a group says of its members.
    pub fn set_members(&mut self, group: &str, members: &[String]) {
        let Some(node) = self.node(group) else { return };
        // Its own spelling counts: members may write it in another case, and policies name it.
        let own = Dn::parse(group).ok().and_then(|dn| dn.name().map(Arc::from));
        if let Some(Some(name)) = usize::try_from(node).ok().and_then(|at| self.names.get_mut(at))
            && let Some(own) = own
        {
            *name = own;
        }
        let members = self.all(members);
        Edges::set(&mut self.members.down, &mut self.members.up, node, members);
    }

    /// What an entry says of its groups.
    pub fn set_member_of(&mut self, entry: &str, groups: &[String]) {
        if groups.is_empty() && self.member_of.up.is_empty() {
            return;
        }
        let Some(entry) = self.node(entry) else { return };
        let groups = self.all(groups);
        Edges::set(&mut self.member_of.up, &mut self.member_of.down, entry, groups);
    }

    /// Names of all groups that an entry is in, sorted, without repeats.
    pub fn of(&self, dn: &Dn) -> Vec<Arc<str>> {
        let Some(start) = self.nodes.get(dn.normal().as_str()) else { return Vec::new() };
        let reached = walk(*start, &[&self.members.up, &self.member_of.up]);
        let name = |node: &Node| self.names.get(usize::try_from(*node).ok()?)?.clone();
        let mut names: Vec<_> = reached.iter().filter_map(name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Everyone in a group, as the normal form of their names.
    pub fn below_group(&self, dn: &str) -> HashSet<Node> {
        let normal = Dn::parse(dn).map(|dn| dn.normal()).unwrap_or_default();
        let Some(start) = self.nodes.get(normal.as_str()) else { return HashSet::new() };
        walk(*start, &[&self.members.down, &self.member_of.down])
    }

    /// The number under which an entry appears in [`Self::below_group`].
    pub fn number(&self, dn: &Dn) -> Option<u32> {
        self.nodes.get(dn.normal().as_str()).copied()
    }
}

/// Everything that can be reached from `start`, without it.
fn walk(start: Node, edges: &[&HashMap<Node, Vec<Node>>]) -> HashSet<Node> {
    let mut reached = HashSet::new();
    let mut edge = vec![start];
    for _ in 0..DEPTH {
        let next =
            edge.iter().flat_map(|node| edges.iter().filter_map(|map| map.get(node))).flatten().copied();
        edge = next.filter(|node| *node != start).collect::<HashSet<_>>().into_iter().collect();
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

    fn of(groups: &Groups, dn: &str) -> String {
        groups.of(&Dn::parse(dn).unwrap()).join(" ")
    }

    #[test]
    fn groups_in_groups_count_and_rings_end() {
        let mut groups = groups();
        groups.set_members("cn=inner,ou=groups,dc=x", &list(&["UID=ann, dc=x"]));
        groups.set_members("cn=Outer,ou=groups,dc=x", &list(&["cn=inner,ou=groups,dc=x"]));
        groups.set_members("cn=inner,ou=groups,dc=x", &list(&["uid=ann,dc=x", "cn=outer,ou=groups,dc=x"]));
        assert_eq!(of(&groups, "uid=ann,dc=x"), "Outer inner");
        assert_eq!(groups.below_group("cn=outer,ou=groups,dc=x").len(), 2);
    }

    #[test]
    fn each_teller_corrects_what_it_told() {
        let mut groups = groups();
        groups.set_members("cn=a,ou=groups,dc=x", &list(&["uid=ann,dc=x", "uid=bob,dc=x"]));
        groups.set_member_of("uid=ann,dc=x", &list(&["cn=a,ou=groups,dc=x", "cn=b,ou=groups,dc=x"]));
        groups.set_members("cn=a,ou=groups,dc=x", &list(&["uid=bob,dc=x"]));
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
        groups.set_members("cn=admins,ou=clubs,dc=x", &list(&["uid=ann,dc=x"]));
        assert_eq!(of(&groups, "uid=ann,dc=x"), "");
        groups.set_members("cn=all,ou=groups,dc=x", &list(&["cn=admins,ou=clubs,dc=x"]));
        assert_eq!(of(&groups, "uid=ann,dc=x"), "all");
    }
}
