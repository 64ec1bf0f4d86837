//! What waits to be written: jobs, and steps of login rounds; and what is answered when it was committed.

use super::notes::Bundle;
use super::rounds::Round;
use super::transaction::Transaction;
use crate::store::{Result, StoreError};
use std::pin::Pin;
use tokio::sync::oneshot;

/// What a job does.
pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'c>>;

/// What a job came to, and who waits for it.
pub(super) struct Answer<T> {
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T> Answer<T> {
    /// One that is still to come, and where it will arrive.
    pub(super) fn awaited() -> (Self, oneshot::Receiver<Result<T>>) {
        let (reply, answer) = oneshot::channel();
        (Self { result: None, reply }, answer)
    }

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

/// A job of any kind.
pub(super) trait Job: Send {
    fn run<'c>(
        &'c mut self,
        transaction: &'c mut Transaction,
    ) -> Pin<Box<dyn Future<Output = Ran> + Send + 'c>>;
    fn finish(self: Box<Self>, failed: Option<&str>);
}

/// How it went.
pub(super) enum Ran {
    Done,
    /// Failed for a reason of its own.
    Refused,
    /// The file or connection has a problem.
    Broken(String),
}

/// A job and the type of its answer.
pub(super) struct Typed<T, F> {
    pub(super) work: Option<F>,
    pub(super) answer: Answer<T>,
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
pub(super) enum Waiting {
    Job(Box<dyn Job>),
    Round(Round),
}

/// What is committed together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) jobs: Vec<Box<dyn Job>>,
    pub(super) rounds: Vec<Round>,
    /// Entries of the trail that nobody waits for; they stay until they are committed.
    pub(super) notes: Bundle,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.rounds.is_empty() && self.notes.is_empty()
    }

    /// Whether nobody waits for any of it.
    pub(super) fn is_unawaited(&self) -> bool {
        self.jobs.is_empty() && self.rounds.is_empty()
    }

    pub(super) fn add(&mut self, waiting: Waiting) {
        match waiting {
            Waiting::Job(job) => self.jobs.push(job),
            Waiting::Round(round) => self.rounds.push(round),
        }
    }

    pub(super) fn finish(&mut self, failed: Option<&str>) {
        self.jobs.drain(..).for_each(|job| job.finish(failed));
        self.rounds.drain(..).for_each(|round| round.finish(failed));
    }
}
