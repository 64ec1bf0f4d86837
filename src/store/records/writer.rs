//! The one connection that writes. Jobs that wait together are committed together (group commit): the cost of a
//! durable commit is shared by all of them, and no job is answered before its commit.
//!
//! A job that fails for a reason of its own (a name that is taken) is rolled back alone; anything that concerns
//! the file (locked, full, corrupt) fails the whole batch, and nothing of it is kept.

use super::audit::Chain;
use super::failure;
use crate::base::Secret;
use crate::store::{Result, StoreError};
use sqlx::{Connection, SqliteConnection};
use std::pin::Pin;
use std::sync::Mutex;
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
            (Some(_), Some(Err(own))) => Err(own),
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
    pub(super) async fn start(mut connection: SqliteConnection, audit_key: Secret<Vec<u8>>) -> Result<Self> {
        let chain = Chain::load(&mut connection, audit_key).await?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let task = tokio::spawn(write(Transaction { connection, chain }, receiver));
        Ok(Self { queue: Mutex::new(Some(sender)), task: Mutex::new(Some(task)) })
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

async fn write(mut transaction: Transaction, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = queue.recv().await {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        let failed = commit(&mut transaction, &mut batch).await.err();
        if failed.is_some() {
            // Nothing of it may stay, and what the chain remembers may be ahead of the file.
            let _ = sqlx::query("ROLLBACK").execute(&mut transaction.connection).await;
            transaction.chain.forget();
        }
        for job in batch {
            job.finish(failed.as_deref());
        }
    }
    let _ = transaction.connection.close().await;
}

/// All jobs in one durable transaction; `Err` says why none of them was kept.
async fn commit(transaction: &mut Transaction, batch: &mut [Box<dyn Job>]) -> Result<(), String> {
    execute(transaction, "BEGIN IMMEDIATE").await?;
    transaction.chain.recall(&mut transaction.connection).await.map_err(|error| error.to_string())?;
    for job in batch {
        let before = transaction.chain.position();
        execute(transaction, "SAVEPOINT job").await?;
        match job.run(transaction).await {
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
    chain.write_head(connection).await.map_err(|error| error.to_string())?;
    execute(transaction, "COMMIT").await
}

async fn execute(transaction: &mut Transaction, sql: &'static str) -> Result<(), String> {
    let done = sqlx::query(sql).execute(&mut transaction.connection).await;
    done.map(drop).map_err(|error| match failure(error) {
        StoreError::Unavailable(why) => why,
        other => other.to_string(),
    })
}
