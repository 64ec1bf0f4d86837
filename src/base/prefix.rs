//! Longest-prefix lookup of IP addresses.

use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;

/// Values by network prefix; the longest prefix that covers an address wins.
///
/// One hash table per prefix length in use, tried from the longest: a lookup costs as many probes as there
/// are different lengths, which is a handful in any real client list.
#[derive(Debug, Clone)]
pub struct PrefixMap<T> {
    lengths: Vec<(u8, bool)>,
    values: HashMap<IpNet, T>,
}

impl<T> Default for PrefixMap<T> {
    fn default() -> Self {
        Self { lengths: Vec::new(), values: HashMap::new() }
    }
}

impl<T> PrefixMap<T> {
    /// Adds a value; returns the one that had the same prefix before.
    pub fn insert(&mut self, prefix: IpNet, value: T) -> Option<T> {
        let prefix = prefix.trunc();
        let length = (prefix.prefix_len(), prefix.addr().is_ipv4());
        if !self.lengths.contains(&length) {
            self.lengths.push(length);
            self.lengths.sort_by(|a, b| b.cmp(a));
        }
        self.values.insert(prefix, value)
    }

    /// The value of the longest prefix that covers `address`. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn lookup(&self, address: IpAddr) -> Option<&T> {
        let address = address.to_canonical();
        self.lengths
            .iter()
            .filter(|(_, v4)| *v4 == address.is_ipv4())
            .find_map(|(length, _)| self.values.get(&IpNet::new(address, *length).ok()?.trunc()))
    }
}

impl<T> FromIterator<(IpNet, T)> for PrefixMap<T> {
    fn from_iter<I: IntoIterator<Item = (IpNet, T)>>(pairs: I) -> Self {
        let mut map = Self::default();
        for (prefix, value) in pairs {
            map.insert(prefix, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> PrefixMap<&'static str> {
        [("0.0.0.0/0", "any"), ("10.0.0.0/8", "ten"), ("10.1.2.3/32", "one"), ("2001:db8::/32", "six")]
            .into_iter()
            .map(|(prefix, name)| (prefix.parse().unwrap(), name))
            .collect()
    }

    #[test]
    fn longest_prefix_wins() {
        let find = |address: &str| map().lookup(address.parse().unwrap()).copied();
        assert_eq!(find("10.1.2.3"), Some("one"));
        assert_eq!(find("10.1.2.4"), Some("ten"));
        assert_eq!(find("192.0.2.1"), Some("any"));
        assert_eq!(find("2001:db8::1"), Some("six"));
        assert_eq!(find("2001:db9::1"), None);
    }

    #[test]
    fn mapped_ipv4_counts_as_ipv4() {
        assert_eq!(map().lookup("::ffff:10.1.2.3".parse().unwrap()), Some(&"one"));
    }
}
