//! What the portal tells people about their account.

use super::{Portal, Result, Visit};
use crate::domain::factor::FactorKind;
use crate::domain::message::{NewMessage, Notice};
use crate::domain::method::Channel;
use crate::domain::person::Person;
use crate::domain::sent::Purpose;
use crate::engine::notices::{Told, notices};
use crate::store::{MessageStatus, OutboxQuery, SecurityChange};
use std::time::Duration;

/// Notices of a day to somebody, after which no more go by text or to an address that was only typed.
const MOST: usize = 20;
/// Messages of somebody that are looked at.
const LOOKED_AT: u32 = 200;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is told when a factor was taken away.
pub(super) const fn revoked(kind: FactorKind) -> Notice {
    match kind {
        FactorKind::DevicePassword => Notice::DeviceRevoked,
        _ => Notice::FactorRevoked,
    }
}

impl Portal {
    /// Notices in the language of the visit; see [`notices`]. Whoever signs in can cause as many as they like, so texts, which cost
    /// money, and mails to addresses that were only typed (`more`), which may be anybody's, end after some; those to known addresses do not.
    pub(super) async fn notices(
        &self,
        visit: &Visit,
        person: &Person,
        notice: Notice,
        more: &[&str],
    ) -> Result<Vec<NewMessage>> {
        let told = Told { notice, language: Some(visit.language.clone()), at: self.now() };
        let mut messages = notices(&self.gatekeeper, &visit.config.campuses, person, &told, more);
        let bounded = |message: &NewMessage| {
            message.channel != Channel::Email || more.contains(&message.content.to.as_str())
        };
        if messages.iter().any(bounded) && self.notices_of_a_day(person).await? >= MOST {
            tracing::warn!(username = %person.username, "many notices were sent today, so no more go by text or to a new address");
            messages.retain(|message| !bounded(message));
        }
        Ok(messages)
    }

    async fn notices_of_a_day(&self, person: &Person) -> Result<usize> {
        let query = OutboxQuery { person: Some(person.id), limit: LOOKED_AT, ..OutboxQuery::default() };
        let since = self.now() - DAY;
        let messages = self.outbox.list(&query).await?;
        let counts =
            |message: &&MessageStatus| message.created > since && message.purpose == Purpose::Notice.as_str();
        Ok(messages.iter().filter(counts).count())
    }

    /// Tells what was written elsewhere. A notice that cannot be kept must not undo what it tells of.
    pub(super) async fn tell(&self, visit: &Visit, person: &Person, notice: Notice) {
        let notices = match self.notices(visit, person, notice, &[]).await {
            Ok(notices) => notices,
            Err(error) => {
                tracing::error!(username = %person.username, "no notice was sent: {error}");
                return;
            }
        };
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
