//! Every kind of error with its file, line, column and caret; and that no secret is in any.

use super::*;

/// One error as it was printed: file, line and column; the characters above the caret; the message.
#[derive(Debug)]
struct Shown {
    place: String,
    marked: String,
    message: String,
}

fn shown(report: &str) -> Vec<Shown> {
    let block = |block: &str| {
        let lines: Vec<_> = block.lines().collect();
        let message = lines.first()?.strip_prefix("error: ")?.to_owned();
        let [_, place, _, line, caret] = lines.as_slice() else {
            return Some(Shown { place: String::new(), marked: String::new(), message });
        };
        let line = line.split_once(" | ").map_or("", |(_, line)| line);
        let caret = caret.split_once("| ").map_or("", |(_, caret)| caret);
        let marked = line.chars().zip(caret.chars()).filter(|(_, c)| *c == '^').map(|(c, _)| c).collect();
        Some(Shown { place: place.trim().trim_start_matches("--> ").to_owned(), marked, message })
    };
    report.split("\n\n").filter_map(block).collect()
}

/// The text has exactly one error, at this place, with the caret under these characters.
pub(super) fn assert_one_error(text: &str, place: &str, marked: &str, message: &str) {
    let report = report(text);
    let errors = shown(&report);
    let [error] = errors.as_slice() else { panic!("not one error in:\n{text}\n{report}") };
    assert_eq!((error.place.as_str(), error.marked.as_str()), (place, marked), "{report}");
    assert!(error.message.contains(message), "{message} in:\n{report}");
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
    for (text, place, marked, message) in [
        (
            "[radius]\nmax_in_flight = \"many\"",
            "4:17",
            "\"many\"",
            "`max_in_flight` wants a number from 1 to 1000000",
        ),
        ("[radius]\nmax_in_flight = 0", "4:17", "0", "wants a number from 1 to 1000000, not 0"),
        ("[radius]\nmax_in_flight = 1.5", "4:17", "1.5", "this is a fraction"),
        ("[radius]\nlisten = [\"0.0.0.0\"]", "4:11", "\"0.0.0.0\"", "`0.0.0.0` is nothing for `listen`"),
        ("[radius]\nlisten = []", "4:10", "[]", "nobody could log in"),
        ("[radius]\nlisten = [\"[::]:1\", \"[::]:1\"]", "4:21", "\"[::]:1\"", "stands here twice"),
        ("[radius]\nreject_delay = \"1 fortnight\"", "4:16", "\"1 fortnight\"", "is no duration"),
        ("[radius]\nreject_delay = \"11s\"", "4:16", "\"11s\"", "`reject_delay` is out of range"),
        ("[radius]\nfoo = 1", "4:1", "foo", "unknown key `foo` in [radius]"),
        ("[radius]\ndigits = 6", "4:1", "digits", "unknown key `digits`"),
        ("[radios]", "3:2", "radios", "unknown key `radios`"),
        ("[[radius]]", "3:1", "[[radius]]", "a table, as in [name]"),
        ("[password]\nmemory = \"19MB\"", "4:10", "\"19MB\"", "`19MB` is no size"),
        ("[password]\nmemory = \"8KiB\"\nlanes = 2", "4:10", "\"8KiB\"", "at least 8 KiB for each"),
        ("[password]\nmax_length = 32", "4:14", "32", "from 64 to 1024, not 32"),
        ("[pin]\nmin = 8\nmax = 6", "4:7", "8", "[pin] `min` must not exceed `max`"),
        ("[throttle]\nhard_stop = 101", "4:13", "101", "from 2 to 100, not 101"),
        ("[throttle]\nfree = 50", "4:8", "50", "`free` must be below `hard_stop`"),
        ("[throttle]\nbase = \"1h\"", "4:8", "\"1h\"", "`base` must not exceed `max`"),
        ("[totp]\ndigits = 7", "4:10", "7", "`digits` is 6 or 8"),
        ("[totp]\nperiod = \"15500ms\"", "4:10", "\"15500ms\"", "whole seconds"),
        ("[totp]\nissuer = \"a:b\"", "4:10", "\"a:b\"", "without a colon"),
        ("[totp]\nalgorithm = \"md5\"", "4:13", "\"md5\"", "is nothing for `algorithm`"),
        ("[login]\nfailed = \"a\\nb\"", "4:10", "\"a\\nb\"", "one line of at most 1000 bytes"),
        ("[log]\nfilter = \"doorward=loud=2\"", "4:10", "\"doorward=loud=2\"", "is no log filter"),
        ("[admin]\nmode = \"999\"", "4:8", "\"999\"", "`999` is no file mode"),
        ("[[admin.role]]\nrole = \"king\"", "4:8", "\"king\"", "is nothing for `role`"),
        (
            "[[admin.role]]\nrole = \"auditor\"\nusers = [\"no-one\"]",
            "5:10",
            "\"no-one\"",
            "knows no `no-one`",
        ),
        ("[hotp]\ndigits = 6\ndigits = 8", "5:1", "digits", "this is not TOML: duplicate key"),
        ("[totp", "3:6", "", "this is not TOML"),
    ] {
        assert_one_error(&format!("{KEYS}{text}"), &format!("doorward.toml:{place}"), marked, message);
    }
}

#[test]
fn tabs_and_other_characters_count_as_one_column() {
    let text = format!("{KEYS}[login]\n\tprompt = \"é→漢\"\t# ü\n\tfailed\t= 5\n");
    assert_one_error(&text, "doorward.toml:5:11", "5", "`failed` wants text in quotes");
    let text = format!("{KEYS}login = {{ prompt = \"é→漢\", failed = 5 }}\n").replace(KEYS, "");
    let found = shown(&report(&format!("{text}{KEYS}")));
    assert_eq!((found[0].place.as_str(), found[0].marked.as_str()), ("doorward.toml:1:36", "5"));
}

#[test]
fn keys_that_are_missing_or_wrong_are_told() {
    let dir = folder("");
    assert!(load_with(dir.path(), &[]).unwrap_err().contains("a master key is needed"));
    write(dir.path(), "short.key", "AAAA");
    write(dir.path(), "Key One.key", &data_encoding::BASE64.encode(&[7; 32]));
    for (files, marked, message) in [
        ("\"short.key\"", "\"short.key\"", "does not hold 32 bytes"),
        ("\"Key One.key\"", "\"Key One.key\"", "is no key id"),
        ("\"none.key\"", "\"none.key\"", "cannot be read"),
        ("\".\"", "\".\"", ""),
        ("\"k1.key\", \"./k1.key\"", "\"./k1.key\"", "two keys have the id `k1`"),
    ] {
        write(dir.path(), "doorward.toml", &format!("[keys]\nfiles = [{files}]\n"));
        let report = load_with(dir.path(), &[]).unwrap_err();
        let found = shown(&report);
        assert!(found.iter().any(|e| e.marked == marked && e.message.contains(message)), "{report}");
    }
    // What else is wrong does not hide that there is no key.
    assert!(report("[radius]\nfoo = 1\n").contains("a master key is needed"));
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
    let b = "[[client]]\nname = \"b\"\nnetworks = ";
    let file = "secret_file = \"vpn.secret\"";
    for (more, place, marked, message) in [
        (
            "challenge = false\none_round = true".into(),
            "8:13",
            "true",
            "`one_round` needs `challenge = true`",
        ),
        ("methods = []".into(), "7:11", "[]", "`methods` is empty"),
        ("methods = [\"totp\", \"totp\"]".into(), "7:11", "[\"totp\", \"totp\"]", "`totp` stands here twice"),
        ("methods = [\"totp\", \"smoke\"]".into(), "7:20", "\"smoke\"", "`smoke` is nothing for `methods`"),
        ("separators = \",0\"".into(), "7:14", "\",0\"", "a letter or digit cannot separate"),
        ("max_rounds = 11".into(), "7:14", "11", "from 1 to 10, not 11"),
        ("challenge_lifetime = \"1h\"".into(), "7:22", "\"1h\"", "is out of range"),
        (
            "secret = \"another-secret-here\"".into(),
            "7:10",
            "•••••••••••••••••••••",
            "exactly one of `secret`",
        ),
        ("[[client.group]]\nlogin = \"password\"".into(), "7:1", "[[client.group]]", "`name` is missing"),
        (
            "[[client.group]]\nname = \"a\"\n[[client.group]]\nname = \"a\"".into(),
            "10:8",
            "\"a\"",
            "group `a` stands here twice",
        ),
        (
            format!("[[client]]\nname = \"vpn\"\nnetworks = [\"10.0.0.0/8\"]\n{file}"),
            "8:8",
            "\"vpn\"",
            "two clients are called `vpn`",
        ),
        (format!("{b}[\"192.0.2.0/24\"]\n{file}"), "9:13", "\"192.0.2.0/24\"", "belongs to another client"),
        (
            format!("{b}[\"198.51.100.1/24\"]\n{file}"),
            "9:13",
            "\"198.51.100.1/24\"",
            "bits beyond its prefix",
        ),
        (format!("{b}[\"host\"]\n{file}"), "9:13", "\"host\"", "`host` is no network"),
        (format!("{b}[]\n{file}"), "9:12", "[]", "`networks` is empty"),
        (
            format!("[[client]]\nname = \"b\"\n{file}"),
            "7:1",
            "[[client]]",
            "`networks` is missing in [client]",
        ),
        (format!("{b}[\"::1\"]"), "7:1", "[[client]]", "exactly one of `secret`"),
        (format!("{b}[\"::1\"]\nsecret = \"\""), "10:10", "••", "the shared secret is empty"),
        (format!("{b}[\"::1\"]\nsecret_file = \"no\""), "10:15", "\"no\"", "no cannot be read"),
        (
            format!("{b}[\"::1\"]\nsecret_credential = \"x\""),
            "10:21",
            "\"x\"",
            "CREDENTIALS_DIRECTORY is not set",
        ),
        (
            "[[reply]]\n[reply.attributes]\nClas = \"x\"".into(),
            "9:1",
            "Clas",
            "no attribute is called `Clas`",
        ),
        (
            "[[reply]]\n[reply.attributes]\nTunnel-Type = \"VLANN\"".into(),
            "9:15",
            "\"VLANN\"",
            "`Tunnel-Type` wants a number or one of",
        ),
        ("[[reply]]\n[reply.attributes]\nClass = true".into(), "9:9", "true", "a text or a number"),
        (
            "[[reply]]\n[reply.attributes]\n\"Class:99\" = \"x\"".into(),
            "9:1",
            "\"Class:99\"",
            "a tag is a number",
        ),
        ("[[reply]]".into(), "7:1", "[[reply]]", "needs a table [reply.attributes]"),
        (
            "[[reply]]\nclients = [\"wifi\"]\n[reply.attributes]\nClass = \"x\"".into(),
            "8:12",
            "\"wifi\"",
            "no client is called `wifi`",
        ),
        (
            "[[attribute]]\nname = \"Class\"\nnumber = 1\ntype = \"string\"".into(),
            "8:8",
            "\"Class\"",
            "the dictionary has `Class` already",
        ),
        (
            "[[attribute]]\nname = \"A\"\nnumber = 1\ntype = \"blob\"".into(),
            "10:8",
            "\"blob\"",
            "is nothing for `type`",
        ),
    ] {
        let more: String = more;
        assert_one_error(
            &format!("{KEYS}{CLIENT}{more}\n"),
            &format!("doorward.toml:{place}"),
            marked,
            message,
        );
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
        "secret = \"§\"",
        "secret = [\"§\"]",
        "secret = [\n\"§\",\n5]",
        "secret = { a = \"§\" }",
        "secret = §",
        "secret = \"§",
        "secret = '§",
        "secret \"§\"",
        "secret: §",
        "secret = \"\"\"\n§",
        "secret = \"\"\"\n§\"\"\" 5",
        "\"secret\" = §",
        "secret.a = \"§\"",
        "secert = \"§\"",
        "Secret = \"§\"",
        "shared_secret = \"§\"",
        "password = \"§\"",
        "x = { secret = \"§ }",
        "[[reply]]\n[reply.attributes]\nTunnel-Password = [\"§\", 1.5]",
        "[[reply]]\n[reply.attributes]\nTunnel-Password = §",
        "[[reply]]\n[reply.attributes]\nMS-MPPE-Send-Key = \"§\"",
    ] {
        let text = format!(
            "{KEYS}[[client]]\nname = 3\nnetworks = [\"192.0.2.1\"]\n{}\nsecret_file = \"vpn.secret\"\n",
            line.replace('§', secret)
        );
        let dir = folder(&text);
        let errors = config::load(&dir.path().join("doorward.toml"), std::iter::empty()).unwrap_err();
        let all = format!("{errors}{errors:?}{errors:#?}{:?}", errors.items().collect::<Vec<_>>());
        assert!(!all.contains(secret), "{line}:\n{all}");
    }
    for (name, value) in [
        ("DOORWARD__CLIENT", "[{ secret = \"§\" }]"),
        ("DOORWARD__CLIENT", "[{ secret = \"§ }]"),
        ("DOORWARD__CLIENT__SECRET", "§"),
    ] {
        let errors = load_with(folder(KEYS).path(), &[(name, &value.replace('§', secret))]).unwrap_err();
        assert!(!errors.contains(secret), "{errors}");
    }
    let config = good(&format!("{KEYS}{CLIENT}"));
    assert!(!format!("{config:?}").contains("a-secret-of-some-length"));
}

/// A directory that has no error, with these lines in place of those with the same keys.
fn directory(lines: &str) -> String {
    let key = |line: &str| line.split('=').next().unwrap().trim().to_owned();
    let given: Vec<_> = lines.lines().map(key).collect();
    let usual = [
        "name = \"campus\"",
        "servers = [\"ldaps://ldap.example.org\"]",
        "bind_dn = \"cn=doorward\"",
        "secret_file = \"campus.secret\"",
        "base = \"ou=people\"",
    ];
    let kept = usual.iter().filter(|line| !given.contains(&key(line)));
    let kept: String = kept.map(|line| format!("{line}\n")).collect();
    format!("{KEYS}[[directory]]\n{kept}{lines}\n")
}

// R-LDAP-1
#[test]
fn mistakes_in_a_directory_are_told() {
    for (lines, marked, message) in [
        ("name = \"Big Campus\"", "\"Big Campus\"", "no name of a directory"),
        ("kind = \"novell\"", "\"novell\"", "nothing for `kind`"),
        ("servers = []", "[]", "`servers` is empty"),
        ("servers = [\"ldap.example.org\"]", "\"ldap.example.org\"", "no address of an LDAP server"),
        (
            "servers = [\"ldaps://ldap.example.org:99999\"]",
            "\"ldaps://ldap.example.org:99999\"",
            "no address",
        ),
        ("servers = [\"ldapi://run/ldapi\"]", "\"ldapi://run/ldapi\"", "no address of an LDAP server"),
        ("base = \"people\"", "\"people\"", "no name of an entry"),
        ("base = \"\"", "\"\"", "`base` is empty"),
        ("filter = \"(objectClass=person\"", "\"(objectClass=person\"", "no search filter"),
        ("username_attribute = \"uid)(x\"", "\"uid)(x\"", "no name of an attribute"),
        ("disabled = [\"locked\"]", "\"locked\"", "no condition"),
        ("bind_dn = \"\"", "\"\"", "never binds anonymously"),
        ("bind = \"external\"", "\"external\"", "which only a Unix socket tells"),
        ("ca_file = \"none.pem\"", "\"none.pem\"", "cannot be read"),
        ("ca_file = \"k1.key\"", "\"k1.key\"", "holds no certificates"),
        // A device may have no end, and a pipe nobody at its other.
        ("ca_file = \"/dev/null\"", "\"/dev/null\"", "is not a file"),
        ("group_members = \"in-chain\"", "\"in-chain\"", "matching rule of Active Directory"),
        ("names = \"qualified\"", "\"qualified\"", "needs a realm"),
        ("realms = [\"a@b\"]", "\"a@b\"", "no realm"),
        ("max_removals = 101", "101", "from 0 to 100"),
        ("page_size = 1", "1", "from 10 to 10000"),
        ("servers = [\"ldap://10.0.0.1\"]\nstart_tls = false", "\"ldap://10.0.0.1\"", "unprotected"),
        (
            "kind = \"active-directory\"\ngroup_members = \"member-of\"",
            "\"member-of\"",
            "finds the people in a group by",
        ),
    ] {
        let report = report(&directory(lines));
        let errors = shown(&report);
        let [error] = errors.as_slice() else { panic!("not one error for {lines}:\n{report}") };
        assert_eq!(error.marked, marked, "{report}");
        assert!(error.message.contains(message), "{message} in:\n{report}");
    }
    let two = directory("realms = [\"x\"]")
        + "[[directory.role]]\nrole = \"student\"\n"
        + &directory("realms = [\"X\"]")[KEYS.len()..];
    let report = report(&two);
    for message in
        ["a role comes from", "`X` belongs to another directory", "two directories are called `campus`"]
    {
        assert!(report.contains(message), "{message} in:\n{report}");
    }
}

#[test]
fn directory_on_this_machine_may_do_without_tls_and_its_secret_is_never_shown() {
    let text = directory(
        "servers = [\"ldap://127.0.0.1:389\", \"ldap://[::1]\", \"ldapi://%2Frun%2Fldapi\"]\nstart_tls = false",
    );
    let config = good(&text);
    assert_eq!(config.directories[0].servers.len(), 3);
    assert!(!format!("{config:?}").contains("another-secret"));
}

#[test]
fn mistakes_in_the_address_of_postgresql_are_told() {
    let good_url = "url = \"postgres://u@db.example.org/d\"\n";
    for (lines, marked, message) in [
        ("url = \"mysql://u@x/d\"", "\"mysql://u@x/d\"", "no address of PostgreSQL"),
        (
            "url = \"postgres://db.example.org/d\"",
            "\"postgres://db.example.org/d\"",
            "the user and the database",
        ),
        (
            "url = \"postgres://u@db.example.org\"",
            "\"postgres://u@db.example.org\"",
            "the user and the database",
        ),
        ("url = \"postgres://u@db.example.org/d?ssl-mode=disable\"", "", "`ssl-mode` behind `?`"),
        ("url = \"postgres://u@localhost/d?port=1&sslmod=x\"", "", "`sslmod` behind `?`"),
        ("url = \"postgres://u@localhost/d?sslmode=disable&sslmode=require\"", "", "or said twice"),
        ("url = \"postgres://u@x:many/d\"", "\"postgres://u@x:many/d\"", "is not understood"),
        (
            "url = \"postgres://u@db.example.org/d?sslmode=prefer\"",
            "\"postgres://u@db.example.org/d?sslmode=prefer\"",
            "always protected",
        ),
        ("secret_file = \"k1.key\"", "\"k1.key\"", "belongs to PostgreSQL"),
        (&format!("{good_url}ca_file = \"k1.key\""), "\"k1.key\"", "holds no certificates"),
        (&format!("{good_url}secret_file = \"none\""), "\"none\"", "cannot be read"),
        (&format!("{good_url}secret = \"\""), "", "is empty"),
        ("timeout = \"0s\"", "\"0s\"", "timeout"),
    ] {
        let report = report(&format!("{KEYS}[store]\n{lines}\n"));
        let errors = shown(&report);
        let [error] = errors.as_slice() else { panic!("not one error for {lines}:\n{report}") };
        assert!(marked.is_empty() || error.marked == marked, "{report}");
        assert!(error.message.contains(message), "{message} in:\n{report}");
    }
    for url in [
        "postgres://u:hidden-word@x/d",
        "postgres://u:hidden-word@y@x/d",
        "postgres://u@x/d?password=hidden-word",
    ] {
        let report = report(&format!("{KEYS}[store]\nurl = \"{url}\"\n"));
        assert!(report.contains("does not belong into `url`") && !report.contains("hidden-word"), "{report}");
    }
}

#[test]
fn postgresql_on_another_machine_is_verified_and_here_need_not_be() {
    let postgres = |url: &str| {
        good(&format!("{KEYS}[store]\nurl = \"{url}\"\nsecret = \"hidden-word\"\n")).store.postgres.unwrap()
    };
    for (url, verified) in [
        ("postgres://u@db.example.org/d", true),
        ("postgresql://u@192.0.2.1:5433/d?sslmode=verify-full", true),
        ("postgres://u@localhost/d", false),
        ("postgres://u@127.0.0.1/d?sslmode=require", false),
        ("postgres://u@[::1]/d", false),
        ("postgres://u@%2Frun%2Fpostgresql/d", false),
        ("postgres://u@localhost/d?sslmode=verify-full", true),
    ] {
        let postgres = postgres(url);
        assert_eq!(postgres.verified, verified, "{url}");
        assert!(!format!("{postgres:?}").contains("hidden-word"));
    }
    assert!(good(KEYS).store.postgres.is_none());
}
