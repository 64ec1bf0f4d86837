//! Two real nodes that share PostgreSQL and Redis and nothing else (R-CODE-1, R-RAD-2, invariants 1 to 5).

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use doorward::wire::radius::{AttributeType, Code, Request};
use nix::sys::signal::Signal;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::postgres::{Options, Postgres};
use support::redis::Redis;
use support::slapd::until;
use support::{Daemon, PATIENCE, answer, code, radclient, radclient_by, read, secret, udp, value};

const PASSWORD: &str = "a-good-long-password";

/// A gateway that notes what it is given.
const TAKES: &str = "cat >> \"$0.said\"; printf '\\n' >> \"$0.said\"";

/// Everything that two nodes need, and the nodes. Fields are dropped in this order.
struct Nodes {
    a: Daemon,
    b: Daemon,
    redis: Redis,
    postgres: Postgres,
    dir: tempfile::TempDir,
}

impl Nodes {
    fn start() -> Self {
        Self::with("", TAKES)
    }

    /// `more`: further lines of the configuration; `program`: what takes messages, a shell script.
    fn with(more: &str, program: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let postgres = Postgres::start(Options { durable: true, ..Options::default() });
        postgres.sql("postgres", "CREATE DATABASE doorward");
        let redis = Redis::start();
        let gateway = dir.path().join("gateway");
        std::fs::write(&gateway, format!("#!/bin/sh\n{program}\n")).unwrap();
        std::fs::set_permissions(&gateway, std::fs::Permissions::from_mode(0o755)).unwrap();
        let key = dir.path().join("k1.key");
        std::fs::write(&key, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let node = |name: &str| {
            let folder = dir.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            let text = configuration(dir.path(), &postgres, &redis, more);
            std::fs::write(folder.join("doorward.toml"), text).unwrap();
            Daemon::serve_in(&folder, &[])
        };
        let (a, b) = (node("a"), node("b"));
        Self { a, b, redis, postgres, dir }
    }

    fn said_file(&self) -> PathBuf {
        self.dir.path().join("gateway.said")
    }

    /// Messages that the gateway was given: (number, code).
    fn said(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.said_file()).unwrap_or_default();
        let lines = text.lines().filter(|line| line.starts_with('{'));
        let message = |line: &str| {
            let message: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = message["text"].as_str().unwrap();
            let digits =
                |word: &&str| (6..=10).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
            let code = text.split(|c: char| !c.is_ascii_alphanumeric()).find(digits);
            (message["to"].as_str().unwrap().to_owned(), code.unwrap_or_else(|| panic!("{text}")).to_owned())
        };
        lines.map(message).collect()
    }

    /// The only message so far.
    fn only_code(&self) -> String {
        let said = until("a message", || Some(self.said()).filter(|said| !said.is_empty()));
        let [(_, code)] = said.as_slice() else { panic!("more than one message: {said:?}") };
        code.clone()
    }

    /// Adds somebody with a telephone through node A; the key of their app.
    fn add(&self, user: &str) -> String {
        let phone = "+1 520 878 2491";
        let added = self.a.run_with(&["person", "add", user, "--phone", phone], &format!("{PASSWORD}\n"));
        assert!(added.status.success(), "{added:?}");
        let key = self.a.json(&["enroll", "totp", user]);
        let (id, seed) = (key["id"].as_str().unwrap(), key["seed"].as_str().unwrap().to_owned());
        // The first code is used up by it; tests use later ones.
        self.a.json(&["factor", "confirm", id, &code(&seed, -1)]);
        seed
    }
}

fn configuration(dir: &Path, postgres: &Postgres, redis: &Redis, more: &str) -> String {
    format!(
        r#"{more}
[store]
url = "{}"
[redis]
urls = ["{}"]
[keys]
files = ["{}/k1.key"]
[radius]
listen = ["127.0.0.1:0"]
reject_delay = "0s"
[admin]
socket = "admin.sock"
[password]
memory = "64KiB"
passes = 1
[log]
filter = "trace"
[[client]]
name = "vpn"
networks = ["127.0.0.0/8"]
secret = "demo-radius-shared-secret"
[[gateway]]
name = "program"
kind = "exec"
channels = ["sms", "voice"]
program = "{}/gateway"
"#,
        postgres.url("doorward"),
        redis.url(),
        dir.display(),
        dir.display()
    )
}

fn ask(node: &Daemon, user: &str, typed: &str) -> String {
    radclient(node.address, &[("User-Name", user), ("User-Password", typed)])
}

/// The same, with little patience: no answer is what is expected.
fn ask_briefly(node: &Daemon, user: &str, typed: &str) -> String {
    let radclient = std::process::Command::new("radclient");
    radclient_by(radclient, "2", node.address, &[("User-Name", user), ("User-Password", typed)])
}

/// Answers the challenge in `output` at any node.
fn respond(node: &Daemon, user: &str, output: &str, typed: &str) -> String {
    let state = value(output, "State").unwrap_or_else(|| panic!("no challenge: {output}")).to_owned();
    radclient(node.address, &[("User-Name", user), ("User-Password", typed), ("State", &state)])
}

/// How many of many requests at once, sent to the nodes in turns, are let in; each has the State of its number, if any.
fn accepted_at_once(
    nodes: [SocketAddr; 2],
    (user, typed): (&str, &str),
    states: &[Vec<u8>],
    count: u8,
) -> usize {
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let (user, typed) = (user.to_owned(), typed.to_owned());
            let state = states.get(usize::from(number)).cloned();
            std::thread::spawn(move || {
                let socket = udp("127.0.0.1", PATIENCE);
                let mut request = Request::new(Code::ACCESS_REQUEST, number, [number; 16])
                    .attribute(AttributeType::USER_NAME, user.as_bytes())
                    .password(typed.as_str().into());
                if let Some(state) = &state {
                    request = request.attribute(AttributeType::STATE, state);
                }
                let request = request.seal(&secret()).unwrap();
                socket.send_to(&request, nodes[usize::from(number % 2)]).unwrap();
                let mut buffer = [0; 4096];
                socket.recv(&mut buffer).unwrap();
                buffer[0]
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).filter(|code| *code == 2).count()
}

// R-CODE-1, R-RAD-2
#[test]
fn challenge_of_one_node_is_answered_at_the_other_and_once() {
    let nodes = Nodes::start();
    let seed = nodes.add("ann");
    let challenge = ask(&nodes.a, "ann", PASSWORD);
    assert_eq!(answer(&challenge), "Access-Challenge", "{challenge}");
    assert_eq!(
        value(&challenge, "Reply-Message"),
        Some(
            "Enter a passcode, or choose a method: 1 = One-Time-Passcode App, 2 = SMS/Text to xxx-xxx-2491, \
             3 = Voice to xxx-xxx-2491"
        )
    );
    let accepted = respond(&nodes.b, "ann", &challenge, &code(&seed, 0));
    assert_eq!(answer(&accepted), "Access-Accept", "{accepted}");
    for node in [&nodes.a, &nodes.b] {
        assert_eq!(answer(&respond(node, "ann", &challenge, &code(&seed, 1))), "Access-Reject");
    }
    // What one accepted the other refuses.
    assert_eq!(answer(&ask(&nodes.a, "ann", &format!("{PASSWORD}{}", code(&seed, 0)))), "Access-Reject");
    assert_eq!(answer(&ask(&nodes.a, "ann", &format!("{PASSWORD}{}", code(&seed, 1)))), "Access-Accept");
}

// R-RAD-2, R-CODE-1
#[test]
fn code_by_text_completes_the_login_and_a_nas_that_fails_over_causes_no_second_message() {
    let nodes = Nodes::start();
    nodes.add("ann");
    let first = ask(&nodes.a, "ann", &format!("{PASSWORD},sms"));
    assert_eq!(answer(&first), "Access-Challenge", "{first}");
    assert_eq!(value(&first, "Reply-Message"), Some("A passcode is on its way to xxx-xxx-2491. Enter it:"));
    // The NAS heard nothing and asks the other.
    let second = ask(&nodes.b, "ann", &format!("{PASSWORD},sms"));
    assert_eq!(answer(&second), "Access-Challenge", "{second}");
    let sent = nodes.only_code();
    let wrong = if sent == "123456" { "654321" } else { "123456" };
    assert_eq!(answer(&respond(&nodes.b, "ann", &first, wrong)), "Access-Reject");
    let accepted = respond(&nodes.a, "ann", &second, &sent);
    assert_eq!(answer(&accepted), "Access-Accept", "{accepted}");
    assert_eq!(answer(&respond(&nodes.b, "ann", &second, &sent)), "Access-Reject", "the State was used");
    let list = nodes.b.json(&["outbox", "list"]);
    let messages = list["messages"].as_array().unwrap_or_else(|| list.as_array().unwrap());
    assert_eq!(messages.len(), 1, "{list}");
    assert_eq!(messages[0]["destination"], "xxx-xxx-2491", "{list}");
    assert!(!list.to_string().contains(&sent));
    assert_eq!(nodes.said(), [("+15208782491".to_owned(), sent.clone())]);

    // Another login gets another code, and the old one is worth nothing there.
    let third = ask(&nodes.b, "ann", &format!("{PASSWORD},sms"));
    until("the second message", || (nodes.said().len() == 2).then_some(()));
    assert_eq!(answer(&respond(&nodes.a, "ann", &third, &sent)), "Access-Reject");

    // By number out of the list, over the telephone.
    let list = ask(&nodes.a, "ann", PASSWORD);
    let chosen = respond(&nodes.b, "ann", &list, "3");
    assert_eq!(answer(&chosen), "Access-Challenge", "{chosen}");
    until("the third message", || {
        (nodes.said_file().exists() && read(&nodes.said_file()).contains("voice")).then_some(())
    });
}

// Invariant 1
#[test]
fn same_passcode_at_both_nodes_at_once_is_accepted_once() {
    let nodes = Nodes::start();
    let seed = nodes.add("ann");
    for steps in [0, 1] {
        let typed = format!("{PASSWORD}{}", code(&seed, steps));
        let accepted = accepted_at_once([nodes.a.address, nodes.b.address], ("ann", &typed), &[], 40);
        assert_eq!(accepted, 1, "step {steps}");
        // The others were failures as long as nobody knew better.
        assert!(nodes.a.run(&["person", "unlock", "ann"]).status.success());
    }
    let verified = nodes.b.json(&["audit", "verify"]);
    assert!(verified["broken"].is_null(), "{verified}");
}

fn state_of(challenge: &str) -> Vec<u8> {
    let hex = value(challenge, "State").unwrap_or_else(|| panic!("no challenge: {challenge}"));
    data_encoding::HEXLOWER.decode(hex.trim_start_matches("0x").as_bytes()).unwrap()
}

// R-CODE-1, invariant 1
#[test]
fn joined_code_lets_in_one_of_all_who_answer_with_it_at_once() {
    let nodes = Nodes::start();
    nodes.add("ann");
    // Three tries: no more can join with any of them.
    let at = |number: usize| if number.is_multiple_of(2) { &nodes.a } else { &nodes.b };
    let challenges: Vec<_> =
        (0..3).map(|number| ask(at(number), "ann", &format!("{PASSWORD},sms"))).collect();
    let states: Vec<_> = challenges.iter().map(|challenge| state_of(challenge)).collect();
    let sent = nodes.only_code();
    let accepted = accepted_at_once([nodes.a.address, nodes.b.address], ("ann", &sent), &states, 3);
    assert_eq!(accepted, 1);
    let trail = nodes.b.json(&["audit", "list"]).to_string();
    assert!(trail.contains("passcode-replayed"), "{trail}");
}

// R-CODE-1, invariant 1
#[test]
fn snapshot_of_redis_that_is_put_back_lets_nobody_in_again() {
    let nodes = Nodes::start();
    let seed = nodes.add("ann");
    let texted = ask(&nodes.a, "ann", &format!("{PASSWORD},sms"));
    let joined = ask(&nodes.b, "ann", &format!("{PASSWORD},sms"));
    let plain = ask(&nodes.b, "ann", PASSWORD);
    let sent = nodes.only_code();
    let keys: Vec<String> = nodes.redis.ask("KEYS *");
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    let snapshot: Vec<u8> = redis::cmd("DUMP").arg(key).query(&mut nodes.redis.superuser()).unwrap();
    assert_eq!(answer(&respond(&nodes.a, "ann", &texted, &sent)), "Access-Accept");
    assert_eq!(answer(&respond(&nodes.a, "ann", &plain, &code(&seed, 0))), "Access-Accept");
    let mut superuser = nodes.redis.superuser();
    let _: () =
        redis::cmd("RESTORE").arg(key).arg(0).arg(&snapshot).arg("REPLACE").query(&mut superuser).unwrap();
    // The same State and code; another State with the code; the other State with a code that is still good.
    assert_eq!(answer(&respond(&nodes.b, "ann", &texted, &sent)), "Access-Reject");
    assert_eq!(answer(&respond(&nodes.b, "ann", &joined, &sent)), "Access-Reject");
    assert_eq!(answer(&respond(&nodes.b, "ann", &plain, &code(&seed, 1))), "Access-Reject");
    let replayed = nodes.b.json(&["audit", "list"]).to_string().matches("passcode-replayed").count();
    assert_eq!(replayed, 3);
}

// R-RAD-2
#[test]
fn code_whose_message_was_never_written_is_not_waited_for() {
    let nodes = Nodes::start();
    nodes.add("ann");
    let first = ask(&nodes.a, "ann", &format!("{PASSWORD},sms"));
    let lost = nodes.only_code();
    // As if node A had been killed between Redis and PostgreSQL.
    nodes.postgres.sql("doorward", "DELETE FROM outbox");
    let second = ask(&nodes.b, "ann", &format!("{PASSWORD},sms"));
    let sent = until("another message", || nodes.said().get(1).cloned()).1;
    assert_eq!(answer(&respond(&nodes.a, "ann", &first, &lost)), "Access-Reject", "it is void");
    assert_eq!(answer(&respond(&nodes.a, "ann", &second, &sent)), "Access-Accept");
    // The next login waits for no code that is used.
    let third = ask(&nodes.a, "ann", &format!("{PASSWORD},sms"));
    let sent = until("a message for the next login", || nodes.said().get(2).cloned()).1;
    assert_eq!(answer(&respond(&nodes.b, "ann", &third, &sent)), "Access-Accept");
}

// R-CODE-1, invariant 1
#[test]
fn redis_that_comes_back_empty_voids_what_was_outstanding_and_admits_nobody() {
    let mut nodes = Nodes::start();
    let seed = nodes.add("ann");
    let challenge = ask(&nodes.a, "ann", PASSWORD);
    let texted = ask(&nodes.a, "ann", &format!("{PASSWORD},sms"));
    let sent = nodes.only_code();
    let used = format!("{PASSWORD}{}", code(&seed, 0));
    assert_eq!(answer(&ask(&nodes.a, "ann", &used)), "Access-Accept");

    nodes.redis.kill();
    assert_eq!(answer(&ask_briefly(&nodes.a, "ann", PASSWORD)), "no answer", "nobody can be challenged");
    let fresh = format!("{PASSWORD}{}", code(&seed, 1));
    assert_eq!(answer(&ask(&nodes.b, "ann", &fresh)), "Access-Accept", "one string needs no Redis");

    nodes.redis.start_again();
    for node in [&nodes.a, &nodes.b] {
        until("a challenge again", || {
            (answer(&ask_briefly(node, "ann", PASSWORD)) == "Access-Challenge").then_some(())
        });
    }
    assert_eq!(answer(&respond(&nodes.b, "ann", &challenge, &code(&seed, 1))), "Access-Reject");
    assert_eq!(answer(&respond(&nodes.a, "ann", &texted, &sent)), "Access-Reject", "the code is void");
    for typed in [&used, &fresh] {
        assert_eq!(answer(&ask(&nodes.a, "ann", typed)), "Access-Reject", "used before");
    }
}

// Invariant 4
#[test]
fn without_postgresql_there_is_no_answer_and_afterwards_no_restart_is_needed() {
    let mut nodes = Nodes::start();
    let seed = nodes.add("ann");
    let right = format!("{PASSWORD}{}", code(&seed, 0));
    nodes.postgres.stop();
    for node in [&nodes.a, &nodes.b] {
        assert_eq!(answer(&ask_briefly(node, "ann", &right)), "no answer");
    }
    assert_eq!(answer(&ask_briefly(&nodes.a, "ann", "wrong")), "no answer");
    assert_eq!(answer(&ask_briefly(&nodes.b, "nobody", "wrong")), "no answer");
    nodes.postgres.run();
    until("an answer of A", || {
        (answer(&ask_briefly(&nodes.a, "ann", "wrong")) == "Access-Reject").then_some(())
    });
    until("an answer of B", || {
        (answer(&ask_briefly(&nodes.b, "ann", "wrong")) == "Access-Reject").then_some(())
    });
    assert_eq!(answer(&ask(&nodes.b, "ann", &right)), "Access-Accept");
    assert_eq!(answer(&ask(&nodes.a, "ann", &right)), "Access-Reject");

    // A crash of it loses nothing that was answered.
    nodes.postgres.kill();
    nodes.postgres.run();
    until("an answer after the crash", || {
        (answer(&ask_briefly(&nodes.a, "ann", &right)) == "Access-Reject").then_some(())
    });
    // B waits half a second after a failure to connect.
    until("an answer of B after the crash", || {
        (answer(&ask_briefly(&nodes.b, "ann", &right)) == "Access-Reject").then_some(())
    });
    assert_eq!(answer(&ask(&nodes.b, "ann", &format!("{PASSWORD}{}", code(&seed, 1)))), "Access-Accept");
    assert!(nodes.a.json(&["audit", "verify"])["broken"].is_null());
}

// Invariants 2 and 3
#[test]
fn what_happens_at_one_node_holds_at_the_other_at_once_and_survives_its_end() {
    let mut nodes =
        Nodes::with("[throttle]\nfree = 2\nbase = \"1h\"\nmax = \"1h\"\nhard_stop = 5", "cat > /dev/null");
    let seed = nodes.add("ann");
    nodes.add("ben");
    let right = |steps| format!("{PASSWORD}{}", code(&seed, steps));

    // Failures are counted over both.
    for node in [&nodes.a, &nodes.b, &nodes.a] {
        assert_eq!(answer(&ask(node, "ann", "wrong-password")), "Access-Reject");
    }
    assert_eq!(answer(&ask(&nodes.b, "ann", &right(0))), "Access-Reject", "it has to wait");
    assert!(nodes.b.run(&["person", "unlock", "ann"]).status.success());

    // A lock, a password, a factor.
    assert!(nodes.b.run(&["person", "lock", "ann"]).status.success());
    assert_eq!(answer(&ask(&nodes.a, "ann", &right(0))), "Access-Reject");
    assert!(nodes.a.run(&["person", "unlock", "ann"]).status.success());
    let new = "another-good-password";
    assert!(nodes.a.run_with(&["person", "passwd", "ann"], &format!("{new}\n")).status.success());
    assert_eq!(answer(&ask(&nodes.b, "ann", &right(0))), "Access-Reject", "the old password");
    assert_eq!(answer(&ask(&nodes.b, "ann", &format!("{new}{}", code(&seed, 0)))), "Access-Accept");
    let factors = nodes.b.json(&["factor", "list", "ben"]);
    let id = factors.as_array().unwrap_or_else(|| factors["factors"].as_array().unwrap())[0]["id"].clone();
    let challenge = ask(&nodes.a, "ben", PASSWORD);
    assert!(value(&challenge, "Reply-Message").unwrap().contains("One-Time-Passcode App"), "{challenge}");
    assert!(nodes.b.run(&["factor", "revoke", id.as_str().unwrap()]).status.success());
    let challenge = ask(&nodes.a, "ben", PASSWORD);
    assert!(!value(&challenge, "Reply-Message").unwrap().contains("One-Time-Passcode App"), "{challenge}");

    // The node that did it is gone; what it acknowledged is not.
    let recovery = nodes.a.json(&["enroll", "recovery", "ben"]);
    let paper = recovery["codes"][0].as_str().unwrap().to_owned();
    let open = ask(&nodes.a, "ben", PASSWORD);
    nodes.a.kill();
    let accepted = respond(&nodes.b, "ben", &open, &paper);
    assert_eq!(answer(&accepted), "Access-Accept", "{accepted}");
    assert!(nodes.b.json(&["audit", "verify"])["broken"].is_null());
}

// R-CODE-1: no duplicates after a kill
#[test]
fn node_killed_while_it_sends_causes_no_second_message() {
    // The gateway takes the message and never says so. It ends with the test's folder, for it outlives the node.
    let mut nodes = Nodes::with("", &format!("{TAKES}; while [ -e \"$0.said\" ]; do sleep 0.1; done"));
    nodes.add("ann");
    nodes.add("ben");
    let first = ask(&nodes.a, "ann", &format!("{PASSWORD},sms"));
    assert_eq!(answer(&first), "Access-Challenge", "{first}");
    let sent = nodes.only_code();
    let listed = nodes.b.json(&["outbox", "list"]);
    assert!(listed.to_string().contains("sending"), "{listed}");
    nodes.a.kill();
    // The text arrived all the same, and it counts at the other node.
    let accepted = respond(&nodes.b, "ann", &first, &sent);
    assert_eq!(answer(&accepted), "Access-Accept", "{accepted}");
    // The other node goes on sending, but not this one.
    assert_eq!(answer(&ask(&nodes.b, "ben", &format!("{PASSWORD},sms"))), "Access-Challenge");
    until("a message of the other node", || (nodes.said().len() > 1).then_some(()));
    let codes: Vec<_> = nodes.said().into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes.iter().filter(|code| **code == sent).count(), 1, "{codes:?}");
    let listed = nodes.b.json(&["outbox", "list", "--user", "ann"]);
    assert!(listed.to_string().contains("sending"), "{listed}");
}

// Invariant 5
#[test]
fn log_at_trace_level_redis_and_the_database_hold_no_code() {
    // Ten digits in a row are nowhere by chance.
    let nodes = Nodes::with("[codes]\ndigits = 10", TAKES);
    let seed = nodes.add("ann");
    let first = ask(&nodes.a, "ann", &format!("{PASSWORD},sms"));
    let sent = nodes.only_code();
    // Before it is used: it must be in none of them in clear.
    let mut everywhere = String::new();
    let keys: Vec<String> = nodes.redis.ask("KEYS *");
    assert!(!keys.is_empty());
    for key in keys {
        everywhere += &format!("{key} {:?}\n", nodes.redis.ask::<Vec<String>>(&format!("HGETALL {key}")));
    }
    let tables = nodes.postgres.sql(
        "doorward",
        "SELECT string_agg(query_to_xml('SELECT * FROM ' || tablename, true, true, '')::text, ' ')
         FROM pg_tables WHERE schemaname = 'public'",
    );
    assert!(tables.contains("xxx-xxx-2491"), "the outbox is among the tables");
    let outbox = tables.split("<outbox>").nth(1).unwrap_or(&tables);
    assert!(!outbox.contains("+15208782491"), "the number is sealed there");
    everywhere += &tables;
    assert_eq!(answer(&respond(&nodes.b, "ann", &first, &sent)), "Access-Accept");
    let mut nodes = nodes;
    for node in [&mut nodes.a, &mut nodes.b] {
        node.signal(Signal::SIGTERM);
        assert!(node.child.wait().unwrap().success());
        let lines = node.lines.take().unwrap();
        while let Ok(line) = lines.recv_timeout(Duration::from_secs(10)) {
            everywhere += &line;
            everywhere.push('\n');
        }
    }
    assert!(everywhere.contains("passcode-sent"), "the log was read");
    for secret in [sent.as_str(), PASSWORD, seed.as_str()] {
        let found = everywhere.match_indices(secret).next();
        let around = found.map(|(at, _)| &everywhere[at.saturating_sub(80)..]);
        assert!(around.is_none(), "{secret}: {:.200}", around.unwrap_or_default());
    }
}
