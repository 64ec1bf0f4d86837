//! The one connection that writes. Jobs that wait together are committed together (group commit): the cost of a
//! durable commit is shared by all of them, and no job is answered before its commit.
//!
//! Steps of login rounds are taken together in a few statements ([`super::rounds`]), after all other jobs, each of
//! which has a savepoint. A job that fails for a reason of its own (a name that is taken) is rolled back alone;
//! anything that concerns the file (locked, full, corrupt) fails the whole batch, and nothing of it is kept. If not even
//! `BEGIN` was possible, those who came meanwhile fail with it, so that nobody waits for a lock twice. A connection
//! that is in doubt is replaced before the next batch.

use super::accounts::{Accounts, Change};
use super::chain::Chain;
use super::failure;
use super::rounds::{self, Round};
use crate::store::{Result, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// What a job does.
pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'c>>;

/// Jobs that may wait; more are refused at once.
const QUEUE: usize = 4096;
/// Jobs in one commit at most.
const BATCH: usize = 256;

/// What a job works with: the connection inside a transaction, and the end of the audit chain.
pub(super) struct Transaction {
    pub(super) connection: SqliteConnection,
    pub(super) chain: Chain,
    accounts: Arc<Accounts>,
    changes: Vec<Change>,
    /// What `data_version` said when memory was brought up to date; none: it must be.
    version: Option<i64>,
}

impl Transaction {
    /// Names a change of a person, which reaches the accounts in memory with the commit.
    pub(super) fn change(&mut self, change: Change) {
        self.changes.push(change);
    }
}

/// What a job came to, and who waits for it.
pub(super) struct Answer<T> {
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T> Answer<T> {
    /// Keeps it until the commit.
    pub(super) fn set(&mut self, result: Result<T>) {
        self.result = Some(result);
    }

    /// Sends it; `failed` says why there was no commit.
    pub(super) fn send(self, failed: Option<&str>) {
        let result = match (failed, self.result) {
            (None, Some(result)) => result,
            // Also where it had failed for a reason of its own: that may lie in what was now taken back.
            (why, _) => Err(StoreError::Unavailable(why.unwrap_or("the job was not run").to_owned())),
        };
        // A caller that has gone away does not want to know.
        let _ = self.reply.send(result);
    }
}

trait Job: Send {
    fn run<'c>(
        &'c mut self,
        transaction: &'c mut Transaction,
    ) -> Pin<Box<dyn Future<Output = Ran> + Send + 'c>>;
    fn finish(self: Box<Self>, failed: Option<&str>);
}

enum Ran {
    Done,
    /// Failed for a reason of its own.
    Refused,
    /// The file or connection has a problem.
    Broken(String),
}

struct Typed<T, F> {
    work: Option<F>,
    answer: Answer<T>,
}

impl<T, F> Job for Typed<T, F>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut Transaction) -> Work<'c, T> + Send,
{
    fn run<'c>(
        &'c mut self,
        transaction: &'c mut Transaction,
    ) -> Pin<Box<dyn Future<Output = Ran> + Send + 'c>> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return Ran::Refused };
            match work(transaction).await {
                Err(StoreError::Unavailable(why)) => Ran::Broken(why),
                result => {
                    let ran = if result.is_ok() { Ran::Done } else { Ran::Refused };
                    self.answer.set(result);
                    ran
                }
            }
        })
    }

    fn finish(self: Box<Self>, failed: Option<&str>) {
        self.answer.send(failed);
    }
}

/// What waits.
enum Waiting {
    Job(Box<dyn Job>),
    Round(Round),
}

/// What is committed together.
#[derive(Default)]
struct Batch {
    jobs: Vec<Box<dyn Job>>,
    rounds: Vec<Round>,
}

impl Batch {
    fn add(&mut self, waiting: Waiting) {
        match waiting {
            Waiting::Job(job) => self.jobs.push(job),
            Waiting::Round(round) => self.rounds.push(round),
        }
    }

    fn finish(&mut self, failed: Option<&str>) {
        self.jobs.drain(..).for_each(|job| job.finish(failed));
        self.rounds.drain(..).for_each(|round| round.finish(failed));
    }
}

/// Hands jobs to the writing task.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Waiting>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Takes over the connection; `options` make the next one, should it break.
    pub(super) fn start(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        chain: Chain,
        accounts: Arc<Accounts>,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let transaction = Transaction { connection, chain, accounts, changes: Vec::new(), version: None };
        let task = tokio::spawn(write(transaction, options, receiver));
        Self { queue: Mutex::new(Some(sender)), task: Mutex::new(Some(task)) }
    }

    /// Runs a job and waits for its commit.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Transaction) -> Work<'c, T> + Send + 'static,
    {
        self.wait(|answer| Waiting::Job(Box::new(Typed { work: Some(work), answer }))).await
    }

    /// Takes a step of a login round and waits for its commit.
    pub(super) async fn round<T>(&self, round: impl FnOnce(Answer<T>) -> Round) -> Result<T> {
        self.wait(|answer| Waiting::Round(round(answer))).await
    }

    async fn wait<T>(&self, waiting: impl FnOnce(Answer<T>) -> Waiting) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let closed = || StoreError::Unavailable("it is being closed".into());
        let queue = self.queue.lock().ok().and_then(|queue| queue.clone()).ok_or_else(closed)?;
        queue.try_send(waiting(Answer { result: None, reply })).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                StoreError::Unavailable("more writes are waiting than the disk can take".into())
            }
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        drop(queue);
        answer.await.map_err(|_| closed())?
    }

    /// Finishes what is queued, then closes the connection.
    pub(super) async fn close(&self) {
        drop(self.queue.lock().ok().and_then(|mut queue| queue.take()));
        let task = self.task.lock().ok().and_then(|mut task| task.take());
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

/// A batch of which nothing was kept.
enum Lost {
    /// The transaction could not be opened.
    AtBegin(String),
    /// It failed later.
    Later(String),
}

async fn write(
    mut transaction: Transaction,
    options: SqliteConnectOptions,
    mut queue: mpsc::Receiver<Waiting>,
) {
    let mut waiting = Vec::with_capacity(BATCH);
    let mut batch = Batch::default();
    let mut fit = true;
    while queue.recv_many(&mut waiting, BATCH).await > 0 {
        waiting.drain(..).for_each(|waiting| batch.add(waiting));
        if !fit && let Ok(connection) = options.connect().await {
            // Dropping the old one closes it and takes back what it had open.
            transaction.connection = connection;
        }
        let failed = match commit(&mut transaction, &mut batch).await {
            Ok(()) => {
                transaction.committed();
                fit = true;
                None
            }
            Err(lost) => {
                transaction.lost();
                let free = rolled_back(&mut transaction.connection).await;
                // What failed halfway is not trusted again; where only BEGIN failed, opening another connection
                // would wait for the same lock.
                fit = free && matches!(lost, Lost::AtBegin(_));
                Some(match lost {
                    Lost::AtBegin(why) => {
                        while let Ok(waiting) = queue.try_recv() {
                            batch.add(waiting);
                        }
                        why
                    }
                    Lost::Later(why) => why,
                })
            }
        };
        batch.finish(failed.as_deref());
    }
    // Tidies up only: what was answered is durable in the log already.
    let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut transaction.connection).await;
    let _ = transaction.connection.close().await;
}

impl Transaction {
    /// Begins. If another process has written since the last time, or that cannot be told, memory is brought up to
    /// date.
    async fn begin(&mut self) -> Result<(), StoreError> {
        let begin = sqlx::query("BEGIN IMMEDIATE; PRAGMA data_version");
        let rows = begin.fetch_all(&mut self.connection).await.map_err(failure)?;
        let version = rows.last().and_then(|row| row.try_get(0).ok());
        if version.is_none() || self.version != version {
            self.version = None;
            self.accounts.empty();
            self.chain.recall(&mut self.connection).await?;
            self.version = version;
        }
        self.accounts.witness.begun();
        Ok(())
    }

    /// After a commit, before anybody is answered.
    fn committed(&mut self) {
        self.chain.committed();
        self.accounts.witness.committed();
        self.accounts.apply(&self.changes);
        self.changes.clear();
    }

    /// Nothing was kept, or so it seems: what is in memory is read again.
    fn lost(&mut self) {
        self.accounts.witness.distrust();
        self.changes.clear();
        self.version = None;
    }
}

/// All jobs in one durable transaction; `Err` says why none of them was kept.
async fn commit(transaction: &mut Transaction, batch: &mut Batch) -> Result<(), Lost> {
    transaction.begin().await.map_err(|error| Lost::AtBegin(reason(error)))?;
    fill(transaction, batch).await.map_err(Lost::Later)
}

async fn fill(transaction: &mut Transaction, batch: &mut Batch) -> Result<(), String> {
    for job in &mut batch.jobs {
        let before = transaction.chain.position();
        execute(transaction, "SAVEPOINT job").await?;
        match unpanicked(job.run(transaction)).await {
            Ran::Done => execute(transaction, "RELEASE job").await?,
            Ran::Refused => {
                execute(transaction, "ROLLBACK TO job").await?;
                execute(transaction, "RELEASE job").await?;
                transaction.chain.return_to(before);
            }
            Ran::Broken(why) => return Err(why),
        }
    }
    let mut wrote = false;
    if !batch.rounds.is_empty() {
        let rounds = async {
            match rounds::run(transaction, &mut batch.rounds).await {
                Ok(taken) => {
                    wrote = taken;
                    Ran::Done
                }
                Err(error) => Ran::Broken(reason(error)),
            }
        };
        if let Ran::Broken(why) = unpanicked(Box::pin(rounds)).await {
            return Err(why);
        }
    }
    let Transaction { connection, chain, accounts, .. } = transaction;
    if !wrote && !chain.has_moved() {
        // Perhaps nothing was written, and SQLite does not count such a commit.
        accounts.witness.distrust();
    }
    chain.write_head(connection).await.map_err(reason)?;
    execute(transaction, "COMMIT").await
}

/// A job that panics fails its batch; the writer goes on.
async fn unpanicked(mut work: Pin<Box<dyn Future<Output = Ran> + Send + '_>>) -> Ran {
    std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Ran::Broken("a mistake in the program ended a write".into())))
    })
    .await
}

/// Ends the transaction; whether the connection is without one now.
async fn rolled_back(connection: &mut SqliteConnection) -> bool {
    match sqlx::query("ROLLBACK").execute(connection).await {
        Ok(_) => true,
        // SQLite does it by itself when the disk is full, and where BEGIN failed there is nothing to roll back.
        Err(sqlx::Error::Database(error)) => error.message().contains("no transaction is active"),
        Err(_) => false,
    }
}

async fn execute(transaction: &mut Transaction, sql: &'static str) -> Result<(), String> {
    let done = sqlx::query(sql).execute(&mut transaction.connection).await;
    done.map(drop).map_err(|error| reason(failure(error)))
}

fn reason(error: StoreError) -> String {
    match error {
        StoreError::Unavailable(why) => why,
        other => other.to_string(),
    }
}
