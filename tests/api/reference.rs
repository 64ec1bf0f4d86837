//! The same requests to privacyIDEA itself and to Doorward: what plug-ins read of the answers is the same, and where it is not, it is
//! written down here why.

use crate::support::code;
use crate::support::slapd::until;
use crate::world::{Answer, World, form};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A privacyIDEA server of this test, whose only person has one app.
struct Reference {
    child: Child,
    url: String,
    client: reqwest::blocking::Client,
    token: String,
    _dir: tempfile::TempDir,
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const SETTINGS: &str = "SUPERUSER_REALM = ['super']
SQLALCHEMY_DATABASE_URI = 'sqlite:///DIR/pi.sqlite'
SECRET_KEY = 'of this test alone, and of more than thirty-two octets'
PI_PEPPER = 'pepper'
PI_ENCFILE = 'DIR/enckey'
PI_AUDIT_KEY_PRIVATE = 'DIR/private.pem'
PI_AUDIT_KEY_PUBLIC = 'DIR/public.pem'
PI_LOGFILE = 'DIR/pi.log'
PI_LOGLEVEL = 30
";

fn manage(dir: &Path) -> Command {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/target/privacyidea/bin/pi-manage");
    let mut command = Command::new(program);
    command.env("PRIVACYIDEA_CONFIGFILE", dir.join("pi.cfg")).stdin(Stdio::null());
    command
}

fn send(
    client: &reqwest::blocking::Client,
    url: &str,
    (method, path): (&str, &str),
    (token, fields): (Option<&str>, &str),
) -> Answer {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let get = method == reqwest::Method::GET && !fields.is_empty();
    let path = if get { format!("{path}?{fields}") } else { path.to_owned() };
    let mut request = client.request(method, format!("{url}{path}"));
    if let Some(token) = token {
        request = request.header("Authorization", token);
    }
    if !get && !fields.is_empty() {
        request = request.header("Content-Type", "application/x-www-form-urlencoded").body(fields.to_owned());
    }
    let answer = request.send().unwrap();
    let status = answer.status().as_u16();
    Answer { status, body: serde_json::from_str(&answer.text().unwrap()).unwrap_or(Value::Null) }
}

impl Reference {
    fn start(seed: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_str().unwrap();
        std::fs::write(dir.path().join("pi.cfg"), SETTINGS.replace("DIR", folder)).unwrap();
        std::fs::write(dir.path().join("passwd"), "amara:x:1001:1001:Amara:/:/bin/sh\n").unwrap();
        let setup: [&[&str]; 4] = [
            &["setup", "create_enckey"],
            &["setup", "create_audit_keys"],
            &["setup", "create_tables"],
            &["admin", "add", "-p", "of-this-test", "admin"],
        ];
        for arguments in setup {
            let output = manage(dir.path()).args(arguments).output();
            let output = output.expect("tests/run makes target/privacyidea");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = manage(dir.path());
        command.args(["run", "--port", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let (url, client) = (format!("http://127.0.0.1:{port}"), crate::support::http::client(None));
        let mut made = Self { child, url, client, token: String::new(), _dir: dir };
        until("privacyIDEA", || made.client.get(&made.url).send().ok());
        let credentials = form(&[("username", "admin"), ("password", "of-this-test")]);
        let answer = made.send(("POST", "/auth"), (None, &credentials));
        made.token = answer.body["result"]["value"]["token"].as_str().unwrap().to_owned();
        let passwd = format!("{}/passwd", made._dir.path().display());
        let key =
            data_encoding::HEXLOWER.encode(&data_encoding::BASE32_NOPAD.decode(seed.as_bytes()).unwrap());
        for (path, fields) in [
            ("/resolver/people", form(&[("type", "passwdresolver"), ("fileName", &passwd)])),
            ("/realm/campus", form(&[("resolvers", "people")])),
            ("/defaultrealm/campus", String::new()),
            (
                "/token/init",
                form(&[("user", "amara"), ("type", "totp"), ("otpkey", &key), ("hashlib", "sha1")]),
            ),
        ] {
            let answer = made.send(("POST", path), (Some(&made.token.clone()), &fields));
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
        made
    }

    fn send(&self, what: (&str, &str), with: (Option<&str>, &str)) -> Answer {
        send(&self.client, &self.url, what, with)
    }
}

/// What plug-ins look at: the status, the result without its texts, and which fields there are beside it.
fn essence(answer: &Answer) -> (u16, Value, Value, Value, Value) {
    let result = &answer.body["result"];
    (
        answer.status,
        result["status"].clone(),
        if result["value"].is_object() { Value::from("an object") } else { result["value"].clone() },
        result["authentication"].clone(),
        result["error"]["code"].clone(),
    )
}

fn names(value: &Value) -> BTreeSet<String> {
    value.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
}

/// Fields of the reference that are missing here.
fn missing(theirs: &Value, ours: &Value) -> Vec<String> {
    names(theirs).difference(&names(ours)).cloned().collect()
}

/// What the original tells and Doorward does not: answers are signed by TLS; which device it was that let somebody in, or did not,
/// is nobody's business; a second link for apps; what administrators of the original can set.
const LEFT_OUT: [&str; 12] = [
    "signature",
    "serial",
    "type",
    "otplen",
    "oathurl",
    "container_serial",
    "info",
    "tokengroup",
    "user_editable",
    "readonly_info_keys",
    "settable_info_keys",
    "undeletable_info_keys",
];

// R-API-1
#[test]
fn answers_are_those_of_privacyidea_in_all_that_plug_ins_read() {
    let world = World::start();
    let amara = world.someone("amara");
    let reference = Reference::start(&amara.totp);
    let key = world.key.clone();
    let client = crate::support::http::client(None);
    // Doorward is never anonymous, so every request shows the key; the original needs none for checks.
    let both = |method: &str, path: &str, fields: &[(&str, &str)], admin: bool| {
        let fields = form(fields);
        let token = admin.then_some(reference.token.as_str());
        let theirs = reference.send((method, path), (token, &fields));
        let ours = send(&client, &world.url, (method, path), (Some(&key), &fields));
        (theirs, ours)
    };
    let passcode = code(&amara.totp, 0);
    let mut differences = Vec::new();
    for (method, path, fields, admin) in [
        ("POST", "/validate/check", vec![("user", "amara"), ("pass", "000")], false),
        ("GET", "/validate/check", vec![("user", "amara"), ("pass", "000")], false),
        (
            "POST",
            "/validate/check",
            vec![("user", "amara"), ("pass", "000"), ("transaction_id", "12345")],
            false,
        ),
        ("POST", "/validate/check", vec![("pass", "000000")], false),
        ("POST", "/validate/check", vec![("user", "nobody"), ("pass", "000000")], false),
        ("POST", "/validate/check", vec![("user", "amara"), ("pass", &passcode)], false),
        ("POST", "/validate/check", vec![("user", "amara"), ("pass", &passcode)], false),
        ("POST", "/validate/radiuscheck", vec![("user", "amara"), ("pass", "000")], false),
        ("POST", "/validate/triggerchallenge", vec![("user", "amara")], true),
        ("POST", "/validate/triggerchallenge", vec![("user", "nobody")], true),
        ("GET", "/validate/polltransaction", vec![("transaction_id", "12345")], false),
        ("GET", "/validate/polltransaction/12345", vec![], false),
        ("GET", "/token/", vec![("user", "amara")], true),
        ("GET", "/token/", vec![("user", "nobody")], true),
        ("POST", "/token/init", vec![("user", "amara"), ("type", "totp"), ("genkey", "1")], true),
        ("POST", "/auth", vec![("username", "admin"), ("password", "wrong")], false),
    ] {
        let (theirs, ours) = both(method, path, &fields, admin);
        let mut differ = |what: &str, theirs: String, ours: String| {
            if theirs != ours {
                differences.push(format!("{method} {path} {fields:?}: {what}\n  {theirs}\n  {ours}"));
            }
        };
        differ("result", format!("{:?}", essence(&theirs)), format!("{:?}", essence(&ours)));
        let (theirs, ours) = (&theirs.body, &ours.body);
        let mut lacking = missing(theirs, ours);
        lacking.extend(missing(&theirs["detail"], &ours["detail"]));
        let item = &theirs["detail"]["multi_challenge"][0];
        lacking.extend(missing(item, &ours["detail"]["multi_challenge"][0]));
        let tokens = |answer: &Value| answer["result"]["value"]["tokens"][0].clone();
        lacking.extend(missing(&tokens(theirs), &tokens(ours)));
        lacking.retain(|name| !LEFT_OUT.contains(&name.as_str()));
        differ("fields that are missing", format!("{:?}", Vec::<String>::new()), format!("{lacking:?}"));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    // Nothing is shown: the original answers checks all the same, and says of the rest what Doorward says of all.
    let theirs = reference.send(("GET", "/token/"), (None, "user=amara"));
    let ours = send(&client, &world.url, ("GET", "/token/"), (None, "user=amara"));
    assert_eq!(essence(&theirs), essence(&ours), "{theirs:?}\n{ours:?}");
}
