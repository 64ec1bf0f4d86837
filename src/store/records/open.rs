//! Opening: the database is checked and brought to the present schema ([`super::file`], [`super::schema`]), and the
//! daemon's own keys are unsealed.

use super::super::seal::{Keyring, Place};
use super::accounts::Accounts;
use super::chain::{self, Chain};
use super::checkpoint::Checkpoints;
use super::connection::Connection;
use super::database::Database;
use super::notes::Notes;
use super::pool::{Pool, Readers};
use super::postgres::Server;
use super::query::Query;
use super::witness::Witness;
use super::writer::Writer;
use super::{Inner, Records, file, postgres, schema, sealed, sqlite};
use crate::base::{OsRandom, Random, Secret};
use crate::config;
use crate::domain::digest::CodeDigester;
use crate::store::StoreError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use zeroize::Zeroizing;

pub(super) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/store/migrations");

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its folder cannot be made or opened.
    #[error("the database {path} cannot be opened: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is damaged, locked, or no database.
    #[error("the database {path} cannot be used: {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// Something else lies there.
    #[error("{path} is not a database of Doorward; set `store.path` to another file")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a newer version, or its migrations were edited.
    #[error("the database {path} does not fit this version of Doorward: {why}")]
    Schema {
        /// The file, or the URL.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// PostgreSQL is not there, refuses, or holds what cannot be.
    #[error("the database {url} cannot be used: {source}")]
    Server {
        /// Its URL.
        url: String,
        /// Why.
        source: StoreError,
    },
}

impl Records {
    /// Opens what is configured. A file and its folder are made if they are missing; an empty PostgreSQL database gets its
    /// tables.
    pub async fn open(store: &config::Store, keyring: Keyring) -> Result<Self, OpenError> {
        match &store.postgres {
            None => Self::open_file(store, keyring).await,
            Some(settings) => Self::open_server(store, settings, keyring).await,
        }
    }

    /// The folders in which a store on a file will be written, made if they are missing; none for PostgreSQL. To be called before the
    /// process gives up what it may write elsewhere.
    ///
    /// # Errors
    /// The folder is missing and cannot be made.
    pub fn folders(store: &config::Store) -> Result<Vec<PathBuf>, OpenError> {
        let path = &store.path;
        match &store.postgres {
            None => file::folders(path).map_err(|source| OpenError::File { path: path.clone(), source }),
            Some(_) => Ok(Vec::new()),
        }
    }

    async fn open_file(store: &config::Store, keyring: Keyring) -> Result<Self, OpenError> {
        let path = &store.path;
        let database = |source| OpenError::Database { path: path.clone(), source };
        let at = sqlite::Place::new(path, store.busy_timeout);
        let mut connection = Connection::Sqlite(file::open(&at)?);
        let own = own_keys(&mut connection, &keyring).await.map_err(database)?;
        tracing::debug!(path = %path.display(), "the database is open");
        let pool = Pool::Sqlite(sqlite::Readers::new(at.clone(), store.readers));
        let accounts = Accounts::new(Witness::new(path));
        let started = Checkpoints::start(at.clone()).and_then(|checkpoints| {
            Self::start((connection, Database::Sqlite(at)), (pool, checkpoints), accounts, (own, keyring))
        });
        started.map_err(|source| OpenError::File { path: path.clone(), source })
    }

    async fn open_server(
        store: &config::Store,
        settings: &config::Postgres,
        keyring: Keyring,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Server { url: settings.url.clone(), source };
        let server = Server::new(postgres::options(settings).map_err(failed)?, store.timeout);
        let server = Arc::new(server.announcing(keyring.clone()));
        schema::prepare(&server, &settings.url).await?;
        let mut connection = server.connect(false).await.map_err(failed)?;
        let own = own_keys(&mut connection, &keyring).await.map_err(failed)?;
        if let Connection::Postgres(session) = &mut connection {
            // Only now it is known which key seals.
            session.announce(&keyring).await.map_err(failed)?;
        }
        let pool = Pool::Postgres(Readers::new(Arc::clone(&server), store.readers));
        // Other nodes write all the time: nothing is kept in memory.
        let accounts = Accounts::new(Witness::blind());
        let beside = (pool, Checkpoints::default());
        let started = Self::start((connection, Database::Postgres(server)), beside, accounts, (own, keyring));
        started.map_err(|error| failed(StoreError::Unavailable(error.to_string())))
    }

    fn start(
        (connection, database): (Connection, Database),
        (readers, checkpoints): (Pool, Checkpoints),
        accounts: Accounts,
        (own, keyring): (Own, Keyring),
    ) -> io::Result<Self> {
        let (chain_end, recent) = own.chain.shared();
        let (accounts, counters) = (Arc::new(accounts), Arc::default());
        let notes = Arc::<Notes>::default();
        let memory = (Arc::clone(&accounts), Arc::clone(&counters));
        Ok(Self(Arc::new(Inner {
            readers,
            checkpoints,
            writer: Writer::start(connection, database, own.chain, memory, Arc::clone(&notes))?,
            accounts,
            counters,
            notes,
            helpdesk: keyring.of_help_desk(),
            keyring,
            anonymous: AtomicU64::new(0),
            digester: CodeDigester::new(own.digests),
            audit_key: own.audit,
            chain_end,
            recent,
        })))
    }
}

/// What the daemon keeps for itself.
pub(super) struct Own {
    pub(super) digests: Secret<Vec<u8>>,
    pub(super) audit: chain::Key,
    pub(super) chain: Chain,
}

/// The daemon's own keys and the head of the audit chain, made at the first start, in one transaction. The master key that they
/// are under is the one that seals, whichever is first in the configuration: another takes over by [`super::keys`].
pub(super) async fn own_keys(connection: &mut Connection, keyring: &Keyring) -> Result<Own, StoreError> {
    begin(connection).await?;
    let fresh = Query::new("SELECT 1 FROM secrets LIMIT 1").fetch_optional(&mut *connection).await?.is_none();
    if let Some(id) = sealed::sealing(&mut *connection).await? {
        // If it is not there, opening what is under it says so.
        keyring.seal_with(&id);
    }
    let digests = own_key(connection, keyring, "code-digest").await?;
    let audit = chain::Key::new(&own_key(connection, keyring, "audit").await?);
    let chain = Chain::load(connection, audit.clone(), fresh).await?;
    connection.commit().await?;
    let (first, seals) = (keyring.ids().into_iter().next().unwrap_or_default(), keyring.sealing());
    if first != seals {
        tracing::warn!(
            "[keys] names `{first}` first, and `{seals}` is the one that seals: `doorward keys rotate` changes that"
        );
    }
    Ok(Own { digests, audit, chain })
}

/// Begins a transaction in which nobody else writes, also before there is an audit chain.
pub(super) async fn begin(connection: &mut Connection) -> Result<(), StoreError> {
    if connection.is_postgres() {
        connection.plain("BEGIN").await?;
        let key = postgres::lock_key("opening");
        Query::new("SELECT 1 FROM (SELECT pg_advisory_xact_lock($1)) AS locked")
            .bind(key)
            .execute(connection)
            .await?;
        connection.plain("SELECT 1 FROM audit_head WHERE id = 1 FOR UPDATE").await?;
    } else {
        connection.plain("BEGIN IMMEDIATE").await?;
    }
    Ok(())
}

/// One of the daemon's own keys. Digests and the audit chain hang on these and not on the master key, so a new
/// master key leaves them as they are.
async fn own_key(
    connection: &mut Connection,
    keyring: &Keyring,
    name: &str,
) -> Result<Secret<Vec<u8>>, StoreError> {
    let place = Place { table: "secrets", row: name, person: "", kind: "key" };
    let row = Query::new("SELECT sealed FROM secrets WHERE name = $1").bind(name);
    let row = row.fetch_optional(&mut *connection).await?;
    let (key, stale) = match row {
        Some(row) => {
            let kept = row.text(0)?;
            (keyring.open(place, kept)?, !kept.starts_with(&keyring.prefix()))
        }
        None => {
            let fresh = Zeroizing::new(OsRandom.array::<32>());
            (Secret::new(fresh.to_vec()), true)
        }
    };
    if stale {
        let sealed = keyring.seal(&OsRandom, place, key.expose())?;
        Query::new(
            "INSERT INTO secrets (name, sealed) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
        )
        .bind(name)
        .bind(sealed)
        .execute(connection)
        .await?;
    }
    Ok(key)
}
