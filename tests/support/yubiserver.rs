//! Debian's yubiserver, a validation server of another make, and keys that type: Debian's ykgenerate.
//!
//! It forks itself away and binds all addresses, hence the network namespace. It says OK to replays unless its user may
//! write to its database, signs `sl=100` whatever it answers, and does not look at signatures of requests.

use super::namespace::Namespace;
use super::slapd::{succeed, until};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A YubiKey with what it shares with its server.
#[derive(Debug, Clone)]
pub(crate) struct YubiKey {
    /// In modhex, 12 characters.
    pub(crate) public_id: &'static str,
    /// 6 bytes in hex.
    pub(crate) private_id: &'static str,
    /// 16 bytes in hex.
    pub(crate) aes: &'static str,
}

impl YubiKey {
    /// What it types when it was plugged in so often and touched so often since.
    pub(crate) fn touch(&self, uses: u16, touches: u8) -> String {
        let (uses, touches) = (format!("{uses:04x}"), format!("{touches:02x}"));
        // The clock in the key must not stand still either: some servers look at it.
        let arguments = [self.aes, self.private_id, &uses, &format!("{touches}00"), "00", &touches];
        let typed = succeed(Command::new("ykgenerate").args(arguments), "");
        format!("{}{}", self.public_id, typed.trim())
    }
}

/// Its secret as it keeps it, and as clients are given it.
pub(crate) const API_SECRET: &str = "20-bytes-of-a-server";
/// The number of its one client.
pub(crate) const API_ID: u32 = 7;

/// Its secret in base64.
pub(crate) fn api_key() -> String {
    data_encoding::BASE64.encode(API_SECRET.as_bytes())
}

/// A running server.
pub(crate) struct YubiServer {
    pub(crate) port: u16,
    pid: i32,
    database: PathBuf,
}

impl YubiServer {
    /// Starts one on a port of its own in a namespace, with these keys, in a folder that its user may write to.
    pub(crate) fn start(namespace: &Namespace, dir: &Path, port: u16, keys: &[&YubiKey]) -> Self {
        let folder = dir.join(format!("yubiserver-{port}"));
        std::fs::create_dir(&folder).unwrap();
        let database = folder.join("db.sqlite");
        std::fs::copy("/etc/yubiserver/yubiserver.sqlite.init", &database).unwrap();
        for path in [dir, &folder, &database] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
        }
        let mut sql = format!("INSERT INTO apikeys VALUES ('doorward', '{API_SECRET}', {API_ID});\n");
        for (number, YubiKey { public_id, private_id, aes }) in keys.iter().enumerate() {
            sql += &format!(
                "INSERT INTO yubikeys VALUES ('k{number}', '{public_id}', '', '{private_id}', '{aes}', 1, 0, 0);\n"
            );
        }
        succeed(Command::new("sqlite3").arg(&database), &sql);
        let before = namespace.pids();
        let mut command = namespace.command("yubiserver");
        command.arg("-d").arg(&database).arg("-l").arg(folder.join("log")).args(["-p", &port.to_string()]);
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.expect("yubiserver is installed").success());
        let pid = until("yubiserver listens", || {
            let pid = namespace.pids().into_iter().find(|pid| !before.contains(pid))?;
            let sockets = succeed(namespace.command("ss").args(["-Hltn"]), "");
            sockets.contains(&format!(":{port} ")).then_some(pid)
        });
        Self { port, pid, database }
    }

    /// Where it is asked, inside the namespace.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/wsapi/2.0/verify", self.port)
    }

    /// The position that it knows of a key.
    pub(crate) fn position(&self, key: &YubiKey) -> u64 {
        let sql = format!("SELECT counter FROM yubikeys WHERE publicname = '{}';", key.public_id);
        succeed(Command::new("sqlite3").arg(&self.database), &sql).trim().parse().unwrap()
    }

    /// Ends it.
    pub(crate) fn stop(self) {
        drop(self);
    }
}

impl Drop for YubiServer {
    fn drop(&mut self) {
        let _ =
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid), nix::sys::signal::Signal::SIGKILL);
    }
}
