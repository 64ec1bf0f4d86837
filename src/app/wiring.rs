//! The only place that knows everything: opens the stores, joins them to the engine and the shells.

use crate::base::{Clock, OsRandom, Random, SystemClock};
use crate::config::Config;
use crate::domain::directory::Realms;
use crate::domain::password::PasswordRules;
use crate::engine::applications::Applications;
use crate::engine::delivery::{self, Courier, Waker};
use crate::engine::desk::Desk;
use crate::engine::login::Gatekeeper;
use crate::engine::once::OnceHere;
use crate::engine::portal::Portal;
use crate::engine::portal::administration::Recent;
use crate::engine::reach::Reachable;
use crate::engine::sync::{Follower, Handle};
use crate::engine::upkeep::Keeper;
use crate::engine::validation::KeyDesk;
use crate::serve::radius::{BindError, Counters, Server};
use crate::serve::wsapi;
use crate::serve::{admin, api, portal};
use crate::store::blocklist::{self, BlocklistError};
use crate::store::challenges::{Challenges, MemoryChallenges, RedisChallenges};
use crate::store::delivery::Providers;
use crate::store::directory::{Directory, Embedded, HashPool, LiveRules, Monotonic, Routed};
use crate::store::ldap::{Ldap, Servers};
use crate::store::mailbox::MailboxProvider;
use crate::store::records::Records;
use crate::store::seal::Keyring;
use crate::store::yubico::ValidationServers;
use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
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
        let keyring = Keyring::new(&config.keys.master)?;
        let records = Records::open(&config.store, keyring).await?;
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
    providers: Arc<Providers>,
    validators: Arc<ValidationServers>,
    mailboxes: Arc<MailboxProvider>,
    courier: delivery::Running,
    admin: admin::Running,
    wsapi: wsapi::Running,
    /// The portal.
    pub portal: portal::Running,
    /// What applications ask.
    pub api: api::Running,
    addresses: Arc<ArcSwap<Vec<String>>>,
    stores: Stores,
    /// What follows directories and cleans up.
    background: JoinSet<()>,
}

/// Opens the stores and serves.
pub async fn start(config: Config) -> Result<Running> {
    let stores = Stores::open(&config).await?;
    serve(config, stores, None).await
}

/// Serves on stores that are open already. `sent`: a folder with everything that is sent, which the portal shows.
pub async fn serve(config: Config, stores: Stores, sent: Option<PathBuf>) -> Result<Running> {
    let clock = Arc::new(SystemClock);
    let random = Arc::new(OsRandom);
    let rules = password_rules(&config).context("[password] `blocklist`")?;
    let rules: LiveRules = Arc::new(ArcSwap::from_pointee(rules));
    let hashes = Arc::clone(&stores.hashes);
    let passwords = stores.records.passwords();
    let embedded =
        Arc::new(Embedded::new(passwords, hashes, Arc::clone(&rules), &config.password, &OsRandom));
    let realms = Arc::new(config.realms.clone());
    let followed = follow(&config, &stores, &rules, &realms)?;
    let directory = Arc::new(Routed::new(embedded, followed.directories));
    let providers = Arc::new(Providers::new(&config)?);
    let validators = ValidationServers::new(config.yubico.as_ref(), Arc::new(OsRandom));
    let validators = Arc::new(validators.map_err(anyhow::Error::msg).context("[yubico]")?);
    let mailboxes = MailboxProvider::new(config.mailbox.as_ref());
    let mailboxes = Arc::new(mailboxes.map_err(anyhow::Error::msg).context("[mailbox]")?);
    let (challenges, redis) = challenges(&config)?;
    let config = Arc::new(ArcSwap::from_pointee(config));
    let waker = Waker::default();
    let gatekeeper = Arc::new(Gatekeeper {
        people: stores.records.people(),
        attempts: stores.records.attempts(),
        logins: stores.records.logins(),
        challenges,
        directory: directory.clone(),
        tokens: stores.records.tokens(),
        validator: Some(validators.clone()),
        reach: Arc::new(Reachable { providers: Arc::clone(&providers), config: Arc::clone(&config) }),
        courier: waker.clone(),
        hashes: Arc::clone(&stores.hashes),
        digester: stores.records.digester(),
        clock: clock.clone(),
        random: random.clone(),
    });
    let enrolling = OnceHere {
        servers: validators.clone(),
        logins: stores.records.logins(),
        digester: stores.records.digester(),
        clock: clock.clone(),
    };
    let desk = Arc::new(Desk {
        people: stores.records.people(),
        factors: stores.records.factors(),
        tokens: stores.records.tokens(),
        stock: stores.records.stock(),
        validator: Some(Arc::new(enrolling)),
        attempts: stores.records.attempts(),
        audit: stores.records.audit(),
        acceptances: stores.records.acceptances(),
        security: stores.records.security(),
        directory,
        hashes: Arc::clone(&stores.hashes),
        digester: stores.records.digester(),
        realms,
        rules: Arc::clone(&rules),
        clock,
        random,
    });
    let counters = Arc::new(Counters::default());
    let outbox = stores.records.outbox();
    let flows = Portal {
        gatekeeper: Arc::clone(&gatekeeper),
        desk: Arc::clone(&desk),
        security: stores.records.security(),
        sessions: stores.records.sessions(),
        outbox: Arc::clone(&outbox),
        recent: Recent::default(),
        mailboxes: Arc::clone(&mailboxes),
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
    };
    let applications =
        Applications::new(Arc::clone(&gatekeeper), Arc::clone(&desk), stores.records.client_keys());
    let applications = Arc::new(applications);
    let radius = Server::start(Arc::clone(&config), gatekeeper, Arc::clone(&counters))
        .context("RADIUS cannot be served; is another server running there?")?;
    let addresses = Arc::new(ArcSwap::from_pointee(shown(&radius)));
    tokio::task::spawn_blocking(crate::domain::contact::warm_up);
    let courier = Courier {
        outbox: Arc::clone(&outbox),
        providers: Arc::clone(&providers),
        config: Arc::clone(&config),
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
        waker,
    };
    let state = admin::State {
        desk,
        outbox,
        imports: Arc::new(tokio::sync::Semaphore::new(1)),
        applications: Arc::clone(&applications),
        config: Arc::clone(&config),
        sync: followed.handles,
        mailboxes: Arc::clone(&mailboxes),
        status: status(counters, Arc::clone(&addresses), redis, Arc::clone(&config)),
    };
    let wsapi = wsapi::start(wsapi_state(&stores, &config)).await?;
    let portal = portal::start(portal::State::new(Arc::new(flows), Arc::clone(&config), sent)).await?;
    let api = api::start(api::State::new(applications, Arc::clone(&config), Arc::new(SystemClock))).await?;
    let socket = config.load().admin.clone();
    let admin = admin::serve(&socket.socket, socket.mode, state).await?;
    let courier = courier.start();
    let keeper =
        Keeper { store: stores.records.upkeep(), config: Arc::clone(&config), clock: Arc::new(SystemClock) };
    let mut background = followed.tasks;
    background.spawn(keeper.run());
    Ok(Running {
        config,
        rules,
        radius,
        providers,
        validators,
        mailboxes,
        courier,
        admin,
        wsapi,
        portal,
        api,
        addresses,
        stores,
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

/// What our validation service works with.
fn wsapi_state(stores: &Stores, config: &Arc<ArcSwap<Config>>) -> wsapi::State {
    let clock = Arc::new(SystemClock);
    let desk = KeyDesk {
        tokens: stores.records.tokens(),
        logins: stores.records.logins(),
        audit: stores.records.audit(),
        digester: stores.records.digester(),
        clock: clock.clone(),
    };
    wsapi::State::new(Arc::new(desk), Arc::clone(config), clock)
}

/// Redis, if challenges wait there.
type Redis = Option<Arc<RedisChallenges>>;

/// Where challenges wait for their answers.
fn challenges(config: &Config) -> Result<(Arc<dyn Challenges>, Redis)> {
    let Some(settings) = &config.redis else {
        return Ok((Arc::new(MemoryChallenges::new(config.radius.challenge_entries)), None));
    };
    let keyring = Keyring::new(&config.keys.master)?;
    let redis = RedisChallenges::new(settings, keyring, Arc::new(OsRandom)).context("[redis]")?;
    let redis = Arc::new(redis);
    Ok((redis.clone(), Some(redis)))
}

/// Outside directories, and the tasks that follow them.
struct Followed {
    directories: HashMap<String, Arc<dyn Directory>>,
    handles: Vec<Handle>,
    tasks: JoinSet<()>,
}

fn follow(config: &Config, stores: &Stores, rules: &LiveRules, realms: &Arc<Realms>) -> Result<Followed> {
    let mut followed = Followed { directories: HashMap::new(), handles: Vec::new(), tasks: JoinSet::new() };
    for settings in &config.directories {
        let servers = Arc::new(Servers::new(Arc::clone(settings))?);
        let clock: Arc<dyn Clock> = Arc::new(Monotonic::start());
        let passwords = stores.records.passwords();
        let ldap = Ldap::new(Arc::clone(&servers), passwords, Arc::clone(rules), (clock, &OsRandom));
        followed.directories.insert(settings.name.clone(), Arc::new(ldap));
        let identities = stores.records.identities();
        let before = followed.handles.last();
        let now = (Arc::new(SystemClock) as Arc<dyn Clock>, Arc::new(OsRandom) as Arc<dyn Random>);
        let (follower, handle) = Follower::new(servers, Arc::clone(realms), identities, now, before);
        followed.tasks.spawn(follower.run());
        followed.handles.push(handle);
    }
    Ok(followed)
}

fn shown(radius: &Server) -> Vec<String> {
    radius.addresses().iter().map(ToString::to_string).collect()
}

/// What `doorward status` shows.
fn status(
    counters: Arc<Counters>,
    addresses: Arc<ArcSwap<Vec<String>>>,
    redis: Redis,
    config: Arc<ArcSwap<Config>>,
) -> Arc<dyn Fn() -> admin::Status + Send + Sync> {
    let started = SystemClock.now().to_string();
    Arc::new(move || admin::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: started.clone(),
        radius: counters.snapshot(),
        addresses: addresses.load().to_vec(),
        redis: redis.as_ref().map(|redis| redis.state().to_string()),
        warnings: warnings(&config.load()),
    })
}

/// Those of the configuration, and what has become of its certificate since.
fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = config.warnings.clone();
    let certificate = config.eap.as_ref().and_then(|eap| eap.warning(SystemClock.now()));
    warnings.extend(certificate.filter(|warning| !config.warnings.contains(warning)));
    warnings
}

impl Running {
    /// Settings of `new` that a reload does not take over.
    pub fn needs_restart(&self, new: &Config) -> Vec<&'static str> {
        let old = self.config.load();
        let changed = [
            (old.store != new.store, "[store]"),
            (old.password != new.password, "[password]"),
            (old.keys.master.iter().map(|(id, _)| id).ne(new.keys.master.iter().map(|(id, _)| id)), "[keys]"),
            (old.redis != new.redis, "[redis]"),
            (!old.directories.iter().eq(&new.directories), "[[directory]]"),
            (old.admin.socket != new.admin.socket, "admin.socket"),
            (old.log.json != new.log.json, "log.format"),
            (old.wsapi.listen != new.wsapi.listen, "wsapi.listen"),
            (old.portal.listen != new.portal.listen, "portal.listen"),
            (old.api.listen != new.api.listen, "api.listen"),
            (old.radius.challenge_entries != new.radius.challenge_entries, "radius.challenge_entries"),
        ];
        changed.into_iter().filter_map(|(changed, what)| changed.then_some(what)).collect()
    }

    /// Takes a new configuration over; what could not be bound is returned, the rest holds.
    pub fn reload(&mut self, new: Config) -> Vec<BindError> {
        if let Err(error) = self.providers.reload(&new) {
            tracing::error!("the old [smtp] and [[gateway]] stay: {error}");
        }
        if let Err(error) = self.validators.reload(new.yubico.as_ref()) {
            tracing::error!("the old [yubico] stays: {error}");
        }
        if let Err(error) = self.mailboxes.reload(new.mailbox.as_ref()) {
            tracing::error!("the old [mailbox] stays: {error}");
        }
        match password_rules(&new) {
            Ok(rules) => self.rules.store(Arc::new(rules)),
            Err(error) => tracing::error!("the old rules for new passwords stay: {error}"),
        }
        self.config.store(Arc::new(new));
        let errors = self.radius.reload();
        self.addresses.store(Arc::new(shown(&self.radius)));
        errors
    }

    /// Stops in order: no new requests, those under way, then the store. Returns how many were cut off.
    pub async fn stop(mut self) -> usize {
        self.admin.stop().await;
        self.portal.stop().await;
        self.api.stop().await;
        self.wsapi.stop().await;
        let drain = self.config.load().radius.drain_timeout;
        let cut_off = self.radius.stop().await;
        self.courier.stop(drain).await;
        self.background.shutdown().await;
        self.stores.records.close().await;
        self.stores.hashes.close();
        cut_off
    }
}
