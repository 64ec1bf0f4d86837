//! Passwords of one outside directory: checked by bind, changed by the directory's own operation, remembered for a while
//! if the configuration says so.

use super::connection::Connection;
use super::{LdapError, Result, Servers};
use crate::base::{Clock, Random, Secret, Soon};
use crate::config::DirectoryKind;
use crate::domain::audit::AuditEntry;
use crate::domain::password::PasswordVerdict;
use crate::domain::person::{Person, PersonId};
use crate::store::Passwords;
use crate::store::directory::{ChangeError, Directory, DirectoryError, LiveRules, PasswordCache};
use crate::wire::ldap::{self, BindResult, Entry, Modification, Refusal};
use async_trait::async_trait;
use std::sync::Arc;

/// Passwords remembered at most, for each directory.
const REMEMBERED: usize = 200_000;

/// See the module.
pub struct Ldap {
    servers: Arc<Servers>,
    passwords: Arc<dyn Passwords>,
    rules: LiveRules,
    cache: Option<PasswordCache>,
}

impl std::fmt::Debug for Ldap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ldap({})", self.servers.settings().name)
    }
}

impl Ldap {
    /// Over these servers. `passwords` is told of changes, `rules` hold before those of the directory.
    pub fn new(
        servers: Arc<Servers>,
        passwords: Arc<dyn Passwords>,
        rules: LiveRules,
        (clock, random): (Arc<dyn Clock>, &dyn Random),
    ) -> Self {
        let settings = servers.settings();
        let longest = settings.cache.max(settings.outage_cache);
        let cache = PasswordCache::new(longest, REMEMBERED, clock, random);
        Self { servers, passwords, rules, cache }
    }

    fn remembered(
        &self,
        person: &Person,
        candidates: &[Secret<Vec<u8>>],
        age: std::time::Duration,
    ) -> Option<PasswordVerdict> {
        let cache = self.cache.as_ref().filter(|_| !age.is_zero())?;
        let known = |candidate: &Secret<Vec<u8>>| cache.knows_since(person, candidate.expose(), age);
        candidates.iter().position(known).map(PasswordVerdict::Right)
    }

    /// One bind for the first spelling; a second one only where a separator before a right passcode leaves room for two.
    async fn ask(&self, person: &Person, candidates: &[Secret<Vec<u8>>]) -> Result<PasswordVerdict> {
        let (dn, entry) = place(person);
        let ended = |verdict: PasswordVerdict| {
            if let Some(cache) = &self.cache {
                cache.forget(person);
            }
            Ok(verdict)
        };
        for (index, candidate) in candidates.iter().enumerate() {
            match self.servers.check(dn, candidate.expose(), entry).await? {
                BindResult::Right => {
                    if let Some(cache) = &self.cache {
                        cache.remember(person, candidate.expose());
                    }
                    return Ok(PasswordVerdict::Right(index));
                }
                BindResult::Expired => return ended(PasswordVerdict::Expired(index)),
                BindResult::MustChange => return ended(PasswordVerdict::MustChange(index)),
                BindResult::Locked => return ended(PasswordVerdict::Locked),
                BindResult::Disabled => return ended(PasswordVerdict::Disabled),
                BindResult::Wrong | BindResult::Undecided(_) => {}
            }
        }
        if let Some(cache) = &self.cache {
            cache.forget_if(person, candidates);
        }
        Ok(PasswordVerdict::Wrong)
    }

    /// A connection of the service account, and the entry, which is this person's for certain: a name may have become
    /// somebody else's a moment ago.
    async fn as_service(&self, person: &Person) -> Result<(Connection, Entry), ChangeError> {
        let (dn, id) = place(person);
        let mut connection = self.servers.service().await.map_err(undecided)?;
        let entry = self.servers.same(&mut connection, dn, id).await.map_err(undecided)?;
        Ok((connection, entry))
    }

    /// A connection on which the person may change the password. Who cannot bind because the password has expired, or must
    /// be changed first, has shown that it is right: the service account does it, with the old one beside the new one.
    async fn as_person(&self, person: &Person, old: &Secret<String>) -> Result<Connection, ChangeError> {
        let (dn, _) = place(person);
        let policy = |text: &str| Err(ChangeError::Policy(text.to_owned()));
        let mut connection = self.servers.connect().await.map_err(undecided)?;
        match connection.check(dn, old.expose().as_bytes()).await.map_err(undecided)? {
            BindResult::Right => Ok(connection),
            BindResult::MustChange if self.servers.settings().kind == DirectoryKind::Ldap => Ok(connection),
            BindResult::Expired | BindResult::MustChange => Ok(self.as_service(person).await?.0),
            BindResult::Locked => policy("the account is locked; ask the help desk"),
            BindResult::Disabled => policy("the account is switched off; ask the help desk"),
            BindResult::Wrong | BindResult::Undecided(_) => Err(ChangeError::WrongOld),
        }
    }

    async fn set(
        &self,
        person: &Person,
        old: Option<&Secret<String>>,
        new: &Secret<String>,
    ) -> Result<(), ChangeError> {
        let (dn, _) = place(person);
        let kind = self.servers.settings().kind;
        let mut connection = match old {
            None => self.as_service(person).await?.0,
            Some(old) => self.as_person(person, old).await?,
        };
        let ended = match kind {
            DirectoryKind::Ldap => {
                connection.password_modify(dn, old.map(|old| old.expose().as_bytes()), new).await
            }
            DirectoryKind::ActiveDirectory => {
                let value = ldap::unicode_password(new.expose());
                match old {
                    None => {
                        connection.modify(dn, &[Modification::Replace("unicodePwd", value.expose())]).await
                    }
                    Some(old) => {
                        let before = ldap::unicode_password(old.expose());
                        let delete = Modification::Delete("unicodePwd", before.expose());
                        connection
                            .modify(dn, &[delete, Modification::Add("unicodePwd", value.expose())])
                            .await
                    }
                }
            }
        };
        let ended = ended.map_err(undecided)?;
        let refusal = ldap::change_refusal(ended.answer());
        let refused = connection.refused("a change of password", ended.code, ended.diagnostic.clone());
        connection.close().await;
        match refusal {
            None => Ok(()),
            Some(Refusal::Policy(sentence)) => Err(ChangeError::Policy(sentence)),
            Some(Refusal::WrongOld) => Err(ChangeError::WrongOld),
            Some(Refusal::Access(words)) => Err(ChangeError::Policy(format!(
                "the directory does not let Doorward change this password ({words}); an administrator of the directory \
                 can allow it"
            ))),
            Some(Refusal::Gone) => Err(ChangeError::Policy(
                "the directory has no such account any more; ask the help desk".to_owned(),
            )),
            Some(Refusal::Undecided(_)) => Err(undecided(refused)),
        }
    }

    /// What is said of somebody who is not known.
    fn stranger(&self) -> Result<PasswordVerdict, DirectoryError> {
        // Somebody who was added a moment ago may be unknown because no server could tell.
        match self.servers.all_down() {
            true => Err(LdapError::AllDown {
                directory: self.servers.settings().name.clone(),
                last: "the name is not known yet, and may be new there".to_owned(),
            }
            .into()),
            false => Ok(PasswordVerdict::Wrong),
        }
    }

    /// Asks the directory, and where it is down, what is remembered for longer.
    async fn find_out(
        &self,
        person: &Person,
        candidates: &[Secret<Vec<u8>>],
    ) -> Result<PasswordVerdict, DirectoryError> {
        match self.ask(person, candidates).await {
            Ok(verdict) => Ok(verdict),
            Err(error @ LdapError::AllDown { .. }) => {
                let outage = self.servers.settings().outage_cache;
                self.remembered(person, candidates, outage).ok_or(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Name and id of a person's entry.
fn place(person: &Person) -> (&str, &str) {
    person.origin.as_ref().map_or(("", ""), |origin| (origin.dn.as_str(), origin.entry.as_str()))
}

fn undecided(error: LdapError) -> ChangeError {
    ChangeError::Undecided(DirectoryError::Ldap(error))
}

#[async_trait]
impl Directory for Ldap {
    fn check<'a>(
        &'a self,
        person: Option<&'a Person>,
        candidates: &'a [Secret<Vec<u8>>],
    ) -> Soon<'a, Result<PasswordVerdict, DirectoryError>> {
        let Some(person) = person else { return Soon::now(self.stranger()) };
        match self.remembered(person, candidates, self.servers.settings().cache) {
            Some(verdict) => Soon::now(Ok(verdict)),
            None => Soon::later(self.find_out(person, candidates)),
        }
    }

    fn announce(&self, people: &[PersonId]) {
        self.cache.iter().for_each(|cache| cache.announce(people));
    }

    async fn change(
        &self,
        person: &Person,
        old: Option<&Secret<String>>,
        new: &Secret<String>,
        audit: AuditEntry,
    ) -> Result<(), ChangeError> {
        // Only looked at: what goes to the directory is what was typed, and its own rules come on top.
        let _ = self.rules.load().check(person, new.expose()).map_err(ChangeError::Refused)?;
        self.set(person, old, new).await?;
        self.passwords.changed(person.id, audit).await.map_err(DirectoryError::from)?;
        Ok(())
    }

    async fn unlock(&self, person: &Person) -> Result<(), ChangeError> {
        let (dn, _) = place(person);
        let (mut connection, entry) = self.as_service(person).await?;
        // What is not there needs no right to be taken away; and a lock for good is an administrator's (ppolicy's draft, section 5.3.3).
        let for_good = entry.values("pwdAccountLockedTime").iter().any(|value| **value == *b"000001010000Z");
        let locked = |change: &&Modification<'_>| match change {
            Modification::Remove("pwdAccountLockedTime") if for_good => false,
            Modification::Remove(name) | Modification::Replace(name, _) => !entry.values(name).is_empty(),
            _ => false,
        };
        let changes: &[Modification<'_>] = match self.servers.settings().kind {
            DirectoryKind::ActiveDirectory => &[Modification::Replace("lockoutTime", b"0")],
            // OpenLDAP's (the failures go with it), and those of 389-ds.
            DirectoryKind::Ldap => &[
                Modification::Remove("pwdAccountLockedTime"),
                Modification::Remove("accountUnlockTime"),
                Modification::Remove("passwordRetryCount"),
            ],
        };
        for change in changes.iter().filter(locked) {
            let ended = connection.modify(dn, std::slice::from_ref(change)).await.map_err(undecided)?;
            match ended.code {
                // Done; not locked; a directory that does not have this attribute.
                0 | 16 | 17 => {}
                code => {
                    return Err(ChangeError::Policy(format!(
                        "the directory does not let Doorward unlock the account ({} {}); an administrator of the \
                         directory can allow it",
                        ldap::name_of(code),
                        ended.diagnostic.trim()
                    )));
                }
            }
        }
        connection.close().await;
        Ok(())
    }
}
