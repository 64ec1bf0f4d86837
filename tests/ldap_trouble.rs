//! Directories that are down, hang, lie or are killed: the daemon lives, says why, and never takes trouble for a wrong
//! password.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use support::directory::{
    configure, follow, login, login_output, on_slapd, person, sync, unanswered, until_following,
};
use support::slapd::{LdapTools, Slapd, crowd_password, crowd_uid, person_dn, until};
use support::{Daemon, code};

const ACCEPT: &str = "Access-Accept";
const REJECT: &str = "Access-Reject";
const NOTHING: &str = "no answer";
/// A search of the sync in slapd's log.
const PEOPLE: &str = " SRCH base=\"ou=people,dc=example,dc=org\"";
const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn serve(dir: &std::path::Path, settings: &str) -> Daemon {
    configure(dir, settings);
    Daemon::serve_in(dir, &[])
}

/// A server that says these octets to whatever it is asked first, and then nothing.
fn hostile(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut open: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&answer);
            open.push(stream);
        }
    });
    port
}

fn settings_for(port: u16, start_tls: bool) -> String {
    format!(
        "[[directory]]\nname = \"campus\"\nservers = [\"ldap://127.0.0.1:{port}\"]\nstart_tls = {start_tls}\n\
         bind_dn = \"cn=x\"\nsecret = \"service-password\"\nbase = \"dc=example,dc=org\"\ntimeout = \"500ms\"\n"
    )
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag, 0x84];
    out.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
    out.extend(content);
    out
}

// DESIGN.md "Directory"
#[test]
fn hostile_servers_are_told_for_what_they_are_and_the_daemon_lives() {
    let nested = (0..10_000).fold(Vec::new(), |inner, _| element(0x30, &inner));
    let result = [element(0x0a, &[0]), element(4, b""), element(4, b"")].concat();
    let agreed = element(0x30, &[element(2, &[1]), element(0x78, &result)].concat());
    let bound = element(0x30, &[element(2, &[9]), element(0x61, &result)].concat());
    let cases = [
        ("nested", nested, false, "no answer"),
        ("2 GiB", vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 2, 1, 1], false, "longer than 16 MiB"),
        ("indefinite", vec![0x30, 0x80, 2, 1, 1], false, "indefinite"),
        ("HTTP", b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), false, "an LDAP message"),
        ("another id", bound, false, "not the answer to a bind"),
        (
            "octets before TLS",
            [agreed.clone(), b"\x30\x05\x02\x01\x01".to_vec()].concat(),
            true,
            "octets came before",
        ),
        ("garbage after StartTLS", [agreed, Vec::new()].concat(), true, "in time"),
        ("silence", Vec::new(), false, "in time"),
    ];
    for (name, answer, start_tls, said) in cases {
        let dir = tempfile::tempdir().unwrap();
        let daemon = serve(dir.path(), &settings_for(hostile(answer), start_tls));
        let error = until(name, || {
            let status = sync(&daemon);
            Some(status["directories"][0]["servers"][0]["error"].as_str()?.to_owned())
        });
        assert!(error.contains(said), "{name}: {error}");
        assert!(daemon.run(&["person", "list"]).status.success(), "{name}: the admin socket answers");
    }
}

#[test]
fn garbage_in_place_of_a_handshake_is_a_failure_of_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let result = [element(0x0a, &[0]), element(4, b""), element(4, b"")].concat();
            stream.write_all(&element(0x30, &[element(2, &[1]), element(0x78, &result)].concat())).unwrap();
            // The client's first octets of TLS have come: now rubbish is read as the server's.
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00");
            open.push(stream);
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let daemon = serve(dir.path(), &settings_for(port, true));
    let error = until("TLS fails", || {
        Some(sync(&daemon)["directories"][0]["servers"][0]["error"].as_str()?.to_owned())
    });
    assert!(error.contains("TLS failed"), "{error}");
}

// Invariant 4
#[test]
fn while_no_server_answers_there_is_no_answer_and_everything_else_goes_on() {
    let mut slapd = Slapd::start();
    slapd.add_person("ann", "lantern-quartz-9");
    slapd.add_person("bob", "harbour-violet-3");
    let dir = tempfile::tempdir().unwrap();
    let passcode_only = "[[client]]\nname = \"app\"\nnetworks = [\"127.0.0.2\"]\nsecret = \"demo-radius-shared-secret\"\n\
                         login = \"passcode\"\n";
    let daemon = follow(dir.path(), &(on_slapd(&slapd, "campus", &slapd.uri()) + passcode_only));
    let enrolled = daemon.run(&["enroll", "totp", "bob", "--seed", SEED, "--code", &code(SEED, -1)]);
    assert!(enrolled.status.success(), "{enrolled:?}");
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    slapd.kill();
    assert_eq!(unanswered(&daemon, "ann", "lantern-quartz-9"), NOTHING, "neither yes nor no");
    assert_eq!(unanswered(&daemon, "nobody", "x"), NOTHING, "may be new there");
    // The admin socket, and logins that need no password of the directory.
    assert!(daemon.run(&["person", "show", "ann"]).status.success());
    let attributes =
        [("User-Name", "bob"), ("User-Password", &code(SEED, 0)), ("Packet-Src-IP-Address", "127.0.0.2")];
    let output = support::radclient(daemon.address, &attributes);
    assert_eq!(support::answer(&output), ACCEPT, "{output}");
    slapd.start_again();
    until("it is used again", || (login(&daemon, "ann", "wrong") == REJECT).then_some(()));
    // Where right passwords are remembered, silence can mean wrong.
    let ann = daemon.json(&["person", "show", "ann"]);
    assert!(ann["failures"][0]["count"].as_u64() > Some(1), "what could not be decided stays charged: {ann}");
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    slapd.add_person("cyd", "velvet anchor 77");
    until("it is followed again", || (login(&daemon, "cyd", "velvet anchor 77") == ACCEPT).then_some(()));
}

#[test]
fn hung_server_costs_its_deadline_then_the_next_one_is_asked() {
    let (first, second) = (Slapd::start(), Slapd::start());
    for slapd in [&first, &second] {
        slapd.add_person("ann", "lantern-quartz-9");
    }
    let dir = tempfile::tempdir().unwrap();
    // The same authority may vouch for both here.
    let both = format!("servers = [\"{}\", \"{}\"]\nstart_tls = false", first.uri(), second.uri());
    let settings = on_slapd(&first, "campus", &first.uri());
    let settings = settings.replace(&format!("servers = [\"{}\"]", first.uri()), &both);
    let daemon = follow(dir.path(), &settings);
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    first.pause();
    for _ in 0..4 {
        assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT, "by the second server");
    }
    let down = sync(&daemon);
    assert_eq!(down["directories"][0]["servers"][0]["up"], false, "{down}");
    // It rests: nobody waits for it any more.
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_millis(300) {
        assert_eq!(login(&daemon, "ann", "wrong"), REJECT);
    }
    assert!(daemon.run(&["person", "list"]).status.success());
    first.resume();
    until("the first server is used again", || {
        let _ = login(&daemon, "ann", "lantern-quartz-9");
        (sync(&daemon)["directories"][0]["servers"][0]["up"] == true).then_some(())
    });
}

#[test]
fn remembered_password_counts_in_an_outage_only_if_the_configuration_says_so() {
    let mut slapd = Slapd::start();
    slapd.add_person("ann", "lantern-quartz-9");
    slapd.add_person("bob", "harbour-violet-3");
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &(on_slapd(&slapd, "campus", &slapd.uri()) + "outage_cache = \"1h\"\n"));
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    let binds = slapd.binds(&person_dn("ann"));
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    assert_eq!(slapd.binds(&person_dn("ann")), binds + 1, "while it answers it is asked");
    slapd.kill();
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT, "remembered");
    assert_eq!(unanswered(&daemon, "ann", "lantern-quartz-8"), NOTHING, "not remembered: not decided");
    assert_eq!(unanswered(&daemon, "bob", "harbour-violet-3"), NOTHING, "never seen");
}

#[test]
fn remembered_password_ends_with_what_the_directory_says_of_it() {
    let mut slapd = Slapd::start();
    slapd.add_person("ann", "lantern-quartz-9");
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &(on_slapd(&slapd, "campus", &slapd.uri()) + "outage_cache = \"1h\"\n"));
    assert!(daemon.run_with(&["person", "passwd", "ann"], "copper meadow 41\n").status.success());
    until("the sync has seen it too", || (person(&daemon, "ann", "version").as_u64()? > 2).then_some(()));
    assert_eq!(login(&daemon, "ann", "copper meadow 41"), ACCEPT, "remembered from here on");
    slapd.ldif(
        "dn: cn=default,ou=policies,dc=example,dc=org\nchangetype: modify\nreplace: pwdMaxAge\npwdMaxAge: 1\n",
    );
    until("it has expired", || (login(&daemon, "ann", "copper meadow 41") == REJECT).then_some(()));
    slapd.kill();
    assert_eq!(unanswered(&daemon, "ann", "copper meadow 41"), NOTHING);
}

#[test]
fn sync_goes_on_at_the_next_server_when_one_only_binds() {
    let slapd = Slapd::start();
    slapd.add_person("ann", "lantern-quartz-9");
    // Says yes to a bind and "busy with itself" to everything else.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut request = [0; 8192];
                while let Ok(length @ 1..) = stream.read(&mut request) {
                    // Message ids are four octets here, after tag and length of the envelope.
                    let at = if request[1] & 0x80 == 0 { 2 } else { 6 };
                    let id = element(2, &request[at + 2..at + 6]);
                    let (tag, code) = if request[at + 6] == 0x60 { (0x61, 0) } else { (0x65, 53) };
                    let result = [element(0x0a, &[code]), element(4, b""), element(4, b"")].concat();
                    assert!(length > 8);
                    let _ = stream.write_all(&element(0x30, &[id, element(tag, &result)].concat()));
                }
            });
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let both = format!("servers = [\"ldap://127.0.0.1:{port}\", \"{}\"]\nstart_tls = false", slapd.uri());
    let settings = on_slapd(&slapd, "campus", &slapd.uri());
    let daemon = follow(dir.path(), &settings.replace(&format!("servers = [\"{}\"]", slapd.uri()), &both));
    assert_eq!(sync(&daemon)["directories"][0]["people"], 1);
}

#[test]
fn warm_cache_needs_no_directory_until_the_password_changes_there() {
    let slapd = Slapd::start();
    slapd.add_person("ann", "lantern-quartz-9");
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &(on_slapd(&slapd, "campus", &slapd.uri()) + "cache = \"1h\"\n"));
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    let binds = slapd.binds(&person_dn("ann"));
    for _ in 0..5 {
        assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    }
    assert_eq!(slapd.binds(&person_dn("ann")), binds);
    slapd.ldif(&format!(
        "dn: {}\nchangetype: modify\nreplace: userPassword\nuserPassword: copper meadow 41\n",
        person_dn("ann")
    ));
    until("the old one ends", || (login(&daemon, "ann", "lantern-quartz-9") == REJECT).then_some(()));
    assert_eq!(login(&daemon, "ann", "copper meadow 41"), ACCEPT);
}

// Invariant 3
#[test]
fn kills_of_either_side_in_a_sync_lose_and_repeat_nothing() {
    let mut slapd = Slapd::with_crowd(3000);
    let dir = tempfile::tempdir().unwrap();
    let settings = on_slapd(&slapd, "campus", &slapd.uri());
    configure(dir.path(), &settings);
    // The daemon is killed as soon as some are there, again and again.
    for round in 0..4 {
        let mut daemon = Daemon::serve_in(dir.path(), &[]);
        until("some are there", || {
            (sync(&daemon)["directories"][0]["people"].as_u64()? > 300 * round).then_some(())
        });
        daemon.kill();
    }
    let mut daemon = Daemon::serve_in(dir.path(), &[]);
    until("the load is under way", || {
        (sync(&daemon)["directories"][0]["people"].as_u64()? > 100).then_some(())
    });
    slapd.kill();
    slapd.start_again();
    until_following(&daemon);
    assert_eq!(sync(&daemon)["directories"][0]["people"], 3000);
    assert_eq!(login(&daemon, &crowd_uid(2999), &crowd_password(2999)), ACCEPT);
    // What happens while the daemon is down is there after its start, by the cookie alone.
    let id = person(&daemon, &crowd_uid(7), "id");
    daemon.kill();
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", person_dn(&crowd_uid(8))));
    slapd.add_person("ann", "lantern-quartz-9");
    let searches = slapd.count(PEOPLE);
    let daemon = Daemon::serve_in(dir.path(), &[]);
    until_following(&daemon);
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    assert!(person(&daemon, &crowd_uid(8), "id").is_null());
    assert_eq!(person(&daemon, &crowd_uid(7), "id"), id);
    let status = sync(&daemon);
    let changes =
        ["added", "changed", "removed"].map(|field| status["directories"][0][field].as_u64().unwrap());
    assert_eq!(changes, [1, 0, 1], "nothing is repeated");
    assert!(slapd.count(PEOPLE) - searches < 6, "the six pages were not read again");
    let verified = daemon.json(&["audit", "verify"]);
    assert!(verified["broken"].is_null(), "{verified}");
}

#[test]
fn ten_thousand_changes_while_people_log_in() {
    let slapd = Slapd::with_crowd(2000);
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &on_slapd(&slapd, "campus", &slapd.uri()));
    let done = Arc::new(AtomicBool::new(false));
    let (mut tried, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        let over = Arc::clone(&done);
        let slapd = &slapd;
        scope.spawn(move || {
            for round in 0..5 {
                let change = |n: usize| {
                    let phone = format!("+41 44 {round} {n}");
                    format!(
                        "dn: {}\nchangetype: modify\nreplace: mobile\nmobile: {phone}\n\n",
                        person_dn(&crowd_uid(n))
                    )
                };
                slapd.ldif(&(1..=2000).map(change).collect::<String>());
            }
            over.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            let n = tried % 2000 + 1;
            tried += 1;
            refused += usize::from(login(&daemon, &crowd_uid(n), &crowd_password(n)) != ACCEPT);
        }
    });
    assert!(tried > 10, "{tried}");
    assert_eq!(refused, 0, "of {tried}");
    until("the last change is here", || {
        (1..=2000)
            .step_by(333)
            .all(|n| person(&daemon, &crowd_uid(n), "phone") == format!("+41 44 4 {n}"))
            .then_some(())
    });
    assert_eq!(sync(&daemon)["directories"][0]["people"], 2000);
}

#[test]
fn no_credentials_in_the_log_even_at_trace() {
    let slapd = Slapd::start();
    slapd.add_person("ann", "lantern-quartz-9");
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), &on_slapd(&slapd, "campus", &slapd.uri()));
    let text = support::read(&dir.path().join("doorward.toml")).replace("doorward=debug", "trace");
    std::fs::write(dir.path().join("doorward.toml"), text).unwrap();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    until_following(&daemon);
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    assert!(daemon.run_with(&["person", "passwd", "ann"], "copper meadow 41\n").status.success());
    let _ = login_output(&daemon, "ann", "copper meadow 41");
    let log: String = daemon.lines.as_ref().unwrap().try_iter().collect();
    assert!(log.contains("login"), "{log}");
    for secret in ["lantern-quartz-9", "copper meadow 41", "service-password"] {
        assert!(!log.contains(secret), "{secret}");
        let octets = format!("{:?}", secret.as_bytes());
        assert!(!log.contains(octets.trim_matches(['[', ']'])), "{secret} as octets");
    }
}

#[test]
fn late_answer_is_not_taken_for_that_of_the_next_login() {
    let slapd = Slapd::start();
    slapd.add_person("ann", "lantern-quartz-9");
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &on_slapd(&slapd, "campus", &slapd.uri()));
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT, "a connection waits from here on");
    slapd.pause();
    assert_eq!(unanswered(&daemon, "ann", "lantern-quartz-9"), NOTHING);
    slapd.resume();
    assert_eq!(login(&daemon, "ann", "wrong"), REJECT, "decided, and by its own answer");
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
}

#[test]
fn server_that_died_without_a_word_is_noticed_by_the_sync() {
    let slapd = Slapd::start();
    slapd.add_person("ann", "lantern-quartz-9");
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &on_slapd(&slapd, "campus", &slapd.uri()));
    slapd.pause();
    until("it is noticed", || (sync(&daemon)["directories"][0]["stage"] != "following").then_some(()));
    slapd.resume();
    until_following(&daemon);
}

#[test]
fn refusal_by_the_directory_ends_a_remembered_password_though_the_sync_is_blind() {
    let mut slapd = Slapd::start();
    slapd.add_person("ann", "lantern-quartz-9");
    slapd.add_person("bob", "harbour-violet-3");
    let dir = tempfile::tempdir().unwrap();
    let daemon = follow(dir.path(), &(on_slapd(&slapd, "campus", &slapd.uri()) + "outage_cache = \"1h\"\n"));
    // The sync cannot follow any more: what was remembered is not voided by what it would see.
    let replace = |dn: &str, attribute: &str, value: &str| {
        slapd.ldif(&format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n"));
    };
    replace(support::slapd::SERVICE.0, "userPassword", "rotated");
    assert!(!daemon.run(&["sync", "--once"]).status.success());
    replace(support::slapd::POLICY, "pwdMaxFailure", "3");
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT, "remembered from here on");
    assert_eq!(login(&daemon, "bob", "harbour-violet-3"), ACCEPT, "remembered from here on");
    for _ in 0..3 {
        assert_eq!(login(&daemon, "ann", "wrong"), REJECT);
    }
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), REJECT, "locked");
    replace(&person_dn("bob"), "userPassword", "velvet anchor 77");
    assert_eq!(login(&daemon, "bob", "harbour-violet-3"), REJECT, "another password");
    slapd.kill();
    assert_eq!(unanswered(&daemon, "ann", "lantern-quartz-9"), NOTHING);
    assert_eq!(unanswered(&daemon, "bob", "harbour-violet-3"), NOTHING);
}

/// Answers to one request, in octets.
struct Speaks<'r> {
    /// Message id of the request.
    id: &'r [u8],
}

impl Speaks<'_> {
    fn message(&self, operation: &[u8], controls: &[u8]) -> Vec<u8> {
        element(0x30, &[&element(2, self.id), operation, controls].concat())
    }

    fn result(&self, tag: u8, code: u16) -> Vec<u8> {
        let code = element(0x0a, &code.to_be_bytes());
        self.message(&element(tag, &[code, element(4, b""), element(4, b"")].concat()), &[])
    }

    fn entry(&self, dn: &str, attributes: &[(&str, &str)], controls: &[u8]) -> Vec<u8> {
        let attribute = |(name, value): &(&str, &str)| {
            let values = element(0x31, &element(4, value.as_bytes()));
            element(0x30, &[element(4, name.as_bytes()), values].concat())
        };
        let list: Vec<u8> = attributes.iter().flat_map(attribute).collect();
        let entry = [element(4, dn.as_bytes()), element(0x30, &list)].concat();
        self.message(&element(0x64, &entry), controls)
    }

    /// Somebody is there, and the synchronisation stands at `cookie`.
    fn person(&self, (id, uid): (&str, &str), cookie: &[u8]) -> Vec<u8> {
        let mut uuid = [0; 16];
        uuid[..id.len()].copy_from_slice(id.as_bytes());
        let cookie = if cookie.is_empty() { Vec::new() } else { element(4, cookie) };
        let state = element(0x30, &[element(0x0a, &[1]), element(4, &uuid), cookie].concat());
        let control = [element(4, b"1.3.6.1.4.1.4203.1.9.1.2"), element(4, &state)].concat();
        let controls = element(0xa0, &element(0x30, &control));
        let dn = format!("cn={id},dc=example,dc=org");
        self.entry(&dn, &[("uid", uid), ("cn", id)], &controls)
    }

    /// The refresh is over, and who was not named is gone.
    fn refreshed(&self, cookie: &[u8]) -> Vec<u8> {
        let name = element(0x80, b"1.3.6.1.4.1.4203.1.9.1.4");
        let value = element(0x81, &element(0xa2, &element(4, cookie)));
        self.message(&element(0x79, &[name, value].concat()), &[])
    }
}

/// A server that binds its service account, answers binds of all others with `bound`, offers content synchronisation, and
/// leaves that to `sync`: it is given the octets of each such request and says what is answered.
fn synchronising(
    bound: &Arc<AtomicU16>,
    sync: impl FnMut(&[u8], Speaks<'_>) -> Vec<u8> + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sync = Arc::new(Mutex::new(sync));
    let bound = Arc::clone(bound);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sync, bound) = (stream.unwrap(), Arc::clone(&sync), Arc::clone(&bound));
            std::thread::spawn(move || {
                let mut request = [0; 8192];
                while let Ok(length @ 1..) = stream.read(&mut request) {
                    let asked = &request[..length];
                    // Message ids are four octets here, after tag and length of the envelope.
                    let at = if asked[1] & 0x80 == 0 { 2 } else { 6 };
                    let speaks = Speaks { id: &asked[at + 2..at + 6] };
                    let answer = if asked[at + 6] == 0x60 {
                        let service = has(asked, "service-password");
                        speaks.result(0x61, if service { 0 } else { bound.load(Ordering::SeqCst) })
                    } else if has(asked, "1.3.6.1.4.1.4203.1.9.1.1") {
                        sync.lock().unwrap()(asked, speaks)
                    } else if has(asked, "supportedControl") {
                        let offered = [("supportedControl", "1.3.6.1.4.1.4203.1.9.1.1")];
                        [speaks.entry("", &offered, &[]), speaks.result(0x65, 0)].concat()
                    } else {
                        speaks.result(0x65, 0)
                    };
                    let _ = stream.write_all(&answer);
                }
            });
        }
    });
    port
}

fn has(octets: &[u8], text: &str) -> bool {
    octets.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn cookie_counts_once_its_refresh_has_ended_and_until_the_server_refuses_it() {
    let (sender, asked) = std::sync::mpsc::channel();
    let (ann, bob) = (("1", "ann"), ("2", "bob"));
    let mut number = 0;
    let port = synchronising(&Arc::default(), move |request, speaks| {
        number += 1;
        sender.send(["early", "late"].map(|cookie| has(request, cookie))).unwrap();
        match number {
            // Never ends.
            1 => speaks.person(ann, b"early"),
            2 => [speaks.person(ann, b""), speaks.person(bob, b""), speaks.refreshed(b"late")].concat(),
            // "A full refresh is required."
            3 => speaks.result(0x65, 4096),
            _ => [speaks.person(bob, b""), speaks.refreshed(b"again")].concat(),
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = serve(dir.path(), &settings_for(port, false));
    until("both are known", || (sync(&daemon)["directories"][0]["people"] == 2).then_some(()));
    until_following(&daemon);
    daemon.stop();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    until("one is left", || (sync(&daemon)["directories"][0]["people"] == 1).then_some(()));
    assert!(person(&daemon, "ann", "id").is_null());
    let asked: Vec<_> = asked.try_iter().collect();
    assert_eq!(asked, [[false, false], [false, false], [false, true], [false, false]]);
}

// Invariant 4
#[test]
fn result_that_says_nothing_of_the_password_is_no_answer() {
    let bound = Arc::new(AtomicU16::new(0));
    let port = synchronising(&bound, |_, speaks| {
        [speaks.person(("1", "ann"), b""), speaks.refreshed(b"late")].concat()
    });
    let dir = tempfile::tempdir().unwrap();
    let daemon = serve(dir.path(), &settings_for(port, false));
    until_following(&daemon);
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), ACCEPT);
    // Unavailable, unwilling, something else.
    for code in [52, 53, 80] {
        bound.store(code, Ordering::SeqCst);
        assert_eq!(unanswered(&daemon, "ann", "lantern-quartz-9"), NOTHING, "{code}");
    }
    bound.store(49, Ordering::SeqCst);
    assert_eq!(login(&daemon, "ann", "lantern-quartz-9"), REJECT);
}

#[test]
fn place_is_not_written_before_the_last_of_its_batch() {
    let (sender, asked) = std::sync::mpsc::channel();
    let port = synchronising(&Arc::default(), move |request, speaks| {
        sender.send(has(request, "late")).unwrap();
        let mut answer: Vec<u8> = (0..250)
            .map(|number| format!("user{number}"))
            .flat_map(|name| speaks.person((&name, &name), b""))
            .collect();
        // Far behind the others of the batch, somebody whose name is taken.
        answer.extend(speaks.person(("other", "user0"), b""));
        answer.extend(speaks.refreshed(b"late"));
        answer
    });
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = serve(dir.path(), &settings_for(port, false));
    until_following(&daemon);
    let conflicts = |daemon: &Daemon| sync(daemon)["directories"][0]["conflicts"].clone();
    assert_eq!(conflicts(&daemon), serde_json::json!(["user0"]));
    daemon.stop();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    until_following(&daemon);
    assert_eq!(conflicts(&daemon), serde_json::json!(["user0"]));
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), [false, false], "from the beginning");
}

#[test]
fn deletion_that_the_server_does_not_remember_is_noticed() {
    let mut slapd = Slapd::start();
    slapd.add_person("ann", "lantern-quartz-9");
    slapd.add_person("bob", "harbour-violet-3");
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = follow(dir.path(), &on_slapd(&slapd, "campus", &slapd.uri()));
    daemon.stop();
    slapd.ldif(&format!("dn: {}\nchangetype: delete\n", person_dn("ann")));
    // Its log of deletions is in memory: after the restart it names who is still there instead.
    slapd.stop();
    slapd.start_again();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    until_following(&daemon);
    assert!(person(&daemon, "ann", "id").is_null());
    assert_eq!(login(&daemon, "bob", "harbour-violet-3"), ACCEPT);
}
