//! Connections to PostgreSQL. Every question has a deadline on both sides, so that neither a partition nor a frozen node
//! holds up the others: here a timer, there `statement_timeout`, `lock_timeout`, `idle_in_transaction_session_timeout` and,
//! for an answer that nobody takes, `tcp_user_timeout`.

use super::connection::{Connection, Row};
use super::lost;
use super::query::Value;
use crate::config;
use crate::store::seal::Keyring;
use crate::store::{Result, StoreError};
use data_encoding::BASE64;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, PgConnection, Postgres};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// After a failure to connect, so long nobody tries again: who asks meanwhile is told what went wrong the last time.
const PAUSE: Duration = Duration::from_millis(500);

/// What sessions call themselves; those of a node that writes add their keys, those that read add that.
pub(super) const NAME: &str = "doorward";
/// Keys that a name has room for.
const NAMED: usize = 5;

/// The keys of a node, the one that seals first, as the start of each one's fingerprint.
pub(super) fn announcement(keyring: &Keyring) -> String {
    let seals = keyring.sealing();
    let mut ids = keyring.ids();
    ids.sort_by_key(|id| *id != seals);
    let prints = ids.iter().take(NAMED).filter_map(|id| Some(keyring.fingerprint(id)?.get(..8)?.to_owned()));
    prints.collect::<Vec<_>>().join(",")
}

/// Where to connect to.
pub(super) struct Server {
    /// What connections that write tell other nodes of.
    keyring: Option<Keyring>,
    options: PgConnectOptions,
    timeout: Duration,
    /// Until when nobody connects, and why.
    shut: Mutex<Option<(Instant, String)>>,
}

impl Server {
    pub(super) fn new(options: PgConnectOptions, timeout: Duration) -> Self {
        let options = options.application_name(NAME).disable_statement_logging();
        Self { keyring: None, options, timeout, shut: Mutex::default() }
    }

    /// One of a node: other nodes see which keys it has.
    pub(super) fn announcing(self, keyring: Keyring) -> Self {
        Self { keyring: Some(keyring), ..self }
    }

    /// How long a question may take.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A new connection; `reads`: it cannot write.
    pub(super) async fn connect(&self, reads: bool) -> Result<Connection> {
        if let Some((until, why)) = &*self.shut()
            && Instant::now() < *until
        {
            return Err(StoreError::Unavailable(why.clone()));
        }
        let connected = self.begin_session(self.timeout, reads).await;
        *self.shut() = match &connected {
            Ok(_) => None,
            Err(error) => {
                let why = match error {
                    StoreError::Unavailable(why) => why.clone(),
                    other => other.to_string(),
                };
                Some((Instant::now() + PAUSE, why))
            }
        };
        connected
    }

    /// One for long work: schema, copying.
    pub(super) async fn connect_patiently(&self) -> Result<Connection> {
        self.begin_session(Duration::from_secs(3600), false).await
    }

    async fn begin_session(&self, timeout: Duration, reads: bool) -> Result<Connection> {
        let connected = tokio::time::timeout(self.timeout, self.options.connect()).await;
        let connection = connected.map_err(|_| late(self.timeout))?.map_err(lost)?;
        let mut session = Session { connection, timeout, doubtful: false };
        session.plain(settings(timeout, reads)).await?;
        if let Some(keyring) = self.keyring.as_ref().filter(|_| !reads) {
            session.announce(keyring).await?;
        }
        Ok(Connection::Postgres(Box::new(session)))
    }

    fn shut(&self) -> std::sync::MutexGuard<'_, Option<(Instant, String)>> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn late(limit: Duration) -> StoreError {
    StoreError::Unavailable(format!(
        "PostgreSQL (`store.url`) did not answer within {limit:?}; look at the server and the network"
    ))
}

/// What a session needs, whatever the server's own settings are. The writer reads after it has waited for its lock, and must
/// then see what the others have committed: `read committed`. A commit that was answered is durable: on `remote_apply`
/// it is more than that, which stays. The server notices within half a minute that a node is gone, or that it does not take
/// its answers: no other deadline counts while it waits for that. On a Unix socket these settings do nothing.
fn settings(timeout: Duration, reads: bool) -> String {
    let millis = timeout.as_millis();
    let (statement, lock, idle) = (millis * 9 / 10, millis * 8 / 10, millis * 2);
    // It also ends sessions that keep-alives would, so it may neither be longer than those nor hasty.
    let taken = (millis * 3).clamp(5_000, 25_000);
    let (reads, name) = if reads { ("on", "SET application_name = 'doorward reads'; ") } else { ("off", "") };
    format!(
        "{name}SET statement_timeout = {statement}; SET lock_timeout = {lock}; \
         SET idle_in_transaction_session_timeout = {idle}; \
         SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = {reads}; \
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
         SET tcp_user_timeout = {taken}; \
         SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') <> 'remote_apply'"
    )
}

/// A connection with its deadline.
pub(super) struct Session {
    connection: PgConnection,
    timeout: Duration,
    /// A question is under way, or was given up.
    doubtful: bool,
}

impl Session {
    pub(super) const fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Tells other nodes which keys this one has.
    pub(super) async fn announce(&mut self, keyring: &Keyring) -> Result<()> {
        // Letters, digits and commas alone.
        self.plain(format!("SET application_name = '{NAME} keys {}'", announcement(keyring))).await.map(drop)
    }

    /// For what only PostgreSQL has; without a deadline.
    pub(super) const fn raw(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    pub(super) async fn close(self) {
        if !self.doubtful {
            let _ = tokio::time::timeout(self.timeout, self.connection.close()).await;
        }
    }

    pub(super) async fn plain(&mut self, text: impl Into<String>) -> Result<Vec<Row>> {
        let asked = sqlx::raw_sql(AssertSqlSafe(text.into())).fetch_all(&mut self.connection);
        wrapped(answered(self.timeout, &mut self.doubtful, asked).await)
    }

    /// Commits. In a transaction that has failed the server would answer COMMIT as if all were well; this it refuses.
    pub(super) async fn commit(&mut self) -> Result<()> {
        self.plain("SELECT 1; COMMIT").await.map(drop)
    }

    pub(super) async fn rows(&mut self, text: &str, values: &[Value]) -> Result<Vec<Row>> {
        let asked = query(text, values).fetch_all(&mut self.connection);
        wrapped(answered(self.timeout, &mut self.doubtful, asked).await)
    }

    pub(super) async fn execute(&mut self, text: &str, values: &[Value]) -> Result<u64> {
        let asked = query(text, values).execute(&mut self.connection);
        Ok(answered(self.timeout, &mut self.doubtful, asked).await?.rows_affected())
    }
}

fn wrapped(rows: Result<Vec<PgRow>>) -> Result<Vec<Row>> {
    Ok(rows?.into_iter().map(Row::Postgres).collect())
}

fn query(text: &str, values: &[Value]) -> sqlx::query::Query<'static, Postgres, PgArguments> {
    let query = sqlx::query(AssertSqlSafe(text.to_owned()));
    values.iter().fold(query, |query, value| match value {
        Value::Text(text) => query.bind(text.clone()),
        Value::Number(number) => query.bind(*number),
    })
}

/// Waits for an answer. What was not answered, by whatever mistake, leaves the connection in doubt.
async fn answered<T>(
    limit: Duration,
    doubtful: &mut bool,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T> {
    *doubtful = true;
    let answer = tokio::time::timeout(limit, asked).await.map_err(|_| late(limit))?;
    *doubtful = match &answer {
        Ok(_) => false,
        Err(sqlx::Error::Database(error)) => error.code().is_none_or(|code| ends_session(&code)),
        Err(_) => true,
    };
    answer.map_err(lost)
}

/// The server closes the connection with it: it is stopped, restarted, or the session was ended.
fn ends_session(code: &str) -> bool {
    code.starts_with("57P") || code.starts_with("08") || code == "25P03"
}

/// What a person can do about an error of the server.
pub(super) fn hint(code: &str) -> &'static str {
    match code {
        "55P03" => "other nodes hold the database too long; look at their logs and at the server's load",
        "57014" => "PostgreSQL took too long; look at its load, or raise `store.timeout`",
        "57P01" | "57P02" | "57P03" => "PostgreSQL is being stopped or started; wait",
        "53300" => {
            "PostgreSQL takes no more connections; raise its `max_connections`, or lower `store.readers`"
        }
        "53100" => "the disk under PostgreSQL is full; make room",
        "25006" => "this PostgreSQL is a standby; set `store.url` to the primary",
        "25P03" => {
            "PostgreSQL ended the connection because this node stood still; look at the load of this machine"
        }
        "28P01" | "28000" => {
            "PostgreSQL refuses the login; look at the user in `store.url`, its password and pg_hba.conf"
        }
        "3D000" => "the database in `store.url` does not exist; make it: CREATE DATABASE … ENCODING 'UTF8'",
        "42501" => {
            "the user in `store.url` may not do that; grant it the rights, or make it the owner of the tables"
        }
        _ => "see the message",
    }
}

/// The number of an advisory lock: all programs that use the database share them, so ours are unlikely ones.
pub(super) fn lock_key(name: &str) -> i64 {
    let digest = Sha256::digest(format!("doorward {name}"));
    i64::from_be_bytes(digest.first_chunk().copied().unwrap_or_default())
}

/// How to connect. What the environment says for other programs (`PGHOST` …) counts only where the URL says nothing.
pub(super) fn options(settings: &config::Postgres) -> Result<PgConnectOptions> {
    let wrong =
        |error: sqlx::Error| StoreError::Unavailable(format!("`store.url` is not understood: {error}"));
    let mut options: PgConnectOptions = settings.url.parse().map_err(wrong)?;
    if let Some(password) = &settings.password {
        options = options.password(password.expose());
    }
    if settings.verified {
        options = options.ssl_mode(PgSslMode::VerifyFull);
    } else if !settings.url.contains("sslmode=") {
        options = options.ssl_mode(PgSslMode::Disable);
    }
    if settings.verified {
        let system: Vec<_>;
        let authorities = if settings.authorities.is_empty() {
            system = rustls_native_certs::load_native_certs().certs;
            &system
        } else {
            &settings.authorities
        };
        options = options.ssl_root_cert_from_pem(pem(authorities).into_bytes());
    }
    Ok(options)
}

/// Those that can be read: the library refuses all for one that cannot.
fn pem(authorities: &[CertificateDer<'_>]) -> String {
    let fine = authorities.iter().filter(|one| rustls::RootCertStore::empty().add((*one).clone()).is_ok());
    let text = |one: &CertificateDer<'_>| {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(one))
    };
    fine.map(text).collect()
}
