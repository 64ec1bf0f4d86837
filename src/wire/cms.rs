//! A signature around a file: SignedData of the Cryptographic Message Syntax (RFC 5652), with one signer, SHA-256, and the
//! content inside. The key is somebody else's: what has to be signed is handed out, the signature taken in.

use sha2::{Digest, Sha256};

const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const SHA_256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const RSA_WITH_SHA_256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const ECDSA_WITH_SHA_256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0]`, explicit or in place of a SET.
const FIRST: u8 = 0xa0;

/// How the signer's key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rsa,
    /// ECDSA with SHA-256, its signature in DER form.
    Ecdsa,
}

/// A content that waits for its signature.
pub struct Unsigned<'a> {
    content: &'a [u8],
    /// Attributes, without the tag around them, which differs.
    attributes: Vec<u8>,
}

impl<'a> Unsigned<'a> {
    /// Of a content.
    pub fn new(content: &'a [u8]) -> Self {
        let kind = attribute(CONTENT_TYPE, &value(OID, DATA));
        let digest = attribute(MESSAGE_DIGEST, &value(OCTETS, &Sha256::digest(content)));
        Self { content, attributes: sorted(vec![kind, digest]) }
    }

    /// What is to be signed (§5.4).
    pub fn to_be_signed(&self) -> Vec<u8> {
        value(SET, &self.attributes)
    }

    /// The whole, in DER form. `chain`: certificates in DER form, the signer's first. `None`: that is no certificate.
    pub fn signed(&self, chain: &[&[u8]], scheme: Scheme, signature: &[u8]) -> Option<Vec<u8>> {
        let signer = issuer_and_serial(chain.first()?)?;
        let sha_256 = algorithm(SHA_256, false);
        let with = match scheme {
            Scheme::Rsa => algorithm(RSA_WITH_SHA_256, true),
            Scheme::Ecdsa => algorithm(ECDSA_WITH_SHA_256, false),
        };
        let version = value(INTEGER, &[1]);
        let attributes = value(FIRST, &self.attributes);
        let signature = value(OCTETS, signature);
        let info = sequence(&[&version, &signer, &sha_256, &attributes, &with, &signature]);
        let inside = value(FIRST, &value(OCTETS, self.content));
        let content = sequence(&[&value(OID, DATA), &inside]);
        let certificates = value(FIRST, &sorted(chain.iter().map(|one| one.to_vec()).collect()));
        let data = sequence(&[&version, &value(SET, &sha_256), &content, &certificates, &value(SET, &info)]);
        Some(sequence(&[&value(OID, SIGNED_DATA), &value(FIRST, &data)]))
    }
}

/// A tag, a length and a value.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let zeros = length.iter().take_while(|byte| **byte == 0).count();
            // At most as many as a length has bytes: eight.
            out.push(0x80 | (length.len() - zeros) as u8);
            out.extend(length.iter().skip(zeros));
        }
    }
    out.extend_from_slice(content);
    out
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    value(SEQUENCE, &parts.concat())
}

fn algorithm(oid: &[u8], null: bool) -> Vec<u8> {
    let parameters = if null { value(NULL, &[]) } else { Vec::new() };
    sequence(&[&value(OID, oid), &parameters])
}

fn attribute(oid: &[u8], content: &[u8]) -> Vec<u8> {
    sequence(&[&value(OID, oid), &value(SET, content)])
}

/// The order of a SET OF.
fn sorted(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    parts.concat()
}

/// Tag, the whole, the content, and what follows.
type Read<'a> = (u8, &'a [u8], &'a [u8], &'a [u8]);

/// The first value.
fn read(bytes: &[u8]) -> Option<Read<'_>> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0_usize, |all, byte| all << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    let whole = bytes.get(..bytes.len() - after.len())?;
    Some((*tag, whole, content, after))
}

/// `IssuerAndSerialNumber` of a certificate (RFC 5280 §4.1).
fn issuer_and_serial(certificate: &[u8]) -> Option<Vec<u8>> {
    let (SEQUENCE, _, certificate, _) = read(certificate)? else { return None };
    let (SEQUENCE, _, mut fields, _) = read(certificate)? else { return None };
    if let (FIRST, _, _, after) = read(fields)? {
        fields = after;
    }
    let (INTEGER, serial, _, fields) = read(fields)? else { return None };
    let (SEQUENCE, _, _, fields) = read(fields)? else { return None };
    let (SEQUENCE, issuer, _, _) = read(fields)? else { return None };
    Some(sequence(&[issuer, serial]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        assert_eq!(value(OCTETS, &[7; 3]), [4, 3, 7, 7, 7]);
        assert_eq!(value(OCTETS, &[0; 127])[..2], [4, 127]);
        assert_eq!(value(OCTETS, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(value(OCTETS, &[0; 300])[..4], [4, 0x82, 1, 44]);
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let bytes = value(OCTETS, &vec![9; length]);
            let (tag, whole, content, after) = read(&bytes).unwrap();
            assert_eq!((tag, whole.len(), content.len(), after.len()), (OCTETS, bytes.len(), length, 0));
        }
    }

    #[test]
    fn what_is_no_certificate_signs_nothing() {
        let unsigned = Unsigned::new(b"text");
        for wrong in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x03\x02\x01\x01", b"\x30\x84\xff\xff\xff\xff"] {
            assert!(unsigned.signed(&[wrong], Scheme::Rsa, &[1]).is_none());
        }
        assert!(unsigned.signed(&[], Scheme::Rsa, &[1]).is_none());
    }
}
