//! `doorward watch` in a process of its own, and one who does not read.

use super::support::{DOORWARD, PATIENCE, access_request, lines, udp};
use super::world::{World, append};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;

/// A `doorward watch` that follows.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(world: &World, arguments: &[&str]) -> Self {
        let mut child = Command::new(DOORWARD)
            .arg("--socket")
            .arg(world.daemon.dir.join("admin.sock"))
            .args(["--json", "watch"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines(child.stdout.take().unwrap());
        let mut watching = Self { child, lines };
        assert_eq!(watching.next(), serde_json::json!({"watching": true}));
        watching
    }

    fn next(&mut self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line");
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn logins_are_followed_and_filtered_as_they_happen() {
    let world = World::new(&[]);
    let (user, password) = (world.person.user.as_str(), world.person.password.as_str());
    let mut all = Watching::start(&world, &[]);
    let mut rejected = Watching::start(&world, &["--rejected", "--user", &user.to_uppercase()]);
    let mut elsewhere = Watching::start(&world, &["--client", "nowhere"]);
    assert_eq!(world.daemon.json(&["status"])["watchers"], 3);
    assert_eq!(world.login(user, password, &[("Calling-Station-Id", "203.0.113.7")]), "Access-Accept");
    assert_eq!(world.login("somebody-else", "wrong", &[]), "Access-Reject");
    assert_eq!(world.login(user, "wrong", &[]), "Access-Reject");
    let first = all.next();
    assert_eq!((&first["outcome"], &first["reason"]), (&"accept".into(), &"password-only".into()), "{first}");
    assert_eq!(
        (&first["username"], &first["calling_station"]),
        (&user.into(), &"203.0.113.7".into()),
        "{first}"
    );
    assert_eq!((&first["method"], &first["front"]), (&"password".into(), &"radius".into()), "{first}");
    assert_eq!(all.next()["username"], "somebody-else");
    assert_eq!(all.next()["reason"], "wrong-password");
    assert_eq!(rejected.next()["reason"], "wrong-password", "and nothing before it");
    // With the daemon, it ends.
    world.daemon.signal(Signal::SIGTERM);
    for watching in [&mut all, &mut rejected, &mut elsewhere] {
        assert!(watching.lines.recv_timeout(PATIENCE).is_err(), "nothing comes any more");
        assert_eq!(watching.child.wait().unwrap().code(), Some(69));
    }
}

#[test]
fn who_may_not_read_the_trail_may_not_watch_and_a_role_that_ends_ends_it() {
    let rule =
        |role: &str| format!("[[admin.role]]\nrole = \"{role}\"\nusers = [\"{}\"]\n", nix::unistd::getuid());
    let world = World::with(&[], &rule("auditor"));
    let mut watching = Watching::start(&world, &[]);
    assert_eq!(world.login("one", "wrong", &[]), "Access-Reject");
    assert_eq!(watching.next()["username"], "one");
    let text = super::support::read(&world.config()).replace(&rule("auditor"), "");
    std::fs::write(world.config(), text).unwrap();
    append(&world.config(), &rule("helpdesk"));
    world.daemon.signal(Signal::SIGHUP);
    let log = world.daemon.lines.as_ref().unwrap();
    while !log.recv_timeout(PATIENCE).unwrap().contains("configuration reloaded") {}
    assert_eq!(world.login("two", "wrong", &[]), "Access-Reject");
    assert!(watching.lines.recv_timeout(PATIENCE).is_err(), "the second login is not shown");
    assert_eq!(watching.child.wait().unwrap().code(), Some(69));
    let refused = world.daemon.run(&["watch"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("does not allow this"), "{refused:?}");
}

#[test]
fn who_does_not_read_loses_lines_and_is_told_how_many_and_no_login_waits() {
    const LOGINS: u64 = 4000;
    let world = World::new(&[]);
    // It asks, and then reads nothing.
    let mut slow = UnixStream::connect(world.daemon.dir.join("admin.sock")).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(b"GET /v1/watch HTTP/1.1\r\nhost: doorward\r\n\r\n").unwrap();
    let mut reader = BufReader::new(slow);
    let mut line = String::new();
    while !line.contains("watching") {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    let socket = udp("127.0.0.1", PATIENCE);
    let mut buffer = [0; 4096];
    let name = format!("\u{1}{}", "n".repeat(240));
    for number in 0..LOGINS {
        let authenticator = u128::from(number).to_be_bytes();
        // Refused before anything is looked up, so it is quick.
        let packet = access_request(number.to_be_bytes()[7], authenticator, &name, "wrong");
        socket.send_to(&packet, world.daemon.address).unwrap();
        socket.recv(&mut buffer).expect("each is answered, whoever does not read");
    }
    assert_eq!(world.login("last-one", "wrong", &[]), "Access-Reject");
    let (mut seen, mut lost) = (0, 0);
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Ok(value) = serde_json::from_str::<Value>(&line) else { continue };
        lost += value["lost"].as_u64().unwrap_or_default();
        match value["username"].as_str() {
            Some("last-one") => break,
            Some(_) => seen += 1,
            None => {}
        }
    }
    assert!(lost > 0, "{seen} of {LOGINS} were seen");
    assert_eq!(seen + lost, LOGINS, "every one was shown or is counted as lost");
}
