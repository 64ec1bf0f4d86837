//! Two daemons on one PostgreSQL, asked the same question by clients that know both.

use super::service::{CLIENT, query};
use super::*;
use std::collections::BTreeSet;
use support::postgres::{Options, Postgres};
use support::slapd::{run, succeed};

const PORTS: [u16; 2] = [8401, 8402];

/// Fields are dropped in this order.
struct Nodes {
    world: World,
    _other: Daemon,
    _dir: tempfile::TempDir,
    _postgres: Postgres,
}

fn nodes() -> Nodes {
    let postgres = Postgres::start(Options::default());
    postgres.sql("postgres", "CREATE DATABASE doorward");
    let namespace = Namespace::new();
    let node = |port: u16| {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("one.secret"), CLIENT);
        let settings = format!(
            "[wsapi]\nlisten = [\"127.0.0.1:{port}\"]\n[[wsapi.client]]\nid = 1\nsecret_file = \"one.secret\"\n"
        );
        configure(dir.path(), &settings);
        let file = dir.path().join("doorward.toml");
        let url = format!("url = \"{}\"", postgres.url("doorward"));
        write(&file, &support::read(&file).replace("path = \"doorward.db\"", &url));
        (Daemon::serve_by(namespace.command(DOORWARD), dir.path()), dir)
    };
    let ((daemon, dir), (other, other_dir)) = (node(PORTS[0]), node(PORTS[1]));
    let world = World { daemon, namespace, other: tempfile::tempdir().unwrap(), dir };
    world.add("hannelore");
    world.key(&BLUE, Some("hannelore"), true);
    world.key(&RED, None, true);
    Nodes { world, _other: other, _dir: other_dir, _postgres: postgres }
}

fn status(namespace: &Namespace, port: u16, query: &str) -> String {
    let url = format!("http://127.0.0.1:{port}/wsapi/2.0/verify?{query}");
    let mut curl = namespace.command("curl");
    let body = succeed(curl.args(["-sS", "--max-time", "20", &url]), "");
    body.lines().find_map(|line| line.strip_prefix("status=")).unwrap().to_owned()
}

#[test]
fn same_question_at_another_node_is_told_apart_from_a_replay() {
    let nodes = nodes();
    let at = &nodes.world.namespace;
    for otp in [BLUE.touch(1, 1), RED.touch(1, 1)] {
        let question = query(1, CLIENT, &otp);
        assert_eq!(status(at, PORTS[0], &question), "OK");
        assert_eq!(status(at, PORTS[1], &question), "REPLAYED_REQUEST");
        assert_eq!(status(at, PORTS[0], &question), "REPLAYED_REQUEST");
        // With another nonce it is another question.
        assert_eq!(status(at, PORTS[1], &query(1, CLIENT, &otp)), "REPLAYED_OTP");
    }
    let question = query(1, CLIENT, &BLUE.touch(1, 2));
    let at_once: Vec<_> = std::thread::scope(|scope| {
        let question = &question;
        let ask = |number: usize| scope.spawn(move || status(at, PORTS[number % 2], question));
        let asking: Vec<_> = (0..8).map(ask).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(at_once.iter().filter(|status| *status == "OK").count(), 1, "{at_once:?}");
    assert_eq!(at_once.into_iter().collect::<BTreeSet<_>>().len(), 2, "the others are repeated requests");
    assert_eq!(nodes.world.login(&with(&BLUE.touch(1, 2))), REJECT, "used there, used here");
    assert_eq!(nodes.world.login(&with(&BLUE.touch(1, 3))), ACCEPT);
}

/// It asks all URLs at once with the same nonce, looks at the answers in the order of the URLs, and gives up at a REPLAYED_OTP.
#[test]
fn yubico_client_with_the_addresses_of_both_nodes_is_served_each_time() {
    const ASK: &str = "import sys\nfrom yubico_client import Yubico\n\
        key, urls, otps = sys.argv[1], sys.argv[2].split(), sys.argv[3:]\n\
        client = Yubico('1', key, api_urls=urls)\n\
        for otp in otps:\n    print(client.verify(otp))\n    client.api_urls.reverse()\n\
        try: print(client.verify(otps[0]))\n\
        except Exception as error: print(type(error).__name__, error)\n";
    let nodes = nodes();
    let urls = PORTS.map(|port| format!("http://127.0.0.1:{port}/wsapi/2.0/verify")).join(" ");
    let otps: Vec<_> = (1..=12).map(|touch| BLUE.touch(1, touch)).collect();
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python");
    let mut command = nodes.world.namespace.command(python);
    let output = run(command.args(["-c", ASK, CLIENT, &urls]).args(&otps), "");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let refused = said.strip_prefix(&"True\n".repeat(12));
    assert!(refused.is_some_and(|last| last.contains("REPLAYED_OTP")), "{said}");
}
