//! Under a service manager: what it is told, and the unit that is shipped.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use command_fds::{CommandFdExt, FdMapping};
use nix::sys::signal::Signal;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use support::slapd::until;
use support::{DOORWARD, Daemon, PATIENCE};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/doorward.service");

/// A manager that listens.
struct Manager(UnixDatagram);

impl Manager {
    /// The next message that begins so; others in between are feeding of the watchdog.
    fn next(&self, begin: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self.0.recv(&mut buffer).expect("a message of the daemon");
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.starts_with(begin) {
                return text;
            }
            assert_eq!(text, "WATCHDOG=1\n", "while waiting for {begin}");
        }
    }
}

// R-SYS-1
#[test]
fn manager_is_told_when_it_serves_reloads_lives_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&socket).unwrap());
    manager.0.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut child = Command::new(DOORWARD)
        .args(["demo", "--radius-port", "0", "--portal-port", "0", "--api-port", "0", "--dir"])
        .arg(dir.path().join("demo"))
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "600000")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let signal = |signal| {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    };
    let ready = manager.next("READY=1\n");
    assert!(ready.contains("STATUS=RADIUS is served at 127.0.0.1:"), "{ready}");
    for _ in 0..3 {
        manager.next("WATCHDOG=1\n");
    }
    signal(Signal::SIGHUP);
    let reloading = manager.next("RELOADING=1\n");
    let since: u64 =
        reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")?.parse().ok()).unwrap();
    assert!(since > 0);
    manager.next("READY=1\n");
    std::fs::create_dir(dir.path().join("demo/conf.d")).unwrap();
    std::fs::write(dir.path().join("demo/conf.d/wrong.toml"), "[codes]\nper_persn = 3\n").unwrap();
    let mut reload = Command::new(DOORWARD);
    let reload =
        reload.arg("--socket").arg(dir.path().join("demo/admin.sock")).arg("reload").output().unwrap();
    assert_eq!(reload.status.code(), Some(1), "{reload:?}");
    manager.next("RELOADING=1\n");
    let ready = manager.next("READY=1\n");
    assert!(ready.contains("the last reload was refused"), "{ready}");
    signal(Signal::SIGTERM);
    // More than systemd usually allows, if the configuration does.
    let stopping = manager.next("STOPPING=1\n");
    assert!(stopping.contains("EXTEND_TIMEOUT_USEC=45000000\n"), "{stopping}");
    assert!(child.wait().unwrap().success());
}

// R-SYS-1
#[test]
fn unit_is_in_order_and_leaves_the_daemon_little() {
    // A unit of which the program is not there is no good one, so it gets one that is.
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("doorward.service");
    let text = std::fs::read_to_string(UNIT).unwrap();
    std::fs::write(&unit, text.replace("/usr/bin/doorward", DOORWARD)).unwrap();
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).arg(&unit).output();
        let output = output.expect("tests/run installs systemd");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let said = analyze(&["verify", "--man=no", "--recursive-errors=no"]);
    assert!(said.trim().is_empty(), "{said}");
    // In a user namespace the kernel tells of everybody but root that they are nobody, whose role nobody could give.
    assert!(text.lines().any(|line| line == "PrivateUsers=no"), "[[admin.role]] needs to know who calls");
    let said = analyze(&["security", "--offline=true", "--no-pager"]);
    let exposure =
        said.lines().find_map(|line| line.split("exposure level for doorward.service:").nth(1)).unwrap();
    let exposure: f64 = exposure.split_whitespace().next().unwrap().parse().unwrap();
    assert!(exposure <= 1.5, "{exposure}");
}

#[test]
fn socket_unit_is_in_order_and_no_document_stops_the_service_without_it() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["doorward.service", "doorward.socket"] {
        let text = support::read(&Path::new(ROOT).join("systemd").join(name));
        std::fs::write(dir.path().join(name), text.replace("/usr/bin/doorward", DOORWARD)).unwrap();
    }
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(dir.path().join("doorward.socket"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && said.trim().is_empty(), "{said}");
    // The addresses of the socket are those that a configuration without any has.
    let socket = support::read(&Path::new(ROOT).join("systemd/doorward.socket"));
    let bound: Vec<_> = socket.lines().filter_map(|line| line.strip_prefix("ListenDatagram=")).collect();
    let shipped = support::read(&Path::new(ROOT).join("conf/doorward.toml"));
    assert!(
        bound.iter().all(|address| shipped.contains(&format!("\n#listen = [\"{address}\"]\n"))),
        "{bound:?}"
    );
    // While its socket is open, the next datagram starts the service again: in the midst of a restore, for one.
    let mut stops = 0;
    for entry in std::fs::read_dir(Path::new(ROOT).join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "md") {
            let text = support::read(&path);
            for line in text.lines().filter(|line| line.contains("systemctl stop")) {
                assert!(line.contains("doorward.socket doorward.service"), "{}: {line}", path.display());
                stops += 1;
            }
        }
    }
    assert!(stops > 1);
}

fn write(dir: &Path, name: &str, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(name));
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

/// Opens sockets before the daemon is there, hands them over, and keeps them when it has gone.
struct Opened {
    radius: Vec<UdpSocket>,
    portal: TcpListener,
    admin: UnixListener,
}

impl Opened {
    /// `readers` sockets for RADIUS. The folder gets a configuration of what they are bound to.
    fn new(dir: &Path, readers: usize) -> Self {
        let mut radius: Vec<UdpSocket> = Vec::new();
        for _ in 0..readers {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
            socket.set_reuse_port(true).unwrap();
            let address =
                radius.first().map_or(([127, 0, 0, 1], 0).into(), |first| first.local_addr().unwrap());
            socket.bind(&address.into()).unwrap();
            radius.push(socket.into());
        }
        let portal = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = UnixListener::bind(dir.join("admin.sock")).unwrap();
        let opened = Self { radius, portal, admin };
        write(dir, "k1.key", &data_encoding::BASE64.encode(&[7; 32]));
        write(dir, "radius.secret", "demo-radius-shared-secret\n");
        let text = format!(
            "[store]\npath = \"doorward.db\"\n[keys]\nfiles = [\"k1.key\"]\n[radius]\nlisten = [\"{}\"]\n\
             [[client]]\nname = \"vpn\"\nnetworks = [\"127.0.0.1\"]\nsecret_file = \"radius.secret\"\nlogin = \"password\"\n\
             [password]\nmemory = \"64KiB\"\npasses = 1\n[portal]\nlisten = [\"{}\"]\n\
             [admin]\nsocket = \"{}\"\n",
            opened.address(),
            opened.portal.local_addr().unwrap(),
            dir.join("admin.sock").display(),
        );
        write(dir, "doorward.toml", &text);
        opened
    }

    fn address(&self) -> SocketAddr {
        self.radius[0].local_addr().unwrap()
    }

    /// Starts the daemon with all of them, from descriptor 3 on, as systemd does.
    fn serve(&self, dir: &Path) -> Daemon {
        let sockets = self.radius.iter().map(|socket| socket.as_fd().try_clone_to_owned().unwrap());
        let others = [self.portal.as_fd(), self.admin.as_fd()];
        let all = sockets.chain(others.map(|socket| socket.try_clone_to_owned().unwrap()));
        Daemon::serve_by(handing_over(all), dir)
    }
}

/// A daemon that gets these.
fn handing_over(sockets: impl IntoIterator<Item = OwnedFd>) -> Command {
    let all: Vec<_> =
        (3..).zip(sockets).map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd }).collect();
    // Who is meant is said by its number, which it gets only now.
    let mut command = Command::new("sh");
    command.args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\"", DOORWARD]);
    command.env("LISTEN_FDS", all.len().to_string());
    command.fd_mappings(all).unwrap();
    command
}

/// Whether somebody who is nobody is refused there.
fn answers(address: SocketAddr) -> bool {
    let client = support::udp("127.0.0.1", PATIENCE);
    client.send_to(&support::access_request(1, [9; 16], "nobody", "wrong"), address).unwrap();
    client.recv(&mut [0; 4096]).is_ok()
}

// R-SYS-1
#[test]
fn address_that_a_reload_takes_away_and_another_gives_back_is_served_again() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::new(dir.path(), 2);
    let daemon = opened.serve(dir.path());
    let file = dir.path().join("doorward.toml");
    let text = support::read(&file);
    let reload = |listen: &str| {
        let ours = format!("listen = [\"{}\"]", opened.address());
        std::fs::write(&file, text.replacen(&ours, &format!("listen = [\"{listen}\"]"), 1)).unwrap();
        daemon.signal(Signal::SIGHUP);
        let log = daemon.lines.as_ref().unwrap();
        while !log.recv_timeout(PATIENCE).unwrap().contains("configuration reloaded") {}
    };
    assert_eq!(daemon.json(&["status"])["unserved"], serde_json::json!([]));
    reload("127.0.0.1:0");
    let status = daemon.json(&["status"]);
    assert_eq!(status["unserved"], serde_json::json!([format!("udp {}", opened.address())]), "{status}");
    assert!(status["problems"][0].as_str().unwrap().contains("does not name"), "{status}");
    reload(&opened.address().to_string());
    assert!(answers(opened.address()));
    assert_eq!(daemon.json(&["status"])["problems"], serde_json::json!([]));
}

// R-SYS-1
#[test]
fn socket_that_is_left_over_is_named_where_it_stands_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::new(dir.path(), 1);
    let port = opened.address().port();
    // What doorward.socket opens for all addresses, while the configuration has come to name one.
    let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::DGRAM, None).unwrap();
    socket.set_only_v6(false).unwrap();
    drop(opened);
    let wildcard: SocketAddr = format!("[::]:{port}").parse().unwrap();
    socket.bind(&wildcard.into()).unwrap();
    let mut command = handing_over([UdpSocket::from(socket).into()]);
    let ended = command.args(["serve", "--config"]).arg(dir.path().join("doorward.toml")).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("hands over udp {wildcard}")), "{said}");
    assert!(said.contains("socket unit keep an address open"), "{said}");
}

// R-SYS-1
#[test]
fn start_anew_with_sockets_that_stay_open_leaves_no_request_unanswered() {
    const PEOPLE: usize = 4;
    const RESTARTS: usize = 3;
    let dir = tempfile::tempdir().unwrap();
    let opened = Opened::new(dir.path(), 2);
    let mut daemon = opened.serve(dir.path());
    let added = daemon.run_with(&["person", "add", "anna"], "left-luggage-counter\n");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let (over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let ask = |number: usize| {
        let client = support::udp("127.0.0.1", PATIENCE);
        let mut answered = 0_usize;
        while !over.load(Ordering::Relaxed) {
            let identifier = u8::try_from(answered % 256).unwrap();
            let authenticator =
                std::array::from_fn(|at| identifier ^ u8::try_from(number * 16 + at).unwrap());
            let request = support::access_request(identifier, authenticator, "anna", "left-luggage-counter");
            client.send_to(&request, opened.address()).unwrap();
            sent.fetch_add(1, Ordering::Relaxed);
            let mut answer = [0; 4096];
            // Asked once: what is lost is never answered.
            let length = client
                .recv(&mut answer)
                .unwrap_or_else(|error| panic!("request {answered} got no answer: {error}"));
            assert_eq!((answer[0], answer[1], length >= 20), (2, identifier, true), "an Access-Accept");
            answered += 1;
        }
        answered
    };
    let answered: usize = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..PEOPLE).map(|number| scope.spawn(move || ask(number))).collect();
        let ends = support::Over(&over);
        for round in 0..RESTARTS {
            let before = sent.load(Ordering::Relaxed);
            until("requests are under way", || (sent.load(Ordering::Relaxed) > before + 100).then_some(()));
            daemon.signal(Signal::SIGTERM);
            assert!(daemon.child.wait().unwrap().success());
            // Nobody is there now, and what is asked waits.
            daemon = opened.serve(dir.path());
            assert_eq!(daemon.address, opened.address(), "start {round}");
        }
        drop(ends);
        asking.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(answered, sent.load(Ordering::Relaxed));
    let portal = format!("http://{}/", opened.portal.local_addr().unwrap());
    let page = Command::new("curl").args(["-fsS", "--max-time", "60", &portal]).output().unwrap();
    assert!(page.status.success(), "{}", String::from_utf8_lossy(&page.stderr));
    let status = daemon.json(&["status"]);
    assert_eq!(status["addresses"][0], opened.address().to_string(), "{status}");
}
