//! How a round ends: the decision, and what the store must write with it.

use super::{Account, Action, Login, Opening, Person, PersonId, Reason, Timestamp, Username};
use crate::domain::factor::{FactorKind, Proof};
use crate::domain::throttle::Counter;

/// What was right before the passcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum First {
    /// The password.
    Password,
    /// The PIN.
    Pin,
    /// Nothing here: the client has checked the password.
    Client,
}

/// A login that waits for the answer to a challenge.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Pending {
    /// Who was challenged.
    pub person: PersonId,
    /// Name of the client that was sent the challenge.
    pub client: String,
    /// What was right before it.
    pub first: First,
    /// Challenges sent so far.
    pub rounds: u8,
    /// When it ends.
    pub expires: Timestamp,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Let in.
    Accept {
        /// Whom: groups decide on reply attributes.
        person: Box<Person>,
        /// Why.
        reason: Reason,
    },
    /// Ask for a passcode.
    Challenge {
        /// Why.
        reason: Reason,
        /// What to show.
        prompt: String,
        /// To be kept under a fresh State.
        pending: Pending,
    },
    /// Refuse.
    Reject {
        /// Why; not for the person.
        reason: Reason,
        /// What to show.
        message: String,
    },
}

impl Decision {
    /// Why, for log, metric and audit.
    pub const fn reason(&self) -> Reason {
        match self {
            Decision::Accept { reason, .. }
            | Decision::Challenge { reason, .. }
            | Decision::Reject { reason, .. } => *reason,
        }
    }

    /// `accept`, `challenge` or `reject`.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Decision::Accept { .. } => "accept",
            Decision::Challenge { .. } => "challenge",
            Decision::Reject { .. } => "reject",
        }
    }
}

/// The end of a round. It holds only once the store has written it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Ending {
    /// What to answer if everything could be written.
    pub decision: Decision,
    /// Whose login, if known.
    pub person: Option<PersonId>,
    /// What must be accepted for the decision to hold.
    pub accept: Option<Proof>,
    /// Counters to reset.
    pub clear: Vec<Counter>,
    /// Counters that were charged but not tried.
    pub refund: Vec<Counter>,
}

impl Ending {
    /// Resets a counter: what it counts was right.
    pub(super) fn cleared(mut self, counter: Counter) -> Self {
        self.refund.retain(|other| *other != counter);
        self.clear.push(counter);
        self
    }

    /// Replaces the text of a refusal.
    pub(super) fn says(mut self, text: &str) -> Self {
        if let Decision::Reject { message, .. } = &mut self.decision {
            text.clone_into(message);
        }
        self
    }

    /// The refusal that takes the decision's place when the proof could not be accepted.
    pub fn replayed(&self, message: &str) -> Decision {
        Decision::Reject { reason: Reason::PasscodeReplayed, message: message.to_owned() }
    }
}

impl Login<'_> {
    /// A refusal that keeps every charge.
    pub(super) fn reject(&mut self, reason: Reason) -> Action {
        let mut ending = self.ending(reason);
        ending.refund.clear();
        self.settle(ending)
    }

    /// A refusal before any passcode was looked at: the factors get their charges back, so that someone who only
    /// hammers a password that is blocked already does not use up the passcode's tries as well.
    pub(super) fn reject_untried(&mut self, reason: Reason) -> Action {
        let mut ending = self.ending(reason);
        ending.refund.retain(|counter| matches!(counter, Counter::Factor(_)));
        self.settle(ending)
    }

    pub(super) fn settle(&mut self, ending: Ending) -> Action {
        self.state = super::State::Over;
        Action::Settle(Box::new(ending))
    }

    /// An ending for `reason`: an accept where it is one, else a refusal with the text that tells nothing.
    /// Everything charged is refunded until a caller clears or keeps it.
    pub(super) fn ending(&self, reason: Reason) -> Ending {
        let accepts = matches!(
            reason,
            Reason::PasswordOnly
                | Reason::PasswordAndPasscode
                | Reason::PasscodeOnly
                | Reason::PinAndPasscode
        );
        let decision = match &self.account {
            Some(Account { person, .. }) if accepts => {
                Decision::Accept { person: Box::new(person.clone()), reason }
            }
            _ => Decision::Reject { reason, message: self.context.texts.failed.clone() },
        };
        Ending {
            decision,
            person: self.account.as_ref().map(|account| account.person.id),
            accept: None,
            clear: Vec::new(),
            refund: self.charged.clone(),
        }
    }

    /// Asks for a passcode.
    pub(super) fn challenge(
        &mut self,
        first: First,
        word: Option<super::Choice>,
        counter: Option<Counter>,
    ) -> Action {
        let rounds = match &self.opening {
            Opening::Answer(pending) => pending.rounds.saturating_add(1),
            _ => 1,
        };
        let policy = self.policy();
        if rounds > policy.max_rounds {
            return self.reject(Reason::TooManyRounds);
        }
        let Some(person) = self.account.as_ref().map(|account| account.person.id) else {
            return self.reject(Reason::UnknownPerson);
        };
        let mut ending = self.ending(Reason::PasscodeWanted);
        ending.decision = Decision::Challenge {
            reason: Reason::PasscodeWanted,
            prompt: self.prompt(word),
            pending: Pending {
                person,
                client: self.context.client.to_owned(),
                first,
                rounds,
                expires: self.context.now + policy.challenge_lifetime,
            },
        };
        let ending = counter.into_iter().fold(ending, Ending::cleared);
        self.settle(ending)
    }

    /// The text of a challenge: the one method, or the list to choose from.
    fn prompt(&self, word: Option<super::Choice>) -> String {
        let texts = self.context.texts;
        let methods = self.methods();
        let chosen = word.and_then(|choice| choice.among(&methods));
        let unavailable = word.is_some() && chosen.is_none();
        let name = |kind: &FactorKind| texts.method(*kind).to_owned();
        let one_round = self.policy().one_round;
        let prompt = match (chosen, methods.as_slice()) {
            (Some(kind), _) => texts.prompt_one.replace("{method}", texts.method(kind)),
            (None, [kind]) => texts.prompt_one.replace("{method}", texts.method(*kind)),
            (None, several) if one_round => {
                let names: Vec<_> = several.iter().map(name).collect();
                texts.prompt_one.replace("{method}", &names.join(" / "))
            }
            (None, several) => {
                let numbered =
                    several.iter().enumerate().map(|(at, kind)| format!("{} = {}", at + 1, name(kind)));
                texts.prompt.replace("{methods}", &numbered.collect::<Vec<_>>().join(", "))
            }
        };
        if unavailable { format!("{} {prompt}", texts.method_unavailable) } else { prompt }
    }

    /// Whom a username belongs to is nobody's business: the same for every log line.
    pub fn subject(&self) -> String {
        match Username::parse(&self.context.realms.canonical(&self.username)) {
            Ok(name) => name.as_str().to_owned(),
            Err(_) => "(invalid)".to_owned(),
        }
    }
}
