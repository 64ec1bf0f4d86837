//! Looks at everything that runs, for metrics, `status` and load balancers.

use super::Stores;
use super::outside::Redis;
use crate::base::{Clock, SystemClock, Timestamp};
use crate::config::Config;
use crate::domain::message::MessageState;
use crate::engine::applications::left_over;
use crate::engine::health::{Confined, Followed, Level, Observe, Snapshot, State};
use crate::engine::meters::Meters;
use crate::engine::sync::Handle;
use crate::serve::Places;
use crate::serve::handed::Handed;
use crate::serve::radius::{Counters, Load};
use crate::store::challenges::{MemoryChallenges, RedisState};
use crate::store::directory::Embedded;
use crate::store::yubico::ValidationServers;
use crate::store::{ClientKeyStatus, ClientKeys, Outbox, WriterState};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// The store must answer by then.
const PATIENCE: Duration = Duration::from_secs(2);
/// Messages are counted so often at most: a month of them is many rows.
const RECOUNT: Duration = Duration::from_secs(15);
/// Jobs that may wait for a commit.
const WRITES: usize = crate::store::records::QUEUE;

type Counts = Option<Vec<(MessageState, u64)>>;

/// What it looks at.
pub(super) struct Observer {
    pub(super) meters: Arc<Meters>,
    pub(super) counters: Arc<Counters>,
    pub(super) addresses: Arc<ArcSwap<Vec<String>>>,
    pub(super) load: Load,
    pub(super) stores: Stores,
    pub(super) embedded: Arc<Embedded>,
    /// Where challenges are, if not in Redis.
    pub(super) challenges: Option<Arc<MemoryChallenges>>,
    pub(super) redis: Redis,
    pub(super) followed: Vec<Handle>,
    pub(super) validators: Arc<ValidationServers>,
    pub(super) handed: Arc<Handed>,
    /// Connections over HTTP, once they are served.
    pub(super) http: Arc<OnceLock<Vec<Places>>>,
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) client_keys: Arc<dyn ClientKeys>,
    pub(super) config: Arc<ArcSwap<Config>>,
    pub(super) started: Timestamp,
    pub(super) confined: Confined,
    /// How many messages there were, and when.
    pub(super) counted: Mutex<Option<(Instant, Counts)>>,
    /// Held by who tries to write.
    pub(super) trying: Mutex<()>,
}

impl Observer {
    async fn store(&self) -> State {
        match timeout(PATIENCE, self.stores.records.look()).await {
            Ok(Ok(_)) => State::Up,
            Ok(Err(error)) => State::Down(error.to_string()),
            Err(_) => State::Down(format!("no answer within {PATIENCE:?}")),
        }
    }

    async fn messages(&self) -> Counts {
        // However many ask, one counts.
        let Ok(mut kept) = timeout(PATIENCE, self.counted.lock()).await else { return None };
        if let Some((at, counts)) = &*kept
            && at.elapsed() < RECOUNT
        {
            return counts.clone();
        }
        let counts = timeout(PATIENCE, self.outbox.counts()).await.ok().and_then(Result::ok);
        *kept = Some((Instant::now(), counts.clone()));
        counts
    }

    /// Keys of applications; none where they cannot be read, which is told otherwise.
    async fn client_keys(&self) -> Vec<ClientKeyStatus> {
        timeout(PATIENCE, self.client_keys.list()).await.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// How writing goes. Where it has failed it is tried once more, by one of those who look: whoever is not ready may get no requests
    /// any more by which it would show that it can be done again.
    async fn writer(&self) -> WriterState {
        let writer = self.stores.records.writer();
        if writer.error.is_none() {
            return writer;
        }
        if let Ok(_alone) = self.trying.try_lock() {
            let _ = timeout(PATIENCE, self.stores.records.touch()).await;
        }
        self.stores.records.writer()
    }

    fn queues(&self, config: &Config, waiting: usize) -> Vec<Level> {
        let level = |name, value, limit| Level { name, value, limit };
        let conversations = config.eap.as_ref().map(|eap| eap.conversations);
        let mut queues = vec![
            level("radius", self.load.in_flight(), Some(config.radius.max_in_flight)),
            level("passwords", self.stores.hashes.waiting(), Some(config.password.queue)),
            level("store", waiting, Some(WRITES)),
            level("eap", self.load.conversations(), conversations),
            level("handshakes", self.load.handshakes(), None),
        ];
        let http = self.http.get().into_iter().flatten();
        queues.extend(http.map(|places| level(places.section(), places.held(), Some(places.limit()))));
        queues
    }

    fn kept(&self, config: &Config) -> Vec<Level> {
        let level = |name, value, limit| Level { name, value, limit };
        let mut kept = vec![
            level("accounts", self.stores.records.accounts_in_memory(), None),
            level("passwords", self.embedded.cached(), Some(config.password.cache_entries)),
            level("eap-sessions", self.load.sessions(), config.eap.as_ref().map(|eap| eap.sessions)),
        ];
        if let Some(challenges) = &self.challenges {
            kept.push(level("challenges", challenges.len(), Some(config.radius.challenge_entries)));
        }
        kept
    }
}

#[async_trait]
impl Observe for Observer {
    async fn look(&self) -> Snapshot {
        let config = self.config.load_full();
        let (store, outbox, writer, keys) =
            tokio::join!(self.store(), self.messages(), self.writer(), self.client_keys());
        let now = SystemClock.now();
        let followed = |handle: &Handle| Followed { progress: handle.progress(), servers: handle.servers() };
        let redis = self.redis.as_ref().map(|redis| match redis.state() {
            RedisState::Up => State::Up,
            RedisState::Down(why) => State::Down(why.to_string()),
        });
        let mut warnings = config.warnings.clone();
        // What has become of certificates since they were read.
        let ending = config.certificate_warnings(now).into_iter();
        warnings.extend(ending.filter(|warning| !config.warnings.contains(warning)));
        warnings.extend(left_over(&config.api, &keys, now));
        Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            started: self.started,
            confined: self.confined,
            now,
            addresses: self.addresses.load().to_vec(),
            events: self.counters.snapshot(),
            queues: self.queues(&config, writer.waiting),
            kept: self.kept(&config),
            certificates: config.certificates(),
            revocations: config.revocations(),
            store,
            writer,
            redis,
            validators: self.validators.state(),
            left: self.handed.left(&config),
            directories: self.followed.iter().map(followed).collect(),
            outbox,
            warnings,
        }
    }

    fn meters(&self) -> &Meters {
        &self.meters
    }
}
