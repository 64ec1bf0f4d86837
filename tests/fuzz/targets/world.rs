//! A Doorward in this process: its store in a file, people with every kind of factor, hashes that cost next to nothing.

use arc_swap::ArcSwap;
use async_trait::async_trait;
use doorward::base::{Clock, ManualClock, OsRandom, Secret, SeededRandom, Timestamp};
use doorward::config::{self, Config};
use doorward::domain::audit::AuditEntry;
use doorward::domain::contact::Destination;
use doorward::domain::factor::{Algorithm, FactorId, FactorKind, FactorState, Material, OneTimeCode};
use doorward::domain::method::{Channel, Reach};
use doorward::domain::passcode::canonical_code;
use doorward::domain::password::PasswordRules;
use doorward::domain::person::{Person, PersonId, Role, Username};
use doorward::domain::token::TokenId;
use doorward::engine::delivery::Waker;
use doorward::engine::desk::Desk;
use doorward::engine::health::{Confined, Observe, Snapshot, State};
use doorward::engine::login::Gatekeeper;
use doorward::engine::meters::Meters;
use doorward::store::challenges::MemoryChallenges;
use doorward::store::directory::{Embedded, HashPool, LiveRules};
use doorward::store::records::Records;
use doorward::store::seal::Keyring;
use doorward::store::{Among, Assignment, NewFactor, NewPerson, NewToken};
use doorward::wire::yubico::{Key, PublicId};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

/// The secret of every client.
pub const SECRET: &str = "a-shared-secret-of-length";
/// Their names; the n-th sends from 127.0.0.n.
pub const CLIENTS: [&str; 9] =
    ["vpn", "password", "passcode", "pin", "if-enrolled", "no-challenge", "one-round", "lax", "wifi"];
/// Usernames and passwords. The first one ends like a passcode.
pub const PEOPLE: [(&str, &str); 6] = [
    ("alice", "hunter2-123456"),
    ("bob", "correct-horse,"),
    ("carol", "battery\u{e9}staple"),
    ("dave", "nothing-enrolled"),
    ("erin", "touches-a-key-cccc"),
    ("frank", "is-locked-away"),
];
/// Seeds of apps and tokens are this, and the person's number.
pub const SEED: &[u8; 20] = b"1234567890123456789\0";
/// The PIN of everybody who has one.
pub const PIN: &str = "294613580274";
/// Codes on paper.
pub const PAPER: [&str; 6] =
    ["abcde-01234", "bcdef-12345", "cdefg-23456", "defgh-34567", "efghj-45678", "fghjk-56789"];
/// What a YubiKey shares with us.
pub const AES: [u8; 16] = *b"sixteen-octets!!";
/// What each of its passwords holds.
pub const PRIVATE_ID: [u8; 6] = [4; 6];
/// Its public id.
pub const PUBLIC_ID: [u8; 6] = [0xff, 1, 2, 3, 4, 5];
/// When it begins.
pub const BEGIN: Timestamp = Timestamp::from_secs(1_800_000_000);

const SETTINGS: &str = "
[keys]
files = [\"k1.key\"]
[radius]
reject_delay = \"0s\"
[password]
memory = \"8KiB\"
passes = 1
lanes = 1
workers = 1
cache = \"0s\"
[eap]
certificate_file = \"server.pem\"
private_key_file = \"server.key.pem\"
[[reply]]
groups = [\"staff\"]
[reply.attributes]
Class = \"employees\"
Tunnel-Type = \"VLAN\"
Tunnel-Private-Group-Id = \"120\"
";

/// What each client has beside its name, its network and its secret.
const MORE: [&str; 9] = [
    "",
    "login = \"password\"",
    "login = \"passcode\"",
    "login = \"pin+passcode\"",
    "second_factor = \"if-enrolled\"",
    "second_factor = \"if-enrolled\"\nchallenge = false",
    "second_factor = \"if-enrolled\"\none_round = true",
    "require_message_authenticator = false\nlimit_proxy_state = false",
    "login = \"password\"\ndevice_passwords = true",
];

/// Writes a file that its group can read.
pub fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
    std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o640)).unwrap();
}

/// A folder in memory, if there is one.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Puts what configurations refer to into a folder.
pub fn furnish(folder: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["radius.example.edu".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    write(folder, "k1.key", &data_encoding::BASE64.encode(&[7; 32]));
    write(folder, "server.pem", &certificate.pem());
    write(folder, "server.key.pem", &key.serialize_pem());
}

/// The configuration, with the folder that it is in.
pub fn configuration() -> (tempfile::TempDir, Config) {
    let folder = folder();
    furnish(folder.path());
    let mut text = SETTINGS.to_owned();
    for (at, (name, more)) in CLIENTS.iter().zip(MORE).enumerate() {
        let network = at + 1;
        text += &format!(
            "[[client]]\nname = \"{name}\"\nnetworks = [\"127.0.0.{network}\"]\nsecret = \"{SECRET}\"\n{more}\n"
        );
    }
    write(folder.path(), "doorward.toml", &text);
    let config = config::load(&folder.path().join("doorward.toml"), std::iter::empty());
    (folder, config.unwrap_or_else(|errors| panic!("{errors}")))
}

/// Everything that is kept, and who keeps it.
pub struct World {
    /// Everything is decided in this thread, but hashes and what is written.
    pub runtime: tokio::runtime::Runtime,
    /// The settings.
    pub config: Arc<ArcSwap<Config>>,
    /// The store.
    pub records: Records,
    /// Hashes.
    pub hashes: Arc<HashPool>,
    /// The time, which is given.
    pub clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

/// Alice and carol can be sent texts.
#[derive(Debug)]
struct Phones;

impl Reach for Phones {
    fn destination(&self, person: &Person, channel: Channel) -> Option<Destination> {
        let to = person.phone.clone().filter(|_| channel == Channel::Sms)?;
        Some(Destination { masked: "+1 … 00".to_owned(), to })
    }

    fn cost(&self, _: Channel, _: &Destination) -> u32 {
        1
    }
}

/// Sees nothing.
struct Blind(Arc<Meters>);

#[async_trait]
impl Observe for Blind {
    async fn look(&self) -> Snapshot {
        Snapshot {
            version: "0",
            started: BEGIN,
            now: BEGIN,
            addresses: Vec::new(),
            events: Vec::new(),
            queues: Vec::new(),
            kept: Vec::new(),
            certificates: Vec::new(),
            revocations: Vec::new(),
            store: State::Up,
            writer: doorward::store::WriterState::default(),
            redis: None,
            directories: Vec::new(),
            outbox: None,
            validators: Vec::new(),
            left: Vec::new(),
            confined: Confined::No,
            warnings: Vec::new(),
        }
    }

    fn meters(&self) -> &Meters {
        &self.0
    }
}

/// An entry of the trail.
pub fn entry(at: Timestamp, action: &'static str) -> AuditEntry {
    AuditEntry {
        at,
        actor: "uid:0(root)".to_owned(),
        action,
        person: None,
        subject: String::new(),
        outcome: "done",
        detail: "".into(),
        request: "r".to_owned(),
    }
}

/// The id of the n-th person.
pub fn person(at: usize) -> PersonId {
    PersonId::from_uuid(Uuid::from_u128(1 + at as u128))
}

impl World {
    /// A new one, with its people.
    pub fn new() -> Self {
        let (folder, config) = configuration();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let keyring = Keyring::new(&config.keys.master).unwrap();
        let mut store = config.store.clone();
        store.path = folder.path().join("doorward.db");
        let records = runtime.block_on(Records::open(&store, keyring)).unwrap();
        let hashes = Arc::new(HashPool::start(&config.password, Arc::new(OsRandom)).unwrap());
        let config = Arc::new(ArcSwap::from_pointee(config));
        let world =
            Self { runtime, config, records, hashes, clock: Arc::new(ManualClock::at(BEGIN)), folder };
        world.runtime.block_on(world.people());
        world
    }

    async fn people(&self) {
        for (at, (name, password)) in PEOPLE.iter().enumerate() {
            let hash = self.hashes.hash(Secret::new(password.as_bytes().to_vec())).await.unwrap();
            let reached = ["alice", "carol"].contains(name);
            let new = NewPerson {
                id: person(at),
                username: Username::parse(name).unwrap(),
                name: name.to_string(),
                roles: vec![Role::Staff],
                groups: vec!["staff".to_owned()],
                email: None,
                phone: reached.then(|| "+15205550100".to_owned()),
                password: Some(hash),
                new: false,
            };
            self.records.people().add(vec![new], entry(BEGIN, "person.add")).await.unwrap();
        }
        let seed = |at: u8| Secret::new(SEED[..19].iter().copied().chain([at]).collect::<Vec<_>>());
        let totp = |at| Material::Totp { seed: seed(at), algorithm: Algorithm::Sha1, digits: 6, period: 30 };
        self.factor(0, FactorKind::Totp, totp(0)).await;
        self.factor(1, FactorKind::Hotp, Material::Hotp { seed: seed(1), digits: 6 }).await;
        self.factor(2, FactorKind::Totp, totp(2)).await;
        let hash = self.hashes.hash(Secret::new(PIN.as_bytes().to_vec())).await.unwrap();
        self.factor(2, FactorKind::Pin, Material::Pin { hash }).await;
        self.factor(2, FactorKind::Recovery, Material::Codes(Vec::new())).await;
        self.key().await;
        let locked = doorward::domain::person::Status::Locked;
        self.records.people().set_status(person(5), locked, entry(BEGIN, "person.lock")).await.unwrap();
    }

    /// Erin's YubiKey, which comes out of the inventory.
    async fn key(&self) {
        let key = Key { aes: Secret::new(AES), private_id: Secret::new(PRIVATE_ID) };
        let public_id = PublicId::new(&PUBLIC_ID).unwrap();
        let (name, material) = (public_id.to_string(), Material::Yubikey { public_id, key: Some(key) });
        let (kind, created) = (FactorKind::Yubikey, BEGIN);
        let token = TokenId::from_uuid(Uuid::from_u128(900));
        let new = NewToken {
            id: token,
            kind,
            name: name.clone(),
            serial: String::new(),
            material: material.clone(),
            next: 0,
            created,
        };
        let (id, state) = (FactorId::from_uuid(Uuid::from_u128(901)), FactorState::Active);
        let factor =
            NewFactor { id, person: person(4), kind, label: name, state, created, material, next: 0 };
        let wanted = Assignment { token, new: Some(new), factor, proven: None, revoked: false };
        self.records.tokens().assign(wanted, entry(BEGIN, "token.assign")).await.unwrap();
    }

    async fn factor(&self, at: usize, kind: FactorKind, mut material: Material) {
        let id = FactorId::from_uuid(Uuid::from_u128(100 * (1 + at as u128) + kind as u128));
        if let Material::Codes(codes) = &mut material {
            let digester = self.records.digester();
            let code = |code: &&str| OneTimeCode {
                digest: digester.digest(id, &canonical_code(code)),
                expires: None,
            };
            *codes = PAPER.iter().map(code).collect();
        }
        let (label, state, created) = (kind.to_string(), FactorState::Active, BEGIN);
        let new = NewFactor { id, person: person(at), kind, label, state, created, material, next: 0 };
        self.records.factors().add(new, Among::Others, entry(BEGIN, "factor.add")).await.unwrap();
    }

    fn directory(&self) -> Embedded {
        let (passwords, hashes) = (self.records.passwords(), Arc::clone(&self.hashes));
        Embedded::new(passwords, hashes, rules(), &self.config.load().password, &OsRandom)
    }

    /// Who decides logins, with no challenge yet. What is drawn depends on `draw` alone.
    pub fn gatekeeper(&self, draw: u64) -> Gatekeeper {
        Gatekeeper {
            people: self.records.people(),
            attempts: self.records.attempts(),
            logins: self.records.logins(),
            challenges: Arc::new(MemoryChallenges::new(100)),
            directory: Arc::new(self.directory()),
            tokens: self.records.tokens(),
            validator: None,
            reach: Arc::new(Phones),
            courier: Waker::default(),
            hashes: Arc::clone(&self.hashes),
            digester: self.records.digester(),
            meters: Arc::default(),
            clock: self.clock(),
            random: Arc::new(SeededRandom::new(draw)),
        }
    }

    /// What administrators do.
    pub fn desk(&self) -> Desk {
        Desk {
            people: self.records.people(),
            factors: self.records.factors(),
            tokens: self.records.tokens(),
            stock: self.records.stock(),
            validator: None,
            attempts: self.records.attempts(),
            audit: self.records.audit(),
            acceptances: self.records.acceptances(),
            security: self.records.security(),
            directory: Arc::new(self.directory()),
            hashes: Arc::clone(&self.hashes),
            digester: self.records.digester(),
            realms: Arc::default(),
            rules: rules(),
            clock: self.clock(),
            random: Arc::new(OsRandom),
        }
    }

    /// The file of the store.
    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("doorward.db")
    }

    /// Looks at nothing.
    pub fn observer(&self) -> Arc<dyn Observe> {
        Arc::new(Blind(Arc::default()))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.runtime.block_on(self.records.close());
    }
}

fn rules() -> LiveRules {
    Arc::new(ArcSwap::from_pointee(PasswordRules::new(8, 64, ["Example"])))
}
