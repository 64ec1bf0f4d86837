//! Rounds of logins: failures that are charged, and how a round ends.

use super::Result;
use crate::base::{Soon, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::domain::factor::Proof;
use crate::domain::message::{Limit, NewMessage, SendLimits};
use crate::domain::person::PersonId;
use crate::domain::sent::CodeId;
use crate::domain::throttle::{Counter, CounterList, Failures, Gate, Throttle};
use async_trait::async_trait;

/// One failure counter as listed.
#[derive(Debug, Clone)]
pub struct CounterState {
    /// `password`, `sent`, `devices` or another of [`Counter`], or a factor's id.
    pub counter: String,
    /// Failures in a row.
    pub failures: Failures,
}

/// Failure counters. A charge holds before the attempt is verified, and is durable before anybody hears what came of it.
#[async_trait]
pub trait Attempts: Send + Sync {
    /// Charges one attempt on each counter, atomically, by `rules`; one gate per counter in the same order.
    /// `None` is the stranger: the same work is done and every gate is open.
    fn charge<'a>(
        &'a self,
        person: Option<PersonId>,
        counters: &'a [Counter],
        rules: &'a Throttle,
        now: Timestamp,
    ) -> Soon<'a, Result<Vec<Gate>>>;
    /// Counters that are not at zero.
    async fn failures(&self, person: PersonId) -> Result<Vec<CounterState>>;
}

/// The end of a login round, written in one transaction.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Audit entry of the decision, which says whose round it is, and when.
    pub audit: AuditEntry,
    /// Somebody is let in by it, who may not have been locked meanwhile.
    pub admits: bool,
    /// What must be accepted first; if it cannot be (used meanwhile), the rest does not happen except `replayed`.
    pub accept: Option<Proof>,
    /// What may be used once, with when it is over anyway: it is used up together with `accept`, or, where that was
    /// done before, the settlement is `Replayed`. States and sent codes; names begin with what they are.
    pub once: Vec<(String, Timestamp)>,
    /// The code that the challenge joined: it holds only if its message was asked for and the code is not used up.
    pub joins: Option<CodeId>,
    /// A message to be sent, if the limits allow it.
    pub message: Option<(Box<NewMessage>, SendLimits)>,
    /// Counters to reset: what was verified right.
    pub clear: CounterList,
    /// Counters to lower by one: charged, but then not tried.
    pub refund: CounterList,
    /// Audit entry to write instead when `accept` or `once` fails.
    pub replayed: Option<Box<AuditEntry>>,
    /// Audit entry to write instead when `message` is over a limit; counters are cleared and refunded all the same.
    pub limited: Option<Box<AuditEntry>>,
}

impl Settlement {
    /// Nothing but an entry.
    pub const fn of(audit: AuditEntry) -> Self {
        Self {
            audit,
            admits: false,
            accept: None,
            once: Vec::new(),
            joins: None,
            message: None,
            clear: CounterList::new_const(),
            refund: CounterList::new_const(),
            replayed: None,
            limited: None,
        }
    }

    /// Whose it is, if known.
    pub(super) const fn person(&self) -> Option<PersonId> {
        self.audit.person
    }

    /// When it was decided.
    pub(super) const fn at(&self) -> Timestamp {
        self.audit.at
    }
}

/// What became of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// Written; the proof, if any, was accepted by this call and no other.
    Done,
    /// The proof had been used, or is not there any more; or its owner may not log in any more.
    Replayed,
    /// A limit does not allow the message; none was written.
    Limited(Limit),
    /// No message carries the code that was joined, or it was used; nothing was written.
    Unsent,
}

/// Ends of login rounds.
#[async_trait]
pub trait Logins: Send + Sync {
    /// Accepts the proof and writes everything that belongs to it, or nothing.
    /// One that [admits](Settlement::admits) without a proof, and whose person was locked meanwhile, is a `Conflict`, and nothing is written.
    fn settle(&self, settlement: Box<Settlement>) -> Soon<'_, Result<Settled>>;
    /// Uses up a mark that belongs to no round, by one statement; `false` if it was used before. Nobody is changed by it, so there
    /// is no entry.
    async fn mark(&self, once: (String, Timestamp)) -> Result<bool>;
    /// Whether a mark is used; after a settlement that was `Replayed` this tells by what.
    async fn is_marked(&self, name: &str) -> Result<bool>;
}
