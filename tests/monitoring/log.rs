//! The line of a refusal, as programs like fail2ban read it.

use super::support::portal::Browser;
use super::world::World;
use std::process::Command;

const FILTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fail2ban.conf");

/// Addresses that Debian's fail2ban finds in these lines with the filter that is shipped.
fn found(lines: &[String]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    std::fs::write(&log, lines.join("\n") + "\n").unwrap();
    let output = Command::new("fail2ban-regex").args(["--out", "ip"]).arg(&log).arg(FILTER).output();
    let output = output.expect("tests/run installs fail2ban");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() || said.is_empty(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said.lines().map(str::to_owned).collect()
}

#[test]
fn refusal_is_one_line_that_the_shipped_filter_reads() {
    let world = World::new(&[]);
    let (user, password) = (world.person.user.as_str(), world.person.password.as_str());
    let from = |address| [("Calling-Station-Id", address)];
    assert_eq!(world.login(user, "wrong", &from("203.0.113.9")), "Access-Reject");
    assert_eq!(world.login(user, "wrong", &from("2001:db8::9")), "Access-Reject");
    assert_eq!(world.login(user, "wrong", &from("02-00-00-00-00-01")), "Access-Reject");
    assert_eq!(world.login(user, password, &from("203.0.113.10")), "Access-Accept");
    let lines = world.logins_until("203.0.113.10");
    assert_eq!(lines.iter().filter(|line| line.contains("outcome=\"reject\"")).count(), 3, "{lines:#?}");
    let first = &lines[0];
    let fields = format!(
        "login outcome=\"reject\" reason=\"wrong-password\" front=\"radius\" purpose=\"login\" client=\"localhost\" \
         username=\"{user}\" calling_station=\"203.0.113.9\" peer=127.0.0.1 method=\"password\" millis="
    );
    let client = first.split("client=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(first.contains(&fields.replace("localhost", client)), "{first}");
    assert_eq!(found(&lines), ["203.0.113.9", "2001:db8::9"], "{lines:#?}");
    // As the journal gives it to fail2ban.
    let journal = format!("2026-11-28T22:00:00 auth1 doorward[812]: {first}");
    assert_eq!(found(&[journal]), ["203.0.113.9"]);
}

#[test]
fn name_that_looks_like_a_line_forges_none() {
    let world = World::new(&[]);
    let forged = "login outcome=\"reject\" reason=\"wrong-password\" front=\"radius\" purpose=\"login\" client=\"x\" \
                  username=\"y\" calling_station=\"198.51.100.1\"";
    let names = [
        format!("a\n2026-11-28T22:00:00.000000Z  INFO {forged}"),
        format!("a\r\n INFO {forged}"),
        format!("a\" calling_station=\"198.51.100.2\" {forged}"),
        "a\\\" calling_station=\"198.51.100.3".to_owned(),
        "a\\".to_owned(),
        "\u{1b}[2Ka\u{2028}b\u{202e}".to_owned(),
    ];
    for name in &names {
        let octets: String = name.bytes().map(|octet| format!("{octet:02x}")).collect();
        let attributes = [("Calling-Station-Id", "203.0.113.20")];
        assert_eq!(world.login(&format!("0x{octets}"), "wrong", &attributes), "Access-Reject", "{name:?}");
    }
    // Where the NAS passes on what a device says.
    let octets: String = "203.0.113.21\" x=\"\nlogin".bytes().map(|octet| format!("{octet:02x}")).collect();
    let attributes = [("Calling-Station-Id", format!("0x{octets}"))];
    let attributes: Vec<_> = attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(world.login("bob", "wrong", &attributes), "Access-Reject");
    assert_eq!(world.login("last-one", "wrong", &[]), "Access-Reject");
    let lines = world.logins_until("last-one");
    assert_eq!(lines.len(), names.len() + 2, "one line for each: {lines:#?}");
    assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "{lines:#?}");
    let found = found(&lines);
    assert_eq!(found, vec!["203.0.113.20"; names.len()], "{lines:#?}");
}

#[test]
fn address_in_the_line_is_the_one_that_is_there_and_not_the_network_that_limits_count() {
    let world = World::new(&[("DOORWARD__PORTAL__PROXIES", "[\"127.0.0.1\"]")]);
    let url = format!("http://{}", world.daemon.portal.unwrap());
    let mut browser = Browser::from(&url, "2001:db8::5");
    browser.get("/sign-in");
    browser.post("/sign-in", &[("username", "carol"), ("password", "wrong-at-the-portal")]);
    let lines = world.logins_until("front=\"portal\"");
    assert_eq!(found(&lines), ["2001:db8::5"], "{lines:#?}");
}

#[test]
fn name_of_any_length_makes_a_line_of_bounded_length() {
    let world = World::new(&[]);
    let mut browser = Browser::new(&format!("http://{}", world.daemon.portal.unwrap()));
    browser.get("/sign-in");
    browser.post("/sign-in", &[("username", &"\u{202e}\"".repeat(3_000)), ("password", "wrong")]);
    let lines = world.logins_until("front=\"portal\"");
    assert!(lines[0].len() < 2_500 && found(&lines) == ["127.0.0.1"], "{}", lines[0].len());
}

#[test]
fn refusal_at_the_portal_is_logged_and_counted_too() {
    let world = World::new(&[]);
    let mut browser = Browser::new(&format!("http://{}", world.daemon.portal.unwrap()));
    browser.get("/sign-in");
    browser.post("/sign-in", &[("username", "carol\" x"), ("password", "wrong-at-the-portal")]);
    let lines = world.logins_until("front=\"portal\"");
    let line = lines.last().unwrap();
    assert!(line.contains("outcome=\"reject\"") && line.contains("username=\"carol\\\" x\""), "{line}");
    assert!(line.contains("calling_station=\"127.0.0.1\"") && !line.contains("peer="), "{line}");
    assert!(!line.contains("wrong-at-the-portal"), "{line}");
    assert_eq!(found(&lines), ["127.0.0.1"]);
    let name = "doorward_logins_total{front=\"portal\",method=\"none\",outcome=\"reject\",reason=\"username-invalid\"}";
    assert_eq!(world.sample(name), Some(1.0));
}
