//! The servers of one directory: tried in order, each with a breaker, and with connections that check passwords.

use super::breaker::Breaker;
use super::connection::Connection;
use super::tls::{self, TlsError};
use super::{LdapError, Result};
use crate::config;
use crate::wire::ldap::BindResult;
use rustls::ClientConfig;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// Connections that wait for the next check.
    idle: Mutex<Vec<Connection>>,
    turns: Semaphore,
}

/// See the module.
pub struct Servers {
    directory: Arc<config::Directory>,
    tls: Arc<ClientConfig>,
    list: Vec<Server>,
    operations: AtomicU64,
}

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
        Ok(Self { directory, tls, list, operations: AtomicU64::new(0) })
    }

    /// The directory's settings.
    pub fn settings(&self) -> &config::Directory {
        &self.directory
    }

    /// Checks that were sent to a server.
    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
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
    pub(super) async fn check(&self, dn: &str, password: &[u8]) -> Result<BindResult> {
        let mut last = None;
        for server in self.admitted() {
            match self.check_at(server, dn, password).await {
                Err(error) if error.is_outage() => {
                    server.failed(&error);
                    last = Some(error);
                }
                Err(error @ LdapError::Busy { .. }) => return Err(error),
                decided => {
                    server.answered();
                    return decided;
                }
            }
        }
        Err(self.down(last))
    }

    async fn check_at(&self, server: &Server, dn: &str, password: &[u8]) -> Result<BindResult> {
        let busy = || LdapError::Busy { directory: self.directory.name.clone() };
        let turn = timeout(self.directory.timeout, server.turns.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let idle = lock(&server.idle).pop();
        self.operations.fetch_add(1, Ordering::Relaxed);
        if let Some(mut connection) = idle {
            match connection.check(dn, password).await {
                Ok(decided) => {
                    lock(&server.idle).push(connection);
                    return Ok(decided);
                }
                // The server had ended it while it was idle: that says nothing of the server.
                Err(LdapError::Closed { .. }) => lock(&server.idle).clear(),
                Err(error) => return Err(error),
            }
        }
        let mut connection = self.open(server).await?;
        let decided = connection.check(dn, password).await?;
        lock(&server.idle).push(connection);
        Ok(decided)
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
        let mut last = None;
        for server in self.admitted() {
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
