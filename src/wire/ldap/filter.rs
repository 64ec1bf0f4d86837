//! Search filters, put together by type and encoded at once: a value can never become a part of the filter's grammar.
//! The text form (RFC 4515) is only read from the configuration.

use super::ber::{Reader, Writer};
use ldap3::asn1::{PL, StructureTag};
use std::fmt::Write;

/// A name of an attribute: letters, digits, dashes, dots, semicolons, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attribute(String);

impl Attribute {
    /// Reads a name (RFC 4512 §2.5).
    pub fn parse(name: &str) -> Option<Self> {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';');
        let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        (starts && name.len() <= 200 && name.chars().all(fine)).then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A search filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// As the administrator wrote it in the configuration: its encoding.
    Written(Vec<u8>),
    /// The attribute has this value.
    Equal(&'static str, Vec<u8>),
    /// An attribute of the configuration has this value.
    Is(Attribute, Vec<u8>),
    /// The attribute has this value or a greater one.
    AtLeast(&'static str, Vec<u8>),
    /// The attribute has this value or a lesser one.
    AtMost(&'static str, Vec<u8>),
    /// The attribute is there.
    Present(&'static str),
    /// An attribute of the configuration is not there.
    Lacks(Attribute),
    /// By an extensible matching rule, given as OID.
    Rule(&'static str, &'static str, Vec<u8>),
    /// All of these.
    And(Vec<Filter>),
    /// One of these.
    Or(Vec<Filter>),
}

impl Filter {
    /// Reads the text form, with or without the outer parentheses.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let tree = ldap3::asn1::ASNTag::into_structure(ldap3::parse_filter(text).ok()?);
        Some(Self::Written(written(Writer::default(), &tree).finish().to_vec()))
    }

    /// The attribute has this text as a value.
    pub fn equal(attribute: &'static str, value: impl AsRef<[u8]>) -> Self {
        Self::Equal(attribute, value.as_ref().to_vec())
    }

    /// The encoding (RFC 4511 §4.5.1.7). Values are put in as they are: there is nothing to escape.
    pub(super) fn encode(&self) -> Vec<u8> {
        let pair = |tag, attribute: &str, value: &[u8]| {
            let parts = Writer::default().element(Reader::OCTETS, attribute.as_bytes());
            Writer::default().element(tag, &parts.element(Reader::OCTETS, value).finish())
        };
        let list = |tag, parts: &[Filter]| {
            let inside = parts.iter().fold(Writer::default(), |list, part| list.raw(&part.encode()));
            Writer::default().element(tag, &inside.finish())
        };
        let encoded = match self {
            Filter::Written(encoded) => return encoded.clone(),
            Filter::Equal(attribute, value) => pair(0xa3, attribute, value),
            Filter::AtLeast(attribute, value) => pair(0xa5, attribute, value),
            Filter::Is(attribute, value) => pair(0xa3, attribute.as_str(), value),
            Filter::AtMost(attribute, value) => pair(0xa6, attribute, value),
            Filter::Present(attribute) => Writer::default().element(0x87, attribute.as_bytes()),
            Filter::Lacks(attribute) => {
                let present = Writer::default().element(0x87, attribute.as_str().as_bytes());
                Writer::default().element(0xa2, &present.finish())
            }
            Filter::Rule(attribute, rule, value) => {
                let parts =
                    Writer::default().element(0x81, rule.as_bytes()).element(0x82, attribute.as_bytes());
                Writer::default().element(0xa9, &parts.element(0x83, value).finish())
            }
            Filter::And(parts) => list(0xa0, parts),
            Filter::Or(parts) => list(0xa1, parts),
        };
        encoded.finish().to_vec()
    }
}

/// A value as it stands in the text form of a filter (RFC 4515 §3): everything but letters and digits is escaped, so that it
/// means nothing there.
pub fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => {
                let _ = write!(out, "\\{byte:02x}");
            }
        }
    }
    out
}

/// The tree of a filter that the library has read; it is as deep as the administrator wrote it.
fn written(into: Writer, tree: &StructureTag) -> Writer {
    let class = (tree.class as u8) << 6;
    let number = u8::try_from(tree.id).unwrap_or_default();
    match &tree.payload {
        PL::P(value) => into.element(class | number, value),
        PL::C(parts) => {
            let inside = parts.iter().fold(Writer::default(), written);
            into.element(class | 0x20 | number, &inside.finish())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Vec<u8> {
        Filter::parse(text).unwrap().encode()
    }

    #[test]
    fn parts_are_encoded_as_their_text_would_be() {
        let filter = Filter::And(vec![
            Filter::parse("objectClass=person").unwrap(),
            Filter::Or(vec![Filter::equal("uid", "a*)(b"), Filter::Present("mail")]),
            Filter::AtLeast("uSNChanged", b"17".to_vec()),
            Filter::AtMost("uSNChanged", b"29".to_vec()),
            Filter::Lacks(Attribute::parse("sn").unwrap()),
        ]);
        let written =
            r"(&(objectClass=person)(|(uid=a\2a\29\28b)(mail=*))(uSNChanged>=17)(uSNChanged<=29)(!(sn=*)))";
        assert_eq!(filter.encode(), text(written));
    }

    #[test]
    fn matching_rule_is_encoded() {
        let filter = Filter::Rule("memberOf", "1.2.840.113556.1.4.1941", b"cn=x".to_vec());
        let text = text("(memberOf:1.2.840.113556.1.4.1941:=cn=x)");
        assert_eq!(filter.encode(), text);
    }

    #[test]
    fn texts_that_are_no_filters_are_refused() {
        for text in ["", "uid", "(uid=a", "(&(uid=a)", "uid=a)(b=c"] {
            assert!(Filter::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn names_of_attributes_are_names_only() {
        assert!(
            Attribute::parse("userCertificate;binary").is_some() && Attribute::parse("2.5.4.3").is_some()
        );
        for name in ["", "a b", "uid)(x", "uid=*", "-a", "ü"] {
            assert!(Attribute::parse(name).is_none(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_value_stays_one_value(value in proptest::collection::vec(any::<u8>(), 0..400)) {
            let encoded = Filter::equal("uid", &value).encode();
            let mut outer = Reader::new(&encoded);
            let mut parts = outer.expect(0xa3, "").unwrap().inside();
            prop_assert_eq!(parts.next().unwrap().unwrap().content, b"uid");
            prop_assert_eq!(parts.next().unwrap().unwrap().content, value.as_slice());
            prop_assert!(parts.is_empty() && outer.is_empty());
        }
    }
}
