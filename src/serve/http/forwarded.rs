//! Where a request that came through proxies comes from. Only what our own proxies have written counts.

use axum::http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

/// What `X-Forwarded-For` says of a request that a proxy of ours has passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve) enum Forwarded {
    /// Nothing, or nobody but our proxies.
    Nobody,
    /// The last address that is no proxy of ours.
    From(IpAddr),
    /// What stands there is no address, so nobody can say.
    Unreadable,
}

/// Reads the header from its end: what stands before the last that is no proxy of ours, or before what is no address, anybody can
/// have written.
pub(in crate::serve) fn forwarded(headers: &HeaderMap, is_proxy: impl Fn(IpAddr) -> bool) -> Forwarded {
    let values = headers.get_all("x-forwarded-for");
    let hops: Vec<_> = values.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).collect();
    for raw in hops.into_iter().rev() {
        match std::str::from_utf8(raw).ok().and_then(hop) {
            None => return Forwarded::Unreadable,
            Some(address) if is_proxy(address) => {}
            Some(address) => return Forwarded::From(address.to_canonical()),
        }
    }
    Forwarded::Nobody
}

/// The address of a hop, as proxies write it: alone, in brackets, or with a port.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn seen(values: &[&[u8]]) -> Forwarded {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(value).unwrap());
        }
        forwarded(&headers, |address| address == IpAddr::from([10, 0, 0, 1]))
    }

    #[test]
    fn address_of_a_hop_is_read_as_proxies_write_it() {
        let seen = |text: &str| hop(text).map(|address| address.to_string());
        for (text, address) in [
            (" 203.0.113.5", "203.0.113.5"),
            ("203.0.113.5:4711", "203.0.113.5"),
            ("2001:db8::5", "2001:db8::5"),
            ("[2001:db8::5]", "2001:db8::5"),
            ("\"[2001:db8::5]:4711\"", "2001:db8::5"),
        ] {
            assert_eq!(seen(text).as_deref(), Some(address), "{text}");
        }
        for text in ["", "unknown", "_hidden", "203.0.113.5:port", "9.9.9.9 203.0.113.5"] {
            assert_eq!(seen(text), None, "{text}");
        }
    }

    // R-API-1
    #[test]
    fn last_hop_that_is_no_proxy_counts_and_nothing_before_what_cannot_be_read() {
        let from = |text: &str| Forwarded::From(text.parse().unwrap());
        assert_eq!(seen(&[]), Forwarded::Nobody);
        assert_eq!(seen(&[b"10.0.0.1"]), Forwarded::Nobody);
        assert_eq!(seen(&[b"192.0.2.10, 203.0.113.5"]), from("203.0.113.5"));
        assert_eq!(seen(&[b"192.0.2.10, 203.0.113.5:4711, 10.0.0.1"]), from("203.0.113.5"));
        assert_eq!(seen(&[b"192.0.2.10", b"203.0.113.5"]), from("203.0.113.5"), "several headers are one");
        assert_eq!(seen(&[b"::ffff:192.0.2.10"]), from("192.0.2.10"));
        assert_eq!(seen(&[b"192.0.2.10, unknown"]), Forwarded::Unreadable);
        assert_eq!(seen(&[b"192.0.2.10", b"\xe4"]), Forwarded::Unreadable);
        assert_eq!(seen(&[b"192.0.2.10,"]), Forwarded::Unreadable);
        assert_eq!(
            seen(&[b"\xe4", b"203.0.113.5"]),
            from("203.0.113.5"),
            "what stands before does not matter"
        );
    }
}
