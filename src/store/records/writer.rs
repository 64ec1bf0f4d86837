//! The one connection that writes. Jobs that wait together are committed together (group commit): the cost of a
//! durable commit is shared by all of them, and no job is answered before its commit.
//!
//! A job that fails for a reason of its own (a name that is taken) is rolled back alone; anything that concerns
//! the file (locked, full, corrupt) fails the whole batch, and nothing of it is kept. If not even `BEGIN` was
//! possible, those who came meanwhile fail with it, so that nobody waits for a lock twice. A connection that is
//! in doubt is replaced before the next batch.

use super::chain::Chain;
use super::failure;
use crate::store::{Result, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Mutex;
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
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
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
                Ok(value) => {
                    self.result = Some(Ok(value));
                    Ran::Done
                }
                Err(StoreError::Unavailable(why)) => Ran::Broken(why),
                Err(own) => {
                    self.result = Some(Err(own));
                    Ran::Refused
                }
            }
        })
    }

    fn finish(self: Box<Self>, failed: Option<&str>) {
        let Typed { result, reply, .. } = *self;
        let result = match (failed, result) {
            (None, Some(result)) => result,
            // Also where it had failed for a reason of its own: that may lie in what was now taken back.
            (why, _) => Err(StoreError::Unavailable(why.unwrap_or("the job was not run").to_owned())),
        };
        // A caller that has gone away does not want to know.
        let _ = reply.send(result);
    }
}

/// Hands jobs to the writing task.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Takes over the connection; `options` make the next one, should it break.
    pub(super) fn start(connection: SqliteConnection, options: SqliteConnectOptions, chain: Chain) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let task = tokio::spawn(write(Transaction { connection, chain }, options, receiver));
        Self { queue: Mutex::new(Some(sender)), task: Mutex::new(Some(task)) }
    }

    /// Runs a job and waits for its commit.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Transaction) -> Work<'c, T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let closed = || StoreError::Unavailable("it is being closed".into());
        let queue = self.queue.lock().ok().and_then(|queue| queue.clone()).ok_or_else(closed)?;
        queue.try_send(Box::new(Typed { work: Some(work), result: None, reply })).map_err(
            |error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    StoreError::Unavailable("more writes are waiting than the disk can take".into())
                }
                mpsc::error::TrySendError::Closed(_) => closed(),
            },
        )?;
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
    mut queue: mpsc::Receiver<Box<dyn Job>>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut fit = true;
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        if !fit && let Ok(connection) = options.connect().await {
            // Dropping the old one closes it and takes back what it had open.
            transaction.connection = connection;
        }
        let failed = match commit(&mut transaction, &mut batch).await {
            Ok(()) => {
                transaction.chain.committed();
                fit = true;
                None
            }
            Err(lost) => {
                let free = rolled_back(&mut transaction.connection).await;
                // What failed halfway is not trusted again; where only BEGIN failed, opening another connection
                // would wait for the same lock.
                fit = free && matches!(lost, Lost::AtBegin(_));
                Some(match lost {
                    Lost::AtBegin(why) => {
                        while let Ok(waiting) = queue.try_recv() {
                            batch.push(waiting);
                        }
                        why
                    }
                    Lost::Later(why) => why,
                })
            }
        };
        for job in batch.drain(..) {
            job.finish(failed.as_deref());
        }
    }
    // Tidies up only: what was answered is durable in the log already.
    let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut transaction.connection).await;
    let _ = transaction.connection.close().await;
}

/// All jobs in one durable transaction; `Err` says why none of them was kept.
async fn commit(transaction: &mut Transaction, batch: &mut [Box<dyn Job>]) -> Result<(), Lost> {
    execute(transaction, "BEGIN IMMEDIATE").await.map_err(Lost::AtBegin)?;
    let Transaction { connection, chain } = transaction;
    chain.recall(connection).await.map_err(|error| Lost::AtBegin(reason(error)))?;
    fill(transaction, batch).await.map_err(Lost::Later)
}

async fn fill(transaction: &mut Transaction, batch: &mut [Box<dyn Job>]) -> Result<(), String> {
    for job in batch {
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
    let Transaction { connection, chain } = transaction;
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
