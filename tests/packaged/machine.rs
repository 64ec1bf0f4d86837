//! A Debian machine with a systemd of its own, in namespaces: a tree that `tests/run` makes once, and what the machine writes in a
//! folder that goes with it.

use crate::support::namespace::Namespace;
use crate::support::slapd::until;
use crate::support::{PATIENCE, read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The machine, until it is dropped.
pub(crate) struct Machine {
    pub(crate) network: Namespace,
    init: u32,
    unshare: Child,
    /// What is here lies in the machine's `/mnt`.
    pub(crate) given: PathBuf,
    scratch: tempfile::TempDir,
}

impl Machine {
    /// Boots one and waits until all of its own services are there.
    pub(crate) fn boot() -> Self {
        let tree = Path::new(ROOT).join("target/bookworm");
        assert!(tree.join("lib/systemd/systemd").exists(), "tests/run makes {}", tree.display());
        let (network, scratch) = (Namespace::new(), tempfile::tempdir().unwrap());
        let given = scratch.path().join("given");
        std::fs::create_dir(&given).unwrap();
        let log = std::fs::File::create(scratch.path().join("console")).unwrap();
        let mut command = network.command("unshare");
        command.args(["--mount", "--pid", "--fork", "--cgroup", "--uts", "--ipc", "--kill-child", "bash"]);
        command.arg(Path::new(ROOT).join("tests/packaged/boot.sh")).arg(tree).arg(scratch.path());
        let unshare = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("ip is installed");
        let children = format!("/proc/{0}/task/{0}/children", unshare.id());
        let init = until("the machine", || std::fs::read_to_string(&children).ok()?.trim().parse().ok());
        let mut machine = Self { network, init, unshare, given, scratch };
        machine.is_up();
        machine
    }

    fn is_up(&mut self) {
        let console = self.scratch.path().join("console");
        let begun = std::time::Instant::now();
        loop {
            let state = self.run(&["systemctl", "is-system-running", "--wait"]);
            let said = String::from_utf8_lossy(&state.stdout).trim().to_owned();
            // Devices of a real machine are not here, so something of the tree's own may have failed.
            if said == "running" || said == "degraded" {
                return;
            }
            let over = begun.elapsed() > PATIENCE || self.unshare.try_wait().unwrap().is_some();
            assert!(!over, "the machine does not run: {said}\n{}", read(&console));
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        let init = self.init.to_string();
        command
            .args(["--target", &init, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root"]);
        let environment =
            ["env", "-i", "-C", "/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive"];
        command.args(environment).args(words).stdin(Stdio::null());
        command
    }

    /// Runs a command in the machine, as root.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("nsenter is installed")
    }

    /// Runs one that must succeed; what it says on both outputs.
    pub(crate) fn succeed(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
        said
    }

    /// The same by a shell.
    pub(crate) fn shell(&self, line: &str) -> String {
        self.succeed(&["sh", "-ec", line])
    }

    /// What the daemon has said.
    pub(crate) fn journal(&self) -> String {
        let output = self.run(&["journalctl", "--no-pager", "-u", "doorward.service"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.journal());
        }
        // The first process of the machine goes with it, and takes all others along.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        let gone = || (!Path::new("/proc").join(self.init.to_string()).exists()).then_some(());
        if !std::thread::panicking() {
            until("the machine is off", gone);
        }
    }
}
