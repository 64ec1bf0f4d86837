//! Messages on their way out.

use super::Result;
use crate::base::Timestamp;
use crate::domain::message::{Content, MessageState};
use crate::domain::method::Channel;
use crate::domain::person::PersonId;
use crate::domain::sent::CodeId;
use async_trait::async_trait;
use serde::Serialize;
use std::time::Duration;

/// A message that a node is to send now.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id.
    pub id: CodeId,
    /// Over what.
    pub channel: Channel,
    /// What it says, and to whom.
    pub content: Content,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// After this it is not worth sending.
    pub expires: Timestamp,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted {
    /// A provider has taken it.
    Sent,
    /// Nobody has taken it for certain: once more at this moment.
    Again(Timestamp),
    /// No further attempt, and nobody has taken it: it was refused, or is too old.
    Dead,
    /// No further attempt: it may have been taken without our knowing.
    Unknown,
}

/// The end of an attempt.
#[derive(Debug, Clone)]
pub struct AttemptEnd {
    /// The message.
    pub id: CodeId,
    /// Which attempt; one that is not the present one any more changes nothing.
    pub attempt: u32,
    /// What became of it.
    pub outcome: Attempted,
    /// Provider that was asked last; may be empty.
    pub provider: String,
    /// What it said, or what went wrong, in one line. Never the code.
    pub detail: String,
    /// What it cost, in hundredths of the currency.
    pub cost: u32,
    /// When.
    pub at: Timestamp,
}

/// A message as administrators see it: without the code, the destination masked.
#[derive(Debug, Clone, Serialize)]
pub struct MessageStatus {
    /// Its id.
    pub id: String,
    /// Whose: the username, or the id of a person who is gone.
    pub person: String,
    /// What its code is for.
    pub purpose: String,
    /// Over what.
    pub channel: String,
    /// Where to, masked.
    pub destination: String,
    /// Where it stands.
    pub state: MessageState,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it is or was due.
    pub due: Timestamp,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// Attempts so far.
    pub attempts: u32,
    /// Provider asked last.
    pub provider: String,
    /// What it said, or what went wrong.
    pub detail: String,
    /// What it cost, in hundredths of the currency.
    pub cost: u32,
}

/// What to list of the outbox.
#[derive(Debug, Clone, Default)]
pub struct OutboxQuery {
    /// Only in this state.
    pub state: Option<MessageState>,
    /// Only of this person.
    pub person: Option<PersonId>,
    /// Only older ones than this id, which the newest first listing ended with.
    pub before: Option<CodeId>,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// Messages on their way out. They come in with a [`Settlement`]; those without a code with what they tell of ([`SecurityData`]).
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes messages that are due, oldest first, at most `most`; nobody else takes them. One that a node took and did
    /// not finish within `patience` may have been sent: it becomes a dead letter, never a second message.
    /// One that is too old becomes a dead letter as well.
    async fn claim(&self, most: u32, patience: Duration, now: Timestamp) -> Result<Vec<Claimed>>;
    /// Writes how an attempt ended; what the message says is erased unless it is tried again.
    async fn finish(&self, end: AttemptEnd) -> Result<()>;
    /// When the next one is due, or a claim runs out.
    async fn due(&self, patience: Duration) -> Result<Option<Timestamp>>;
    /// Newest first.
    async fn list(&self, query: &OutboxQuery) -> Result<Vec<MessageStatus>>;
    /// How many are in each state.
    async fn counts(&self) -> Result<Vec<(MessageState, u64)>>;
}
