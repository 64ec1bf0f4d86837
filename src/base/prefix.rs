//! Longest-prefix lookup of IP addresses, and what they count as.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr};

/// What an address counts as where somebody is counted by it: who has one of IPv6 has all of its network of 64 bits.
pub fn share(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

/// Values by network prefix; the longest prefix that covers an address wins.
///
/// One sorted list per family and prefix length in use, tried from the longest: a lookup costs as many searches as
/// there are different lengths, which is a handful in any real client list, and no hashing.
#[derive(Debug, Clone)]
pub struct PrefixMap<T> {
    v4: Vec<Length<T>>,
    v6: Vec<Length<T>>,
}

/// The prefixes of one length, as addresses with zeros behind them, in order.
#[derive(Debug, Clone)]
struct Length<T> {
    length: u8,
    mask: u128,
    values: Vec<(u128, T)>,
}

impl<T> Default for PrefixMap<T> {
    fn default() -> Self {
        Self { v4: Vec::new(), v6: Vec::new() }
    }
}

/// An address as a number; IPv4 uses the lower 32 bits.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn all<T>(lengths: &[Length<T>], address: fn(u128) -> IpAddr) -> impl Iterator<Item = (IpNet, &T)> {
    lengths.iter().flat_map(move |Length { length, values, .. }| {
        let prefix = move |network| IpNet::new(address(network), *length).ok();
        values.iter().filter_map(move |(network, value)| Some((prefix(*network)?, value)))
    })
}

impl<T> PrefixMap<T> {
    /// Adds a value; returns the one that had the same prefix before.
    pub fn insert(&mut self, prefix: IpNet, value: T) -> Option<T> {
        let lengths = if prefix.addr().is_ipv4() { &mut self.v4 } else { &mut self.v6 };
        let at = lengths.partition_point(|other| other.length > prefix.prefix_len());
        if lengths.get(at).is_none_or(|other| other.length != prefix.prefix_len()) {
            let mask = number(prefix.netmask());
            lengths.insert(at, Length { length: prefix.prefix_len(), mask, values: Vec::new() });
        }
        let Length { values, .. } = lengths.get_mut(at)?;
        let network = number(prefix.network());
        match values.binary_search_by_key(&network, |(network, _)| *network) {
            Ok(at) => values.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                values.insert(at, (network, value));
                None
            }
        }
    }

    /// The value of the longest prefix that covers `address`. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn lookup(&self, address: IpAddr) -> Option<&T> {
        let address = address.to_canonical();
        let lengths = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let address = number(address);
        lengths.iter().find_map(|Length { mask, values, .. }| {
            let at = values.binary_search_by_key(&(address & mask), |(network, _)| *network).ok()?;
            values.get(at).map(|(_, value)| value)
        })
    }

    /// All prefixes with their values; the longest first, IPv4 before IPv6.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, &T)> {
        // Of an IPv4 network no more than the lower half is ever set.
        let v4 = |network| IpAddr::from(u32::try_from(network).unwrap_or_default().to_be_bytes());
        let v6 = |network: u128| IpAddr::from(network.to_be_bytes());
        all(&self.v4, v4).chain(all(&self.v6, v6))
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

    #[test]
    fn address_of_ipv6_counts_as_its_network_and_one_of_ipv4_as_itself() {
        let shared = |text: &str| share(text.parse().unwrap()).to_string();
        assert_eq!(shared("2001:db8::5"), shared("2001:db8::ffff:5"));
        assert_ne!(shared("2001:db8::5"), shared("2001:db8:0:1::5"));
        assert_eq!(
            (shared("192.0.2.5"), shared("::ffff:192.0.2.5")),
            ("192.0.2.5".into(), "192.0.2.5".into())
        );
    }

    fn map() -> PrefixMap<&'static str> {
        [("0.0.0.0/0", "any"), ("10.0.0.0/8", "ten"), ("10.1.2.3/32", "one"), ("2001:db8::/32", "six")]
            .into_iter()
            .map(|(prefix, name)| (prefix.parse().unwrap(), name))
            .collect()
    }

    #[test]
    fn all_prefixes_are_listed() {
        let map = map();
        let all: Vec<_> = map.iter().map(|(network, value)| format!("{network} {value}")).collect();
        assert_eq!(all, ["10.1.2.3/32 one", "10.0.0.0/8 ten", "0.0.0.0/0 any", "2001:db8::/32 six"]);
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
    fn same_prefix_gives_its_old_value_back_and_others_of_its_length_stay() {
        let mut map = map();
        assert_eq!(map.insert("10.9.9.9/8".parse().unwrap(), "new"), Some("ten"));
        assert_eq!(map.insert("11.0.0.0/8".parse().unwrap(), "eleven"), None);
        assert_eq!(map.insert("9.0.0.0/8".parse().unwrap(), "nine"), None);
        let find = |address: &str| map.lookup(address.parse().unwrap()).copied();
        assert_eq!(
            (find("9.1.1.1"), find("10.1.1.1"), find("11.1.1.1")),
            (Some("nine"), Some("new"), Some("eleven"))
        );
        assert_eq!(find("::ffff:12.1.1.1"), Some("any"));
    }

    #[test]
    fn mapped_ipv4_counts_as_ipv4() {
        assert_eq!(map().lookup("::ffff:10.1.2.3".parse().unwrap()), Some(&"one"));
    }
}
