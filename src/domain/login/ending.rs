//! How a round ends: the decision, and what the store must write with it.

use super::answer::Offer;
use super::{Action, Login, Opening, Reason, Timestamp, Username};
use crate::domain::contact::Destination;
use crate::domain::factor::{CodeDigest, FactorId, FactorKind, Proof};
use crate::domain::method::Channel;
use crate::domain::person::{Person, PersonId};
use crate::domain::sent::CodeId;
use crate::domain::throttle::{Counter, CounterList};
use std::sync::Arc;

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
    /// Their version then: with a new password, or a lock, it is void.
    #[serde(default)]
    pub version: i64,
    /// Name of the client that was sent the challenge.
    pub client: String,
    /// What was right before it.
    pub first: First,
    /// The PIN, if that was it: another one by now, and it is void.
    #[serde(default)]
    pub pin: Option<FactorId>,
    /// Challenges sent so far.
    pub rounds: u8,
    /// When it ends.
    pub expires: Timestamp,
}

/// What a challenge asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// To choose one of these.
    Method(Vec<Offer>),
    /// For a passcode of this method.
    Passcode(Offer),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Let in.
    Accept {
        /// Whom: groups decide on reply attributes.
        person: Arc<Person>,
        /// Why.
        reason: Reason,
    },
    /// Ask for a passcode.
    Challenge {
        /// Why.
        reason: Reason,
        /// What to show.
        prompt: String,
        /// The same for a front that shows it in its own words.
        ask: Ask,
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

/// A code to be sent with a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// Over what.
    pub channel: Channel,
    /// Where to.
    pub destination: Destination,
    /// Whom it is for.
    pub person: Arc<Person>,
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
    /// The PIN that was right before it, if one was asked for.
    pub pin: Option<FactorId>,
    /// The sent code that must be used up for it to hold, and when it is over anyway.
    pub code: Option<(CodeId, Timestamp)>,
    /// Digest of a YubiKey's password that its validation server has accepted, if the server told no position: it must not
    /// have been used here before, whatever that server says.
    pub otp: Option<CodeDigest>,
    /// A code to be sent with the challenge.
    pub send: Option<Dispatch>,
    /// Name of the device whose password it was.
    pub device: Option<String>,
    /// Counters to reset.
    pub clear: CounterList,
    /// Counters that were charged but not tried.
    pub refund: CounterList,
}

impl Ending {
    /// Resets a counter: what it counts was right.
    pub(super) fn cleared(mut self: Box<Self>, counter: Counter) -> Box<Self> {
        self.refund.retain(|other| *other != counter);
        self.clear.push(counter);
        self
    }

    /// Replaces the text of a refusal.
    pub(super) fn says(mut self: Box<Self>, text: &str) -> Box<Self> {
        if let Decision::Reject { message, .. } = &mut self.decision {
            text.clone_into(message);
        }
        self
    }

    /// The refusal that takes the decision's place when the proof could not be accepted.
    pub fn replayed(&self, message: &str) -> Decision {
        let reason = match self.accept {
            Some(Proof::Standing { .. }) => Reason::DevicePasswordRevoked,
            _ => Reason::PasscodeReplayed,
        };
        Decision::Reject { reason, message: message.to_owned() }
    }

    /// The refusal that takes its place when no code may be sent.
    pub fn limited(message: &str) -> Decision {
        Decision::Reject { reason: Reason::SendLimited, message: message.to_owned() }
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
        ending.refund.retain(|counter| *counter != Counter::Password);
        self.settle(ending)
    }

    pub(super) fn settle(&mut self, ending: Box<Ending>) -> Action {
        self.state = super::State::Over;
        Action::Settle(ending)
    }

    /// An ending for `reason`: an accept where it is one, else a refusal with the text that tells nothing.
    /// Everything charged is refunded until a caller clears or keeps it.
    pub(super) fn ending(&self, reason: Reason) -> Box<Ending> {
        let accepts = matches!(
            reason,
            Reason::PasswordOnly
                | Reason::PasswordAndPasscode
                | Reason::PasscodeOnly
                | Reason::PinAndPasscode
                | Reason::Certificate
                | Reason::SessionResumed
                | Reason::DevicePassword
        );
        let decision = match &self.account {
            Some(account) if accepts => Decision::Accept { person: Arc::clone(&account.person), reason },
            _ => Decision::Reject { reason, message: self.context.texts.failed.clone() },
        };
        // It is large, so it is made where it stays.
        Box::new(Ending {
            decision,
            person: self.account.as_ref().map(|account| account.person.id),
            accept: None,
            pin: None,
            code: None,
            otp: None,
            send: None,
            device: None,
            clear: CounterList::new(),
            refund: self.charged.clone(),
        })
    }

    /// Asks for a passcode.
    pub(super) fn challenge(
        &mut self,
        first: First,
        word: Option<super::Choice>,
        counter: Option<Counter>,
    ) -> Action {
        let rounds = match &self.opening {
            Opening::Answer { pending, .. } => pending.rounds.saturating_add(1),
            _ => 1,
        };
        let policy = self.policy();
        if rounds > policy.max_rounds {
            return self.reject(Reason::TooManyRounds);
        }
        let Some(known) = self.account.as_ref().map(|account| Arc::clone(&account.person)) else {
            return self.reject(Reason::UnknownPerson);
        };
        let (person, version) = (known.id, known.version);
        let offers = self.offers();
        let named = word.and_then(|choice| choice.among(&offers));
        let unavailable = word.is_some() && named.is_none();
        // Nothing is sent in place of something that was asked for and is not there.
        let meant = self.only(&offers).filter(|only| !unavailable || matches!(only, Offer::Factor(_)));
        let chosen = named.or(meant);
        let (reason, send) = match chosen {
            Some(Offer::Sent(channel, destination)) => {
                let (channel, destination) = (*channel, destination.clone());
                let send = Dispatch { channel, destination, person: known };
                (Reason::PasscodeSent, Some(send))
            }
            _ => (Reason::PasscodeWanted, None),
        };
        let mut ending = self.ending(reason);
        ending.send = send;
        ending.decision = Decision::Challenge {
            reason,
            prompt: self.prompt(&offers, chosen, unavailable),
            ask: chosen.map_or_else(|| Ask::Method(offers.clone()), |offer| Ask::Passcode(offer.clone())),
            pending: Pending {
                person,
                version,
                client: self.context.client.to_owned(),
                first,
                pin: self.pin_of(first),
                rounds,
                expires: self.context.now + policy.challenge_lifetime,
            },
        };
        let ending = counter.into_iter().fold(ending, Ending::cleared);
        self.settle(ending)
    }

    /// What is meant where nothing was chosen: the one method that there is; or, where no choice is possible any more
    /// and everything must be sent, the first.
    fn only<'o>(&self, offers: &'o [Offer]) -> Option<&'o Offer> {
        match offers {
            [only] => Some(only),
            [first, ..] if self.policy().one_round => {
                offers.iter().all(|offer| matches!(offer, Offer::Sent(..))).then_some(first)
            }
            _ => None,
        }
    }

    /// The text of a challenge: the one method, or the list to choose from.
    fn prompt(&self, offers: &[Offer], chosen: Option<&Offer>, unavailable: bool) -> String {
        let texts = self.context.texts;
        let one = |name: &str| texts.prompt_one.replace("{method}", name);
        let prompt = match chosen {
            Some(Offer::Factor(FactorKind::Yubikey)) => {
                texts.prompt_yubikey.replace("{method}", texts.method(FactorKind::Yubikey))
            }
            Some(Offer::Factor(kind)) => one(texts.method(*kind)),
            Some(Offer::Sent(_, to)) => texts.prompt_sent.replace("{destination}", &to.masked),
            None if self.policy().one_round => {
                // What would have to be sent first is no answer to this.
                let names = offers.iter().filter_map(|offer| match offer {
                    Offer::Factor(kind) => Some(texts.method(*kind)),
                    Offer::Sent(..) => None,
                });
                one(&names.collect::<Vec<_>>().join(" / "))
            }
            None => {
                let name = |offer: &Offer| match offer {
                    Offer::Factor(kind) => texts.method(*kind).to_owned(),
                    Offer::Sent(channel, to) => format!("{} to {}", texts.channel(*channel), to.masked),
                };
                let numbered =
                    offers.iter().enumerate().map(|(at, offer)| format!("{} = {}", at + 1, name(offer)));
                texts.prompt.replace("{methods}", &numbered.collect::<Vec<_>>().join(", "))
            }
        };
        if unavailable { format!("{} {prompt}", texts.method_unavailable) } else { prompt }
    }

    /// Whom a username belongs to is nobody's business: the same for every log line.
    pub fn subject(&self) -> String {
        if let Some(account) = &self.account {
            return account.person.username.as_str().to_owned();
        }
        match Username::parse(&self.context.realms.canonical(self.username)) {
            Ok(name) => name.as_str().to_owned(),
            Err(_) => "(invalid)".to_owned(),
        }
    }
}
