//! Runs one round of the login machine: does what it asks for and writes how it ends.
//!
//! `Err` means that nothing could be decided (store or directory down, overload): RADIUS then does not answer,
//! so that the client tries its next server. Neither yes nor no is ever made of it.

use super::delivery::Waker;
use crate::base::rng::decimal_code;
use crate::base::{Clock, Random, Secret, Timestamp};
use crate::config::Config;
use crate::domain::audit::AuditEntry;
use crate::domain::digest::CodeDigester;
use crate::domain::login::{Action, Context, Decision, Dispatch, Ending, Event, Login, Opening};
use crate::domain::message::{Content, NewMessage};
use crate::domain::method::Reach;
use crate::domain::passcode::{self, Window};
use crate::domain::person::{Person, PersonId};
use crate::domain::policy::ClientPolicy;
use crate::domain::reason::Reason;
use crate::domain::sent::{CodeId, Purpose, SentCode};
use crate::store::challenges::{
    Challenges, HANDLE_LENGTH, NewChallenge, NewCode, Opened, STATE_LENGTH, State, Taken,
};
use crate::store::directory::{Directory, DirectoryError, HashPool, PoolError};
use crate::store::{Attempts, Logins, People, Settled, Settlement, StoreError};
use data_encoding::HEXLOWER;
use std::sync::Arc;
use std::time::Duration;

/// How far the clocks of nodes may be apart.
const MARGIN: Duration = Duration::from_secs(3600);

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
    /// Where people can be sent codes.
    pub reach: Arc<dyn Reach>,
    /// Woken when there is a message to send.
    pub courier: Waker,
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
    /// Where the person is, as the front knows it: Calling-Station-Id; may be empty.
    pub origin: &'a str,
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
                Ok(state) => match self.challenges.take(&state, could_be_sent(&round), now).await? {
                    Some(Taken { pending, code }) => Opening::Answer { pending: Box::new(pending), code },
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
            reach: &*self.reach,
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
    ///
    /// A challenge is kept first: a State that is kept and not written admits nobody, since it leaves with no answer.
    async fn settle(
        &self,
        config: &Config,
        round: &Round<'_>,
        subject: String,
        mut ending: Ending,
    ) -> Result<Verdict, Undecided> {
        let at = self.clock.now();
        let opened = self.open(config, round, &mut ending, at).await?;
        let replayed = Ending::replayed(&config.texts.failed);
        let limited = Ending::limited(&config.texts.send_limited);
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
        let once = self.used_up(round, &ending, at + config.codes.rules.lifetime);
        let accepts = ending.accept.is_some() || !once.is_empty();
        let sends = opened.as_ref().is_some_and(|opened| opened.message.is_some());
        let settlement = Settlement {
            person: ending.person,
            accept: ending.accept,
            once,
            audit: entry(&ending.decision),
            replayed: accepts.then(|| entry(&replayed)),
            limited: sends.then(|| entry(&limited)),
            message: opened
                .as_ref()
                .and_then(|opened| opened.message.clone())
                .map(|message| (message, config.codes.limits.clone())),
            clear: ending.clear,
            refund: ending.refund,
            at,
        };
        let settled = self.logins.settle(settlement).await;
        match (&settled, &opened) {
            (Ok(Settled::Done), _) if sends => self.courier.wake(),
            // Nobody must wait for a code that is not on its way.
            (Err(_) | Ok(Settled::Limited(_)), Some(Open { state, message: Some(message) })) => {
                self.forget(*state, message.id);
            }
            _ => {}
        }
        let settled = settled?;
        if let (Settled::Done, Some((code, _)), Some(state)) = (&settled, ending.code, state(round)) {
            self.forget(state, code);
        }
        Ok(match settled {
            Settled::Done => verdict(ending.decision, opened.map(|opened| opened.state).unwrap_or_default()),
            Settled::Replayed => verdict(replayed, [0; STATE_LENGTH]),
            Settled::Limited(limit) => {
                tracing::warn!(limit = limit.as_str(), "no passcode was sent: a limit of [codes] is reached");
                verdict(limited, [0; STATE_LENGTH])
            }
        })
    }

    /// Keeps the challenge of an ending, if it is one, with a fresh code where one is to be sent.
    async fn open(
        &self,
        config: &Config,
        round: &Round<'_>,
        ending: &mut Ending,
        at: Timestamp,
    ) -> Result<Option<Open>, Undecided> {
        let Decision::Challenge { pending, reason, .. } = &mut ending.decision else { return Ok(None) };
        let person = pending.person;
        let state = self.fresh_state(person);
        let (code, message) = match &ending.send {
            Some(dispatch) => {
                let (code, message) = self.compose(config, round, person, dispatch, at);
                (Some(code), Some(message))
            }
            None => (None, None),
        };
        let challenge = NewChallenge { state, person, pending: pending.clone(), code };
        match self.challenges.open(challenge, at).await? {
            Opened::Kept => Ok(Some(Open { state, message })),
            Opened::Joined => {
                *reason = Reason::PasscodeUnderWay;
                Ok(Some(Open { state, message: None }))
            }
            Opened::Full => Err(Undecided::ChallengesFull),
        }
    }

    /// A fresh code and the message that carries it.
    fn compose(
        &self,
        config: &Config,
        round: &Round<'_>,
        person: PersonId,
        Dispatch { channel, destination, name }: &Dispatch,
        at: Timestamp,
    ) -> (NewCode, Box<NewMessage>) {
        let rules = config.codes.rules;
        let id = CodeId::from_uuid(uuid::Uuid::now_v7());
        let digits = Secret::new(decimal_code(&*self.random, usize::from(rules.digits)));
        let transaction = (Purpose::Login, round.client);
        let expires = at + rules.lifetime;
        let code = SentCode {
            id,
            digest: self.digester.digest_sent(id, person, transaction, digits.expose()),
            channel: *channel,
            digits: rules.digits,
            expires,
        };
        let message = NewMessage {
            id,
            person,
            purpose: Purpose::Login,
            channel: *channel,
            masked: destination.masked.clone(),
            destination: self.digester.digest_destination(&destination.to),
            origin: (!round.origin.is_empty()).then(|| self.digester.digest_origin(round.origin)),
            cost: self.reach.cost(*channel, destination),
            content: Content {
                to: destination.to.clone(),
                code: digits.expose().clone(),
                name: name.clone(),
                minutes: rules.lifetime.as_secs().div_ceil(60),
            },
            created: at,
            expires,
        };
        let (transaction, tries, resend_after) = (round.client.to_owned(), rules.tries, rules.resend_after);
        (NewCode { code, purpose: Purpose::Login, transaction, tries, resend_after }, Box::new(message))
    }

    /// What an accept uses up for good: the State that it answers, and the code that was sent. The marks outlive both,
    /// and the clock of a node that lags.
    fn used_up(&self, round: &Round<'_>, ending: &Ending, until: Timestamp) -> Vec<(String, Timestamp)> {
        if ending.decision.outcome() != "accept" {
            return Vec::new();
        }
        let until = until + MARGIN;
        let digest = |state: State| HEXLOWER.encode(&self.digester.digest_state(&state));
        let answered = state(round).map(|state| format!("state:{}", digest(state)));
        let code = ending.code.map(|(code, _)| format!("code:{code}"));
        answered.into_iter().chain(code).map(|mark| (mark, until)).collect()
    }

    fn fresh_state(&self, person: PersonId) -> State {
        let mut state = [0; STATE_LENGTH];
        let (handle, random) = state.split_at_mut(HANDLE_LENGTH);
        handle.copy_from_slice(&self.digester.handle(person));
        self.random.fill(random);
        state
    }

    /// A code that was used is used up in the store already, and one that was not sent is no use. What is kept of it would
    /// only make the next login wait for a message that does not come; nobody waits for this.
    fn forget(&self, state: State, code: CodeId) {
        let challenges = Arc::clone(&self.challenges);
        tokio::spawn(async move {
            if let Err(error) = challenges.void(&state, code).await {
                tracing::debug!(%error, "a code could not be forgotten");
            }
        });
    }
}

/// A challenge that is kept.
struct Open {
    state: State,
    /// To be sent with it.
    message: Option<Box<NewMessage>>,
}

fn state(round: &Round<'_>) -> Option<State> {
    round.state.and_then(|state| State::try_from(state).ok())
}

fn could_be_sent(round: &Round<'_>) -> bool {
    round.typed.as_ref().is_some_and(|typed| passcode::sent_shape(typed.expose()).is_some())
}

fn verdict(decision: Decision, state: State) -> Verdict {
    match decision {
        Decision::Accept { person, reason } => Verdict::Accept { person, reason },
        Decision::Reject { message, reason } => Verdict::Reject { message, reason },
        Decision::Challenge { prompt, reason, .. } => Verdict::Challenge { prompt, state, reason },
    }
}
