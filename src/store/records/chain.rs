//! The chain behind the audit trail. Each entry's link is an HMAC over the link before it and the entry's fields,
//! under a key that is sealed in the store: who can write the file but not open the key can neither change,
//! insert, remove nor reorder entries without it showing.
//!
//! The head row, under the same key, says where the chain ends, and the chain goes on from there and never from
//! the last row that happens to be there: a tail that was cut off stays a gap. Only an older copy of the whole
//! file passes for the truth; against that, note the head that `verify` reports somewhere else.
//!
//! Where the oldest entries were removed because their time was over, an anchor, made like the head, says after which entry
//! the chain begins now.

use super::connection::{Connection, Row};
use super::query::{Query, Script, Source, without_nul};
use crate::base::Secret;
use crate::domain::audit::AuditEntry;
use crate::store::{AuditRecord, Result, StoreError};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
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

/// What a row of `audit_head` is about.
#[derive(Debug, Clone, Copy)]
enum Mark {
    Head,
    Anchor,
}

impl Mark {
    const fn id(self) -> i64 {
        match self {
            Mark::Head => 1,
            Mark::Anchor => 2,
        }
    }

    fn mac(self, key: &Secret<Vec<u8>>, at: &Position) -> Hmac<Sha256> {
        let label: &[u8] = match self {
            Mark::Head => b"head",
            Mark::Anchor => b"anchor",
        };
        mac(key, &[label, &at.seq.to_be_bytes(), at.link.as_bytes()])
    }

    /// The position in a row, if it is under our key.
    fn read(self, key: &Secret<Vec<u8>>, row: &Row) -> Result<Position> {
        let at = Position { seq: row.number(0)?, link: row.text(1)?.to_owned() };
        let kept = HEXLOWER.decode(row.text(2)?.as_bytes()).map_err(|_| broken("was changed"))?;
        // Compares in constant time.
        self.mac(key, &at).verify_slice(&kept).map_err(|_| broken("was changed"))?;
        Ok(at)
    }

    /// Adds a statement that writes it.
    fn write(self, key: &Secret<Vec<u8>>, at: &Position, script: &mut Script) {
        script.statement("INSERT INTO audit_head (id, seq, link, mac) VALUES ");
        let mac = hex(self.mac(key, at));
        script.row([self.id().into(), at.seq.into(), at.link.as_str().into(), mac.into()]);
        script.add(
            " ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, link = excluded.link, mac = excluded.mac",
        );
    }
}

/// Where this process left the chain at its last commit.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    pub(super) at: Position,
    /// The last entry that it had written when the database went back behind it, if that has happened.
    pub(super) lost: Option<i64>,
}

fn broken(what: &str) -> StoreError {
    StoreError::Sealed(format!(
        "the record of where the audit trail ends {what}; restore the database from a backup"
    ))
}

async fn row_of(mark: Mark, source: impl Source) -> Result<Option<Row>> {
    let query = Query::new("SELECT seq, link, mac FROM audit_head WHERE id = $1").bind(mark.id());
    query.fetch_optional(source).await
}

/// The head row, if it is there and under our key.
pub(super) async fn head(source: impl Source, key: &Secret<Vec<u8>>) -> Result<Position> {
    head_in(row_of(Mark::Head, source).await?.as_ref(), key)
}

fn head_in(row: Option<&Row>, key: &Secret<Vec<u8>>) -> Result<Position> {
    Mark::Head.read(key, row.ok_or_else(|| broken("is missing"))?)
}

/// After which entry the chain begins: the last one that was removed, if any was.
pub(super) async fn anchor(source: impl Source, key: &Secret<Vec<u8>>) -> Result<Position> {
    let row = row_of(Mark::Anchor, source).await?;
    row.map_or_else(|| Ok(Position::default()), |row| Mark::Anchor.read(key, &row))
}

/// Adds a statement that writes the anchor.
pub(super) fn write_anchor(key: &Secret<Vec<u8>>, at: &Position, script: &mut Script) {
    Mark::Anchor.write(key, at, script);
}

/// The writer's view of the chain.
pub(super) struct Chain {
    key: Secret<Vec<u8>>,
    /// With what the open transaction has added.
    now: Position,
    /// As the head row has it.
    stored: Position,
    /// At the last commit; shared with those who verify.
    kept: Arc<Mutex<Kept>>,
}

impl Chain {
    /// At the start, in the caller's transaction. A `fresh` database gets its head; any other has one.
    pub(super) async fn load(connection: &mut Connection, key: Secret<Vec<u8>>, fresh: bool) -> Result<Self> {
        let start = Position::default();
        let mut chain = Self { key, now: start.clone(), stored: start, kept: Arc::default() };
        if fresh {
            let mut script = Script::default();
            chain.write_head(&mut script);
            script.execute(connection).await?;
        }
        chain.recall(connection).await?;
        let row = Query::new("SELECT max(seq) FROM audit").fetch_one(connection).await?;
        let last = row.optional_number(0)?;
        if last.is_some_and(|last| last > chain.now.seq) {
            return Err(broken("was set back"));
        }
        chain.committed();
        Ok(chain)
    }

    /// At the start of a transaction, if another process may have written since the last: where to go on. Its
    /// entries are taken up; a head that was set back is not followed, so that the gap shows.
    pub(super) async fn recall(&mut self, connection: &mut Connection) -> Result<()> {
        let row = Query::new(self.question()).fetch_optional(connection).await?;
        self.recall_from(row.as_ref())
    }

    /// Asks for the head, for the last entry of this process as it stands there now, and where the trail begins.
    pub(super) fn question(&self) -> String {
        let seq = self.kept().at.seq;
        format!(
            "SELECT h.seq, h.link, h.mac, a.link, b.seq FROM audit_head h LEFT JOIN audit a ON a.seq = {seq}
             LEFT JOIN audit_head b ON b.id = 2 WHERE h.id = 1"
        )
    }

    /// The same, where the question was asked already.
    pub(super) fn recall_from(&mut self, row: Option<&Row>) -> Result<()> {
        self.stored = head_in(row, &self.key)?;
        let kept = self.kept().at.clone();
        if self.stored.seq <= kept.seq {
            self.now = kept;
            return Ok(());
        }
        self.now = self.stored.clone();
        let (Some(row), 1..) = (row, kept.seq) else { return Ok(()) };
        let there = match row.optional_text(3)? {
            Some(link) => link == kept.link,
            None => row.optional_number(4)?.is_some_and(|anchor| anchor >= kept.seq),
        };
        if !there && self.kept().lost.replace(kept.seq).is_none() {
            tracing::error!(
                seq = kept.seq,
                "the database has gone back behind what this node had written, and others went on from there: entries of \
                 the audit trail are lost, and with them used passcodes may be good again; look at the last failover"
            );
        }
        Ok(())
    }

    /// The next entry, with its number and link; the chain moves on to it.
    pub(super) fn record(&mut self, entry: AuditEntry) -> AuditRecord {
        let mut record = AuditRecord {
            seq: self.now.seq.saturating_add(1),
            at: entry.at,
            actor: without_nul(entry.actor),
            action: entry.action.to_owned(),
            person: entry.person.map(|person| person.to_string()),
            subject: without_nul(entry.subject),
            outcome: entry.outcome.to_owned(),
            detail: without_nul(entry.detail),
            request: without_nul(entry.request),
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
        self.kept().at.clone_from(&self.now);
    }

    /// Where the chain ended at the last commit of this process.
    pub(super) fn shared(&self) -> Arc<Mutex<Kept>> {
        self.kept.clone()
    }

    /// Adds a statement that writes where the chain ends.
    pub(super) fn write_head(&self, script: &mut Script) {
        Mark::Head.write(&self.key, &self.now, script);
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
