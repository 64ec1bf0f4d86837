//! Messages that tell a person what was changed about their account: mails, or a text to whoever has no address.

use super::{Portal, Visit};
use crate::base::Timestamp;
use crate::domain::contact::{Destination, Email};
use crate::domain::factor::FactorKind;
use crate::domain::message::{Content, NewMessage, Notice};
use crate::domain::method::Channel;
use crate::domain::person::Person;
use crate::domain::sent::{CodeId, Purpose};
use crate::store::SecurityChange;
use std::time::Duration;

/// How long a notice is worth sending.
const LIFETIME: Duration = Duration::from_secs(3 * 24 * 3600);

/// What is told when a factor was taken away.
pub(super) const fn revoked(kind: FactorKind) -> Notice {
    match kind {
        FactorKind::DevicePassword => Notice::DeviceRevoked,
        _ => Notice::FactorRevoked,
    }
}

impl Portal {
    /// Notices to all addresses that are known of a person, and to `more`; if there is none, to the number that gets texts.
    pub(super) fn notices(
        &self,
        visit: &Visit,
        person: &Person,
        notice: Notice,
        more: &[&str],
    ) -> Vec<NewMessage> {
        let own = person.own.as_ref().and_then(|own| own.email.as_deref());
        let mut addresses: Vec<Email> = Vec::new();
        for address in [own, person.email.as_deref()].into_iter().flatten().chain(more.iter().copied()) {
            match Email::parse(address) {
                Some(email) if !addresses.contains(&email) => addresses.push(email),
                _ => {}
            }
        }
        let mail = |to: Email| {
            let to = Destination { masked: to.masked(), to: to.as_str().to_owned() };
            (Channel::Email, to)
        };
        let mut places: Vec<_> = addresses.into_iter().map(mail).collect();
        if places.is_empty() {
            let number = self.gatekeeper.reach.destination(person, Channel::Sms);
            places.extend(number.map(|number| (Channel::Sms, number)));
        }
        let at = self.now();
        places.into_iter().map(|place| self.notice(visit, person, (notice, place), at)).collect()
    }

    fn notice(
        &self,
        visit: &Visit,
        person: &Person,
        (notice, (channel, to)): (Notice, (Channel, Destination)),
        at: Timestamp,
    ) -> NewMessage {
        let digester = &self.gatekeeper.digester;
        NewMessage {
            id: CodeId::from_uuid(uuid::Uuid::now_v7()),
            person: person.id,
            purpose: Purpose::Notice,
            channel,
            destination: digester.digest_destination(&to.to),
            origin: None,
            cost: self.gatekeeper.reach.cost(channel, &to),
            masked: to.masked,
            content: Content {
                to: to.to,
                code: String::new(),
                username: person.username.to_string(),
                name: person.name.clone(),
                minutes: 0,
                notice: Some(notice),
                language: Some(visit.language.clone()),
                campus: visit.config.campuses.of(person).map(str::to_owned),
            },
            created: at,
            expires: at + LIFETIME,
        }
    }

    /// Tells what was written elsewhere. A notice that cannot be kept must not undo what it tells of.
    pub(super) async fn tell(&self, visit: &Visit, person: &Person, notice: Notice) {
        let notices = self.notices(visit, person, notice, &[]);
        if notices.is_empty() {
            tracing::warn!(username = %person.username, notice = notice.as_str(), "nobody could be told: there is no address and no number");
            return;
        }
        let mut entry = self.entry(visit, "person.notice", person);
        entry.detail = notice.as_str().into();
        match self.security.update(person.id, SecurityChange::default(), entry, notices).await {
            Ok(()) => self.gatekeeper.courier.wake(),
            Err(error) => tracing::error!(username = %person.username, "no notice was sent: {error}"),
        }
    }
}
