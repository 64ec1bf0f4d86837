//! Runs one round of the login machine: does what it asks for and writes how it ends.
//!
//! `Err` means that nothing could be decided (store or directory down, overload): RADIUS then does not answer,
//! so that the client tries its next server. Neither yes nor no is ever made of it.

use crate::base::{Clock, Random, Secret};
use crate::config::Config;
use crate::domain::audit::AuditEntry;
use crate::domain::digest::CodeDigester;
use crate::domain::login::{Action, Context, Decision, Ending, Event, Login, Opening};
use crate::domain::passcode::Window;
use crate::domain::person::{Person, PersonId};
use crate::domain::policy::ClientPolicy;
use crate::domain::reason::Reason;
use crate::store::challenges::{Challenges, HANDLE_LENGTH, NewChallenge, Opened, STATE_LENGTH, State, Taken};
use crate::store::directory::{Directory, DirectoryError, HashPool, PoolError};
use crate::store::{Attempts, Logins, People, Settled, Settlement, StoreError};
use std::sync::Arc;

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
    /// Hashes PINs.
    pub hashes: Arc<HashPool>,
    /// Digests of recovery and temporary codes.
    pub digester: CodeDigester,
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
    /// Kind of front, such as `radius`.
    pub front: &'static str,
    /// Name of the client.
    pub client: &'a str,
    /// Its policy.
    pub policy: &'a ClientPolicy,
    /// Username as received.
    pub username: &'a str,
    /// What was typed, if there was something.
    pub typed: Option<Secret<Vec<u8>>>,
    /// The State that the request carries.
    pub state: Option<&'a [u8]>,
}

/// What to answer.
#[derive(Debug)]
pub enum Verdict {
    /// Let in.
    Accept {
        /// Whom.
        person: Box<Person>,
        /// Why.
        reason: Reason,
    },
    /// Ask.
    Challenge {
        /// What to show.
        prompt: String,
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
    /// No room for another challenge.
    #[error("too many challenges are waiting for an answer")]
    ChallengesFull,
}

impl Gatekeeper {
    /// Decides one round.
    pub async fn decide(&self, config: &Config, round: Round<'_>) -> Result<Verdict, Undecided> {
        let now = self.clock.now();
        let opening = match round.state {
            None => Opening::First,
            Some(state) => match <[u8; STATE_LENGTH]>::try_from(state) {
                Ok(state) => match self.challenges.take(&state, false, now).await? {
                    Some(Taken { pending, .. }) => Opening::Answer(Box::new(pending)),
                    None => Opening::Lost,
                },
                Err(_) => Opening::Lost,
            },
        };
        let context = Context {
            client: round.client,
            policy: round.policy,
            texts: &config.texts,
            window: Window {
                totp_skew: config.factors.totp_skew,
                hotp_look_ahead: config.factors.hotp_look_ahead,
            },
            digester: &self.digester,
            realms: &config.realms,
            now,
        };
        let (mut login, mut action) = Login::start(context, round.username, round.typed.clone(), opening);
        loop {
            let event = match action {
                Action::LookUp(name) => Event::Account(self.people.account(&name).await?.map(Box::new)),
                Action::Charge { counters, .. } if counters.is_empty() => Event::Charged(Vec::new()),
                Action::Charge { person, counters } => {
                    Event::Charged(self.attempts.charge(person, &counters, &config.throttle, now).await?)
                }
                Action::CheckPassword { person, candidates } => {
                    Event::Password(self.directory.check(person.as_deref(), &candidates).await?)
                }
                Action::CheckPin { hash, pin } => Event::Pin(self.hashes.verify(hash, pin).await?),
                Action::Settle(ending) => return self.settle(config, &round, login.subject(), *ending).await,
            };
            action = login.handle(event);
        }
    }

    /// Writes the ending; only then does its decision hold.
    async fn settle(
        &self,
        config: &Config,
        round: &Round<'_>,
        subject: String,
        ending: Ending,
    ) -> Result<Verdict, Undecided> {
        let at = self.clock.now();
        let replayed = ending.accept.is_some().then(|| ending.replayed(&config.texts.failed));
        let entry = |decision: &Decision| AuditEntry {
            at,
            actor: format!("{}:{}", round.front, round.client),
            action: "login",
            person: ending.person,
            subject: subject.clone(),
            outcome: decision.outcome(),
            detail: decision.reason().as_str().to_owned(),
            request: round.request.to_owned(),
        };
        let settlement = Settlement {
            person: ending.person,
            accept: ending.accept,
            once: Vec::new(),
            message: None,
            limited: None,
            audit: entry(&ending.decision),
            replayed: replayed.as_ref().map(entry),
            clear: ending.clear,
            refund: ending.refund,
            at,
        };
        let decision = match (self.logins.settle(settlement).await?, replayed) {
            (Settled::Replayed, Some(replayed)) => replayed,
            _ => ending.decision,
        };
        self.verdict(decision).await
    }

    fn fresh_state(&self, person: PersonId) -> State {
        let mut state = [0; STATE_LENGTH];
        let (handle, random) = state.split_at_mut(HANDLE_LENGTH);
        handle.copy_from_slice(&self.digester.handle(person));
        self.random.fill(random);
        state
    }

    async fn verdict(&self, decision: Decision) -> Result<Verdict, Undecided> {
        Ok(match decision {
            Decision::Accept { person, reason } => Verdict::Accept { person, reason },
            Decision::Reject { message, reason } => Verdict::Reject { message, reason },
            Decision::Challenge { prompt, pending, reason } => {
                let person = pending.person;
                let state = self.fresh_state(person);
                let challenge = NewChallenge { state, person, pending, code: None };
                if self.challenges.open(challenge, self.clock.now()).await? == Opened::Full {
                    return Err(Undecided::ChallengesFull);
                }
                Verdict::Challenge { prompt, state, reason }
            }
        })
    }
}
