//! Delivers the messages of the outbox: claims what is due, walks the providers in their order, writes how it ended.
//!
//! ```text
//!   waiting ──claim──▶ sending ──sent──────────────────────▶ sent
//!      ▲                  │  ├───refused, too old, nobody──▶ dead
//!      │                  │  └───perhaps taken─────────────▶ dead    never a second message
//!      └──taken by none───┘
//! ```
//!
//! What is claimed and not finished, because the process was killed or the store away, is never claimed again: after the
//! patience of the claim it is a dead letter.

#[cfg(test)]
mod tests;

use crate::base::{Clock, Random, Timestamp};
use crate::config::Config;
use crate::engine::meters::{Meters, Sending};
use crate::store::delivery::{BUSY, Entry, Message, Outcome, Providers};
use crate::store::{AttemptEnd, Attempted, Claimed, Outbox};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Messages that are claimed at the same time.
const MOST: usize = 64;
/// How long a message waits for its turn at a provider while there is another one.
const TURN: Duration = Duration::from_secs(1);
/// First and longest time before a message is tried again.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// Between two looks into the outbox: another node may have put something in and died.
const LOOK: Duration = Duration::from_secs(5);
/// After a failure of the store.
const STORE: Duration = Duration::from_secs(1);
/// How long the end of an attempt is tried to be written.
const WRITE: Duration = Duration::from_secs(30);
/// Attempts at a provider that knows messages by their id.
const REPEATS: u32 = 3;

/// Wakes the courier: something was put into the outbox.
#[derive(Debug, Clone, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// Cheap, and never waits.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// What delivers, before it runs.
pub struct Courier {
    /// Where messages are.
    pub outbox: Arc<dyn Outbox>,
    /// Who takes them.
    pub providers: Arc<Providers>,
    /// For the texts.
    pub config: Arc<ArcSwap<Config>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// For times that differ.
    pub random: Arc<dyn Random>,
    /// By which it is woken.
    pub waker: Waker,
    /// Counts attempts.
    pub meters: Arc<Meters>,
}

/// The running task.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Claims nothing more, and gives what is under way this long to end. What does not is left behind as it is: it
    /// becomes a dead letter, because it may have been taken.
    pub async fn stop(self, drain: Duration) {
        let _ = self.stop.send(true);
        let mut task = self.task;
        if timeout(drain, &mut task).await.is_err() {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Courier {
    /// Begins to deliver.
    pub fn start(self) -> Running {
        let (stop, stopped) = watch::channel(false);
        Running { stop, task: tokio::spawn(Arc::new(self).run(stopped)) }
    }

    async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let mut under_way = JoinSet::new();
        // Only ever longer: what was claimed under older settings must not be given up early.
        let mut patience = Duration::ZERO;
        while !*stopped.borrow() {
            patience = patience.max(self.providers.longest() + WRITE * 2);
            // A place with each provider for whatever is due: one that is slow holds up nothing but its own.
            let most = self.providers.places().max(MOST);
            let free = most.saturating_sub(under_way.len()).min(MOST);
            let pause = if free == 0 {
                LOOK
            } else {
                match self.claim(free, patience).await {
                    Some(claimed) => {
                        let full = claimed.len() == free;
                        for message in claimed {
                            under_way.spawn(Arc::clone(&self).attempt(message));
                        }
                        if full { Duration::ZERO } else { self.pause(patience).await }
                    }
                    None => self.jitter(STORE),
                }
            };
            let turn = under_way.len() >= most;
            tokio::select! {
                _ = stopped.changed() => {}
                () = self.waker.0.notified(), if !turn => {}
                Some(_) = under_way.join_next(), if !under_way.is_empty() => {}
                () = sleep(pause), if !turn => {}
            }
            while under_way.try_join_next().is_some() {}
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Takes what is due. It is looked for first: a claim is a write, and an idle node should not write.
    async fn claim(&self, most: usize, patience: Duration) -> Option<Vec<Claimed>> {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let claimed = async {
            match self.outbox.due(patience).await? {
                Some(due) if due <= self.clock.now() => {
                    self.outbox.claim(most, patience, self.clock.now()).await
                }
                _ => Ok(Vec::new()),
            }
        };
        match claimed.await {
            Ok(claimed) => Some(claimed),
            Err(error) => {
                tracing::warn!("messages wait: {error}");
                None
            }
        }
    }

    /// How long to wait when nothing is due.
    async fn pause(&self, patience: Duration) -> Duration {
        match self.outbox.due(patience).await {
            // Not at once, even if it says so: another node may be about to take it.
            Ok(Some(due)) => due.since(self.clock.now()).clamp(Duration::from_millis(100), LOOK),
            Ok(None) => LOOK,
            Err(_) => self.jitter(STORE),
        }
    }

    /// One attempt, from its claim to its end in the store.
    async fn attempt(self: Arc<Self>, claimed: Claimed) {
        let end = self.deliver(&claimed).await;
        self.meters.message(Sending::from(&end.outcome));
        let (state, provider, detail) = (&end.outcome, end.provider.as_str(), end.detail.as_str());
        let (id, channel, attempt) = (claimed.id, claimed.channel, claimed.attempt);
        match state {
            Attempted::Sent => tracing::info!(%id, %channel, attempt, provider, "message sent: {detail}"),
            Attempted::Again(at) => {
                tracing::warn!(%id, %channel, attempt, provider, again = %at, "message not taken: {detail}");
            }
            Attempted::Dead | Attempted::Unknown => {
                tracing::warn!(%id, %channel, attempt, provider, "message is dead: {detail}")
            }
        }
        let deadline = Instant::now() + WRITE;
        while let Err(error) = self.outbox.finish(end.clone()).await {
            if Instant::now() >= deadline {
                tracing::error!(%id, "the end of a message cannot be written, it becomes a dead letter: {error}");
                return;
            }
            sleep(self.jitter(STORE)).await;
        }
    }

    async fn deliver(&self, claimed: &Claimed) -> AttemptEnd {
        let content = &claimed.content;
        let config = self.config.load_full().at(content.campus.as_deref());
        let language = config.portal.words.choose(content.language.as_deref(), "");
        let body = match content.notice {
            Some(notice) => config.catalogue.notice(claimed.channel, language, notice, content),
            None => config.catalogue.code(language, claimed.channel, content),
        };
        let message = Message {
            id: claimed.id,
            channel: claimed.channel,
            to: content.to.clone(),
            body,
            code: content.code.clone(),
        };
        let mut last = (String::new(), "no provider takes messages there".to_owned());
        let providers = self.providers.towards(message.channel, &message.to);
        for (index, entry) in providers.iter().enumerate() {
            if self.clock.now() >= claimed.expires {
                break;
            }
            // At the last one it pays to keep one's turn; before, somebody else may be quicker.
            let wait = if index + 1 < providers.len() { TURN.min(entry.timeout) } else { entry.timeout };
            let (outcome, detail, cost) = match send(entry, &message, wait).await {
                Outcome::NotTaken(detail) => {
                    last = (entry.name.clone(), detail);
                    continue;
                }
                Outcome::Sent(detail) => (Attempted::Sent, detail, entry.cost),
                Outcome::Refused(detail) => (Attempted::Dead, format!("refused: {detail}"), 0),
                // Perhaps it costs something, so it counts.
                Outcome::Unknown(detail) => (
                    Attempted::Unknown,
                    format!("it may have been taken, so it is not sent again: {detail}"),
                    entry.cost,
                ),
            };
            return self.end(claimed, outcome, (entry.name.clone(), detail), cost);
        }
        let again = self.clock.now() + self.back_off(claimed.attempt);
        let outcome = if providers.is_empty() || again >= claimed.expires {
            Attempted::Dead
        } else {
            Attempted::Again(again)
        };
        self.end(claimed, outcome, last, 0)
    }

    fn end(
        &self,
        claimed: &Claimed,
        outcome: Attempted,
        (provider, detail): (String, String),
        cost: u32,
    ) -> AttemptEnd {
        let (id, attempt, at): (_, _, Timestamp) = (claimed.id, claimed.attempt, self.clock.now());
        AttemptEnd { id, attempt, outcome, provider, detail, cost, at }
    }

    /// Twice as long with each attempt.
    fn back_off(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(10);
        self.jitter((FIRST * 2_u32.pow(doublings)).min(LONGEST))
    }

    /// Between three quarters and five quarters of it, so that nodes and messages do not come together.
    fn jitter(&self, around: Duration) -> Duration {
        let mut byte = [0];
        self.random.fill(&mut byte);
        around * 3 / 4 + around * u32::from(byte[0]) / 512
    }
}

/// Gives a message to a provider; to one that knows messages by their id also again. Once a provider may have taken it,
/// a later "not taken" of the same provider does not make it certain that nobody has.
async fn send(entry: &Entry, message: &Message, wait: Duration) -> Outcome {
    let Some(_place) = entry.place() else { return Outcome::NotTaken(BUSY.to_owned()) };
    let first = entry.send(message, wait).await;
    let Outcome::Unknown(mut detail) = first else { return first };
    if !entry.idempotent {
        return Outcome::Unknown(detail);
    }
    let deadline = Instant::now() + entry.longest();
    for repeat in 1..REPEATS {
        sleep(Duration::from_millis(250) * repeat).await;
        match timeout_at(deadline, entry.send(message, entry.timeout)).await {
            Ok(Outcome::Sent(detail)) => return Outcome::Sent(detail),
            Ok(Outcome::Refused(later) | Outcome::NotTaken(later) | Outcome::Unknown(later)) => {
                detail = later
            }
            Err(_) => break,
        }
    }
    Outcome::Unknown(detail)
}
