//! Redis for tests: servers in folders of their own, on loopback ports of their own, stopped by their pids.
//!
//! Each listens on a Unix socket too, where a test is the superuser whatever the rest of the configuration says.

use super::read;
use super::slapd::{Certificates, Server, free_port, until};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What may differ from `Redis::start`.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    /// The port speaks TLS with the server's certificate of this folder (`Certificates::write`).
    pub(crate) tls: Option<PathBuf>,
    /// Further lines of `redis.conf`.
    pub(crate) extra: String,
    /// A Sentinel instead of a server; it has no superuser's socket.
    pub(crate) sentinel: bool,
}

/// One server.
pub(crate) struct Redis {
    server: Server,
    pub(crate) port: u16,
    temporary: tempfile::TempDir,
    setup: Setup,
}

impl Redis {
    pub(crate) fn start() -> Self {
        Self::with(&Setup::default())
    }

    pub(crate) fn with(setup: &Setup) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        for _ in 0..10 {
            let port = free_port();
            std::fs::write(temporary.path().join("redis.conf"), configuration(temporary.path(), port, setup))
                .unwrap();
            if let Some(server) = launch(temporary.path(), port, setup) {
                return Self { server, port, temporary, setup: setup.clone() };
            }
        }
        panic!("no free port for Redis:\n{}", read(&temporary.path().join("log.txt")))
    }

    pub(crate) fn dir(&self) -> &Path {
        self.temporary.path()
    }

    /// `unix:` of the superuser's socket.
    pub(crate) fn socket(&self) -> String {
        format!("unix:{}", self.dir().join("redis.sock").display())
    }

    /// `redis://` or `rediss://` by the address.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.setup.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The superuser's connection.
    pub(crate) fn superuser(&self) -> redis::Connection {
        self.connection().unwrap()
    }

    fn connection(&self) -> redis::RedisResult<redis::Connection> {
        redis::Client::open(format!("redis+{}", self.socket().replacen("unix:", "unix://", 1)))?
            .get_connection()
    }

    /// What the superuser is answered; words are separated by spaces.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, words: &str) -> T {
        self.try_ask(words).unwrap()
    }

    /// The same while a Sentinel cuts everybody off.
    pub(crate) fn try_ask<T: redis::FromRedisValue>(&self, words: &str) -> redis::RedisResult<T> {
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            command.arg(word);
        });
        command.query(&mut self.connection()?)
    }

    /// How often a command was called since the last `CONFIG RESETSTAT`.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let stats: String = self.ask("INFO commandstats");
        let line = format!("cmdstat_{command}:calls=");
        let calls = stats.lines().find_map(|found| found.strip_prefix(&line));
        calls.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }

    /// `kill -9`: nothing is saved.
    pub(crate) fn kill(&mut self) {
        self.server.kill();
    }

    /// On the same port, empty, after `kill`.
    pub(crate) fn start_again(&mut self) {
        assert!(self.server.has_ended(), "Redis still runs");
        // What another program holds for a moment is waited for.
        self.server = until("the port of Redis", || launch(self.temporary.path(), self.port, &self.setup));
    }

    /// Accepts connections from now on, but answers nothing.
    pub(crate) fn pause(&self) {
        self.server.signal(Signal::SIGSTOP);
    }

    pub(crate) fn resume(&self) {
        self.server.signal(Signal::SIGCONT);
    }
}

fn configuration(dir: &Path, port: u16, setup: &Setup) -> String {
    let mut text = format!("bind 127.0.0.1\ndir {}\ndaemonize no\n", dir.display());
    text += &match &setup.tls {
        None => format!("port {port}\n"),
        Some(certificates) => {
            let at = certificates.display();
            format!(
                "port 0\ntls-port {port}\ntls-cert-file {at}/server.pem\ntls-key-file {at}/server.key\n\
                 tls-ca-cert-file {at}/ca.pem\ntls-auth-clients no\n"
            )
        }
    };
    if !setup.sentinel {
        text += &format!("save \"\"\nappendonly no\nunixsocket {}/redis.sock\n", dir.display());
    }
    text + &setup.extra
}

/// Starts Redis and waits until it serves; `None` if the port is taken.
fn launch(dir: &Path, port: u16, setup: &Setup) -> Option<Server> {
    let log_file = dir.join("log.txt");
    let log = std::fs::File::options().create(true).append(true).open(&log_file).unwrap();
    let seen = usize::try_from(log.metadata().unwrap().len()).unwrap();
    let mut command = Command::new("redis-server");
    command.arg(dir.join("redis.conf")).args(setup.sentinel.then_some("--sentinel"));
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut server = Server(command.spawn().expect("redis-server is installed"));
    let serves = || match setup.sentinel {
        true => std::net::TcpStream::connect(("127.0.0.1", port)).is_ok(),
        false => std::os::unix::net::UnixStream::connect(dir.join("redis.sock")).is_ok(),
    };
    until("the start of Redis", || {
        if server.has_ended() {
            let log = read(&log_file);
            assert!(log[seen..].contains("Address already in use"), "Redis did not start:\n{log}");
            return Some(false);
        }
        (serves()
            && read(&log_file)[seen..].contains(if setup.sentinel { "+monitor" } else { "eady to accept" }))
        .then_some(true)
    })
    .then_some(server)
}

/// Three masters without replicas that share the slots.
pub(crate) fn cluster(tls: Option<&Path>, extra: &str) -> Vec<Redis> {
    let node = || {
        let more = if tls.is_some() { "tls-cluster yes\n" } else { "" };
        let setup = Setup {
            tls: tls.map(Path::to_owned),
            extra: format!(
                "cluster-enabled yes\ncluster-port {}\ncluster-node-timeout 1000\n{more}\
                 cluster-require-full-coverage no\n{extra}",
                free_port()
            ),
            sentinel: false,
        };
        Redis::with(&setup)
    };
    let nodes = vec![node(), node(), node()];
    for (node, slots) in nodes.iter().zip(["0 5000", "5001 11000", "11001 16383"]) {
        let _: () = node.ask(&format!("CLUSTER ADDSLOTSRANGE {slots}"));
    }
    for other in &nodes[1..] {
        let bus = other.setup.extra.split("cluster-port ").nth(1).unwrap().lines().next().unwrap().to_owned();
        let _: () = nodes[0].ask(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", other.port));
    }
    until("the Cluster", || {
        let whole = |node: &Redis| {
            let info: String = node.ask("CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
        };
        nodes.iter().all(whole).then_some(())
    });
    nodes
}

/// A certificate for this machine in a folder of its own.
pub(crate) fn certificates() -> (tempfile::TempDir, Certificates) {
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::write(dir.path(), &["localhost", "127.0.0.1"]);
    (dir, certificates)
}
