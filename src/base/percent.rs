//! Percent-encoding for URIs.

use std::fmt::Write;

/// Encodes everything but unreserved characters (RFC 3986 §2.3), so that the result fits any part of a URI.
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Takes the encoding off; `None` where what follows a percent sign is not two hex digits, or the result no UTF-8.
pub fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        out.push(u8::try_from(digit(bytes.next())? << 4 | digit(bytes.next())?).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_undoes_encoding_and_refuses_what_is_none() {
        assert_eq!(percent_decode(&percent_encode("/run/ä b")).as_deref(), Some("/run/ä b"));
        assert!(["%", "%2", "%zz", "%ff"].iter().all(|text| percent_decode(text).is_none()));
    }

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(percent_encode("a-b_c.d~1"), "a-b_c.d~1");
        assert_eq!(percent_encode("a b/é:"), "a%20b%2F%C3%A9%3A");
    }
}
