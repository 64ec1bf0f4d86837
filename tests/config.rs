//! Configuration as people meet it: layers, files, warnings, the example and the reference; errors in a module of their own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use doorward::config::{self, Config};
use doorward::domain::factor::FactorKind;
use doorward::domain::policy::{LoginKind, SecondFactor};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

#[path = "config/api.rs"]
mod api;
#[path = "config/campus.rs"]
mod campus;
#[path = "config/eap.rs"]
mod eap;
#[path = "config/errors.rs"]
mod errors;
#[path = "config/mailbox.rs"]
mod mailbox;
#[path = "config/messages.rs"]
mod messages;
#[path = "config/metrics.rs"]
mod metrics;
#[path = "config/password.rs"]
mod password;
#[path = "config/redis.rs"]
mod redis;
#[path = "config/yubico.rs"]
mod yubico;

const CLIENT: &str =
    "[[client]]\nname = \"vpn\"\nnetworks = [\"192.0.2.0/24\"]\nsecret_file = \"vpn.secret\"\n";
const KEYS: &str = "[keys]\nfiles = [\"k1.key\"]\n";

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
}

fn folder(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "k1.key", &data_encoding::BASE64.encode(&[7; 32]));
    write(dir.path(), "vpn.secret", "a-secret-of-some-length\n");
    write(dir.path(), "campus.secret", "another-secret\n");
    write(dir.path(), "redis.secret", "a-third-secret\n");
    write(dir.path(), "yubico.secret", "bm90LXNlY3JldC1ub3Qtc2VjcmU=\n");
    write(dir.path(), "doorward.toml", text);
    dir
}

fn load_with(dir: &Path, env: &[(&str, &str)]) -> Result<Config, String> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    config::load(&dir.join("doorward.toml"), env)
        .map_err(|errors| errors.to_string().replace(&format!("{}/", dir.display()), ""))
}

fn good(text: &str) -> Config {
    load_with(folder(text).path(), &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The report for a text that has errors.
fn report(text: &str) -> String {
    match load_with(folder(text).path(), &[]) {
        Ok(_) => panic!("no error in:\n{text}"),
        Err(errors) => errors,
    }
}

#[test]
fn secret_file_that_everyone_can_read_is_refused() {
    let dir = folder(&format!("{KEYS}{CLIENT}"));
    fs::set_permissions(dir.path().join("vpn.secret"), fs::Permissions::from_mode(0o644)).unwrap();
    let shown = load_with(dir.path(), &[]).unwrap_err();
    assert!(shown.contains("can be read by everyone") && shown.contains("chmod o="), "{shown}");
}

// R-SYS-1
#[test]
fn secrets_come_from_systemd_credentials() {
    let text = "[keys]\ncredentials = [\"k2\"]\n[[client]]\nname = \"vpn\"\nnetworks = [\"192.0.2.1\"]\nsecret_credential = \"vpn\"\n";
    let dir = folder(text);
    write(dir.path(), "creds/k2", &data_encoding::HEXLOWER.encode(&[9; 32]));
    write(dir.path(), "creds/vpn", "a-secret-from-a-credential");
    let creds = dir.path().join("creds");
    let config = load_with(dir.path(), &[("CREDENTIALS_DIRECTORY", creds.to_str().unwrap())]).unwrap();
    assert_eq!(
        (config.keys.master[0].0.as_str(), config.keys.master[0].1.expose().as_slice()),
        ("k2", &[9; 32][..])
    );
    assert_eq!(config.clients.lookup("192.0.2.1".parse().unwrap()).unwrap().secret.length(), 26);
    let outside = folder(&text.replace("\"vpn\"\n", "\"../vpn.secret\"\n"));
    let shown = load_with(outside.path(), &[("CREDENTIALS_DIRECTORY", creds.to_str().unwrap())]).unwrap_err();
    assert!(shown.contains("is no name of a credential"), "{shown}");
}

#[test]
fn layers_replace_keys_and_add_tables() {
    let dir = folder(&format!("{KEYS}{CLIENT}[radius]\nmax_in_flight = 1\nreject_delay = \"2s\"\n"));
    let wifi = "[[client]]\nname = \"wifi\"\nnetworks = [\"198.51.100.1\"]\nsecret_file = \"vpn.secret\"\n";
    write(dir.path(), "conf.d/20-b.toml", "[radius]\nmax_in_flight = 3\n");
    write(dir.path(), "conf.d/10-a.toml", &format!("{wifi}[radius]\nmax_in_flight = 2\n"));
    let config = load_with(dir.path(), &[]).unwrap();
    assert_eq!(config.radius.max_in_flight, 3);
    assert_eq!(config.radius.reject_delay.as_secs(), 2);
    assert_eq!(config.clients.lookup("198.51.100.1".parse().unwrap()).unwrap().name, "wifi");
    assert_eq!(config.clients.lookup("192.0.2.77".parse().unwrap()).unwrap().name, "vpn");
    let over = [("DOORWARD__RADIUS__MAX_IN_FLIGHT", "4"), ("OTHER", "x")];
    assert_eq!(load_with(dir.path(), &over).unwrap().radius.max_in_flight, 4);
    let shown = load_with(dir.path(), &[("DOORWARD__RADIUS__MAX_IN_FLIGHT", "four")]).unwrap_err();
    assert!(
        shown.contains("--> environment DOORWARD__RADIUS__MAX_IN_FLIGHT:1:33")
            && shown.contains("DOORWARD__RADIUS__MAX_IN_FLIGHT=four"),
        "{shown}"
    );
    write(dir.path(), "conf.d/30-c.toml", "[radius]\nmax_in_flite = 2\n");
    assert!(load_with(dir.path(), &[]).unwrap_err().contains("conf.d/30-c.toml:2:1"));
}

#[test]
fn group_inherits_what_it_does_not_change() {
    let text = format!(
        "{KEYS}{CLIENT}max_rounds = 5\nmethods = [\"totp\"]\n[[client.group]]\nname = \"admins\"\nsecond_factor = \"if-enrolled\"\n"
    );
    let config = good(&text);
    let policy = &config.clients.lookup("192.0.2.1".parse().unwrap()).unwrap().policy;
    let (name, group) = &policy.groups[0];
    assert_eq!((name.as_str(), group.second_factor), ("admins", SecondFactor::IfEnrolled));
    assert_eq!((group.max_rounds, group.kind), (5, LoginKind::PasswordAndPasscode));
    assert_eq!(group.methods, [FactorKind::Totp.into()]);
    assert_eq!(policy.default.second_factor, SecondFactor::Required);
}

#[test]
fn unwise_settings_are_warnings() {
    let text = format!("{KEYS}[[client]]\nname = \"all\"\nnetworks = [\"0.0.0.0/0\"]\nsecret = \"short\"\n");
    let warnings = good(&text).warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("covers every address") && warnings[1].contains("fewer than 16"));
    assert!(!warnings[1].contains("short "), "{warnings:?}");
    let dir = folder(&text.replace("short", "a-secret-of-some-length").replace("0.0.0.0/0", "192.0.2.1"));
    assert_eq!(load_with(dir.path(), &[]).unwrap().warnings, Vec::<String>::new());
    fs::set_permissions(dir.path().join("doorward.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = load_with(dir.path(), &[]).unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("can be read by everyone"), "{warnings:?}");
}

#[test]
fn secret_of_an_example_is_warned_of_where_somebody_else_could_use_it() {
    let example =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/doorward.toml")).unwrap();
    let warned = |secret: &str, network: &str| {
        let text =
            format!("{KEYS}[[client]]\nname = \"vpn\"\nnetworks = [\"{network}\"]\nsecret = {secret}\n");
        let warnings = good(&text).warnings;
        warnings.iter().any(|said| said.contains("client `vpn` is that of an example"))
    };
    let client = example.split_once("[[client]]").unwrap().1;
    let of_client = client.lines().find_map(|line| line.strip_prefix("#secret = ")).unwrap();
    assert!(warned(of_client, "192.0.2.1") && warned(of_client, "127.0.0.1"), "{of_client}");
    let demonstration = "\"demo-radius-shared-secret\"";
    assert!(warned(demonstration, "192.0.2.1") && !warned(demonstration, "127.0.0.0/8"));
    assert!(!warned("\"a-secret-of-some-length\"", "192.0.2.1"));
}

#[test]
fn device_passwords_that_nobody_can_have_are_warned_of() {
    let with = |more: &str| good(&format!("{KEYS}{CLIENT}{more}")).warnings;
    let warnings = with("device_passwords = true\n");
    assert!(
        warnings.len() == 1 && warnings[0].contains("set `per_person` in [device_passwords]"),
        "{warnings:?}"
    );
    assert_eq!(with("device_passwords = true\n[device_passwords]\nper_person = 2\n"), Vec::<String>::new());
    assert_eq!(with("[device_passwords]\nper_person = 2\n"), Vec::<String>::new());
}

#[test]
fn variables_are_read_as_toml_or_else_as_text() {
    let dir = folder(KEYS);
    let load = |name: &str, value: &str| load_with(dir.path(), &[(name, value)]).unwrap();
    assert_eq!(load("DOORWARD__ADMIN__MODE", "600").admin.mode, 0o600);
    assert_eq!(load("DOORWARD__ADMIN__MODE", "0600").admin.mode, 0o600);
    assert_eq!(load("DOORWARD__LOG__FILTER", "debug").log.filter, "debug");
    assert_eq!(load("DOORWARD__TOTP__ISSUER", "true").factors.issuer, "true");
    assert_eq!(load("DOORWARD__RADIUS__LISTEN", "[\"127.0.0.1:1\", \"[::1]:2\"]").radius.listen.len(), 2);
    assert_eq!(load("DOORWARD__RADIUS__LISTEN", "127.0.0.1:1").radius.listen.len(), 1);
    assert_eq!(load("DOORWARD__RADIUS__MAX_IN_FLIGHT", "0x0b12").radius.max_in_flight, 0xb12);
    assert_eq!(load("DOORWARD__RADIUS__MAX_IN_FLIGHT", "1_000").radius.max_in_flight, 1000);
}

#[test]
fn secrets_come_from_files_credentials_or_the_text_itself() {
    let dir = folder("");
    write(dir.path(), "credentials/vpn", "a-secret-of-some-length\r\n");
    write(dir.path(), "credentials/k2", &data_encoding::HEXLOWER.encode(&[9; 32]));
    let credentials = dir.path().join("credentials").display().to_string();
    let env = [("CREDENTIALS_DIRECTORY", credentials.as_str())];
    let client = "[[client]]\nname = \"a\"\nnetworks = [\"::1\"]\n";
    for line in [
        "secret_file = \"vpn.secret\"",
        "secret_credential = \"vpn\"",
        "secret = \"a-secret-of-some-length\"",
    ] {
        let text = format!("[keys]\nfiles = [\"k1.key\"]\ncredentials = [\"k2\"]\n{client}{line}\n");
        write(dir.path(), "doorward.toml", &text);
        let config = load_with(dir.path(), &env).unwrap();
        assert_eq!(config.clients.lookup("::1".parse().unwrap()).unwrap().secret.length(), 23, "{line}");
        let ids: Vec<_> = config.keys.master.iter().map(|(id, key)| (id.as_str(), key.expose()[0])).collect();
        assert_eq!(ids, [("k1", 7), ("k2", 9)]);
    }
    let text = format!("{KEYS}{client}secret_credential = \"../vpn.secret\"\n");
    write(dir.path(), "doorward.toml", &text);
    assert!(load_with(dir.path(), &env).unwrap_err().contains("is no name of a credential"));
}

#[test]
fn missing_main_file_is_one_error() {
    let dir = tempfile::tempdir().unwrap();
    let errors = config::load(&dir.path().join("doorward.toml"), std::iter::empty()).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors}");
}

#[test]
fn example_is_complete_and_has_no_error() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("conf/doorward.toml")).unwrap();
    let dir = folder(&text);
    write(dir.path(), "keys/k1.key", &data_encoding::BASE64.encode(&[7; 32]));
    let config = load_with(dir.path(), &[]).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.warnings, Vec::<String>::new());
    for (section, key, _) in rows() {
        let header = if section == "reply" && key == "attributes" { "[reply.attributes]" } else { "" };
        let known = |line: &&String| line.starts_with(&format!("{key} = ")) || line.as_str() == header;
        assert!(example_section(&text, &section).iter().any(|line| known(&line)), "{section}.{key}");
    }
}

/// (section, key, default) of the reference.
fn rows() -> Vec<(String, String, Option<String>)> {
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in config::reference().lines() {
        if let Some(name) = line.strip_prefix("### ") {
            section = name.trim_matches('`').to_owned();
        }
        if line.starts_with("| `") {
            let cells: Vec<_> = line.split(" | ").collect();
            let default = Some(cells[1].trim_matches('`').to_owned()).filter(|default| !default.is_empty());
            rows.push((section.clone(), cells[0].trim_matches(['|', ' ', '`']).to_owned(), default));
        }
    }
    assert!(rows.len() > 80);
    rows
}

/// The lines of one section of the example, with what is commented out switched on.
fn example_section(text: &str, section: &str) -> Vec<String> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line);
        let header = line.trim_matches(['[', ']']);
        if line.starts_with('[') {
            inside = header == section || section == "reply" && header == "reply.attributes";
        }
        if inside {
            lines.push(line.to_owned());
        }
    }
    lines
}

#[test]
fn defaults_in_the_example_are_the_defaults() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("conf/doorward.toml")).unwrap();
    let needed = [
        ("keys", "files"),
        ("reply", "groups"),
        ("reply", "clients"),
        ("attribute", "vendor"),
        ("directory", "bind_dn"),
        ("smtp", "host"),
        ("smtp", "user"),
        ("smtp", "from"),
        ("gateway", "url"),
        ("gateway", "body"),
        ("campus", "realms"),
        ("campus", "hosts"),
        ("mailbox", "kind"),
        ("mailbox", "account"),
        ("mailbox", "tenant"),
        ("mailbox", "client_id"),
        ("mailbox", "servers"),
        ("mailbox", "bind_dn"),
        ("mailbox", "base"),
    ];
    for (section, key, default) in rows() {
        let example = needed.contains(&(section.as_str(), key.as_str()))
            || section == "admin.role"
            || section == "directory.role";
        if let Some(default) = default.filter(|_| !example) {
            let line = format!("{key} = {default}");
            assert!(example_section(&text, &section).contains(&line), "[{section}] {line}");
        }
    }
}

#[test]
fn everything_in_the_example_that_is_commented_out_is_right_too() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("conf/doorward.toml")).unwrap();
    // A client has one secret, this machine need not know the group, and a private key needs a certificate.
    let without = [
        "#secret = ",
        "#secret_credential = ",
        "#client_secret_credential = ",
        "#groups = [\"helpdesk\"]",
        "#private_key_",
    ];
    let on = |line: &str| {
        let rest = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') && !rest.is_empty());
        rest.unwrap_or(line).to_owned() + "\n"
    };
    let text: String =
        text.lines().filter(|line| !without.iter().any(|w| line.starts_with(w))).map(on).collect();
    // The password is that of PostgreSQL.
    let text = text.replace("\nurl = \"\"\n", "\nurl = \"postgres://doorward@db.example.org/doorward\"\n");
    let dir = folder(&text);
    write(dir.path(), "database.secret", "of-the-database\n");
    write(dir.path(), "keys/k1.key", &data_encoding::BASE64.encode(&[7; 32]));
    let config = load_with(dir.path(), &[]).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((config.replies.len(), config.admin.roles.len()), (1, 1));
    let postgres = config.store.postgres.unwrap();
    assert_eq!((postgres.verified, postgres.password.unwrap().expose().as_str()), (true, "of-the-database"));
}

#[test]
fn ranges_in_the_reference_are_those_of_the_reader() {
    let mut checked = 0;
    for line in config::reference().split("\n### ").flat_map(|part| {
        let section = part.split('`').nth(1).unwrap_or_default().to_owned();
        part.lines().map(move |line| (section.clone(), line.to_owned())).collect::<Vec<_>>()
    }) {
        let (section, row) = line;
        let Some((key, about)) = row.strip_prefix("| `").and_then(|row| row.split_once("` | `")) else {
            continue;
        };
        let words: Vec<_> = about.split([' ', '.', ',', ';']).collect();
        let range = words
            .windows(3)
            .find(|w| w[1] == "to" && w[0].parse::<i64>().is_ok() && w[2].parse::<i64>().is_ok());
        let (Some(range), false) =
            (range, section.contains("client") || section == "attribute" || section == "directory")
        else {
            continue;
        };
        let report =
            load_with(folder(&format!("{KEYS}[{section}]\n{key} = 999999999\n")).path(), &[]).unwrap_err();
        // 6 to 8 without 7 is told as such.
        assert!(
            report.contains(&format!("from {} to {}", range[0], range[2])),
            "[{section}] {row}\n{report}"
        );
        checked += 1;
    }
    assert!(checked > 10, "{checked}");
}

#[test]
fn reference_in_the_manual_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let text = fs::read_to_string(&path).unwrap();
    let marker = "<!-- From here on generated: UPDATE=1 cargo nextest run --test config -->\n\n";
    let (head, kept) = text.split_once(marker).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{head}{marker}{}", config::reference())).unwrap();
        return;
    }
    assert_eq!(kept, config::reference());
}

#[test]
fn daemon_and_check_refuse_with_status_78_and_all_errors() {
    let dir = folder("[radius]\nfoo = 1\nmax_in_flight = 0\n");
    let file = dir.path().join("doorward.toml");
    for command in ["serve", "check"] {
        let output = Command::new(env!("CARGO_BIN_EXE_doorward"))
            .args([command, "--config"])
            .arg(&file)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(78));
        let shown = String::from_utf8(output.stderr).unwrap();
        assert!(shown.contains("foo") && shown.contains("max_in_flight"), "{shown}");
    }
    let json =
        Command::new(env!("CARGO_BIN_EXE_doorward")).args(["--json", "check"]).arg(&file).output().unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json.status.code(), Some(78));
    assert_eq!(shown["errors"][0]["message"], "unknown key `foo` in [radius]");
    assert!(shown["errors"][0]["at"].as_str().unwrap().ends_with("doorward.toml:2:1"), "{shown}");
    let fine = folder(&format!("{KEYS}{CLIENT}"));
    let output = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(["check"])
        .arg(fine.path().join("doorward.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Text that is likely to be TOML of ours, and text that is not.
fn texts() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "\\[{1,2}(client|radius|keys|reply|reply\\.attributes|client\\.group|login|totp|x)\\]{1,2}",
        "(secret|name|networks|methods|listen|files|digits|period|memory|groups|Class|é) ?= ?[\\[\\]{}\"'a-z0-9:./,_é \\t-]{0,20}",
        "\\PC{0,30}",
        any::<String>(),
    ];
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics_the_reader(text in texts(), variable in "DOORWARD__[A-Z_]{0,12}", value in texts()) {
        let dir = folder(&text);
        write(dir.path(), "conf.d/1.toml", &value);
        if let Err(report) = load_with(dir.path(), &[(&variable, &value)]) {
            prop_assert!(report.starts_with("error: "), "{}", report);
        }
    }

    #[test]
    fn damaged_example_never_panics_the_reader_nor_shows_the_secret(at in 0.0..1.0_f64, cut in 0_usize..4, put in "\\PC{0,3}") {
        let secret = "never-shown-secret";
        let mut text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/doorward.toml")).unwrap();
        text = text.replace("secret_file = \"vpn.secret\"", &format!("secret = \"{secret}\"")).replace("\n#", "\n");
        let key = text.find(&format!("secret = \"{secret}\"")).unwrap();
        let start = ((text.len() - cut) as f64 * at) as usize;
        // Where the key itself is damaged beyond recognition, nobody can know that a secret follows.
        prop_assume!(text.is_char_boundary(start) && text.is_char_boundary(start + cut));
        prop_assume!(start + cut < key || start > key + "secret =".len());
        text.replace_range(start..start + cut, &put);
        if let Err(report) = load_with(folder(&text).path(), &[]) {
            prop_assert!(!report.contains(secret), "{}", report);
        }
    }
}
