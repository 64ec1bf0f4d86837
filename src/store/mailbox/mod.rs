//! Passwords of mailboxes at a mail provider: a second account of an alumnus, beside the one that logs in here.
//!
//! A connector says what became of a new password as exactly as it can know. Only [`MailboxError::Unknown`] leaves open
//! whether it was set; after every other error the mailbox is as it was. Setting the same password again does no harm.

mod graph;
mod words;

use crate::base::{Clock, Secret};
use crate::config::{MailboxKind, MailboxSettings};
use crate::domain::mailbox::{MailboxAccount, NoAccount};
use crate::domain::person::Person;
use crate::store::directory::Monotonic;
use crate::store::ldap::LdapMailboxes;
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a password was not set. What it prints is for the log and for administrators; [`Self::sentence`] is what the
/// person reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError {
    /// The person has no mailbox there.
    #[error("there is no such mailbox: {0}")]
    NoMailbox(String),
    /// The provider does not take this password; a sentence that tells the person what to do.
    #[error("the password was refused: {0}")]
    Refused(String),
    /// The provider wants to be asked less often, or later.
    #[error("the provider wants to be asked later: {why}")]
    Later {
        /// In how long, if it said so.
        after: Option<Duration>,
        /// Its words.
        why: String,
    },
    /// Credentials, permissions or addresses are not right: only an administrator can mend it.
    #[error("[mailbox] or the provider's settings need an administrator: {0}")]
    Misconfigured(String),
    /// The provider was not asked, or could not have understood.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(String),
    /// It was asked, and whether it has set the password is not known.
    #[error("the provider may or may not have set the password: {0}")]
    Unknown(String),
}

impl MailboxError {
    /// What the person reads: what happened, and what to do. Nothing in it is secret.
    pub fn sentence(&self) -> Cow<'_, str> {
        match self {
            Self::NoMailbox(_) => {
                "There is no alumni mailbox that belongs to you. Ask the help desk if there should be one.".into()
            }
            Self::Refused(sentence) => sentence.into(),
            Self::Later { after: Some(after), .. } if *after > Duration::from_secs(60) => {
                let minutes = after.as_secs().div_ceil(60);
                format!("The mail provider is busy. Nothing was changed; try again in {minutes} minutes.").into()
            }
            Self::Later { .. } => {
                "The mail provider is busy. Nothing was changed; try again in a minute.".into()
            }
            Self::Misconfigured(_) => {
                "The password of your mailbox cannot be set at present. Nothing was changed; ask the help desk.".into()
            }
            Self::Unreachable(_) => {
                "The mail provider does not answer at present. Nothing was changed; try again in some minutes.".into()
            }
            Self::Unknown(_) => {
                "The mail provider did not say whether it has set the new password. Try to log in to your mailbox with \
                 it; if that does not work, the old password still holds, and you can set the new one here again."
                    .into()
            }
        }
    }

    /// A stable name for the audit trail.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoMailbox(_) => "no-mailbox",
            Self::Refused(_) => "mailbox-password-refused",
            Self::Later { .. } => "mailbox-provider-busy",
            Self::Misconfigured(_) => "mailbox-misconfigured",
            Self::Unreachable(_) => "mailbox-provider-unreachable",
            Self::Unknown(_) => "mailbox-outcome-unknown",
        }
    }
}

impl From<NoAccount> for MailboxError {
    fn from(error: NoAccount) -> Self {
        Self::NoMailbox(error.to_string())
    }
}

/// A mailbox as the provider knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundMailbox {
    /// Object id, or the name of an entry.
    pub entry: String,
}

/// Where mailboxes are.
#[async_trait]
pub trait Mailboxes: Send + Sync {
    /// Which mailbox is the person's, by the configuration; whether there is one is not asked.
    fn account(&self, person: &Person) -> Result<MailboxAccount, MailboxError>;
    /// Sets the password, and nothing else. How it ended is logged; the caller audits it.
    async fn set_password(
        &self,
        account: &MailboxAccount,
        password: Secret<String>,
    ) -> Result<(), MailboxError>;
    /// Looks the mailbox up and changes nothing. Never [`MailboxError::Unknown`].
    async fn find(&self, account: &MailboxAccount) -> Result<FoundMailbox, MailboxError>;
}

/// How a connector waits when it was told to; tests do not.
#[async_trait]
pub trait Pause: Send + Sync {
    /// Returns when that time is over.
    async fn pause(&self, time: Duration);
}

/// By the timers of the runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sleep;

#[async_trait]
impl Pause for Sleep {
    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

struct Current {
    settings: MailboxSettings,
    mailboxes: Arc<dyn Mailboxes>,
}

/// The mail provider of `[mailbox]`; replaced whole by a reload.
pub struct MailboxProvider {
    current: ArcSwapOption<Current>,
    clock: Arc<dyn Clock>,
    pause: Arc<dyn Pause>,
}

impl fmt::Debug for MailboxProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailboxProvider({})", self.current.load().is_some())
    }
}

impl MailboxProvider {
    /// That of a configuration, if there is one. The error is what is wrong.
    pub fn new(settings: Option<&MailboxSettings>) -> Result<Self, String> {
        Self::with_time(settings, Arc::new(Monotonic::start()), Arc::new(Sleep))
    }

    /// The same in another time. `clock` must never go back.
    pub fn with_time(
        settings: Option<&MailboxSettings>,
        clock: Arc<dyn Clock>,
        pause: Arc<dyn Pause>,
    ) -> Result<Self, String> {
        let provider = Self { current: ArcSwapOption::empty(), clock, pause };
        provider.reload(settings)?;
        Ok(provider)
    }

    /// Takes that of another configuration over; one that stays as it is keeps its token and what is known of it. On
    /// failure everything stays.
    pub fn reload(&self, settings: Option<&MailboxSettings>) -> Result<(), String> {
        if self.current.load().as_ref().map(|current| &current.settings) == settings {
            return Ok(());
        }
        let make = |settings: &MailboxSettings| {
            let mailboxes: Arc<dyn Mailboxes> = match &settings.provider {
                MailboxKind::Graph(graph) => {
                    let time = (Arc::clone(&self.clock), Arc::clone(&self.pause));
                    Arc::new(graph::Graph::new(settings, graph, time)?)
                }
                MailboxKind::Ldap(ldap) => Arc::new(LdapMailboxes::new(settings, ldap)?),
            };
            Ok::<_, String>(Arc::new(Current { settings: settings.clone(), mailboxes }))
        };
        self.current.store(settings.map(make).transpose()?);
        Ok(())
    }

    /// The mailboxes of the present configuration; `None`: there are none.
    pub fn current(&self) -> Option<Arc<dyn Mailboxes>> {
        self.current.load().as_ref().map(|current| Arc::clone(&current.mailboxes))
    }
}

/// Tells the log how a change ended; whoever asked for it tells the audit trail.
pub(super) fn logged(account: &MailboxAccount, result: Result<(), MailboxError>) -> Result<(), MailboxError> {
    let user = account.username();
    match &result {
        Ok(()) => tracing::info!(%user, "the password of a mailbox is set"),
        Err(error @ MailboxError::Misconfigured(_)) => tracing::error!(%user, "{error}"),
        Err(error @ (MailboxError::NoMailbox(_) | MailboxError::Refused(_))) => {
            tracing::info!(%user, "{error}")
        }
        Err(error) => tracing::warn!(%user, "{error}"),
    }
    result
}

/// An empty password would be none, or one that the provider makes up.
pub(super) fn given(password: &Secret<String>) -> Result<(), MailboxError> {
    match password.expose().is_empty() {
        true => Err(MailboxError::Refused("Choose a password that is not empty.".to_owned())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_sentences_without_what_is_for_the_log() {
        let inner = || "inner words".to_owned();
        for (error, part) in [
            (MailboxError::NoMailbox(inner()), "no alumni mailbox"),
            (MailboxError::Later { after: None, why: inner() }, "try again in a minute"),
            (
                MailboxError::Later { after: Some(Duration::from_secs(121)), why: inner() },
                "try again in 3 minutes",
            ),
            (MailboxError::Misconfigured(inner()), "ask the help desk"),
            (MailboxError::Unreachable(inner()), "Nothing was changed"),
            (MailboxError::Unknown(inner()), "Try to log in to your mailbox"),
        ] {
            let sentence = error.sentence();
            assert!(sentence.contains(part) && sentence.ends_with('.'), "{sentence}");
            assert!(!sentence.contains("inner") && error.to_string().contains("inner"), "{sentence}");
        }
        let refused = MailboxError::Refused("Choose a longer one.".to_owned());
        assert_eq!(refused.sentence(), "Choose a longer one.");
    }
}
