//! What the machine knows at the beginning, asks for and is told.

use super::{Ending, Pending};
use crate::base::{Secret, Timestamp};
use crate::domain::digest::CodeDigester;
use crate::domain::directory::Realms;
use crate::domain::factor::{Factor, FactorId};
use crate::domain::method::Reach;
use crate::domain::passcode::Window;
use crate::domain::password::PasswordVerdict;
use crate::domain::person::{Person, PersonId, Username};
use crate::domain::policy::{ClientPolicy, LoginTexts};
use crate::domain::reason::Reason;
use crate::domain::sent::{Purpose, SentCode};
use crate::domain::throttle::{CounterList, Gate};
use crate::domain::yubikey::{KeyOwner, Validation};
use crate::wire::yubico::{Otp, PublicId};
use smallvec::SmallVec;
use std::sync::Arc;

/// A person with everything a login needs.
#[derive(Debug, Clone)]
pub struct Account {
    /// The person.
    pub person: Arc<Person>,
    /// Their active factors, with opened material.
    pub factors: Vec<Factor>,
}

impl Account {
    /// Whether the person has enrolled a second factor.
    pub fn enrolled(&self) -> bool {
        self.factors.iter().any(|factor| factor.kind.enrolls())
    }
}

/// What is the same for every login at a client.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Name of the client.
    pub client: &'a str,
    /// What it is for.
    pub purpose: Purpose,
    /// Its policy.
    pub policy: &'a ClientPolicy,
    /// Texts to show.
    pub texts: &'a LoginTexts,
    /// How far codes may be off.
    pub window: Window,
    /// Where people can be sent codes.
    pub reach: &'a dyn Reach,
    /// Digests of codes.
    pub digester: &'a CodeDigester,
    /// The only factor that counts, if the front names one.
    pub device: Option<FactorId>,
    /// Realms of the directories, taken off names.
    pub realms: &'a Realms,
    /// The present moment.
    pub now: Timestamp,
}

/// Whether this request answers a challenge.
#[derive(Debug, Clone)]
pub enum Opening {
    /// It opens a login.
    First,
    /// It answers a challenge.
    Answer {
        /// The login that waits.
        pending: Box<Pending>,
        /// The code that was sent with it, if a try of it is left.
        code: Option<SentCode>,
    },
    /// It carries a State that nobody waits for.
    Lost,
    /// Nothing is typed: something else has shown who it is.
    Vouched(Vouched),
}

/// The factors that somebody has shown: that of the passcode, or the device's password, and the PIN.
pub type Shown = [Option<FactorId>; 2];

/// What vouches for a person where nothing is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouched {
    /// A certificate of theirs, which was verified.
    Certificate,
    /// A TLS session that began with a login of theirs.
    Session {
        /// Who that was.
        person: PersonId,
        /// Their version then: with a new password, or a lock, the session is void.
        version: i64,
        /// By what they were let in then: it must still be enough.
        reason: Reason,
        /// The factors that they showed: without one of them the session is void too.
        factors: Shown,
    },
}

/// Spellings of a password, to be tried in their order.
pub type Candidates = SmallVec<[Secret<Vec<u8>>; 2]>;

/// What the engine must do next.
#[derive(Debug)]
#[must_use]
pub enum Action {
    /// Find the account: [`Event::Account`].
    LookUp(Username),
    /// Charge one attempt on each counter: [`Event::Charged`].
    Charge {
        /// Whose; `None` is the stranger.
        person: Option<PersonId>,
        /// The counters, without repeats.
        counters: CounterList,
    },
    /// Check the password: [`Event::Password`].
    CheckPassword {
        /// Whose; `None`: do the same work for nothing.
        person: Option<Arc<Person>>,
        /// Spellings to try in order.
        candidates: Candidates,
    },
    /// Check a PIN: [`Event::Pin`].
    CheckPin {
        /// Its hash; `None`: do the same work for nothing.
        hash: Option<Secret<String>>,
        /// As typed.
        pin: Secret<Vec<u8>>,
    },
    /// Ask the validation server of a YubiKey: [`Event::Validated`].
    Validate {
        /// The factor that it is about.
        factor: FactorId,
        /// What the key typed.
        otp: Otp,
    },
    /// Find out whose this YubiKey is: [`Event::KeyOwner`].
    FindKey(PublicId),
    /// Write the end of the round; [`Ending::decision`] tells what to answer.
    Settle(Box<Ending>),
}

/// What came of the last action.
#[derive(Debug)]
pub enum Event {
    /// The account, if there is one.
    Account(Option<Arc<Account>>),
    /// One gate for each counter.
    Charged(Vec<Gate>),
    /// The password's verdict.
    Password(PasswordVerdict),
    /// Whether the PIN is right.
    Pin(bool),
    /// What the validation server says.
    Validated(Validation),
    /// Whose the YubiKey is.
    KeyOwner(KeyOwner),
}
