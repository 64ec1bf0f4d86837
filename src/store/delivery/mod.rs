//! Who delivers messages: mail by SMTP, texts and calls by gateways over HTTP or by programs.
//!
//! A provider says what became of a message as exactly as it can know, and errs on the side of [`Outcome::Unknown`]: a
//! code that may be on its way is never sent a second time by somebody else.

mod exec;
mod http;
mod said;
mod smtp;
mod starttls;

use crate::config::{Config, GatewayKind};
use crate::domain::method::Channel;
use crate::domain::sent::CodeId;
use crate::domain::texts::Rendered;
use crate::store::breaker::{Breaker, PROVIDERS};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use zeroize::Zeroize;

/// A message, ready to be sent.
#[derive(Clone)]
pub struct Message {
    /// Its id, the same in every attempt.
    pub id: CodeId,
    /// Over what.
    pub channel: Channel,
    /// E.164 number or e-mail address.
    pub to: String,
    /// What it says.
    pub body: Rendered,
    /// The code in it: for gateways that read it out themselves, and to keep it out of what they answer.
    pub code: String,
}

impl Drop for Message {
    fn drop(&mut self) {
        self.body.zeroize();
        self.code.zeroize();
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

/// What became of a message; the detail is one line without the code.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It was taken.
    Sent(String),
    /// It was certainly not taken: another attempt is safe, here or elsewhere.
    NotTaken(String),
    /// It was certainly not taken, and will not be: the number is wrong, or the text.
    Refused(String),
    /// It may have been taken.
    Unknown(String),
}

/// What became of a message, and whether that says something about the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    /// What became of it.
    pub outcome: Outcome,
    /// The provider is in order, whatever became of the message: it need not rest.
    pub in_order: bool,
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        let in_order = matches!(outcome, Outcome::Sent(_) | Outcome::Refused(_));
        Self { outcome, in_order }
    }
}

/// One way to deliver messages.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Delivers, within [`Entry::timeout`].
    async fn send(&self, message: &Message) -> Verdict;
}

/// Why the providers cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{provider}: {why}")]
pub struct DeliveryError {
    provider: String,
    why: String,
}

impl DeliveryError {
    fn new(provider: &str, why: impl fmt::Display) -> Self {
        Self { provider: provider.to_owned(), why: why.to_string() }
    }
}

/// A provider and when it is asked.
pub struct Entry {
    /// Name for log and outbox.
    pub name: String,
    /// What one message costs, in hundredths of the currency.
    pub cost: u32,
    /// It sends a message once, however often it gets it.
    pub idempotent: bool,
    /// Deadline of one message.
    pub timeout: Duration,
    channels: Vec<Channel>,
    prefixes: Vec<String>,
    most: usize,
    places: Semaphore,
    turns: Semaphore,
    breaker: Mutex<Breaker>,
    provider: Box<dyn Provider>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({})", self.name)
    }
}

impl Entry {
    fn fits(&self, channel: Channel, to: &str) -> bool {
        let begins = |prefix: &String| to.starts_with(prefix.as_str());
        self.channels.contains(&channel) && (self.prefixes.is_empty() || self.prefixes.iter().any(begins))
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place among the messages that this provider has or that wait for it; `None`: there are too many. Each provider
    /// has places of its own, so that one that is slow does not hold up what goes elsewhere.
    pub fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }

    /// Delivers when it is this message's turn; turns are taken in the order in which they were asked for. One that
    /// waited too long for its turn, or whose provider rests after failures, was not taken.
    pub async fn send(&self, message: &Message, longest_wait: Duration) -> Outcome {
        let rests =
            || Outcome::NotTaken("it failed several times in a row and rests for some seconds".to_owned());
        if self.breaker().rests(Instant::now(), self.sending()) {
            return rests();
        }
        let Ok(Ok(_turn)) = tokio::time::timeout(longest_wait, self.turns.acquire()).await else {
            return Outcome::NotTaken(BUSY.to_owned());
        };
        // Asked once it is this message's turn: those before it may have failed meanwhile.
        if !self.breaker().admits(Instant::now(), self.sending()) {
            return rests();
        }
        // Providers keep their own deadline and know more when it is missed; this one holds whatever they do.
        let sending = tokio::time::timeout(self.sending(), self.provider.send(message));
        let late = || Outcome::Unknown("it did not answer in time".to_owned()).into();
        let Verdict { outcome, in_order } = sending.await.unwrap_or_else(|_| late());
        if in_order {
            self.breaker().succeeded();
        } else if self.breaker().failed(Instant::now(), false)
            && let Outcome::NotTaken(detail) | Outcome::Unknown(detail) = &outcome
        {
            tracing::warn!(provider = %self.name, "messages cannot be delivered by it at present: {detail}");
        }
        outcome
    }

    /// The longest that a provider has a message.
    fn sending(&self) -> Duration {
        self.timeout + GRACE
    }

    /// The longest that [`Self::send`] takes, if it waits for its turn no longer than [`Self::timeout`].
    pub fn longest(&self) -> Duration {
        self.timeout * 2 + GRACE
    }
}

/// Messages that a provider has or that wait for it; more where it takes more at the same time.
const PLACES: usize = 64;
/// Why a message finds no place or no turn.
pub const BUSY: &str = "too many messages wait for it";

/// By so much a provider may miss its deadline.
const GRACE: Duration = Duration::from_secs(1);

/// What is known of a provider beside its name.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// What one message costs, in hundredths of the currency.
    pub cost: u32,
    /// It sends a message once, however often it gets it.
    pub idempotent: bool,
    /// Deadline of one message.
    pub timeout: Duration,
}

/// All providers, in the order in which they are tried; replaced whole by a reload.
#[derive(Debug, Default)]
pub struct Providers(ArcSwap<Vec<Arc<Entry>>>);

impl Providers {
    /// Those of a configuration.
    pub fn new(config: &Config) -> Result<Self, DeliveryError> {
        Ok(Self(ArcSwap::from_pointee(entries(config)?)))
    }

    /// Takes those of another configuration over; on failure everything stays as it was.
    pub fn reload(&self, config: &Config) -> Result<(), DeliveryError> {
        self.0.store(Arc::new(entries(config)?));
        Ok(())
    }

    /// Those that take messages over a channel to a destination, in order.
    pub fn towards(&self, channel: Channel, to: &str) -> Vec<Arc<Entry>> {
        self.0.load().iter().filter(|entry| entry.fits(channel, to)).map(Arc::clone).collect()
    }

    /// What a message there costs at most, in hundredths of the currency; `None`: nobody takes it.
    pub fn cost(&self, channel: Channel, to: &str) -> Option<u32> {
        self.0.load().iter().filter(|entry| entry.fits(channel, to)).map(|entry| entry.cost).max()
    }

    /// The longest that one attempt takes, by all providers that may be asked; one that knows messages by their id is
    /// asked again within as much time once more.
    pub fn longest(&self) -> Duration {
        let one = |entry: &Arc<Entry>| entry.longest() * if entry.idempotent { 3 } else { 1 };
        self.0.load().iter().map(one).sum()
    }

    /// All places of all providers: so many messages may be under way that each provider has all of its own.
    pub fn places(&self) -> usize {
        self.0.load().iter().map(|entry| entry.most).sum()
    }

    /// One provider more, at the end. For tests and demonstrations.
    #[must_use]
    pub fn and(self, name: &str, channels: &[Channel], terms: Terms, provider: Box<dyn Provider>) -> Self {
        let entry = Entry {
            name: name.to_owned(),
            cost: terms.cost,
            idempotent: terms.idempotent,
            timeout: terms.timeout,
            channels: channels.to_vec(),
            prefixes: Vec::new(),
            most: PLACES.max(4),
            places: Semaphore::new(PLACES.max(4)),
            turns: Semaphore::new(4),
            breaker: Mutex::new(Breaker::new(PROVIDERS)),
            provider,
        };
        let mut list = self.0.load().as_ref().clone();
        list.push(Arc::new(entry));
        Self(ArcSwap::from_pointee(list))
    }
}

fn entries(config: &Config) -> Result<Vec<Arc<Entry>>, DeliveryError> {
    let mut list = Vec::new();
    if let Some(settings) = &config.smtp {
        list.push(Arc::new(Entry {
            name: "smtp".to_owned(),
            cost: 0,
            idempotent: false,
            timeout: settings.timeout,
            channels: vec![Channel::Email],
            prefixes: Vec::new(),
            most: PLACES.max(settings.connections),
            places: Semaphore::new(PLACES.max(settings.connections)),
            turns: Semaphore::new(settings.connections),
            breaker: Mutex::new(Breaker::new(PROVIDERS)),
            provider: Box::new(smtp::Smtp::new(settings)?),
        }));
    }
    for gateway in &config.gateways {
        let provider: Box<dyn Provider> = match &gateway.kind {
            GatewayKind::Http(settings) => Box::new(http::Http::new(gateway, settings)?),
            GatewayKind::Exec(program) => Box::new(exec::Exec::new(program, gateway.timeout)),
        };
        list.push(Arc::new(Entry {
            name: gateway.name.clone(),
            cost: gateway.cost,
            idempotent: gateway.idempotent,
            timeout: gateway.timeout,
            channels: gateway.channels.clone(),
            prefixes: gateway.prefixes.clone(),
            most: PLACES.max(gateway.connections),
            places: Semaphore::new(PLACES.max(gateway.connections)),
            turns: Semaphore::new(gateway.connections),
            breaker: Mutex::new(Breaker::new(PROVIDERS)),
            provider,
        }));
    }
    Ok(list)
}
