//! Attribute values that are not plain text.

use crate::base::{Secret, Timestamp};
use std::fmt::Write;
use zeroize::Zeroizing;

/// Milliseconds from 1601 to 1970.
const WINDOWS_EPOCH: i64 = 11_644_473_600_000;

/// An entry's stable id as 32 or more lower-case hex digits: `entryUUID`, `nsUniqueId` (text) without their dashes.
pub fn hex_id(text: &[u8]) -> Option<String> {
    let digits: Vec<u8> = text.iter().filter(|octet| **octet != b'-').copied().collect();
    let fine = (16..=128).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    fine.then(|| String::from_utf8_lossy(&digits).to_ascii_lowercase())
}

/// A UUID in octets, such as `objectGUID` or that of a synchronisation, as hex digits in the order of the octets.
pub fn guid(octets: &[u8]) -> Option<String> {
    let octets: [u8; 16] = octets.try_into().ok()?;
    Some(octets.iter().fold(String::with_capacity(32), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    }))
}

/// A time of Active Directory: intervals of 100 ns since 1601. `None`: never, or unreadable.
pub fn filetime(text: &str) -> Option<Timestamp> {
    let intervals: i64 = text.parse().ok()?;
    (intervals > 0 && intervals != i64::MAX)
        .then(|| Timestamp::from_millis(intervals / 10_000 - WINDOWS_EPOCH))
}

/// A GeneralizedTime in UTC (RFC 4517 §3.3.13), such as `20260321101500Z`, fractions ignored.
pub fn generalized_time(text: &str) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i8>().ok();
    let year = text.get(..4)?.parse().ok()?;
    let rest = text.get(14..)?;
    if !rest.ends_with('Z') {
        return None;
    }
    let date = jiff::civil::Date::new(year, number(4..6)?, number(6..8)?).ok()?;
    let time = jiff::civil::Time::new(number(8..10)?, number(10..12)?, number(12..14)?.min(59), 0).ok()?;
    let zoned = date.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

/// A GeneralizedTime in UTC, whole seconds.
pub fn generalized(at: Timestamp) -> String {
    // As RFC 3339 writes it, without the marks and the fraction.
    let digits: String = at.to_string().chars().filter(char::is_ascii_digit).take(14).collect();
    digits + "Z"
}

/// A value of `unicodePwd`: the password in quotation marks, as UTF-16 with the low octet first.
pub fn unicode_password(password: &str) -> Secret<Vec<u8>> {
    let quoted = Zeroizing::new(format!("\"{password}\""));
    Secret::new(quoted.encode_utf16().flat_map(u16::to_le_bytes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hex_whatever_their_form() {
        let text = hex_id(b"01020304-0506-0708-090A-0b0c0d0e0f10").unwrap();
        let octets: Vec<u8> = (1..=16).collect();
        assert_eq!(guid(&octets), Some(text));
        assert_eq!(hex_id(b"not an id"), None);
        assert_eq!(guid(b"short"), None);
    }

    #[test]
    fn times_are_read() {
        assert_eq!(filetime("133500000000000000").unwrap().to_string(), "2024-01-17T21:20:00.000Z");
        assert_eq!(filetime("0"), None);
        assert_eq!(filetime("9223372036854775807"), None);
        assert_eq!(generalized_time("20260321101500Z").unwrap().to_string(), "2026-03-21T10:15:00.000Z");
        assert_eq!(generalized_time("20260321101500.0Z"), generalized_time("20260321101500Z"));
        assert_eq!(generalized_time("000001010000Z"), None);
        assert_eq!(generalized_time("2026"), None);
        assert_eq!(generalized(generalized_time("20260321101500Z").unwrap()), "20260321101500Z");
    }

    #[test]
    fn password_of_active_directory_is_quoted_utf_16() {
        assert_eq!(unicode_password("a").expose(), b"\"\0a\0\"\0");
    }
}
