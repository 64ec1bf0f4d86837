//! A running daemon for tests: the real binary on ports of its own, stopped by its pid.

#![expect(dead_code, reason = "each test binary uses a part of it")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

pub(crate) mod browser;
pub(crate) mod directory;
pub(crate) mod ds389;
pub(crate) mod duo;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod namespace;
pub(crate) mod portal;
pub(crate) mod postgres;
pub(crate) mod redis;
pub(crate) mod samba;
pub(crate) mod slapd;
pub(crate) mod smtp;
pub(crate) mod yubiserver;

use doorward::wire::radius::{AttributeType, Code, Request, SharedSecret};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// The binary under test.
pub(crate) const DOORWARD: &str = env!("CARGO_BIN_EXE_doorward");

/// Longest wait for anything; reached only when something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon in a folder of its own.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    pub(crate) dir: PathBuf,
    pub(crate) address: SocketAddr,
    /// Where the portal is served.
    pub(crate) portal: Option<SocketAddr>,
    /// Where applications are served.
    pub(crate) api: Option<SocketAddr>,
    /// Where metrics are served.
    pub(crate) metrics: Option<SocketAddr>,
    /// Where OTPs are validated for programs.
    pub(crate) wsapi: Option<SocketAddr>,
    /// What `serve` logs from now on.
    pub(crate) lines: Option<Receiver<String>>,
    _temporary: Option<tempfile::TempDir>,
}

/// A person of `people.csv`.
#[derive(Debug, Clone)]
pub(crate) struct Someone {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) totp: String,
}

/// Lines of a pipe, read on a thread so that the writer never blocks.
pub(crate) fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // A test that fails shows what the daemon said.
            eprintln!("{line}");
            let _ = sender.send(line);
        }
    });
    receiver
}

/// The address in a line of the log: `address=1.2.3.4:5` in text, `"address":"1.2.3.4:5"` in JSON.
fn logged(line: &str) -> Option<SocketAddr> {
    let after = line.split("address").nth(1)?.trim_start_matches(['"', ':', '=']);
    after.split(['"', ' ']).next().and_then(|text| text.parse().ok())
}

impl Daemon {
    /// `doorward demo` in a temporary folder; standard error goes to `log.txt` there.
    pub(crate) fn demo(more: &[&str]) -> Self {
        Self::demo_by(Command::new(DOORWARD), more)
    }

    /// The same by a command that may run in another network namespace.
    pub(crate) fn demo_by(command: Command, more: &[&str]) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path().to_owned();
        let mut daemon = Self::begin_demo(command, &dir, more);
        daemon._temporary = Some(temporary);
        daemon
    }

    /// `doorward demo` in a folder that outlives it.
    pub(crate) fn demo_in(dir: &Path, more: &[&str]) -> Self {
        Self::begin_demo(Command::new(DOORWARD), dir, more)
    }

    fn begin_demo(mut command: Command, dir: &Path, more: &[&str]) -> Self {
        command.args(["demo", "--radius-port", "0", "--dir"]).arg(dir).args(more);
        if !more.contains(&"--portal-port") {
            command.args(["--portal-port", "0"]);
        }
        command.args(["--api-port", "0"]);
        let log = std::fs::File::options().create(true).append(true).open(dir.join("log.txt")).unwrap();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().expect("the demo starts");
        let out = lines(child.stdout.take().unwrap());
        loop {
            match out.recv_timeout(PATIENCE) {
                Ok(line) if line.contains("Ctrl-C ends it") => break,
                Ok(_) => {}
                Err(error) => {
                    let _ = child.kill();
                    panic!("the demo did not start: {error}\n{}", read(&dir.join("log.txt")))
                }
            }
        }
        let mut daemon = Self {
            child,
            dir: dir.to_owned(),
            address: ([127, 0, 0, 1], 0).into(),
            portal: None,
            api: None,
            metrics: None,
            wsapi: None,
            lines: None,
            _temporary: None,
        };
        let env = daemon.env();
        daemon.address = format!("{}:{}", env["RADIUS_HOST"], env["RADIUS_PORT"]).parse().unwrap();
        daemon.portal = env["PORTAL_URL"].strip_prefix("http://").map(|portal| portal.parse().unwrap());
        daemon
    }

    /// `doorward serve` on a configuration in `dir/doorward.toml`; ready when the log says that the socket is served.
    pub(crate) fn serve_in(dir: &Path, env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(DOORWARD);
        command.envs(env.iter().copied());
        Self::serve_by(command, dir)
    }

    /// The same by a command that may run in another network namespace.
    pub(crate) fn serve_by(mut command: Command, dir: &Path) -> Self {
        command.arg("serve").arg("--config").arg(dir.join("doorward.toml"));
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = lines(child.stderr.take().unwrap());
        let (mut address, mut portal, mut api, mut metrics, mut wsapi) = (None, None, None, None, None);
        let mut seen = String::new();
        loop {
            match log.recv_timeout(PATIENCE) {
                Ok(line) => {
                    if line.contains("RADIUS is served") {
                        address = logged(&line);
                    }
                    if line.contains("[portal] is served") {
                        portal = logged(&line);
                    }
                    if line.contains("[api] is served") {
                        api = logged(&line);
                    }
                    if line.contains("[wsapi] is served") {
                        wsapi = logged(&line);
                    }
                    if line.contains("[metrics] is served") {
                        metrics = logged(&line);
                    }
                    let ready = line.contains("the admin socket is served");
                    seen = seen + &line + "\n";
                    if ready {
                        break;
                    }
                }
                Err(error) => {
                    let _ = child.kill();
                    panic!("the daemon did not start: {error}\n{seen}")
                }
            }
        }
        let address = address.unwrap_or(([127, 0, 0, 1], 0).into());
        Self {
            child,
            dir: dir.to_owned(),
            address,
            portal,
            api,
            metrics,
            wsapi,
            lines: Some(log),
            _temporary: None,
        }
    }

    /// Variables of `demo.env`.
    pub(crate) fn env(&self) -> HashMap<String, String> {
        let text = read(&self.dir.join("demo.env"));
        let pair = |line: &str| {
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), value.trim_matches('\'').to_owned())
        };
        text.lines().map(pair).collect()
    }

    /// People of `people.csv`.
    pub(crate) fn people(&self) -> Vec<Someone> {
        let text = read(&self.dir.join("people.csv"));
        let row = |line: &str| {
            let mut fields = line.split(',').map(str::to_owned);
            Someone {
                user: fields.next().unwrap(),
                password: fields.next().unwrap(),
                totp: fields.next().unwrap(),
            }
        };
        text.lines().map(row).collect()
    }

    /// People who have an app.
    pub(crate) fn with_app(&self) -> Vec<Someone> {
        self.people().into_iter().filter(|person| !person.totp.is_empty()).collect()
    }

    /// People who have a password only.
    pub(crate) fn without_app(&self) -> Vec<Someone> {
        self.people().into_iter().filter(|person| person.totp.is_empty()).collect()
    }

    pub(crate) fn log(&self) -> String {
        read(&self.dir.join("log.txt"))
    }

    /// Runs a command of the command line against this daemon.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, "")
    }

    /// The same, with something on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        use std::io::Write;
        let mut child = Command::new(DOORWARD)
            .arg("--socket")
            .arg(self.dir.join("admin.sock"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Runs a command that must succeed; its output as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(&[&["--json"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A counter of `doorward status`.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.json(&["status"])["radius"][name].as_u64().unwrap_or(0)
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits; the exit status must be 0.
    pub(crate) fn stop(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says that something is over when it is dropped, so that a test that fails ends its threads as well.
pub(crate) struct Over<'a>(pub(crate) &'a std::sync::atomic::AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The shared secret of the demonstration.
pub(crate) fn secret() -> SharedSecret {
    SharedSecret::new("demo-radius-shared-secret".into()).unwrap()
}

/// A socket that waits at most so long.
pub(crate) fn udp(from: &str, patience: Duration) -> UdpSocket {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    socket
}

/// An Access-Request as sealed bytes, with its authenticator.
pub(crate) fn access_request(identifier: u8, authenticator: [u8; 16], user: &str, typed: &str) -> Vec<u8> {
    Request::new(Code::ACCESS_REQUEST, identifier, authenticator)
        .attribute(AttributeType::USER_NAME, user.as_bytes())
        .password(typed.into())
        .seal(&secret())
        .unwrap()
}

/// The present code of a base32 key, by Debian's oathtool.
pub(crate) fn oathtool(arguments: &[&str]) -> String {
    let output = Command::new("oathtool").args(arguments).output().expect("oathtool is installed");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The code of a key some steps of 30 s from now: -1, 0 and 1 are accepted.
pub(crate) fn code(base32: &str, steps: i64) -> String {
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // A code of the step before is good for as long as this step lasts. One that is about to end is let go by, so that the
    // code does not go stale between here and the daemon.
    while steps < 0 && now() % 30 >= 25 {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let at = i64::try_from(now()).unwrap() + 30 * steps;
    oathtool(&["--totp", "-b", base32, "--now", &format!("@{at}")])
}

/// What radclient says of one request: its whole output.
pub(crate) fn radclient(server: SocketAddr, attributes: &[(&str, &str)]) -> String {
    radclient_by(Command::new("radclient"), "20", server, attributes)
}

/// The same by a command that may run in another network namespace, waiting so many seconds for an answer.
pub(crate) fn radclient_by(
    mut radclient: Command,
    patience: &str,
    server: SocketAddr,
    attributes: &[(&str, &str)],
) -> String {
    use std::io::Write;
    let mut child = radclient
        .args(["-x", "-r", "1", "-t", patience, &server.to_string(), "auth", "demo-radius-shared-secret"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("radclient is installed");
    let quote = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
    let mut lines: String = attributes
        .iter()
        .map(|(name, value)| match value.strip_prefix("0x") {
            Some(_) => format!("{name} = {value}\n"),
            None => format!("{name} = \"{}\"\n", quote(value)),
        })
        .collect();
    lines.push_str("Message-Authenticator = 0x00\n");
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The answer's name in radclient's output.
pub(crate) fn answer(output: &str) -> &str {
    output.split_once("Received ").map_or("no answer", |(_, rest)| rest.split_whitespace().next().unwrap())
}

/// An attribute's value in radclient's output.
pub(crate) fn value<'o>(output: &'o str, name: &str) -> Option<&'o str> {
    let received = output.split_once("Received ")?.1;
    let line = received.lines().find(|line| line.trim_start().starts_with(&format!("{name} =")))?;
    Some(line.split_once('=')?.1.trim().trim_matches('"'))
}

/// Another program that has the database locked, until it is let go.
pub(crate) struct DatabaseLock {
    program: Child,
    input: ChildStdin,
}

impl DatabaseLock {
    /// Takes the lock of a daemon's database.
    pub(crate) fn take(dir: &Path) -> Self {
        let mut sqlite = Command::new("sqlite3");
        // The daemon may be writing just now. Without -bail the answer would come although the lock was not had.
        sqlite.args(["-bail", "-cmd", ".timeout 20000"]).arg(dir.join("doorward.db"));
        sqlite.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = sqlite.spawn().expect("sqlite3 is installed");
        let mut input = program.stdin.take().unwrap();
        input.write_all(b"BEGIN EXCLUSIVE;\nSELECT 'locked';\n").unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "locked");
        Self { program, input }
    }

    /// Gives it back.
    pub(crate) fn let_go(self) {
        let Self { mut program, mut input } = self;
        input.write_all(b"ROLLBACK;\n.quit\n").unwrap();
        drop(input);
        program.wait().unwrap();
    }
}
