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
use super::recent::{Added, Recent};
use crate::base::{Secret, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::domain::person::PersonId;
use crate::store::seal::{Keyring, Place};
use crate::store::{AuditRecord, Result, StoreError};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A link, hex. Before the first entry there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Link(Option<[u8; 64]>);

impl Link {
    fn of(mac: Hmac<Sha256>) -> Self {
        let mut hex = [0; 64];
        HEXLOWER.encode_mut(&mac.finalize().into_bytes(), &mut hex);
        Self(Some(hex))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            Some(Self(None))
        } else {
            text.as_bytes().try_into().ok().map(|hex| Self(Some(hex)))
        }
    }

    pub(super) fn as_str(&self) -> &str {
        // Each was a text before.
        self.0.as_ref().and_then(|hex| str::from_utf8(hex).ok()).unwrap_or_default()
    }
}

/// Where a chain ends; before the first entry, number 0 and no link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Number of the last entry.
    pub(super) seq: i64,
    /// Its link.
    pub(super) link: Link,
}

/// The key of the chain, prepared, so that it is not hashed anew for each link.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length; no MAC at all would fit anything")]
    pub(super) fn new(key: &Secret<Vec<u8>>) -> Self {
        Self(Hmac::new_from_slice(key.expose()).expect("a key of any length"))
    }

    /// The link of an entry after `before`.
    pub(super) fn link(&self, before: &Link, record: &AuditRecord) -> Link {
        self.link_of(before, record.seq, &Entry::from(record))
    }

    fn link_of(&self, before: &Link, seq: i64, entry: &Entry<'_>) -> Link {
        let mut bytes = Vec::with_capacity(512);
        field(&mut bytes, &[before.as_str().as_bytes()]);
        field(&mut bytes, &[&seq.to_be_bytes()]);
        field(&mut bytes, &[&entry.at.millis().to_be_bytes()]);
        field(&mut bytes, &[entry.actor.as_bytes()]);
        field(&mut bytes, &[entry.action.as_bytes()]);
        match &entry.person {
            Some(person) => field(&mut bytes, &[b"p", person.as_bytes()]),
            None => field(&mut bytes, &[]),
        }
        field(&mut bytes, &[entry.subject.as_bytes()]);
        field(&mut bytes, &[entry.outcome.as_bytes()]);
        field(&mut bytes, &[entry.detail.as_bytes()]);
        field(&mut bytes, &[entry.request.as_bytes()]);
        Link::of(self.0.clone().chain_update(bytes))
    }
}

/// What a link is made of, apart from its place in the chain. See [`AuditRecord`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) at: Timestamp,
    pub(super) actor: &'a str,
    pub(super) action: &'a str,
    pub(super) person: Option<&'a str>,
    pub(super) subject: &'a str,
    pub(super) outcome: &'a str,
    pub(super) detail: &'a str,
    pub(super) request: &'a str,
}

impl<'a> From<&'a AuditRecord> for Entry<'a> {
    fn from(record: &'a AuditRecord) -> Self {
        let AuditRecord { at, actor, action, person, subject, outcome, detail, request, .. } = record;
        let person = person.as_deref();
        Self { at: *at, actor, action, person, subject, outcome, detail, request }
    }
}

/// Adds a field, which may be in parts, with its length.
fn field(bytes: &mut Vec<u8>, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    bytes.extend_from_slice(&(length as u64).to_be_bytes());
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
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

    fn mac(self, key: &Key, at: &Position) -> Hmac<Sha256> {
        let label: &[u8] = match self {
            Mark::Head => b"head",
            Mark::Anchor => b"anchor",
        };
        let mut bytes = Vec::with_capacity(128);
        field(&mut bytes, &[label]);
        field(&mut bytes, &[&at.seq.to_be_bytes()]);
        field(&mut bytes, &[at.link.as_str().as_bytes()]);
        key.0.clone().chain_update(bytes)
    }

    /// The position in a row, if it is under our key.
    fn read(self, key: &Key, row: &Row) -> Result<Position> {
        let link = Link::parse(row.text(1)?).ok_or_else(|| broken("was changed"))?;
        let at = Position { seq: row.number(0)?, link };
        let kept = HEXLOWER.decode(row.text(2)?.as_bytes()).map_err(|_| broken("was changed"))?;
        // Compares in constant time.
        self.mac(key, &at).verify_slice(&kept).map_err(|_| broken("was changed"))?;
        Ok(at)
    }

    /// Adds a statement that writes it.
    fn write(self, key: &Key, at: &Position, script: &mut Script) {
        script.statement("INSERT INTO audit_head (id, seq, link, mac) VALUES ");
        let mac = Link::of(self.mac(key, at));
        script.row([self.id().into(), at.seq.into(), at.link.as_str().into(), mac.as_str().into()]);
        script.add(
            " ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, link = excluded.link, mac = excluded.mac",
        );
    }
}

/// Where this process left the chain at its last commit.
#[derive(Debug, Clone, Copy, Default)]
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
pub(super) async fn head(source: impl Source, key: &Key) -> Result<Position> {
    head_in(row_of(Mark::Head, source).await?.as_ref(), key)
}

fn head_in(row: Option<&Row>, key: &Key) -> Result<Position> {
    Mark::Head.read(key, row.ok_or_else(|| broken("is missing"))?)
}

/// Where the key of the chain is kept.
pub(super) const KEY_PLACE: Place<'_> = Place { table: "secrets", row: "audit", person: "", kind: "key" };

/// The key that is kept in a database. None: it was never opened.
pub(super) async fn kept_key(source: impl Source, keyring: &Keyring) -> Result<Option<Key>> {
    let sealed = Query::new("SELECT sealed FROM secrets WHERE name = 'audit'").fetch_optional(source).await?;
    let Some(sealed) = sealed else { return Ok(None) };
    Ok(Some(Key::new(&keyring.open(KEY_PLACE, sealed.text(0)?)?)))
}

/// After which entry the chain begins: the last one that was removed, if any was.
pub(super) async fn anchor(source: impl Source, key: &Key) -> Result<Position> {
    let row = row_of(Mark::Anchor, source).await?;
    row.map_or_else(|| Ok(Position::default()), |row| Mark::Anchor.read(key, &row))
}

/// Adds a statement that writes the anchor.
pub(super) fn write_anchor(key: &Key, at: &Position, script: &mut Script) {
    Mark::Anchor.write(key, at, script);
}

/// The writer's view of the chain.
pub(super) struct Chain {
    key: Key,
    /// With what the open transaction has added.
    now: Position,
    /// As the head row has it.
    stored: Position,
    /// Whom the entries are about that it has added.
    added: Added,
    /// At the last commit; shared with those who verify.
    kept: Arc<Mutex<Kept>>,
    /// Whom the entries before it are about; shared with whoever writes that down.
    recent: Arc<Mutex<Recent>>,
}

impl Chain {
    /// At the start, in the caller's transaction. A `fresh` database gets its head; any other has one.
    pub(super) async fn load(connection: &mut Connection, key: Key, fresh: bool) -> Result<Self> {
        let start = Position::default();
        let mut chain = Self {
            key,
            now: start,
            stored: start,
            added: Added::default(),
            kept: Arc::default(),
            recent: Arc::default(),
        };
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
        self.added.clear();
        self.stored = head_in(row, &self.key)?;
        let kept = self.kept().at;
        if self.stored != kept {
            self.recent().broken();
        }
        if self.stored.seq <= kept.seq {
            self.now = kept;
            return Ok(());
        }
        self.now = self.stored;
        let (Some(row), 1..) = (row, kept.seq) else { return Ok(()) };
        let there = match row.optional_text(3)? {
            Some(link) => link == kept.link.as_str(),
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
        let mut record = placeless(entry);
        let Position { seq, link } = self.place(&Entry::from(&record));
        (record.seq, record.link) = (seq, link.as_str().to_owned());
        record
    }

    /// The number and link of the next entry; the chain moves on to it.
    pub(super) fn place(&mut self, entry: &Entry<'_>) -> Position {
        let seq = self.now.seq.saturating_add(1);
        let link = self.key.link_of(&self.now.link, seq, entry);
        self.now = Position { seq, link };
        self.added.push(entry.subject, &self.now);
        self.now
    }

    /// Where it stands, for [`Self::return_to`].
    pub(super) const fn position(&self) -> Position {
        self.now
    }

    /// Takes back what a job has added.
    pub(super) fn return_to(&mut self, at: Position) {
        self.added.take_back(self.now.seq - at.seq, self.now.seq);
        self.now = at;
    }

    /// Whether the open transaction has added something.
    pub(super) fn has_moved(&self) -> bool {
        self.now != self.stored
    }

    /// After a commit.
    pub(super) fn committed(&mut self) {
        self.stored = self.now;
        self.kept().at = self.now;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.take(&mut self.added, self.now.seq);
    }

    /// Where the chain ended at the last commit of this process, and whom its entries of late are about.
    pub(super) fn shared(&self) -> (Arc<Mutex<Kept>>, Arc<Mutex<Recent>>) {
        (self.kept.clone(), self.recent.clone())
    }

    /// Adds a statement that writes where the chain ends.
    pub(super) fn write_head(&self, script: &mut Script) {
        Mark::Head.write(&self.key, &self.now, script);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An entry that has no place in the chain yet.
fn placeless(entry: AuditEntry) -> AuditRecord {
    let AuditEntry { at, actor, action, person, subject, outcome, detail, request } = entry;
    AuditRecord {
        seq: 0,
        at,
        actor: without_nul(actor),
        action: action.into(),
        person: person.map(PersonId::text),
        subject: without_nul(subject),
        outcome: outcome.into(),
        detail: match detail {
            Cow::Owned(detail) => without_nul(detail).into(),
            ours => ours,
        },
        request: without_nul(request),
        link: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by the version that was first in service.
    #[test]
    fn links_and_marks_are_those_of_databases_that_are_there() {
        let key = Key::new(&Secret::new((0..32).collect()));
        let mut record = AuditRecord {
            seq: 41,
            at: Timestamp::from_millis(1_700_000_000_123),
            actor: "radius:vpn".into(),
            action: "login".into(),
            person: Some("0190f5c2-1234-7abc-8def-0123456789ab".into()),
            subject: "jürgen".into(),
            outcome: "accept".into(),
            detail: "password".into(),
            request: "r1".into(),
            link: String::new(),
        };
        let first = key.link(&Link::default(), &record);
        assert_eq!(first.as_str(), "801cfe46afc944d34b6d55a6aede6af9e5b544e8908b0895b5670058a3967a2e");
        (record.seq, record.person, record.detail) = (42, None, "".into());
        let second = key.link(&first, &record);
        assert_eq!(second.as_str(), "ef404f5e78d5c223aa3e6713182b83b7444295e36751acc5854ae3def7e89cb3");
        record.person = Some(String::new());
        let third = key.link(&second, &record);
        assert_eq!(third.as_str(), "b1669961d6f4686d45be2b4ecff698ac7cd486bd29acb21cd42f8f175a5f98b8");

        let mark = |mark: Mark, at| Link::of(mark.mac(&key, &at)).as_str().to_owned();
        let at = Position { seq: 42, link: second };
        assert_eq!(mark(Mark::Head, at), "9694149239b8f51539619e0f4e430f7ed92d9db4bc4f69fe31a365c0393bc676");
        assert_eq!(
            mark(Mark::Anchor, at),
            "2112ac83b3c0167556be6803c44bb72bfc997245a6518533f1fc5d5117ab9b51"
        );
        let start = Position::default();
        assert_eq!(
            mark(Mark::Head, start),
            "01e7f907b23032e0b74a0ca6b655826a79cf21b380a2b66d6f768aaec278fad9"
        );
    }
}
