//! The one connection that writes. Jobs that wait together are committed together (group commit): the cost of a
//! durable commit is shared by all of them, and no job is answered before its commit.
//!
//! Steps of login rounds are taken together in a few statements ([`super::rounds`]), after all other jobs, each of
//! which has a savepoint. A job that fails for a reason of its own (a name that is taken) is rolled back alone;
//! anything that concerns the file (locked, full, corrupt) fails the whole batch, and nothing of it is kept. If not even
//! `BEGIN` was possible, those who came meanwhile fail with it, so that nobody waits for a lock twice. A connection
//! that is in doubt is replaced before the next batch.

use super::accounts::Accounts;
use super::batch::{Answer, Batch, Typed, Waiting, Work};
use super::chain::Chain;
use super::rounds::Round;
use super::transaction::{Lost, Transaction};
use crate::store::{Result, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Jobs that may wait; more are refused at once.
const QUEUE: usize = 4096;
/// Jobs in one commit at most.
const BATCH: usize = 256;

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
        let transaction = Transaction::new(connection, chain, accounts);
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
        let (awaited, answer) = Answer::awaited();
        let closed = || StoreError::Unavailable("it is being closed".into());
        let queue = self.queue.lock().ok().and_then(|queue| queue.clone()).ok_or_else(closed)?;
        queue.try_send(waiting(awaited)).map_err(|error| match error {
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
        let failed = match transaction.commit(&mut batch).await {
            Ok(()) => {
                fit = true;
                None
            }
            Err(lost) => {
                let free = transaction.lost().await;
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
