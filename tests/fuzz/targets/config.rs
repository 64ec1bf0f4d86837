//! Configurations: whatever stands in a file or a variable, every error says where it is, and none shows a secret.

use super::world::{folder, furnish, write};
use super::{files, words as words_of};
use doorward::config::{documented, load};
use std::sync::{Mutex, PoisonError};

/// A secret: if it stands only where secrets stand, nobody reads it.
const PLANTED: &str = "p1anted-s3cret-of-length";

static FOLDER: Mutex<Option<tempfile::TempDir>> = Mutex::new(None);

/// A file; after a zero, variables of the environment, one a line.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (text, variables) = text.split_once('\0').unwrap_or((&text, ""));
    let mut kept = FOLDER.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = kept.get_or_insert_with(|| {
        let folder = folder();
        furnish(folder.path());
        write(folder.path(), "vpn.secret", "a-secret-of-some-length\n");
        folder
    });
    write(folder.path(), "doorward.toml", text);
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let variables: Vec<_> = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let hidden = text.matches(PLANTED).count() == text.matches(&format!("secret = \"{PLANTED}\"\n")).count()
        && !variables.iter().any(|(name, value)| name.contains(PLANTED) || value.contains(PLANTED));
    match load(&folder.path().join("doorward.toml"), variables.into_iter()) {
        Ok(config) => {
            assert!(!hidden || !format!("{config:?}").contains(PLANTED), "a secret is in what is printed");
            assert!(!config.keys.master.is_empty());
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            let shown = errors.to_string();
            assert!(!hidden || !shown.contains(PLANTED), "a secret is shown: {shown}");
            for (place, what, hint) in errors.items() {
                assert!(!what.is_empty());
                match place {
                    Some(place) => there(&place, text),
                    // What is not there has no place.
                    None => assert!(absent(what), "no place: {what} ({hint})"),
                }
            }
        }
    }
}

fn absent(what: &str) -> bool {
    ["is missing", "is needed", "are needed", "cannot be read"].iter().any(|words| what.contains(words))
}

/// A place in the file is one.
fn there(place: &str, text: &str) {
    let mut parts = place.rsplitn(3, ':');
    let (Some(column), Some(line), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        assert_eq!(place, "the defaults");
        return;
    };
    let (column, line): (usize, usize) = (column.parse().unwrap(), line.parse().unwrap());
    assert!(line >= 1 && column >= 1);
    if name.ends_with("doorward.toml") {
        let letters = text.split('\n').nth(line - 1).map(|line| line.chars().count());
        assert!(letters.is_some_and(|letters| column <= letters + 1), "{place} in {text:?}");
    }
}

/// The sections of the configuration that is shipped, with every key; together, and each by itself.
pub fn seeds() -> Vec<Vec<u8>> {
    let shipped = include_str!("../../../conf/doorward.toml");
    let begin = "[keys]\nfiles = [\"k1.key\"]\n";
    let client =
        format!("[[client]]\nname = \"vpn\"\nnetworks = [\"192.0.2.0/24\"]\nsecret = \"{PLANTED}\"\n");
    let mut seeds = vec![
        format!("{begin}{client}"),
        format!(
            "{begin}{client}[[client.group]]\nname = \"staff\"\nlogin = \"passcode\"\n[[reply]]\ngroups = [\"staff\"]\n[reply.attributes]\nClass = \"x\"\n"
        ),
        format!(
            "{begin}{client}\0DOORWARD__LOG__JSON=true\nDOORWARD__RADIUS__LISTEN=[\"127.0.0.1:0\"]\nDOORWARD__STORE__PATH=x\n"
        ),
        format!(
            "{begin}[[directory]]\nname = \"d\"\nservers = [\"ldaps://ldap.example.edu\"]\nbase = \"dc=example,dc=edu\"\n"
        ),
        format!(
            "{begin}{client}[eap]\ncertificate_file = \"server.pem\"\nprivate_key_file = \"server.key.pem\"\n"
        ),
        format!(
            "{begin}[[campus]]\nname = \"north\"\nrealms = [\"north.example.edu\"]\n[campus.totp]\nissuer = \"North\"\n"
        ),
        format!(
            "{begin}[[gateway]]\nname = \"g\"\nchannels = [\"sms\"]\nurl = \"https://sms.example.edu/send?to={{to}}\"\nbody = \"{{text}}\"\nsecret = \"{PLANTED}\"\n"
        ),
        "a = {b = [1, 2.5, 2026-01-01], \"c.d\" = '''x\ny'''}\n[x\ny = \"".to_owned(),
    ];
    // A comment mark before a key that is shown with its default.
    let all: String =
        shipped.lines().map(|line| format!("{}\n", line.strip_prefix("#").unwrap_or(line))).collect();
    let mut section = String::new();
    for line in all.lines().filter(|line| line.contains('=') || line.starts_with('[')) {
        if line.starts_with('[') {
            seeds.push(format!("{begin}{}", std::mem::take(&mut section)));
        }
        section += &format!("{line}\n");
    }
    seeds.push(format!("{begin}{section}"));
    for file in files("../conf", &["toml"]) {
        seeds.push(String::from_utf8(file).unwrap());
    }
    seeds.retain(|seed| seed.len() <= 16_384);
    seeds.into_iter().map(String::into_bytes).collect()
}

/// Every key, and what values are made of.
pub fn words() -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for section in documented() {
        words.push(section.section.to_owned());
        words.extend(section.keys.iter().map(|(name, _, _)| format!("{name} = ")));
    }
    words.extend(words_of("true false required if-enrolled password passcode ldaps ldap mailto https example networks 192 2001 secret_file persist poll"));
    let marks = [
        "[[",
        "]]",
        "\"\"\"",
        "'''",
        "= \"",
        "\"\n",
        "[\"",
        "\"]",
        "10s",
        "2m",
        "1h",
        "64MiB",
        "127.0.0.1:1812",
        "[::1]:1812",
        "192.0.2.0/24",
        "{to}",
        "{text}",
        "\\u0000",
        "/dev/zero",
    ];
    words.extend(marks.map(str::to_owned));
    words.sort();
    words.dedup();
    words
}
