//! The signed tokens of `/auth`: JSON Web Tokens (RFC 7519) with HMAC-SHA-256.
//!
//! Some plug-ins decode the middle part with plain base64, which has no `-` and `_` and wants whole groups. So the part is made of
//! ASCII without the few characters that could bring them in, and is filled up with spaces to a multiple of three.

use crate::base::{Secret, Timestamp};
use data_encoding::BASE64URL_NOPAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::time::Duration;

/// The first part of every token: `{"alg":"HS256","typ":"JWT"}`. Any other is none of ours, whatever algorithm it names.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
/// Longest token that is looked at.
const LONGEST: usize = 2048;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Name of the application.
    pub username: String,
    /// Always empty; plug-ins look for it.
    pub realm: String,
    /// The key that it was given for: with that it ends.
    pub kid: String,
    /// What it may do, in the protocol's words.
    pub role: String,
    /// When it ends, in seconds since 1970.
    pub exp: u64,
}

/// Makes and reads tokens.
#[derive(Clone)]
pub struct Signer(Secret<Vec<u8>>);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[signer]")
    }
}

/// Whether base64 of it is the same in both alphabets.
fn is_plain(json: &str) -> bool {
    json.bytes().all(|byte| byte.is_ascii() && !b">?~\x7f".contains(&byte))
}

impl Signer {
    /// Takes the key.
    pub fn new(key: Secret<Vec<u8>>) -> Self {
        Self(key)
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn mac(&self, signed: &str) -> Hmac<Sha256> {
        let mut hmac = Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("a key of any length");
        hmac.update(signed.as_bytes());
        hmac
    }

    /// A token for an application; `None` if its name cannot stand in one.
    pub fn sign(
        &self,
        name: &str,
        key: &str,
        lifetime: Duration,
        now: Timestamp,
    ) -> Option<(Secret<String>, Claims)> {
        let claims = Claims {
            username: name.to_owned(),
            realm: String::new(),
            kid: key.to_owned(),
            role: "admin".to_owned(),
            exp: (now + lifetime).unix_secs(),
        };
        let mut json = serde_json::to_string(&claims).ok().filter(|json| is_plain(json))?;
        while !json.len().is_multiple_of(3) {
            json.push(' ');
        }
        let signed = format!("{HEADER}.{}", BASE64.encode(json.as_bytes()));
        let signature = BASE64.encode(&self.mac(&signed).finalize().into_bytes());
        Some((Secret::new(format!("{signed}.{signature}")), claims))
    }

    /// What a token says, if it is one of ours and not over.
    pub fn open(&self, token: &str, now: Timestamp) -> Option<Claims> {
        self.signed(token).filter(|claims| claims.exp > now.unix_secs())
    }

    /// What a token said that is one of ours and over.
    pub fn open_over(&self, token: &str, now: Timestamp) -> Option<Claims> {
        self.signed(token).filter(|claims| claims.exp <= now.unix_secs())
    }

    fn signed(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.').filter(|_| token.len() <= LONGEST)?;
        let (header, claims) = signed.split_once('.')?;
        let signature = BASE64.decode(signature.as_bytes()).ok()?;
        self.mac(signed).verify_slice(&signature).ok()?;
        let claims: Claims = serde_json::from_slice(&BASE64.decode(claims.as_bytes()).ok()?).ok()?;
        (header == HEADER).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn signer(byte: u8) -> Signer {
        Signer::new(Secret::new(vec![byte; 32]))
    }

    fn token(name: &str) -> String {
        signer(1).sign(name, "0011", Duration::from_secs(3600), NOW).unwrap().0.expose().clone()
    }

    // R-API-1
    #[test]
    fn payload_is_read_with_plain_base64_and_has_exp() {
        for length in 1..40 {
            let token = token(&"a.b_c-Z9".repeat(5)[..length]);
            let payload = token.split('.').nth(1).unwrap();
            // The padded standard alphabet, as Java and Python decode it.
            let plain = data_encoding::BASE64.decode(payload.as_bytes()).unwrap();
            let json: serde_json::Value = serde_json::from_slice(&plain).unwrap();
            assert_eq!(json["exp"], 1_700_003_600_u64);
            assert_eq!(json["role"], "admin");
        }
    }

    // R-API-1
    #[test]
    fn token_counts_until_it_is_over_and_only_as_it_was_signed() {
        let token = token("keycloak");
        assert_eq!(signer(1).open(&token, NOW).unwrap().username, "keycloak");
        let later = NOW + Duration::from_secs(3600);
        assert!(signer(1).open(&token, later).is_none(), "over");
        assert_eq!(signer(1).open_over(&token, later).unwrap().username, "keycloak");
        assert!(signer(1).open_over(&token, NOW).is_none() && signer(2).open_over(&token, later).is_none());
        assert!(signer(2).open(&token, NOW).is_none(), "another key");
        let parts: Vec<_> = token.split('.').collect();
        let none = BASE64.encode(br#"{"alg":"none"}"#);
        let other =
            BASE64.encode(br#"{"username":"root","realm":"","kid":"1","role":"admin","exp":9999999999}"#);
        let forged = [
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{}.{other}.{}", parts[0], parts[2]),
            format!("{}.{}.{}", parts[0], parts[1], &parts[2][1..]),
            format!("{}.{}", parts[0], parts[1]),
            String::new(),
            "..".to_owned(),
        ];
        for forged in forged {
            assert!(signer(1).open(&forged, NOW).is_none(), "{forged}");
            assert!(signer(1).open_over(&forged, later).is_none(), "{forged}");
        }
    }

    #[test]
    fn name_that_would_not_be_plain_is_refused() {
        assert!(signer(1).sign("what?", "0", Duration::from_secs(60), NOW).is_none());
        assert!(signer(1).sign("ä", "0", Duration::from_secs(60), NOW).is_none());
    }
}
