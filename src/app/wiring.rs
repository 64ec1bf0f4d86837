//! The only place that knows everything: opens the stores, joins them to the engine and the shells.

use crate::base::{Clock, OsRandom, SystemClock};
use crate::config::Config;
use crate::domain::login::Pending;
use crate::domain::password::PasswordRules;
use crate::engine::desk::Desk;
use crate::engine::login::Gatekeeper;
use crate::serve::admin;
use crate::serve::radius::{BindError, Counters, Server};
use crate::store::challenges::MemoryChallenges;
use crate::store::directory::{Embedded, HashPool};
use crate::store::records::Records;
use crate::store::seal::Keyring;
use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// What is kept, opened.
#[derive(Debug)]
pub struct Stores {
    /// People, factors, counters, audit.
    pub records: Records,
    /// Hashes passwords and PINs.
    pub hashes: Arc<HashPool>,
}

impl Stores {
    /// Opens what the configuration names.
    pub async fn open(config: &Config) -> Result<Self> {
        let keyring = Keyring::new(&config.keys.master)?;
        let store = &config.store;
        let records = Records::open(&store.path, store.busy_timeout, store.readers, keyring).await?;
        let hashes = Arc::new(HashPool::start(&config.password, Arc::new(OsRandom))?);
        Ok(Self { records, hashes })
    }
}

/// Everything that runs.
pub struct Running {
    /// The settings, replaced whole by a reload.
    pub config: Arc<ArcSwap<Config>>,
    /// RADIUS.
    pub radius: Server,
    admin: admin::Handle,
    addresses: Arc<ArcSwap<Vec<String>>>,
    stores: Stores,
}

/// Opens the stores and serves.
pub async fn start(config: Config) -> Result<Running> {
    let stores = Stores::open(&config).await?;
    serve(config, stores).await
}

/// Serves on stores that are open already.
pub async fn serve(config: Config, stores: Stores) -> Result<Running> {
    let clock = Arc::new(SystemClock);
    let random = Arc::new(OsRandom);
    let password = &config.password;
    let rules = PasswordRules::new(
        password.min_length,
        password.max_length,
        config.factors.issuer.split_whitespace(),
    );
    let hashes = Arc::clone(&stores.hashes);
    let directory =
        Arc::new(Embedded::new(stores.records.passwords(), hashes, rules.clone(), password, &OsRandom));
    let challenges: MemoryChallenges<Pending> = MemoryChallenges::new(config.radius.challenge_entries);
    let gatekeeper = Arc::new(Gatekeeper {
        people: stores.records.people(),
        attempts: stores.records.attempts(),
        logins: stores.records.logins(),
        challenges: Arc::new(challenges),
        directory: directory.clone(),
        hashes: Arc::clone(&stores.hashes),
        digester: stores.records.digester(),
        clock: clock.clone(),
        random: random.clone(),
    });
    let desk = Arc::new(Desk {
        people: stores.records.people(),
        factors: stores.records.factors(),
        attempts: stores.records.attempts(),
        audit: stores.records.audit(),
        acceptances: stores.records.acceptances(),
        directory,
        hashes: Arc::clone(&stores.hashes),
        digester: stores.records.digester(),
        rules,
        clock,
        random,
    });
    let counters = Arc::new(Counters::default());
    let config = Arc::new(ArcSwap::from_pointee(config));
    let radius = Server::start(Arc::clone(&config), gatekeeper, Arc::clone(&counters))
        .context("RADIUS cannot be served; is another server running there?")?;
    let addresses = Arc::new(ArcSwap::from_pointee(shown(&radius)));
    let state =
        admin::State { desk, config: Arc::clone(&config), status: status(counters, Arc::clone(&addresses)) };
    let socket = config.load().admin.clone();
    let admin = admin::serve(&socket.socket, socket.mode, state).await?;
    Ok(Running { config, radius, admin, addresses, stores })
}

fn shown(radius: &Server) -> Vec<String> {
    radius.addresses().iter().map(ToString::to_string).collect()
}

/// What `doorward status` shows.
fn status(
    counters: Arc<Counters>,
    addresses: Arc<ArcSwap<Vec<String>>>,
) -> Arc<dyn Fn() -> admin::Status + Send + Sync> {
    let started = SystemClock.now().to_string();
    Arc::new(move || admin::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: started.clone(),
        radius: counters.snapshot(),
        addresses: addresses.load().to_vec(),
    })
}

impl Running {
    /// Settings of `new` that a reload does not take over.
    pub fn needs_restart(&self, new: &Config) -> Vec<&'static str> {
        let old = self.config.load();
        let changed = [
            (old.store != new.store, "[store]"),
            (old.password != new.password, "[password]"),
            (old.keys.master.iter().map(|(id, _)| id).ne(new.keys.master.iter().map(|(id, _)| id)), "[keys]"),
            (old.admin.socket != new.admin.socket, "admin.socket"),
            (old.log.json != new.log.json, "log.format"),
            (old.radius.challenge_entries != new.radius.challenge_entries, "radius.challenge_entries"),
        ];
        changed.into_iter().filter_map(|(changed, what)| changed.then_some(what)).collect()
    }

    /// Takes a new configuration over; what could not be bound is returned, the rest holds.
    pub fn reload(&mut self, new: Config) -> Vec<BindError> {
        self.config.store(Arc::new(new));
        let errors = self.radius.reload();
        self.addresses.store(Arc::new(shown(&self.radius)));
        errors
    }

    /// Stops in order: no new requests, those under way, then the store. Returns how many were cut off.
    pub async fn stop(self) -> usize {
        self.admin.stop().await;
        let cut_off = self.radius.stop().await;
        self.stores.records.close().await;
        self.stores.hashes.close();
        cut_off
    }
}
