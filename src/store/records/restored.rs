//! What must happen to a database that was brought back from a backup, before anybody is let in with it: what was used once since
//! the backup was made is unused there. In one transaction, while no node runs.
//!
//! TOTP codes up to now count as used, codes that were handed out or sent are void, sessions are over, messages that waited are not
//! sent a second time, and directories are read anew. Where HOTP tokens and YubiKeys stand, and which recovery codes are used,
//! only the database that was replaced can say ([`super::restore`]).

use super::chain::{self, Chain};
use super::connection::{Connection, Row};
use super::factors::factor;
use super::material::{self, of_token};
use super::postgres::{self, NAME};
use super::query::{Query, Script};
use super::{OpenError, Records, audit, failure, file, number, schema};
use crate::base::Timestamp;
use crate::config;
use crate::domain::audit::AuditEntry;
use crate::domain::factor::FactorKind;
use crate::domain::passcode::{first_unused, used_up};
use crate::store::seal::Keyring;
use crate::store::{Result, StoreError};

/// Factors at a time.
const STEP: usize = 64;

/// What is known and wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Now.
    pub now: Timestamp,
    /// TOTP: steps before and after the present one that are accepted.
    pub skew: u8,
    /// Recovery codes stay good, though some may have been used since.
    pub keep_recovery: bool,
    /// Who does it, for the trail.
    pub actor: String,
    /// What is told beside it.
    pub detail: String,
    /// Whether the database that was replaced has said what was used.
    pub known: bool,
    /// HOTP tokens and YubiKeys of which it has not all the same.
    pub gone: u64,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// TOTP factors and tokens whose codes up to now count as used.
    pub totp: u64,
    /// HOTP tokens and YubiKeys of which nobody knows what was used since.
    pub counters: u64,
    /// Recovery codes that are void.
    pub recovery: u64,
    /// Codes of the help desk that are void.
    pub temporary: u64,
    /// Messages that are not sent.
    pub messages: u64,
    /// Sessions that are over.
    pub sessions: u64,
}

/// A factor as [`factor`] reads it.
const TOTP: &str = "SELECT f.id, f.person, f.kind, f.label, f.state, f.created, o.used, o.next, f.material
     FROM factors f JOIN positions o ON o.factor = f.id WHERE f.kind = 'totp' AND f.id > $1 ORDER BY f.id LIMIT 64";

/// All TOTP codes that could have been accepted by now are used. Factors that do not open let nobody in.
async fn totp(connection: &mut Connection, keyring: &Keyring, wanted: &Wanted) -> Result<u64> {
    let (mut done, mut after) = (0, String::new());
    loop {
        let rows = Query::new(TOTP).bind(&after).fetch_all(&mut *connection).await?;
        let Some(last) = rows.last() else { return Ok(done) };
        last.text(0)?.clone_into(&mut after);
        for row in &rows {
            let factor = match factor(keyring, row, 0) {
                Ok(factor) => factor,
                Err(StoreError::Sealed(_)) => continue,
                Err(error) => return Err(error),
            };
            let Some((next, used)) = used_up(&factor, wanted.now, wanted.skew) else { continue };
            let update =
                Query::new("UPDATE positions SET next = $2, used = $3 WHERE factor = $1 AND next < $2");
            let update =
                update.bind(factor.id.to_string()).bind(number(next)).bind(used.map(Timestamp::millis));
            done += update.execute(&mut *connection).await?;
        }
        debug_assert!(rows.len() <= STEP);
    }
}

/// TOTP tokens that are nobody's: they may have been somebody's since the backup was made.
const STOCK: &str =
    "SELECT id, material FROM tokens WHERE kind = 'totp' AND factor IS NULL AND id > $1 ORDER BY id LIMIT 64";

/// The same for those: how many.
async fn stock(connection: &mut Connection, keyring: &Keyring, wanted: &Wanted) -> Result<u64> {
    let (mut done, mut after) = (0, String::new());
    loop {
        let rows = Query::new(STOCK).bind(&after).fetch_all(&mut *connection).await?;
        let Some(last) = rows.last() else { return Ok(done) };
        last.text(0)?.clone_into(&mut after);
        for row in &rows {
            let (id, kind) = (row.text(0)?, FactorKind::Totp);
            let material = match material::open(keyring, of_token(id, kind), kind, row.text(1)?) {
                Ok(material) => material,
                Err(StoreError::Sealed(_)) => continue,
                Err(error) => return Err(error),
            };
            let Some(next) = first_unused(&material, wanted.now, wanted.skew) else { continue };
            let update = Query::new("UPDATE tokens SET next = $2 WHERE id = $1 AND next < $2");
            done += update.bind(id).bind(number(next)).execute(&mut *connection).await?;
        }
    }
}

async fn run(connection: &mut Connection, sql: &'static str) -> Result<u64> {
    Query::new(sql).execute(connection).await
}

/// All of it, in the caller's transaction.
pub(super) async fn steps(
    connection: &mut Connection,
    keyring: &Keyring,
    wanted: &Wanted,
) -> Result<Restored> {
    let totp = totp(connection, keyring, wanted).await? + stock(connection, keyring, wanted).await?;
    let mut done = Restored { totp, counters: wanted.gone, ..Restored::default() };
    if !wanted.known {
        let counters = "SELECT count(*) FROM factors WHERE kind IN ('hotp', 'yubikey') AND state = 'active'";
        let counters = Query::new(counters).fetch_one(&mut *connection).await?.number(0)?;
        done.counters = u64::try_from(counters).unwrap_or_default();
        if !wanted.keep_recovery {
            let recovery =
                "DELETE FROM one_time_codes WHERE factor IN (SELECT id FROM factors WHERE kind = 'recovery')";
            done.recovery = run(connection, recovery).await?;
        }
    }
    let temporary =
        "DELETE FROM one_time_codes WHERE factor IN (SELECT id FROM factors WHERE kind = 'temporary')";
    done.temporary = run(connection, temporary).await?;
    let messages = "UPDATE outbox SET state = 'dead', content = '', ended = $1, claimed = NULL,
         detail = 'the database was restored from a backup; it may have been sent before'
         WHERE state IN ('waiting', 'sending')";
    done.messages = Query::new(messages).bind(wanted.now.millis()).execute(&mut *connection).await?;
    done.sessions = run(connection, "DELETE FROM sessions").await?;
    let proven = Query::new("UPDATE people SET sessions_ended = $1 WHERE sessions_ended < $1");
    proven.bind(wanted.now.millis()).execute(&mut *connection).await?;
    run(connection, "DELETE FROM directories").await?;
    tell(connection, keyring, wanted, done).await?;
    Ok(done)
}

/// Adds the entry to the trail.
async fn tell(connection: &mut Connection, keyring: &Keyring, wanted: &Wanted, done: Restored) -> Result<()> {
    let key = chain::kept_key(&mut *connection, keyring).await?;
    let key = key.ok_or_else(|| StoreError::Sealed("there is no key of the audit trail".to_owned()))?;
    let mut chain = Chain::load(connection, key, false).await?;
    let Restored { totp, counters, recovery, temporary, messages, sessions } = done;
    let detail = format!(
        "{}{totp} TOTP factors moved on to now, {counters} counters not known, {recovery} recovery and {temporary} temporary codes \
         void, {messages} messages not sent, {sessions} sessions ended",
        wanted.detail
    );
    let record = chain.record(AuditEntry {
        at: wanted.now,
        actor: wanted.actor.clone(),
        action: "store.restored",
        person: None,
        subject: String::new(),
        outcome: "done",
        detail: detail.into(),
        request: String::new(),
    });
    let mut script = Script::default();
    audit::insert(&mut script, std::iter::once(record), 1);
    chain.write_head(&mut script);
    script.execute(connection).await.map_err(audit::taken)
}

/// Refuses while a node or a command works with this PostgreSQL.
async fn alone(connection: &mut Connection) -> Result<()> {
    let others = Query::new(
        "SELECT CAST(coalesce(host(client_addr), 'this machine') AS TEXT) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE $1 LIMIT 1",
    );
    let other = others.bind(format!("{NAME}%")).fetch_optional(connection).await?;
    match other.as_ref().map(|row: &Row| row.text(0)).transpose()? {
        None => Ok(()),
        Some(at) => Err(StoreError::Conflict(format!(
            "Doorward works with this database, at {at}; stop all nodes first, so that nobody is let in meanwhile"
        ))),
    }
}

impl Records {
    /// Does it to the configured database, which was brought back by other means: `pg_restore`, point-in-time recovery, a copy.
    pub async fn restored(
        store: &config::Store,
        keyring: &Keyring,
        wanted: &Wanted,
    ) -> Result<Restored, OpenError> {
        let Some(settings) = &store.postgres else {
            let failed = |source| OpenError::Database { path: store.path.clone(), source };
            let lite = file::open_alone(&store.path).map_err(|error| failed(error.into()))?;
            lite.raw().pragma_update(None, "secure_delete", "ON").map_err(failure).map_err(failed)?;
            let mut connection = Connection::Sqlite(lite);
            let done = steps(&mut connection, keyring, wanted).await.map_err(failed)?;
            connection.commit().await.map_err(failed)?;
            connection.close().await;
            return Ok(done);
        };
        let failed = |source| OpenError::Server { url: settings.url.clone(), source };
        let server = postgres::Server::new(postgres::options(settings).map_err(failed)?, store.timeout);
        schema::prepare(&server, &settings.url).await?;
        let mut connection = server.connect_patiently().await.map_err(failed)?;
        let all = async {
            // Who opens the database from here on waits; who has it open already is seen.
            super::open::begin(&mut connection).await?;
            alone(&mut connection).await?;
            let done = steps(&mut connection, keyring, wanted).await?;
            connection.commit().await?;
            Ok(done)
        };
        let done = all.await.map_err(failed)?;
        connection.close().await;
        Ok(done)
    }
}
