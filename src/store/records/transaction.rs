//! The open transaction of the writing connection, and how a batch becomes one.
//!
//! SQLite lets one write at a time. On PostgreSQL the row that says where the audit chain ends is locked first, which puts
//! the transactions of all nodes one after the other: there is one chain.

use super::accounts::{Accounts, Change};
use super::audit;
use super::batch::{Batch, Ran};
use super::chain::{Chain, Position};
use super::connection::{Connection, Row};
use super::counters::Shared;
use super::notes::{Bundle, Notes};
use super::query::{Query, Script};
use super::rounds::{self, Reads};
use crate::domain::person::PersonId;
use crate::store::{Result, StoreError};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// Accounts and counters that are kept in memory.
pub(super) type Memory = (Arc<Accounts>, Arc<Shared>);

/// Notes that are written before others have a turn on the core: a fifth of a millisecond or so.
const PART: usize = 64;

/// What a job works with: the connection inside a transaction, and the end of the audit chain.
pub(super) struct Transaction {
    pub(super) connection: Connection,
    pub(super) chain: Chain,
    /// Directories that this connection has the lock of.
    led: BTreeSet<String>,
    accounts: Arc<Accounts>,
    pub(super) counters: Arc<Shared>,
    /// What comes meanwhile and is not waited for.
    notes: Arc<Notes>,
    changes: Vec<Change>,
    /// Whether the jobs have surely changed the file, also where the audit trail does not say so.
    wrote: bool,
    /// What `data_version` said when memory was brought up to date; none: it must be.
    version: Option<i64>,
    /// Whether a batch of ours was lost since.
    lost: bool,
}

impl Transaction {
    pub(super) fn new(
        connection: Connection,
        chain: Chain,
        (accounts, counters): Memory,
        notes: Arc<Notes>,
    ) -> Self {
        let (led, changes) = (BTreeSet::new(), Vec::new());
        let (wrote, version, lost) = (false, None, false);
        Self { connection, chain, led, accounts, counters, notes, changes, wrote, version, lost }
    }

    /// Goes on with another connection. Dropping the old one closes it and takes back what it had open.
    pub(super) fn replace(&mut self, connection: Connection) {
        self.led.clear();
        self.connection = connection;
    }

    /// Takes the lead of a directory if nobody has it; whether it is ours. It ends with the connection: a node that lost its
    /// own cannot write any more what it has read.
    pub(super) async fn lead(&mut self, directory: &str) -> Result<bool> {
        if self.leads(directory) {
            return Ok(true);
        }
        let key = super::postgres::lock_key(&format!("directory {directory}"));
        let query = Query::new("SELECT CASE WHEN pg_try_advisory_lock($1) THEN CAST(1 AS BIGINT) ELSE 0 END");
        let ours = query.bind(key).fetch_one(&mut self.connection).await?.number(0)? == 1;
        if ours {
            self.led.insert(directory.to_owned());
        }
        Ok(ours)
    }

    /// Whether only we write what is in a directory. One process owns a file.
    pub(super) fn leads(&self, directory: &str) -> bool {
        !self.connection.is_postgres() || self.led.contains(directory)
    }

    /// Names a change of a person, which reaches the accounts in memory with the commit.
    pub(super) fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Says that a job has changed the file. One that does so often, without an entry in the trail, should: else memory is
    /// not trusted after it.
    pub(super) const fn wrote(&mut self) {
        self.wrote = true;
    }
}

/// A batch of which nothing was kept.
pub(super) enum Lost {
    /// The transaction could not be opened.
    AtBegin(String),
    /// It failed later.
    Later(String),
}

impl Transaction {
    /// All of a batch in one durable commit; `Err` says why nothing of it was kept.
    pub(super) async fn commit(&mut self, batch: &mut Batch) -> Result<(), Lost> {
        let reads = Reads::of(&batch.rounds, !self.connection.is_postgres());
        // Without jobs before them, what the rounds need to know is asked at once.
        let early = batch.jobs.is_empty();
        let rows = self.begin(early.then_some(&reads)).await;
        let rows = rows.map_err(|error| Lost::AtBegin(reason(error)))?;
        let later = async {
            self.jobs(batch).await?;
            self.clear_counters();
            let gives_way = batch.is_unawaited();
            self.write_notes(&batch.notes, gives_way).map_err(reason)?;
            if batch.rounds.is_empty() {
                return self.end(Script::default(), false).await;
            }
            let rows = if early { rows } else { self.ask(&reads).await.map_err(reason)? };
            let mut written = None;
            let rounds = async {
                match rounds::run(self, &mut batch.rounds, &reads, &rows).await {
                    Ok(left) => {
                        written = Some(left);
                        Ran::Done
                    }
                    Err(error) => Ran::Broken(reason(error)),
                }
            };
            match (unpanicked(Box::pin(rounds)).await, written) {
                (Ran::Done, Some(written)) => self.end(written.script, written.surely).await,
                (Ran::Broken(why), _) => Err(why),
                _ => Err("the rounds were not run".to_owned()),
            }
        };
        later.await.map_err(Lost::Later)?;
        self.committed();
        Ok(())
    }

    /// Begins, with questions. If another process has written since the last time, or that cannot be told, memory is
    /// brought up to date.
    async fn begin(&mut self, reads: Option<&Reads>) -> Result<Vec<Row>> {
        if let Connection::Postgres(session) = &mut self.connection {
            // In one text, so in one go.
            let head = session.plain(format!("BEGIN; {} FOR UPDATE OF h", self.chain.question())).await?;
            self.chain.recall_from(head.first())?;
            return match reads {
                Some(reads) => self.ask(reads).await,
                None => Ok(Vec::new()),
            };
        }
        let mut script = Script::default();
        script.statement("BEGIN IMMEDIATE");
        script.statement("PRAGMA data_version");
        if let Some(reads) = reads {
            reads.ask(&mut script);
        }
        let mut rows = script.fetch(&mut self.connection).await?.into_iter();
        let version = rows.next().and_then(|row| row.number(0).ok());
        if version.is_none() || self.version != version {
            self.version = None;
            self.accounts.empty();
            self.chain.recall(&mut self.connection).await?;
            let counters = "SELECT person, counter, failures, blocked_until FROM counters WHERE person <> ''";
            let counters = Query::new(counters).fetch_all(&mut self.connection).await?;
            self.counters.load(&counters, std::mem::take(&mut self.lost))?;
            self.version = version;
        }
        self.accounts.witness.begun();
        Ok(rows.collect())
    }

    async fn ask(&mut self, reads: &Reads) -> Result<Vec<Row>> {
        let mut script = Script::default();
        reads.ask(&mut script);
        if script.is_empty() { Ok(Vec::new()) } else { script.fetch(&mut self.connection).await }
    }

    /// Runs the jobs, each in a savepoint.
    async fn jobs(&mut self, batch: &mut Batch) -> Result<(), String> {
        for job in &mut batch.jobs {
            let (before, changes, wrote) = (self.chain.position(), self.changes.len(), self.wrote);
            self.execute("SAVEPOINT job").await?;
            match unpanicked(job.run(self)).await {
                Ran::Done => self.execute("RELEASE job").await?,
                Ran::Refused => {
                    self.execute("ROLLBACK TO job").await?;
                    self.execute("RELEASE job").await?;
                    self.chain.return_to(before);
                    self.changes.truncate(changes);
                    self.wrote = wrote;
                }
                Ran::Broken(why) => return Err(why),
            }
        }
        Ok(())
    }

    /// Gives notes their places in the chain and writes them. Where nobody waits for this batch it gives way now and then: on few cores,
    /// those who serve logins would stand still for as long as it takes.
    fn write_notes(&mut self, notes: &Bundle, gives_way: bool) -> Result<()> {
        let Connection::Sqlite(lite) = &self.connection else { return Ok(()) };
        if notes.is_empty() {
            return Ok(());
        }
        let mut insert = audit::Insert::prepare(lite)?;
        notes.each(|at, entry| {
            let Position { seq, link } = self.chain.place(entry);
            insert.run(seq, link.as_str(), entry)?;
            if gives_way && (at + 1).is_multiple_of(PART) && !self.notes.pile_up() {
                std::thread::yield_now();
            }
            Ok(())
        })
    }

    /// Runs what is left, writes where the chain ends, and commits. `surely`: the file changes by what is left.
    async fn end(&mut self, mut script: Script, surely: bool) -> Result<(), String> {
        if !surely && !self.wrote && !self.chain.has_moved() {
            // Perhaps nothing was written, and SQLite does not count such a commit.
            self.accounts.witness.distrust();
        }
        if self.chain.has_moved() || !self.connection.is_postgres() {
            self.chain.write_head(&mut script);
        }
        let done = if self.connection.is_postgres() {
            match script.execute(&mut self.connection).await {
                Ok(()) => self.connection.commit().await,
                failed => failed,
            }
        } else {
            script.statement("COMMIT");
            script.execute(&mut self.connection).await
        };
        done.map_err(|error| reason(audit::taken(error)))
    }

    /// After a commit, before anybody is answered.
    fn committed(&mut self) {
        self.chain.committed();
        self.accounts.apply(&self.changes);
        if self.changes.iter().any(|change| matches!(change, Change::Cleared(..))) {
            self.counters.ended();
        }
        self.changes.clear();
        self.wrote = false;
    }

    /// The accounts in memory, for what is asked about a person whom no job of this batch has changed: before the commit,
    /// memory may hold, or be given by a reader, what the job has changed already.
    pub(super) fn accounts_of(&self, person: PersonId) -> Option<&Accounts> {
        let changed = self.changes.iter().any(|change| change.person() == person);
        (!changed).then_some(&*self.accounts)
    }

    /// What the jobs have deleted counts for the rounds that follow; for attempts that come meanwhile, after the commit. A batch that
    /// is lost reads all of it again.
    fn clear_counters(&self) {
        for change in &self.changes {
            if let Change::Cleared(person, counter) = change {
                self.counters.deleted(*person, *counter);
            }
        }
    }

    /// Nothing was kept, or so it seems: what is in memory is read again. Whether the connection is without a
    /// transaction now.
    pub(super) async fn lost(&mut self) -> bool {
        self.accounts.witness.distrust();
        self.counters.ended();
        self.changes.clear();
        self.wrote = false;
        self.version = None;
        self.lost = true;
        self.connection.rolled_back().await
    }

    async fn execute(&mut self, sql: &'static str) -> Result<(), String> {
        Query::new(sql).execute(&mut self.connection).await.map(drop).map_err(reason)
    }
}

/// A job that panics fails its batch; the writer goes on.
async fn unpanicked(mut work: Pin<Box<dyn Future<Output = Ran> + Send + '_>>) -> Ran {
    std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Ran::Broken("a mistake in the program ended a write".into())))
    })
    .await
}

pub(super) fn reason(error: StoreError) -> String {
    match error {
        StoreError::Unavailable(why) => why,
        other => other.to_string(),
    }
}
