//! Runs the claims of a file on both databases: each by itself on a file of SQLite, and all of them on one server of
//! PostgreSQL, each with a database of its own.

use super::postgres::{Options, Postgres};
use super::{Store, in_file, ring};
use crate::config;
use crate::store::records::Records;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Makes stores of one kind.
#[derive(Clone)]
pub(super) enum Kit {
    Sqlite,
    Postgres(Arc<Databases>),
}

/// Databases on one server.
pub(super) struct Databases {
    server: Mutex<Postgres>,
    made: AtomicUsize,
}

/// The database that all others are copies of.
const MODEL: &str = "model";

impl Databases {
    fn start() -> Arc<Self> {
        let server = Postgres::start(Options::default());
        server.sql("postgres", "CREATE DATABASE model");
        Arc::new(Self { server: Mutex::new(server), made: AtomicUsize::new(0) })
    }

    /// A new one.
    fn make(&self) -> config::Store {
        let name = format!("d{}", self.made.fetch_add(1, Ordering::Relaxed));
        let server = self.server.lock().unwrap();
        server.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {MODEL}"));
        self.settings(&server.url(&name))
    }

    /// The server, to be stopped or frozen.
    pub(super) fn server(&self) -> std::sync::MutexGuard<'_, Postgres> {
        self.server.lock().unwrap()
    }

    /// The settings of a database that does not exist.
    pub(super) fn missing(&self) -> (String, config::Store) {
        let name = format!("d{}", self.made.fetch_add(1, Ordering::Relaxed));
        let url = self.server().url(&name);
        (name, self.settings(&url))
    }

    fn settings(&self, url: &str) -> config::Store {
        let postgres = config::Postgres {
            url: url.to_owned(),
            password: None,
            verified: false,
            authorities: Vec::new(),
        };
        let timeout = Duration::from_secs(10);
        config::Store { postgres: Some(postgres), timeout, ..in_file(Path::new("")) }
    }
}

impl Kit {
    pub(super) async fn store(&self) -> Store {
        match self {
            Kit::Sqlite => Store::new().await,
            Kit::Postgres(databases) => {
                let settings = databases.make();
                let records = Records::open(&settings, ring(&[("k1", 1)])).await.unwrap();
                Store { records, settings, _folder: None }
            }
        }
    }
}

impl Kit {
    pub(super) fn databases(&self) -> &Databases {
        match self {
            Kit::Postgres(databases) => databases,
            Kit::Sqlite => panic!("this is about PostgreSQL"),
        }
    }
}

/// What is claimed of a store, and its name.
pub(super) type Claim = (&'static str, fn(Kit) -> Pin<Box<dyn Future<Output = ()>>>);

fn runtime(parallel: bool) -> tokio::runtime::Runtime {
    let mut builder = if parallel {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        // What is spawned here is queued before the writer takes the first of it.
        tokio::runtime::Builder::new_current_thread()
    };
    builder.worker_threads(2).enable_all().build().unwrap()
}

pub(super) fn on_sqlite(claim: impl Future<Output = ()>, parallel: bool) {
    runtime(parallel).block_on(claim);
}

pub(super) fn on_postgres(plain: &[Claim], parallel: &[Claim]) {
    let databases = Databases::start();
    let settings = databases.settings(&databases.server.lock().unwrap().url(MODEL));
    runtime(false).block_on(async {
        Records::open(&settings, ring(&[("k1", 1)])).await.unwrap().close().await;
    });
    let all = plain.iter().map(|claim| (claim, false)).chain(parallel.iter().map(|claim| (claim, true)));
    for ((name, claim), parallel) in all {
        let kit = Kit::Postgres(Arc::clone(&databases));
        let proven = catch_unwind(AssertUnwindSafe(|| runtime(parallel).block_on(claim(kit))));
        if let Err(panic) = proven {
            eprintln!("on PostgreSQL it is not true that: {}", name.replace('_', " "));
            resume_unwind(panic);
        }
    }
}

/// Tests that run on both; those after `parallel` with several threads.
macro_rules! claims {
    (postgres only $($plain:ident)*; parallel $($parallel:ident)*) => {
        #[test]
        fn postgres() {
            let plain: &[super::kit::Claim] = &[$((stringify!($plain), |kit| Box::pin($plain(kit)))),*];
            let parallel: &[super::kit::Claim] =
                &[$((stringify!($parallel), |kit| Box::pin($parallel(kit)))),*];
            super::kit::on_postgres(plain, parallel);
        }
    };
    ($($plain:ident)* $(; parallel $($parallel:ident)*)?) => {
        mod sqlite {
            use crate::store::records::tests::kit::{Kit, on_sqlite};
            $(#[test] fn $plain() { on_sqlite(super::$plain(Kit::Sqlite), false); })*
            $($(#[test] fn $parallel() { on_sqlite(super::$parallel(Kit::Sqlite), true); })*)?
        }

        #[test]
        fn postgres() {
            let plain: &[super::kit::Claim] = &[$((stringify!($plain), |kit| Box::pin($plain(kit)))),*];
            let parallel: &[super::kit::Claim] =
                &[$($((stringify!($parallel), |kit| Box::pin($parallel(kit)))),*)?];
            super::kit::on_postgres(plain, parallel);
        }
    };
}
pub(super) use claims;
