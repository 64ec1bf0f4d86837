//! How a round ends: its challenge is kept, its settlement written, with the message that carries a code.
//!
//! A challenge is kept first: a State that is kept and not written admits nobody, since it leaves with no answer. A code
//! that is kept and whose message was not written (a kill, a limit) would make the next login wait for nothing, so a
//! login that joins a code holds only if the store knows its message and has not used the code up; else it opens anew.

use super::login::{Gatekeeper, Round, Undecided, Verdict};
use super::once;
use crate::base::prefix::share;
use crate::base::rng::decimal_code;
use crate::base::{Secret, Timestamp};
use crate::config::Config;
use crate::domain::audit::AuditEntry;
use crate::domain::login::{Decision, Dispatch, Ending};
use crate::domain::message::{Content, NewMessage, SendLimits};
use crate::domain::person::PersonId;
use crate::domain::reason::Reason;
use crate::domain::sent::{CodeId, Purpose, SentCode};
use crate::store::challenges::{HANDLE_LENGTH, NewChallenge, NewCode, Opened, STATE_LENGTH, State};
use crate::store::{Settled, Settlement, StoreError};
use data_encoding::HEXLOWER;
use std::borrow::Cow;
use std::time::Duration;

/// How far the clocks of nodes may be apart.
const MARGIN: Duration = Duration::from_secs(600);
/// A code is kept a moment before its message is written: so often and at such intervals it is looked for.
const LOOKS: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(50);
/// Challenges that are opened for one round at most: one, and one in place of a code that never left.
const OPENINGS: u32 = 3;

/// A challenge that is kept.
struct Open {
    state: State,
    /// To be sent with it.
    message: Option<Box<NewMessage>>,
    /// The code that it joined.
    joined: Option<CodeId>,
}

/// The end of a round on its way into the store.
pub(super) struct Closing<'a> {
    pub(super) gatekeeper: &'a Gatekeeper,
    pub(super) config: &'a Config,
    pub(super) round: &'a Round<'a>,
    /// The name as it stands in the trail.
    pub(super) subject: String,
    pub(super) ending: Box<Ending>,
    pub(super) at: Timestamp,
}

impl Closing<'_> {
    /// Writes the ending; only then does its decision hold.
    pub(super) async fn run(mut self) -> Result<Verdict, Undecided> {
        for _ in 0..OPENINGS {
            let opened = self.open().await?;
            let settled = self.settle(opened.as_ref()).await?;
            if settled != Settled::Unsent {
                return Ok(self.verdict(settled, opened));
            }
            if let Some(Open { state, joined: Some(code), .. }) = opened {
                self.gatekeeper.challenges.void(&state, code).await?;
            }
        }
        Err(Undecided::Store(StoreError::Unavailable("no code could be kept for this login".into())))
    }

    /// Keeps the challenge, if it is one, with a fresh code where one is to be sent.
    async fn open(&mut self) -> Result<Option<Open>, Undecided> {
        let Decision::Challenge { pending, .. } = &self.ending.decision else { return Ok(None) };
        let (mut pending, person) = (pending.clone(), pending.person);
        let state = self.fresh_state(person);
        let (code, message) = match &self.ending.send {
            Some(dispatch) => {
                let (code, message) = self.compose(dispatch);
                // Whoever is sent a code may use it as long as it says.
                pending.expires = pending.expires.max(code.code.expires);
                (Some(code), Some(message))
            }
            None => (None, None),
        };
        let sends = code.is_some();
        let challenge = NewChallenge { state, pending, code };
        let opened = match self.gatekeeper.challenges.open(challenge, self.at).await? {
            Opened::Kept => Open { state, message, joined: None },
            Opened::Joined(code) => Open { state, message: None, joined: Some(code) },
            Opened::Full => return Err(Undecided::ChallengesFull),
        };
        if let (Decision::Challenge { reason, .. }, true) = (&mut self.ending.decision, sends) {
            let joined = opened.joined.is_some();
            *reason = if joined { Reason::PasscodeUnderWay } else { Reason::PasscodeSent };
        }
        Ok(Some(opened))
    }

    /// A fresh code and the message that carries it.
    fn compose(&self, Dispatch { channel, destination, person }: &Dispatch) -> (NewCode, Box<NewMessage>) {
        let Self { gatekeeper: Gatekeeper { digester, random, reach, .. }, config, round, at, .. } = self;
        let (purpose, reach) = (round.purpose, round.reach.unwrap_or(&**reach));
        let rules = config.codes.rules;
        let id = CodeId::from_uuid(uuid::Uuid::now_v7());
        let digits = Secret::new(decimal_code(&**random, usize::from(rules.digits)));
        let bound = (purpose, round.client, destination.to.as_str());
        let expires = *at + rules.lifetime;
        let code = SentCode {
            id,
            digest: digester.digest_sent(id, person.id, bound, digits.expose()),
            channel: *channel,
            digits: rules.digits,
            expires,
        };
        let digest = digester.digest_destination(&destination.to);
        let message = NewMessage {
            id,
            person: person.id,
            purpose,
            channel: *channel,
            masked: destination.masked.clone(),
            destination: digest,
            origin: (!round.origin.is_empty()).then(|| digester.digest_origin(&counted(round))),
            cost: reach.cost(*channel, destination),
            content: Content {
                to: destination.to.clone(),
                code: digits.expose().clone(),
                name: person.name.clone(),
                minutes: rules.lifetime.as_secs().div_ceil(60),
                username: String::new(),
                notice: None,
                language: round.language.map(str::to_owned),
                campus: config.campuses.of(person).map(str::to_owned),
            },
            created: *at,
            expires,
        };
        let new = NewCode {
            code,
            purpose,
            transaction: format!("{} {}", HEXLOWER.encode(&digest), round.client),
            tries: rules.tries,
            resend_after: round.join.unwrap_or(rules.resend_after),
        };
        (new, Box::new(message))
    }

    /// Writes it. A joined code's message may be about to be written elsewhere, so it is looked for a few times.
    async fn settle(&self, opened: Option<&Open>) -> Result<Settled, Undecided> {
        let settlement = self.settlement(opened);
        if settlement.joins.is_none() {
            let sends = settlement.message.is_some();
            let settled = self.gatekeeper.logins.settle(settlement).await?;
            if settled == Settled::Done && sends {
                self.gatekeeper.courier.wake();
            }
            return Ok(settled);
        }
        for _ in 0..LOOKS {
            let settled = self.gatekeeper.logins.settle(settlement.clone()).await?;
            if settled != Settled::Unsent {
                return Ok(settled);
            }
            tokio::time::sleep(BETWEEN).await;
        }
        Ok(Settled::Unsent)
    }

    fn settlement(&self, opened: Option<&Open>) -> Box<Settlement> {
        let Self { config, ending, .. } = self;
        let message = opened.and_then(|opened| opened.message.clone());
        let once = self.used_up();
        let accepts = ending.accept.is_some() || !once.is_empty();
        Box::new(Settlement {
            audit: self.entry(&ending.decision),
            admits: self.admits(),
            accept: ending.accept,
            once,
            joins: opened.and_then(|opened| opened.joined),
            replayed: accepts.then(|| Box::new(self.entry(&self.replayed()))),
            limited: message.is_some().then(|| Box::new(self.entry(&self.limited()))),
            message: message.map(|message| (message, limits(config, self.round.crowd))),
            clear: ending.clear.clone(),
            refund: ending.refund.clone(),
        })
    }

    /// An activation lets nobody in: who has not finished it may not log in yet, and the store would see to that.
    fn admits(&self) -> bool {
        matches!(self.ending.decision, Decision::Accept { .. }) && self.round.purpose != Purpose::Activation
    }

    /// What an accept uses up for good: the State that it answers, and the code that was sent. The marks outlive both,
    /// and the clock of a node that lags.
    fn used_up(&self) -> Vec<(String, Timestamp)> {
        if !matches!(self.ending.decision, Decision::Accept { .. }) {
            return Vec::new();
        }
        let until = self.at + self.config.codes.rules.lifetime + MARGIN;
        let digest = |state: &[u8]| HEXLOWER.encode(&self.gatekeeper.digester.digest_state(state));
        let answered = self.round.state.map(|state| format!("state:{}", digest(state)));
        let code = self.ending.code.map(|(code, _)| code.mark());
        let otp = self.ending.otp.map(|otp| once::of_otp(&otp, self.at));
        answered.into_iter().chain(code).map(|mark| (mark, until)).chain(otp).collect()
    }

    fn entry(&self, decision: &Decision) -> AuditEntry {
        AuditEntry {
            at: self.at,
            actor: [self.round.front.door(), ":", self.round.client].concat(),
            action: self.round.purpose.as_str(),
            person: self.ending.person,
            subject: self.subject.clone(),
            outcome: match decision.outcome() {
                "accept" if self.round.purpose == Purpose::Activation => "proven",
                outcome => outcome,
            },
            detail: match &self.ending.device {
                Some(name) => format!("{} {name}", decision.reason().as_str()).into(),
                None => decision.reason().as_str().into(),
            },
            request: self.round.request.to_owned(),
        }
    }

    fn replayed(&self) -> Decision {
        self.ending.replayed(&self.config.texts.failed)
    }

    fn limited(&self) -> Decision {
        Ending::limited(&self.config.texts.send_limited)
    }

    fn fresh_state(&self, person: PersonId) -> State {
        let mut state = [0; STATE_LENGTH];
        let (handle, random) = state.split_at_mut(HANDLE_LENGTH);
        handle.copy_from_slice(&self.gatekeeper.digester.handle(person));
        self.gatekeeper.random.fill(random);
        state
    }

    fn verdict(self, settled: Settled, opened: Option<Open>) -> Verdict {
        let factors = [self.ending.accept.map(|proof| proof.factor()), self.ending.pin];
        let decision = match settled {
            Settled::Replayed => self.replayed(),
            Settled::Limited(limit) => {
                tracing::warn!(limit = limit.as_str(), "no passcode was sent: a limit of [codes] is reached");
                self.limited()
            }
            _ => self.ending.decision,
        };
        match decision {
            Decision::Accept { person, reason } => Verdict::Accept { person, reason, factors },
            Decision::Reject { message, reason } => Verdict::Reject { message, reason },
            Decision::Challenge { prompt, ask, reason, .. } => {
                let state = opened.map(|opened| opened.state).unwrap_or([0; STATE_LENGTH]);
                Verdict::Challenge { prompt, ask, state, reason }
            }
        }
    }
}

/// What messages are counted by that are asked for from there: an address as its share, and anything else as it is. Those of an
/// application that does not say where people are count apart from whoever else has its address.
fn counted<'r>(round: &Round<'r>) -> Cow<'r, str> {
    let place =
        round.origin.parse().map_or(Cow::Borrowed(round.origin), |address| share(address).to_string().into());
    if round.crowd.is_some() { format!("{} {place}", round.client).into() } else { place }
}

fn limits(config: &Config, crowd: Option<u32>) -> SendLimits {
    let limits = config.codes.limits.clone();
    SendLimits { per_origin: limits.per_origin.max(crowd.unwrap_or_default()), ..limits }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::ClientPolicy;
    use crate::engine::meters::{Front, Timing};

    #[test]
    fn messages_are_counted_by_the_network_of_who_asks_for_them_or_by_the_application() {
        let policy = ClientPolicy::default();
        let counted =
            |client, origin, crowd| counted(&Round { origin, crowd, ..round(client, &policy) }).into_owned();
        assert_eq!(counted("vpn", "2001:db8::5", None), counted("other", "2001:db8::6", None));
        assert_eq!(counted("vpn", "203.0.113.9", None), "203.0.113.9");
        assert_eq!(counted("vpn", "02-00-00-00-00-01", None), "02-00-00-00-00-01");
        assert_eq!(counted("idp", "2001:db8::5", Some(9)), counted("idp", "2001:db8::6", Some(9)));
        assert_ne!(counted("idp", "203.0.113.9", Some(9)), counted("idp", "203.0.113.9", None));
        assert_ne!(counted("idp", "203.0.113.9", Some(9)), counted("mail", "203.0.113.9", Some(9)));
    }

    fn round<'r>(client: &'r str, policy: &'r ClientPolicy) -> Round<'r> {
        Round::new((Front::Api, Timing::start()), "r1", client, policy, "anna")
    }
}
