//! What a person sees of their own security, and what they do about it (R-YUBI-4, R-APP-6).

use super::notices::revoked;
use super::{Portal, Problem, Result, Visit, actor};
use crate::base::{Secret, Timestamp};
use crate::domain::factor::{Factor, FactorId, FactorKind, FactorState};
use crate::domain::message::Notice;
use crate::domain::person::Person;
use crate::domain::reason::Reason;
use crate::domain::sent::Purpose;
use crate::engine::desk::codes_left;
use crate::store::{AuditQuery, AuditRecord, SecurityProfile, StoreError};

/// Entries of the trail that are looked at, and that are shown at most.
const LOOKED_AT: u32 = 200;
const SHOWN: usize = 25;
/// Longest name of a factor.
const NAME: usize = 64;

/// A factor without what is secret about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Its id.
    pub id: FactorId,
    /// What it is.
    pub kind: FactorKind,
    /// Name that the person knows it by; empty if it was never given one.
    pub name: String,
    /// Since when.
    pub created: Timestamp,
    /// When it last let them in.
    pub used: Option<Timestamp>,
}

/// What came of another name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Renamed {
    /// It has it.
    Done,
    /// There is no such factor.
    Gone,
    /// Another device has it.
    Not(Problem),
}

/// Something that was done with the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// When.
    pub at: Timestamp,
    /// A message of the catalogue.
    pub what: &'static str,
    /// The device that it is about; may be empty.
    pub device: String,
    /// Where from.
    pub place: Place,
    /// How it ended: a message of the catalogue.
    pub result: &'static str,
}

/// Where something was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At a client of this name.
    Client(String),
    /// Here, from this address if it is known.
    Here(Option<String>),
    /// By people who look after the accounts.
    Staff,
}

/// What the page shows.
#[derive(Debug)]
pub struct Overview {
    /// Contacts, and when they were registered.
    pub profile: SecurityProfile,
    /// Active factors but recovery codes and device passwords, oldest first.
    pub factors: Vec<Own>,
    /// Device passwords, oldest first.
    pub devices: Vec<Own>,
    /// The set of recovery codes, with how many are left.
    pub recovery: Option<(FactorId, usize)>,
    /// Newest first.
    pub activity: Vec<Activity>,
    /// Version of the acceptable-use policies that was agreed to last, and when.
    pub acceptance: Option<(String, Timestamp)>,
}

impl From<&Factor> for Own {
    fn from(factor: &Factor) -> Self {
        let given = factor.label != factor.kind.as_str();
        Self {
            id: factor.id,
            kind: factor.kind,
            name: if given { factor.label.clone() } else { String::new() },
            created: factor.created,
            used: factor.used,
        }
    }
}

/// Actions that a person understands, and what they are called. Others are for those who run the service.
const ACTIONS: [(&str, &str); 26] = [
    ("login", "activity-login"),
    ("portal", "activity-portal"),
    ("reset", "activity-reset"),
    ("activation", "activity-activation"),
    ("contact", "activity-contact"),
    ("contact.prove", "activity-contact"),
    ("person.security", "activity-security"),
    ("person.activate", "activity-activated"),
    ("person.activate.password", "activity-password"),
    ("person.password", "activity-password"),
    ("person.reset", "activity-password"),
    ("person.lock", "activity-lock"),
    ("person.unlock", "activity-unlock"),
    ("factor.enroll", "activity-factor-added"),
    ("factor.confirm", "activity-factor-confirmed"),
    ("factor.rename", "activity-factor-renamed"),
    ("factor.revoke", "activity-factor-revoked"),
    ("factor.resync", "activity-factor-resync"),
    ("token.assign", "activity-factor-added"),
    ("code.issue", "activity-code"),
    ("code.send", "activity-code"),
    ("helpdesk.look", "activity-question"),
    ("helpdesk.verify", "activity-desk-verified"),
    ("helpdesk.reset", "activity-desk-reset"),
    ("reset.question", "activity-reset-question"),
    ("mailbox.password", "activity-mailbox"),
];

/// The same where it is about a device's password, which is no second factor.
const DEVICES: [(&str, &str); 4] = [
    ("login", "activity-device"),
    ("factor.enroll", "activity-device-added"),
    ("factor.rename", "activity-device-renamed"),
    ("factor.revoke", "activity-device-revoked"),
];

/// How it ended, in words that tell no more than the person may know.
fn result(outcome: &str) -> Option<&'static str> {
    match outcome {
        "accept" | "done" | "proven" => Some("activity-good"),
        "challenge" => Some("activity-asked"),
        "reject" | "refused" => Some("activity-refused"),
        "unknown" => Some("activity-open"),
        _ => None,
    }
}

/// Where an actor of the trail is.
fn place(actor: &str, username: &str) -> Place {
    match actor.split_once(':') {
        Some(("portal", who)) => match who.rsplit_once('@') {
            None => Place::Here(None),
            Some((name, address)) if name == username => Place::Here(Some(address.to_owned())),
            Some(_) => Place::Staff,
        },
        Some(("uid", _)) => Place::Staff,
        Some((_, client)) => Place::Client(client.to_owned()),
        None => Place::Staff,
    }
}

/// An entry as the person may see it, if they may.
fn activity(record: &AuditRecord, person: &Person) -> Option<Activity> {
    // The name may have been another's, or somebody else may have tried it elsewhere.
    if record.person.as_deref() != Some(person.id.to_string().as_str()) {
        return None;
    }
    let (_, what) = ACTIONS.iter().find(|(action, _)| *action == record.action)?;
    let what = if record.actor == "portal:password-change" { "activity-present-password" } else { what };
    let (mut what, mut device) = (what, String::new());
    let kind = FactorKind::DevicePassword.as_str();
    let about = record.detail.strip_prefix(kind).filter(|rest| rest.is_empty() || rest.starts_with(' '));
    let failed = record.detail == Reason::WrongDevicePassword.as_str();
    // Elsewhere a detail is what somebody wrote, who must not hide an entry by it.
    let named = DEVICES.iter().find(|(action, _)| *action == record.action);
    if let Some((_, named)) = named.filter(|_| about.is_some() || failed) {
        what = named;
        let name = about.filter(|_| record.action == Purpose::Login.as_str()).unwrap_or_default();
        name.trim_start().clone_into(&mut device);
    }
    let place = place(&record.actor, person.username.as_str());
    Some(Activity { at: record.at, what, device, place, result: result(&record.outcome)? })
}

impl Portal {
    /// Everything that a person is shown of their security.
    pub async fn overview(&self, person: &Person) -> Result<Overview> {
        let all = self.desk.factors.of(person.id).await?;
        let active = || all.iter().filter(|factor| factor.state == FactorState::Active);
        let recovery = active().find(|factor| factor.kind == FactorKind::Recovery);
        let query = AuditQuery {
            limit: LOOKED_AT,
            subject: Some(person.username.to_string()),
            newest_first: true,
            ..AuditQuery::default()
        };
        let records = self.desk.audit.entries(&query).await?;
        Ok(Overview {
            profile: self.security.profile(person.id).await?,
            factors: active()
                .filter(|factor| !matches!(factor.kind, FactorKind::Recovery | FactorKind::DevicePassword))
                .map(Own::from)
                .collect(),
            devices: active()
                .filter(|factor| factor.kind == FactorKind::DevicePassword)
                .map(Own::from)
                .collect(),
            recovery: recovery.map(|set| (set.id, codes_left(set, self.now()).unwrap_or_default())),
            activity: records.iter().filter_map(|record| activity(record, person)).take(SHOWN).collect(),
            acceptance: self.desk.acceptances.latest(person.id).await?,
        })
    }

    async fn own_factor(&self, person: &Person, id: &str) -> Result<Option<Factor>> {
        let factors = self.desk.factors.of(person.id).await?;
        Ok(factors
            .into_iter()
            .find(|factor| factor.state == FactorState::Active && factor.id.to_string() == id))
    }

    /// One of the person's own active factors.
    pub async fn own(&self, person: &Person, id: &str) -> Result<Option<Own>> {
        Ok(self.own_factor(person, id).await?.as_ref().map(Own::from))
    }

    /// Gives one another name.
    pub async fn rename_factor(
        &self,
        visit: &Visit,
        person: &Person,
        (id, name): (&str, &str),
    ) -> Result<Renamed> {
        let Some(factor) = self.own_factor(person, id).await? else { return Ok(Renamed::Gone) };
        let name: String = name.trim().chars().filter(|c| !c.is_control()).take(NAME).collect();
        let name = if name.is_empty() { factor.kind.to_string() } else { name };
        if name == factor.label {
            return Ok(Renamed::Done);
        }
        let mut entry = self.entry(visit, "factor.rename", person);
        entry.detail = format!("{} {}", factor.kind, factor.id).into();
        match self.desk.factors.rename(factor.id, name.clone(), entry).await {
            Ok(()) => Ok(Renamed::Done),
            Err(StoreError::NotFound(_)) => Ok(Renamed::Gone),
            Err(StoreError::Conflict(_)) => {
                Ok(Renamed::Not(Problem::new("name", "device-name-taken").with("name", name)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ends one of the person's own; what it was, or `None` if there is none such any more.
    pub async fn revoke_factor(&self, visit: &Visit, person: &Person, id: &str) -> Result<Option<Own>> {
        let Some(factor) = self.own_factor(person, id).await? else { return Ok(None) };
        if !self.end_factor(visit, person, &factor).await? {
            return Ok(None);
        }
        self.tell(visit, person, revoked(factor.kind)).await;
        Ok(Some(Own::from(&factor)))
    }

    /// `false`: it was gone already.
    pub(super) async fn end_factor(&self, visit: &Visit, person: &Person, factor: &Factor) -> Result<bool> {
        let mut entry = self.entry(visit, "factor.revoke", person);
        entry.detail = format!("{} {}", factor.kind, factor.id).into();
        match self.desk.factors.revoke(factor.id, visit.session, entry).await {
            Ok(()) => Ok(true),
            Err(StoreError::NotFound(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// New recovery codes in place of the set that the page has shown: this is the only time they can be read. `None` if it is
    /// another set by now, so that a form that is sent twice does not void what was just written down.
    pub async fn new_recovery_codes(
        &self,
        visit: &Visit,
        person: &Person,
        shown: &str,
    ) -> Result<Option<Vec<Secret<String>>>> {
        let factors = self.desk.factors.of(person.id).await?;
        let present = factors.iter().find(|factor| factor.kind == FactorKind::Recovery);
        if present.map(|set| set.id.to_string()).unwrap_or_default() != shown {
            return Ok(None);
        }
        let (actor, limits) = (actor(visit, person), &visit.config.factors);
        let (_, codes) = self.desk.enroll_recovery(&actor, person.username.as_str(), limits).await?;
        self.tell(visit, person, Notice::FactorAdded).await;
        Ok(Some(codes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::person::{PersonId, Username};
    use std::collections::HashSet;

    fn alice() -> Person {
        Person::named(PersonId::from_uuid(uuid::Uuid::from_u128(1)), Username::parse("alice").unwrap())
    }

    fn record(actor: &str, action: &'static str, outcome: &'static str) -> AuditRecord {
        AuditRecord {
            seq: 1,
            at: Timestamp::from_secs(5),
            actor: actor.to_owned(),
            action: action.into(),
            person: Some(alice().id.to_string()),
            subject: "alice".into(),
            outcome: outcome.into(),
            detail: "wrong-passcode".into(),
            request: "1".into(),
            link: String::new(),
        }
    }

    #[test]
    fn people_see_what_was_done_and_where_and_no_more() {
        let see = |record: &AuditRecord| activity(record, &alice());
        let seen = see(&record("radius:vpn", "login", "reject")).unwrap();
        assert_eq!((seen.what, seen.result), ("activity-login", "activity-refused"));
        assert_eq!(seen.place, Place::Client("vpn".into()));
        let seen = see(&record("portal:alice@192.0.2.7", "person.reset", "done")).unwrap();
        assert_eq!(seen.place, Place::Here(Some("192.0.2.7".into())));
        assert_eq!(see(&record("portal:sign-in", "portal", "accept")).unwrap().place, Place::Here(None));
        for staff in ["portal:clerk@192.0.2.8", "uid:0(root)", "upkeep"] {
            assert_eq!(see(&record(staff, "person.lock", "done")).unwrap().place, Place::Staff, "{staff}");
        }
        assert_eq!(see(&record("uid:0(root)", "audit.export", "done")), None, "nothing for them");
        let other = AuditRecord { person: None, ..record("radius:vpn", "login", "reject") };
        assert_eq!(see(&other), None, "somebody else with the same name");
    }

    #[test]
    fn device_passwords_are_told_apart_from_second_factors() {
        let of = |action, detail: &'static str| {
            let record = AuditRecord { detail: detail.into(), ..record("radius:wifi", action, "accept") };
            let seen = activity(&record, &alice()).unwrap();
            (seen.what, seen.device)
        };
        assert_eq!(of("login", "device-password my phone"), ("activity-device", "my phone".to_owned()));
        assert_eq!(of("login", "wrong-device-password"), ("activity-device", String::new()));
        assert_eq!(of("factor.revoke", "device-password"), ("activity-device-revoked", String::new()));
        assert_eq!(of("factor.enroll", "totp 1").0, "activity-factor-added");
        assert_eq!(of("helpdesk.look", "device-password, they said").0, "activity-question");
    }

    #[test]
    fn every_action_is_called_something() {
        let words = crate::domain::words::Words::new("en", &[]).unwrap();
        let named = ACTIONS.iter().map(|(action, _)| action).collect::<HashSet<_>>();
        assert_eq!(named.len(), ACTIONS.len());
        let results = ["accept", "challenge", "reject", "unknown"].map(|outcome| result(outcome).unwrap());
        let devices = DEVICES.iter().map(|(_, name)| *name);
        let named = ACTIONS.iter().map(|(_, name)| *name).chain(devices);
        for name in named.chain(results).chain(["activity-present-password"]) {
            assert!(words.languages()[0].has(name), "{name}");
        }
    }
}
