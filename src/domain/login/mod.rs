//! The login machine: from a username and what was typed to a decision, in the steps that R-RAD-1 and R-RAD-2
//! describe. It decides; the engine looks up, charges, verifies and writes.
//!
//! ```text
//!  start ──LookUp──▶ AwaitAccount ──Charge──▶ AwaitCharge ─┬─CheckPassword─▶ AwaitPassword ─┐
//!                         │                               ├─CheckPin──────▶ AwaitPin ──────┤
//!                         │ (answer of nobody)            └────────────────────────────────┤
//!                         └──────────────────────────────────────────────────────▶ Settle ◀┘
//! ```
//!
//! A device's password takes the short way: `LookUp`, `Charge`, `Settle` ([`Login::by_device`]).
//!
//! Before `Settle` there is one more step where a YubiKey's password was typed: `Validate` if only its server can tell whether
//! it is good, and `FindKey` if it comes to a refusal, for the log.
//!
//! Rules it keeps:
//! - An attempt is charged before it is verified, on the counter of each thing it might be about.
//! - One password check a round (two spellings where a separator or a keyword leaves room for two), also for a
//!   stranger and for someone who is disabled, locked or throttled: the work tells nothing.
//! - A passcode that matches is a [`Proof`]; only the settlement accepts it.
//! - What the person reads on a refusal is one text, unless the password was right.

mod answer;
mod checked;
mod device;
mod ending;
mod how;
mod key;
mod reading;
mod steps;
#[cfg(test)]
mod tests;
mod vouched;

pub use answer::{Choice, Offer};
pub use device::Recognised;
pub use ending::{Ask, Decision, Dispatch, Ending, First, Pending};
pub use how::How;
use reading::spellings;
pub use steps::{Account, Action, Candidates, Context, Event, Opening, Shown, Vouched};

use super::factor::{FactorId, Proof};
use super::person::{Status, Username};
use super::policy::{LoginKind, LoginPolicy};
use super::reason::Reason;
use super::sent::{CodeId, Purpose};
use super::throttle::{Counter, CounterList, Gate};
use crate::base::{Secret, Timestamp};
use crate::wire::yubico::Otp;
use smallvec::smallvec;
use std::sync::Arc;

/// A login under way.
#[derive(Debug)]
pub struct Login<'a> {
    context: Context<'a>,
    username: &'a str,
    typed: Option<&'a Secret<Vec<u8>>>,
    opening: Opening,
    state: State,
    account: Option<Arc<Account>>,
    charged: CounterList,
    /// What a device shows, where this is about its password.
    device: Option<Box<device::Trial>>,
}

#[derive(Debug)]
enum State {
    AwaitAccount,
    AwaitCharge,
    AwaitPassword(Reading),
    AwaitPin(Reading),
    AwaitValidation(key::Asked),
    AwaitKeyOwner(key::Refusal),
    Over,
}

/// What a passcode matched. It is no yes: only the settlement uses it up.
#[derive(Debug, Clone, Copy)]
enum Matched {
    /// A factor.
    Factor(Proof),
    /// The code that was sent, which ends then.
    Sent(CodeId, Timestamp),
    /// Nothing yet: a YubiKey, which only its validation server can judge.
    Unproven(FactorId, Otp),
}

impl Matched {
    const fn counter(&self) -> Counter {
        match self {
            Matched::Factor(proof) => Counter::Factor(proof.factor()),
            Matched::Sent(..) => Counter::Sent,
            Matched::Unproven(factor, _) => Counter::Factor(*factor),
        }
    }
}

/// How the typed string was read.
#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    /// The passcode that matched.
    proof: Option<Matched>,
    /// A word in place of the passcode, if the first candidate is the password.
    word: Option<Choice>,
    /// It ended like a passcode.
    code_shaped: bool,
    /// Refuse with this whatever the check says: the gate was shut, or the person may not log in.
    refuse: Option<Reason>,
}

impl<'a> Login<'a> {
    /// A round that has not begun. `typed` is the revealed User-Password; `None` when the request had none.
    pub fn new(
        context: Context<'a>,
        username: &'a str,
        typed: Option<&'a Secret<Vec<u8>>>,
        opening: Opening,
    ) -> Self {
        Self {
            context,
            username,
            typed,
            opening,
            state: State::AwaitAccount,
            account: None,
            charged: CounterList::new(),
            device: None,
        }
    }

    /// Begins it.
    pub fn start(&mut self) -> Action {
        let refusal = match self.opening {
            Opening::Lost => Some(Reason::StateInvalid),
            Opening::Vouched(_) => None,
            _ if self.device.is_some() => None,
            _ if self.typed.is_none() => Some(Reason::ProtocolUnsupported),
            _ if self.typed().is_empty() => Some(Reason::EmptyPassword),
            _ => None,
        };
        match (refusal, Username::parse(&self.context.realms.canonical(self.username))) {
            (Some(reason), _) => self.reject(reason),
            (None, Err(_)) => self.reject(Reason::UsernameInvalid),
            (None, Ok(name)) => Action::LookUp(name),
        }
    }

    /// When it began.
    pub const fn began(&self) -> Timestamp {
        self.context.now
    }

    /// Takes what came of the last action. An event that does not belong to it ends in a refusal.
    pub fn handle(&mut self, event: Event) -> Action {
        match (std::mem::replace(&mut self.state, State::Over), event) {
            (State::AwaitAccount, Event::Account(account)) => self.account_found(account),
            (State::AwaitCharge, Event::Charged(gates)) => self.charge_done(&gates),
            (State::AwaitPassword(reading), Event::Password(verdict)) => {
                self.password_checked(reading, verdict)
            }
            (State::AwaitPin(reading), Event::Pin(right)) => self.pin_checked(reading, right),
            (State::AwaitValidation(asked), Event::Validated(said)) => self.validated(asked, said),
            (State::AwaitKeyOwner(refusal), Event::KeyOwner(owner)) => self.owner_known(refusal, owner),
            _ => self.reject(Reason::StateInvalid),
        }
    }

    /// What was typed; nothing, if nothing was.
    fn typed(&self) -> &'a [u8] {
        self.typed.map_or(&[], |typed| typed.expose())
    }

    /// The same, for work that may outlive the login.
    fn copied(&self) -> Secret<Vec<u8>> {
        Secret::new(self.typed().to_vec())
    }

    fn policy(&self) -> &'a LoginPolicy {
        self.context.policy.of(self.account.as_ref().map(|account| &*account.person))
    }

    fn account_found(&mut self, account: Option<Arc<Account>>) -> Action {
        self.account = account;
        if let Opening::Vouched(vouched) = self.opening {
            return self.vouched(vouched);
        }
        if self.device.is_some() {
            return self.charge();
        }
        if let Opening::Answer { pending, .. } = &self.opening {
            let same = self.account.as_ref().is_some_and(|account| {
                account.person.id == pending.person && pending.client == self.context.client
            });
            // What was right before must still be what the client asks first.
            let fits = match self.policy().kind {
                LoginKind::Password | LoginKind::PasswordAndPasscode => pending.first == First::Password,
                LoginKind::PinAndPasscode => {
                    let pin = self.pin_of(pending.first);
                    pin.is_some() && (pending.pin.is_none() || pending.pin == pin)
                }
                LoginKind::Passcode => true,
            };
            if !same || !fits || pending.expires <= self.context.now {
                return self.reject(Reason::StateInvalid);
            }
            let version = self.account.as_ref().map(|account| account.person.version);
            let void = version != Some(pending.version);
            // Checked again: it may have changed since the challenge.
            match self.barred() {
                Some(reason) => return self.reject(reason),
                None if void => return self.reject(Reason::StateInvalid),
                None => {
                    if let Some(choice) = self.choice_typed() {
                        return self.choose(choice);
                    }
                }
            }
        } else if self.policy().kind == LoginKind::Passcode
            && self.barred().is_none()
            && let Some(choice) = self.choice_typed()
        {
            return self.choose(choice);
        }
        self.charge()
    }

    fn charge(&mut self) -> Action {
        self.state = State::AwaitCharge;
        self.charged = self.counters();
        let person = self.account.as_ref().map(|account| account.person.id);
        Action::Charge { person, counters: self.charged.clone() }
    }

    /// Why this person may not log in at all.
    fn barred(&self) -> Option<Reason> {
        let activates = self.context.purpose == Purpose::Activation;
        match &self.account {
            None => Some(Reason::UnknownPerson),
            Some(account) => match account.person.status {
                Status::Active | Status::New
                    if account.person.valid_until.is_some_and(|end| end <= self.context.now) =>
                {
                    Some(Reason::PersonExpired)
                }
                Status::Active => activates.then_some(Reason::AlreadyActive),
                Status::New => (!activates).then_some(Reason::PersonNew),
                Status::Locked => Some(Reason::PersonLocked),
                Status::Disabled => Some(Reason::PersonDisabled),
            },
        }
    }

    fn charge_done(&mut self, gates: &[Gate]) -> Action {
        let shut = |counter: &Counter| {
            let at = self.charged.iter().position(|charged| charged == counter);
            // A counter without a gate would mean a store that lost count: shut.
            at.and_then(|at| gates.get(at).copied()).unwrap_or(Gate::Stopped)
        };
        if self.device.is_some() {
            let gate = shut(&Counter::Devices);
            return self.try_device(gate);
        }
        let first = match self.tries() {
            LoginKind::Password | LoginKind::PasswordAndPasscode => shut(&Counter::Password),
            LoginKind::PinAndPasscode => self.pin().map_or(Gate::Open, |(id, _)| shut(&Counter::Factor(id))),
            LoginKind::Passcode => Gate::Open,
        };
        let factors = self.charged.iter().filter(|counter| **counter != Counter::Password);
        let open: CounterList = factors.filter(|counter| shut(counter) == Gate::Open).copied().collect();
        let stopped = self.charged.iter().any(|counter| shut(counter) == Gate::Stopped);
        let all_shut =
            !self.charged.is_empty() && self.charged.iter().all(|counter| shut(counter) != Gate::Open);
        // Only what was charged can be refunded later.
        let charged = std::mem::take(&mut self.charged);
        self.charged =
            charged.iter().filter(|counter| first_or_open(counter, first, &open)).copied().collect();

        let throttled = if stopped { Reason::HardStopped } else { Reason::Throttled };
        let refuse = self.barred().or((first != Gate::Open || all_shut).then_some(throttled));
        let (split, proof) = match refuse {
            Some(_) => (None, None),
            None => self.find_match(&open).unzip(),
        };
        let code_shaped = charged.iter().any(|counter| *counter != Counter::Password);
        let reading = Reading { proof, word: None, code_shaped, refuse };
        match self.tries() {
            LoginKind::Password => self.check_password(reading, smallvec![self.copied()]),
            LoginKind::PasswordAndPasscode => self.read_password(reading, split),
            LoginKind::PinAndPasscode => self.read_pin(reading, split),
            LoginKind::Passcode => self.passcode_read(reading),
        }
    }

    fn read_password(&mut self, mut reading: Reading, prefix: Option<Vec<u8>>) -> Action {
        let candidates = match prefix {
            Some(prefix) => spellings(&prefix, &self.policy().separators),
            None => match answer::word_at_end(self.typed(), &self.policy().separators) {
                Some((password, choice)) if !password.is_empty() => {
                    reading.word = Some(choice);
                    smallvec![Secret::new(password.to_vec()), self.copied()]
                }
                _ => smallvec![self.copied()],
            },
        };
        self.check_password(reading, candidates)
    }

    fn check_password(&mut self, reading: Reading, candidates: Candidates) -> Action {
        let known = reading.refuse.is_none();
        let person = self.account.as_ref().filter(|_| known).map(|account| Arc::clone(&account.person));
        self.state = State::AwaitPassword(reading);
        Action::CheckPassword { person, candidates }
    }

    fn read_pin(&mut self, mut reading: Reading, prefix: Option<Vec<u8>>) -> Action {
        let pin = match prefix {
            // A PIN is digits, so a separator after it cannot be part of it.
            Some(prefix) => spellings(&prefix, &self.policy().separators).swap_remove(0),
            None => self.copied(),
        };
        let hash = match self.pin() {
            Some((_, hash)) if reading.refuse.is_none() => Some(hash),
            Some(_) => None,
            None => {
                reading.refuse = reading.refuse.or(Some(Reason::NotEnrolled));
                None
            }
        };
        self.state = State::AwaitPin(reading);
        Action::CheckPin { hash, pin }
    }
}

/// What this person could use, if they may at all; else why not.
pub fn offers(context: Context<'_>, account: Option<Arc<Account>>) -> Result<Vec<Offer>, Reason> {
    let mut login = Login::new(context, "", None, Opening::First);
    login.account = account;
    login.barred().map_or_else(|| Ok(login.offers()), Err)
}

fn first_or_open(counter: &Counter, first: Gate, open: &[Counter]) -> bool {
    match counter {
        Counter::Password => first == Gate::Open,
        Counter::Factor(_) | Counter::Sent | Counter::Reset | Counter::Questions | Counter::Devices => {
            open.contains(counter)
        }
    }
}
