//! The demonstration with another configuration, and `eapol_test` against it.

use crate::support::slapd::Server;
use crate::support::{Daemon, PATIENCE, Someone, read};
use data_encoding::HEXLOWER;
use doorward::wire::eap::{Code, Fragment, Method, Packet};
use nix::sys::signal::Signal;
use std::collections::HashMap;
use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The client of the demonstration that is Wi-Fi: a password is enough.
pub(crate) const WIFI: &str = "127.0.0.9";

/// The demonstration.
pub(crate) struct World {
    pub(crate) daemon: Daemon,
    pub(crate) env: HashMap<String, String>,
    runs: tempfile::TempDir,
}

/// What `eapol_test` has said.
pub(crate) struct Said {
    pub(crate) success: bool,
    pub(crate) output: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Self { success: output.status.success(), output: text }
    }

    /// Logins whose keys are the same on both sides.
    pub(crate) fn equal_keys(&self) -> usize {
        let line = self.output.lines().find_map(|line| line.strip_prefix("MPPE keys OK: ")).unwrap();
        let (equal, mismatch) = line.split_once("mismatch: ").unwrap();
        assert!(!self.success || mismatch.trim() == "0", "{line}");
        equal.trim().parse().unwrap()
    }

    pub(crate) fn messages(&self) -> usize {
        self.output.matches("Sending RADIUS message").count()
    }

    /// The version of TLS in the end: before the server's hello it speaks of its own newest.
    pub(crate) fn tls_version(&self) -> &str {
        self.output.lines().rev().find_map(|line| line.strip_prefix("SSL: Using TLS version ")).unwrap()
    }

    /// EAP packets that went to and fro, in their order.
    fn packets(&self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let mut lines = self.output.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("RADIUS message: code=") {
                packets.push(Vec::new());
            } else if line.contains("Attribute 79 (EAP-Message)") {
                let value = lines.next().unwrap().trim().strip_prefix("Value: ").unwrap();
                packets.last_mut().unwrap().extend(HEXLOWER.decode(value.as_bytes()).unwrap());
            }
        }
        packets
    }

    /// The messages of TLS of one side: of how many octets, in how many parts.
    pub(crate) fn tls_messages(&self, side: Code) -> Vec<(usize, usize)> {
        let (mut messages, mut octets, mut parts) = (Vec::new(), 0, 0);
        for bytes in self.packets() {
            let packet = Packet::decode(&bytes).unwrap();
            let tunnel = matches!(packet.method, Some(Method::TTLS | Method::PEAP | Method::TLS));
            // What is none is a start.
            let Ok(part) = Fragment::decode(packet.data) else { continue };
            if packet.code != side || !tunnel || part.is_acknowledgement() {
                continue;
            }
            (octets, parts) = (octets + part.data.len(), parts + 1);
            if !part.more {
                messages.push((std::mem::take(&mut octets), std::mem::take(&mut parts)));
            }
        }
        messages
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(Daemon::demo(&[]))
    }

    /// Of a demonstration that may run elsewhere.
    pub(crate) fn of(daemon: Daemon) -> Self {
        let env = daemon.env();
        Self { daemon, env, runs: tempfile::tempdir().unwrap() }
    }

    /// With these lines in sections of the configuration.
    pub(crate) fn with(lines: &[(&str, &str)]) -> Self {
        let world = Self::new();
        world.configure(lines);
        world
    }

    /// Adds lines to sections and has the daemon read them.
    pub(crate) fn configure(&self, lines: &[(&str, &str)]) {
        let path = self.daemon.dir.join("doorward.toml");
        let mut text = read(&path);
        for (section, line) in lines {
            let header = format!("\n[{section}]\n");
            let key = line.split('=').next().unwrap();
            // What stands there already makes room.
            let (before, after) = text.split_once(&header).unwrap_or_else(|| panic!("no [{section}]"));
            let (own, rest) = after.split_once("\n[").unwrap();
            let own: String =
                own.lines().filter(|old| !old.starts_with(key)).map(|old| format!("{old}\n")).collect();
            text = format!("{before}{header}{line}\n{own}\n[{rest}");
        }
        std::fs::write(&path, text).unwrap();
        self.reload();
    }

    /// Adds an attribute that everybody gets.
    pub(crate) fn reply(&self, attribute: &str) {
        let path = self.daemon.dir.join("doorward.toml");
        let rule = format!("\n[[reply]]\n[reply.attributes]\n{attribute}\n");
        std::fs::write(&path, read(&path) + &rule).unwrap();
        self.reload();
    }

    /// Adds a line to the client that is Wi-Fi.
    pub(crate) fn at_wifi(&self, line: &str) {
        let path = self.daemon.dir.join("doorward.toml");
        let name = "\nname = \"wifi\"\n";
        let text = read(&path);
        assert_eq!(text.matches(name).count(), 1, "{text}");
        std::fs::write(&path, text.replace(name, &format!("{name}{line}\n"))).unwrap();
        self.reload();
    }

    /// SIGHUP, and waits until it has had its effect.
    pub(crate) fn reload(&self) {
        let reloads = || self.daemon.log().matches("configuration reloaded").count();
        let before = reloads();
        self.daemon.signal(Signal::SIGHUP);
        wait_until(|| {
            let log = self.daemon.log();
            assert!(!log.contains("reload refused"), "{log}");
            reloads() > before
        });
    }

    /// A person whose Access-Accept has a VLAN.
    pub(crate) fn employee(&self) -> Someone {
        self.daemon.with_app().remove(0)
    }

    pub(crate) fn decided(&self, reason: &str) -> u64 {
        self.daemon.counter(&format!("decision.{reason}"))
    }

    /// Runs `eapol_test` with these lines in its network block, from Wi-Fi, `again` times more after the first.
    pub(crate) fn eapol_test(&self, lines: &[String], again: usize) -> Said {
        self.eapol_test_by(&self.env["RADIUS_CA"], lines, again)
    }

    /// The same for a device that trusts another authority.
    pub(crate) fn eapol_test_by(&self, authority: &str, lines: &[String], again: usize) -> Said {
        let mut command = self.eapol_command((WIFI, authority), "", lines);
        Said::of(&command.args(["-r", &again.to_string()]).output().expect("eapol_test is installed"))
    }

    /// `eapol_test` at a client, with lines before its network block.
    fn eapol_command(&self, (at, authority): (&str, &str), before: &str, lines: &[String]) -> Command {
        let name = &self.env["EAP_SERVER_NAME"];
        let network = format!(
            "{before}network={{\n key_mgmt=IEEE8021X\n ca_cert=\"{authority}\"\n domain_match=\"{name}\"\n {}\n}}\n",
            lines.join("\n ")
        );
        let file = self.runs.path().join(uuid::Uuid::now_v7().to_string());
        std::fs::write(&file, network).unwrap();
        let mut command = Command::new("eapol_test");
        command
            .args(["-a", "127.0.0.1", "-A", at, "-p", &self.env["RADIUS_PORT"]])
            .args(["-s", &self.env["RADIUS_SECRET"], "-t", "30", "-c"])
            .arg(&file);
        command
    }

    /// Runs `eapol_test` at a client for somebody who sits there and types these each time they are asked; what they were asked.
    pub(crate) fn typed_into(&self, at: &str, lines: &[String], typed: &[&str]) -> (Vec<String>, Said) {
        let folder = self.runs.path().join(uuid::Uuid::now_v7().to_string());
        let before = format!("ctrl_interface={}\n", folder.display());
        let mut device = self.eapol_command((at, &self.env["RADIUS_CA"]), &before, lines);
        // With `-W` it waits until somebody listens.
        let device = device.arg("-W").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Nobody waits for it without an end, should this fail in between.
        let mut device = Server(device.spawn().expect("eapol_test is installed"));
        let mut stdout = device.0.stdout.take().unwrap();
        let output = thread::spawn(move || {
            let mut text = Vec::new();
            stdout.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
        });
        let control = folder.join("test");
        wait_until(|| control.exists());
        let socket = UnixDatagram::bind(self.runs.path().join(uuid::Uuid::now_v7().to_string())).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(&control).unwrap();
        socket.send(b"ATTACH").unwrap();
        let (mut asked, mut typed, mut buffer) = (Vec::new(), typed.iter(), [0; 4096]);
        loop {
            let length = socket.recv(&mut buffer).expect("it says how it goes");
            let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if let Some((_, question)) = said.split_once("CTRL-REQ-OTP-0:") {
                asked.push(question.to_owned());
                let typed = typed.next().expect("it asks no more often");
                socket.send(format!("CTRL-RSP-OTP-0:{typed}").as_bytes()).unwrap();
            } else if said.contains("CTRL-EVENT-EAP-SUCCESS") || said.contains("CTRL-EVENT-EAP-FAILURE") {
                break;
            }
        }
        let success = device.0.wait().unwrap().success();
        (asked, Said { success, output: output.join().unwrap().unwrap() })
    }

    /// Writes a file of the configuration's folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.daemon.dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}

/// Who it is and their password, behind an anonymous outer identity.
pub(crate) fn credentials(user: &str, password: &str) -> Vec<String> {
    vec![
        format!("identity=\"{user}\""),
        "anonymous_identity=\"anonymous@example.edu\"".to_owned(),
        format!("password=\"{password}\""),
    ]
}

/// A certificate and its key.
pub(crate) fn certificate(certificate: &Path, key: &Path) -> Vec<String> {
    vec![
        "eap=TLS".to_owned(),
        "identity=\"anonymous@example.edu\"".to_owned(),
        format!("client_cert=\"{}\"", certificate.display()),
        format!("private_key=\"{}\"", key.display()),
    ]
}

/// Looks until it is so.
pub(crate) fn wait_until(so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < PATIENCE, "it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}
