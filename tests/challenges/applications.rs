//! Two daemons on one records store and one Redis, and an application that asks now the one, now the other.

use super::nodes::{node_with, until_redis};
use super::servers::rule;
use crate::support::Daemon;
use crate::support::duo::{DuoKey, date, fields};
use crate::support::redis::{Redis, Setup};
use crate::support::slapd::until;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const NUMBER: &str = "+15208782491";

/// Fields are dropped in this order.
struct Nodes {
    one: Daemon,
    other: Daemon,
    key: DuoKey,
    said: PathBuf,
    client: reqwest::blocking::Client,
    _folders: [tempfile::TempDir; 3],
    _redis: Redis,
}

fn start() -> Nodes {
    let redis = Redis::with(&Setup { extra: rule("standalone"), ..Setup::default() });
    let store = tempfile::tempdir().unwrap();
    let gateway = store.path().join("gateway");
    std::fs::write(&gateway, "#!/bin/sh\ncat >> \"$0.said\"; printf '\\n' >> \"$0.said\"\n").unwrap();
    std::fs::set_permissions(&gateway, std::fs::Permissions::from_mode(0o755)).unwrap();
    let more = format!(
        "[api]\nlisten = [\"127.0.0.1:0\"]\n\
         [[api_client]]\nname = \"texts\"\nlogin = \"passcode\"\nmethods = [\"sms\"]\nrights = [\"trigger\"]\n\
         [[api_client]]\nname = \"others\"\nlogin = \"passcode\"\nmethods = [\"sms\"]\nrights = [\"trigger\"]\n\
         [[gateway]]\nname = \"program\"\nkind = \"exec\"\nchannels = [\"sms\"]\nprogram = \"{}\"\n",
        gateway.display()
    );
    let database = store.path().join("doorward.db");
    let (one_dir, one) = node_with(&database, &redis, &more);
    let (other_dir, other) = node_with(&database, &redis, &more);
    for daemon in [&one, &other] {
        until_redis(daemon, true);
    }
    let added = one.run_with(&["person", "add", "zoe", "--phone", NUMBER], "a passphrase of her own\n");
    assert!(added.status.success(), "{added:?}");
    let made = one.json(&["client", "add", "texts"]);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let key = DuoKey { id: text("id"), secret: text("secret") };
    let client = crate::support::http::client(None);
    let said = said_by(&gateway);
    Nodes { one, other, key, said, client, _folders: [store, one_dir, other_dir], _redis: redis }
}

fn said_by(gateway: &Path) -> PathBuf {
    gateway.with_extension("said")
}

impl Nodes {
    fn codes(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.said).unwrap_or_default();
        let code = |line: &str| {
            let message: Value = serde_json::from_str(line).ok()?;
            let text = message["text"].as_str()?.to_owned();
            text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).map(str::to_owned)
        };
        text.lines().filter_map(code).collect()
    }

    fn code(&self) -> String {
        until("a text message", || self.codes().first().cloned())
    }

    fn post(&self, node: &Daemon, path: &str, headers: &[(&str, &str)], body: &str) -> Value {
        let mut request = self.client.post(format!("http://{}{path}", node.api.unwrap()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body.to_owned()).send().unwrap();
        serde_json::from_str(&answer.text().unwrap()).unwrap()
    }

    /// As plug-ins for privacyIDEA ask.
    fn ask(&self, node: &Daemon, path: &str, what: &[(&str, &str)]) -> Value {
        let key = format!("{}.{}", self.key.id, self.key.secret);
        self.post(node, path, &[("authorization", &key)], &fields(what))
    }

    /// As clients of Duo do; result and status.
    fn auth(&self, node: &Daemon, what: &[(&str, &str)]) -> (String, String) {
        let (host, now, body) = (node.api.unwrap().to_string(), date(0), fields(what));
        let authorization = self.key.signs(("POST", &host, "/auth/v2/auth"), &now, &body);
        let headers = [("authorization", authorization.as_str()), ("date", &now)];
        let answer = self.post(node, "/auth/v2/auth", &headers, &body);
        let text = |name: &str| answer["response"][name].as_str().unwrap_or_default().to_owned();
        (text("result"), text("status"))
    }
}

fn other_than(code: &str) -> &'static str {
    if code == "000000" { "111111" } else { "000000" }
}

// R-API-1
#[test]
fn transaction_that_was_answered_wrongly_is_answered_at_another_node() {
    let nodes = start();
    let asked = nodes.ask(&nodes.one, "/validate/triggerchallenge", &[("user", "zoe"), ("type", "sms")]);
    let transaction = asked["detail"]["transaction_id"].as_str().unwrap().to_owned();
    let sent = nodes.code();
    let answer = |node: &Daemon, pass: &str| {
        let what = [("user", "zoe"), ("pass", pass), ("transaction_id", transaction.as_str())];
        let answer = nodes.ask(node, "/validate/check", &what);
        answer["result"]["authentication"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(answer(&nodes.one, other_than(&sent)), "REJECT");
    assert_eq!(answer(&nodes.other, other_than(&sent)), "REJECT", "and again");
    assert_eq!(answer(&nodes.other, &sent), "ACCEPT", "the code of the same message");
    for node in [&nodes.one, &nodes.other] {
        assert_eq!(answer(node, &sent), "REJECT", "once");
    }
    assert_eq!(nodes.codes().len(), 1, "nothing was sent anew");
}

// R-API-1
#[test]
fn code_that_one_node_has_sent_is_the_passcode_of_the_next_request_at_another() {
    let nodes = start();
    let passcode = |node: &Daemon, typed: &str| {
        nodes.auth(node, &[("username", "zoe"), ("factor", "passcode"), ("passcode", typed)]).0
    };
    let sent = nodes.auth(&nodes.one, &[("username", "zoe"), ("factor", "sms"), ("device", "auto")]);
    assert_eq!(sent, ("deny".to_owned(), "sent".to_owned()));
    let code = nodes.code();
    assert_eq!(passcode(&nodes.other, other_than(&code)), "deny");
    assert_eq!(passcode(&nodes.one, other_than(&code)), "deny");
    assert_eq!(passcode(&nodes.other, &code), "allow");
    assert_eq!(passcode(&nodes.one, &code), "deny", "once");
    assert_eq!(nodes.codes().len(), 1);
}
