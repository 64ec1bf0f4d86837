//! The demonstration with applications of the tests, and a client that sends what it is told to.

use crate::support::{Daemon, Someone, code};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Applications, told apart by their keys; limits of codes are out of the way.
const APPLICATIONS: &str = r#"
[codes]
per_person = 1000
per_person_day = 1000
per_destination = 1000
per_origin = 1000

[[api_client]]
name = "other-sign-on"
login = "passcode"

[[api_client]]
name = "no-rights"
login = "passcode"
rights = []

[[api_client]]
name = "elsewhere"
login = "passcode"
networks = ["192.0.2.0/24"]

[[api_client]]
name = "slow"
login = "passcode"
rate = 1

[[api_client]]
name = "twice"
decoding = "twice"
second_factor = "if-enrolled"

[[api_client]]
name = "texts"
login = "passcode"
methods = ["sms", "totp"]
rights = ["trigger", "list"]
"#;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn authentication(&self) -> &str {
        self.body["result"]["authentication"].as_str().unwrap_or_default()
    }

    pub(crate) fn transaction(&self) -> String {
        self.body["detail"]["transaction_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn error(&self) -> i64 {
        assert_eq!(self.body["result"]["status"], false, "{self:?}");
        self.body["result"]["error"]["code"].as_i64().unwrap()
    }
}

/// The demonstration.
pub(crate) struct World {
    pub(crate) daemon: Daemon,
    pub(crate) url: String,
    /// Key of `sign-on`.
    pub(crate) key: String,
    client: reqwest::blocking::Client,
    seen: std::cell::RefCell<BTreeSet<PathBuf>>,
    dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn start() -> Self {
        Self::with("", &[])
    }

    pub(crate) fn with(more: &str, arguments: &[&str]) -> Self {
        Self::of(more, "", arguments)
    }

    /// `later` stands in a file of its own, and replaces keys of the others.
    pub(crate) fn of(more: &str, later: &str, arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("conf.d")).unwrap();
        std::fs::write(dir.path().join("conf.d/zz-later.toml"), later).unwrap();
        std::fs::write(dir.path().join("conf.d/tests.toml"), format!("{APPLICATIONS}{more}")).unwrap();
        let daemon = Daemon::demo_in(dir.path(), arguments);
        let env = daemon.env();
        let (url, key) = (env["API_URL"].clone(), env["API_KEY"].clone());
        let client = crate::support::http::client(None);
        Self { daemon, url, key, client, seen: std::cell::RefCell::default(), dir }
    }

    /// Stops the daemon, and starts it anew on what it has left.
    pub(crate) fn restart(&mut self) {
        self.daemon.stop();
        self.daemon = Daemon::demo_in(self.dir.path(), &[]);
        self.url = self.daemon.env()["API_URL"].clone();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A key for an application, as `doorward client add` makes it.
    pub(crate) fn key_of(&self, application: &str) -> String {
        self.daemon.json(&["client", "add", application])["key"].as_str().unwrap().to_owned()
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() {
            request = request.body(body.to_owned());
        }
        let answer = request.send().unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().unwrap();
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    pub(crate) fn post(&self, key: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send("POST", path, &[("authorization", key)], &form(fields))
    }

    /// `/validate/check` of the application of this key.
    pub(crate) fn check(&self, key: &str, fields: &[(&str, &str)]) -> Answer {
        self.post(key, "/validate/check", fields)
    }

    /// The person of this name.
    pub(crate) fn someone(&self, user: &str) -> Someone {
        self.daemon.people().into_iter().find(|person| person.user == user).unwrap()
    }

    /// The code of the next text message, waited for.
    pub(crate) fn texted(&self) -> String {
        let text = self.delivered();
        let mut words = text.rsplit(|c: char| !c.is_ascii_digit());
        words.find(|word| word.len() == 6).unwrap().to_owned()
    }

    /// The next message, waited for.
    pub(crate) fn delivered(&self) -> String {
        let until = std::time::Instant::now() + crate::support::PATIENCE;
        loop {
            let files = std::fs::read_dir(self.path("mail")).unwrap().map(|file| file.unwrap().path());
            let mut fresh: Vec<_> = files
                .filter(|file| file.extension().is_some_and(|end| end == "txt"))
                .filter(|file| !self.seen.borrow().contains(file))
                .collect();
            fresh.sort();
            if let Some(file) = fresh.first() {
                self.seen.borrow_mut().insert(file.clone());
                return std::fs::read_to_string(file).unwrap();
            }
            assert!(std::time::Instant::now() < until, "no message came");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Whether there is a message that was not read.
    pub(crate) fn outbox(&self) -> usize {
        self.daemon.json(&["outbox", "list"])["messages"].as_array().unwrap().len()
    }

    /// Reasons in the trail, the newest last.
    pub(crate) fn trail(&self, subject: &str) -> Vec<(String, String, String)> {
        let answer = self.daemon.json(&["audit", "list", "--subject", subject]);
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let entries = answer["entries"].as_array().unwrap().iter();
        entries.map(|e| (text(e, "actor"), text(e, "outcome"), text(e, "detail"))).collect()
    }
}

/// Percent-encodes a value as forms do.
pub(crate) fn encode(text: &str) -> String {
    doorward::base::percent_encode(text)
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A code that does not belong to this person now.
pub(crate) fn wrong(person: &Someone) -> String {
    let near: Vec<_> = (-2..=2).map(|step| code(&person.totp, step)).collect();
    ["000000", "111111", "222222"]
        .iter()
        .find(|code| !near.iter().any(|near| near == *code))
        .unwrap()
        .to_string()
}

/// An authority, and what it has vouched for: `server`, `mine`, `other`.
pub(crate) struct Certificates(tempfile::TempDir);

impl Certificates {
    pub(crate) fn make() -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let authority =
            ["req", "-x509", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca"];
        made.openssl(&[&authority[..], &ec].concat());
        std::fs::write(made.path("san"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
        for name in ["server", "mine", "other"] {
            let (key, request, signed) =
                (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
            let subject = format!("/CN={name}");
            let asking = ["req", "-keyout", &key, "-out", &request, "-subj", &subject];
            made.openssl(&[&asking[..], &ec].concat());
            let signing =
                ["x509", "-req", "-in", &request, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
            made.openssl(&[&signing[..], &["-days", "2", "-extfile", "san", "-out", &signed]].concat());
        }
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(made.path("server.key"), mode).unwrap();
        made
    }

    fn openssl(&self, arguments: &[&str]) -> String {
        let openssl =
            std::process::Command::new("openssl").args(arguments).current_dir(self.0.path()).output();
        let output = openssl.expect("openssl is installed");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn fingerprint(&self, name: &str) -> String {
        let shown =
            self.openssl(&["x509", "-in", &format!("{name}.pem"), "-noout", "-fingerprint", "-sha256"]);
        shown.trim().split('=').nth(1).unwrap().to_owned()
    }

    /// The beginning of `[api]` that serves it.
    pub(crate) fn settings(&self) -> String {
        let (certificate, key) = (self.path("server.pem"), self.path("server.key"));
        format!("[api]\ncertificate_file = \"{certificate}\"\nprivate_key_file = \"{key}\"\n")
    }
}
