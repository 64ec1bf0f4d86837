//! Validation of YubiKeys, from both sides: a daemon that asks Debian's yubiserver, and one that is asked by what exists:
//! yubico-client for Python, libpam-yubico, curl. All in network namespaces of their own, since yubiserver binds every
//! address. Touches come from Debian's ykgenerate. Needs root.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

#[path = "yubico/asking.rs"]
mod asking;
#[path = "yubico/clients.rs"]
mod clients;
#[path = "yubico/late.rs"]
mod late;
#[path = "yubico/nodes.rs"]
mod nodes;
#[path = "yubico/service.rs"]
mod service;

use doorward::base::Timestamp;
use doorward::config;
use doorward::domain::audit::AuditEntry;
use doorward::domain::factor::{FactorId, FactorKind, FactorState, Material};
use doorward::domain::person::Username;
use doorward::domain::token::TokenId;
use doorward::store::records::Records;
use doorward::store::seal::Keyring;
use doorward::store::{Assignment, NewFactor, NewToken};
use doorward::wire::yubico::{Key, PublicId};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use support::directory::{configure, login_by};
use support::namespace::Namespace;
use support::yubiserver::YubiKey;
use support::{DOORWARD, Daemon, answer, radclient_by};

const PASSWORD: &str = "a passphrase of her own";

const BLUE: YubiKey = YubiKey {
    public_id: "vvccccbcdefg",
    private_id: "8792ebfe26cc",
    aes: "ecde18dbe76fbd0c33330f1c354871db",
};
const RED: YubiKey = YubiKey {
    public_id: "vvccccbcdefh",
    private_id: "0102030405ff",
    aes: "000102030405060708090a0b0c0d0e0f",
};

/// A daemon in a network of its own.
struct World {
    daemon: Daemon,
    namespace: Namespace,
    /// What other servers keep.
    other: tempfile::TempDir,
    dir: tempfile::TempDir,
}

impl World {
    /// With these further settings and files, and one person, `hannelore`.
    fn start(settings: &str, files: &[(&str, &str)]) -> Self {
        Self::start_in(Namespace::new(), tempfile::tempdir().unwrap(), settings, files)
    }

    fn start_in(
        namespace: Namespace,
        other: tempfile::TempDir,
        settings: &str,
        files: &[(&str, &str)],
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            write(&dir.path().join(name), text);
        }
        configure(dir.path(), settings);
        let mut command = namespace.command(DOORWARD);
        if settings.contains("# at the finest level") {
            command.env("DOORWARD__LOG__FILTER", "trace");
        }
        let daemon = Daemon::serve_by(command, dir.path());
        let world = Self { daemon, namespace, other, dir };
        world.add("hannelore");
        world
    }

    fn add(&self, user: &str) {
        let added = self.daemon.run_with(&["person", "add", user], &format!("{PASSWORD}\n"));
        assert!(added.status.success(), "{added:?}");
    }

    fn good(&self, arguments: &[&str]) {
        let output = self.daemon.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    fn login(&self, typed: &str) -> String {
        login_by(self.namespace.command("radclient"), &self.daemon, "hannelore", typed)
    }

    /// Where no answer is expected.
    fn unanswered(&self, typed: &str) -> String {
        let attributes = [("User-Name", "hannelore"), ("User-Password", typed)];
        let radclient = self.namespace.command("radclient");
        answer(&radclient_by(radclient, "4", self.daemon.address, &attributes)).to_owned()
    }

    fn entries(&self, subject: &str) -> Vec<serde_json::Value> {
        let trail = self.daemon.json(&["audit", "list", "--subject", subject, "--limit", "1000"]);
        trail["entries"].as_array().unwrap().clone()
    }

    /// Why the last login was decided as it was.
    fn reason(&self) -> String {
        let entries = self.entries("hannelore");
        let last = entries.iter().rfind(|entry| entry["action"] == "login").expect("there was a login");
        last["detail"].as_str().unwrap().to_owned()
    }

    /// What was logged until now, again and again until it has this.
    fn logs(&mut self, text: &str) {
        let lines = self.daemon.lines.as_ref().unwrap();
        while let Ok(line) = lines.recv_timeout(support::PATIENCE) {
            if line.contains(text) {
                return;
            }
        }
        panic!("`{text}` was not logged");
    }

    /// Imports a key, as its file says it, and gives it to somebody. `known`: its secrets too, and not only its public id.
    fn key(&self, key: &YubiKey, owner: Option<&str>, known: bool) {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let public_id = PublicId::parse(key.public_id).unwrap();
        let secrets = Key {
            aes: <[u8; 16]>::try_from(hex(key.aes)).unwrap().into(),
            private_id: <[u8; 6]>::try_from(hex(key.private_id)).unwrap().into(),
        };
        let material = Material::Yubikey { public_id, key: known.then_some(secrets) };
        let created = Timestamp::from_secs(1);
        let token = NewToken {
            id: TokenId::from_uuid(uuid::Uuid::now_v7()),
            kind: FactorKind::Yubikey,
            name: key.public_id.to_owned(),
            serial: String::new(),
            material: material.clone(),
            next: 0,
            created,
        };
        let entry = |action| AuditEntry {
            at: created,
            actor: "test".to_owned(),
            action,
            person: None,
            subject: key.public_id.to_owned(),
            outcome: "done",
            detail: "".into(),
            request: String::new(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        // Beside the daemon, as an administrator's program would.
        runtime.block_on(async {
            let config = config::load(&self.dir.path().join("doorward.toml"), std::iter::empty()).unwrap();
            let keyring = Keyring::new(&config.keys.master).unwrap();
            let records = Records::open(&config.store, keyring).await.unwrap();
            records.stock().import(vec![token.clone()].into(), entry("token.import")).await.unwrap();
            if let Some(owner) = owner {
                let owner = records.people().person(&Username::parse(owner).unwrap()).await.unwrap().unwrap();
                let factor = NewFactor {
                    id: FactorId::from_uuid(uuid::Uuid::now_v7()),
                    person: owner.id,
                    kind: FactorKind::Yubikey,
                    label: "blue key".to_owned(),
                    state: FactorState::Active,
                    created,
                    material,
                    next: 0,
                };
                let wanted = Assignment { token: token.id, new: None, factor, proven: None, revoked: false };
                records.tokens().assign(wanted, entry("token.assign")).await.unwrap();
            }
            records.close().await;
        });
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Behind the password.
fn with(otp: &str) -> String {
    format!("{PASSWORD}{otp}")
}

const ACCEPT: &str = "Access-Accept";
const REJECT: &str = "Access-Reject";
const NOTHING: &str = "no answer";
