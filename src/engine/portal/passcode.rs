//! Asking for a passcode, by rounds of the login machine.

use super::{Portal, Result, Visit};
use crate::base::Secret;
use crate::domain::contact::{ContactKind, Destination, Email, Phone};
use crate::domain::flow::{Asked, Proving};
use crate::domain::login::{Account, Offer};
use crate::domain::method::{Channel, Method, Reach};
use crate::domain::person::Person;
use crate::domain::policy::{ClientPolicy, LoginKind, LoginPolicy, SecondFactor};
use crate::domain::reason::Reason;
use crate::domain::sent::Purpose;
use crate::engine::login::{Round, Verdict};
use crate::engine::meters::{Front, Timing};
use data_encoding::HEXLOWER;
use std::sync::Arc;
use std::time::Duration;

/// What a passcode is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a> {
    /// What for.
    pub(super) purpose: Purpose,
    /// Passcodes that will do.
    pub(super) methods: &'a [Method],
    /// Where codes go, if not where the person is usually reached.
    pub(super) reach: Option<&'a dyn Reach>,
}

/// What came of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Chosen {
    /// The passcode is asked for.
    Asked,
    /// The way is not offered, or not any more.
    NotOffered,
    /// No more messages for now.
    Limited,
}

/// What came of a passcode.
#[derive(Debug, Clone)]
#[must_use]
pub enum Answer {
    /// It was right, and is used up.
    Right(Arc<Person>),
    /// It was wrong or too old; another can be typed.
    Wrong,
    /// It was wrong, and what was sent can be tried no more: another passcode is on its way.
    Renewed,
    /// The same, but no more can be sent for now.
    Limited,
    /// Too many were wrong.
    Throttled,
    /// None is asked for.
    NotAsked,
}

/// Reaches a person at one contact only.
#[derive(Debug)]
pub(super) struct Only<'a> {
    pub(super) kind: ContactKind,
    pub(super) value: &'a str,
    pub(super) usual: &'a dyn Reach,
}

/// A contact as it is shown.
pub fn masked(kind: ContactKind, value: &str) -> String {
    destination(kind, value).map(|to| to.masked).unwrap_or_default()
}

/// A contact as a destination.
pub(super) fn destination(kind: ContactKind, value: &str) -> Option<Destination> {
    let masked = match kind {
        ContactKind::Email => Email::parse(value)?.masked(),
        // It is E.164 already, so the country does not matter.
        ContactKind::Mobile | ContactKind::Phone => Phone::parse(value, "US".parse().ok()?)?.masked(),
    };
    Some(Destination { to: value.to_owned(), masked })
}

impl Reach for Only<'_> {
    fn destination(&self, _: &Person, channel: Channel) -> Option<Destination> {
        let fits = match self.kind {
            ContactKind::Mobile => matches!(channel, Channel::Sms | Channel::Voice),
            ContactKind::Phone => channel == Channel::Voice,
            ContactKind::Email => channel == Channel::Email,
        };
        destination(self.kind, self.value).filter(|_| fits)
    }

    fn cost(&self, channel: Channel, destination: &Destination) -> u32 {
        self.usual.cost(channel, destination)
    }
}

/// What is asked of whom, as the login machine reads it.
pub(super) fn policy(visit: &Visit, kind: LoginKind, methods: &[Method]) -> ClientPolicy {
    let default = LoginPolicy {
        kind,
        second_factor: SecondFactor::Required,
        challenge: true,
        one_round: false,
        max_rounds: 10,
        challenge_lifetime: visit.config.codes.rules.lifetime,
        methods: methods.to_vec(),
        separators: Vec::new(),
    };
    ClientPolicy { default, groups: Vec::new() }
}

/// The client that a purpose goes by in the trail; a challenge of one is worth nothing to another.
pub(super) const fn client(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Reset => "reset",
        Purpose::Activation => "activation",
        Purpose::Contact => "contact",
        Purpose::Login | Purpose::Portal | Purpose::HelpDesk | Purpose::Notice => "sign-in",
    }
}

impl Portal {
    /// The ways that somebody has; with what is known of them.
    pub(super) async fn offers(
        &self,
        visit: &Visit,
        asking: Asking<'_>,
        username: &str,
    ) -> Result<(Option<Arc<Account>>, std::result::Result<Vec<Offer>, Reason>)> {
        let account = self.account(visit, username).await?;
        let policy = policy(visit, LoginKind::Passcode, asking.methods);
        let round = round(visit, asking, &policy, username);
        let offers = self.gatekeeper.offers(&visit.config, &round, account.clone());
        Ok((account, offers))
    }

    /// A way was chosen: a message is sent where one is needed. `again`: one more, in place of the one before.
    pub(super) async fn choose(
        &self,
        visit: &Visit,
        asking: Asking<'_>,
        proving: &mut Proving,
        (name, again): (&str, bool),
    ) -> Result<Chosen> {
        let Some(shown) = proving.find(name).cloned() else { return Ok(Chosen::NotOffered) };
        if !shown.is_sent() {
            proving.asked = Some(Asked::device(shown));
            return Ok(Chosen::Asked);
        }
        let join = again.then_some(Duration::ZERO);
        Ok(self.send(visit, asking, proving, (shown.method, join)).await?.0)
    }

    /// Whether there is a new message is told as well: what was sent before may still be good.
    async fn send(
        &self,
        visit: &Visit,
        asking: Asking<'_>,
        proving: &mut Proving,
        (method, join): (Method, Option<Duration>),
    ) -> Result<(Chosen, bool)> {
        let chosen = [method];
        let policy = policy(visit, LoginKind::Passcode, &chosen);
        let username = proving.username.clone();
        let mut round = round(visit, asking, &policy, &username);
        round.typed = Some(Secret::from(method.as_str()));
        round.join = join;
        let verdict = self.gatekeeper.decide(&visit.config, round).await?;
        Ok(match verdict {
            Verdict::Challenge { ask, state, reason, .. } => {
                let until = self.now() + visit.config.codes.rules.lifetime;
                proving.asks(&ask, HEXLOWER.encode(&state), until, join == Some(Duration::ZERO));
                (Chosen::Asked, reason == Reason::PasscodeSent)
            }
            Verdict::Reject { reason: Reason::SendLimited, .. } => (Chosen::Limited, false),
            Verdict::Reject { .. } | Verdict::Accept { .. } => (Chosen::NotOffered, false),
        })
    }

    /// A passcode was typed.
    pub(super) async fn answer(
        &self,
        visit: &Visit,
        asking: Asking<'_>,
        proving: &mut Proving,
        typed: &str,
    ) -> Result<Answer> {
        let Some(asked) = proving.asked.clone() else { return Ok(Answer::NotAsked) };
        let typed = typed.trim();
        // Words and single digits would choose a way.
        if typed.len() < 4 || typed.chars().all(|c| c.is_ascii_alphabetic()) && typed.len() < 32 {
            return Ok(Answer::Wrong);
        }
        // Of the way that was chosen, and of no other: flows count ways, and one must not pass for two.
        let chosen = [asked.shown.method];
        let policy = policy(visit, LoginKind::Passcode, &chosen);
        let username = proving.username.clone();
        let state = asked.state.as_ref().and_then(|state| HEXLOWER.decode(state.as_bytes()).ok());
        let mut round = round(visit, asking, &policy, &username);
        round.typed = Some(Secret::from(typed));
        round.state = state.as_deref();
        let verdict = self.gatekeeper.decide(&visit.config, round).await?;
        let wrong = match verdict {
            Verdict::Accept { person, .. } => return Ok(Answer::Right(person)),
            Verdict::Reject { reason: Reason::Throttled | Reason::HardStopped, .. } => Answer::Throttled,
            Verdict::Reject { .. } | Verdict::Challenge { .. } => Answer::Wrong,
        };
        if asked.shown.is_sent() {
            // Its State is used up: another one, for the same code as long as a try of it is left.
            let whole = visit.config.codes.rules.lifetime;
            match self.send(visit, asking, proving, (asked.shown.method, Some(whole))).await? {
                (Chosen::Asked, true) if matches!(wrong, Answer::Wrong) => return Ok(Answer::Renewed),
                (Chosen::Asked, _) => {}
                (chosen, _) => {
                    proving.back();
                    if chosen == Chosen::Limited && matches!(wrong, Answer::Wrong) {
                        return Ok(Answer::Limited);
                    }
                }
            }
        }
        Ok(wrong)
    }
}

/// A round without anything typed.
pub(super) fn round<'a>(
    visit: &'a Visit,
    asking: Asking<'a>,
    policy: &'a ClientPolicy,
    username: &'a str,
) -> Round<'a> {
    let front = (Front::Portal, Timing::start());
    Round {
        purpose: asking.purpose,
        origin: &visit.address,
        reach: asking.reach,
        language: Some(&visit.language),
        ..Round::new(front, &visit.request, client(asking.purpose), policy, username)
    }
}
