//! Mailboxes whose passwords are in an LDAP directory of their own: the service account finds the entry and sets the
//! password by the directory's own operation (RFC 3062, or `unicodePwd`).

use super::connection::{Connection, Ended};
use super::source::all;
use super::{LdapError, Result};
use crate::base::Secret;
use crate::config::{DirectoryKind, LdapMailboxSettings, LdapServer, MailboxSettings};
use crate::domain::mailbox::{AccountTemplate, MailboxAccount};
use crate::domain::person::Person;
use crate::store::breaker::Breaker;
use crate::store::mailbox::{FoundMailbox, MailboxError, Mailboxes, given, logged};
use crate::store::tls;
use crate::wire::ldap::{self, Attribute, Modification, Refusal, Scope, Search};
use async_trait::async_trait;
use rustls::ClientConfig;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Operations of a change: connect, bind, search, set.
const STEPS: u32 = 4;

struct Server {
    settings: LdapServer,
    breaker: Mutex<Breaker>,
}

impl Server {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &LdapError) {
        let hard = matches!(error, LdapError::Unreachable { .. } | LdapError::Tls { .. });
        if self.breaker().failed(Instant::now(), hard) {
            tracing::warn!(server = %self.settings.url, %error, "the directory of mailboxes cannot be asked at present");
        }
    }
}

/// See the module.
pub(in crate::store) struct LdapMailboxes {
    settings: LdapMailboxSettings,
    account: AccountTemplate,
    /// Of one operation.
    timeout: Duration,
    tls: Arc<ClientConfig>,
    servers: Vec<Server>,
}

impl LdapMailboxes {
    pub(in crate::store) fn new(
        settings: &MailboxSettings,
        ldap: &LdapMailboxSettings,
    ) -> Result<Self, String> {
        let server = |server: &LdapServer| Server { settings: server.clone(), breaker: Mutex::default() };
        Ok(Self {
            account: settings.account.clone(),
            timeout: settings.timeout / STEPS,
            tls: Arc::new(tls::client(&settings.authorities)?),
            servers: ldap.servers.iter().map(server).collect(),
            settings: ldap.clone(),
        })
    }

    /// A connection of the service account to the first server that answers, and the name of the mailbox's entry there.
    async fn entry(&self, account: &MailboxAccount) -> Result<(&Server, Connection, String), MailboxError> {
        let mut last = "all its servers failed a moment ago, and rest for some seconds".to_owned();
        for server in &self.servers {
            if !server.breaker().admits(Instant::now(), self.timeout * STEPS) {
                continue;
            }
            match self.entry_at(server, account).await {
                Err(error) if error.is_outage() => {
                    server.failed(&error);
                    last = error.to_string();
                }
                decided => {
                    server.breaker().succeeded();
                    let (connection, found) = decided.map_err(|error| misconfigured(&error))?;
                    return Ok((server, connection, only(found, account)?));
                }
            }
        }
        Err(MailboxError::Unreachable(last))
    }

    /// The first two entries that are found.
    async fn entry_at(&self, server: &Server, account: &MailboxAccount) -> Result<(Connection, Vec<String>)> {
        let mut connection = Connection::open(&server.settings, &self.tls, self.timeout).await?;
        connection.bind(&self.settings.bind).await?;
        let nothing: Vec<_> = Attribute::parse("1.1").into_iter().collect();
        let base = self.settings.base.to_string();
        let mut found = Vec::new();
        if let Some(filter) = self.settings.filter.of(account) {
            let search = Search { base: &base, scope: Scope::Subtree, filter: &filter, attributes: &nothing };
            let keep = |entry: ldap::Entry, _: &ldap::Message<'_>| {
                if found.len() < 2 {
                    found.push(entry.dn);
                }
            };
            all(&mut connection, search, &[], keep).await?;
        }
        Ok((connection, found))
    }

    async fn change(&self, account: &MailboxAccount, password: &Secret<String>) -> Result<(), MailboxError> {
        let (server, mut connection, dn) = self.entry(account).await?;
        let ended = self.set(&mut connection, &dn, password).await.map_err(|error| {
            server.failed(&error);
            MailboxError::Unknown(error.to_string())
        })?;
        connection.close().await;
        judged(&ended)
    }

    async fn set(&self, connection: &mut Connection, dn: &str, password: &Secret<String>) -> Result<Ended> {
        match self.settings.dialect {
            DirectoryKind::Ldap => connection.password_modify(dn, None, password).await,
            DirectoryKind::ActiveDirectory => {
                let value = ldap::unicode_password(password.expose());
                connection.modify(dn, &[Modification::Replace("unicodePwd", value.expose())]).await
            }
        }
    }
}

/// The one entry that was found.
fn only(found: Vec<String>, account: &MailboxAccount) -> Result<String, MailboxError> {
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(dn), None) => Ok(dn),
        (None, _) => Err(MailboxError::NoMailbox(format!("no entry fits the filter for {account:?}"))),
        (Some(first), Some(second)) => Err(MailboxError::Misconfigured(format!(
            "the filter finds several entries, {first} and {second}; make `filter` in [mailbox] find one"
        ))),
    }
}

/// It answered, and did not do what was asked.
fn misconfigured(error: &LdapError) -> MailboxError {
    MailboxError::Misconfigured(error.to_string())
}

/// A reason as a sentence.
fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// What the end of a change says.
fn judged(ended: &Ended) -> Result<(), MailboxError> {
    match ldap::change_refusal(ended.answer()) {
        None => Ok(()),
        Some(Refusal::Policy(reason)) => Err(MailboxError::Refused(sentence(&reason))),
        Some(Refusal::Gone) => Err(MailboxError::NoMailbox("its entry has just gone".to_owned())),
        Some(Refusal::Access(words)) => Err(MailboxError::Misconfigured(format!(
            "the service account may not set this password: {words}"
        ))),
        Some(Refusal::WrongOld) => Err(MailboxError::Misconfigured(format!(
            "the directory asks for the old password ({}); the service account may not set passwords",
            ended.code
        ))),
        // busy, unavailable
        Some(Refusal::Undecided(why)) if matches!(ended.code, 51 | 52) => {
            Err(MailboxError::Later { after: None, why })
        }
        Some(Refusal::Undecided(words)) => {
            Err(MailboxError::Misconfigured(format!("the directory does not set this password: {words}")))
        }
    }
}

#[async_trait]
impl Mailboxes for LdapMailboxes {
    fn account(&self, person: &Person) -> Result<MailboxAccount, MailboxError> {
        Ok(self.account.account(person)?)
    }

    /// Asked once only: a directory that keeps a history would refuse the second time what it took the first time.
    async fn set_password(
        &self,
        account: &MailboxAccount,
        password: Secret<String>,
    ) -> Result<(), MailboxError> {
        given(&password)?;
        logged(account, self.change(account, &password).await)
    }

    async fn find(&self, account: &MailboxAccount) -> Result<FoundMailbox, MailboxError> {
        let (_, connection, dn) = self.entry(account).await?;
        connection.close().await;
        Ok(FoundMailbox { entry: dn })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_a_change_are_told_apart() {
        let ended =
            |code, diagnostic: &str| judged(&Ended { code, diagnostic: diagnostic.to_owned(), policy: None });
        assert_eq!(ended(0, ""), Ok(()));
        let refused = ended(19, "Password fails quality checking policy").unwrap_err();
        assert!(
            refused.sentence().starts_with("Choose ") && refused.sentence().ends_with('.'),
            "{refused:?}"
        );
        assert!(matches!(ended(32, ""), Err(MailboxError::NoMailbox(_))));
        assert!(matches!(ended(50, ""), Err(MailboxError::Misconfigured(_))));
        assert!(matches!(ended(53, "x"), Err(MailboxError::Misconfigured(_))));
        assert!(matches!(ended(51, ""), Err(MailboxError::Later { .. })));
        assert!(matches!(ended(19, "00000056: AtrErr: x"), Err(MailboxError::Misconfigured(_))));
    }
}
