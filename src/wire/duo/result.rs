//! Results that a client asks for later, by a transaction id. The id itself holds the result, signed for the client, so that
//! nothing is kept and any node can tell it.

use crate::base::{Secret, Timestamp};
use data_encoding::BASE64URL_NOPAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::time::Duration;

/// How long it can be asked for.
const LIFETIME: Duration = Duration::from_secs(120);
/// Longest id that is looked at.
const LONGEST: usize = 2048;
/// Characters that are kept of what the person reads, so that the id stays shorter, whatever they are.
const READ: usize = 250;

/// What came of an authentication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// `allow` or `deny`.
    pub result: String,
    /// In one word.
    pub status: String,
    /// What the person reads.
    pub status_msg: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    client: String,
    until: u64,
    #[serde(flatten)]
    outcome: Outcome,
}

/// Makes and reads transaction ids.
#[derive(Clone)]
pub struct Results(Secret<Vec<u8>>);

impl std::fmt::Debug for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[results]")
    }
}

impl Results {
    /// Takes the key.
    pub fn new(key: Secret<Vec<u8>>) -> Self {
        Self(key)
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn mac(&self, kept: &str) -> Hmac<Sha256> {
        let mut hmac = Hmac::<Sha256>::new_from_slice(self.0.expose()).expect("a key of any length");
        hmac.update(kept.as_bytes());
        hmac
    }

    /// A transaction id for a client.
    pub fn keep(&self, client: &str, mut outcome: Outcome, now: Timestamp) -> String {
        outcome.status_msg = outcome.status_msg.chars().take(READ).collect();
        let kept = Kept { client: client.to_owned(), until: (now + LIFETIME).unix_secs(), outcome };
        let kept = BASE64.encode(&serde_json::to_vec(&kept).unwrap_or_default());
        let mac = BASE64.encode(&self.mac(&kept).finalize().into_bytes());
        format!("{kept}.{mac}")
    }

    /// What came of it, if it is this client's and not long ago.
    pub fn find(&self, client: &str, id: &str, now: Timestamp) -> Option<Outcome> {
        let (kept, mac) = id.split_once('.').filter(|_| id.len() <= LONGEST)?;
        self.mac(kept).verify_slice(&BASE64.decode(mac.as_bytes()).ok()?).ok()?;
        let kept: Kept = serde_json::from_slice(&BASE64.decode(kept.as_bytes()).ok()?).ok()?;
        (kept.client == client && kept.until > now.unix_secs()).then_some(kept.outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    #[test]
    fn long_message_is_cut_and_its_result_is_found() {
        let results = Results::new(Secret::new(vec![1; 32]));
        for letter in ["a", "\u{1f511}", "\""] {
            let (result, status_msg) = ("deny".to_owned(), letter.repeat(3000));
            let id =
                results.keep(&"x".repeat(64), Outcome { result, status: "sent".into(), status_msg }, NOW);
            let found = results.find(&"x".repeat(64), &id, NOW).unwrap();
            assert_eq!(found.status_msg, letter.repeat(READ));
        }
    }

    // R-API-1
    #[test]
    fn result_is_told_to_its_client_alone_and_for_a_while() {
        let results = Results::new(Secret::new(vec![1; 32]));
        let outcome = Outcome { result: "allow".into(), status: "allow".into(), status_msg: "ü".into() };
        let id = results.keep("vpn", outcome.clone(), NOW);
        assert_eq!(results.find("vpn", &id, NOW), Some(outcome.clone()));
        assert_eq!(results.find("other", &id, NOW), None);
        assert_eq!(results.find("vpn", &id, NOW + LIFETIME), None);
        let (kept, mac) = id.split_once('.').unwrap();
        assert_eq!(Results::new(Secret::new(vec![2; 32])).find("vpn", &id, NOW), None);
        for forged in [format!("{kept}."), format!("{kept}.{}", &mac[1..]), kept.to_owned(), String::new()] {
            assert_eq!(results.find("vpn", &forged, NOW), None);
        }
    }
}
