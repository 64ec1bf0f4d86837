//! Configuration as people meet it: errors with their place, layers, secrets, the example and the reference.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use doorward::config::{self, Config};
use doorward::domain::factor::FactorKind;
use doorward::domain::policy::{LoginKind, SecondFactor};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

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
fn misspelt_key_is_shown_with_line_column_caret_and_suggestion() {
    let text = format!("{KEYS}{CLIENT}require_mesage_authenticator = false\n");
    assert_eq!(
        report(&text),
        "error: unknown key `require_mesage_authenticator` in [client]\n \
         --> doorward.toml:7:1\n  |\n7 | require_mesage_authenticator = false\n  \
         | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ did you mean `require_message_authenticator`?\n\n1 error\n"
    );
}

#[test]
fn each_kind_of_error_is_told_at_its_place() {
    for (text, place, message) in [
        ("[radius]\nmax_in_flight = \"many\"\n", "4:17", "`max_in_flight` wants a number from 1 to 1000000"),
        ("[radius]\nmax_in_flight = 0\n", "4:17", "wants a number from 1 to 1000000, not 0"),
        ("[radius]\nlisten = [\"0.0.0.0\"]\n", "4:11", "`0.0.0.0` is nothing for `listen`"),
        ("[radius]\nreject_delay = \"1 fortnight\"\n", "4:16", "is no duration"),
        ("[radius]\nreject_delay = \"11s\"\n", "4:16", "`reject_delay` is out of range"),
        ("[password]\nmemory = \"19MB\"\n", "4:10", "`19MB` is no size"),
        ("[password]\nmax_length = 32\n", "4:14", "from 64 to 1024, not 32"),
        ("[pin]\nmin = 8\nmax = 6\n", "3:1", "[pin] `min` must not exceed `max`"),
        ("[throttle]\nhard_stop = 101\n", "4:13", "from 2 to 100, not 101"),
        ("[totp]\ndigits = 7\n", "4:10", "`digits` is 6 or 8"),
        ("[totp]\nalgorithm = \"md5\"\n", "4:13", "one of: sha1, sha256, sha512"),
        ("[log]\nfilter = \"doorward=loud=2\"\n", "4:10", "is no log filter"),
        ("[admin]\nmode = \"999\"\n", "4:8", "`999` is no file mode"),
        ("[[admin.role]]\nrole = \"king\"\n", "4:8", "one of: administrator, helpdesk, auditor"),
        (
            "[[admin.role]]\nrole = \"auditor\"\nusers = [\"no-such-user\"]\n",
            "5:10",
            "knows no `no-such-user`",
        ),
        ("[radius]\nlisten = [\n", "4:11", "this is not TOML"),
        ("[totp\n", "3:", "this is not TOML"),
    ] {
        let shown = report(&format!("{KEYS}{text}"));
        assert!(shown.contains(&format!("doorward.toml:{place}")), "{place} in:\n{shown}");
        assert!(shown.contains(message), "{message} in:\n{shown}");
    }
}

#[test]
fn key_in_the_wrong_place_is_told_where_it_belongs() {
    let shown = report(&format!("max_in_flight = 3\n{KEYS}"));
    assert!(
        shown.contains("doorward.toml:1:1") && shown.contains("`max_in_flight` belongs into [radius]"),
        "{shown}"
    );
}

#[test]
fn errors_of_clients_and_replies_are_told_at_their_place() {
    for (more, message) in [
        ("challenge = false\none_round = true\n", "`one_round` needs `challenge = true`"),
        ("methods = []\n", "`methods` is empty"),
        ("methods = [\"smoke\"]\n", "one of: totp, hotp, recovery, temporary"),
        (
            "secret = \"another-secret-here\"\n",
            "exactly one of `secret`, `secret_file` and `secret_credential`",
        ),
        ("[[client.group]]\nlogin = \"password\"\n", "`name` is missing in [client.group]"),
        ("[[client.group]]\nname = \"a\"\n[[client.group]]\nname = \"a\"\n", "group `a` stands here twice"),
        (
            "[[client]]\nname = \"vpn\"\nnetworks = [\"10.0.0.0/8\"]\nsecret_file = \"vpn.secret\"\n",
            "two clients are called `vpn`",
        ),
        (
            "[[client]]\nname = \"b\"\nnetworks = [\"192.0.2.0/24\"]\nsecret_file = \"vpn.secret\"\n",
            "belongs to another client already",
        ),
        (
            "[[client]]\nname = \"b\"\nnetworks = [\"192.0.2.1/24\"]\nsecret_file = \"vpn.secret\"\n",
            "did you mean `192.0.2.0/24`?",
        ),
        (
            "[[client]]\nname = \"b\"\nnetworks = [\"host\"]\nsecret_file = \"nowhere\"\n",
            "`host` is no network",
        ),
        (
            "[[client]]\nname = \"b\"\nnetworks = [\"::1\"]\nsecret_file = \"nowhere\"\n",
            "nowhere cannot be read",
        ),
        (
            "[[client]]\nname = \"b\"\nnetworks = [\"::1\"]\nsecret_credential = \"x\"\n",
            "CREDENTIALS_DIRECTORY is not set",
        ),
        ("[[reply]]\n[reply.attributes]\nClas = \"x\"\n", "no attribute is called `Clas`"),
        (
            "[[reply]]\n[reply.attributes]\nTunnel-Type = \"VLANN\"\n",
            "`Tunnel-Type` wants a number or one of",
        ),
        (
            "[[reply]]\nclients = [\"wifi\"]\n[reply.attributes]\nClass = \"x\"\n",
            "no client is called `wifi`",
        ),
        (
            "[[attribute]]\nname = \"Class\"\nnumber = 1\ntype = \"string\"\n",
            "the dictionary has `Class` already",
        ),
    ] {
        let shown = report(&format!("{KEYS}{CLIENT}{more}"));
        assert!(shown.contains(message), "{message} in:\n{shown}");
    }
}

#[test]
fn ten_mistakes_give_ten_errors() {
    let text = format!(
        "{KEYS}{CLIENT}max_rounds = 99\n[radius]\nlisten = \"nowhere\"\nfoo = 1\n[store]\nreaders = true\n[totp]\nissuer = \"a:b\"\nskew = 3\n\
         [pin]\nmin = 3\n[hotp]\ndigits = \"six\"\n[log]\nformat = \"xml\"\n[stor]\n"
    );
    let shown = report(&text);
    assert!(shown.ends_with("10 errors\n"), "{shown}");
}

#[test]
fn secrets_are_never_shown_whatever_is_wrong_around_them() {
    let secret = "never-shown-secret";
    for line in [
        format!("secret = \"{secret}\""),
        format!("secret = [\"{secret}\"]"),
        format!("secert = \"{secret}\""),
        format!("secret = {{ a = \"{secret}\" }}"),
    ] {
        let text = format!(
            "{KEYS}[[client]]\nname = 3\nnetworks = [\"192.0.2.1\"]\n{line}\nsecret_file = \"vpn.secret\"\n"
        );
        let shown = report(&text);
        assert!(!shown.contains(secret), "{shown}");
    }
    let config = good(&format!("{KEYS}{CLIENT}"));
    assert!(!format!("{config:?}").contains("a-secret-of-some-length"));
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
        shown.contains("environment:1:33") && shown.contains("DOORWARD__RADIUS__MAX_IN_FLIGHT=four"),
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
    assert_eq!(group.methods, [FactorKind::Totp]);
    assert_eq!(policy.default.second_factor, SecondFactor::Required);
}

#[test]
fn unwise_settings_are_warnings() {
    let text = format!("{KEYS}[[client]]\nname = \"all\"\nnetworks = [\"0.0.0.0/0\"]\nsecret = \"short\"\n");
    let warnings = good(&text).warnings.join("\n");
    assert!(warnings.contains("covers every address") && warnings.contains("fewer than 16"), "{warnings}");
}

#[test]
fn example_is_complete_and_has_no_error() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("conf/doorward.toml")).unwrap();
    let dir = folder(&text);
    write(dir.path(), "keys/k1.key", &data_encoding::BASE64.encode(&[7; 32]));
    let config = load_with(dir.path(), &[]).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.warnings, Vec::<String>::new());
    // With everything switched on that is commented out, keys are known and defaults are what they say.
    let section = |line: &str| line.starts_with("#[") || line.starts_with('[');
    for row in config::reference().lines().filter(|line| line.starts_with("| `")) {
        let key = row.split('`').nth(1).unwrap();
        let known = |line: &str| line.trim_start_matches('#').starts_with(&format!("{key} = "));
        assert!(text.lines().any(known) || key == "attributes" && text.lines().any(section), "{key}");
    }
}

#[test]
fn defaults_in_the_example_are_the_defaults() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("conf/doorward.toml")).unwrap();
    let uncommented: String = text
        .lines()
        .take_while(|line| !line.contains("[[client]]: a NAS"))
        .map(|line| {
            line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned() + "\n"
        })
        .collect();
    let dir = folder(&uncommented);
    write(dir.path(), "keys/k1.key", &data_encoding::BASE64.encode(&[7; 32]));
    let shown = load_with(dir.path(), &[]);
    let shown = shown.map(|config| format!("{:?}", config.radius)).unwrap_or_else(|errors| errors);
    assert_eq!(shown, format!("{:?}", good(KEYS).radius));
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

proptest! {
    #[test]
    fn arbitrary_text_never_panics_the_reader(text in "[\\[\\]a-z_=\"'0-9 .,{}\\n#é\\t]{0,200}") {
        let _ = load_with(folder(&text).path(), &[]);
    }
}
