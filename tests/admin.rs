//! The admin socket and the command line against the real daemon.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

#[path = "admin/logins.rs"]
mod logins;
#[path = "admin/reload.rs"]
mod reload;
mod support;

use doorward::app::client::{Client, ClientError, Send};
use hyper::Method;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use support::{DOORWARD, Daemon, code};

/// Every call: method, path with `{user}` and `{id}` filled in, a body that is good enough, and who may do it:
/// administrator, help desk, auditor.
fn calls(user: &str, id: &str) -> Vec<(Method, String, Option<Value>, [bool; 3])> {
    let (everyone, admin_only) = ([true, true, true], [true, false, false]);
    let (helps, audits) = ([true, true, false], [true, false, true]);
    let person = |rest: &str| format!("people/{user}{rest}");
    vec![
        (Method::GET, "people".into(), None, everyone),
        (Method::GET, person(""), None, everyone),
        (Method::GET, person("/logins"), None, everyone),
        (Method::GET, person("/factors"), None, everyone),
        // By whom the daemon runs as, whatever the role: they could send it a signal.
        (Method::POST, "reload".into(), None, everyone),
        (Method::GET, "outbox".into(), None, everyone),
        (Method::GET, person("/mailbox"), None, admin_only),
        (Method::GET, "clients".into(), None, everyone),
        (Method::POST, "clients/none/keys".into(), Some(json!({})), admin_only),
        (Method::POST, "clients/none/rotate".into(), Some(json!({"grace_seconds": 0})), admin_only),
        (Method::DELETE, "client-keys/none".into(), None, admin_only),
        (Method::GET, "tokens".into(), None, everyone),
        (Method::DELETE, "tokens/none".into(), None, helps),
        (Method::POST, "tokens/import".into(), Some(json!({"format": "csv", "content": ""})), admin_only),
        (Method::POST, "tokens/remove".into(), Some(json!({"tokens": ["none"]})), admin_only),
        (Method::POST, "tokens/export".into(), Some(json!({"passphrase": "a long passphrase"})), admin_only),
        (Method::PUT, format!("factors/{id}/label"), Some(json!({"label": "x"})), helps),
        (Method::POST, "tokens/none/assign".into(), Some(json!({"username": user})), admin_only),
        (Method::POST, person("/factors/yubikey"), Some(json!({"otp": "x"})), admin_only),
        (Method::GET, "status".into(), None, everyone),
        (Method::GET, "openapi.json".into(), None, everyone),
        (Method::POST, person("/lock"), Some(json!({})), helps),
        (Method::POST, person("/unlock"), Some(json!({})), helps),
        (Method::POST, person("/codes"), Some(json!({})), helps),
        (Method::POST, format!("factors/{id}/resync"), Some(json!({"first": "1", "second": "2"})), helps),
        (Method::DELETE, format!("factors/{id}"), None, helps),
        (Method::POST, "people".into(), Some(json!({"username": "a b"})), admin_only),
        (Method::POST, "people/import".into(), Some(json!({})), admin_only),
        (Method::PUT, person("/password"), Some(json!({"password": "short"})), admin_only),
        (Method::POST, person("/factors/totp"), Some(json!({})), admin_only),
        (Method::POST, person("/factors/hotp"), Some(json!({})), admin_only),
        (Method::POST, person("/factors/recovery"), Some(json!({})), admin_only),
        (Method::POST, person("/factors/pin"), Some(json!({"pin": "1111"})), admin_only),
        (Method::POST, format!("factors/{id}/confirm"), Some(json!({"code": "123456"})), admin_only),
        (Method::GET, "audit".into(), None, audits),
        (Method::GET, "audit/verify".into(), None, audits),
        (Method::GET, "audit/export".into(), None, audits),
        (Method::GET, "keys".into(), None, everyone),
        (Method::POST, "keys/rotate".into(), None, admin_only),
        (Method::POST, "backups".into(), Some(json!({"file": "/backup/doorward.db"})), admin_only),
    ]
}

/// The refusal's code, or `None` for a success.
async fn outcome(client: &Client, method: Method, path: &str, body: Option<Value>) -> Option<String> {
    let body = body.map_or(Send::Nothing, Send::Json);
    match client.bytes(method, path, body).await {
        Ok(_) => None,
        Err(error) => match error.downcast::<ClientError>().unwrap() {
            ClientError::Refused { code, message, .. } => {
                assert!(message.ends_with('.') && message.contains(' '), "a sentence: {message}");
                Some(code)
            }
            other => panic!("{other}"),
        },
    }
}

// R-SOCK-1, R-AUDIT-1
#[tokio::test]
async fn every_call_is_allowed_to_its_roles_only_and_audited_either_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::demo_in(dir.path(), &[]);
    let user = daemon.with_app()[0].user.clone();
    daemon.stop();
    let uid = nix::unistd::getuid();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    let role_file = dir.path().join("conf.d/role.toml");
    let client = Client::new(&dir.path().join("admin.sock"));
    let (mut made, mut refused) = (0, 0);
    for (at, role) in ["administrator", "helpdesk", "auditor"].into_iter().enumerate() {
        std::fs::write(&role_file, format!("[[admin.role]]\nrole = \"{role}\"\nusers = [\"{uid}\"]\n"))
            .unwrap();
        let mut daemon = Daemon::serve_in(dir.path(), &[]);
        for (method, path, body, allowed) in calls(&user, "00000000-0000-7000-8000-000000000000") {
            let code = outcome(&client, method.clone(), &path, body).await;
            let forbidden = code.as_deref() == Some("forbidden");
            assert_eq!(forbidden, !allowed[at], "{role}: {method} {path}: {code:?}");
            made += 1;
            refused += u64::from(forbidden);
        }
        daemon.stop();
    }
    std::fs::remove_file(role_file).unwrap();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    let export = daemon.run(&["audit", "export"]).stdout;
    let entries: Vec<Value> =
        String::from_utf8(export).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let by_us = entries.iter().filter(|e| e["actor"].as_str().unwrap().starts_with(&format!("uid:{uid}")));
    let by_us: Vec<_> = by_us.collect();
    // The export that is being read is audited before it is written.
    assert_eq!(by_us.len() as u64, made + 1);
    assert_eq!(by_us.iter().filter(|entry| entry["outcome"] == "refused").count() as u64, refused);
    assert!(daemon.run(&["audit", "verify"]).status.success());
}

// R-APP-3
#[test]
fn app_counts_only_after_a_first_code_which_is_then_used_up() {
    let daemon = Daemon::demo(&[]);
    let person = &daemon.without_app()[0];
    let user = &person.user;
    let login = |code: &str| {
        let typed = format!("{}{code}", person.password);
        let output = support::radclient(daemon.address, &[("User-Name", user), ("User-Password", &typed)]);
        support::answer(&output).to_owned()
    };
    let enrolled = daemon.json(&["enroll", "totp", user, "--label", "tablet"]);
    let (id, seed) = (enrolled["id"].as_str().unwrap(), enrolled["seed"].as_str().unwrap());
    assert!(enrolled["uri"].as_str().unwrap().starts_with("otpauth://totp/Doorward%20demonstration:"));
    let state = || daemon.json(&["factor", "list", user])["factors"][0]["state"].clone();
    assert_eq!(state(), "pending");
    let wrong = daemon.run(&["factor", "confirm", id, "000000"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("This code does not belong to the key."));
    assert_eq!(state(), "pending");
    let first = code(seed, 0);
    assert!(daemon.run(&["factor", "confirm", id, &first]).status.success());
    assert_eq!(state(), "active");
    assert_eq!(login(&first), "Access-Reject", "the code that confirmed it is used up");
    assert_eq!(login(&code(seed, 1)), "Access-Accept");
    let again = daemon.run(&["factor", "confirm", id, &code(seed, 1)]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("does not wait for a first code"));
}

#[test]
fn people_are_added_imported_shown_and_listed() {
    let daemon = Daemon::demo(&[]);
    let added = daemon.run_with(
        &["--json", "person", "add", "Zoë", "--name", "Zoë Ø", "--role", "staff", "--group", "employees"],
        "a passphrase of her own\n",
    );
    assert!(added.status.success(), "{added:?}");
    let person: Value = serde_json::from_slice(&added.stdout).unwrap();
    assert_eq!((person["username"].as_str(), person["roles"][0].as_str()), (Some("zoë"), Some("staff")));
    let twice = daemon.run_with(&["person", "add", "zoë"], "a passphrase of her own\n");
    assert!(String::from_utf8_lossy(&twice.stderr).contains("the username zoë is taken"), "{twice:?}");
    let weak = daemon.run_with(&["person", "add", "weak"], "password\n");
    assert_eq!(weak.status.code(), Some(1), "{weak:?}");

    let file = daemon.dir.join("import.csv");
    std::fs::write(
        &file,
        "username,roles,password\nann,student,quiet meadow stone\nbob,teacher,x\n,staff,\n",
    )
    .unwrap();
    let refused = daemon.run(&["person", "import", file.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("line 3: ") && text.contains("line 4: "), "{text}");
    assert!(!daemon.run(&["person", "show", "ann"]).status.success(), "nothing of a bad file is imported");
    std::fs::write(&file, "username,roles,password\nann,student,quiet meadow stone\nbob,staff,\n").unwrap();
    let imported = daemon.json(&["person", "import", file.to_str().unwrap()]);
    assert_eq!(imported["imported"], 2);
    let list = daemon.run(&["person", "list", "--matching", "ann"]);
    assert_eq!(String::from_utf8_lossy(&list.stdout), "ann\t\tstudent\t\tactive\n");
    assert_eq!(daemon.json(&["person", "list"])["people"].as_array().unwrap().len(), 18);
    assert_eq!(daemon.json(&["person", "list", "--limit", "4"])["people"].as_array().unwrap().len(), 4);
}

#[test]
fn what_is_not_there_is_told_in_a_sentence_with_an_exit_status() {
    let daemon = Daemon::demo(&[]);
    let nobody = "There is no person called `nobody`. `doorward person list` shows who there is.";
    for arguments in [
        &["person", "show", "nobody"][..],
        &["person", "lock", "nobody"],
        &["enroll", "totp", "nobody"],
        &["enroll", "recovery", "nobody"],
        &["factor", "list", "nobody"],
        &["code", "issue", "nobody"],
    ] {
        let output = daemon.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), format!("doorward: {nobody}\n"));
    }
    let output = daemon.run(&["factor", "revoke", "nothing"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("There is no factor `nothing`."));
    let json = daemon.run(&["--json", "person", "show", "nobody"]);
    let body: Value = serde_json::from_slice(&json.stderr).unwrap();
    assert_eq!(body["error"]["code"], "person-not-found");
    let nowhere =
        Command::new(DOORWARD).args(["--socket", "/nowhere/admin.sock", "status"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("Start it with `systemctl start doorward`"));
}

#[test]
fn curl_reaches_the_socket_and_bad_requests_are_explained() {
    let daemon = Daemon::demo(&[]);
    let curl = |arguments: &[&str]| {
        let output = Command::new("curl")
            .args(["-s", "-w", "\n%{http_code}", "--unix-socket"])
            .arg(daemon.dir.join("admin.sock"))
            .args(arguments)
            .output()
            .expect("curl is installed");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(curl(&["http://doorward/v1/people?limit=1"]).ends_with("\n200"));
    let typed =
        curl(&["-H", "content-type: application/json", "-d", "{\"usernam\":\"x\"}", "http://d/v1/people"]);
    assert!(typed.contains("unknown field") && typed.ends_with("\n400"), "{typed}");
    assert!(curl(&["http://d/v1/nothing"]).ends_with("\n404"));
    assert!(curl(&["-X", "PATCH", "http://d/v1/people"]).ends_with("\n405"));
    let mode = std::fs::metadata(daemon.dir.join("admin.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn live_socket_is_not_taken_over_and_a_stale_one_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::demo_in(dir.path(), &[]);
    let second = Command::new(DOORWARD)
        .args(["serve", "--config"])
        .arg(dir.path().join("doorward.toml"))
        .output()
        .unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another Doorward serves it"), "{second:?}");
    assert!(daemon.run(&["status"]).status.success(), "the first one still answers");
    daemon.kill();
    assert!(dir.path().join("admin.sock").exists(), "left behind");
    let daemon = Daemon::serve_in(dir.path(), &[]);
    assert!(daemon.run(&["status"]).status.success());
}

#[tokio::test]
async fn outbox_is_listed_and_wrong_questions_are_told() {
    let daemon = Daemon::demo(&[]);
    assert_eq!(daemon.json(&["outbox", "list", "--state", "dead"])["messages"], json!([]));
    let client = Client::new(&daemon.dir.join("admin.sock"));
    for (path, wanted) in [
        ("outbox?state=lost", "bad-request"),
        ("outbox?before=x", "bad-request"),
        ("outbox?colour=red", "bad-request"),
        ("outbox?username=nobody-at-all", "person-not-found"),
    ] {
        assert_eq!(outcome(&client, Method::GET, path, None).await.as_deref(), Some(wanted), "{path}");
    }
    assert!(!daemon.run(&["outbox", "list", "--state", "lost"]).status.success());
}
