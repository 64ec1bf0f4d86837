//! Signatures: HMAC-SHA-1 over `name=value` pairs in alphabetical order, joined with `&`, as base64.

use super::Fields;
use crate::base::Secret;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::fmt;
use subtle::ConstantTimeEq;

/// Fewer bytes could be found by trying, from a single answer that was overheard.
const SHORTEST: usize = 16;
/// HMAC hashes longer ones first, which other implementations get wrong (RFC 2104 §3).
const LONGEST: usize = 64;

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadApiKey {
    /// It is no base64.
    #[error("it is no base64")]
    Base64,
    /// It has too few or too many bytes.
    #[error("it stands for {0} bytes, and a key has {SHORTEST} to {LONGEST}")]
    Length(usize),
}

/// The key that a client and its servers share.
#[derive(Clone)]
pub struct ApiKey(Secret<Vec<u8>>);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

impl PartialEq for ApiKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose().ct_eq(other.0.expose()).into()
    }
}

impl Eq for ApiKey {}

impl ApiKey {
    /// From base64, which is how servers hand keys out; 16 to 64 bytes.
    pub fn parse(text: &[u8]) -> Result<Self, BadApiKey> {
        let key = Secret::new(BASE64.decode(text.trim_ascii()).map_err(|_| BadApiKey::Base64)?);
        match key.expose().len() {
            SHORTEST..=LONGEST => Ok(Self(key)),
            length => Err(BadApiKey::Length(length)),
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "HMAC takes keys of any length; a signature under another one would mean nothing"
    )]
    fn mac(&self, fields: &Fields) -> [u8; 20] {
        let mut hmac = Hmac::<Sha1>::new_from_slice(self.0.expose()).expect("a key of any length");
        for (number, (name, value)) in fields.iter().enumerate() {
            if number > 0 {
                hmac.update(b"&");
            }
            hmac.update(name.as_bytes());
            hmac.update(b"=");
            hmac.update(value.as_bytes());
        }
        hmac.finalize().into_bytes().into()
    }

    /// The signature of these fields, as base64.
    pub(super) fn sign(&self, fields: &Fields) -> String {
        BASE64.encode(&self.mac(fields))
    }

    /// Whether a signature belongs to these fields; the time that it takes does not tell how much of it fits.
    pub(super) fn fits(&self, fields: &Fields, signature: &str) -> bool {
        let Ok(signature) = BASE64.decode(signature.as_bytes()) else { return false };
        self.mac(fields).ct_eq(&signature).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    // The example of "Getting started writing clients", whose key is published with it.
    #[test]
    fn signature_of_the_published_example() {
        let key = ApiKey::parse(b"mG5be6ZJU1qBGz24yPh/ESM3UdU=").unwrap();
        let otp = "vvungrrdhvtklknvrtvuvbbkeidikkvgglrvdgrfcdft";
        let nonce = "jrFwbaYFhn0HoxZIsd9LQ6w2ceU";
        let signed = key.sign(&fields(&[("nonce", nonce), ("id", "1"), ("otp", otp)]));
        assert_eq!(signed, "+ja8S3IjbX593/LAgTBixwPNGX4=");
    }

    #[test]
    fn key_of_another_length_or_alphabet_is_none() {
        assert_eq!(ApiKey::parse(b"not base64!"), Err(BadApiKey::Base64));
        assert_eq!(ApiKey::parse(BASE64.encode(&[1; 15]).as_bytes()), Err(BadApiKey::Length(15)));
        assert_eq!(ApiKey::parse(BASE64.encode(&[1; 65]).as_bytes()), Err(BadApiKey::Length(65)));
        assert_eq!(ApiKey::parse(b""), Err(BadApiKey::Length(0)));
        let key = ApiKey::parse(format!(" {}\n", BASE64.encode(&[1; 20])).as_bytes()).unwrap();
        assert_eq!(format!("{key:?}"), "[key]");
    }

    #[test]
    fn every_other_signature_is_refused() {
        let key = ApiKey::parse(BASE64.encode(&[1; 20]).as_bytes()).unwrap();
        let other = ApiKey::parse(BASE64.encode(&[2; 20]).as_bytes()).unwrap();
        let (signed, changed) = (fields(&[("a", "1"), ("b", "2")]), fields(&[("a", "1"), ("b", "3")]));
        let signature = key.sign(&signed);
        assert!(key.fits(&signed, &signature));
        assert!(!key.fits(&changed, &signature) && !other.fits(&signed, &signature));
        // Shorter, longer, empty, no base64: what a comparison of prefixes would take.
        for wrong in ["", "=", "AAAA", &signature[..4], &format!("{signature}AAAA"), "!!!!"] {
            assert!(!key.fits(&signed, wrong), "{wrong}");
        }
    }
}
