//! Backups of the embedded store, and what may be used after one was restored.

use super::*;
use nix::sys::signal::{Signal, kill};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::process::Stdio;
use support::DatabaseLock;
use support::slapd::until;

/// A demonstration, a person's passcode used before the backup and one after it.
struct Drill {
    daemon: Daemon,
    person: Someone,
    backup: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Drill {
    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let daemon = Daemon::demo_in(folder.path(), &[]);
        let person = daemon.with_app()[0].clone();
        let backup = folder.path().join("backup.db");
        Self { daemon, person, backup, _folder: folder }
    }

    /// A command that does not find the daemon.
    fn alone(&self, command: &str) -> Command {
        let (config, socket) = (self.daemon.dir.join("doorward.toml"), self.daemon.dir.join("nobody.sock"));
        let mut doorward = Command::new(DOORWARD);
        doorward.arg(command).arg(&self.backup).arg("--config").arg(config).arg("--socket").arg(socket);
        doorward
    }

    fn make(&self, more: &[&str]) -> Output {
        let arguments = [&["backup", self.backup.to_str().unwrap()], more].concat();
        offline(&self.daemon.dir, &arguments)
    }

    fn restore(&self, more: &[&str]) -> Output {
        let arguments = [&["restore", self.backup.to_str().unwrap()], more].concat();
        offline(&self.daemon.dir, &arguments)
    }
}

#[test]
fn backup_is_made_while_the_daemon_serves_and_says_what_is_in_it() {
    let drill = Drill::begin();
    let text = done(&drill.make(&[]));
    assert!(
        text.contains("15 people") && text.contains("Keys that it needs, which are not in it: demo."),
        "{text}"
    );
    assert_eq!(std::fs::metadata(&drill.backup).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(sqlite(&drill.backup, "PRAGMA quick_check"), "ok");
    let key = read(&drill.daemon.dir.join("keys/demo.key"));
    let bytes = std::fs::read(&drill.backup).unwrap();
    assert!(!bytes.windows(key.trim().len()).any(|part| part == key.trim().as_bytes()));
    // It is in the trail, and in the backup's own.
    assert_eq!(sqlite(&drill.backup, "SELECT count(*) FROM audit WHERE action = 'store.backup'"), "1");

    let before = std::fs::read(&drill.backup).unwrap();
    let refused = drill.make(&[]);
    assert!(!refused.status.success() && said(&refused).contains("is there already"), "{}", said(&refused));
    assert_eq!(std::fs::read(&drill.backup).unwrap(), before);
    done(&drill.make(&["--force"]));
    assert_ne!(std::fs::read(&drill.backup).unwrap(), before);
    let left: Vec<_> =
        std::fs::read_dir(&drill.daemon.dir).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains(".part")), "{left:?}");
}

#[test]
fn backup_waits_for_nobody_who_writes_and_holds_up_nobody() {
    let drill = Drill::begin();
    let lock = DatabaseLock::take(&drill.daemon.dir);
    // Not through the daemon, which could not write its entry now.
    done(&drill.alone("backup").output().unwrap());
    lock.let_go();

    // Who writes while it reads. It is stopped while its file is there: before it has read anything, in the midst of it, or while it
    // looks its copy through.
    let folder = drill.backup.parent().unwrap().to_owned();
    let is_part = |file: std::fs::DirEntry| file.file_name().to_string_lossy().ends_with(".part");
    let (mut backup, pid) = until("a backup is met at work", || {
        let mut backup = drill.alone("backup").arg("--force").stdout(Stdio::null()).spawn().unwrap();
        let pid = nix::unistd::Pid::from_raw(backup.id().try_into().unwrap());
        while backup.try_wait().unwrap().is_none() {
            if std::fs::read_dir(&folder).unwrap().flatten().any(is_part) {
                kill(pid, Signal::SIGSTOP).unwrap();
                return Some((backup, pid));
            }
        }
        None
    });
    assert_eq!(login(&drill.daemon, &drill.person, &typed(&drill.person, 1)), "Access-Accept");
    kill(pid, Signal::SIGCONT).unwrap();
    assert!(backup.wait().unwrap().success());
}

#[test]
fn what_was_used_after_the_backup_is_not_good_again_after_the_restore() {
    let mut drill = Drill::begin();
    let other = drill.daemon.with_app()[1].clone();
    let (person, dir) = (drill.person.clone(), drill.daemon.dir.clone());
    let issue =
        |daemon: &Daemon| daemon.json(&["code", "issue", &other.user])["code"].as_str().unwrap().to_owned();
    let recovery = drill.daemon.json(&["enroll", "recovery", &person.user]);
    let recovery: Vec<_> =
        recovery["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    let temporary = issue(&drill.daemon);
    done(&drill.make(&[]));
    let with = |code: &str| format!("{}{code}", person.password);
    let used = typed(&person, 1);
    assert_eq!(login(&drill.daemon, &person, &used), "Access-Accept");
    assert_eq!(login(&drill.daemon, &person, &with(&recovery[0])), "Access-Accept");
    done(&drill.daemon.run(&["person", "lock", &other.user]));

    let refused = drill.restore(&[]);
    assert!(!refused.status.success() && said(&refused).contains("stop it first"), "{}", said(&refused));
    drill.daemon.stop();
    let text = done(&drill.restore(&[]));
    assert!(text.contains("count as used") && text.contains("person.lock"), "{text}");
    drill.daemon = Daemon::serve_in(&dir, &[]);
    assert_eq!(login(&drill.daemon, &person, &used), "Access-Reject", "used after the backup");
    assert_eq!(login(&drill.daemon, &person, &with(&recovery[0])), "Access-Reject", "the old file knows it");
    assert_eq!(login(&drill.daemon, &person, &with(&recovery[1])), "Access-Accept");
    let typed = format!("{}{temporary}", other.password);
    assert_eq!(login(&drill.daemon, &other, &typed), "Access-Reject", "codes of the help desk are void");
    done(&drill.daemon.run(&["audit", "verify"]));
    let trail = drill.daemon.json(&["audit", "list", "--limit", "1000"]).to_string();
    assert!(trail.contains("store.restored") && trail.contains("from a backup of 20"), "{trail}");
    // What was there is kept, whole.
    let kept: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("doorward.db.replaced-"))
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(sqlite(&kept[0], "PRAGMA quick_check"), "ok");
    assert_eq!(sqlite(&kept[0], "SELECT count(*) FROM audit WHERE action = 'person.lock'"), "1");
}

#[test]
fn nobody_knows_what_a_lost_file_held_so_recovery_codes_are_void_unless_told_otherwise() {
    for (more, answer) in [(&[][..], "Access-Reject"), (&["--keep-recovery-codes"], "Access-Accept")] {
        let mut drill = Drill::begin();
        let (person, dir) = (drill.person.clone(), drill.daemon.dir.clone());
        let recovery = drill.daemon.json(&["enroll", "recovery", &person.user])["codes"][0].clone();
        done(&drill.make(&[]));
        let used = typed(&person, 0);
        assert_eq!(login(&drill.daemon, &person, &used), "Access-Accept");
        drill.daemon.stop();
        // Damaged at the disk: not even its beginning is there.
        std::fs::write(dir.join("doorward.db"), [7; 8192]).unwrap();
        let text = done(&drill.restore(more));
        assert!(text.contains("could not be asked"), "{text}");
        drill.daemon = Daemon::serve_in(&dir, &[]);
        assert_eq!(login(&drill.daemon, &person, &used), "Access-Reject");
        let typed = format!("{}{}", person.password, recovery.as_str().unwrap());
        assert_eq!(login(&drill.daemon, &person, &typed), answer);
        done(&drill.daemon.run(&["audit", "verify"]));
    }
}

#[test]
fn what_is_no_sound_backup_is_refused_and_nothing_is_touched() {
    let mut drill = Drill::begin();
    done(&drill.make(&[]));
    let dir = drill.daemon.dir.clone();
    drill.daemon.stop();
    let database = dir.join("doorward.db");
    let before = sqlite(&database, "SELECT count(*) FROM audit");
    let good = std::fs::read(&drill.backup).unwrap();
    let refused = |what: &str, why: &str| {
        let output = drill.restore(&[]);
        assert!(!output.status.success() && said(&output).contains(why), "{what}: {}", said(&output));
        assert_eq!(sqlite(&database, "SELECT count(*) FROM audit"), before, "{what}");
    };
    std::fs::write(&drill.backup, &good[..good.len() / 2]).unwrap();
    refused("half of it", "backup.db");
    std::fs::write(&drill.backup, "notes").unwrap();
    refused("something else", "not a database of Doorward");
    std::fs::write(&drill.backup, &good).unwrap();
    sqlite(&drill.backup, "UPDATE audit SET detail = 'x' WHERE seq = 2");
    refused("one that was written to", "broken at 2");
    std::fs::write(&drill.backup, &good).unwrap();
    sqlite(
        &drill.backup,
        "INSERT INTO _sqlx_migrations SELECT 9999, 'x', installed_on, success, checksum, 0 FROM _sqlx_migrations LIMIT 1",
    );
    refused("one of another version", "schema 9999");
    std::fs::write(&drill.backup, &good).unwrap();
    done(&Command::new(DOORWARD).args(["keys", "new"]).arg(dir.join("keys/k2.key")).output().unwrap());
    configure(&dir, "\"keys/demo.key\"", "\"keys/k2.key\"");
    refused("one whose key is not there", "`demo`, which is not in [keys]");
    configure(&dir, "\"keys/k2.key\"", "\"keys/demo.key\"");
    done(&drill.restore(&[]));
}

#[test]
fn restore_onto_a_daemon_that_runs_is_refused_whatever_socket_it_has() {
    let mut drill = Drill::begin();
    done(&drill.make(&[]));
    let refused = drill.alone("restore").output().unwrap();
    assert!(!refused.status.success() && said(&refused).contains("in use"), "{}", said(&refused));
    assert_eq!(login(&drill.daemon, &drill.person, &typed(&drill.person, 0)), "Access-Accept");
    drill.daemon.stop();
    done(&drill.restore(&[]));
}

/// Somebody else than root.
const NOBODY: u32 = 65_534;

#[test]
fn restore_by_root_is_done_as_whom_the_folder_belongs_to_and_follows_no_link_of_theirs() {
    let mut drill = Drill::begin();
    done(&drill.make(&[]));
    drill.daemon.stop();
    let dir = drill.daemon.dir.clone();
    let database = dir.join("doorward.db");
    chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
    let refused = drill.restore(&[]);
    assert!(
        !refused.status.success() && said(&refused).contains("belongs to the user 0"),
        "{}",
        said(&refused)
    );
    chown(&database, Some(NOBODY), Some(NOBODY)).unwrap();
    done(&drill.restore(&[]));
    let made = std::fs::metadata(&database).unwrap();
    assert_eq!((made.uid(), made.gid(), made.mode() & 0o777), (NOBODY, NOBODY, 0o600));

    let secrets = tempfile::tempdir().unwrap();
    let secret = secrets.path().join("shadow");
    std::fs::write(&secret, "root's").unwrap();
    std::fs::remove_file(&database).unwrap();
    symlink(&secret, &database).unwrap();
    std::os::unix::fs::lchown(&database, Some(NOBODY), Some(NOBODY)).unwrap();
    let refused = drill.restore(&[]);
    assert!(!refused.status.success() && said(&refused).contains("Permission denied"), "{}", said(&refused));
    assert_eq!(read(&secret), "root's");
    assert_eq!(std::fs::read_dir(secrets.path()).unwrap().count(), 1);
}

/// Runs a script where `small` is a disk of so many KiB.
fn on_a_small_disk(small: &Path, kib: u64, script: &str) -> Output {
    let mount = format!("mount -t tmpfs -o size={kib}k none {}\n{script}", small.display());
    Command::new("unshare").args(["-m", "sh", "-ec", &mount]).output().unwrap()
}

#[test]
fn full_disk_ends_a_backup_or_a_restore_which_says_so_and_leaves_what_was_there() {
    let mut drill = Drill::begin();
    done(&drill.make(&[]));
    let (dir, small) = (drill.daemon.dir.clone(), drill.daemon.dir.join("small"));
    std::fs::create_dir(&small).unwrap();
    let shown = |path: &Path| path.display().to_string();
    let (config, backup) = (shown(&dir.join("doorward.toml")), shown(&drill.backup));
    let socket = shown(&dir.join("nobody.sock"));
    let doorward = |command: &str| format!("{DOORWARD} {command} --config {config} --socket {socket}");
    let made = doorward(&format!("backup {}/b.db", small.display()));
    let output = on_a_small_disk(&small, 100, &format!("{made} || ls -A {}", small.display()));
    let text = said(&output);
    assert!(
        output.status.success() && text.contains("the disk that the backup was to be on is full"),
        "{text}"
    );
    assert!(output.stdout.is_empty() && !text.contains("store.path"), "{text}");

    drill.daemon.stop();
    let database = std::fs::metadata(dir.join("doorward.db")).unwrap().len() / 1024;
    std::fs::copy(dir.join("doorward.db"), dir.join("was.db")).unwrap();
    configure(&dir, "path = \"doorward.db\"", "path = \"small/doorward.db\"");
    let restore = doorward(&format!("restore {backup}"));
    let (was, small_) = (shown(&dir.join("was.db")), shown(&small));
    let output = on_a_small_disk(
        &small,
        database + database / 2,
        &format!(
            "cp {was} {small_}/doorward.db; {restore} || ls -A {small_}; cmp {was} {small_}/doorward.db"
        ),
    );
    let text = said(&output);
    assert!(output.status.success() && text.contains("No space left"), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "doorward.db\n", "{text}");
}
