//! Signatures of requests: an HMAC over the request's parts, one a line, sent as the password of Basic authentication.
//!
//! Which version a client speaks it does not say. The length of the signature tells the hash function, and of those that are
//! left each is tried.

use crate::base::{Secret, Timestamp, percent_encode};
use crate::wire::privacyidea::Parameters;
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha512};
use std::fmt::Write;
use std::time::Duration;

/// How far the date of a request may be off.
const SKEW: Duration = Duration::from_secs(300);

/// What `Authorization` holds.
#[derive(Debug)]
pub struct Authorization {
    /// Public part of the key.
    pub key: String,
    signature: Vec<u8>,
}

impl Authorization {
    /// From the header; `None`: it is none of these.
    pub fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(BASE64.decode(rest.trim().as_bytes()).ok()?).ok()?;
        let (key, signature) = text.split_once(':')?;
        let signature = HEXLOWER_PERMISSIVE.decode(signature.as_bytes()).ok()?;
        matches!(signature.len(), 20 | 64).then(|| Self { key: key.to_owned(), signature })
    }
}

/// Whether a request of this date (RFC 5322) is one of now.
pub fn is_timely(date: &str, now: Timestamp) -> bool {
    let Ok(date) = jiff::fmt::rfc2822::parse(date) else { return false };
    let date = Timestamp::from_secs(date.timestamp().as_second());
    date.since(now).max(now.since(date)) <= SKEW
}

/// What is signed.
#[derive(Debug)]
pub struct Signed<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// As the client names the host, with or without its port.
    pub host: &'a str,
    /// Path alone.
    pub path: &'a str,
    /// Fields of the query or the form; of a JSON body none.
    pub fields: &'a Parameters,
    /// The body, if it is JSON.
    pub json: &'a [u8],
    /// The date as it came.
    pub date: &'a str,
    /// Headers `x-duo-…`, by name, in lower case.
    pub headers: &'a [(String, String)],
}

fn hex512(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha512::digest(bytes))
}

impl Signed<'_> {
    /// What versions 2, 4 and 5 sign.
    fn lines(&self, host: &str) -> [Secret<String>; 3] {
        let mut fields = String::new();
        for (name, value) in self.fields.iter() {
            let and = if fields.is_empty() { "" } else { "&" };
            let _ = write!(fields, "{and}{}={}", percent_encode(name), percent_encode(value));
        }
        let (method, host) = (self.method.to_ascii_uppercase(), host.to_ascii_lowercase());
        let second = format!("{}\n{method}\n{host}\n{}\n{fields}", self.date, self.path);
        let fourth = format!("{second}\n{}", hex512(self.json));
        let mut headers: Vec<_> = self.headers.iter().collect();
        headers.sort();
        let headers: Vec<_> =
            headers.into_iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect();
        let fifth = format!("{fourth}\n{}", hex512(headers.join("\0").as_bytes()));
        [second, fourth, fifth].map(Secret::new)
    }

    /// Whether it is signed with this key.
    pub fn is_signed(&self, key: &Secret<String>, authorization: &Authorization) -> bool {
        let bare = self.host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let hosts = [Some(self.host), bare.map(|(host, _)| host)];
        hosts.into_iter().flatten().any(|host| {
            // Version 2 says nothing about a body of JSON, which could be exchanged.
            let lines = self.lines(host);
            let mut lines = lines.iter().skip(usize::from(!self.json.is_empty()));
            lines.any(|lines| fits(key, lines.expose(), &authorization.signature))
        })
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn fits(key: &Secret<String>, lines: &str, signature: &[u8]) -> bool {
    let key = key.expose().as_bytes();
    if signature.len() == 20 {
        let mut hmac = Hmac::<Sha1>::new_from_slice(key).expect("a key of any length");
        hmac.update(lines.as_bytes());
        return hmac.verify_slice(signature).is_ok();
    }
    let mut hmac = Hmac::<Sha512>::new_from_slice(key).expect("a key of any length");
    hmac.update(lines.as_bytes());
    hmac.verify_slice(signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Tue, 21 Aug 2012 17:29:18 -0000";

    fn key() -> Secret<String> {
        Secret::new("Zh5eGmUq9zpfQnyUIu5OL9iWoMMv5ZNmk3zLJ4Ep".to_owned())
    }

    // The example of the API's documentation ("Authentication"), whose key is published with it.
    // R-API-1
    #[test]
    fn signature_of_the_published_example() {
        let fields = Parameters::of_form("realname=First%20Last&username=root").unwrap();
        let signed = Signed {
            method: "POST",
            host: "api-XXXXXXXX.duosecurity.com",
            path: "/accounts/v1/account/list",
            fields: &fields,
            json: b"",
            date: DATE,
            headers: &[],
        };
        let canonical = "Tue, 21 Aug 2012 17:29:18 -0000\nPOST\napi-xxxxxxxx.duosecurity.com\n\
                         /accounts/v1/account/list\nrealname=First%20Last&username=root";
        assert_eq!(signed.lines(signed.host)[0].expose(), canonical);
        let header =
            "Basic RElXSjhYNkFFWU9SNU9NQzZUUTE6MmQ5N2Q2MTY2MzE5NzgxYjVhM2EwN2FmMzlkMzY2ZjQ5MTIzNGVkYw==";
        let authorization = Authorization::parse(header).unwrap();
        assert_eq!(authorization.key, "DIWJ8X6AEYOR5OMC6TQ1");
        assert!(signed.is_signed(&key(), &authorization));
        assert!(!signed.is_signed(&Secret::new("other".to_owned()), &authorization));
        let other = Signed { path: "/auth/v2/auth", ..signed };
        assert!(!other.is_signed(&key(), &authorization), "another request");
    }

    fn sign(lines: &str) -> String {
        let mut hmac = Hmac::<Sha512>::new_from_slice(key().expose().as_bytes()).unwrap();
        hmac.update(lines.as_bytes());
        let signature = HEXLOWER.encode(&hmac.finalize().into_bytes());
        format!("Basic {}", BASE64.encode(format!("DWX:{signature}").as_bytes()))
    }

    // R-API-1
    #[test]
    fn sha512_of_versions_2_4_and_5_counts_and_the_body_belongs_to_it() {
        let (none, body) = (Parameters::default(), br#"{"factor":"passcode"}"#.as_slice());
        let signed = Signed {
            method: "POST",
            host: "127.0.0.1:8443",
            path: "/auth/v2/auth",
            fields: &none,
            json: body,
            date: DATE,
            headers: &[("x-duo-b".to_owned(), "2".to_owned()), ("x-duo-a".to_owned(), "1".to_owned())],
        };
        let second = format!("{DATE}\nPOST\n127.0.0.1\n/auth/v2/auth\n");
        let fourth = format!("{second}\n{}", hex512(body));
        let fifth = format!("{fourth}\n{}", hex512(b"x-duo-a\x001\0x-duo-b\x002"));
        for lines in [&second, &fourth, &fifth] {
            let authorization = Authorization::parse(&sign(lines)).unwrap();
            let counts = signed.is_signed(&key(), &authorization);
            // Version 2 says nothing about a body, so one that has a body is not signed by it.
            assert_eq!(counts, *lines != second, "{lines}");
        }
        let changed = Signed { json: b"{}", ..signed };
        assert!(!changed.is_signed(&key(), &Authorization::parse(&sign(&fifth)).unwrap()));
    }

    // R-API-1
    #[test]
    fn date_may_be_five_minutes_off_and_no_more() {
        let now = Timestamp::parse("2012-08-21T17:29:18Z").unwrap();
        assert!(is_timely(DATE, now) && is_timely(DATE, now + SKEW) && is_timely(DATE, now - SKEW));
        assert!(!is_timely(DATE, now + SKEW + Duration::from_secs(1)));
        assert!(!is_timely(DATE, now - SKEW - Duration::from_secs(1)));
        assert!(!is_timely("yesterday", now));
    }

    #[test]
    fn other_headers_are_none() {
        for wrong in ["", "Basic", "Bearer abc", "Basic !!!", "Basic QQ==", "Basic YTpiYg=="] {
            assert!(Authorization::parse(wrong).is_none(), "{wrong}");
        }
    }
}
