//! A real PostgreSQL of its own: in a temporary folder, on a Unix socket there, as a user that is not root. Also used by
//! unit tests, so it knows nothing of the rest of the test support.
//!
//! It ends with the thread that started it, even if that is killed.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Only part of the socket's name.
const PORT: u16 = 54321;

/// Settings of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Whether commits are durable; slow, and needed only where the server is killed.
    pub(crate) durable: bool,
    /// Further settings, such as `max_connections=20`.
    pub(crate) settings: Vec<String>,
    /// TCP port on 127.0.0.1 beside the socket.
    pub(crate) port: Option<u16>,
}

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    folder: tempfile::TempDir,
    options: Options,
    process: Option<Child>,
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub(crate) fn start(options: Options) -> Self {
        let folder = tempfile::Builder::new().prefix("doorward-pg").tempdir().expect("a temporary folder");
        if let Some(user) = user() {
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("chown");
        }
        let mut server = Self { folder, options, process: None };
        let made = server
            .program("initdb")
            .args(["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(server.data())
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.run();
        server
    }

    /// Where its files are.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Address of a database by its socket.
    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{}/{database}", self.port())
    }

    /// Writes one of its configuration files; it counts from the next start on.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.data().join(name);
        std::fs::write(&path, text).expect("a file of the server");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .expect("its mode");
        if let Some(user) = user() {
            chown(&path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("chown");
        }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Runs SQL as the superuser, by psql; what it prints.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let run = self
            .program("psql")
            .args([
                "-XAtq",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "postgres",
                "-p",
                &self.port().to_string(),
                "-d",
                database,
                "-c",
                sql,
            ])
            .arg("-h")
            .arg(self.folder.path())
            .output()
            .expect("psql runs");
        assert!(run.status.success(), "{sql}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8_lossy(&run.stdout).trim().to_owned()
    }

    /// Stops it in order; sessions are ended.
    pub(crate) fn stop(&mut self) {
        self.end(rustix::process::Signal::INT);
    }

    /// As a crash would: nothing is tidied up.
    pub(crate) fn kill(&mut self) {
        let Some(process) = &self.process else { return };
        // Its children notice that it is gone, and end; only then may another one be started.
        let children = children(process.id());
        self.end(rustix::process::Signal::KILL);
        let started = Instant::now();
        while children.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
            assert!(started.elapsed() < Duration::from_secs(20), "PostgreSQL's processes do not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Holds all its processes up, or lets them go on: a server that does not answer.
    pub(crate) fn freeze(&self, frozen: bool) {
        let signal = if frozen { rustix::process::Signal::STOP } else { rustix::process::Signal::CONT };
        let Some(process) = &self.process else { return };
        for id in children(process.id()).into_iter().chain([process.id()]) {
            signal_to(id, signal);
        }
    }

    /// Starts it again after [`Self::stop`] or [`Self::kill`].
    pub(crate) fn run(&mut self) {
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data());
        let listen = if self.options.port.is_some() { "127.0.0.1" } else { "" };
        let port = self.port();
        let mut settings = vec![
            format!("unix_socket_directories={}", self.folder.path().display()),
            format!("listen_addresses={listen}"),
            format!("port={port}"),
            "shared_buffers=32MB".to_owned(),
            format!("fsync={}", if self.options.durable { "on" } else { "off" }),
        ];
        settings.extend(self.options.settings.iter().cloned());
        for setting in settings {
            command.arg("-c").arg(setting);
        }
        let log = std::fs::File::options().create(true).append(true).open(self.log_file()).expect("a log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().expect("postgres runs"));
        let started = Instant::now();
        while !self.is_ready() {
            let gone = self
                .process
                .as_mut()
                .is_some_and(|process| process.try_wait().is_ok_and(|end| end.is_some()));
            assert!(!gone && started.elapsed() < Duration::from_secs(60), "PostgreSQL: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// It says so in the last line of its file.
    fn is_ready(&self) -> bool {
        let pid = self.process.as_ref().map(Child::id).unwrap_or_default().to_string();
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        file.lines().next() == Some(&pid) && file.lines().last().is_some_and(|line| line.trim() == "ready")
    }

    fn port(&self) -> u16 {
        self.options.port.unwrap_or(PORT)
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn end(&mut self, signal: rustix::process::Signal) {
        if let Some(mut process) = self.process.take() {
            signal_to(process.id(), signal);
            let _ = process.wait();
        }
    }

    /// One of its programs, run as the user that it belongs to.
    fn program(&self, name: &str) -> Command {
        let program = programs().join(name);
        let mut command = match user() {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
                command.args(["--clear-groups", "--pdeathsig=QUIT"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        // Not the folder of whoever runs the tests: that user may not be allowed to be there.
        command.current_dir(self.folder.path()).env("LC_ALL", "C").env_remove("PGOPTIONS");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.freeze(false);
        self.end(rustix::process::Signal::QUIT);
    }
}

/// Root may not run it; somebody else runs it as themselves.
fn user() -> Option<nix::unistd::User> {
    if !nix::unistd::Uid::effective().is_root() {
        return None;
    }
    let named = |name| nix::unistd::User::from_name(name).ok().flatten();
    Some(named("postgres").or_else(|| named("nobody")).expect("a user that is not root"))
}

/// Where Debian keeps the newest one's programs.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("apt-get install postgresql");
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| version.ok())
        .filter(|version| version.path().join("bin/initdb").exists())
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    found.sort();
    found.pop().expect("apt-get install postgresql").1
}

fn children(of: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn signal_to(id: u32, signal: rustix::process::Signal) {
    if let Some(pid) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}
