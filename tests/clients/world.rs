//! Three machines in a row, with the addresses of the guides: Doorward, a NAS, and the person's own.

use crate::guide::{File, Guide, Place, SECRET, secrets, write_secret};
use crate::support::namespace::Namespace;
use crate::support::slapd::{succeed, until};
use crate::support::{DOORWARD, Daemon, PATIENCE, Someone, code, read};
use nix::sys::signal::Signal;
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Where Doorward is in the guides.
const DOORWARD_AT: &str = "192.0.2.10";
/// The NAS, towards Doorward and towards people.
pub(crate) const NAS: &str = "192.0.2.20";
pub(crate) const NAS_OUTSIDE: &str = "198.51.100.1";
/// The person's machine.
const PERSON: &str = "198.51.100.7";
/// What is behind the NAS, and reached through a tunnel only.
pub(crate) const INSIDE: &str = "10.90.0.1";

/// A machine: a network namespace, and files of its own in front of this machine's `/etc`, and an own `/run`.
pub(crate) struct Machine {
    pub(crate) namespace: Namespace,
    root: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["etc", "run"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        // Daemons that give root up must get through.
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { namespace: Namespace::new(), root }
    }

    /// Puts a file there.
    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        let at = self.path(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(&at, text).unwrap();
        at
    }

    /// Where a file of that machine is on this one.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// A program there; it becomes the child itself.
    pub(crate) fn command(&self, program: &str) -> Command {
        const SEEN: &str = "mount -t overlay overlay -o \"lowerdir=$1/etc:/etc\" /etc && mount --bind \"$1/run\" /run && \
            shift && exec \"$@\"";
        let mut command = self.namespace.command("unshare");
        command.args(["-m", "sh", "-c", SEEN, "sh"]).arg(self.root.path()).arg(program);
        command
    }

    /// Starts a daemon there, which is stopped by its pid.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        let log = self.root.path().join(format!("{}.log", uuid::Uuid::now_v7()));
        let file = std::fs::File::create(&log).unwrap();
        let mut command = self.command(words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Running { child: command.spawn().unwrap(), log }
    }

    fn address(&self, address: &str, card: &str) {
        let ip = ["-n", self.namespace.name(), "address", "add", address, "dev", card];
        succeed(Command::new("ip").args(ip), "");
    }
}

/// A daemon of a machine.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// What it has said so far, which may end in the middle of a letter.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Waits until it has said so.
    pub(crate) fn says(&mut self, what: &str) {
        let begin = Instant::now();
        while !self.log().contains(what) {
            let over = self.child.try_wait().unwrap();
            assert!(over.is_none(), "it ended ({over:?}) before it said {what}:\n{}", self.log());
            assert!(begin.elapsed() < PATIENCE, "it never said {what}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // In order first, so that it ends its own children.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = nix::sys::signal::kill(pid, Signal::SIGTERM);
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The machines. What is named first ends first.
pub(crate) struct World {
    pub(crate) daemon: Daemon,
    pub(crate) env: HashMap<String, String>,
    pub(crate) nas: Machine,
    pub(crate) person: Machine,
    _doorward: Machine,
    served: std::cell::Cell<usize>,
    before: serde_json::Value,
}

impl World {
    /// Sets Doorward and the NAS up as this guide says.
    pub(crate) fn of(guide: &Guide) -> Self {
        let (doorward, nas, person) = (Machine::new(), Machine::new(), Machine::new());
        nas.namespace.tie("inside0", &doorward.namespace, "eth0");
        nas.namespace.tie("outside0", &person.namespace, "eth0");
        doorward.address(&format!("{DOORWARD_AT}/24"), "eth0");
        nas.address(&format!("{NAS}/24"), "inside0");
        nas.address(&format!("{NAS_OUTSIDE}/24"), "outside0");
        nas.address(&format!("{INSIDE}/32"), "lo");
        person.address(&format!("{PERSON}/24"), "eth0");
        let daemon = Daemon::demo_by(doorward.namespace.command(DOORWARD), &[]);
        let env = daemon.env();
        let served = std::cell::Cell::new(0);
        // The demonstration has logged somebody in itself.
        let before = daemon.json(&["status"])["radius"].clone();
        let world = Self { daemon, env, nas, person, _doorward: doorward, served, before };
        for file in guide.files() {
            world.install(&file);
        }
        world.listen();
        world
    }

    /// A file of the guide: Doorward's own beside the demonstration's, the others on their machines.
    fn install(&self, file: &File) {
        let secret = &self.env["RADIUS_SECRET"];
        let machine = match file.place {
            Place::Nas => &self.nas,
            Place::Person => &self.person,
            Place::Doorward => return self.install_ours(file, secret),
        };
        machine.write(&file.path, &file.text.replace(SECRET, secret));
    }

    fn install_ours(&self, file: &File, secret: &str) {
        let at = self.daemon.dir.join(file.ours());
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(at, &file.text).unwrap();
        for name in secrets(&file.text) {
            write_secret(&self.daemon.dir.join(name), secret);
        }
    }

    /// Has Doorward serve its address, by a reload that takes the guide's clients over, too.
    fn listen(&self) {
        let file = self.daemon.dir.join("doorward.toml");
        let text = read(&file);
        let listen = "\n[radius]\nlisten = [";
        assert!(text.contains(listen), "{text}");
        let more = format!("{listen}\"{DOORWARD_AT}:1812\", ");
        std::fs::write(&file, text.replace(listen, &more)).unwrap();
        self.daemon.signal(Signal::SIGHUP);
        until("the reload", || {
            let log = self.daemon.log();
            assert!(!log.contains("reload refused"), "{log}");
            log.contains("configuration reloaded").then_some(())
        });
    }

    /// Somebody with a passcode app who was not here before, whose code is therefore fresh.
    pub(crate) fn someone(&self) -> Someone {
        let number = self.served.replace(self.served.get() + 1);
        self.daemon.with_app().remove(number)
    }

    pub(crate) fn decided(&self, reason: &str) -> u64 {
        let name = format!("decision.{reason}");
        self.daemon.counter(&name) - self.before[&name].as_u64().unwrap_or(0)
    }

    /// Whether the person reaches what is behind the NAS.
    pub(crate) fn reaches_inside(&self) -> bool {
        let mut ping = self.person.command("ping");
        ping.args(["-n", "-c", "1", "-W", "5", INSIDE]).output().unwrap().status.success()
    }

    /// Waits until they do.
    pub(crate) fn gets_inside(&self) {
        until("a way through the tunnel", || self.reaches_inside().then_some(()));
    }

    /// What a web server behind the NAS tells the person.
    pub(crate) fn fetch_inside(&self) -> String {
        self.nas.write("/run/www/index.html", "behind the tunnel\n");
        let server =
            ["python3", "-u", "-m", "http.server", "--bind", INSIDE, "--directory", "/run/www", "80"];
        let mut server = self.nas.start(&server);
        server.says("Serving HTTP");
        let mut curl = self.person.command("curl");
        said(&curl.args(["-sS", "--max-time", "20", &format!("http://{INSIDE}/")]).output().unwrap())
    }
}

/// The code that the person's app shows now.
pub(crate) fn passcode(someone: &Someone) -> String {
    code(&someone.totp, 0)
}

/// A code that the app does not show, nor has shown, nor will soon.
pub(crate) fn wrong(someone: &Someone) -> String {
    let near: Vec<String> = (-2..=2).map(|steps| code(&someone.totp, steps)).collect();
    let mut codes = (0..).map(|number| format!("{number:06}"));
    codes.find(|code| !near.contains(code)).unwrap()
}

/// Everything that a program said.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The name of the VPN in the guides.
const VPN: &str = "vpn.example.edu";

/// Gives the NAS a certificate for its name, in this folder, and the person the authority in that one; both know the name's address.
pub(crate) fn certify(world: &World, folder: &str, theirs: &str) {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    };
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "Authority of a test");
    let ca = authority.self_signed(&authority_key).unwrap().pem();
    let mut own = CertificateParams::new(vec![VPN.to_owned()]).unwrap();
    own.distinguished_name.push(DnType::CommonName, VPN);
    own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    own.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    let pem = own.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap().pem();
    world.nas.write(&format!("{folder}/ca.pem"), &ca);
    world.nas.write(&format!("{folder}/vpn.pem"), &pem);
    world.nas.write(&format!("{folder}/vpn.key"), &key.serialize_pem());
    world.person.write(&format!("{theirs}/ca.pem"), &ca);
    for machine in [&world.nas, &world.person] {
        machine.write("/etc/hosts", &format!("127.0.0.1 localhost\n{NAS_OUTSIDE} {VPN}\n"));
    }
}
