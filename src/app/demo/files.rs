//! The files of a demonstration's folder: keys, certificates, configuration, people.

use super::Cast;
use super::certificates;
use super::people::{self, Made};
use crate::app::wiring::Stores;
use crate::base::{OsRandom, Random, Secret, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::domain::factor::{Algorithm, FactorId, FactorKind, FactorState, Material};
use crate::domain::person::{PersonId, Username};
use crate::engine::applications::new_key;
use crate::store::{Among, NewFactor, NewPerson, SecurityChange};
use anyhow::{Context, Result};
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The shared secret of every client of the demonstration.
pub(super) const SECRET: &str = "demo-radius-shared-secret";

/// Crowds larger than this get light hashes, so that making them takes seconds.
const LIGHT_ABOVE: usize = 50;

/// Where a demonstration is served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub(super) radius: SocketAddr,
    pub(super) portal: SocketAddr,
    pub(super) api: SocketAddr,
}

/// The application whose key is shown.
const APPLICATION: &str = "sign-on";

/// A demonstration's folder.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
}

impl Files {
    /// Makes the folder, for this user only.
    pub(super) fn in_folder(dir: &Path) -> Result<Self> {
        let sentence = || format!("the folder {} cannot be made", dir.display());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir.join("keys")).with_context(sentence)?;
        Ok(Self { dir: fs::canonicalize(dir).with_context(sentence)? })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn config(&self) -> PathBuf {
        self.dir.join("doorward.toml")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("admin.sock")
    }

    /// Folder with every mail, text and call.
    pub(super) fn mail_dir(&self) -> PathBuf {
        self.dir.join("mail")
    }

    pub(super) fn people_csv(&self) -> PathBuf {
        self.dir.join("people.csv")
    }

    /// Writes a file that only this user can read, in one step.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let (path, new) = (self.dir.join(name), self.dir.join(format!("{name}.new")));
        let sentence = || format!("{} cannot be written", path.display());
        let mut options = fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&new).with_context(sentence)?;
        file.write_all(text.as_bytes()).with_context(sentence)?;
        file.sync_all().with_context(sentence)?;
        fs::rename(&new, &path).with_context(sentence)
    }

    /// A master key and the shared secret.
    pub(super) fn make_keys(&self) -> Result<()> {
        self.write("keys/demo.key", &data_encoding::BASE64.encode(&OsRandom.array::<32>()))?;
        self.write("radius.secret", SECRET)
    }

    /// A certificate authority, a certificate of the server, and two of `person`, one of which is revoked; unless they are there.
    fn make_certificates(&self, person: &str) -> Result<()> {
        if self.dir.join("revoked.pem").exists() {
            return Ok(());
        }
        let made = certificates::make(person)?;
        self.write("ca.pem", &made.authority)?;
        self.write("ca.crl.pem", &made.revocations)?;
        let certificates = [("server", made.server), ("client", made.client), ("revoked", made.revoked)];
        for (name, (certificate, key)) in certificates {
            self.write(&format!("keys/{name}.key.pem"), &key)?;
            self.write(&format!("{name}.pem"), &certificate)?;
        }
        Ok(())
    }

    /// Certificates, and a configuration for eapol_test; where that is.
    pub(super) fn make_wifi(&self, person: &Made) -> Result<PathBuf> {
        self.make_certificates(&person.username)?;
        self.write_eapol_test(person)
    }

    /// A configuration for eapol_test: `person` by TTLS with PAP inside.
    fn write_eapol_test(&self, person: &Made) -> Result<PathBuf> {
        let Made { username, password, .. } = person;
        let (authority, server) = (self.dir.join("ca.pem"), certificates::SERVER_NAME);
        self.write(
            "eapol_test.conf",
            &format!(
                "network={{\n    key_mgmt=IEEE8021X\n    eap=TTLS\n    anonymous_identity=\"anonymous\"\n    \
                 identity=\"{username}\"\n    password=\"{password}\"\n    phase2=\"auth=PAP\"\n    \
                 ca_cert=\"{}\"\n    domain_match=\"{server}\"\n}}\n",
                authority.display()
            ),
        )?;
        Ok(self.dir.join("eapol_test.conf"))
    }

    /// A key for the application whose key is shown.
    pub(super) async fn make_api_key(&self, stores: &Stores, now: Timestamp) -> Result<()> {
        let key = new_key(APPLICATION, &OsRandom, now);
        self.write("keys/api.key", &format!("{}.{}", key.status.id, key.secret.expose()))?;
        let audit = AuditEntry {
            at: now,
            actor: "demo".to_owned(),
            action: "client.add",
            person: None,
            subject: APPLICATION.to_owned(),
            outcome: "done",
            detail: key.status.id.clone().into(),
            request: String::new(),
        };
        Ok(stores.records.client_keys().add(key, None, audit).await?)
    }

    /// That key, as it stands in a header.
    fn api_key(&self) -> Result<String> {
        let path = self.dir.join("keys/api.key");
        fs::read_to_string(&path)
            .with_context(|| format!("{} is missing; take another --dir", path.display()))
    }

    /// What takes messages: they pile up in files.
    pub(super) fn write_gateway(&self) -> Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.mail_dir())?;
        // A file for each message, named by its id, which sorts by time; and all of them in one.
        self.write(
            "gateway",
            "#!/bin/sh\ndir=${0%/*}\nfile=$dir/mail/$DOORWARD_ID-$DOORWARD_CHANNEL.txt\numask 077\n\
             cat >\"$file.new\" && mv \"$file.new\" \"$file\" && { cat \"$file\"; echo; } >>\"$dir/messages.txt\"\n",
        )?;
        fs::set_permissions(self.dir.join("gateway"), fs::Permissions::from_mode(0o700))?;
        Ok(())
    }

    /// The configuration: a client for each kind of policy, told apart by the loopback address that it sends from.
    pub(super) fn write_config(
        &self,
        Addresses { radius, portal, api }: Addresses,
        people: usize,
        log: &str,
    ) -> Result<()> {
        let light = people > LIGHT_ABOVE;
        let (memory, passes) = if light { ("64KiB", 1) } else { ("19MiB", 2) };
        let text = include_str!("../../../conf/demo/doorward.toml")
            .replace("@LISTEN@", &radius.to_string())
            .replace("@PORTAL@", &portal.to_string())
            .replace("@API@", &api.to_string())
            .replace("@MEMORY@", memory)
            .replace("@PASSES@", &passes.to_string())
            .replace("@LOG@", &log.replace(['"', '\\', '\n'], ""));
        self.write("doorward.toml", &text)
    }

    /// The people made before in this folder: the dozen and the crowd.
    pub(super) fn people(&self) -> Result<Option<Vec<Made>>> {
        let path = self.dir.join("everyone.csv");
        if !path.exists() {
            return Ok(None);
        }
        let read = people::read(&path);
        read.map(Some).with_context(|| format!("{} is damaged; take another --dir", path.display()))
    }

    /// `people.csv` for scripts: the crowd if one was asked for, else the dozen; `everyone.csv` for the next start.
    pub(super) fn write_people(&self, people: &[Made]) -> Result<()> {
        let (few, crowd) = people.split_at(people::FEW.min(people.len()));
        // Those at the portal are not for scripts that log everybody in: one of them cannot yet.
        let dozen = few.get(..people::DOZEN.len()).unwrap_or(few);
        self.write("people.csv", &rows(if crowd.is_empty() { dozen } else { crowd }))?;
        self.write("everyone.csv", &rows(people))
    }

    /// Shell variables for scripts.
    pub(super) fn write_env(
        &self,
        Addresses { radius, portal, api }: Addresses,
        cast: &Cast<'_>,
    ) -> Result<()> {
        let (plain, app) = (cast.plain, cast.script);
        let mut variables: Vec<(&str, String)> = vec![
            ("DOORWARD_CONFIG", self.config().to_string_lossy().into_owned()),
            ("DOORWARD_SOCKET", self.socket().to_string_lossy().into_owned()),
            ("RADIUS_HOST", radius.ip().to_string()),
            ("RADIUS_PORT", radius.port().to_string()),
            ("RADIUS_SECRET", SECRET.to_owned()),
            ("LOGIN_USER", plain.username.clone()),
            ("LOGIN_PASSWORD", plain.password.clone()),
            ("OTP_USER", app.username.clone()),
            ("OTP_PASSWORD", app.password.clone()),
            ("TOTP_SECRET", super::base32(app)),
            ("PORTAL_URL", format!("http://{portal}")),
            ("API_URL", format!("http://{api}")),
            ("API_KEY", self.api_key()?),
            ("MAIL_DIR", self.mail_dir().to_string_lossy().into_owned()),
            ("NEW_USER", people::NEW.to_owned()),
            ("EAP_SERVER_NAME", certificates::SERVER_NAME.to_owned()),
        ];
        let files = [
            ("RADIUS_CA", "ca.pem"),
            ("EAP_CLIENT_CERT", "client.pem"),
            ("EAP_CLIENT_KEY", "keys/client.key.pem"),
            ("EAP_REVOKED_CERT", "revoked.pem"),
            ("EAP_REVOKED_KEY", "keys/revoked.key.pem"),
        ];
        let path = |name: &str| self.dir.join(name).to_string_lossy().into_owned();
        variables.extend(files.map(|(variable, name)| (variable, path(name))));
        if let Some(stage) = &cast.portal {
            let parts = [
                ("STUDENT_USER", "STUDENT_PASSWORD", stage.student),
                ("UNREGISTERED_USER", "UNREGISTERED_PASSWORD", stage.unregistered),
                ("ALUMNUS_USER", "ALUMNUS_PASSWORD", stage.alumnus),
                ("HELPDESK_USER", "HELPDESK_PASSWORD", stage.clerk),
                ("ADMIN_USER", "ADMIN_PASSWORD", stage.administrator),
            ];
            for (user, password, person) in parts {
                variables.push((user, person.username.clone()));
                variables.push((password, person.password.clone()));
            }
            variables.push(("HELPDESK_TOTP_SECRET", super::base32(stage.clerk)));
            variables.push(("ADMIN_TOTP_SECRET", super::base32(stage.administrator)));
        }
        let quoted = |value: &str| format!("'{}'", value.replace('\'', r"'\''"));
        let lines = variables.iter().map(|(name, value)| format!("{name}={}\n", quoted(value)));
        self.write("demo.env", &lines.collect::<String>())
    }
}

/// `user,password,totp_base32`, without a header line: the form that load generators read.
fn rows(people: &[Made]) -> String {
    people.iter().map(|p| format!("{},{},{}\n", p.username, p.password, super::base32(p))).collect()
}

/// Writes people and their apps into the store.
pub(super) async fn store_people(stores: &Stores, people: &[Made], now: Timestamp) -> Result<()> {
    let entry = |action, subject: &str, person| AuditEntry {
        at: now,
        actor: "demo".to_owned(),
        action,
        person,
        subject: subject.to_owned(),
        outcome: "done",
        detail: "".into(),
        request: String::new(),
    };
    let mut rows = Vec::with_capacity(people.len());
    for person in people {
        let password = Secret::new(person.password.clone().into_bytes());
        rows.push(NewPerson {
            id: PersonId::from_uuid(uuid::Uuid::now_v7()),
            username: Username::parse(&person.username)?,
            name: person.name.clone(),
            roles: vec![person.role],
            groups: people::groups(person),
            email: Some(format!("{}@example.edu", person.username)),
            phone: (person.username == people::TEXTED.0).then(|| people::TEXTED.1.to_owned()),
            password: Some(stores.hashes.hash(password).await?).filter(|_| person.username != people::NEW),
            new: person.username == people::NEW,
        });
    }
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    stores.records.people().add(rows, entry("person.import", "demonstration", None)).await?;
    for (person, made) in ids.iter().zip(people) {
        if people::REGISTERED.contains(&made.username.as_str()) {
            let change = SecurityChange { registered: Some(now), ..SecurityChange::default() };
            let audit = entry("person.security", &made.username, Some(*person));
            stores.records.security().update(*person, change, audit, Vec::new()).await?;
        }
    }
    let mut waiting = tokio::task::JoinSet::new();
    for (person, made) in ids.into_iter().zip(people) {
        let Some(seed) = &made.seed else { continue };
        let factor = NewFactor {
            id: FactorId::from_uuid(uuid::Uuid::now_v7()),
            person,
            kind: FactorKind::Totp,
            label: "phone".to_owned(),
            state: FactorState::Active,
            created: now,
            material: Material::Totp {
                seed: Secret::new(seed.clone()),
                algorithm: Algorithm::Sha1,
                digits: 6,
                period: 30,
            },
            next: 0,
        };
        let audit = entry("factor.add", &made.username, Some(person));
        let factors = stores.records.factors();
        // All at once: the store commits what waits together.
        waiting.spawn(async move { factors.add(factor, Among::Others, audit).await });
    }
    while let Some(done) = waiting.join_next().await {
        done??;
    }
    Ok(())
}
