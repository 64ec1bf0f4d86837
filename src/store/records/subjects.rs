//! Which entries of the audit trail are about whom.
//!
//! An index of the database would make each entry write to some page in the midst of it, which costs more than the entry. So
//! the trail is cut into parts by number, and once a part is complete, what is in it is written down, off the way of the
//! logins ([`super::upkeep`]), and without reading it where this process has just added all of it ([`super::recent`]).
//! [`super::search`] reads what was written down: a subject's digest says in which of a part's rows its entries are, so it is one small
//! row of each part. What is found is compared with the entry itself: digests that are the same by chance do no harm, nor do
//! entries that are gone. A part that is not written down is read whole.
//!
//! ```text
//!   digest: first 24 bits of SHA-256    bucket (6) | mark (18)
//!   place: 32 bits                                   mark (18) | seq within the part (14)
//! ```
//!
//! Nothing here is under a key. Who can write to the database can hide an entry from the search, but not from a list of
//! all, and `verify` compares.

use super::connection::Connection;
use super::pool::Pool;
use super::query::{Query, Script, Value};
use super::{Records, chain};
use crate::store::{AuditRecord, Result};
use data_encoding::BASE64_NOPAD;
use sha2::{Digest as _, Sha256};
use std::sync::PoisonError;

/// Bits of a number that count within a part. Tests are to see many parts.
const WITHIN: u32 = if cfg!(test) { 8 } else { 14 };
/// Entries of a part.
pub(super) const PART: i64 = 1 << WITHIN;
/// Rows of a part.
const BUCKETS: u32 = 64;
/// A part is read in so many pieces.
const PAGES: i64 = 16;
/// Rows in one statement.
const ROWS: usize = 16;

/// The part that an entry is in.
pub(super) const fn part_of(seq: i64) -> i64 {
    seq >> WITHIN
}

/// The first and the last number of a part.
pub(super) const fn numbers(part: i64) -> (i64, i64) {
    let first = part.saturating_mul(PART);
    (first, first.saturating_add(PART - 1))
}

/// What of a subject's digest is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest(u32);

impl Digest {
    pub(super) fn of(subject: &str) -> Self {
        let [a, b, c, ..] = <[u8; 32]>::from(Sha256::digest(subject));
        Self(u32::from_be_bytes([a, b, c, 0]))
    }

    /// Where a place has it.
    const fn mark(self) -> u32 {
        self.0 << 6
    }

    /// The row of each part that tells of it.
    pub(super) fn bucket(self) -> i64 {
        i64::from(self.0 >> 26)
    }

    /// The entries, in their order, that a row of a part names. None: the row is not as it was written.
    pub(super) fn entries(self, part: i64, places: &str) -> Option<Vec<i64>> {
        let ours = read(places)?.into_iter().filter(|place| place & !MASK == self.mark());
        Some(ours.map(|place| seq(part, place)).collect())
    }
}

/// The bits of a place that count within a part.
const MASK: u32 = (1 << WITHIN) - 1;

fn seq(part: i64, place: u32) -> i64 {
    numbers(part).0.saturating_add((place & MASK).into())
}

fn read(places: &str) -> Option<Vec<u32>> {
    let bytes = BASE64_NOPAD.decode(places.as_bytes()).ok()?;
    let (places, []) = bytes.as_chunks() else { return None };
    Some(places.iter().map(|place| u32::from_be_bytes(*place)).collect())
}

/// What is written down of a part.
struct Part {
    number: i64,
    /// Places of each bucket.
    buckets: Vec<Vec<u32>>,
}

impl Part {
    fn new(number: i64) -> Self {
        Self { number, buckets: vec![Vec::new(); BUCKETS as usize] }
    }

    fn add(&mut self, seq: i64, digest: Digest) {
        // Less than the mask.
        let within = u32::try_from(seq & i64::from(MASK)).unwrap_or_default();
        let bucket = usize::try_from(digest.bucket()).unwrap_or_default();
        if let Some(places) = self.buckets.get_mut(bucket) {
            places.push(digest.mark() | within);
        }
    }

    fn sorted(mut self) -> Self {
        self.buckets.iter_mut().for_each(|places| places.sort_unstable());
        self
    }

    /// Writes all its rows, unless another node has done so.
    async fn write(self, connection: &mut Connection) -> Result<()> {
        let number = self.number;
        let row = |(bucket, places): (u32, Vec<u32>)| {
            let bytes: Vec<u8> = places.into_iter().flat_map(u32::to_be_bytes).collect();
            [i64::from(bucket).into(), number.into(), Value::Text(Some(BASE64_NOPAD.encode(&bytes)))]
        };
        let mut rows = (0..).zip(self.sorted().buckets).map(row);
        let mut script = Script::default();
        for _ in 0..BUCKETS as usize / ROWS {
            script.statement("INSERT INTO audit_subjects (bucket, part, places) VALUES ");
            script.rows(rows.by_ref().take(ROWS), ROWS, &[0_i64.into(), number.into(), "".into()]);
            script.add(" ON CONFLICT (bucket, part) DO NOTHING");
        }
        script.execute(connection).await
    }
}

/// All buckets of a part, as the primary key has them.
fn of_part(statement: &str, condition: &str) -> Query {
    let buckets: Vec<_> = (0..BUCKETS).map(|bucket| bucket.to_string()).collect();
    Query::new(format!(
        "{statement} FROM audit_subjects WHERE bucket IN ({}) AND {condition}",
        buckets.join(", ")
    ))
}

/// Removes the rows of parts that are before the one of this entry.
pub(super) async fn forget(connection: &mut Connection, before: i64) -> Result<()> {
    of_part("DELETE", "part < $1").bind(part_of(before)).execute(connection).await.map(drop)
}

impl Records {
    /// Writes down the next part, if it is complete; whether one was.
    pub(super) async fn next_part(&self) -> Result<bool> {
        let readers = &self.0.readers;
        let done = Query::new("SELECT max(part) FROM audit_subjects WHERE bucket = 0");
        let done = done.fetch_one(readers).await?.optional_number(0)?;
        let next = done.map_or(0, |done| done.saturating_add(1)).max(0);
        let ours = self.0.recent.lock().unwrap_or_else(PoisonError::into_inner).part(next);
        let (part, end, link) = match ours {
            Some(whole) => {
                let mut part = Part::new(next);
                whole.entries().for_each(|(seq, digest)| part.add(seq, digest));
                (part, numbers(next).1, whole.end.as_str().to_owned())
            }
            None => match self.read_part(next).await? {
                Some(read) => read,
                None => return Ok(false),
            },
        };
        let write = self.write(move |transaction| {
            Box::pin(async move {
                // A link stands for all before it: a part that was removed meanwhile, or lost in a failover and written
                // anew, is another.
                let same =
                    Query::new("SELECT seq FROM audit WHERE seq = $1 AND link = $2").bind(end).bind(link);
                let same = same.fetch_optional(&mut transaction.connection).await?.is_some();
                if same {
                    part.write(&mut transaction.connection).await?;
                }
                Ok(same)
            })
        });
        write.await
    }

    /// The first part from this one on that has entries, if it is complete, with number and link of its last.
    async fn read_part(&self, from: i64) -> Result<Option<(Part, i64, String)>> {
        let readers = &self.0.readers;
        let next =
            Query::new("SELECT seq FROM audit WHERE seq >= $1 ORDER BY seq LIMIT 1").bind(numbers(from).0);
        let Some(next) = next.fetch_optional(readers).await? else { return Ok(None) };
        let mut part = Part::new(part_of(next.number(0)?));
        let (first, last) = numbers(part.number);
        // Not the last row that happens to be there: what is to come must not be missing.
        if chain::head(readers, &self.0.audit_key).await?.seq < last {
            return Ok(None);
        }
        let end =
            Query::new("SELECT seq, link FROM audit WHERE seq <= $1 ORDER BY seq DESC LIMIT 1").bind(last);
        let Some(end) = end.fetch_optional(readers).await? else { return Ok(None) };
        let (end, link) = (end.number(0)?, end.text(1)?.to_owned());
        for some in 0..PAGES {
            let from = first + some * (PART / PAGES);
            let rows = Query::new("SELECT seq, subject FROM audit WHERE seq >= $1 AND seq < $2");
            for row in rows.bind(from).bind(from + PART / PAGES).fetch_all(readers).await? {
                part.add(row.number(0)?, Digest::of(row.text(1)?));
            }
        }
        Ok(Some((part, end, link)))
    }
}

/// Compares what is written down with the entries, while these are read in their order.
pub(super) struct Check<'a> {
    readers: &'a Pool,
    part: Part,
    /// The numbers before the first entry, and of the last so far.
    anchor: i64,
    last: i64,
    /// The first part that is not right.
    broken: Option<(i64, String)>,
}

impl<'a> Check<'a> {
    /// Of those after this number.
    pub(super) fn new(readers: &'a Pool, anchor: i64) -> Self {
        Self { readers, part: Part::new(i64::MIN), anchor, last: anchor, broken: None }
    }

    pub(super) async fn add(&mut self, entry: &AuditRecord) -> Result<()> {
        if part_of(entry.seq) != self.part.number {
            self.compare(part_of(entry.seq)).await?;
        }
        self.part.add(entry.seq, Digest::of(&entry.subject));
        self.last = entry.seq;
        Ok(())
    }

    /// What is wrong, if anything is.
    pub(super) async fn end(mut self) -> Result<Option<(i64, String)>> {
        self.compare(i64::MAX).await?;
        Ok(self.broken)
    }

    /// Compares the part that was read, and goes on with another.
    async fn compare(&mut self, next: i64) -> Result<()> {
        let part = std::mem::replace(&mut self.part, Part::new(next)).sorted();
        let rows = of_part("SELECT bucket, places", "part = $1 ORDER BY bucket").bind(part.number);
        let rows = rows.fetch_all(self.readers).await?;
        // One that is not complete yet may become so while it is read; of one that is going, the first entries are not there.
        let there = |place: &u32| (self.anchor + 1..=self.last).contains(&seq(part.number, *place));
        let mut whole = rows.len() == part.buckets.len();
        for ((row, places), bucket) in rows.iter().zip(&part.buckets).zip(0..) {
            let written = read(row.text(1)?).map(|written| written.into_iter().filter(there));
            whole &=
                row.number(0)? == bucket && written.is_some_and(|written| written.eq(places.iter().copied()));
        }
        if !rows.is_empty() && !whole && self.broken.is_none() {
            let why = "what is written down for searches by subject is not what the entries from here on say; delete all rows \
                       of the table audit_subjects, and it is written anew";
            self.broken = Some((numbers(part.number).0.max(self.anchor + 1), why.to_owned()));
        }
        Ok(())
    }
}
