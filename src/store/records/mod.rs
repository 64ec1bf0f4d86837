//! The records store on SQLite or PostgreSQL: the authority for people, factors, counters and the audit trail.
//!
//! One connection writes, in batches ([`writer`]); a few read. What was answered with `Ok` survives a kill and a power cut, but for entries of the
//! trail about accepts that changed nothing ([`notes`]): WAL with `synchronous = FULL`, or `synchronous_commit`. The SQL is the same for both ([`query`]); on PostgreSQL several
//! nodes write, one after the other ([`transaction`]).

mod accounts;
mod audit;
mod backup;
mod batch;
mod chain;
mod checkpoint;
mod client_keys;
mod connection;
mod contacts;
mod copy;
mod counters;
mod coverage;
mod database;
mod factors;
mod file;
mod identities;
mod keys;
mod layout;
mod limits;
mod logins;
mod marks;
mod material;
mod notes;
mod open;
mod outbox;
mod people;
mod pool;
mod postgres;
mod query;
mod recent;
mod replaced;
mod restore;
mod restored;
mod rounds;
mod schema;
mod sealed;
mod search;
mod security;
mod sessions;
mod spoiled;
mod sqlite;
mod stock;
mod subjects;
#[cfg(test)]
mod tests;
mod tokens;
mod transaction;
mod upkeep;
mod verify;
mod witness;
mod writer;

pub use backup::{BackupError, Contents};
pub use copy::{CopyError, CopyProgress};
pub use open::OpenError;
pub use restore::Replaced;
pub use restored::{Restored, Wanted};
pub use writer::QUEUE;

use super::seal::{Keyring, Place};
use super::{
    Acceptances, Attempts, Audit, ClientKeys, Factors, Identities, Logins, MasterKeys, Outbox, Passwords,
    People, Result, SecurityData, Sessions, Stock, StoreError, Tokens, Upkeep, WriterState,
};
use crate::base::OsRandom;
use crate::domain::digest::CodeDigester;
use accounts::Accounts;
use batch::Work;
use pool::Pool;
use query::Query;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use transaction::Transaction;
use writer::Writer;

/// A handle to the store; cheap to clone.
#[derive(Clone)]
pub struct Records(Arc<Inner>);

struct Inner {
    readers: Pool,
    checkpoints: checkpoint::Checkpoints,
    writer: Writer,
    accounts: Arc<Accounts>,
    counters: Arc<counters::Shared>,
    notes: Arc<notes::Notes>,
    keyring: Keyring,
    /// The one for answers that the help desk may see.
    helpdesk: Keyring,
    /// Sessions that nobody is signed in to, as many as were begun by this process.
    anonymous: AtomicU64,
    digester: CodeDigester,
    audit_key: chain::Key,
    /// Where the audit chain ended at the last commit.
    chain_end: Arc<Mutex<chain::Kept>>,
    /// Whom its entries of late are about.
    recent: Arc<Mutex<recent::Recent>>,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Records")
    }
}

macro_rules! views {
    ($($(#[$doc:meta])* $name:ident: $view:ident,)*) => {
        impl Records {
            $($(#[$doc])* pub fn $name(&self) -> Arc<dyn $view> {
                Arc::new(self.clone())
            })*
        }
    };
}

views! {
    /// People.
    people: People,
    /// Password hashes.
    passwords: Passwords,
    /// Factors.
    factors: Factors,
    /// Failure counters.
    attempts: Attempts,
    /// Ends of login rounds.
    logins: Logins,
    /// People that come from outside directories.
    identities: Identities,
    /// Messages on their way out.
    outbox: Outbox,
    /// Removes what is over.
    upkeep: Upkeep,
    /// The inventory of tokens.
    tokens: Tokens,
    /// Contacts and questions of people, and the activation of accounts.
    security: SecurityData,
    /// Sessions of the portal.
    sessions: Sessions,
    /// Keys of applications.
    client_keys: ClientKeys,
    /// The master keys.
    master_keys: MasterKeys,
    /// What comes into the inventory and goes out.
    stock: Stock,
    /// The audit trail.
    audit: Audit,
    /// Acceptances of the acceptable-use policy.
    acceptances: Acceptances,
}

impl Records {
    /// Digests recovery and temporary codes, under a key kept sealed in this store.
    pub fn digester(&self) -> CodeDigester {
        self.0.digester.clone()
    }

    /// How writing goes.
    pub fn writer(&self) -> WriterState {
        self.0.writer.state()
    }

    /// Whether there is still somebody who writes: it ends by a mistake in the program alone, and nothing but a new start mends that.
    pub fn has_writer(&self) -> bool {
        self.0.writer.is_there()
    }

    /// Writes something that changes nothing, for whoever wants to know whether it can be done.
    pub async fn touch(&self) -> Result<()> {
        self.write(|transaction| {
            Box::pin(async move {
                let same = Query::new("UPDATE audit_head SET seq = seq WHERE id = 1");
                same.execute(&mut transaction.connection).await.map(drop)
            })
        })
        .await
    }

    /// Whether the store answers a question that nothing in memory knows the answer to.
    pub async fn look(&self) -> Result<()> {
        Query::new("SELECT id FROM audit_head WHERE id = 1").fetch_all(&self.0.readers).await.map(drop)
    }

    /// Accounts that are kept in memory.
    pub fn accounts_in_memory(&self) -> usize {
        self.0.accounts.len()
    }

    /// Finishes what is queued and closes the connections. Later calls fail.
    pub async fn close(&self) {
        // Nothing charged is forgotten, though it may never have been answered. What fails here fails in the close as well.
        let _ = self.write(|transaction| Box::pin(counters::flush(transaction))).await;
        self.0.checkpoints.stop();
        self.0.writer.close().await;
        self.0.counters.forget();
        self.0.accounts.empty();
        self.0.readers.close().await;
    }

    /// The keyring, whose clones follow the key that seals.
    pub fn keyring(&self) -> Keyring {
        self.0.keyring.clone()
    }

    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Transaction) -> Work<'c, T> + Send + 'static,
    {
        self.0.writer.run(work).await
    }

    fn seal(&self, place: Place<'_>, value: &[u8]) -> Result<String> {
        self.0.keyring.seal(&OsRandom, place, value)
    }
}

/// What an SQL error means to the caller, with what to do about it.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` calls takes its error")]
fn failure(error: rusqlite::Error) -> StoreError {
    use rusqlite::ffi;
    let rusqlite::Error::SqliteFailure(ffi::Error { extended_code, .. }, _) = &error else {
        return StoreError::Unavailable(error.to_string());
    };
    match *extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
            return taken();
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => {
            return orphaned();
        }
        _ => {}
    }
    let hint = match extended_code & 0xff {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => {
            "the database file (`store.path`) is locked by another program; end it, or wait"
        }
        ffi::SQLITE_READONLY => {
            "the database file (`store.path`) cannot be written; look at its owner and mode"
        }
        ffi::SQLITE_IOERR => "reading or writing the database file (`store.path`) failed; look at the disk",
        ffi::SQLITE_CORRUPT => {
            "the database file (`store.path`) is corrupt; stop Doorward and restore it from a backup"
        }
        ffi::SQLITE_FULL => "the disk under the database file (`store.path`) is full; make room",
        ffi::SQLITE_NOTADB => "the database file (`store.path`) is not a database; restore it from a backup",
        _ => "see the message",
    };
    StoreError::Unavailable(format!("{hint} ({error})"))
}

fn taken() -> StoreError {
    StoreError::Conflict("it exists already".into())
}

fn orphaned() -> StoreError {
    StoreError::NotFound("there is no such person or factor any more".into())
}

/// What an error of PostgreSQL, or of the connection to it, means.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` calls takes its error")]
fn lost(error: sqlx::Error) -> StoreError {
    use sqlx::Error;
    if let Error::Database(database) = &error {
        if database.is_unique_violation() {
            return taken();
        }
        if database.is_foreign_key_violation() {
            return orphaned();
        }
        if let Some(server) = database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
            return StoreError::Unavailable(format!("{} ({server})", postgres::hint(server.code())));
        }
    }
    StoreError::Unavailable(error.to_string())
}

/// A stored value that cannot be: edited by hand, or by a newer version.
fn damaged(what: &str) -> StoreError {
    StoreError::Unavailable(format!("a stored value is damaged ({what}); restore the database from a backup"))
}

/// A step or counter as the database keeps it, small enough that one can be added.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX).min(i64::MAX - 1)
}
