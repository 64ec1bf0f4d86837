//! Attributes: types by number, vendor-specific ones, and values ready to send.

use super::secret::SharedSecret;
use radius::core::{rfc2865, rfc2868, rfc2869};

/// An attribute of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type.
    pub kind: AttributeType,
    /// Its value, 0 to 253 octets.
    pub value: &'a [u8],
}

/// Attribute type number (RFC 2865 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeType(pub u8);

impl AttributeType {
    /// User-Name (RFC 2865 §5.1).
    pub const USER_NAME: AttributeType = AttributeType(rfc2865::USER_NAME_TYPE);
    /// User-Password (RFC 2865 §5.2).
    pub const USER_PASSWORD: AttributeType = AttributeType(rfc2865::USER_PASSWORD_TYPE);
    /// CHAP-Password (RFC 2865 §5.3).
    pub const CHAP_PASSWORD: AttributeType = AttributeType(rfc2865::CHAP_PASSWORD_TYPE);
    /// NAS-IP-Address (RFC 2865 §5.4).
    pub const NAS_IP_ADDRESS: AttributeType = AttributeType(rfc2865::NAS_IP_ADDRESS_TYPE);
    /// Framed-MTU (RFC 2865 §5.12).
    pub const FRAMED_MTU: AttributeType = AttributeType(rfc2865::FRAMED_MTU_TYPE);
    /// Reply-Message (RFC 2865 §5.18).
    pub const REPLY_MESSAGE: AttributeType = AttributeType(rfc2865::REPLY_MESSAGE_TYPE);
    /// State (RFC 2865 §5.24).
    pub const STATE: AttributeType = AttributeType(rfc2865::STATE_TYPE);
    /// Class (RFC 2865 §5.25).
    pub const CLASS: AttributeType = AttributeType(rfc2865::CLASS_TYPE);
    /// Vendor-Specific (RFC 2865 §5.26).
    pub const VENDOR_SPECIFIC: AttributeType = AttributeType(rfc2865::VENDOR_SPECIFIC_TYPE);
    /// Calling-Station-Id (RFC 2865 §5.31).
    pub const CALLING_STATION_ID: AttributeType = AttributeType(rfc2865::CALLING_STATION_ID_TYPE);
    /// NAS-Identifier (RFC 2865 §5.32).
    pub const NAS_IDENTIFIER: AttributeType = AttributeType(rfc2865::NAS_IDENTIFIER_TYPE);
    /// Proxy-State (RFC 2865 §5.33).
    pub const PROXY_STATE: AttributeType = AttributeType(rfc2865::PROXY_STATE_TYPE);
    /// Tunnel-Password (RFC 2868 §3.5).
    pub const TUNNEL_PASSWORD: AttributeType = AttributeType(rfc2868::TUNNEL_PASSWORD_TYPE);
    /// Prompt (RFC 2869 §5.10).
    pub const PROMPT: AttributeType = AttributeType(rfc2869::PROMPT_TYPE);
    /// EAP-Message (RFC 3579 §3.1).
    pub const EAP_MESSAGE: AttributeType = AttributeType(rfc2869::EAP_MESSAGE_TYPE);
    /// Message-Authenticator (RFC 3579 §3.2).
    pub const MESSAGE_AUTHENTICATOR: AttributeType = AttributeType(rfc2869::MESSAGE_AUTHENTICATOR_TYPE);
}

/// The vendor attributes inside a Vendor-Specific value (RFC 2865 §5.26): (vendor, type, value). A value that
/// does not follow the recommended format yields nothing: it is opaque, not wrong.
pub fn vendor_attributes(value: &[u8]) -> Vec<(u32, u8, &[u8])> {
    let Some((vendor, mut rest)) = value.split_first_chunk::<4>() else { return Vec::new() };
    let vendor = u32::from_be_bytes(*vendor);
    let mut found = Vec::new();
    while let [kind, length, ..] = *rest {
        let length = usize::from(length);
        let Some((attribute, after)) = rest.split_at_checked(length).filter(|_| length >= 2) else {
            return Vec::new();
        };
        found.push((vendor, kind, attribute.get(2..).unwrap_or_default()));
        rest = after;
    }
    if rest.is_empty() { found } else { Vec::new() }
}

/// How an attribute's value is encrypted in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encryption {
    /// Not at all.
    None,
    /// Tunnel-Password: tag, salt, ciphertext (RFC 2868 §3.5).
    TunnelPassword,
    /// MS-MPPE-Send-Key, MS-MPPE-Recv-Key: salt, ciphertext (RFC 2548 §2.4.2).
    Mppe,
}

/// An attribute ready to be put into an answer.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedAttribute {
    /// Without encryption: the whole attribute or attributes as on the wire. With encryption: the plain value.
    pub bytes: Vec<u8>,
    /// How the value is encrypted.
    pub encryption: Encryption,
    /// Vendor, for an encrypted vendor attribute; 0 for a standard one.
    pub vendor: u32,
    /// Type, for an encrypted attribute.
    pub kind: u8,
    /// Tag, for Tunnel-Password.
    pub tag: u8,
}

impl std::fmt::Debug for EncodedAttribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.encryption {
            Encryption::None => write!(f, "EncodedAttribute({:02x?})", self.bytes),
            other => write!(f, "EncodedAttribute({}/{}, {other:?})", self.vendor, self.kind),
        }
    }
}

impl EncodedAttribute {
    /// A plain attribute; `vendor` 0 for a standard one. `None` if the value is too long.
    pub fn plain(vendor: u32, kind: u8, value: &[u8]) -> Option<Self> {
        let bytes = wrap(vendor, kind, value)?;
        Some(Self { bytes, encryption: Encryption::None, vendor, kind, tag: 0 })
    }

    /// The attribute as on the wire, encrypted for this answer.
    pub(super) fn encrypt(
        &self,
        secret: &SharedSecret,
        authenticator: &[u8; 16],
        salt: [u8; 2],
    ) -> Option<Vec<u8>> {
        let mut value = match self.encryption {
            Encryption::None => return Some(self.bytes.clone()),
            Encryption::TunnelPassword => vec![self.tag],
            Encryption::Mppe => Vec::new(),
        };
        value.extend(secret.encrypt_salted(&self.bytes, authenticator, salt)?);
        wrap(self.vendor, self.kind, &value)
    }
}

/// Type and length before a value, inside a Vendor-Specific attribute if `vendor` is not 0.
fn wrap(vendor: u32, kind: u8, value: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(value.len().checked_add(2)?).ok()?;
    let inner = [&[kind, length][..], value].concat();
    if vendor == 0 {
        return Some(inner);
    }
    let outer = u8::try_from(inner.len().checked_add(6)?).ok()?;
    Some([&[AttributeType::VENDOR_SPECIFIC.0, outer][..], &vendor.to_be_bytes(), &inner].concat())
}
