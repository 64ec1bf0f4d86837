//! The only place that knows everything: opens the stores, joins them to the engine and the shells.

mod directories;
mod engine;
mod observer;
mod outside;
mod running;

use crate::base::{Clock, OsRandom, SystemClock};
use crate::config::Config;
use crate::domain::password::PasswordRules;
use crate::engine::delivery;
use crate::engine::health::{Confined, Observe};
use crate::engine::keys::KeyRoom;
use crate::engine::meters::Meters;
use crate::engine::upkeep::Keeper;
use crate::serve::handed::Handed;
use crate::serve::radius::{Counters, Server};
use crate::serve::{admin, api, metrics, portal, wsapi};
use crate::store::blocklist::{self, BlocklistError};
use crate::store::directory::{Embedded, HashPool, LiveRules, Routed};
use crate::store::records::Records;
use crate::store::seal::Keyring;
use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use directories::follow;
use engine::{Engine, Ground, wsapi_state};
use observer::Observer;
use outside::Outside;
use running::shown;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// What is kept, opened; cheap to clone.
#[derive(Debug, Clone)]
pub struct Stores {
    /// People, factors, counters, audit.
    pub records: Records,
    /// Hashes passwords and PINs.
    pub hashes: Arc<HashPool>,
}

impl Stores {
    /// Opens what the configuration names.
    pub async fn open(config: &Config) -> Result<Self> {
        let records = Records::open(&config.store, Keyring::new(&config.keys.master)?).await?;
        let hashes = Arc::new(HashPool::start(&config.password, Arc::new(OsRandom))?);
        Ok(Self { records, hashes })
    }
}

/// Everything that runs.
pub struct Running {
    /// The settings, replaced whole by a reload.
    pub config: Arc<ArcSwap<Config>>,
    /// What new passwords must keep to.
    rules: LiveRules,
    /// RADIUS.
    pub radius: Server,
    outside: Outside,
    courier: delivery::Running,
    admin: admin::Running,
    wsapi: wsapi::Running,
    metrics: metrics::Running,
    meters: Arc<Meters>,
    /// The portal.
    pub portal: portal::Running,
    /// What applications ask.
    pub api: api::Running,
    addresses: Arc<ArcSwap<Vec<String>>>,
    stores: Stores,
    /// Reloads that somebody waits for.
    pub orders: mpsc::Receiver<admin::Order>,
    /// What follows directories and cleans up.
    background: JoinSet<()>,
}

/// How it is served.
#[derive(Debug)]
pub struct How {
    /// How far the process is confined.
    pub confined: Confined,
    /// Sockets that a service manager keeps open.
    pub handed: Handed,
    /// A folder with everything that is sent, which the portal shows.
    pub sent: Option<PathBuf>,
}

/// Opens the stores and serves.
pub async fn start(config: Config, handed: Handed, confined: Confined) -> Result<Running> {
    let stores = Stores::open(&config).await?;
    serve(config, stores, How { confined, handed, sent: None }).await
}

/// Serves on stores that are open already.
pub async fn serve(config: Config, stores: Stores, how: How) -> Result<Running> {
    let How { confined, handed, sent } = how;
    let handed = Arc::new(handed);
    // Before anything is opened: one of them may be what is in the way.
    for address in handed.left(&config) {
        tracing::error!(
            "the service manager hands over {address}, which nothing in the configuration serves, and nobody answers there; \
             name it in the configuration, or take it out of the socket unit"
        );
    }
    let rules = password_rules(&config).context("[password] `blocklist`")?;
    let rules: LiveRules = Arc::new(ArcSwap::from_pointee(rules));
    let embedded = Embedded::new(
        stores.records.passwords(),
        Arc::clone(&stores.hashes),
        Arc::clone(&rules),
        &config.password,
        &OsRandom,
    );
    let realms = Arc::new(config.realms.clone());
    let followed = follow(&config, &stores, &rules, &realms)?;
    let embedded = Arc::new(embedded);
    let directory = Arc::new(Routed::new(embedded.clone(), followed.directories));
    let outside = Outside::new(&config, stores.records.keyring())?;
    let config = Arc::new(ArcSwap::from_pointee(config));
    let meters = Arc::<Meters>::default();
    let ground = Ground {
        stores: &stores,
        meters: &meters,
        outside: &outside,
        directory,
        realms,
        rules: &rules,
        config: &config,
    };
    let engine = Engine::new(&ground);
    let counters = Arc::new(Counters::default());
    let radius =
        Server::start(Arc::clone(&config), engine.gatekeeper, Arc::clone(&counters), Arc::clone(&handed));
    let radius = radius.context(
        "RADIUS cannot be served; is another server running there, or does a socket unit keep an address open that is not that of \
         `radius.listen`?",
    )?;
    let addresses = Arc::new(ArcSwap::from_pointee(shown(&radius)));
    tokio::task::spawn_blocking(crate::domain::contact::warm_up);
    let http = Arc::<OnceLock<_>>::default();
    let observer: Arc<dyn Observe> = Arc::new(Observer {
        meters: Arc::clone(&meters),
        counters,
        addresses: Arc::clone(&addresses),
        load: radius.load(),
        stores: stores.clone(),
        embedded,
        challenges: outside.here.clone(),
        redis: outside.redis.clone(),
        followed: followed.handles.clone(),
        validators: Arc::clone(&outside.validators),
        handed: Arc::clone(&handed),
        http: Arc::clone(&http),
        outbox: stores.records.outbox(),
        client_keys: stores.records.client_keys(),
        config: Arc::clone(&config),
        started: SystemClock.now(),
        confined,
        counted: Mutex::default(),
        trying: Mutex::default(),
    });
    let records = &stores.records;
    let keys = Arc::new(KeyRoom::new(records.master_keys(), records.audit(), Arc::new(SystemClock)));
    // They are done one after the other.
    let (reload, orders) = mpsc::channel(1);
    let state = admin::State {
        reload,
        desk: engine.desk,
        outbox: stores.records.outbox(),
        imports: Arc::new(tokio::sync::Semaphore::new(1)),
        applications: Arc::clone(&engine.applications),
        config: Arc::clone(&config),
        sync: followed.handles,
        mailboxes: Arc::clone(&outside.mailboxes),
        observer: Arc::clone(&observer),
        keys: Arc::clone(&keys),
    };
    let wsapi = wsapi::start(wsapi_state(&stores, &config, &meters), &handed).await?;
    let portal = portal::State::new(engine.portal, Arc::clone(&config), sent);
    let portal = portal::start(portal, &handed).await?;
    let api = api::State::new(engine.applications, Arc::clone(&config), Arc::new(SystemClock));
    let api = api::start(api, &handed).await?;
    let metrics = metrics::State { observer, config: Arc::clone(&config) };
    let metrics = metrics::start(metrics, &handed).await?;
    let socket = config.load().admin.clone();
    let admin = admin::serve(&socket.socket, socket.mode, &handed, state).await?;
    let places = [portal.places(), api.places(), wsapi.places(), metrics.places(), Some(admin.places())];
    // Set once, here.
    let _ = http.set(places.into_iter().flatten().collect());
    let courier = engine.courier.start();
    let clock = Arc::new(SystemClock);
    let keeper = Keeper { store: stores.records.upkeep(), config: Arc::clone(&config), clock };
    let mut background = followed.tasks;
    background.spawn(keeper.run());
    background.spawn(keys.run());
    Ok(Running {
        config,
        rules,
        radius,
        outside,
        courier,
        admin,
        wsapi,
        metrics,
        meters,
        portal,
        api,
        addresses,
        stores,
        orders,
        background,
    })
}

/// What new passwords must keep to, with the list of the configuration.
pub fn password_rules(config: &Config) -> Result<PasswordRules, BlocklistError> {
    let new = &config.new_passwords;
    let list = new.blocklist.as_deref().map(blocklist::load).transpose()?;
    Ok(PasswordRules::new(new.min_length, new.max_length, config.factors.issuer.split_whitespace())
        .with_classes(new.classes)
        .with_min_strength(new.min_strength)
        .with_blocklist(list.map(Arc::new)))
}
