//! LDAP and Active Directory over the network: connections, servers with failover, passwords, and changes of entries.
//!
//! A connection is one operation at a time, each with a deadline; one that missed it, or broke, is dropped and never used
//! again. Servers are not trusted with more than an answer: what they send is bounded and read strictly by `wire::ldap`.

mod active_directory;
mod connection;
mod directory;
mod entries;
mod listing;
mod mailbox;
mod persist;
mod servers;
mod source;
mod tls;

pub use directory::Ldap;
pub(super) use mailbox::LdapMailboxes;
pub use servers::{ServerState, Servers};
pub use source::{Batch, Feed, Source, groups, people};

use crate::wire::ldap::Malformed;

/// Why a directory could not be asked. None of these says that a password is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LdapError {
    /// No connection.
    #[error("{server} cannot be reached: {why}")]
    Unreachable {
        /// Which server.
        server: String,
        /// What the system said.
        why: String,
    },
    /// No trustworthy connection.
    #[error("{server}: TLS failed: {why}")]
    Tls {
        /// Which server.
        server: String,
        /// Why.
        why: String,
    },
    /// Too slow.
    #[error("{server} did not answer in time")]
    TimedOut {
        /// Which server.
        server: String,
    },
    /// The connection ended.
    #[error("{server} closed the connection{why}")]
    Closed {
        /// Which server.
        server: String,
        /// Its words, if any, after a colon.
        why: String,
    },
    /// It sent something that is not LDAP, or not an answer to what was asked.
    #[error("{server} sent something that is no answer: {why}")]
    Malformed {
        /// Which server.
        server: String,
        /// What.
        why: String,
    },
    /// It answered with an error.
    #[error("{server} refused {what}: {words}")]
    Refused {
        /// Which server.
        server: String,
        /// What was asked.
        what: String,
        /// Result code and the server's words.
        words: String,
        /// The result code.
        code: u32,
    },
    /// All servers are down, and the pause before the next try is not over.
    #[error("no server of directory `{directory}` answers; last: {last}")]
    AllDown {
        /// Name of the directory.
        directory: String,
        /// What the last try ended with.
        last: String,
    },
    /// All connections are busy.
    #[error("all connections to directory `{directory}` are busy; raise `connections`")]
    Busy {
        /// Name of the directory.
        directory: String,
    },
}

/// Result of asking a directory.
pub type Result<T, E = LdapError> = std::result::Result<T, E>;

impl LdapError {
    /// Whether the server is to blame, so that the next one is tried and this one rests for a while.
    pub const fn is_outage(&self) -> bool {
        match self {
            // busy, unavailable, unwillingToPerform in a server that starts or stops.
            LdapError::Refused { code, .. } => matches!(*code, 51 | 52),
            LdapError::AllDown { .. } | LdapError::Busy { .. } => false,
            _ => true,
        }
    }

    fn malformed(server: &str, why: Malformed) -> Self {
        Self::Malformed { server: server.to_owned(), why: why.to_string() }
    }

    fn unexpected(server: &str, what: &str) -> Self {
        Self::Malformed { server: server.to_owned(), why: format!("it is not {what}") }
    }
}
