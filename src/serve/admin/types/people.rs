//! JSON about people.

use super::factors::Factor;
use crate::base::Timestamp;
use crate::domain::contact::OwnContact;
use crate::domain::person::{Person as DomainPerson, Role};
use crate::engine::desk::Overview as DeskOverview;
use crate::store::{CounterState, SecurityProfile};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Names that are lists of texts in JSON.
fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Person {
    id: String,
    username: String,
    name: String,
    /// `faculty`, `staff`, `student`, `alumnus`.
    roles: Vec<String>,
    groups: Vec<String>,
    email: Option<String>,
    phone: Option<String>,
    /// `active`, `new` (not activated yet), `locked`, `disabled`.
    status: String,
    version: i64,
    /// The directory that the person comes from; none for the embedded one.
    directory: Option<String>,
    /// Name of the entry there.
    dn: Option<String>,
    /// End of the account, RFC 3339.
    valid_until: Option<String>,
}

impl From<DomainPerson> for Person {
    fn from(person: DomainPerson) -> Self {
        Self {
            id: person.id.to_string(),
            username: person.username.to_string(),
            name: person.name,
            roles: texts(person.roles.into_iter().map(Role::as_str)),
            groups: person.groups,
            email: person.email,
            phone: person.phone,
            status: person.status.as_str().to_owned(),
            version: person.version,
            valid_until: person.valid_until.map(|end| end.to_string()),
            dn: person.origin.as_ref().map(|origin| origin.dn.clone()),
            directory: person.origin.map(|origin| origin.directory),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct People {
    pub(in crate::serve::admin) people: Vec<Person>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Failures {
    /// `password`, or a factor's id.
    counter: String,
    count: u32,
    /// No attempt is taken before.
    blocked_until: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Acceptance {
    version: String,
    at: String,
}

/// A contact that the person has entered; values are masked.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Contact {
    /// `mobile`, `phone`, `email`.
    kind: String,
    /// In use.
    proven: Option<String>,
    /// Not in use before it is proven.
    waiting: Option<String>,
}

/// What the person has entered.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Security {
    contacts: Vec<Contact>,
    /// How many security questions there are.
    questions: usize,
    /// The question that the help desk may ask.
    helpdesk: Option<String>,
    /// When the registration was complete, RFC 3339.
    registered: Option<String>,
    /// Language of messages.
    language: Option<String>,
}

impl From<SecurityProfile> for Security {
    fn from(profile: SecurityProfile) -> Self {
        let contact = |contact: OwnContact| {
            let masked = |value: Option<String>| value.map(|value| contact.kind.masked(&value));
            Contact {
                kind: contact.kind.as_str().to_owned(),
                proven: masked(contact.proven),
                waiting: masked(contact.waiting),
            }
        };
        Self {
            contacts: profile.contacts.into_iter().map(contact).collect(),
            questions: profile.questions.len(),
            helpdesk: profile.helpdesk.map(|question| question.to_string()),
            registered: profile.registered.map(|at| at.to_string()),
            language: profile.language,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Overview {
    person: Person,
    factors: Vec<Factor>,
    failures: Vec<Failures>,
    acceptance: Option<Acceptance>,
    security: Security,
}

impl Overview {
    pub(in crate::serve::admin) fn new(overview: DeskOverview, now: Timestamp) -> Self {
        let DeskOverview { person, factors, failures, acceptance, security } = overview;
        let failure = |state: &CounterState| Failures {
            counter: state.counter.clone(),
            count: state.failures.count,
            blocked_until: state.failures.blocked_until.to_string(),
        };
        Self {
            person: person.into(),
            factors: factors.iter().map(|factor| Factor::new(factor, &failures, now)).collect(),
            failures: failures.iter().map(failure).collect(),
            acceptance: acceptance.map(|(version, at)| Acceptance { version, at: at.to_string() }),
            security: security.into(),
        }
    }
}

// None of the bodies that carry a secret has a `Debug`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct NewPerson {
    pub(in crate::serve::admin) username: String,
    #[serde(default)]
    pub(in crate::serve::admin) name: String,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub(in crate::serve::admin) roles: Vec<Role>,
    #[serde(default)]
    pub(in crate::serve::admin) groups: Vec<String>,
    pub(in crate::serve::admin) email: Option<String>,
    pub(in crate::serve::admin) phone: Option<String>,
    pub(in crate::serve::admin) password: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Imported {
    pub(in crate::serve::admin) imported: usize,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct NewPassword {
    pub(in crate::serve::admin) password: String,
    /// The present password: the change is then made as the person, by the rules that the directory has for people.
    pub(in crate::serve::admin) present: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct PeopleQuery {
    /// Only usernames that contain this.
    pub(in crate::serve::admin) matching: Option<String>,
    /// Only usernames after this one.
    pub(in crate::serve::admin) after: Option<String>,
    /// At most so many, up to 1000; 100 if it is missing.
    #[param(value_type = Option<u64>, maximum = 4_294_967_295u64)]
    pub(in crate::serve::admin) limit: Option<u32>,
}
