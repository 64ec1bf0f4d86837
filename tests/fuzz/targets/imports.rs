//! Files that administrators bring in: people, tokens in each format, containers of seeds, sealed exports, hashes of passwords.

use super::{Reader, files, words as words_of};
use doorward::base::{Secret, Timestamp};
use doorward::domain::password::PasswordRules;
use doorward::domain::token::{Format, Record};
use doorward::store::directory::hash::{Cost, PasswordHash};
use doorward::store::directory::import;
use doorward::wire::pskc::Unlock;
use doorward::wire::sealed_lines;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const PASSPHRASE: &str = "correct horse";

/// The first octet says what file it is.
pub fn run(bytes: &[u8]) {
    let mut reader = Reader(bytes);
    let kind = reader.octet() % 9;
    let text = String::from_utf8_lossy(reader.0);
    let passphrase = Unlock::Passphrase(Secret::new(PASSPHRASE.to_owned()));
    match kind {
        0 => people(&text, import::Format::Csv),
        1 => people(&text, import::Format::Toml),
        2 => tokens(Format::Yubikey, &text, None),
        3 => tokens(Format::Csv, &text, None),
        4 => tokens(Format::Pskc, &text, None),
        5 if !is_dear(&text) => tokens(Format::Pskc, &text, Some(&passphrase)),
        6 => {
            let key = Unlock::Key(Secret::new((0x12..=0x21).collect()));
            tokens(Format::Pskc, &text, Some(&key));
        }
        7 => sealed(reader.0, &text),
        _ => hash(&text),
    }
}

/// A derivation that takes long says nothing more. What is too long is refused, which a test of its own shows.
pub fn is_dear(text: &str) -> bool {
    let runs = text.split(|letter: char| !letter.is_ascii_digit());
    runs.into_iter().any(|digits| digits.trim_start_matches('0').len() > 4) && text.contains("IterationCount")
}

/// Nothing in it steers a terminal or makes a line of its own.
fn can_be_shown(problem: &str) -> bool {
    !problem.is_empty() && problem.chars().count() <= 501 && !problem.chars().any(char::is_control)
}

fn people(text: &str, format: import::Format) {
    let rules = PasswordRules::new(8, 64, ["Example"]);
    match import::parse(text, format, &rules) {
        Ok(rows) => {
            let mut names: Vec<_> = rows.iter().map(|row| row.username.to_string()).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), rows.len(), "nobody stands there twice");
            for row in rows {
                assert!(row.line >= 1 && row.groups.is_sorted() && row.roles.is_sorted());
                if let Some(import::Credential::Hash(hash)) = row.credential {
                    assert!(PasswordHash::parse(hash.expose()).is_ok());
                }
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            let lines = text.lines().count() + 1;
            assert!(errors.iter().all(|error| (1..=lines).contains(&error.line)), "{errors:?}");
            assert!(errors.iter().all(|error| can_be_shown(&error.problem)), "{errors:?}");
        }
    }
}

fn tokens(format: Format, text: &str, unlock: Option<&Unlock>) {
    let mut file = format.read(text, unlock, NOW);
    let lines = text.lines().count() + 1;
    for bad in file.bad.iter().chain(&file.notes) {
        assert!((1..=lines).contains(&bad.line), "{bad:?}");
        assert!(can_be_shown(&bad.problem), "{bad:?}");
    }
    let mut names: Vec<_> = file.found.iter().map(|found| (found.kind, found.name.clone())).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), file.found.len(), "no token stands there twice");
    for found in &file.found {
        assert_eq!(found.material.token().map(|(kind, _)| kind), Some(found.kind));
        assert!(!found.name.is_empty() && (1..=lines).contains(&found.line));
    }
    file.prefix("maker-");
}

fn sealed(bytes: &[u8], text: &str) {
    // As cheap as it gets: a file may ask for much more, which would be all that is measured.
    let cheap = text.lines().next().is_some_and(|head| head.contains("[8,1,1]"));
    if cheap {
        let _ = sealed_lines::read(text, &Secret::new(PASSPHRASE.to_owned()));
        tokens(Format::Sealed, text, Some(&Unlock::Passphrase(Secret::new(PASSPHRASE.to_owned()))));
    }
    // What stands in a line, once it was opened.
    let record: Result<Record, _> = serde_json::from_slice(bytes);
    if let Ok(record) = record {
        let again: Result<Record, _> = serde_json::from_slice(record.bytes().expose());
        assert!(again.is_ok());
    }
}

fn hash(text: &str) {
    if let Ok(hash) = PasswordHash::parse(text) {
        let cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
        let _ = (hash.scheme(), hash.needs_upgrade(cost));
    }
}

/// A file of each kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "\0username,name,roles,groups,email,phone,password,password_hash\nalice,\"Alice, A.\",student;staff,vpn;x,alice@example.edu,+1 520 555 0100,a-long-passphrase-indeed,\nbob,,,,,,,$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy\n",
        "\u{1}[[person]]\nusername = \"alice\"\nroles = [\"student\"]\ngroups = \"vpn;x\"\npassword = \"a-long-passphrase-indeed\"\n[[person]]\nusername = \"bob\"\npassword_hash = \"{SSHA}MTIzNDU2Nzg5MDEyMzQ1Njc4OTBzYWx0\"\n",
        "\u{2}LOGGING START,2026-11-28 10:00\nYubico OTP,2026-11-28 10:00,1,vvccccbcdefg,0123456789ab,0123456789abcdef0123456789abcdef,,,0,0,0,0,0,0,0,0,0,0\n",
        "\u{2}1234567,vvccccbcdefg,0123456789ab,0123456789abcdef0123456789abcdef,000000000000,2026-11-28T10:00:00,\n",
        "\u{2}OATH-HOTP,2026-11-28 10:00,1,,,3132333435363738393031323334353637383930,,,0,0,0,6,0,0,0,0,0,0\n",
        "\u{3}serial,secret,type,digits,counter,period,algorithm\nA1,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,hotp,6,0,,\nA2,3132333435363738393031323334353637383930,totp,8,,60,sha256\n",
        "\u{3}A1,3132333435363738393031323334353637383930,HOTP,6\n",
        "\u{8}$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "\u{8}$6$rounds=5000$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJuesI68OTLiBFdcbYEdFCoEOfaS35inz1",
        "\u{8}{SSHA256}MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTJzYWx0",
        "\u{7}{\"format\":\"doorward-tokens\",\"version\":1,\"salt\":\"BwcHBwcHBwcHBwcHBwcHBw==\",\"argon2id\":[8,1,1]}\nAAAA\nBBBB\n",
        "\u{7}{\"kind\":\"hotp\",\"name\":\"A1\",\"serial\":\"77\",\"state\":\"stock\",\"next\":7,\"seed\":\"BEEQSCIJBEEQSCIJBEEQSCIJBEEQSCIJ\",\"digits\":8}",
    ]
    .into_iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    for container in files("vectors/pskc", &["xml"]) {
        for kind in [4, 5, 6] {
            seeds.push([&[kind], container.as_slice()].concat());
        }
    }
    seeds
}

/// Words of the formats.
pub fn words() -> Vec<String> {
    let mut all: String =
        seeds().iter().map(|seed| String::from_utf8_lossy(seed).into_owned() + " ").collect();
    all += "faculty staff student alumnus totp hotp yubikey sha1 sha256 sha512 SSHA512 SMD5 argon2i argon2d Static Password Challenge-Response \
            KeyUsage NumericPINUsage StartDate ExpiryDate TimeDrift ValueMAC MACKey PlainValue EncryptedValue kw-aes128 kw-aes256-pad aes256-cbc \
            hmac-sha256 waiting private_id public_id label used user owner digits period algorithm";
    words_of(&all)
}
