//! A demonstration that is served anew, with metrics and a log of its own.

use super::support::http::client;
use super::support::{Daemon, Someone, answer, radclient};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Refusals leave at once, and the log is read back.
const ENV: [(&str, &str); 2] =
    [("DOORWARD__METRICS__LISTEN", "[\"127.0.0.1:0\"]"), ("DOORWARD__RADIUS__REJECT_DELAY", "0s")];

/// What a request to the endpoint was answered.
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) body: String,
}

pub(crate) struct World {
    pub(crate) daemon: Daemon,
    /// Who has a password only.
    pub(crate) person: Someone,
    /// Who has an app.
    pub(crate) with_app: Someone,
    dir: TempDir,
}

impl World {
    pub(crate) fn new(env: &[(&str, &str)]) -> Self {
        Self::with(env, "")
    }

    /// With these lines at the end of the configuration.
    pub(crate) fn with(env: &[(&str, &str)], lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut made = Daemon::demo_in(dir.path(), &[]);
        let (person, with_app) = (made.without_app()[0].clone(), made.with_app()[0].clone());
        made.stop();
        drop(made);
        append(&dir.path().join("doorward.toml"), lines);
        let env: Vec<_> = ENV.iter().chain(env).copied().collect();
        let daemon = Daemon::serve_in(dir.path(), &env);
        Self { daemon, person, with_app, dir }
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("doorward.toml")
    }

    /// What the endpoint says.
    pub(crate) fn get(&self, path: &str) -> Said {
        let url = format!("http://{}{path}", self.daemon.metrics.unwrap());
        let answer = client(None).get(url).send().unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        Said { status: answer.status().as_u16(), kind, body: answer.text().unwrap() }
    }

    /// Where OTPs are validated for programs.
    pub(crate) fn wsapi(&self) -> std::net::SocketAddr {
        self.daemon.wsapi.unwrap()
    }

    /// A sample of `/metrics`; `None`: there is none.
    pub(crate) fn sample(&self, sample: &str) -> Option<f64> {
        let text = self.get("/metrics").body;
        let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(name, _)| name == sample));
        line.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
    }

    /// A login by radclient; the answer's name.
    pub(crate) fn login(&self, user: &str, password: &str, more: &[(&str, &str)]) -> String {
        let mut attributes = vec![("User-Name", user), ("User-Password", password)];
        attributes.extend(more);
        answer(&radclient(self.daemon.address, &attributes)).to_owned()
    }

    /// Lines of the log that tell of a login, until one that contains this.
    pub(crate) fn logins_until(&self, last: &str) -> Vec<String> {
        let mut found = Vec::new();
        let lines = self.daemon.lines.as_ref().unwrap();
        loop {
            let line = lines.recv_timeout(super::support::PATIENCE).expect("the line is written");
            if line.contains("login outcome=") {
                found.push(line.clone());
                if line.contains(last) {
                    return found;
                }
            }
        }
    }
}

pub(crate) fn append(file: &Path, lines: &str) {
    let text = super::support::read(file) + "\n" + lines;
    std::fs::write(file, text).unwrap();
}
