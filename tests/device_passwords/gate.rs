//! A second process on the store of a daemon, which decides logins of devices as an EAP conversation would.

use super::support::Daemon;
use doorward::base::{Clock, OsRandom, Random, SystemClock, Timestamp};
use doorward::config::{self, Config};
use doorward::domain::contact::Destination;
use doorward::domain::method::{Channel, Reach};
use doorward::domain::password::PasswordRules;
use doorward::domain::person::Person;
use doorward::domain::policy::ClientPolicy;
use doorward::engine::delivery::Waker;
use doorward::engine::devices::DeviceVerdict;
use doorward::engine::login::{Gatekeeper, Round};
use doorward::engine::meters::{Front, Timing};
use doorward::store::challenges::MemoryChallenges;
use doorward::store::directory::{Embedded, HashPool};
use doorward::store::records::Records;
use doorward::store::seal::Keyring;
use doorward::wire::mschap::{Exchange, NtHash};
use std::sync::Arc;
use std::time::Duration;

/// Nobody is sent anything here.
#[derive(Debug)]
struct Nowhere;

impl Reach for Nowhere {
    fn destination(&self, _: &Person, _: Channel) -> Option<Destination> {
        None
    }

    fn cost(&self, _: Channel, _: &Destination) -> u32 {
        0
    }
}

/// A moment that does not pass, so that nothing depends on how fast this machine is.
struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

pub(crate) struct Gate {
    runtime: Arc<tokio::runtime::Runtime>,
    config: Arc<Config>,
    records: Records,
    now: Timestamp,
}

impl Gate {
    pub(crate) fn beside(daemon: &Daemon) -> Self {
        let path = daemon.dir.join("doorward.toml");
        let config = config::load(&path, std::iter::empty()).unwrap_or_else(|errors| panic!("{errors}"));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let keyring = Keyring::new(&config.keys.master).unwrap();
        let records = runtime.block_on(Records::open(&config.store, keyring)).unwrap();
        Self { runtime: Arc::new(runtime), config: Arc::new(config), records, now: SystemClock.now() }
    }

    /// The same some time later.
    pub(crate) fn later(&self, by: Duration) -> Self {
        let Self { runtime, config, records, now } = self;
        Self {
            runtime: Arc::clone(runtime),
            config: Arc::clone(config),
            records: records.clone(),
            now: *now + by,
        }
    }

    fn gatekeeper(&self) -> Gatekeeper {
        let (records, config) = (&self.records, &self.config);
        let hashes = Arc::new(HashPool::start(&config.password, Arc::new(OsRandom)).unwrap());
        let rules = Arc::new(arc_swap::ArcSwap::from_pointee(PasswordRules::new(8, 64, [""; 0])));
        let directory =
            Embedded::new(records.passwords(), Arc::clone(&hashes), rules, &config.password, &OsRandom);
        Gatekeeper {
            people: records.people(),
            attempts: records.attempts(),
            logins: records.logins(),
            challenges: Arc::new(MemoryChallenges::new(8)),
            directory: Arc::new(directory),
            tokens: records.tokens(),
            validator: None,
            reach: Arc::new(Nowhere),
            courier: Waker::default(),
            hashes,
            digester: records.digester(),
            meters: Arc::default(),
            clock: Arc::new(Stopped(self.now)),
            random: Arc::new(OsRandom),
        }
    }

    fn decide(&self, user: &str, shown: Exchange) -> (String, Option<String>) {
        let policy = ClientPolicy::default();
        let round = Round::new((Front::Radius, Timing::start()), "r1", "wifi", &policy, user);
        let gatekeeper = self.gatekeeper();
        let verdict = self.runtime.block_on(gatekeeper.device_login(&self.config, round, shown)).unwrap();
        match verdict {
            DeviceVerdict::Accept { person, device, proven, .. } => {
                assert_eq!(person.username.as_str(), user);
                (format!("accept {device}"), Some(proven.authenticator_response))
            }
            DeviceVerdict::Reject { message, reason } => {
                assert_eq!(message, self.config.texts.failed, "it tells nothing");
                (reason.as_str().to_owned(), None)
            }
        }
    }

    /// A login by MSCHAPv2; the device, or why not.
    pub(crate) fn exchange(&self, user: &str, password: &str) -> String {
        let mut exchange = Exchange {
            authenticator_challenge: OsRandom.array(),
            peer_challenge: OsRandom.array(),
            name: user.as_bytes().to_vec(),
            response: [0; 24],
        };
        let hash = NtHash::of(password);
        exchange.response = exchange.response_of(&hash);
        let expected = exchange.answered_by(&hash).unwrap().authenticator_response;
        match self.decide(user, exchange) {
            (said, Some(proof)) if proof == expected => format!("{said}, proven"),
            (said, None) => said,
            (said, Some(proof)) => panic!("{said}, but the peer would not take {proof}"),
        }
    }
}
