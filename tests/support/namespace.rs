//! A network namespace for servers that bind fixed ports, or all addresses. Needs root.

use super::slapd::{run, succeed};
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A network namespace with nothing but loopback.
pub(crate) struct Namespace(String);

impl Namespace {
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        remove_orphans();
        let name = format!("doorward-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        succeed(Command::new("ip").args(["netns", "add", &name]), "");
        let namespace = Self(name);
        succeed(Command::new("ip").args(["-n", &namespace.0, "link", "set", "lo", "up"]), "");
        namespace
    }

    /// A program in it; it becomes the child itself, so that signals to the child reach it. It shares all files with
    /// the test, its loopback addresses are the namespace's.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]);
        command
    }

    /// Ties it to another one by a pair of network cards of these names.
    pub(crate) fn tie(&self, own: &str, other: &Namespace, theirs: &str) {
        let pair = ["type", "veth", "peer", "name", theirs, "netns", other.name()];
        succeed(Command::new("ip").args(["-n", &self.0, "link", "add", own]).args(pair), "");
        for (namespace, card) in [(self, own), (other, theirs)] {
            succeed(Command::new("ip").args(["-n", namespace.name(), "link", "set", card, "up"]), "");
        }
    }

    /// What runs in it.
    pub(crate) fn pids(&self) -> Vec<i32> {
        pids(&self.0)
    }
}

fn pids(name: &str) -> Vec<i32> {
    let pids = run(Command::new("ip").args(["netns", "pids", name]), "").stdout;
    String::from_utf8_lossy(&pids).lines().filter_map(|line| line.trim().parse().ok()).collect()
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// With what a failed test left running in it.
fn remove(name: &str) {
    for pid in pids(name) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
    }
    run(Command::new("ip").args(["netns", "delete", name]), "");
}

/// Removes namespaces whose test was killed.
fn remove_orphans() {
    let list = succeed(Command::new("ip").args(["netns", "list"]), "");
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        let pid = name.strip_prefix("doorward-").and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another test may be doing the same.
            remove(name);
        }
    }
}
