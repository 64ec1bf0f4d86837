//! The servers of one directory: tried in order, each with a breaker, and with connections that check passwords.

use super::connection::Connection;
use super::entries;
use super::source::base;
use super::tls::{self, TlsError};
use super::{LdapError, Result};
use crate::config;
use crate::store::breaker::Breaker;
use crate::wire::ldap::{BindResult, Entry};
use rustls::ClientConfig;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// How a server is, for status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerState {
    /// As written in the configuration.
    pub url: String,
    /// Whether it is asked at present.
    pub up: bool,
    /// What it failed with last, if it is down.
    pub error: Option<String>,
}

#[derive(Debug)]
struct Server {
    settings: config::LdapServer,
    breaker: Mutex<Breaker>,
    error: Mutex<Option<String>>,
    /// Connections that wait for the next check, and since when.
    idle: Mutex<Vec<(Connection, Instant)>>,
    turns: Semaphore,
}

/// See the module.
pub struct Servers {
    directory: Arc<config::Directory>,
    tls: Arc<ClientConfig>,
    list: Vec<Server>,
    /// Whether the sync knows what happens in the directory.
    current: AtomicBool,
    /// At which server a sync begins; the next one after each that failed it.
    first: AtomicUsize,
}

/// Longer than this no connection waits.
const LONGEST_IDLE: Duration = Duration::from_secs(60);

/// Attributes that show a lock of the directory's own.
pub(super) const LOCKS: &[&str] =
    &["pwdAccountLockedTime", "lockoutTime", "accountUnlockTime", "passwordRetryCount"];

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Servers({})", self.directory.name)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    fn failed(&self, error: &LdapError) {
        let hard = matches!(error, LdapError::Unreachable { .. } | LdapError::Tls { .. });
        if lock(&self.breaker).failed(Instant::now(), hard) {
            tracing::warn!(server = %self.settings.url, %error, "directory server is down");
        }
        *lock(&self.error) = Some(error.to_string());
        lock(&self.idle).clear();
    }

    fn answered(&self) {
        if lock(&self.error).take().is_some() {
            tracing::info!(server = %self.settings.url, "directory server answers again");
            lock(&self.breaker).succeeded();
        }
    }
}

impl Servers {
    /// Sets up; nothing is connected yet.
    pub fn new(directory: Arc<config::Directory>) -> Result<Self, TlsError> {
        let tls = tls::client(&directory)?;
        let server = |settings: &config::LdapServer| Server {
            settings: settings.clone(),
            breaker: Mutex::default(),
            error: Mutex::default(),
            idle: Mutex::default(),
            turns: Semaphore::new(directory.connections),
        };
        let list = directory.servers.iter().map(server).collect();
        Ok(Self { directory, tls, list, current: AtomicBool::new(false), first: AtomicUsize::new(0) })
    }

    /// The directory's settings.
    pub fn settings(&self) -> &config::Directory {
        &self.directory
    }

    /// How each server is.
    pub fn states(&self) -> Vec<ServerState> {
        let state = |server: &Server| ServerState {
            url: server.settings.url.clone(),
            up: !lock(&server.breaker).is_open(),
            error: lock(&server.error).clone(),
        };
        self.list.iter().map(state).collect()
    }

    /// Whether no server answers at present.
    pub fn all_down(&self) -> bool {
        self.list.iter().all(|server| lock(&server.breaker).is_open())
    }

    /// Whether a password is right: one bind, at the first server that answers.
    pub(super) async fn check(&self, dn: &str, password: &[u8], entry: &str) -> Result<BindResult> {
        let mut last = None;
        let mut busy = None;
        for server in self.admitted() {
            match self.check_at(server, dn, password, entry).await {
                Err(error) if error.is_outage() => {
                    server.failed(&error);
                    last = Some(error);
                }
                Err(error @ LdapError::Busy { .. }) => busy = Some(error),
                decided => {
                    server.answered();
                    return decided;
                }
            }
        }
        Err(busy.unwrap_or_else(|| self.down(last)))
    }

    async fn check_at(&self, server: &Server, dn: &str, password: &[u8], entry: &str) -> Result<BindResult> {
        let busy = || LdapError::Busy { directory: self.directory.name.clone() };
        let turn = timeout(self.directory.timeout, server.turns.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        // The youngest; what has been idle for long may have been forgotten by something on the way.
        let idle = lock(&server.idle).pop().filter(|(_, since)| since.elapsed() < LONGEST_IDLE);
        if let Some((mut connection, _)) = idle {
            match self.check_on(&mut connection, dn, password, entry).await {
                Ok(decided) => {
                    lock(&server.idle).push((connection, Instant::now()));
                    return Ok(decided);
                }
                // The server had ended it while it was idle: that says nothing of the server.
                Err(LdapError::Closed { .. }) => lock(&server.idle).clear(),
                Err(error) => return Err(error),
            }
        }
        let mut connection = self.open(server).await?;
        let decided = self.check_on(&mut connection, dn, password, entry).await?;
        lock(&server.idle).push((connection, Instant::now()));
        Ok(decided)
    }

    /// While the directory is followed, the name is this person's. While it is not, somebody else may have got it, so the
    /// entry is asked for its id, as the person who has just bound.
    async fn check_on(
        &self,
        connection: &mut Connection,
        dn: &str,
        password: &[u8],
        entry: &str,
    ) -> Result<BindResult> {
        let decided = connection.check(dn, password).await?;
        if decided == BindResult::Wrong || self.current.load(Ordering::SeqCst) {
            return Ok(decided);
        }
        if decided == BindResult::Right {
            self.same(connection, dn, entry).await?;
        }
        Ok(decided)
    }

    /// Whether the entry called `dn` is still the one with this id; an error if it is another one, or cannot be seen.
    pub(super) async fn same(&self, connection: &mut Connection, dn: &str, entry: &str) -> Result<Entry> {
        let id = self.directory.attributes.id.as_str();
        let wanted = [&[id], LOCKS].concat();
        let found = base(connection, dn, &wanted).await?;
        let known = entries::id(&found, &self.directory);
        if known.as_deref() == Some(entry) {
            return Ok(found);
        }
        let words =
            format!("it is not known whose entry {dn} is now: the directory is not followed at present");
        Err(connection.refused("to show the id of an entry", 0, words))
    }

    /// The sync says whether it knows what happens in the directory.
    pub fn set_current(&self, current: bool) {
        self.current.store(current, Ordering::SeqCst);
    }

    async fn open(&self, server: &Server) -> Result<Connection> {
        Connection::open(&server.settings, &self.tls, self.directory.timeout).await
    }

    /// Servers that may be asked now, in order.
    fn admitted(&self) -> impl Iterator<Item = &Server> {
        // A probe may connect, wait for its turn and bind.
        let probe = self.directory.timeout * 3;
        self.list.iter().filter(move |server| lock(&server.breaker).admits(Instant::now(), probe))
    }

    fn down(&self, last: Option<LdapError>) -> LdapError {
        let known = || self.list.iter().find_map(|server| lock(&server.error).clone());
        let last = last.map(|error| error.to_string()).or_else(known).unwrap_or_default();
        LdapError::AllDown { directory: self.directory.name.clone(), last }
    }

    /// A connection of its own to the first server that answers, not bound.
    pub(super) async fn connect(&self) -> Result<Connection> {
        let mut last = None;
        for server in self.admitted() {
            match self.open(server).await {
                Ok(connection) => {
                    server.answered();
                    return Ok(connection);
                }
                Err(error) => {
                    server.failed(&error);
                    last = Some(error);
                }
            }
        }
        Err(self.down(last))
    }

    /// The same, bound as the service account.
    pub(super) async fn service(&self) -> Result<Connection> {
        self.service_from(0).await
    }

    /// The same for a sync, beginning with the server whose turn it is.
    pub(super) async fn for_sync(&self) -> Result<Connection> {
        self.service_from(self.first.load(Ordering::Relaxed)).await
    }

    /// A sync could not go on with its server, whatever that is good for otherwise: the next one has its turn.
    pub fn rotate(&self) {
        self.first.fetch_add(1, Ordering::Relaxed);
    }

    async fn service_from(&self, first: usize) -> Result<Connection> {
        let mut last = None;
        let probe = self.directory.timeout * 3;
        let order = self.list.iter().cycle().skip(first % self.list.len().max(1)).take(self.list.len());
        for server in order.filter(|server| lock(&server.breaker).admits(Instant::now(), probe)) {
            let bound = async {
                let mut connection = self.open(server).await?;
                connection.bind(&self.directory.bind).await?;
                Ok::<_, LdapError>(connection)
            };
            match bound.await {
                Err(error) if error.is_outage() => {
                    server.failed(&error);
                    last = Some(error);
                }
                decided => {
                    server.answered();
                    return decided;
                }
            }
        }
        Err(self.down(last))
    }
}
