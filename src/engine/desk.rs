//! What administrators and the help desk do: people, factors, codes. Every change is audited in the transaction that
//! makes it; nothing here ever returns a password, and a seed only to who enrolls it.

mod error;

pub use error::{DeskError, TouchProblem};

use crate::base::{Clock, Random, Secret, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::domain::digest::CodeDigester;
use crate::domain::directory::Realms;
use crate::domain::factor::{Factor, FactorId, FactorState};
use crate::domain::password::Owner;
use crate::domain::person::{Person, PersonId, Status, Username};
use crate::store::directory::import::{Credential, ImportError, ImportRow};
use crate::store::directory::{ChangeError, Directory, HashPool, LiveRules};
use crate::store::{
    Acceptances, Attempts, Audit, CounterState, Factors, NewPerson, OtpValidator, Page, People, SecurityData,
    SecurityProfile, Stock, StoreError, Tokens,
};
use std::sync::Arc;

/// Who acts, for the audit trail.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Such as `uid:1000(alice)`.
    pub name: String,
    /// Id of the request.
    pub request: String,
}

/// Result of an action.
pub type Result<T> = std::result::Result<T, DeskError>;

/// A person to be added by hand.
#[derive(Debug, Clone, Default)]
pub struct PersonDetails {
    /// Username as typed.
    pub username: String,
    /// Name to show.
    pub name: String,
    /// Roles.
    pub roles: Vec<crate::domain::person::Role>,
    /// Groups.
    pub groups: Vec<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Telephone.
    pub phone: Option<String>,
    /// First password.
    pub password: Option<Secret<String>>,
}

/// A person with everything that can be shown of them.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The person.
    pub person: Person,
    /// Their factors, pending ones too.
    pub factors: Vec<Factor>,
    /// Failure counters that are not at zero.
    pub failures: Vec<CounterState>,
    /// Acceptable-use policy accepted last.
    pub acceptance: Option<(String, Timestamp)>,
    /// What they have entered themselves.
    pub security: SecurityProfile,
}

/// The desk.
pub struct Desk {
    /// People.
    pub people: Arc<dyn People>,
    /// Factors.
    pub factors: Arc<dyn Factors>,
    /// The inventory.
    pub tokens: Arc<dyn Tokens>,
    /// What comes into it and goes out.
    pub stock: Arc<dyn Stock>,
    /// Judges YubiKeys that only their validation server knows.
    pub validator: Option<Arc<dyn OtpValidator>>,
    /// Failure counters.
    pub attempts: Arc<dyn Attempts>,
    /// The audit trail.
    pub audit: Arc<dyn Audit>,
    /// Acceptances.
    pub acceptances: Arc<dyn Acceptances>,
    /// What people enter themselves.
    pub security: Arc<dyn SecurityData>,
    /// Passwords.
    pub directory: Arc<dyn Directory>,
    /// Hashes first passwords and PINs.
    pub hashes: Arc<HashPool>,
    /// Digests of codes.
    pub digester: CodeDigester,
    /// Realms of the directories.
    pub realms: Arc<Realms>,
    /// What new passwords must keep to.
    pub rules: LiveRules,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Makes seeds, codes and ids.
    pub random: Arc<dyn Random>,
}

impl Desk {
    /// An entry for something done by `actor`.
    pub fn entry(
        &self,
        actor: &Actor,
        action: &'static str,
        subject: &str,
        person: Option<PersonId>,
    ) -> AuditEntry {
        let end = subject.floor_char_boundary(253);
        AuditEntry {
            at: self.clock.now(),
            actor: actor.name.clone(),
            action,
            person,
            subject: subject.get(..end).unwrap_or_default().to_owned(),
            outcome: "done",
            detail: "".into(),
            request: actor.request.clone(),
        }
    }

    pub(super) fn new_uuid(&self) -> uuid::Uuid {
        // Time-ordered, with the randomness that is injected.
        let mut bytes = [0; 10];
        self.random.fill(&mut bytes);
        let millis = u64::try_from(self.clock.now().millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }

    /// The person by the name as typed.
    pub async fn person(&self, username: &str) -> Result<Person> {
        let unknown = || DeskError::NoPerson(username.to_owned());
        let name = Username::parse(&self.realms.canonical(username)).map_err(|_| unknown())?;
        self.people.person(&name).await?.ok_or_else(unknown)
    }

    /// The factor by its id as typed.
    pub async fn factor(&self, id: &str) -> Result<Factor> {
        let unknown = || DeskError::NoFactor(id.to_owned());
        let parsed: FactorId = id.parse().map_err(|_| unknown())?;
        self.factors.factor(parsed).await.map_err(|error| match error {
            StoreError::NotFound(_) => unknown(),
            other => other.into(),
        })
    }

    /// People, a page at a time.
    pub async fn list(&self, page: &Page) -> Result<Vec<Person>> {
        Ok(self.people.list(page).await?)
    }

    /// Everything that can be shown of a person.
    pub async fn overview(&self, username: &str) -> Result<Overview> {
        let person = self.person(username).await?;
        let factors = self.factors.of(person.id).await?;
        let failures = self.attempts.failures(person.id).await?;
        let acceptance = self.acceptances.latest(person.id).await?;
        let security = self.security.profile(person.id).await?;
        Ok(Overview { person, factors, failures, acceptance, security })
    }

    /// Adds one person.
    pub async fn add_person(&self, actor: &Actor, details: PersonDetails) -> Result<Person> {
        let username = Username::parse(&details.username)
            .map_err(|error| DeskError::Username(details.username.clone(), error))?;
        let owner = Owner { username: &username, name: &details.name };
        let password = match &details.password {
            None => None,
            Some(password) => Some(self.hash_by_rules(owner, password).await?),
        };
        let id = PersonId::from_uuid(self.new_uuid());
        let entry = self.entry(actor, "person.add", username.as_str(), Some(id));
        let new = NewPerson {
            id,
            username: username.clone(),
            name: details.name,
            roles: details.roles,
            groups: details.groups,
            email: details.email,
            phone: details.phone,
            password,
            new: false,
        };
        self.people.add(vec![new], entry).await?;
        self.person(username.as_str()).await
    }

    async fn hash_by_rules(&self, owner: Owner<'_>, password: &Secret<String>) -> Result<Secret<String>> {
        let password = self.rules.load().check(owner, password.expose()).map_err(ChangeError::Refused)?;
        Ok(self.hashes.hash(Secret::new(password.expose().clone().into_bytes())).await?)
    }

    /// Adds everyone of a file, or nobody.
    pub async fn import(&self, actor: &Actor, rows: Vec<ImportRow>) -> Result<usize> {
        let mut errors = Vec::new();
        let mut people = Vec::with_capacity(rows.len());
        for row in rows {
            if self.people.person(&row.username).await?.is_some() {
                let problem = format!("`{}` is here already", row.username);
                errors.push(ImportError { line: row.line, problem });
                continue;
            }
            let password = match row.credential {
                None => None,
                Some(Credential::Hash(hash)) => Some(hash),
                // Within the rules already.
                Some(Credential::Password(password)) => {
                    Some(self.hashes.hash(Secret::new(password.expose().clone().into_bytes())).await?)
                }
            };
            people.push(NewPerson {
                id: PersonId::from_uuid(self.new_uuid()),
                username: row.username,
                name: row.name,
                roles: row.roles,
                groups: row.groups,
                email: row.email,
                phone: row.phone,
                password,
                new: false,
            });
        }
        if !errors.is_empty() {
            return Err(DeskError::Import(errors));
        }
        let count = people.len();
        let mut entry = self.entry(actor, "person.import", &format!("{count} people"), None);
        entry.detail = format!("{count} added").into();
        self.people.add(people, entry).await?;
        Ok(count)
    }

    /// Sets a password, by the rules: with `old`, the present one, as the person; without it as administrator.
    pub async fn set_password(
        &self,
        actor: &Actor,
        username: &str,
        old: Option<&Secret<String>>,
        password: &Secret<String>,
    ) -> Result<Person> {
        let person = self.person(username).await?;
        let mut entry = self.entry(actor, "person.password", person.username.as_str(), Some(person.id));
        if old.is_some() {
            entry.detail = "with the present password".into();
        }
        self.directory.change(&person, old, password, entry).await?;
        self.person(username).await
    }

    /// Locks or unlocks; unlocking also clears the failure counters. Who is switched off in the directory stays so, and whose
    /// account waits for its activation has to activate it all the same.
    pub async fn set_locked(&self, actor: &Actor, username: &str, locked: bool) -> Result<Person> {
        let person = self.person(username).await?;
        if person.status == Status::Disabled {
            return Err(DeskError::Conflict(format!(
                "{} is switched off in the directory; it is switched on there",
                person.username
            )));
        }
        let (status, action) = match locked {
            true => (Status::Locked, "person.lock"),
            false if person.status == Status::New => (Status::New, "person.unlock"),
            false => (Status::Active, "person.unlock"),
        };
        let entry = self.entry(actor, action, person.username.as_str(), Some(person.id));
        self.people.set_status(person.id, status, entry).await?;
        if !locked && let Err(error) = self.directory.unlock(&person).await {
            return Err(DeskError::HalfUnlocked(
                person.username.to_string(),
                DeskError::from(error).to_string(),
            ));
        }
        self.person(username).await
    }

    /// Ends a factor; returns what it was.
    pub async fn revoke(&self, actor: &Actor, id: &str) -> Result<Factor> {
        let factor = self.factor(id).await?;
        let mut entry = self.entry(actor, "factor.revoke", id, Some(factor.person));
        entry.detail = factor.kind.to_string().into();
        self.factors.revoke(factor.id, None, entry).await?;
        Ok(factor)
    }

    /// Ends a factor that nobody has confirmed, if it is still there and still waits.
    pub(super) async fn revoke_waiting(&self, actor: &Actor, factor: &Factor) -> Result<()> {
        let ended = match self.factors.factor(factor.id).await {
            Ok(Factor { state: FactorState::Pending, kind, .. }) => {
                let mut entry =
                    self.entry(actor, "factor.revoke", &factor.id.to_string(), Some(factor.person));
                entry.detail = kind.to_string().into();
                self.factors.revoke(factor.id, None, entry).await
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) | Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Codes that are left of a set; `None` for other kinds.
pub fn codes_left(factor: &Factor, now: Timestamp) -> Option<usize> {
    match &factor.material {
        crate::domain::factor::Material::Codes(codes) => {
            Some(codes.iter().filter(|code| code.expires.is_none_or(|end| end > now)).count())
        }
        _ => None,
    }
}
