//! Tests of the records store, by what they are about. Time is given, never waited for.

mod accounts;
mod answers;
mod audit;
mod concurrency;
mod copy;
mod devices;
mod faults;
mod files;
mod identities;
mod keys;
mod kit;
mod nodes;
mod outbox;
#[path = "../../../tests/support/postgres.rs"]
mod postgres;
mod removed;
mod restore;
mod rounds;
mod schema;
mod security;
mod semantics;
mod sessions;
mod stock;
mod subjects;
mod tls;
mod tokens;
mod upkeep;

use super::connection::Connection;
use super::database::Database;
use super::postgres::{Server, options};
use super::query::{Query, Script};
use super::sqlite::Place;
use super::{OpenError, Records};
use crate::base::{Secret, Timestamp};
use crate::config;
use crate::domain::audit::AuditEntry;
use crate::domain::factor::{Algorithm, FactorId, FactorKind, FactorState, Material, OneTimeCode, Proof};
use crate::domain::person::{PersonId, Role, Username};
use crate::domain::throttle::Counter;
use crate::store::seal::Keyring;
use crate::store::{Among, NewFactor, NewPerson, Settlement};
use kit::{Kit, claims};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Makes a database one of the schema before positions had a table of their own.
const WITHOUT_POSITIONS: [&str; 16] = [
    "DROP TABLE client_keys",
    "DROP TABLE sessions",
    "DROP TABLE questions",
    "DROP TABLE contacts",
    "ALTER TABLE people DROP COLUMN sessions_ended",
    "ALTER TABLE people DROP COLUMN fresh",
    "ALTER TABLE people DROP COLUMN proven",
    "ALTER TABLE people DROP COLUMN registered",
    "ALTER TABLE people DROP COLUMN language",
    "DROP TABLE tokens",
    "ALTER TABLE factors ADD COLUMN next BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE factors ADD COLUMN used BIGINT",
    "UPDATE factors SET next = (SELECT o.next FROM positions o WHERE o.factor = factors.id)",
    "UPDATE factors SET used = (SELECT o.used FROM positions o WHERE o.factor = factors.id)",
    "DROP TABLE positions",
    "DELETE FROM _sqlx_migrations WHERE version >= 5",
];
const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const BUSY: Duration = Duration::from_millis(200);

fn ring(ids: &[(&str, u8)]) -> Keyring {
    let keys: Vec<_> =
        ids.iter().map(|(id, byte)| ((*id).to_owned(), Secret::new(vec![*byte; 32]))).collect();
    Keyring::new(&keys).unwrap()
}

/// Settings of a store in a file.
fn in_file(path: &Path) -> config::Store {
    config::Store {
        path: path.to_owned(),
        postgres: None,
        timeout: Duration::from_secs(10),
        busy_timeout: BUSY,
        readers: 4,
    }
}

/// A store of its own: a file in a folder, or a database of PostgreSQL.
struct Store {
    records: Records,
    settings: config::Store,
    _folder: Option<tempfile::TempDir>,
}

impl std::ops::Deref for Store {
    type Target = Records;
    fn deref(&self) -> &Records {
        &self.records
    }
}

impl Store {
    /// In a file.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = in_file(&folder.path().join("made/doorward.db"));
        let records = Records::open(&settings, ring(&[("k1", 1)])).await.unwrap();
        Self { records, settings, _folder: Some(folder) }
    }

    /// Another handle to the same store, as another node has one.
    async fn open(&self, keys: Keyring) -> Result<Records, OpenError> {
        Records::open(&self.settings, keys).await
    }

    /// Closes and opens again.
    async fn reopen(&mut self) {
        self.records.close().await;
        self.records = self.open(ring(&[("k1", 1)])).await.unwrap();
    }

    /// The file, where it is one.
    fn path(&self) -> &Path {
        &self.settings.path
    }

    /// Another program's connection to the same database.
    async fn raw(&self) -> Connection {
        let database = match &self.settings.postgres {
            None => Database::Sqlite(Place::new(self.path(), BUSY)),
            Some(settings) => {
                Database::Postgres(Arc::new(Server::new(options(settings).unwrap(), Duration::from_secs(10))))
            }
        };
        database.connect().await.unwrap()
    }

    async fn sql(&self, sql: &'static str) -> u64 {
        let mut raw = self.raw().await;
        Query::new(sql).execute(&mut raw).await.unwrap()
    }

    async fn person(&self, name: &str) -> PersonId {
        let new = new_person(name);
        let id = new.id;
        self.people().add(vec![new], entry("person.add")).await.unwrap();
        id
    }

    async fn totp(&self, person: PersonId, state: FactorState) -> FactorId {
        let new = new_factor(person, FactorKind::Totp, state, totp_material());
        let id = new.id;
        self.factors().add(new, Among::Others, entry("factor.add")).await.unwrap();
        id
    }

    async fn codes(&self, person: PersonId, codes: Vec<OneTimeCode>) -> FactorId {
        let new = new_factor(person, FactorKind::Recovery, FactorState::Active, Material::Codes(codes));
        let id = new.id;
        self.factors().add(new, Among::Others, entry("factor.add")).await.unwrap();
        id
    }

    async fn actions(&self) -> Vec<String> {
        let query = crate::store::AuditQuery { limit: 1000, ..Default::default() };
        self.audit()
            .entries(&query)
            .await
            .unwrap()
            .into_iter()
            .map(|entry| entry.action.into_owned())
            .collect()
    }

    async fn broken(&self) -> Option<(i64, String)> {
        self.audit().verify().await.unwrap().broken
    }
}

fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn new_person(name_: &str) -> NewPerson {
    NewPerson {
        id: PersonId::from_uuid(uuid::Uuid::now_v7()),
        username: name(name_),
        name: "Someone".into(),
        roles: vec![Role::Student, Role::Staff, Role::Staff],
        groups: vec!["vpn".into(), "admins".into()],
        email: Some("someone@example.org".into()),
        phone: None,
        password: Some(Secret::new("$argon2id$one".to_owned())),
        new: false,
    }
}

fn totp_material() -> Material {
    Material::Totp {
        seed: Secret::new(b"12345678901234567890".to_vec()),
        algorithm: Algorithm::Sha256,
        digits: 6,
        period: 30,
    }
}

fn new_factor(person: PersonId, kind: FactorKind, state: FactorState, material: Material) -> NewFactor {
    let id = FactorId::from_uuid(uuid::Uuid::now_v7());
    NewFactor { id, person, kind, label: "phone".into(), state, created: NOW, material, next: 0 }
}

fn entry(action: &'static str) -> AuditEntry {
    AuditEntry {
        at: NOW,
        actor: "uid:0(root)".into(),
        action,
        person: None,
        subject: "alice".into(),
        outcome: "done",
        detail: "".into(),
        request: "r1".into(),
    }
}

/// A settlement that lets someone in by `proof`.
fn settlement(person: PersonId, proof: Option<Proof>) -> Settlement {
    Settlement {
        admits: true,
        accept: proof,
        clear: proof.iter().map(|proof| Counter::Factor(proof.factor())).collect(),
        replayed: proof.map(|_| Box::new(AuditEntry { outcome: "reject", ..entry("login.replayed") })),
        ..Settlement::of(AuditEntry { person: Some(person), outcome: "accept", ..entry("login") })
    }
}

const fn position(factor: FactorId, position: u64) -> Proof {
    Proof::Position { factor, position }
}
