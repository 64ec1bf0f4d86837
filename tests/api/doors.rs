//! Who may ask at all, how often, and what is left of it in logs.

use crate::support::code;
use crate::support::slapd::until;
use crate::world::{Certificates, World, form};
use doorward::base::{Clock, SystemClock};
use doorward::store::records::Records;
use doorward::store::seal::Keyring;
use doorward::wire::privacyidea::token::Signer;
use std::process::Command;
use std::time::Duration;

fn check(world: &World, headers: &[(&str, &str)]) -> u16 {
    world.send("POST", "/validate/check", headers, &form(&[("user", "amara"), ("pass", "x")])).status
}

// R-API-1
#[test]
fn nobody_is_served_who_does_not_show_which_application_it_is() {
    let world = World::start();
    assert_eq!(check(&world, &[]), 401, "never anonymous");
    assert_eq!(check(&world, &[("authorization", "Basic QTpC")]), 401);
    for path in ["/validate/triggerchallenge", "/validate/radiuscheck", "/token/init"] {
        assert_eq!(world.send("POST", path, &[], "user=amara").status, 401, "{path}");
    }
    for path in ["/validate/polltransaction/00", "/token/?user=amara"] {
        assert_eq!(world.send("GET", path, &[], "").status, 401, "{path}");
    }
    assert_eq!(world.send("GET", "/system/config", &[], "").status, 404);
    assert_eq!(
        world.send("GET", "/openapi.json", &[], "").body["openapi"].as_str().map(|v| &v[..2]),
        Some("3.")
    );
    let (id, secret) = world.key.split_once('.').unwrap();
    assert_eq!(check(&world, &[("authorization", &world.key)]), 200);
    for wrong in [format!("{id}."), format!("{id}.{}", &secret[1..]), format!(".{secret}"), secret.to_owned()]
    {
        assert_eq!(check(&world, &[("authorization", &wrong)]), 401, "{wrong}");
    }
}

// R-API-1
#[test]
fn key_counts_where_its_application_asks_from_and_a_rotation_ends_older_ones() {
    let world = World::start();
    assert_eq!(check(&world, &[("authorization", &world.key_of("elsewhere"))]), 401, "not from there");
    let old = world.key_of("other-sign-on");
    let rotated = world.daemon.json(&["client", "rotate", "other-sign-on", "--grace-hours", "1"]);
    let new = rotated["key"].as_str().unwrap();
    assert_eq!(check(&world, &[("authorization", &old)]), 200, "for an hour");
    assert_eq!(check(&world, &[("authorization", new)]), 200);
    let last = world.daemon.json(&["client", "rotate", "other-sign-on"]);
    assert_eq!(check(&world, &[("authorization", &old)]), 401);
    assert_eq!(check(&world, &[("authorization", new)]), 401);
    assert_eq!(check(&world, &[("authorization", last["key"].as_str().unwrap())]), 200);
    let listed = world.daemon.json(&["client", "list"]).to_string();
    assert!(
        listed.contains(last["id"].as_str().unwrap()) && !listed.contains(last["secret"].as_str().unwrap())
    );
    let unknown = world.daemon.run(&["client", "add", "nobody"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("No [[api_client]] is called `nobody`"));
    let trail: Vec<_> = world.trail("other-sign-on").into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(trail, ["done"; 3]);
}

// R-API-1
#[test]
fn application_is_known_by_its_address_where_that_is_enough() {
    let world = World::start();
    let url = format!("{}/validate/check", world.url);
    let ask = |from: &str| {
        let output = Command::new("curl")
            .args([
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "--interface",
                from,
                "-d",
                "user=amara&pass=x",
                &url,
            ])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!((ask("127.0.0.9").as_str(), ask("127.0.0.10").as_str()), ("200", "401"));
}

/// Status of a check from an address, with more headers.
fn ask_from(world: &World, from: &str, headers: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args([
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--interface",
        from,
        "-d",
        "user=amara&pass=x",
    ]);
    curl.args(headers.iter().flat_map(|header| ["-H", header]));
    let output = curl.arg(format!("{}/validate/check", world.url)).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

// R-API-1
#[test]
fn page_in_a_browser_is_no_application_whatever_address_the_browser_has() {
    let world = World::start();
    let decided = || world.trail("amara").iter().filter(|(actor, ..)| actor.starts_with("api:")).count();
    assert_eq!(ask_from(&world, "127.0.0.9", &["Sec-Fetch-Site: cross-site"]), "403");
    assert_eq!(ask_from(&world, "127.0.0.9", &["Origin: https://elsewhere.example"]), "403");
    assert_eq!(decided(), 0, "and nobody charged");
    assert_eq!(ask_from(&world, "127.0.0.9", &[]), "200", "a program at the same address");
    let key = format!("X-API-Key: {}", world.key);
    assert_eq!(
        ask_from(&world, "127.0.0.9", &["Sec-Fetch-Site: cross-site", &key]),
        "200",
        "no page has a key"
    );
    assert_eq!(decided(), 2);
}

/// A token of an application that was over a second ago, signed with the daemon's own key.
fn token_that_is_over(world: &World, application: &str) -> String {
    use doorward::config;
    let made = world.daemon.json(&["client", "add", application]);
    let (second, now) = (Duration::from_secs(1), SystemClock.now());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let digester = runtime.block_on(async {
        let config = config::load(&world.path("doorward.toml"), std::iter::empty()).unwrap();
        let keyring = Keyring::new(&config.keys.master).unwrap();
        Records::open(&config.store, keyring).await.unwrap().digester()
    });
    let signer = Signer::new(digester.signing_key("token"));
    let id = made["id"].as_str().unwrap();
    let (token, _) = signer.sign(application, id, second, now - second - second).unwrap();
    let (good, _) = signer.sign(application, id, Duration::from_secs(600), now).unwrap();
    let good = format!("Authorization: {}", good.expose());
    assert_eq!(ask_from(world, "127.0.0.9", &[&good]), "200", "it is the daemon's key");
    token.expose().clone()
}

// R-API-1
#[test]
fn token_that_is_over_shows_nothing_where_an_address_is_enough_and_is_refused_elsewhere() {
    let world = World::start();
    // The plug-in for AD FS sends the token of its trigger with the check that follows, however late that is.
    let over = |application: &str| format!("Authorization: {}", token_that_is_over(&world, application));
    assert_eq!(ask_from(&world, "127.0.0.9", &[&over("shell")]), "200");
    assert_eq!(ask_from(&world, "127.0.0.9", &[&over("other-sign-on")]), "401", "of another application");
    assert_eq!(ask_from(&world, "127.0.0.10", &[&over("shell")]), "401", "from elsewhere");
    let page = [over("shell"), "Sec-Fetch-Site: cross-site".to_owned()];
    assert_eq!(
        ask_from(&world, "127.0.0.9", &page.each_ref().map(String::as_str)),
        "403",
        "nor does it help a page"
    );
}

// R-API-1
#[test]
fn rights_are_needed_for_what_goes_beyond_a_check() {
    let world = World::start();
    let key = world.key_of("no-rights");
    let triggered = world.post(&key, "/validate/triggerchallenge", &[("user", "amara")]);
    assert_eq!((triggered.status, triggered.error()), (403, 303));
    let listed = world.send("GET", "/token/?user=amara", &[("authorization", &key)], "");
    assert_eq!((listed.status, listed.error()), (403, 303));
    // Where the policy asks for the password, nothing can be triggered in its place.
    let webmail = world.key_of("webmail");
    let triggered = world.post(&webmail, "/validate/triggerchallenge", &[("user", "amara")]);
    assert_eq!((triggered.status, triggered.error()), (403, 303));
}

// R-API-1
#[test]
fn whoever_asks_too_often_is_told_and_others_are_not_hindered() {
    let world = World::start();
    let key = world.key_of("slow");
    let statuses: Vec<_> = (0..20).map(|_| check(&world, &[("authorization", &key)])).collect();
    assert!(statuses.contains(&429) && statuses.first() == Some(&200), "{statuses:?}");
    assert_eq!(check(&world, &[("authorization", &world.key)]), 200);
}

// R-API-1
#[test]
fn certificate_shows_which_application_it_is_over_tls() {
    let certificates = Certificates::make();
    let path = |name: &str| certificates.path(name);
    let fingerprint = certificates.fingerprint("mine");
    let more = certificates.settings()
        + &format!(
            "client_ca_file = \"{}\"\n[[api_client]]\nname = \"certified\"\nidentify = \"certificate\"\n\
             certificates = [\"{fingerprint}\"]\nlogin = \"passcode\"\n",
            path("ca.pem"),
        );
    let world = World::with(&more, &[]);
    let url = world.url.replace("http://", "https://") + "/validate/check";
    let ask = |more: &[&str]| {
        let authority = path("ca.pem");
        let usual = [
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--cacert",
            &authority,
            "-d",
            "user=amara&pass=x",
            &url,
        ];
        let output = Command::new("curl").args(usual).args(more).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(ask(&[]), "401", "without a certificate");
    assert_eq!(ask(&["--cert", &path("mine.pem"), "--key", &path("mine.key")]), "200");
    assert_eq!(ask(&["--cert", &path("other.pem"), "--key", &path("other.key")]), "401", "somebody else's");
    assert_eq!(ask(&["-H", &format!("Authorization: {}", world.key)]), "200", "a key counts beside it");
}

// R-API-1
#[test]
fn nothing_that_was_sent_and_no_key_is_in_the_log() {
    let world = World::with("", &["--log", "trace"]);
    let amara = world.someone("amara");
    let passcode = code(&amara.totp, 0);
    let query = format!("/validate/check?user=amara&pass={passcode}");
    assert_eq!(world.send("GET", &query, &[("authorization", &world.key)], "").authentication(), "ACCEPT");
    let webmail = world.daemon.json(&["client", "add", "webmail"]);
    let secret = webmail["secret"].as_str().unwrap().to_owned();
    let answer = world.send("POST", "/auth", &[], &form(&[("username", "webmail"), ("password", &secret)]));
    let token = answer.body["result"]["value"]["token"].as_str().unwrap().to_owned();
    let password = &amara.password;
    let asked = world.check(webmail["key"].as_str().unwrap(), &[("user", "amara"), ("pass", password)]);
    let log = world.daemon.log();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is at its loudest");
    let key = world.key.split_once('.').unwrap().1.to_owned();
    for hidden in [&passcode, &secret, &token, password, &key, &asked.transaction()] {
        assert!(!log.contains(hidden.as_str()), "{hidden} is in the log");
    }
}

/// Asks with octets of a header as they are.
fn forwarded(world: &World, value: Option<&[u8]>, key: Option<&str>) -> u16 {
    use std::io::{Read, Write};
    let host = world.url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let mut head = format!(
        "POST /validate/check HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 17\r\n"
    )
    .into_bytes();
    if let Some(value) = value {
        head.extend([b"X-Forwarded-For: ", value, b"\r\n"].concat());
    }
    if let Some(key) = key {
        head.extend(format!("Authorization: {key}\r\n").into_bytes());
    }
    stream.write_all(&[&head, &b"\r\nuser=amara&pass=x"[..]].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

// R-API-1
#[test]
fn stranger_behind_a_proxy_is_no_application_whatever_the_header_says() {
    let world = World::with("[api]\nproxies = [\"127.0.0.1\"]\n", &[]);
    let ask = |value: &[u8]| forwarded(&world, Some(value), None);
    // 127.0.0.9 is known by its address.
    assert_eq!(ask(b"127.0.0.9"), 200);
    assert_eq!(ask(b"203.0.113.5, 127.0.0.9:4711"), 200, "as some proxies write it");
    for value in [
        &b"127.0.0.9, 203.0.113.5"[..],
        b"127.0.0.9, 203.0.113.5:4711",
        b"127.0.0.9, unknown",
        b"127.0.0.9, \xe4",
        b"127.0.0.9,",
        b"",
    ] {
        assert_eq!(ask(value), 401, "{}", String::from_utf8_lossy(value));
    }
    assert_eq!(forwarded(&world, None, None), 401, "nor is the proxy");
    // With a key the address narrows.
    let key = world.key_of("elsewhere");
    assert_eq!(forwarded(&world, Some(b"192.0.2.7"), Some(&key)), 200);
    assert_eq!(forwarded(&world, Some(b"192.0.2.7, x"), Some(&key)), 401);
    assert_eq!(forwarded(&world, Some(b"x"), Some(&world.key)), 200, "whoever asks from anywhere may");
}

// R-API-1
#[test]
fn strangers_do_not_shut_out_an_application_that_asks_from_the_same_address() {
    let world = World::start();
    assert_eq!(check(&world, &[("authorization", &world.key)]), 200);
    let unknown = |number: u32| format!("DWAAAAAAAAAAAAAAA{number:03}.x");
    let statuses: Vec<_> = (0..200).map(|n| check(&world, &[("authorization", &unknown(n))])).collect();
    assert!(statuses.contains(&429) && statuses.first() == Some(&401), "{statuses:?}");
    assert_eq!(check(&world, &[("authorization", &world.key)]), 200);
}

// R-API-1
#[test]
fn signing_in_is_in_the_trail_and_so_is_a_wrong_secret() {
    let world = World::start();
    let (id, secret) = world.key.split_once('.').unwrap();
    let sign_in = |username: &str, password: &str| {
        world.send("POST", "/auth", &[], &form(&[("username", username), ("password", password)])).status
    };
    assert_eq!((sign_in("sign-on", secret), sign_in(id, "wrong"), sign_in("nobody", "x")), (200, 401, 401));
    let trail: Vec<_> =
        world.trail("sign-on").into_iter().filter(|(actor, ..)| actor == "api:sign-on").collect();
    let rows: Vec<_> = trail.iter().map(|(_, outcome, detail)| (outcome.as_str(), detail.as_str())).collect();
    assert_eq!(rows, [("done", id), ("refused", "wrong secret, from 127.0.0.1; 0 more were left out")]);
}

// R-API-1
#[test]
fn new_certificate_is_taken_over_at_a_reload_and_a_wrong_one_is_not() {
    let (old, new) = (Certificates::make(), Certificates::make());
    let world = World::of(&old.settings(), "", &[]);
    let url = world.url.replace("http://", "https://") + "/auth/v2/ping";
    let served = |by: &Certificates| {
        let output =
            Command::new("curl").args(["-s", "--cacert", &by.path("ca.pem"), &url]).output().unwrap();
        output.status.success()
    };
    assert!(served(&old) && !served(&new));
    let later = world.path("conf.d/zz-later.toml");
    std::fs::write(&later, new.settings().replace("server.key", "mine.key")).unwrap();
    world.daemon.signal(nix::sys::signal::Signal::SIGHUP);
    until("the log of the wrong key", || world.daemon.log().contains("reload refused").then_some(()));
    assert!(served(&old), "what was served goes on");
    std::fs::write(&later, new.settings()).unwrap();
    world.daemon.signal(nix::sys::signal::Signal::SIGHUP);
    until("the new certificate", || served(&new).then_some(()));
    assert!(!served(&old));
}

// R-API-1
#[test]
fn keys_count_under_a_new_master_key_and_without_the_old_one() {
    let mut world = World::start();
    let before = world.daemon.dir.join("keys");
    let old = before.join("demo.key");
    let new = before.join("new.key");
    std::fs::write(&new, data_encoding::BASE64.encode(&[9; 32])).unwrap();
    std::fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let files = |world: &World, files: &[&std::path::Path]| {
        let names: Vec<_> = files.iter().map(|file| format!("\"{}\"", file.display())).collect();
        let text = format!("[keys]\nfiles = [{}]\n", names.join(", "));
        std::fs::write(world.path("conf.d/zz-later.toml"), text).unwrap();
    };
    files(&world, &[&new, &old]);
    world.restart();
    let rotated = world.daemon.run(&["keys", "rotate"]);
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    assert_eq!(check(&world, &[("authorization", &world.key)]), 200, "sealed anew");
    files(&world, &[&new]);
    world.restart();
    assert_eq!(check(&world, &[("authorization", &world.key)]), 200, "the old key is not needed any more");
}
