//! Requests to the admin socket's calls, by an administrator, the help desk, an auditor and somebody without a role. None is answered
//! by a failure of ours or with a secret, and nobody does what the role does not allow.

use super::imports::is_dear;
use super::world::{AES, PEOPLE, PIN, SECRET, SEED, World};
use super::{Reader, words as words_of};
use axum::body::Body;
use axum::http::{Method, Request};
use doorward::config::{AdminRole, AdminRule};
use doorward::engine::applications::Applications;
use doorward::engine::keys::KeyRoom;
use doorward::serve::admin::{Order, Reloaded, State, document, offline};
use doorward::store::mailbox::MailboxProvider;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use std::sync::{Arc, Mutex, PoisonError};

/// So many inputs share a world.
const INPUTS: u32 = 300;
/// What stands between requests.
const BETWEEN: &str = "\n----\n";

/// Changes an octet.
const MASK: u8 = 0x5a;

static WORLD: Mutex<Option<(World, State, u32)>> = Mutex::new(None);

fn state(world: &World) -> State {
    let mut config = (*world.config.load_full()).clone();
    let rule = |role, uid| AdminRule { role, uids: vec![uid], gids: Vec::new() };
    config.admin.roles = vec![rule(AdminRole::Helpdesk, 4_000_001), rule(AdminRole::Auditor, 4_000_002)];
    world.config.store(Arc::new(config));
    let (gatekeeper, desk) = (Arc::new(world.gatekeeper(0)), Arc::new(world.desk()));
    let clock = Arc::clone(&desk.clock);
    let (reload, mut orders) = tokio::sync::mpsc::channel::<Order>(1);
    world.runtime.spawn(async move {
        while let Some(order) = orders.recv().await {
            let _ = order.send(Reloaded::default());
        }
    });
    State {
        reload,
        applications: Arc::new(Applications::new(gatekeeper, Arc::clone(&desk), world.records.client_keys())),
        desk,
        config: Arc::clone(&world.config),
        sync: Vec::new(),
        outbox: world.records.outbox(),
        mailboxes: Arc::new(MailboxProvider::new(None).unwrap()),
        keys: Arc::new(KeyRoom::new(world.records.master_keys(), world.records.audit(), clock)),
        imports: Arc::new(tokio::sync::Semaphore::new(1)),
        observer: world.observer(),
    }
}

/// The first octet says who asks; the rest are requests: a line with method and path, headers, an empty line, a body.
pub fn run(bytes: &[u8]) {
    let mut reader = Reader(bytes);
    let uid = [0, 0, 4_000_001, 4_000_002, 4_000_003][reader.below(5)];
    let text = String::from_utf8_lossy(reader.0);
    let mut kept = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    let (world, state, inputs) = match kept.take() {
        Some((world, state, inputs)) if inputs < INPUTS => (world, state, inputs),
        _ => {
            let world = World::new();
            let state = state(&world);
            (world, state, 0)
        }
    };
    let router = TowerToHyperService::new(offline(state.clone(), (uid, uid)));
    world.runtime.block_on(async {
        for request in text.split(BETWEEN).take(6) {
            ask(&router, uid, request).await;
        }
    });
    *kept = Some((world, state, inputs + 1));
}

/// What nobody may read in an answer, each octet of it changed: the fuzzer sees what is compared, and would put it into requests.
fn secrets() -> Vec<Vec<u8>> {
    let seed = |at: u8| SEED[..19].iter().copied().chain([at]).collect::<Vec<_>>();
    let mut secrets: Vec<Vec<u8>> = vec![SECRET.into(), PIN.into(), "$argon2".into(), "v1:k1:".into()];
    secrets.extend(PEOPLE.iter().map(|(_, password)| password.as_bytes().to_vec()));
    for at in 0..3 {
        secrets.push(data_encoding::BASE32_NOPAD.encode(&seed(at)).into_bytes());
        secrets.push(data_encoding::HEXLOWER.encode(&seed(at)).into_bytes());
    }
    secrets.push(data_encoding::HEXLOWER.encode(&AES).into_bytes());
    secrets.push(data_encoding::BASE64.encode(&[7; 32]).into_bytes());
    secrets.iter_mut().flatten().for_each(|octet| *octet ^= MASK);
    secrets
}

fn holds(bytes: &[u8], secret: &[u8]) -> bool {
    bytes
        .windows(secret.len())
        .any(|part| part.iter().zip(secret).all(|(octet, other)| octet ^ MASK == *other))
}

async fn ask(router: &TowerToHyperService<axum::Router>, uid: u32, text: &str) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, path) = lines.next().unwrap_or_default().split_once(' ').unwrap_or_default();
    // Keys that take long to derive are all that would be measured.
    let export = path.contains("export") && body.contains("passphrase");
    if export || is_dear(body) || body.contains("argon2id") {
        return;
    }
    let Ok(method) = method.parse::<Method>() else { return };
    let reads = method == Method::GET;
    let mut request = Request::builder().method(method).uri(path);
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    let Ok(request) = request.body(Body::from(body.to_owned())) else { return };
    let endless = request.uri().path() == "/v1/watch";
    let Ok(answer) = router.call(request).await;
    let status = answer.status();
    assert!(!status.is_server_error(), "{status} to {text:?}");
    match uid {
        4_000_003 => assert!(!status.is_success(), "somebody without a role: {status} to {text:?}"),
        4_000_002 => assert!(reads || !status.is_success(), "an auditor: {status} to {text:?}"),
        4_000_001 => {
            let path = path.split('?').next().unwrap_or_default();
            let manages = ["/password", "/import", "/keys", "/rotate", "/remove", "/reload"]
                .iter()
                .any(|end| path.ends_with(end));
            assert!(!manages || reads || !status.is_success(), "the help desk: {status} to {text:?}");
        }
        _ => {}
    }
    if endless {
        return;
    }
    let body = answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    for mut secret in secrets() {
        if holds(&body, &secret) && !holds(text.as_bytes(), &secret) {
            secret.iter_mut().for_each(|octet| *octet ^= MASK);
            panic!("{:?} is in the answer to {text:?}", String::from_utf8_lossy(&secret));
        }
    }
}

/// Each call as its document has it, and some with bodies.
pub fn seeds() -> Vec<Vec<u8>> {
    let document: serde_json::Value = serde_json::from_str(&document()).unwrap();
    let mut seeds = Vec::new();
    for (path, calls) in document["paths"].as_object().unwrap() {
        for method in calls.as_object().unwrap().keys() {
            let path = path.replace("{username}", "alice").replace("{name}", "sign-on");
            let path = path.replace("{id}", "00000000-0000-0000-0000-000000000064").replace("{token}", "A1");
            let body = if method == "get" { "" } else { "\n\n{}" };
            seeds.push(format!("\0{} {path}{body}", method.to_uppercase()));
        }
    }
    let csv = "username,name,roles\\nzoe,Zoe,student\\n";
    let tokens = "serial,secret,type\\nA1,3132333435363738393031323334353637383930,hotp\\n";
    for (who, requests) in [
        (
            0,
            vec![
                r#"POST /v1/people

{"username": "grace", "name": "Grace", "roles": ["staff"], "groups": ["x"], "password": "a-long-passphrase-indeed"}"#,
                "GET /v1/people/grace",
                "POST /v1/people/grace/lock",
            ],
        ),
        (
            0,
            vec![
                r#"PUT /v1/people/alice/password

{"password": "a-long-passphrase-indeed"}"#,
            ],
        ),
        (
            0,
            vec![
                r#"POST /v1/people/dave/factors/totp

{"label": "phone", "seed": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}"#,
                "GET /v1/people/dave/factors",
            ],
        ),
        (
            0,
            vec![
                r#"POST /v1/people/dave/factors/pin

{"pin": "730194"}"#,
                r#"POST /v1/people/dave/factors/recovery

{}"#,
            ],
        ),
        (
            2,
            vec![
                r#"POST /v1/people/alice/codes

{"lifetime": 600}"#,
                "GET /v1/people?matching=a&limit=2&after=alice",
            ],
        ),
        (
            0,
            vec![
                r#"POST /v1/factors/00000000-0000-0000-0000-000000000064/resync

{"first": "123456", "second": "654321"}"#,
                r#"PUT /v1/factors/00000000-0000-0000-0000-000000000064/label

{"label": "my phone"}"#,
                "DELETE /v1/factors/00000000-0000-0000-0000-000000000064",
            ],
        ),
        (
            3,
            vec![
                "GET /v1/audit?after=2&limit=3",
                "GET /v1/audit/verify",
                "GET /v1/audit/export?format=cef",
                "GET /v1/watch?user=alice",
            ],
        ),
        (
            0,
            vec![
                "GET /v1/outbox?state=waiting&limit=1",
                "GET /v1/tokens?kind=hotp&state=stock",
                "POST /v1/tokens/remove\n\n{\"tokens\": [\"A1\"]}",
            ],
        ),
        (
            0,
            vec![
                "POST /v1/clients/sign-on/keys\n\n{\"note\": \"x\"}",
                "POST /v1/keys/rotate",
                "POST /v1/backups\n\n{\"file\": \"/x\"}",
            ],
        ),
        (4, vec!["GET /v1/people", "GET /v1/status"]),
    ] {
        seeds.push(format!("{}{}", char::from(who), requests.join(BETWEEN)));
    }
    seeds.push(format!("\0POST /v1/people/import\ncontent-type: text/csv\n\n{}", csv.replace("\\n", "\n")));
    seeds.push(format!(
        "\0POST /v1/tokens/import\n\n{{\"format\": \"csv\", \"content\": \"{tokens}\", \"prefix\": \"m-\"}}{BETWEEN}POST /v1/tokens/A1/assign\n\n{{\"user\": \"dave\"}}"
    ));
    seeds.into_iter().map(String::into_bytes).collect()
}

/// Names in paths, queries and bodies.
pub fn words() -> Vec<String> {
    let mut words = words_of(&document());
    words.retain(|word| word.len() < 24);
    words.extend(
        [
            "/v1/",
            "\n\n{\"",
            "\": \"",
            "\", \"",
            "\": true",
            BETWEEN,
            "content-type: ",
            "%00",
            "%2f",
            "\\u0000",
        ]
        .map(str::to_owned),
    );
    words
}
