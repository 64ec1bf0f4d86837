//! `/metrics`, `/health`, `/ready` and `doorward status`, which are one look.

use super::support::http::client;
use super::support::slapd::until;
use super::support::{DOORWARD, code};
use super::world::World;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// What Debian's promtool thinks of a text.
fn promtool(arguments: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tests/run installs prometheus");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}\n{input}");
}

#[test]
fn figures_tell_how_logins_ended_and_how_long_they_took_and_name_nobody() {
    let world = World::new(&[]);
    let (person, app) = (&world.person, &world.with_app);
    let all = format!("{}{}", app.password, code(&app.totp, 0));
    assert_eq!(world.login(&person.user, &person.password, &[]), "Access-Accept");
    assert_eq!(world.login(&app.user, &all, &[]), "Access-Accept");
    assert_eq!(world.login(&app.user, &app.password, &[]), "Access-Challenge");
    for _ in 0..2 {
        assert_eq!(world.login(&person.user, "wrong", &[]), "Access-Reject");
    }
    assert_eq!(world.login("nobody-at-all", "wrong", &[]), "Access-Reject");
    let said = world.get("/metrics");
    assert_eq!((said.status, said.kind.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let counts = [
        ("password", "accept", "password-only", 1),
        ("totp", "accept", "password-and-passcode", 1),
        ("password", "reject", "wrong-password", 2),
        ("none", "reject", "unknown-person", 1),
    ];
    for (method, outcome, reason, count) in counts {
        let line = format!(
            "doorward_logins_total{{front=\"radius\",method=\"{method}\",outcome=\"{outcome}\",reason=\"{reason}\"}} {count}\n"
        );
        assert!(said.body.contains(&line), "{line}{}", said.body);
    }
    let total = |what: &str| {
        let lines = said.body.lines().filter(|line| line.starts_with(what));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum::<f64>()
    };
    assert_eq!(total("doorward_client_logins_total"), 6.0, "{}", said.body);
    assert_eq!(total("doorward_login_duration_seconds_count{front=\"radius\"}"), 6.0, "{}", said.body);
    for stage in ["decode", "policy", "store"] {
        let count = total(&format!("doorward_stage_duration_seconds_count{{stage=\"{stage}\"}}"));
        assert!(count >= 6.0, "{stage} {count}");
    }
    assert!(total("doorward_stage_duration_seconds_count{stage=\"password\"}") >= 5.0);
    assert!(total("doorward_stage_duration_seconds_sum{stage=\"password\"}") > 0.0);
    for secret in [&person.user, &app.user, "nobody-at-all", &person.password] {
        assert!(!said.body.contains(secret), "{secret}");
    }
    promtool(&["check", "metrics"], &said.body);
}

#[test]
fn status_shows_the_same_and_what_is_wrong_first() {
    let world = World::new(&[]);
    let person = &world.person;
    assert_eq!(world.login(&person.user, "wrong", &[]), "Access-Reject");
    assert_eq!(world.login(&person.user, &person.password, &[]), "Access-Accept");
    let status = world.daemon.json(&["status"]);
    assert_eq!((&status["ready"], &status["problems"]), (&true.into(), &serde_json::json!([])), "{status}");
    assert_eq!(status["logins"]["radius"]["reject"], 1, "{status}");
    assert_eq!(status["radius"]["decision.wrong-password"], 1, "{status}");
    let received = world.sample("doorward_radius_received_total").unwrap();
    assert_eq!(status["radius"]["received"].as_f64(), Some(received));
    let ends = world.sample("doorward_certificate_expiry_timestamp_seconds{section=\"eap\"}").unwrap();
    let certificate = &status["certificates"][0];
    assert_eq!(certificate["section"], "eap", "{status}");
    let days = certificate["days"].as_f64().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!(((ends - now) / 86_400.0 - days).abs() <= 1.5, "{ends} {days}");
    let text = String::from_utf8(world.daemon.run(&["status"]).stdout).unwrap();
    assert!(text.starts_with("Doorward ") && text.contains("logins are answered"), "{text}");
    assert!(text.contains("wrong-password") && text.contains("how long it takes"), "{text}");
}

#[test]
fn daemon_is_ready_only_while_it_can_answer_and_says_what_is_down() {
    let world = World::new(&[]);
    let (health, ready) = (world.get("/health"), world.get("/ready"));
    assert_eq!((health.status, health.body.as_str()), (200, "up\n"));
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\nstore: up\n"));
    assert_eq!(world.get("/").status, 404);
    drop(world);
    // Nobody listens at port 1.
    let world = World::new(&[("DOORWARD__REDIS__URLS", "[\"redis://127.0.0.1:1\"]")]);
    until("Redis is found to be down", || (world.get("/ready").status == 503).then_some(()));
    let ready = world.get("/ready");
    assert_eq!(ready.body, "not ready\nstore: up\nredis: down\n");
    assert_eq!(world.get("/health").status, 200, "a new start would mend nothing");
    assert_eq!(world.sample("doorward_redis_up"), Some(0.0));
    assert_eq!(world.sample("doorward_ready"), Some(0.0));
    let text = String::from_utf8(world.daemon.run(&["status"]).stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].contains("LOGINS CANNOT BE ANSWERED"), "{text}");
    assert!(lines[1].starts_with("  wrong: Redis does not answer"), "{text}");
}

#[test]
fn database_that_cannot_be_written_shows() {
    let world = World::new(&[("DOORWARD__STORE__BUSY_TIMEOUT", "100ms")]);
    assert_eq!(world.sample("doorward_store_writable"), Some(1.0));
    let lock = super::support::DatabaseLock::take(&world.daemon.dir);
    // It must be written down, and cannot be: nobody gets an answer.
    let person = &world.person;
    let output = Command::new(DOORWARD)
        .args(["try", &person.user, "--password", "wrong", "--secret", "demo-radius-shared-secret"])
        .args(["--server", &world.daemon.address.to_string()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert_eq!(world.sample("doorward_store_writable"), Some(0.0));
    // What cannot be written down is not answered, so a load balancer must not send anybody.
    assert_eq!(world.get("/ready").status, 503);
    assert!(world.sample("doorward_undecided_total{front=\"radius\"}").unwrap() >= 1.0);
    lock.let_go();
    // Nobody has asked for anything to be written since: who looks finds out.
    until("it can be written again", || (world.get("/ready").status == 200).then_some(()));
    assert_eq!(world.login(&person.user, "wrong", &[]), "Access-Reject");
    assert_eq!(world.sample("doorward_store_writable"), Some(1.0));
}

#[test]
fn figures_travel_by_tls_where_there_is_a_certificate_and_no_other_way() {
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap().pem();
    std::fs::write(dir.path().join("metrics.pem"), certificate).unwrap();
    let at = dir.path().join("metrics.key.pem");
    std::fs::write(&at, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o600)).unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let env = [
        ("DOORWARD__METRICS__CERTIFICATE_FILE", path("metrics.pem")),
        ("DOORWARD__METRICS__PRIVATE_KEY_FILE", path("metrics.key.pem")),
    ];
    let env: Vec<_> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let world = World::new(&env);
    let address = world.daemon.metrics.unwrap();
    let url = format!("https://localhost:{}/metrics", address.port());
    let said = client(Some(&dir.path().join("metrics.pem"))).get(&url).send().unwrap().text().unwrap();
    assert!(said.contains("doorward_certificate_expiry_timestamp_seconds{section=\"metrics\"}"), "{said}");
    assert!(client(None).get(&url).send().is_err(), "a certificate that nobody vouches for");
    assert!(
        client(None).get(format!("http://{address}/metrics")).send().is_err(),
        "nothing goes unprotected"
    );
}

/// Where `status` has what a metric tells.
const IN_STATUS: [(&str, &str); 42] = [
    ("doorward_build_info", "/version"),
    ("doorward_start_time_seconds", "/started"),
    ("doorward_ready", "/ready"),
    ("doorward_confined", "/confined"),
    ("doorward_logins_total", "/reasons/0/count"),
    ("doorward_client_logins_total", "/clients/0/accept"),
    ("doorward_flow_rounds_total", "/flows/0/accept"),
    ("doorward_undecided_total", "/undecided/portal"),
    ("doorward_login_duration_seconds", "/took/0/p99_ms"),
    ("doorward_stage_duration_seconds", "/took/2/p99_ms"),
    ("doorward_radius_received_total", "/radius/received"),
    ("doorward_radius_answered_total", "/radius/answered"),
    ("doorward_radius_repeated_total", "/radius/duplicate-answered"),
    ("doorward_radius_status_server_total", "/radius/status-server"),
    ("doorward_radius_dropped_total", "/radius/malformed"),
    ("doorward_queue_length", "/queues/0/value"),
    ("doorward_queue_limit", "/queues/0/limit"),
    ("doorward_kept", "/kept/1/value"),
    ("doorward_kept_limit", "/kept/1/limit"),
    ("doorward_certificate_expiry_timestamp_seconds", "/certificates/0/ends"),
    ("doorward_crl_due_timestamp_seconds", "/revocations/0/due"),
    ("doorward_crl_expiry_timestamp_seconds", "/revocations/0/ends"),
    ("doorward_store_up", "/store/state"),
    ("doorward_store_writable", "/store/writable"),
    ("doorward_store_commits_total", "/store/commits"),
    ("doorward_store_commit_failures_total", "/store/failed"),
    ("doorward_redis_up", "/redis"),
    ("doorward_directory_up", "/directories/0/up"),
    ("doorward_directory_server_up", "/servers/0/up"),
    ("doorward_directory_stage", "/directories/0/stage"),
    ("doorward_directory_people", "/directories/0/people"),
    ("doorward_directory_last_change_timestamp_seconds", "/directories/0/last_change"),
    ("doorward_directory_loads_total", "/directories/0/loads"),
    ("doorward_directory_failures_total", "/directories/0/failures"),
    ("doorward_directory_conflicts", "/directories/0/conflicts"),
    ("doorward_outbox_messages", "/outbox/sent"),
    ("doorward_messages_total", "/sending/dead"),
    ("doorward_sockets_unserved", "/unserved"),
    ("doorward_validations_total", "/validations/MISSING_PARAMETER"),
    ("doorward_validation_server_up", "/servers/1/up"),
    ("doorward_validation_server_answers_total", "/servers/1/answers/decided"),
    ("doorward_watchers", "/watchers"),
];

/// Servers outside that do not answer, and validation of YubiKeys for others.
const MORE: &str = r#"
[[directory]]
name = "campus"
kind = "ldap"
servers = ["ldap://127.0.0.1:1"]
start_tls = false
bind_dn = "cn=doorward,dc=example,dc=org"
secret = "of-nobody"
base = "ou=people,dc=example,dc=org"
[yubico]
urls = ["http://127.0.0.1:1/wsapi/2.0/verify"]
client_id = 1
secret = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA="
[[wsapi.client]]
id = 1
secret = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA="
"#;

#[test]
fn person_is_shown_everything_that_prometheus_is_told() {
    let named: Vec<_> = IN_STATUS.iter().map(|(family, _)| *family).collect();
    let families: Vec<_> = doorward::serve::metrics::FAMILIES.iter().map(|family| family.name).collect();
    assert_eq!(named, families, "each has its place in `status`");
    let env = [
        ("DOORWARD__REDIS__URLS", "[\"redis://127.0.0.1:1\"]"),
        ("DOORWARD__WSAPI__LISTEN", "[\"127.0.0.1:0\"]"),
    ];
    let world = World::with(&env, MORE);
    let person = &world.person;
    assert_eq!(world.login(&person.user, &person.password, &[]), "Access-Accept");
    let wsapi = world.wsapi();
    let asked = client(None).get(format!("http://{wsapi}/wsapi/2.0/verify")).send().unwrap();
    assert!(asked.text().unwrap().contains("status=MISSING_PARAMETER"));
    let status = world.daemon.json(&["status"]);
    for (family, place) in IN_STATUS {
        // A directory that never answered has had no change.
        let none = place.ends_with("/last_change");
        assert!(
            status.pointer(place).is_some_and(|value| none || !value.is_null()),
            "{family} {place}: {status}"
        );
    }
    assert_eq!(world.sample("doorward_validations_total{status=\"MISSING_PARAMETER\"}"), Some(1.0));
    assert_eq!(world.sample("doorward_queue_limit{queue=\"metrics\"}"), Some(64.0));
    assert!(world.sample("doorward_queue_length{queue=\"metrics\"}").unwrap() >= 1.0, "this very question's");
    let text = String::from_utf8(world.daemon.run(&["status"]).stdout).unwrap();
    for title in [
        "logins by what and why",
        "servers of directories",
        "flows of the portal",
        "could not be decided",
        "OTPs validated for programs",
        "attempts to send them",
        "lists of revoked certificates",
        "commits",
    ] {
        assert!(text.contains(title), "{title}: {text}");
    }
}

/// The rules and the dashboard that are shipped are checked here, so that promtool is asked in one place.
#[test]
fn alert_rules_are_rules() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alerts.yml");
    promtool(&["check", "rules", rules], "");
}
