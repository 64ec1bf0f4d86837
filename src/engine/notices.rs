//! Messages that tell a person what was changed about their account: mails, or a text to whoever has no address.

use super::login::Gatekeeper;
use crate::base::Timestamp;
use crate::domain::campus::Campuses;
use crate::domain::contact::{Destination, Email};
use crate::domain::message::{Content, NewMessage, Notice};
use crate::domain::method::Channel;
use crate::domain::person::Person;
use crate::domain::sent::{CodeId, Purpose};
use std::time::Duration;

/// How long a notice is worth sending.
const LIFETIME: Duration = Duration::from_secs(3 * 24 * 3600);

/// What is told, and in which language.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) notice: Notice,
    /// A BCP 47 tag; none: the default.
    pub(super) language: Option<String>,
    pub(super) at: Timestamp,
}

/// Notices to all addresses that are known of a person, and to `more`; if there is none, to the number that gets texts.
pub(super) fn notices(
    gatekeeper: &Gatekeeper,
    campuses: &Campuses,
    person: &Person,
    told: &Told,
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
        let number = gatekeeper.reach.destination(person, Channel::Sms);
        places.extend(number.map(|number| (Channel::Sms, number)));
    }
    let campus = campuses.of(person);
    let message = |(channel, to): (Channel, Destination)| NewMessage {
        id: CodeId::from_uuid(uuid::Uuid::now_v7()),
        person: person.id,
        purpose: Purpose::Notice,
        channel,
        destination: gatekeeper.digester.digest_destination(&to.to),
        origin: None,
        cost: gatekeeper.reach.cost(channel, &to),
        masked: to.masked,
        content: Content {
            to: to.to,
            code: String::new(),
            username: person.username.to_string(),
            name: person.name.clone(),
            minutes: 0,
            notice: Some(told.notice),
            language: told.language.clone(),
            campus: campus.map(str::to_owned),
        },
        created: told.at,
        expires: told.at + LIFETIME,
    };
    places.into_iter().map(message).collect()
}
