//! Challenges that wait for an answer, and the sent codes that belong to them.
//!
//! Two backends with one behaviour: [`MemoryChallenges`] for one node, and Redis for several. What is lost with either
//! (a restart) voids what was outstanding and admits nobody: a State and a code are used up in the records store, in the
//! statement that accepts them.
//!
//! - A State is taken out by the first answer, right or wrong, and nothing of it is answered twice.
//! - A person has one sent code for each purpose; a new one voids the old. Each answer that could be it is charged
//!   before it is compared; after the last try the code is void.
//! - Who asks again at the same client within a short time *joins* the code that is under way: the new State belongs
//!   to the same code and no second message goes out. So a NAS may repeat its request at another node.
//! - One person's share is bounded: a flood of challenges pushes out that person's oldest, never another's.

mod memory;
mod redis;

pub use self::redis::{RedisChallenges, RedisState};
pub use memory::MemoryChallenges;

use super::Result;
use crate::base::Timestamp;
use crate::domain::login::Pending;
use crate::domain::sent::{CodeId, Purpose, SentCode};
use async_trait::async_trait;
use std::time::Duration;

/// Octets of a State that name the person's place; the other 16 are random.
pub const HANDLE_LENGTH: usize = 8;
/// Length of a State in octets.
pub const STATE_LENGTH: usize = HANDLE_LENGTH + 16;

/// A RADIUS State: a handle of the person ([`crate::domain::digest::CodeDigester::handle`]), so that everything of one
/// person lies in one place (in a Redis Cluster, in one slot), and 128 random bits, so that nobody can guess one.
pub type State = [u8; STATE_LENGTH];

/// The first octets of a State.
type Handle = [u8; HANDLE_LENGTH];

fn handle(state: &State) -> Handle {
    state.first_chunk().copied().unwrap_or_default()
}

/// Challenges one person can have outstanding; an older one goes first. Eight logins at the same time (several
/// devices, retries of a client) are plenty, and a table made for thousands is not filled by one person.
pub const PER_PERSON: usize = 8;

/// A challenge to be kept.
#[derive(Debug, Clone)]
pub struct NewChallenge {
    /// Its State.
    pub state: State,
    /// The login that waits; it says when it ends.
    pub pending: Pending,
    /// A code to be sent with it.
    pub code: Option<NewCode>,
}

/// A code to be kept.
#[derive(Debug, Clone)]
pub struct NewCode {
    /// The code.
    pub code: SentCode,
    /// What it is for.
    pub purpose: Purpose,
    /// Name of the transaction: for a login the client. Only the same one can join it.
    pub transaction: String,
    /// Answers that are compared with it, at least 1.
    pub tries: u8,
    /// A code of the same purpose, transaction and channel that is not older than this is joined in its place. Nothing: none is.
    pub resend_after: Duration,
}

/// What became of a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Opened {
    /// It is kept, and its code if it has one: the message is to be sent.
    Kept,
    /// It is kept; this code is under way already, and the new one was thrown away: no message.
    Joined(CodeId),
    /// There is no room; nothing is kept. Redis never says so: it is unavailable when its memory is used up.
    Full,
}

/// A challenge that was taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The login.
    pub pending: Pending,
    /// The code that was sent with it: not over, not voided or replaced, with a try left, which is charged by now.
    /// Only where an attempt was announced: a code that nobody paid for is not handed out.
    pub code: Option<SentCode>,
}

/// Outstanding challenges and codes. The caller's `now` decides what is over; each call is one step that no other
/// comes between. `Err` means that it is not known whether it was done: what was opened may be kept or not, what was
/// taken may be gone. Neither admits anybody.
#[async_trait]
pub trait Challenges: Send + Sync {
    /// Keeps a challenge, and its code or the one that it joins: of the same purpose, transaction and channel, not
    /// older than the `resend_after` of this one, not over, with a try left. Any other code of that purpose is voided; States that
    /// belong to it stay, without a code.
    async fn open(&self, challenge: NewChallenge, now: Timestamp) -> Result<Opened>;
    /// Takes it out: a second call finds nothing, nor does one after it has expired. `attempt`: the answer could be the
    /// code, which costs a try.
    async fn take(&self, state: &State, attempt: bool, now: Timestamp) -> Result<Option<Taken>>;
    /// Voids the code with this id, of the person that a State belonging to it names, and takes out that State: it was
    /// used, or its message could not be sent. The handle is the State's; the State itself may be gone, and so may the
    /// code: a newer one stays.
    async fn void(&self, state: &State, code: CodeId) -> Result<()>;
}
