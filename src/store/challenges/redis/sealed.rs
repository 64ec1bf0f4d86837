//! What lies in Redis sealed: a login that waits, and a code. See the threats in the parent module.

use super::super::{Handle, State, handle};
use crate::base::{Random, Timestamp};
use crate::domain::login::Pending;
use crate::domain::method::Channel;
use crate::domain::sent::{Purpose, SentCode};
use crate::store::Result;
use crate::store::seal::{Keyring, Place};
use data_encoding::HEXLOWER;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Between two warnings about values that do not open: whoever writes them must not fill the log.
const QUIET: Duration = Duration::from_secs(60);

/// Seals for a place in Redis and opens only from there.
pub(super) struct Seals {
    keyring: Keyring,
    random: Arc<dyn Random>,
    /// When it last warned, in milliseconds.
    warned: AtomicI64,
}

impl Seals {
    pub(super) fn new(keyring: Keyring, random: Arc<dyn Random>) -> Self {
        Self { keyring, random, warned: AtomicI64::new(i64::MIN) }
    }

    pub(super) fn seal_pending(&self, state: &State, pending: &Pending) -> Result<String> {
        self.seal(&HEXLOWER.encode(state), "pending", pending)
    }

    pub(super) fn seal_code(&self, handle: Handle, purpose: Purpose, code: &SentCode) -> Result<String> {
        self.seal(&code_row(handle, purpose.as_str()), "code", code)
    }

    fn seal<T: Serialize>(&self, row: &str, kind: &str, value: &T) -> Result<String> {
        let place = Place { table: "challenges", row, person: "", kind };
        let bytes = serde_json::to_vec(value).map_err(|error| {
            crate::store::StoreError::Sealed(format!("a {kind} cannot be written: {error}"))
        })?;
        self.keyring.seal(&*self.random, place, &bytes)
    }

    /// The login, unless it is over by its own word.
    pub(super) fn pending(&self, state: &State, text: &str, now: Timestamp) -> Option<Pending> {
        let pending: Pending = self.open(&HEXLOWER.encode(state), "pending", text, now)?;
        Some(pending).filter(|pending| pending.expires > now)
    }

    /// The code, unless it is over by its own word.
    pub(super) fn code(&self, state: &State, purpose: &str, text: &str, now: Timestamp) -> Option<SentCode> {
        let code: SentCode = self.open(&code_row(handle(state), purpose), "code", text, now)?;
        Some(code).filter(|code| code.expires > now)
    }

    fn open<T: DeserializeOwned>(&self, row: &str, kind: &str, text: &str, now: Timestamp) -> Option<T> {
        let place = Place { table: "challenges", row, person: "", kind };
        let why = match self.keyring.open(place, text) {
            Ok(bytes) => match serde_json::from_slice(bytes.expose()) {
                Ok(value) => return Some(value),
                Err(error) => format!("another version of Doorward wrote it ({error})"),
            },
            Err(error) => error.to_string(),
        };
        let last = self.warned.load(Ordering::Relaxed);
        if now.millis().saturating_sub(last) >= i64::try_from(QUIET.as_millis()).unwrap_or(i64::MAX) {
            self.warned.store(now.millis(), Ordering::Relaxed);
            tracing::warn!(
                "a {kind} in Redis counts as if it were not there; do all nodes have the same [keys]? {why}"
            );
        }
        None
    }
}

fn code_row(handle: Handle, purpose: &str) -> String {
    format!("{}/{purpose}", HEXLOWER.encode(&handle))
}

/// What must be equal for a challenge to join a code. A digest has one length and no spaces.
pub(super) fn binding(channel: Channel, transaction: &str) -> String {
    let digest =
        Sha256::new().chain_update(channel.as_str()).chain_update([0]).chain_update(transaction).finalize();
    HEXLOWER.encode(digest.get(..16).unwrap_or_default())
}
