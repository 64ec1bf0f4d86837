//! The chain behind the audit trail. Each entry's link is an HMAC over the link before it and the entry's fields,
//! under a key that is sealed in the store: who can write the file but not open the key can neither change,
//! insert, remove nor reorder entries without it showing.
//!
//! The head row, under the same key, says where the chain ends, and the chain goes on from there and never from
//! the last row that happens to be there: a tail that was cut off stays a gap. Only an older copy of the whole
//! file passes for the truth; against that, note the head that `verify` reports somewhere else.

use super::script::Script;
use super::{damaged, failure};
use crate::base::Secret;
use crate::domain::audit::AuditEntry;
use crate::store::{AuditRecord, Result, StoreError};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sqlx::{Row, SqliteConnection};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a chain ends; before the first entry, number 0 and no link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Number of the last entry.
    pub(super) seq: i64,
    /// Its link, hex.
    pub(super) link: String,
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length; no MAC at all would fit anything")]
fn mac(key: &Secret<Vec<u8>>, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("a key of any length");
    for part in parts {
        hmac.update(&(part.len() as u64).to_be_bytes());
        hmac.update(part);
    }
    hmac
}

fn hex(mac: Hmac<Sha256>) -> String {
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

/// The link of an entry after `before`.
pub(super) fn link(key: &Secret<Vec<u8>>, before: &str, record: &AuditRecord) -> String {
    let person = record.person.as_deref().map_or_else(Vec::new, |person| [b"p", person.as_bytes()].concat());
    hex(mac(
        key,
        &[
            before.as_bytes(),
            &record.seq.to_be_bytes(),
            &record.at.millis().to_be_bytes(),
            record.actor.as_bytes(),
            record.action.as_bytes(),
            &person,
            record.subject.as_bytes(),
            record.outcome.as_bytes(),
            record.detail.as_bytes(),
            record.request.as_bytes(),
        ],
    ))
}

fn head_mac(key: &Secret<Vec<u8>>, at: &Position) -> Hmac<Sha256> {
    mac(key, &[b"head", &at.seq.to_be_bytes(), at.link.as_bytes()])
}

fn broken(what: &str) -> StoreError {
    StoreError::Sealed(format!(
        "the record of where the audit trail ends {what}; restore the database from a backup"
    ))
}

/// The head row, if it is there and under our key.
pub(super) async fn head(connection: &mut SqliteConnection, key: &Secret<Vec<u8>>) -> Result<Position> {
    let row = sqlx::query("SELECT seq, link, mac FROM audit_head WHERE id = 1")
        .fetch_optional(connection)
        .await
        .map_err(failure)?
        .ok_or_else(|| broken("is missing"))?;
    let at = Position { seq: row.try_get(0).map_err(failure)?, link: row.try_get(1).map_err(failure)? };
    let kept: String = row.try_get(2).map_err(failure)?;
    let kept = HEXLOWER.decode(kept.as_bytes()).map_err(|_| broken("was changed"))?;
    // Compares in constant time.
    head_mac(key, &at).verify_slice(&kept).map_err(|_| broken("was changed"))?;
    Ok(at)
}

/// The writer's view of the chain.
pub(super) struct Chain {
    key: Secret<Vec<u8>>,
    /// With what the open transaction has added.
    now: Position,
    /// As the head row has it.
    stored: Position,
    /// At the last commit; shared with those who verify.
    kept: Arc<Mutex<Position>>,
}

impl Chain {
    /// At the start, in the caller's transaction. A `fresh` database gets its head; any other has one.
    pub(super) async fn load(
        connection: &mut SqliteConnection,
        key: Secret<Vec<u8>>,
        fresh: bool,
    ) -> Result<Self> {
        let start = Position::default();
        let mut chain = Self { key, now: start.clone(), stored: start, kept: Arc::default() };
        if fresh {
            let mut script = Script::default();
            chain.write_head(&mut script);
            script.execute(connection).await?;
        }
        chain.recall(connection).await?;
        let row = sqlx::query("SELECT max(seq) FROM audit").fetch_one(connection).await.map_err(failure)?;
        let last: Option<i64> = row.try_get(0).map_err(|_| damaged("audit"))?;
        if last.is_some_and(|last| last > chain.now.seq) {
            return Err(broken("was set back"));
        }
        chain.committed();
        Ok(chain)
    }

    /// At the start of a transaction, if another process may have written since the last: where to go on. Its
    /// entries are taken up; a head that was set back is not followed, so that the gap shows.
    pub(super) async fn recall(&mut self, connection: &mut SqliteConnection) -> Result<()> {
        self.stored = head(connection, &self.key).await?;
        let kept = self.kept().clone();
        self.now = if self.stored.seq > kept.seq { self.stored.clone() } else { kept };
        Ok(())
    }

    /// The next entry, with its number and link; the chain moves on to it.
    pub(super) fn record(&mut self, entry: AuditEntry) -> AuditRecord {
        let mut record = AuditRecord {
            seq: self.now.seq.saturating_add(1),
            at: entry.at,
            actor: entry.actor,
            action: entry.action.to_owned(),
            person: entry.person.map(|person| person.to_string()),
            subject: entry.subject,
            outcome: entry.outcome.to_owned(),
            detail: entry.detail,
            request: entry.request,
            link: String::new(),
        };
        record.link = link(&self.key, &self.now.link, &record);
        self.now = Position { seq: record.seq, link: record.link.clone() };
        record
    }

    /// Where it stands, for [`Self::return_to`].
    pub(super) fn position(&self) -> Position {
        self.now.clone()
    }

    /// Takes back what a job has added.
    pub(super) fn return_to(&mut self, at: Position) {
        self.now = at;
    }

    /// Whether the open transaction has added something.
    pub(super) fn has_moved(&self) -> bool {
        self.now != self.stored
    }

    /// After a commit.
    pub(super) fn committed(&mut self) {
        self.stored.clone_from(&self.now);
        self.kept().clone_from(&self.now);
    }

    /// Where the chain ended at the last commit of this process.
    pub(super) fn shared(&self) -> Arc<Mutex<Position>> {
        self.kept.clone()
    }

    /// Adds a statement that writes where the chain ends.
    pub(super) fn write_head(&self, script: &mut Script) {
        script.statement("INSERT INTO audit_head (id, seq, link, mac) VALUES ");
        let mac = hex(head_mac(&self.key, &self.now));
        script.row([1.into(), self.now.seq.into(), self.now.link.as_str().into(), mac.into()]);
        script.add(
            " ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, link = excluded.link, mac = excluded.mac",
        );
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Position> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
