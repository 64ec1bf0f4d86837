//! What the daemon takes away from itself by Landlock: shown on a thread that confines itself, on a real daemon, and on a program that it
//! starts. On a kernel without Landlock, that it says so and serves.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail by panicking")]

#[path = "support/kernel.rs"]
mod kernel;
mod support;

use doorward::app::confinement::confine;
use doorward::config;
use doorward::engine::health::Confined;
use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use support::directory::{configure, login};
use support::slapd::until;
use support::{DOORWARD, Daemon, PATIENCE, read};

const PASSWORD: &str = "left-luggage-counter";

/// A folder outside of those for temporary files, where programs may write for their own sake. The source itself may lie in one.
fn elsewhere() -> tempfile::TempDir {
    let (target, home) =
        (PathBuf::from(env!("CARGO_TARGET_TMPDIR")), std::env::home_dir().unwrap_or_default());
    let temporary = ["/tmp".into(), "/var/tmp".into(), std::env::temp_dir()];
    let outside = |place: &PathBuf| !temporary.iter().any(|folder| place.starts_with(folder));
    let place = [target, home, "/srv".into()].into_iter().find(outside).expect("a folder elsewhere");
    fs::create_dir_all(&place).unwrap();
    tempfile::tempdir_in(place).unwrap()
}

/// A configuration with these lines more.
fn load(dir: &Path, more: &str) -> config::Config {
    configure(dir, more);
    config::load(&dir.join("doorward.toml"), std::iter::empty()).unwrap()
}

/// In a thread of its own, which alone loses its rights.
fn confined<T: Send>(config: &config::Config, work: impl FnOnce(Confined) -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(|| work(confine(config).unwrap())).join().unwrap())
}

fn refused<T>(result: std::io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

// R-SYS-1
#[test]
fn confined_thread_writes_where_the_configuration_says_and_nowhere_else() {
    let (home, other) = (elsewhere(), elsewhere());
    // The database, and the socket, each in a folder of its own that is not there yet.
    let (store, socket) = (home.path().join("state/doorward.db"), home.path().join("run/admin.sock"));
    let mut config = load(home.path(), "");
    config.store.path = store.clone();
    config.admin.socket = socket.clone();
    config.portal.listen = vec![([127, 0, 0, 1], 0).into()];
    let stranger = other.path().join("stranger");
    fs::write(&stranger, "theirs").unwrap();
    confined(&config, |how| {
        assert_eq!(how.as_str(), kernel::confined());
        // What it needs is there, whatever the kernel.
        fs::write(&store, "ours").unwrap();
        fs::remove_file(&store).unwrap();
        drop(UnixListener::bind(&socket).unwrap());
        fs::remove_file(&socket).unwrap();
        drop(TcpListener::bind("127.0.0.1:0").unwrap());
        drop(UdpSocket::bind("127.0.0.1:0").unwrap());
        fs::write("/dev/null", "nothing").unwrap();
        assert_eq!(read(&stranger), "theirs", "reading is not confined");
        if how == Confined::No {
            return;
        }
        let (inside, outside) = (store.with_file_name("new"), other.path().join("new"));
        fs::write(&inside, "").unwrap();
        assert!(refused(fs::write(&outside, "")), "a file is made");
        assert!(refused(fs::write(&stranger, "")), "a file is overwritten");
        assert!(refused(fs::File::options().append(true).open(&stranger)), "a file is added to");
        assert!(refused(fs::remove_file(&stranger)), "a file is removed");
        assert!(refused(fs::create_dir(&outside)), "a folder is made");
        assert!(refused(symlink(&store, &outside)), "a link is made");
        assert!(refused(UnixListener::bind(&outside)), "a socket is made");
        assert!(fs::rename(&stranger, store.with_file_name("stranger")).is_err(), "a file is moved in");
        assert!(fs::rename(&inside, &outside).is_err(), "a file is moved out");
        assert!(
            fs::hard_link(&stranger, store.with_file_name("stranger")).is_err(),
            "a file gets a name here"
        );
        // Each place for its purpose: no file beside the socket, no socket beside the database, nothing among temporary files.
        assert!(refused(fs::write(socket.with_file_name("file"), "")), "a file beside the socket");
        assert!(refused(UnixListener::bind(store.with_file_name("socket"))), "a socket beside the database");
        assert!(refused(tempfile::tempfile_in("/tmp")), "a temporary file");
        let shell = format!("echo more >> {}", stranger.display());
        let child = Command::new("sh").args(["-c", &shell]).stderr(Stdio::null()).status().unwrap();
        assert!(!child.success(), "a program that it starts");
        if how == Confined::Full {
            assert!(refused(TcpListener::bind("127.0.0.1:50001")), "another port is opened");
            let parent = i32::try_from(std::os::unix::process::parent_id()).unwrap();
            let signal = nix::sys::signal::kill(nix::unistd::Pid::from_raw(parent), None);
            assert_eq!(signal, Err(nix::Error::EPERM), "a process outside gets a signal");
        }
    });
    // The test's other threads are as they were.
    fs::write(&stranger, "ours").unwrap();
}

/// A daemon whose database is behind a link to another folder.
fn daemon_behind_a_link(dir: &Path, is_there: bool) -> (Daemon, PathBuf) {
    let real = dir.join("real");
    fs::create_dir(&real).unwrap();
    if is_there {
        fs::write(real.join("people.db"), "").unwrap();
    }
    fs::create_dir(dir.join("home")).unwrap();
    symlink(real.join("people.db"), dir.join("home/doorward.db")).unwrap();
    configure(&dir.join("home"), "[metrics]\nlisten = [\"127.0.0.1:0\"]\n");
    (Daemon::serve_in(&dir.join("home"), &[]), real)
}

// R-SYS-1
#[test]
fn daemon_says_that_it_is_confined_and_each_of_its_threads_is() {
    let dir = elsewhere();
    let (daemon, real) = daemon_behind_a_link(dir.path(), false);
    let status = daemon.json(&["status"]);
    assert_eq!(status["confined"], kernel::confined(), "{status}");
    let text = String::from_utf8(daemon.run(&["status"]).stdout).unwrap();
    assert!(
        text.lines().any(|line| line.starts_with("confined") && line.ends_with(kernel::confined())),
        "{text}"
    );
    let url = format!("http://{}/metrics", daemon.metrics.unwrap());
    let figures = support::http::client(None).get(url).send().unwrap().text().unwrap();
    for state in Confined::ALL {
        let line = format!(
            "doorward_confined{{state=\"{}\"}} {}\n",
            state.as_str(),
            u8::from(state.as_str() == kernel::confined())
        );
        assert!(figures.contains(&line), "{line}{figures}");
    }
    // That a program gets no more rights than who starts it is set by the same call, and handed on from thread to thread with
    // the confinement.
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.child.id())).unwrap();
    let threads: Vec<String> = tasks.map(|task| read(&task.unwrap().path().join("status"))).collect();
    assert!(threads.len() > 4, "{}", threads.len());
    for thread in threads {
        assert!(thread.contains("NoNewPrivs:\t1"), "{thread}");
    }
    // What the store writes lies where the link leads.
    let added = daemon.run_with(&["person", "add", "anna"], &format!("{PASSWORD}\n"));
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    assert_eq!(login(&daemon, "anna", PASSWORD), "Access-Accept");
    assert!(real.join("people.db-wal").exists());
}

// What SQLite keeps of a savepoint beyond 64 KiB goes into a file.
#[test]
fn import_that_is_too_large_for_memory_needs_no_folder_of_everybodys() {
    let dir = elsewhere();
    let (daemon, _) = daemon_behind_a_link(dir.path(), true);
    // The second half comes between the rows of the first, so that pages change that were there before.
    for half in 0..2 {
        let mut table = String::from("username,name,groups\n");
        for number in 0..5000 {
            let number = number * 2 + half;
            writeln!(table, "person{number},Person Number {number},vpn").unwrap();
        }
        let file = dir.path().join("people.csv");
        fs::write(&file, table).unwrap();
        let imported = daemon.run(&["person", "import", file.to_str().unwrap()]);
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    }
    assert_eq!(daemon.json(&["status"])["store"]["failed"], 0);
}

/// A configuration whose client asks everybody for a passcode.
fn configure_for_texts(dir: &Path, more: &str) {
    configure(dir, more);
    let file = dir.join("doorward.toml");
    fs::write(&file, read(&file).replace("second_factor = \"if-enrolled\"\n", "")).unwrap();
}

/// A gateway that adds to a file, after it has used a temporary one.
fn gateway(dir: &Path, file: &Path) -> String {
    let program = dir.join("send");
    let script = format!(
        "#!/bin/sh\nset -e\ntemporary=$(mktemp)\ncat > $temporary\n\
         {{ cat $temporary >> {}; }} 2> /dev/null || {{ echo 'the file cannot be written' >&2; exit 3; }}\nrm $temporary\n",
        file.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    "[[gateway]]\nname = \"modem\"\nkind = \"exec\"\nchannels = [\"sms\"]\nprogram = \"send\"\n".to_owned()
}

/// Has a message sent to somebody; what has become of it: state and detail.
fn text(daemon: &Daemon, who: &str) -> (String, String) {
    let added = daemon.run_with(&["person", "add", who, "--phone", "+15208782491"], &format!("{PASSWORD}\n"));
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    assert_eq!(login(daemon, who, &format!("{PASSWORD},sms")), "Access-Challenge");
    until("the message is over", || {
        let listed = daemon.json(&["outbox", "list", "--user", who]);
        let message = &listed["messages"][0];
        let word = |name: &str| message[name].as_str().map(str::to_owned);
        word("state").filter(|state| state == "sent" || state == "dead").zip(word("detail"))
    })
}

// R-SYS-1
#[test]
fn program_that_sends_writes_what_the_configuration_names_once_the_daemon_was_started_anew() {
    let (dir, spool) = (elsewhere(), elsewhere());
    let file = spool.path().join("messages");
    fs::write(&file, "").unwrap();
    let more = gateway(dir.path(), &file);
    configure_for_texts(dir.path(), &more);
    let mut daemon = Daemon::serve_in(dir.path(), &[]);
    let confined = kernel::confined() != "no";
    let (state, detail) = text(&daemon, "anna");
    if confined {
        assert_eq!(state, "dead", "{detail}");
        assert!(detail.contains("the file cannot be written"), "{detail}");
        assert_eq!(read(&file), "");
    }
    configure_for_texts(
        dir.path(),
        &format!("{more}[sandbox]\nread_write_paths = [\"{}\"]\n", spool.path().display()),
    );
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    let lines = daemon.lines.as_ref().unwrap();
    let said = loop {
        let line = lines.recv_timeout(PATIENCE).expect("the reload is told");
        if line.contains("[sandbox]") {
            break line;
        }
    };
    assert!(said.contains("takes effect only after a restart"), "{said}");
    daemon.stop();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    let (state, detail) = text(&daemon, "bert");
    assert_eq!(state, "sent", "{detail}");
    assert!(read(&file).contains("+15208782491"));
}

#[test]
fn confinement_that_is_switched_off_is_told_and_takes_nothing_away() {
    let (dir, spool) = (elsewhere(), elsewhere());
    let file = spool.path().join("messages");
    let more = gateway(dir.path(), &file);
    configure_for_texts(dir.path(), &format!("{more}[sandbox]\nlandlock = false\n"));
    let daemon = Daemon::serve_in(dir.path(), &[]);
    let status = daemon.json(&["status"]);
    assert_eq!(status["confined"], "no");
    let warnings = status["warnings"].as_array().unwrap();
    assert!(
        warnings.iter().any(|said| said.as_str().unwrap().contains("`sandbox.landlock` is off")),
        "{status}"
    );
    let (state, detail) = text(&daemon, "anna");
    assert_eq!(state, "sent", "{detail}");
}

#[test]
fn demonstration_is_confined_and_leaves_no_folder_behind() {
    let place = elsewhere();
    let mut demo = Command::new(DOORWARD)
        .args(["demo", "--radius-port", "0", "--portal-port", "0", "--api-port", "0"])
        .env("TMPDIR", place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = support::lines(demo.stdout.take().unwrap());
    while !said.recv_timeout(PATIENCE).expect("the demonstration starts").contains("Ctrl-C ends it") {}
    let made = fs::read_dir(place.path()).unwrap().next().unwrap().unwrap().path();
    let status =
        Command::new(DOORWARD).args(["--json", "status", "--socket"]).arg(made.join("admin.sock")).output();
    let status: serde_json::Value = serde_json::from_slice(&status.unwrap().stdout).unwrap();
    assert_eq!(status["confined"], kernel::confined());
    let pid = nix::unistd::Pid::from_raw(i32::try_from(demo.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(demo.wait().unwrap().success());
    assert!(!made.exists(), "{}", made.display());
}

#[test]
fn paths_count_from_the_folder_of_the_configuration_and_none_is_empty() {
    let dir = elsewhere();
    let sandbox = |paths: &str| {
        configure(dir.path(), &format!("[sandbox]\nread_write_paths = [{paths}]\n"));
        config::load(&dir.path().join("doorward.toml"), std::iter::empty())
    };
    let paths = sandbox("\"spool\", \"/dev/ttyUSB0\"").unwrap().sandbox.read_write_paths;
    assert_eq!(paths, [dir.path().join("spool"), PathBuf::from("/dev/ttyUSB0")]);
    let error = sandbox("\"\"").unwrap_err().to_string();
    assert!(error.contains("a path is empty"), "{error}");
}
