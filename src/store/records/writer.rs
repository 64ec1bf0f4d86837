//! The one connection that writes. Jobs that wait together are committed together (group commit): the cost of a
//! durable commit is shared by all of them, and no job is answered before its commit.
//!
//! Steps of login rounds are taken together in a few statements ([`super::rounds`]), after all other jobs, each of
//! which has a savepoint. A job that fails for a reason of its own (a name that is taken) is rolled back alone;
//! anything that concerns the file (locked, full, corrupt) fails the whole batch, and nothing of it is kept. If not even
//! `BEGIN` was possible, those who came meanwhile fail with it, so that nobody waits for a lock twice. A connection
//! that is in doubt is replaced before the next batch.
//!
//! On PostgreSQL a batch has a deadline as well, and where a connection that was good turns out to be dead at `BEGIN`, the
//! batch is begun once more on a new one: nothing of it had happened yet.

use super::batch::{Answer, Batch, Typed, Waiting, Work};
use super::chain::Chain;
use super::connection::Connection;
use super::database::Database;
use super::notes::Notes;
use super::rounds::Round;
use super::transaction::{Lost, Memory, Transaction, reason};
use crate::base::affinity::Affinity;
use crate::base::meter::Counter;
use crate::store::{Result, StoreError, WriterState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::RuntimeFlavor;
use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait; more are refused at once.
pub const QUEUE: usize = 4096;
/// Jobs in one commit at most.
const BATCH: usize = 256;
/// When notes that could not be written are tried again, if nothing else is to be written before.
const AGAIN: Duration = Duration::from_secs(1);

/// How commits went.
#[derive(Debug, Default)]
pub(super) struct Commits {
    done: Counter,
    failed: Counter,
    /// Why the last one failed; none: it did not.
    why: Mutex<Option<String>>,
}

impl Commits {
    fn ended(&self, failed: Option<&str>) {
        let counter = if failed.is_some() { &self.failed } else { &self.done };
        counter.count();
        let mut why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        if why.as_deref() != failed {
            *why = failed.map(str::to_owned);
        }
    }
}

/// Hands jobs to the writing task.
pub(super) struct Writer {
    commits: Arc<Commits>,
    queue: Mutex<Option<mpsc::Sender<Waiting>>>,
    /// Ends when the connection is closed.
    done: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Writer {
    /// Takes over the connection; `database` makes the next one, should it break.
    pub(super) fn start(
        connection: Connection,
        database: Database,
        chain: Chain,
        memory: Memory,
        notes: Arc<Notes>,
    ) -> std::io::Result<Self> {
        let file = !connection.is_postgres();
        let (sender, receiver) = mpsc::channel(QUEUE);
        let transaction = Transaction::new(connection, chain, memory, Arc::clone(&notes));
        let (ended, done) = oneshot::channel();
        let commits = Arc::<Commits>::default();
        let counts = Arc::clone(&commits);
        // SQLite works in the thread that asks it, and a commit waits for the disk: it gets a thread, unless everything
        // happens in one.
        let runtime = tokio::runtime::Handle::current();
        let own = file && runtime.runtime_flavor() != RuntimeFlavor::CurrentThread;
        let work = async move {
            write(transaction, database, receiver, (&notes, &counts), own).await;
            // Nobody may wait for it.
            let _ = ended.send(());
        };
        if own {
            std::thread::Builder::new().name("store".to_owned()).spawn(move || runtime.block_on(work))?;
        } else {
            runtime.spawn(work);
        }
        Ok(Self { commits, queue: Mutex::new(Some(sender)), done: Mutex::new(Some(done)) })
    }

    /// How it is, and what waits for it.
    pub(super) fn state(&self) -> WriterState {
        let queue = self.queue.lock().ok();
        let waiting =
            queue.and_then(|queue| queue.as_ref().map(|queue| queue.max_capacity() - queue.capacity()));
        let gone = (!self.is_there()).then(|| "what writes has ended by a mistake in the program".to_owned());
        let why = || self.commits.why.lock().unwrap_or_else(PoisonError::into_inner).clone();
        WriterState {
            waiting: waiting.unwrap_or_default(),
            commits: self.commits.done.get(),
            failed: self.commits.failed.get(),
            error: gone.or_else(why),
        }
    }

    /// Whether it still takes jobs, or was closed in order.
    pub(super) fn is_there(&self) -> bool {
        let queue = self.queue.lock().ok();
        queue.is_some_and(|queue| queue.as_ref().is_none_or(|queue| !queue.is_closed()))
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
        let done = self.done.lock().ok().and_then(|mut done| done.take());
        if let Some(done) = done {
            let _ = done.await;
        }
    }
}

async fn write(
    mut transaction: Transaction,
    database: Database,
    mut queue: mpsc::Receiver<Waiting>,
    (notes, commits): (&Notes, &Commits),
    own_thread: bool,
) {
    let mut affinity = own_thread.then(Affinity::of_this_thread).flatten();
    let mut waiting = Vec::with_capacity(BATCH);
    let mut batch = Batch::default();
    let (mut fit, mut open) = (true, true);
    while open {
        open = due(&mut queue, &mut waiting, notes, !batch.notes.is_empty()).await;
        waiting.drain(..).for_each(|waiting| batch.add(waiting));
        if !open {
            notes.close();
        }
        notes.hand_over(&mut batch.notes);
        if batch.is_empty() {
            continue;
        }
        if let Some(affinity) = &mut affinity {
            affinity.beside(batch.is_unawaited() && notes.rush());
        }
        let failed = match commit(&mut transaction, &database, &mut batch, fit).await {
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
        affinity.iter().for_each(Affinity::leave);
        if failed.is_none() {
            batch.notes.clear();
        }
        notes.ended(failed.is_none());
        commits.ended(failed.as_deref());
        batch.finish(failed.as_deref());
    }
    if !batch.notes.is_empty() {
        tracing::error!(
            entries = batch.notes.len(),
            "the last entries of the audit trail could not be written"
        );
    }
    transaction.connection.close().await;
}

/// Waits until there is something to write: what is `waiting` is taken out of the queue. `false` if nothing more will come.
/// `left`: notes could not be written, and are to be tried again.
async fn due(
    queue: &mut mpsc::Receiver<Waiting>,
    waiting: &mut Vec<Waiting>,
    notes: &Notes,
    left: bool,
) -> bool {
    let again = async {
        if left {
            tokio::time::sleep(AGAIN).await;
        } else {
            notes.ripe().await;
        }
    };
    tokio::select! {
        biased;
        count = queue.recv_many(waiting, BATCH) => count > 0,
        () = again => true,
    }
}

/// Commits a batch, on a new connection if the present one is not `fit`.
async fn commit(
    transaction: &mut Transaction,
    database: &Database,
    batch: &mut Batch,
    fit: bool,
) -> Result<(), Lost> {
    if !fit {
        renew(transaction, database).await?;
    }
    let lost = match within(transaction, database, batch).await {
        Ok(()) => return Ok(()),
        Err(lost) => lost,
    };
    if !fit || !matches!(lost, Lost::AtBegin(_)) || !transaction.connection.is_doubtful() {
        return Err(lost);
    }
    renew(transaction, database).await?;
    within(transaction, database, batch).await
}

async fn renew(transaction: &mut Transaction, database: &Database) -> Result<(), Lost> {
    let connection = database.connect().await.map_err(|error| Lost::AtBegin(reason(error)))?;
    transaction.replace(connection);
    Ok(())
}

/// Logins are answered in time or not at all; what administrators do may take longer, and each of its questions has a
/// deadline anyway.
async fn within(transaction: &mut Transaction, database: &Database, batch: &mut Batch) -> Result<(), Lost> {
    let Some(limit) = database.timeout().map(|limit| limit * if batch.jobs.is_empty() { 2 } else { 30 })
    else {
        return transaction.commit(batch).await;
    };
    let in_time = tokio::time::timeout(limit, transaction.commit(batch)).await;
    in_time.unwrap_or_else(|_| {
        Err(Lost::Later(format!("PostgreSQL took longer than {limit:?} for what waited")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writer_that_has_ended_is_missed_and_one_that_was_closed_is_not() {
        let (sender, receiver) = mpsc::channel(1);
        let writer =
            Writer { commits: Arc::default(), queue: Mutex::new(Some(sender)), done: Mutex::default() };
        assert!(writer.is_there() && writer.state().error.is_none());
        drop(receiver);
        assert!(!writer.is_there());
        assert!(writer.state().error.unwrap().contains("a mistake in the program"));
        writer.queue.lock().unwrap().take();
        assert!(writer.is_there(), "nothing is wrong with it");
    }
}
