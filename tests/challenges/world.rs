//! People, challenges and codes for the claims, and the backends that they are made about.

use crate::support::redis::Redis;
use crate::support::slapd::until;
use doorward::base::{Random, Secret, SeededRandom, Timestamp};
use doorward::config::{self, Endpoint, RedisMode, RedisServer};
use doorward::domain::digest::CodeDigester;
use doorward::domain::login::{First, Pending};
use doorward::domain::method::Channel;
use doorward::domain::person::PersonId;
use doorward::domain::sent::{CodeId, Purpose, SentCode};
use doorward::store::challenges::{
    Challenges, HANDLE_LENGTH, MemoryChallenges, NewChallenge, NewCode, Opened, RedisChallenges, RedisState,
    STATE_LENGTH, State, Taken,
};
use doorward::store::seal::Keyring;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn millis(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000 + 7)
}

pub(crate) fn keyring() -> Keyring {
    Keyring::new(&[("k1".to_owned(), Secret::new(vec![7; 32]))]).unwrap()
}

/// `[redis]` with these URLs; what is not about loopback is not checked here.
pub(crate) fn settings(urls: &[String]) -> config::Redis {
    let server = |url: &String| {
        let (endpoint, tls) = match url.strip_prefix("unix:") {
            Some(path) => (Endpoint::Unix(path.into()), false),
            None => {
                let (scheme, rest) = url.split_once("://").unwrap();
                let (host, port) = rest.rsplit_once(':').unwrap();
                (Endpoint::Tcp(host.into(), port.parse().unwrap()), scheme == "rediss")
            }
        };
        RedisServer { url: url.clone(), endpoint, tls }
    };
    config::Redis {
        servers: urls.iter().map(server).collect(),
        mode: RedisMode::Standalone,
        user: String::new(),
        secret: None,
        sentinel_auth: false,
        authorities: Vec::new(),
        timeout: Duration::from_millis(500),
        prefix: "doorward".into(),
    }
}

/// A backend that is connected.
pub(crate) fn connect(settings: &config::Redis) -> Arc<RedisChallenges> {
    let challenges = RedisChallenges::new(settings, keyring(), Arc::new(doorward::base::OsRandom)).unwrap();
    until("the connection", || (challenges.state() == RedisState::Up).then_some(()));
    Arc::new(challenges)
}

pub(crate) trait Backend: Send + Sync + 'static {
    /// After the end of everything that was opened at `now`.
    fn assert_nothing_stays(
        &self,
        challenges: &dyn Challenges,
        now: Timestamp,
    ) -> impl Future<Output = ()> + Send;
}

/// The table itself.
pub(crate) struct Memory(Arc<MemoryChallenges>);

impl Backend for Memory {
    async fn assert_nothing_stays(&self, challenges: &dyn Challenges, now: Timestamp) {
        assert!(!self.0.is_empty());
        assert_eq!(challenges.take(&[0; STATE_LENGTH], false, now + LIFETIME).await.unwrap(), None);
        assert!(self.0.is_empty());
    }
}

impl Backend for Redis {
    /// Nobody waits for Redis to clean up: each key says when that is.
    async fn assert_nothing_stays(&self, _: &dyn Challenges, _: Timestamp) {
        let keys: Vec<String> = self.ask("KEYS *");
        assert_eq!(keys.len(), 20);
        for key in keys {
            let left: i64 = self.ask(&format!("PTTL {key}"));
            assert!(left > 0 && left <= i64::try_from(LIFETIME.as_millis()).unwrap(), "{left}");
        }
    }
}

/// How long everything lives unless a claim says otherwise.
pub(crate) const LIFETIME: Duration = Duration::from_secs(300);

pub(crate) struct World<B> {
    pub(crate) backend: Arc<B>,
    pub(crate) challenges: Arc<dyn Challenges>,
    random: Arc<SeededRandom>,
}

impl<B> Clone for World<B> {
    fn clone(&self) -> Self {
        let (backend, challenges) = (Arc::clone(&self.backend), Arc::clone(&self.challenges));
        Self { backend, challenges, random: Arc::clone(&self.random) }
    }
}

impl World<Memory> {
    pub(crate) fn memory() -> Self {
        let table = Arc::new(MemoryChallenges::new(1000));
        let challenges: Arc<dyn Challenges> = Arc::clone(&table) as _;
        Self::new(Memory(table), challenges)
    }
}

impl World<Redis> {
    pub(crate) fn redis() -> Self {
        let redis = Redis::start();
        let challenges = connect(&settings(&[redis.socket()]));
        Self::new(redis, challenges)
    }
}

impl<B> World<B> {
    pub(crate) fn new(backend: B, challenges: Arc<dyn Challenges>) -> Self {
        Self { backend: Arc::new(backend), challenges, random: Arc::new(SeededRandom::new(1)) }
    }

    pub(crate) fn person(&self, number: usize) -> PersonId {
        PersonId::from_uuid(uuid::Uuid::from_u128(0xa11c_e000 + number as u128))
    }

    pub(crate) fn challenge(&self, person: &PersonId, now: Timestamp) -> NewChallenge {
        let mut state = [0; STATE_LENGTH];
        self.random.fill(&mut state);
        let digester = CodeDigester::new(Secret::new(vec![1; 32]));
        state[..HANDLE_LENGTH].copy_from_slice(&digester.handle(*person));
        let pending = Pending {
            person: *person,
            version: 1,
            client: "vpn".into(),
            first: First::Password,
            pin: None,
            rounds: 1,
            expires: now + LIFETIME,
        };
        NewChallenge { state, pending, code: None }
    }

    pub(crate) fn code(&self, channel: Channel, client: &str, now: Timestamp) -> NewCode {
        let digest = self.random.array();
        let id = CodeId::from_uuid(uuid::Uuid::from_bytes(self.random.array()));
        let code = SentCode { id, digest, channel, digits: 6, expires: now + LIFETIME };
        let resend_after = Duration::from_secs(30);
        NewCode { code, purpose: Purpose::Login, transaction: client.into(), tries: 3, resend_after }
    }

    pub(crate) async fn open(&self, challenge: NewChallenge, now: Timestamp) -> Opened {
        self.challenges.open(challenge, now).await.unwrap()
    }

    pub(crate) async fn take(&self, state: &State, attempt: bool, now: Timestamp) -> Option<Taken> {
        self.challenges.take(state, attempt, now).await.unwrap()
    }

    pub(crate) async fn void(&self, state: &State, code: CodeId) {
        self.challenges.void(state, code).await.unwrap();
    }
}

pub(crate) trait With {
    fn with(self, code: NewCode) -> Self;
}

impl With for NewChallenge {
    fn with(mut self, code: NewCode) -> Self {
        self.code = Some(code);
        self
    }
}
