//! Runs one round of the login machine: does what it asks for and writes how it ends.
//!
//! `Err` means that nothing could be decided (store or directory down, overload): RADIUS then does not answer,
//! so that the client tries its next server. Neither yes nor no is ever made of it.

use super::closing::Closing;
use super::delivery::Waker;
use super::late_key::{LOCALISED, localised};
use super::meters::{Front, Lap, Meters, Stage, Timing};
use crate::base::meter::Outcomes;
use crate::base::{Clock, Random, Secret, Timestamp};
use crate::config::Config;
use crate::domain::audit::AuditEntry;
use crate::domain::digest::CodeDigester;
use crate::domain::factor::FactorId;
use crate::domain::login::{
    Account, Action, Ask, Context, Event, How, Login, Offer, Opening, Shown, Vouched, offers,
};
use crate::domain::method::Reach;
use crate::domain::passcode::{self, Window};
use crate::domain::person::Person;
use crate::domain::policy::ClientPolicy;
use crate::domain::reason::Reason;
use crate::domain::sent::Purpose;
use crate::domain::throttle::{Counter, Throttle};
use crate::domain::yubikey::Validation;
pub use crate::store::challenges::State;
use crate::store::challenges::{Challenges, NewChallenge, STATE_LENGTH, Taken};
use crate::store::directory::{Directory, DirectoryError, HashPool, PoolError};
use crate::store::{Attempts, Logins, OtpValidator, People, StoreError, Tokens, ValidatorError};
use crate::wire::yubico::Otp;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Where a login looks and writes.
pub struct Gatekeeper {
    /// People and their factors.
    pub people: Arc<dyn People>,
    /// Failure counters.
    pub attempts: Arc<dyn Attempts>,
    /// Ends of rounds.
    pub logins: Arc<dyn Logins>,
    /// Challenges that wait for an answer.
    pub challenges: Arc<dyn Challenges>,
    /// Passwords.
    pub directory: Arc<dyn Directory>,
    /// Whose a YubiKey is.
    pub tokens: Arc<dyn Tokens>,
    /// Judges YubiKeys that only their validation server knows; `None`: nobody does.
    pub validator: Option<Arc<dyn OtpValidator>>,
    /// Where people can be sent codes.
    pub reach: Arc<dyn Reach>,
    /// Woken when there is a message to send.
    pub courier: Waker,
    /// Hashes PINs.
    pub hashes: Arc<HashPool>,
    /// Digests of recovery and temporary codes.
    pub digester: CodeDigester,
    /// Counts, and tells who watches.
    pub meters: Arc<Meters>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Makes States.
    pub random: Arc<dyn Random>,
}

/// One round as a front received it.
#[derive(Debug)]
pub struct Round<'a> {
    /// Id of the request, for log and audit.
    pub request: &'a str,
    /// Where it came in.
    pub front: Front,
    /// Since when, and what it counts for in measurements.
    pub timing: Timing,
    /// Who asked over RADIUS.
    pub peer: Option<IpAddr>,
    /// Name of the client; what it opens, nobody else can answer.
    pub client: &'a str,
    /// The client's counters, if they are at hand.
    pub outcomes: Option<&'a Outcomes>,
    /// What it is for.
    pub purpose: Purpose,
    /// Its policy.
    pub policy: &'a ClientPolicy,
    /// Username as received.
    pub username: &'a str,
    /// What was typed, if there was something.
    pub typed: Option<Secret<Vec<u8>>>,
    /// What vouches for the person in place of it.
    pub vouched: Option<Vouched>,
    /// The State that the request carries.
    pub state: Option<&'a [u8]>,
    /// Where the person is, as the front knows it: Calling-Station-Id or address; may be empty.
    pub origin: &'a str,
    /// It is where the front is asked from, for all who are behind that: so many codes may be sent for them, if that is more than
    /// `codes.per_origin`.
    pub crowd: Option<u32>,
    /// Where codes go, if not where the person is usually reached.
    pub reach: Option<&'a dyn Reach>,
    /// Language of the person, if the front knows it.
    pub language: Option<&'a str>,
    /// A code that is under way counts, if it is not older than this; none: as `codes.resend_after` says.
    pub join: Option<Duration>,
    /// The only factor that counts; none: all that the policy allows.
    pub device: Option<FactorId>,
}

impl<'a> Round<'a> {
    /// One for a login in which nothing is shown yet, from nowhere in particular.
    pub const fn new(
        (front, timing): (Front, Timing),
        request: &'a str,
        client: &'a str,
        policy: &'a ClientPolicy,
        username: &'a str,
    ) -> Self {
        Self {
            request,
            front,
            timing,
            peer: None,
            client,
            outcomes: None,
            purpose: Purpose::Login,
            policy,
            username,
            typed: None,
            vouched: None,
            state: None,
            origin: "",
            crowd: None,
            reach: None,
            language: None,
            join: None,
            device: None,
        }
    }
}

/// What to answer.
#[derive(Debug)]
pub enum Verdict {
    /// Let in.
    Accept {
        /// Whom.
        person: Arc<Person>,
        /// Why.
        reason: Reason,
        /// The factors that were shown.
        factors: Shown,
    },
    /// Ask.
    Challenge {
        /// What to show.
        prompt: String,
        /// The same for a front that shows it in its own words.
        ask: Ask,
        /// State to send along.
        state: [u8; STATE_LENGTH],
        /// Why.
        reason: Reason,
    },
    /// Refuse.
    Reject {
        /// What to show.
        message: String,
        /// Why.
        reason: Reason,
    },
}

impl Verdict {
    /// Why, for log and metric.
    pub const fn reason(&self) -> Reason {
        match self {
            Verdict::Accept { reason, .. }
            | Verdict::Challenge { reason, .. }
            | Verdict::Reject { reason, .. } => *reason,
        }
    }
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory failed.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// PIN check failed.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// No validation server answered.
    #[error(transparent)]
    Validator(#[from] ValidatorError),
    /// No room for another challenge.
    #[error("too many challenges are waiting for an answer")]
    ChallengesFull,
}

impl Gatekeeper {
    /// What is the same for every round at a client.
    pub(super) fn context<'a>(
        &'a self,
        config: &'a Config,
        round: &Round<'a>,
        now: Timestamp,
    ) -> Context<'a> {
        Context {
            client: round.client,
            purpose: round.purpose,
            policy: round.policy,
            texts: &config.texts,
            window: Window {
                totp_skew: config.factors.totp_skew,
                hotp_look_ahead: config.factors.hotp_look_ahead,
            },
            reach: round.reach.unwrap_or(&*self.reach),
            digester: &self.digester,
            device: round.device,
            realms: &config.realms,
            now,
        }
    }

    /// Passcodes that this person could use in such a round, if they may log in at all; else why not.
    pub fn offers(
        &self,
        config: &Config,
        round: &Round<'_>,
        account: Option<Arc<Account>>,
    ) -> Result<Vec<Offer>, Reason> {
        offers(self.context(config, round, self.clock.now()), account)
    }

    /// Says who is about to log in, by their names as received: logins that come together find at hand what is in memory of them.
    pub fn announce(&self, names: &[&str]) {
        self.directory.announce(&self.people.announce(names));
    }

    /// Decides one round, and reports what was decided. If it cannot, the State that was answered counts as if it had not been.
    pub async fn decide(&self, config: &Config, round: Round<'_>) -> Result<Verdict, Undecided> {
        match self.decide_within(config, &round).await {
            Ok((verdict, how)) => {
                self.report_round(&round, &verdict, how);
                Ok(verdict)
            }
            Err(error) => {
                self.meters.undecided(round.front);
                Err(error)
            }
        }
    }

    /// Decides a round of something larger, which reports by itself how that ends.
    pub async fn decide_within(
        &self,
        config: &Config,
        round: &Round<'_>,
    ) -> Result<(Verdict, How), Undecided> {
        let mut taken = None;
        let decided = self.run(config, round, &mut taken).await;
        if decided.is_err()
            && let Some(taken) = taken
        {
            self.put_back(taken).await;
        }
        decided
    }

    /// Notes in `taken` what was taken out to be answered.
    async fn run(
        &self,
        config: &Config,
        round: &Round<'_>,
        taken: &mut Option<NewChallenge>,
    ) -> Result<(Verdict, How), Undecided> {
        let (now, mut lap) = (self.clock.now(), Lap::start(&self.meters, round.timing));
        let opening = match (round.vouched, round.state) {
            (Some(vouched), _) => Opening::Vouched(vouched),
            (None, None) => Opening::First,
            (None, Some(state)) => match <[u8; STATE_LENGTH]>::try_from(state) {
                Ok(state) => match self.take(&state, round, now, &mut lap).await? {
                    Some(Taken { pending, code }) => {
                        // A code that was handed out has cost one of its tries, which is not given back.
                        let untouched = code.is_none().then(|| pending.clone());
                        *taken = untouched.map(|pending| NewChallenge { state, pending, code: None });
                        Opening::Answer { pending: Box::new(pending), code }
                    }
                    None => Opening::Lost,
                },
                Err(_) => Opening::Lost,
            },
        };
        let context = self.context(config, round, now);
        let mut login = Login::new(context, round.username, round.typed.as_ref(), opening);
        let action = login.start();
        lap.machine();
        self.drive(config, round, (&mut login, action), lap).await
    }

    async fn take(
        &self,
        state: &State,
        round: &Round<'_>,
        now: Timestamp,
        lap: &mut Lap<'_>,
    ) -> Result<Option<Taken>, Undecided> {
        let taken = self.challenges.take(state, could_be_sent(round), now).await;
        lap.stage(Stage::Store);
        Ok(taken?)
    }

    /// Does what the machine asks for, to its end.
    pub(super) async fn drive(
        &self,
        config: &Config,
        round: &Round<'_>,
        (login, mut action): (&mut Login<'_>, Action),
        mut lap: Lap<'_>,
    ) -> Result<(Verdict, How), Undecided> {
        loop {
            if let Action::Settle(ending) = action {
                let how = login.how(&ending);
                let (subject, at) = (login.subject(), self.lately(login));
                let closing = Closing { gatekeeper: self, config, round, subject, ending, at };
                let verdict = closing.run().await;
                lap.stage(Stage::Store);
                return Ok((verdict?, how));
            }
            let stage = stage(config, &action);
            let event = self.event(config, round, login, action).await;
            lap.stage(stage);
            action = login.handle(event?);
            lap.machine();
        }
    }

    /// The time, as precisely as a step of a login needs it.
    fn lately(&self, login: &Login<'_>) -> Timestamp {
        self.clock.lately().max(login.began())
    }

    /// What comes of an action.
    async fn event(
        &self,
        config: &Config,
        round: &Round<'_>,
        login: &Login<'_>,
        action: Action,
    ) -> Result<Event, Undecided> {
        Ok(match action {
            Action::LookUp(name) => Event::Account(self.people.account(&name).await?),
            Action::Charge { counters, .. } if counters.is_empty() => Event::Charged(Vec::new()),
            Action::Charge { person, counters } => {
                let (now, rules) = (self.lately(login), rules(&config.throttle, &counters));
                Event::Charged(self.attempts.charge(person, &counters, &rules, now).await?)
            }
            Action::CheckPassword { person, candidates } => {
                Event::Password(self.directory.check(person.as_deref(), &candidates).await?)
            }
            Action::CheckPin { hash, pin } => Event::Pin(self.hashes.verify(hash, pin).await?),
            Action::Validate { otp, .. } => match Box::pin(self.validate(round, login, &otp)).await {
                Ok(validation) => Event::Validated(validation),
                Err(error) => {
                    if let Undecided::Validator(_) = error {
                        self.give_back(login, round).await;
                    }
                    return Err(error);
                }
            },
            Action::FindKey(public_id) => Event::KeyOwner(self.tokens.owner(&public_id).await?),
            // The end, which is written elsewhere; the machine takes no event then.
            Action::Settle(_) => Event::Charged(Vec::new()),
        })
    }
}

/// What an action is a part of. Where there are outside directories, strangers are looked for there.
fn stage(config: &Config, action: &Action) -> Stage {
    match action {
        Action::LookUp(_) | Action::Charge { .. } | Action::Settle(_) => Stage::Store,
        Action::CheckPassword { person, .. } => {
            let outside =
                person.as_ref().map_or(!config.directories.is_empty(), |person| person.origin.is_some());
            if outside { Stage::Directory } else { Stage::Password }
        }
        Action::CheckPin { .. } | Action::Validate { .. } | Action::FindKey(_) => Stage::Factor,
    }
}

impl Gatekeeper {
    /// Asks the validation server about a key that is not judged here.
    async fn validate(
        &self,
        round: &Round<'_>,
        login: &Login<'_>,
        otp: &Otp,
    ) -> Result<Validation, Undecided> {
        let Some(validator) = &self.validator else { return Ok(Validation::Bad(Reason::YubikeyNoServer)) };
        let said = validator.validate(otp).await?;
        let audit = AuditEntry {
            at: self.clock.now(),
            actor: format!("{}:{}", round.front.door(), round.client),
            action: LOCALISED,
            person: None,
            subject: login.subject(),
            outcome: "done",
            detail: "".into(),
            request: round.request.to_owned(),
        };
        Ok(localised(&*self.tokens, otp, said, audit).await?)
    }
}

/// How attempts on these counters are throttled.
fn rules<'t>(throttle: &'t Throttle, counters: &[Counter]) -> Cow<'t, Throttle> {
    match counters {
        [Counter::Devices] => Cow::Owned(throttle.unguessable()),
        _ => Cow::Borrowed(throttle),
    }
}

fn could_be_sent(round: &Round<'_>) -> bool {
    round.typed.as_ref().is_some_and(|typed| passcode::sent_shape(typed.expose()).is_some())
}
