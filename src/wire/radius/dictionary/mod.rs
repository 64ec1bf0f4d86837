//! Attributes by name: for `[reply.attributes]` in the configuration.

mod table;

use super::attribute::{EncodedAttribute, Encryption};
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use table::Form;

/// Type of an attribute's value (RFC 8044 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// UTF-8 text.
    String,
    /// Octets, written as `0x…`.
    Octets,
    /// 32 bits, or the name of a value.
    Integer,
    /// IPv4 address.
    Ipv4Address,
    /// IPv6 address.
    Ipv6Address,
    /// IPv6 prefix (RFC 3162 §2.3).
    Ipv6Prefix,
    /// Seconds since 1970, 32 bits.
    Date,
    /// 64 bits.
    Integer64,
}

/// What the dictionary knows of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// Vendor; 0 for a standard attribute.
    pub vendor: u32,
    /// Number.
    pub number: u8,
    /// Type of the value.
    pub kind: DataType,
    form: Form,
}

/// Why a name and text make no attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Nobody by this name.
    #[error("no attribute is called `{0}`; add it as an [[attribute]] if a vendor documents it")]
    UnknownName(String),
    /// Set by the protocol, not by configuration.
    #[error("`{0}` is set by Doorward itself")]
    Reserved(String),
    /// A tag where none can be, or one that is no number.
    #[error("`{0}`: a tag is a number from 0 to 31, on attributes of RFC 2868 only")]
    Tag(String),
    /// Text does not fit the type.
    #[error("`{name}` wants {wanted}, not `{text}`")]
    Value {
        /// The attribute.
        name: String,
        /// What would fit.
        wanted: String,
        /// What was given.
        text: String,
    },
    /// The value does not fit an attribute.
    #[error("the value of `{0}` is too long for one attribute")]
    TooLong(String),
}

impl ValueError {
    /// Whether the name is wrong and not the value.
    pub const fn is_about_name(&self) -> bool {
        matches!(self, Self::UnknownName(_) | Self::Reserved(_) | Self::Tag(_))
    }
}

/// Attributes that only the protocol itself may put into an answer.
const RESERVED: [&str; 8] = [
    "user-password",
    "chap-password",
    "state",
    "proxy-state",
    "eap-message",
    "message-authenticator",
    "vendor-specific",
    "chap-challenge",
];

/// Attributes by name, whatever the case of its letters.
#[derive(Debug, Clone)]
pub struct Dictionary {
    names: HashMap<String, Definition>,
}

impl Default for Dictionary {
    fn default() -> Self {
        Self::standard()
    }
}

impl Dictionary {
    /// The attributes of the RFCs and of common vendors.
    pub fn standard() -> Self {
        let standard = table::STANDARD.iter().map(|(name, number, kind, form)| {
            (name.to_lowercase(), Definition { vendor: 0, number: *number, kind: *kind, form: *form })
        });
        let vendors = table::VENDORS.iter().map(|(name, vendor, number, kind, form)| {
            (name.to_lowercase(), Definition { vendor: *vendor, number: *number, kind: *kind, form: *form })
        });
        Self { names: standard.chain(vendors).collect() }
    }

    /// Adds an attribute; `false` if the name is taken.
    pub fn add(&mut self, name: &str, vendor: u32, number: u8, kind: DataType) -> bool {
        let definition = Definition { vendor, number, kind, form: Form::Plain };
        let free = !self.names.contains_key(&name.to_lowercase());
        if free {
            self.names.insert(name.to_lowercase(), definition);
        }
        free
    }

    /// What is known of an attribute.
    pub fn definition(&self, name: &str) -> Option<&Definition> {
        self.names.get(&name.to_lowercase())
    }

    /// Makes an attribute from a name, with a tag after a colon where it takes one, and the value as text.
    pub fn encode(&self, name: &str, text: &str) -> Result<EncodedAttribute, ValueError> {
        let (bare, tag) = match name.split_once(':') {
            None => (name, None),
            Some((bare, tag)) => {
                let tag = tag.parse::<u8>().ok().filter(|tag| *tag <= 31);
                (bare, Some(tag.ok_or_else(|| ValueError::Tag(name.to_owned()))?))
            }
        };
        if RESERVED.contains(&bare.to_lowercase().as_str()) {
            return Err(ValueError::Reserved(bare.to_owned()));
        }
        let definition = self.definition(bare).ok_or_else(|| ValueError::UnknownName(bare.to_owned()))?;
        let tagged = matches!(definition.form, Form::Tagged | Form::Tunnel);
        if tag.is_some() && !tagged {
            return Err(ValueError::Tag(name.to_owned()));
        }
        let mut value = value(bare, definition.kind, text)?;
        let encryption = match definition.form {
            Form::Plain => Encryption::None,
            Form::Tunnel => Encryption::TunnelPassword,
            Form::Mppe => Encryption::Mppe,
            Form::Tagged => {
                put_tag(&mut value, definition.kind, tag.unwrap_or(0), bare)?;
                Encryption::None
            }
        };
        let too_long = || ValueError::TooLong(bare.to_owned());
        if encryption == Encryption::None {
            return EncodedAttribute::plain(definition.vendor, definition.number, &value)
                .ok_or_else(too_long);
        }
        // Length octet and padding to 16, salt, tag, and the vendor's header must fit beside it.
        if value.len() > 223 {
            return Err(too_long());
        }
        let (vendor, kind) = (definition.vendor, definition.number);
        Ok(EncodedAttribute { bytes: value, encryption, vendor, kind, tag: tag.unwrap_or(0) })
    }
}

/// RFC 2868 §3: an integer gives its highest octet to the tag; a text has it in front, where 0 may be left out.
fn put_tag(value: &mut Vec<u8>, kind: DataType, tag: u8, name: &str) -> Result<(), ValueError> {
    if kind != DataType::Integer {
        if tag > 0 {
            value.insert(0, tag);
        }
        return Ok(());
    }
    match value.first_mut() {
        Some(highest @ 0) => {
            *highest = tag;
            Ok(())
        }
        _ => Err(ValueError::TooLong(name.to_owned())),
    }
}

fn value(name: &str, kind: DataType, text: &str) -> Result<Vec<u8>, ValueError> {
    let wrong = |wanted: &str| ValueError::Value {
        name: name.to_owned(),
        wanted: wanted.to_owned(),
        text: text.to_owned(),
    };
    match kind {
        DataType::String if text.is_empty() => Err(wrong("a text")),
        DataType::String => Ok(text.as_bytes().to_vec()),
        DataType::Octets => match text.strip_prefix("0x") {
            Some(hex) => data_encoding::HEXLOWER_PERMISSIVE
                .decode(hex.as_bytes())
                .ok()
                .filter(|octets| !octets.is_empty())
                .ok_or_else(|| wrong("hexadecimal octets after 0x")),
            // Class and the like are octets in which people write words.
            None if text.is_empty() => Err(wrong("octets: a text, or 0x and hexadecimal digits")),
            None => Ok(text.as_bytes().to_vec()),
        },
        DataType::Integer => {
            let named = table::VALUES.iter().find(|(attribute, _)| attribute.eq_ignore_ascii_case(name));
            let names = named.map_or(&[][..], |(_, names)| names);
            let by_name =
                names.iter().find(|(known, _)| known.eq_ignore_ascii_case(text)).map(|(_, value)| *value);
            let number = text.parse::<u32>().ok().or(by_name);
            number.map(|number| number.to_be_bytes().to_vec()).ok_or_else(|| {
                let known: Vec<_> = names.iter().map(|(name, _)| *name).collect();
                let or =
                    if known.is_empty() { String::new() } else { format!(" or one of {}", known.join(", ")) };
                wrong(&format!("a number{or}"))
            })
        }
        DataType::Date => {
            let seconds = text.parse::<u32>();
            seconds.map(|s| s.to_be_bytes().to_vec()).map_err(|_| wrong("seconds since 1970"))
        }
        DataType::Integer64 => {
            text.parse::<u64>().map(|n| n.to_be_bytes().to_vec()).map_err(|_| wrong("a number"))
        }
        DataType::Ipv4Address => {
            let address = text.parse::<Ipv4Addr>();
            address.map(|a| a.octets().to_vec()).map_err(|_| wrong("an IPv4 address"))
        }
        DataType::Ipv6Address => {
            let address = text.parse::<Ipv6Addr>();
            address.map(|a| a.octets().to_vec()).map_err(|_| wrong("an IPv6 address"))
        }
        DataType::Ipv6Prefix => {
            let prefix = text.parse::<ipnet::Ipv6Net>().map_err(|_| wrong("an IPv6 prefix"))?;
            let octets = prefix.trunc().addr().octets();
            Ok([&[0, prefix.prefix_len()][..], &octets].concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(name: &str, text: &str) -> Vec<u8> {
        Dictionary::standard().encode(name, text).unwrap().bytes
    }

    #[test]
    fn attributes_of_each_type_are_encoded() {
        assert_eq!(bytes("Class", "staff"), b"\x19\x07staff");
        assert_eq!(bytes("class", "0x0102"), [25, 4, 1, 2]);
        assert_eq!(bytes("Session-Timeout", "28800"), [27, 6, 0, 0, 0x70, 0x80]);
        assert_eq!(bytes("Framed-IP-Address", "192.0.2.1"), [8, 6, 192, 0, 2, 1]);
        assert_eq!(bytes("Service-Type", "framed-user"), [6, 6, 0, 0, 0, 2]);
        assert_eq!(bytes("Framed-IPv6-Prefix", "2001:db8::/32")[..4], [97, 20, 0, 32]);
    }

    // RFC 2868 §3.1, RFC 3580 §3.31
    #[test]
    fn vlan_attributes_carry_their_tag() {
        assert_eq!(bytes("Tunnel-Type", "VLAN"), [64, 6, 0, 0, 0, 13]);
        assert_eq!(bytes("Tunnel-Type:1", "VLAN"), [64, 6, 1, 0, 0, 13]);
        assert_eq!(bytes("Tunnel-Medium-Type:1", "IEEE-802"), [65, 6, 1, 0, 0, 6]);
        assert_eq!(bytes("Tunnel-Private-Group-Id", "120"), b"\x51\x05120");
        assert_eq!(bytes("Tunnel-Private-Group-Id:1", "120"), b"\x51\x06\x01120");
    }

    // RFC 2865 §5.26
    #[test]
    fn vendor_attributes_are_wrapped() {
        let expected = [&[26, 25, 0, 0, 0, 9, 1, 19][..], b"shell:priv-lvl=15"].concat();
        assert_eq!(bytes("Cisco-AVPair", "shell:priv-lvl=15"), expected);
    }

    #[test]
    fn errors_say_what_is_wanted() {
        let error =
            |name: &str, text: &str| Dictionary::standard().encode(name, text).unwrap_err().to_string();
        assert!(error("Clas", "x").starts_with("no attribute is called `Clas`"));
        assert!(error("Tunnel-Type", "VLANN").contains("VLAN"), "{}", error("Tunnel-Type", "VLANN"));
        assert!(error("Class:1", "x").contains("a tag is"));
        assert!(error("State", "x").contains("set by Doorward"));
        assert!(error("Class", &"x".repeat(254)).contains("too long"));
        assert!(error("Framed-IP-Address", "300.1.1.1").contains("IPv4"));
        assert!(error("Tunnel-Type", "16777216").contains("too long"));
    }

    #[test]
    fn own_attributes_can_be_added_once() {
        let mut dictionary = Dictionary::standard();
        assert!(dictionary.add("Acme-Role", 64999, 7, DataType::String));
        assert!(!dictionary.add("acme-role", 64999, 8, DataType::String));
        assert_eq!(dictionary.encode("Acme-Role", "x").unwrap().bytes, [26, 9, 0, 0, 0xfd, 0xe7, 7, 3, b'x']);
    }
}
