//! Real clients: privacyIDEA's administration client and Duo's client in Python, and Duo's client in JavaScript.

use crate::support::code;
use crate::world::{Certificates, World, wrong};
use std::process::Command;

pub(crate) fn python(script: &str, arguments: &[&str]) -> String {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python");
    let output = Command::new(python).arg("-c").arg(script).args(arguments).output();
    let output = output.expect("tests/run makes target/venv with duo_client and privacyideaadm");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const ADMINISTRATION: &str = r#"
import sys
from privacyideautils.clientutils import privacyideaclient
url, name, secret, user, right, wrong, both = sys.argv[1:]
for header in (False, True):
    client = privacyideaclient(name, secret, baseuri=url, pi_authorization=header)
    print(client.listtoken({"user": user}).data["result"]["value"]["count"])
def check(user, passcode):
    data = client.post("/validate/check", {"user": user, "pass": passcode}).data
    return data["result"]["value"], data["result"]["authentication"]
print(check(user, wrong))
print(check(user, right))
begun = client.inittoken({"user": "julia", "type": "totp", "genkey": 1}).data["detail"]
print(begun["rollout_state"], begun["otpkey"]["value_b32"], begun["serial"])
try:
    privacyideaclient(name, "wrong", baseuri=url)
except Exception as error:
    print(error)
"#;

// R-API-1
#[test]
fn client_of_privacyidea_signs_in_lists_checks_and_sets_up() {
    let world = World::start();
    let amara = world.someone("amara");
    let (id, secret) = world.key.split_once('.').unwrap();
    let (right, wrong) = (code(&amara.totp, 0), wrong(&amara));
    for name in ["sign-on", id] {
        let said = python(ADMINISTRATION, &[&world.url, name, secret, "amara", &right, &wrong, ""]);
        let lines: Vec<_> = said.lines().collect();
        let second = if name == "sign-on" { "(True, 'ACCEPT')" } else { "(False, 'REJECT')" };
        assert_eq!(lines[..4], ["1", "1", "(False, 'REJECT')", second], "the second time it is used: {said}");
        assert!(lines[4].starts_with("verify ") && lines[4].contains("TOTP"), "{said}");
        assert_eq!(lines[5], "Invalid Credentials: 401");
    }
}

/// Port, id and secret of a fresh key of an application, and the authority: what a client of Duo is given.
pub(crate) fn duo_arguments(world: &World, certificates: &Certificates, application: &str) -> [String; 4] {
    let made = world.daemon.json(&["client", "add", application]);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let port = world.url.rsplit(':').next().unwrap().to_owned();
    [port, text("id"), text("secret"), certificates.path("ca.pem")]
}

const DUO: &str = r#"
import hashlib, sys
import duo_client
port, id, secret, authority, user, right, wrong = sys.argv[1:]
for version, digest in ((2, hashlib.sha1), (2, hashlib.sha512), (4, hashlib.sha512), (5, hashlib.sha512)):
    client = duo_client.Auth(ikey=id, skey=secret, host="localhost", port=int(port), ca_certs=authority,
                             sig_version=version, digestmod=digest)
    print(version, "time" in client.ping(), "time" in client.check(), client.preauth(username=user)["result"],
          client.auth(factor="passcode", username=user, passcode=wrong)["result"])
print(client.auth(factor="passcode", username=user, passcode=right))
txid = client.auth(factor="passcode", username=user, passcode=right, async_txn=True)["txid"]
print(client.auth_status(txid))
bad = duo_client.Auth(ikey=id, skey="wrong", host="localhost", port=int(port), ca_certs=authority)
try:
    bad.check()
except RuntimeError as error:
    print(error)
"#;

// R-API-1
#[test]
fn client_of_duo_speaks_every_version_of_its_signatures() {
    let certificates = Certificates::make();
    let world = World::with(&certificates.settings(), &[]);
    let arguments = duo_arguments(&world, &certificates, "other-sign-on");
    let hana = world.someone("hana");
    let (right, wrong) = (code(&hana.totp, 0), wrong(&hana));
    let shown: Vec<_> = arguments.iter().map(String::as_str).chain(["hana", &right, &wrong]).collect();
    let said = python(DUO, &shown);
    let lines: Vec<_> = said.lines().collect();
    for (line, version) in lines[..4].iter().zip(["2", "2", "4", "5"]) {
        assert_eq!(*line, format!("{version} True True auth deny"), "{said}");
    }
    assert!(lines[4].contains("'allow'") && lines[5].contains("'deny'"), "{said}");
    assert!(lines[6].contains("Invalid signature"), "{said}");
}

/// It speaks to port 443 and trusts Duo's authorities; of it, only these two are changed.
const DUO_IN_JAVASCRIPT: &str = r#"
const https = require('https'), fs = require('fs')
const [port, id, secret, authority, user, right, wrong] = process.argv.slice(1)
const original = https.request
https.request = (options, done) => original({ ...options, port, ca: fs.readFileSync(authority) }, done)
const duo = require('@duosecurity/duo_api')
const call = (client, method, path, params) =>
  new Promise((resolve) => client.jsonApiCall(method, '/auth/v2/' + path, params, resolve))
;(async () => {
  for (const version of [2, 5]) {
    const client = new duo.Client(id, secret, 'localhost', version)
    const one = async (...what) => (await call(client, ...what)).response
    console.log(version, 'time' in (await one('GET', 'ping', {})), 'time' in (await one('GET', 'check', {})),
      (await one('POST', 'preauth', { username: user })).result,
      (await one('POST', 'auth', { username: user, factor: 'passcode', passcode: wrong })).result)
  }
  const client = new duo.Client(id, secret, 'localhost', 5)
  const begun = await call(client, 'POST', 'auth', { username: user, factor: 'passcode', passcode: right, async: '1' })
  console.log((await call(client, 'GET', 'auth_status', { txid: begun.response.txid })).response.result)
  console.log((await call(new duo.Client(id, 'wrong', 'localhost', 5), 'GET', 'check', {})).message)
})()
"#;

// R-API-1
#[test]
fn client_of_duo_in_javascript_signs_and_is_served() {
    let certificates = Certificates::make();
    let world = World::with(&certificates.settings(), &[]);
    let arguments = duo_arguments(&world, &certificates, "other-sign-on");
    let hana = world.someone("hana");
    let output = Command::new("node")
        .args(["-e", DUO_IN_JAVASCRIPT])
        .args(arguments)
        .args(["hana", &code(&hana.totp, 0), &wrong(&hana)])
        .env("NODE_PATH", concat!(env!("CARGO_MANIFEST_DIR"), "/target/node_modules"))
        .output()
        .expect("tests/run installs node");
    let said = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = said.lines().collect();
    let wanted = [
        "2 true true auth deny",
        "5 true true auth deny",
        "allow",
        "Invalid signature in request credentials",
    ];
    assert_eq!(lines, wanted, "{}", String::from_utf8_lossy(&output.stderr));
}
