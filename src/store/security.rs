//! Security data: contacts that people enter themselves, their security questions, the activation of accounts; and sessions of the
//! portal. Each change is one transaction with its audit entry and the messages that tell of it, which are notices: they carry
//! no code, so that limits are not for them and none takes the place of another. Whoever has them written wakes the courier.

use super::Result;
use crate::base::{Secret, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::domain::campus::Campuses;
use crate::domain::contact::{ContactKind, OwnContact};
use crate::domain::message::NewMessage;
use crate::domain::person::{PersonId, Role};
use crate::domain::question::QuestionId;
use async_trait::async_trait;
use serde::Serialize;

/// Security data of a person, without any answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecurityProfile {
    /// Contacts that the person has entered, proven or not; at most one of each kind.
    pub contacts: Vec<OwnContact>,
    /// The questions that were chosen, in the order of their slots.
    pub questions: Vec<QuestionId>,
    /// The question that the help desk may ask.
    pub helpdesk: Option<QuestionId>,
    /// When the registration was complete, if it is.
    pub registered: Option<Timestamp>,
    /// Language of messages, as a BCP 47 tag; none: the default.
    pub language: Option<String>,
}

/// What becomes of one contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactChange {
    /// This value (E.164 number, e-mail address) waits for its proof; a proven one stays in use until then. If it is proven
    /// already it stays so, and nothing waits any more.
    Enter(ContactKind, String),
    /// Neither a proven nor a waiting value is left.
    Remove(ContactKind),
}

/// A security question with its answer, ready to be kept.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The question.
    pub question: QuestionId,
    /// Argon2id hash (PHC string) of the normalised answer.
    pub hash: Secret<String>,
}

/// The answers of a person as they are kept.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// In the order of their slots.
    pub questions: Vec<Answer>,
    /// For a change that rests on them.
    pub seen: Seen,
}

/// A state of somebody's answers, also of that for the help desk; as they are sealed, each time in other words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub(super) answers: String,
    pub(super) spoken: String,
}

/// Changes of security data that are written together.
#[derive(Debug, Clone, Default)]
pub struct SecurityChange {
    /// Contacts; those of other kinds stay as they are.
    pub contacts: Vec<ContactChange>,
    /// All questions anew, in the order of their slots; none: they stay as they are.
    pub questions: Option<Vec<Answer>>,
    /// The help-desk question with its normalised answer, sealed by the store under a key of its own. The inner `None` removes it.
    pub helpdesk: Option<Option<(QuestionId, Secret<String>)>>,
    /// The answers that these rest on: nothing is written if they are others by now ([`super::StoreError::Conflict`]).
    pub seen: Option<Seen>,
    /// The registration is complete with this; an earlier moment stays.
    pub registered: Option<Timestamp>,
    /// Language of messages.
    pub language: Option<String>,
    /// The portal's session in which it is done: it stays where others end.
    pub session: Option<SessionKey>,
}

/// How many people of a role have done what is required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Their campus; none: people of no campus.
    pub campus: Option<String>,
    /// The role; none: people without any.
    pub role: Option<Role>,
    /// People who are not disabled and not gone.
    pub people: u64,
    /// Those of them whose account is not activated yet.
    pub new: u64,
    /// Those of them whose registration is complete.
    pub registered: u64,
    /// Those of them with an active second factor of their own (app, token, YubiKey).
    pub factor: u64,
}

impl Coverage {
    /// Adds people of the same role.
    pub fn add(&mut self, more: &Self) {
        self.people += more.people;
        self.new += more.new;
        self.registered += more.registered;
        self.factor += more.factor;
    }
}

/// Security data.
#[async_trait]
pub trait SecurityData: Send + Sync {
    /// Everything but the answers.
    async fn profile(&self, person: PersonId) -> Result<SecurityProfile>;
    /// Writes changes, with the messages that tell of them. People who are read afterwards have the contacts. A contact that was in use
    /// and is not any more ends the person's other sessions, those of Wi-Fi too, and challenges: they may have begun with it.
    async fn update(
        &self,
        person: PersonId,
        change: SecurityChange,
        audit: AuditEntry,
        notices: Vec<NewMessage>,
    ) -> Result<()>;
    /// The waiting value of this kind is proven and takes the place of an older one, which ends what [`Self::update`] ends with it;
    /// `false` if it is not this value any more. `session`: in which it is done.
    async fn prove(
        &self,
        person: PersonId,
        contact: (ContactKind, String),
        session: Option<SessionKey>,
        audit: AuditEntry,
        notices: Vec<NewMessage>,
    ) -> Result<bool>;
    /// Hashes of the answers.
    async fn answers(&self, person: PersonId) -> Result<Answers>;
    /// The help-desk question and its answer; who looks is written down first.
    async fn helpdesk_answer(
        &self,
        person: PersonId,
        audit: AuditEntry,
    ) -> Result<Option<(QuestionId, Secret<String>)>>;
    /// Makes a new account active, with the acceptance of this version of the acceptable-use policy; `false` if it is not new.
    async fn activate(
        &self,
        person: PersonId,
        accepted: Option<String>,
        audit: AuditEntry,
        notices: Vec<NewMessage>,
    ) -> Result<bool>;
    /// How far registration has come, by campus and role: those of no campus last.
    async fn coverage(&self, campuses: &Campuses) -> Result<Vec<Coverage>>;
}

/// Name of a session: SHA-256 of what the browser's cookie holds, so that a stolen database opens none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub [u8; 32]);

/// A session as it is kept.
#[derive(Debug, Clone)]
pub struct KeptSession {
    /// Its name.
    pub key: SessionKey,
    /// Who is signed in, if somebody is: their sessions can be ended together.
    pub person: Option<PersonId>,
    /// Rises with each change. 0: it was never kept.
    pub version: i64,
    /// When they began to prove who they are: if their sessions were ended since (a new password, a lock), it is not kept.
    pub as_of: Option<Timestamp>,
    /// What it holds; sealed by the store, bound to its name and person.
    pub content: Secret<Vec<u8>>,
    /// When it began.
    pub created: Timestamp,
    /// When it is over.
    pub expires: Timestamp,
}

/// Sessions of the portal. A change of password, a lock and a disable end those of the person in the same transaction, a factor or a
/// contact that is removed all but the one in which it is done; and nobody gets a new one who is locked, switched off or gone. How many there can be has a bound: the oldest go.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// One that is not over. One that does not open counts as none.
    async fn load(&self, key: SessionKey, now: Timestamp) -> Result<Option<KeptSession>>;
    /// Keeps it under its version + 1, which is returned; `None` if another version is there by now, it has ended, or its
    /// person may not have it.
    async fn save(&self, session: KeptSession) -> Result<Option<i64>>;
    /// Gives a session that is kept a new name and content (after each rise of privilege); `None` as with `save`.
    async fn rename(&self, old: SessionKey, session: KeptSession) -> Result<Option<i64>>;
    /// Ends one.
    async fn end(&self, key: SessionKey) -> Result<()>;
    /// Ends all of a person but one; how many.
    async fn end_all(&self, person: PersonId, but: Option<SessionKey>) -> Result<u64>;
}
