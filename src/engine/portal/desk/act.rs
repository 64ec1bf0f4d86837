//! What a clerk does about a person: lock and unlock, take a factor away, send a one-time code, start a reset.
//!
//! A code that is sent is a temporary code (as the command line issues them for reading out), but nobody here sees it: it goes
//! by the outbox to a contact that is proven or that the directory holds. It lives as long as any code that is sent, and
//! counts towards the limits of the person, of the destination and of the day. Not towards those of the origin: that is the
//! desk, from where many people are helped.

use super::{Clerk, Done, Refusal, Target};
use crate::config::Enforce;
use crate::domain::contact::Destination;
use crate::domain::desk::Action;
use crate::domain::factor::{FactorId, FactorKind};
use crate::domain::flow::Session;
use crate::domain::message::{Content, NewMessage, Notice};
use crate::domain::method::{Channel, Method};
use crate::domain::person::Person;
use crate::domain::sent::{CodeId, Purpose};
use crate::engine::desk::DeskError;
use crate::engine::enroll::Issued;
use crate::engine::portal::notices::revoked;
use crate::engine::portal::{Portal, PortalError, Result, must_register};
use crate::store::{SecurityChange, Settled, Settlement, StoreError};
use std::time::Duration;

/// The shortest life of a temporary code.
const SHORTEST: Duration = Duration::from_secs(60);

impl Portal {
    /// Locks or unlocks; `false`: a lock of the directory may still be on.
    pub async fn lock(
        &self,
        clerk: &Clerk,
        session: &Session,
        username: &str,
        locked: bool,
    ) -> Result<Done<bool>> {
        let action = if locked { Action::Lock } else { Action::Unlock };
        let person = match self.allowed((clerk, session), username, action).await? {
            Ok(person) => person,
            Err(refused) => return Ok(Err(refused)),
        };
        let done = self.desk.set_locked(&clerk.actor(), person.username.as_str(), locked).await;
        let whole = match done {
            Ok(_) => true,
            Err(DeskError::HalfUnlocked(username, why)) => {
                tracing::warn!(username, "unlocked, but a lock of the directory may still be on: {why}");
                false
            }
            Err(error) => return Err(PortalError::Unavailable(error.to_string())),
        };
        if !locked {
            self.tell_of(clerk, &person, Notice::Unlocked).await;
        }
        Ok(Ok(whole))
    }

    /// Takes a factor away; its name is returned.
    pub async fn take_away(
        &self,
        clerk: &Clerk,
        session: &Session,
        username: &str,
        factor: &str,
    ) -> Result<Done<String>> {
        let person = match self.allowed((clerk, session), username, Action::Revoke).await? {
            Ok(person) => person,
            Err(refused) => return Ok(Err(refused)),
        };
        let Ok(id) = factor.parse::<FactorId>() else { return Ok(Err(Refusal::Gone)) };
        let known = self.desk.factors.of(person.id).await?;
        let Some(factor) = known.into_iter().find(|factor| factor.id == id) else {
            return Ok(Err(Refusal::Gone));
        };
        let mut entry = self.act_entry(clerk, Action::Revoke, &person);
        entry.detail = format!("{} {id}", factor.kind).into();
        match self.desk.factors.revoke(id, None, entry).await {
            Ok(()) => {}
            Err(StoreError::NotFound(_)) => return Ok(Err(Refusal::Gone)),
            Err(error) => return Err(error.into()),
        }
        self.tell_of(clerk, &person, revoked(factor.kind)).await;
        Ok(Ok(factor.label))
    }

    /// Sends a one-time code to one of the person's contacts; for a reset, if it says so. Where to, masked, is returned.
    pub async fn send_code(
        &self,
        clerk: &Clerk,
        session: &Session,
        username: &str,
        (target, reset): (&str, bool),
    ) -> Result<Done<String>> {
        let action = if reset { Action::StartReset } else { Action::SendCode };
        let person = match self.allowed((clerk, session), username, action).await? {
            Ok(person) => person,
            Err(refused) => return Ok(Err(refused)),
        };
        let Some(target) = self.targets(&person).into_iter().find(|known| known.name == target) else {
            return Ok(Err(Refusal::Gone));
        };
        if reset && !self.can_reset(clerk, &person).await? {
            return Ok(Err(Refusal::Unregistered));
        }
        let masked = target.destination.masked.clone();
        if !self.issue_and_send(clerk, &person, action, target).await? {
            return Ok(Err(Refusal::Limited));
        }
        if reset {
            self.tell_of(clerk, &person, Notice::ResetStarted).await;
        }
        Ok(Ok(masked))
    }

    /// Whether a temporary code gets this person anywhere at a reset.
    async fn can_reset(&self, clerk: &Clerk, person: &Person) -> Result<bool> {
        let config = clerk.visit.of(person).config;
        let needed = config.registration.enforce != Enforce::Off && must_register(person);
        let registered = !needed || self.security.profile(person.id).await?.registered.is_some();
        Ok(registered && config.portal.reset_methods.contains(&Method::Factor(FactorKind::Temporary)))
    }

    /// `false`: a limit does not allow the message, and there is no code either.
    async fn issue_and_send(
        &self,
        clerk: &Clerk,
        person: &Person,
        action: Action,
        target: Target,
    ) -> Result<bool> {
        let config = &clerk.visit.config;
        let lifetime = config.codes.rules.lifetime.max(SHORTEST).min(config.factors.temporary_max_lifetime);
        let (actor, username) = (clerk.actor(), person.username.as_str());
        // First, so that what was sent counts when it arrives.
        let issued = self.desk.issue_code(&actor, username, Some(lifetime), &config.factors).await;
        let issued = issued.map_err(|error| PortalError::Unavailable(error.to_string()))?;
        let settled = self.settle_code(clerk, person, action, (target, &issued, lifetime)).await;
        if let Ok(Settled::Done) = settled {
            self.gatekeeper.courier.wake();
            return Ok(true);
        }
        let mut entry = self.act_entry(clerk, Action::Revoke, person);
        entry.detail = format!("{} {}, which was not sent", FactorKind::Temporary, issued.id).into();
        if let Err(error) = self.desk.factors.revoke(issued.id, None, entry).await {
            tracing::warn!(%username, "a temporary code that was not sent stays until it ends: {error}");
        }
        settled.map(|_| false)
    }

    async fn settle_code(
        &self,
        clerk: &Clerk,
        person: &Person,
        action: Action,
        (target, issued, lifetime): (Target, &Issued, Duration),
    ) -> Result<Settled> {
        let mut audit = self.act_entry(clerk, action, person);
        audit.detail = format!("{} {}", target.channel, target.destination.masked).into();
        let mut limited = audit.clone();
        (limited.outcome, limited.detail) = ("refused", "a limit of [codes] is reached".into());
        let language = self.security.profile(person.id).await?.language;
        let campus = clerk.visit.config.campuses.of(person).map(str::to_owned);
        let message = self.code_message(person, target, (issued, lifetime), (language, campus));
        let settlement = Settlement {
            message: Some((Box::new(message), clerk.visit.config.codes.limits.clone())),
            limited: Some(Box::new(limited)),
            ..Settlement::of(audit)
        };
        Ok(self.gatekeeper.logins.settle(Box::new(settlement)).await?)
    }

    fn code_message(
        &self,
        person: &Person,
        Target { channel, destination, .. }: Target,
        (issued, lifetime): (&Issued, Duration),
        (language, campus): (Option<String>, Option<String>),
    ) -> NewMessage {
        let at = self.now();
        NewMessage {
            id: CodeId::from_uuid(self.desk.new_uuid()),
            person: person.id,
            purpose: Purpose::HelpDesk,
            channel,
            destination: self.gatekeeper.digester.digest_destination(&destination.to),
            origin: None,
            cost: self.gatekeeper.reach.cost(channel, &destination),
            masked: destination.masked,
            content: Content {
                to: destination.to,
                code: issued.code.expose().clone(),
                name: person.name.clone(),
                minutes: lifetime.as_secs().div_ceil(60),
                username: String::new(),
                notice: None,
                language,
                campus,
            },
            created: at,
            expires: issued.expires,
        }
    }

    /// Where codes can be sent: each proven contact and what the directory says, as far as somebody delivers there.
    pub(super) fn targets(&self, person: &Person) -> Vec<Target> {
        let own = person.own.clone().unwrap_or_default();
        let candidates = [
            ("mobile", Channel::Sms, own.mobile.clone()),
            ("mobile", Channel::Voice, own.mobile),
            ("phone", Channel::Voice, own.phone),
            ("email", Channel::Email, own.email),
            ("directory", Channel::Sms, person.phone.clone()),
            ("directory", Channel::Voice, person.phone.clone()),
            ("directory", Channel::Email, person.email.clone()),
        ];
        let mut targets: Vec<Target> = Vec::new();
        for (kind, channel, value) in candidates {
            let Some(destination) = value.and_then(|value| self.reached_at(person, channel, value)) else {
                continue;
            };
            if targets.iter().all(|known| known.channel != channel || known.destination != destination) {
                targets.push(Target { name: format!("{kind}-{channel}"), channel, destination });
            }
        }
        targets
    }

    /// This contact as a destination, if somebody delivers there.
    fn reached_at(&self, person: &Person, channel: Channel, value: String) -> Option<Destination> {
        let (phone, email) = match channel {
            Channel::Email => (None, Some(value)),
            Channel::Sms | Channel::Voice => (Some(value), None),
        };
        let only = Person { own: None, phone, email, ..person.clone() };
        self.gatekeeper.reach.destination(&only, channel)
    }

    /// Tells a person what a clerk has done, in their language. What cannot be told is done all the same.
    async fn tell_of(&self, clerk: &Clerk, person: &Person, notice: Notice) {
        let told = async {
            let mut visit = clerk.visit.clone();
            let language = self.security.profile(person.id).await?.language;
            let first = || visit.config.portal.words.languages().first().map(|l| l.tag().to_owned());
            visit.language = language.or_else(first).unwrap_or_default();
            let notices = self.notices(&visit, person, notice, &[]).await?;
            if notices.is_empty() {
                return Ok::<_, PortalError>(());
            }
            let mut entry = self.staff_entry(clerk, "person.notice", person.username.as_str());
            (entry.person, entry.detail) = (Some(person.id), notice.as_str().into());
            Ok(self.security.update(person.id, SecurityChange::default(), entry, notices).await?)
        };
        match told.await {
            Ok(()) => self.gatekeeper.courier.wake(),
            Err(error) => tracing::error!(username = %person.username, "no notice was sent: {error}"),
        }
    }
}
