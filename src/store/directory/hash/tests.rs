//! Claims about hashes. The Argon2 vectors are those of the reference implementation; sha-crypt and bcrypt were
//! made with libxcrypt's `crypt(3)` (`$6$` also with `openssl passwd`), salted SHA with Python's hashlib.

use super::*;

const PASSWORD: &str = "correct horse, battery";
const LONG: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

const VECTORS: &[(&str, &str)] = &[
    ("password", "$argon2i$v=16$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY"),
    ("password", "$argon2i$m=256,t=2,p=2$c29tZXNhbHQ$tsEVYKap1h6scGt5ovl9aLRGOqOth+AMB+KwHpDFZPs"),
    ("password", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8"),
    ("password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
    (
        "password",
        "{ARGON2}$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
    ),
    (
        PASSWORD,
        "$6$saltstring1234$464kOgSeWiCbEjulamV8KPQ2g8X9ruZHLDHu2y01eL/Uh1Pg8MYxnTlUrttka6r2OkouLiAIMo1ixywDXmTBD/",
    ),
    (
        "sch\u{f6}ne Gr\u{fc}\u{df}e",
        "{crypt}$6$rounds=1000$abcdefgh$TzIIp.LUDa/W8IGo5X.RsIlqKMDXd.L4i9gDMQT21tccBMvmkvEF9Q6HKn2QhYejsm9FK2OGSUtETsPGuAFCU1",
    ),
    (PASSWORD, "$5$rounds=12345$saltstring$Tub2fFgns1Kr.XJaqwQsI8goFTSrI25its4B2qbw81D"),
    (PASSWORD, "{CRYPT}$2b$04$abcdefghijklmnopqrstuupKOzayPgz8ch492iZUHPqoUSp6a5jQS"),
    (PASSWORD, "$2y$05$abcdefghijklmnopqrstuu5DGQTp4rSZik86b0p1NA/9hxO2pzEeu"),
    ("sch\u{f6}ne Gr\u{fc}\u{df}e", "$2a$04$abcdefghijklmnopqrstuuxxaEhitWE046EZTNACQ6B29UGrftevW"),
    (LONG, "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i"),
    (PASSWORD, "{SSHA}SjRL1iD8V0qR180+nXm3tM06ZiM4Ynl0c2FsdA=="),
    (PASSWORD, "{ssha256}X+VUcF9GjtXVpc6aKHxOwChk/UxJX7pnW2uR5s8CdUk4Ynl0c2FsdA=="),
    (
        PASSWORD,
        "{SSHA512}T7lhU14NvGfKEitvmi2rKy9stOP6878H9ONMjnqNY/GgNN3zdkrqMEA78o4QbqjaucKeWakMCVRXqccDaUkfSzhieXRzYWx0",
    ),
];

const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

fn memory() -> Memory {
    Memory::new(CHEAP.blocks(), Arc::default())
}

fn right(hash: &str, password: impl AsRef<[u8]>) -> bool {
    PasswordHash::parse(hash).unwrap().verify(password.as_ref(), &mut memory()).unwrap()
}

fn refused(hash: &str) -> HashError {
    PasswordHash::parse(hash).unwrap_err()
}

#[test]
fn every_scheme_knows_its_password_and_no_other() {
    for (password, hash) in VECTORS {
        assert!(right(hash, password), "{hash}");
        assert!(right(&format!(" {hash}\n"), password), "{hash}");
        for wrong in [format!("{password} "), format!("{password}\0"), password.to_uppercase(), String::new()]
        {
            assert!(!right(hash, wrong), "{hash}");
        }
    }
}

#[test]
fn more_work_than_the_caps_is_refused_before_any_is_done() {
    let argon2 = |m: u32, t: u32, p: u32| {
        PasswordHash::parse(&format!(
            "$argon2id$v=19$m={m},t={t},p={p}$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
        ))
        .map(|_| ())
    };
    assert_eq!(argon2(262_144, 10, 8), Ok(()));
    for (m, t, p) in [(262_145, 1, 1), (u32::MAX, 1, 1), (64, 11, 1), (128, 1, 9)] {
        assert!(matches!(argon2(m, t, p), Err(HashError::TooCostly { .. })), "{m} {t} {p}");
    }
    for (m, t, p) in [(7, 1, 1), (64, 0, 1), (64, 1, 0), (15, 1, 2)] {
        assert!(matches!(argon2(m, t, p), Err(HashError::Malformed(_))), "{m} {t} {p}");
    }
    let crypt = |rounds: &str| {
        let digest = "Tub2fFgns1Kr.XJaqwQsI8goFTSrI25its4B2qbw81D";
        PasswordHash::parse(&format!("$5$rounds={rounds}$saltstring${digest}")).map(|_| ())
    };
    assert_eq!(crypt("1000000"), Ok(()));
    assert!(matches!(crypt("1000001"), Err(HashError::TooCostly { .. })));
    assert!(matches!(crypt("999"), Err(HashError::Malformed(_))));
    for rounds in ["", "+5000", "99999999999", "-1"] {
        assert!(matches!(crypt(rounds), Err(HashError::Malformed(_))), "{rounds}");
    }
    let bcrypt =
        |cost: &str| refused(&format!("$2b${cost}$abcdefghijklmnopqrstuupKOzayPgz8ch492iZUHPqoUSp6a5jQS"));
    assert!(matches!(bcrypt("15"), HashError::TooCostly { .. }));
    assert!(matches!(bcrypt("99"), HashError::TooCostly { .. }));
    assert!(matches!(bcrypt("03"), HashError::Malformed(_)));
}

#[test]
fn plain_unsalted_unknown_and_broken_are_refused() {
    for text in ["", "hunter2", "{CLEARTEXT}hunter2", "5f4dcc3b5aa765d61d8327deb882cf99"] {
        assert_eq!(refused(text), HashError::Plain, "{text}");
    }
    for text in [
        "{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=",
        "{MD5}XUFAKrxLKna5cZ2REBfFkg==",
        "{SSHA}EfatjsUqKYSrqv18O1FlA3hcIHI=",
        "$5$$Tub2fFgns1Kr.XJaqwQsI8goFTSrI25its4B2qbw81D",
        "$argon2id$v=19$m=256,t=2,p=1$$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    ] {
        assert!(matches!(refused(text), HashError::Unsalted(_)), "{text}");
    }
    for text in [
        "$1$salt$3iz2uXa0nOc7qTQkTYEl10",
        "$argon2d$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$2x$04$abcdefghijklmnopqrstuupKOzayPgz8ch492iZUHPqoUSp6a5jQS",
        "{CRYPT}abJnggxhB/yWI",
        "{SSHA",
        "$",
        "$$",
    ] {
        assert!(matches!(refused(text), HashError::Unknown | HashError::Plain), "{text}");
    }
    assert_eq!(refused(&format!("$6${}", "x".repeat(1000))), HashError::Unknown);
}

#[test]
fn every_truncation_of_a_hash_is_refused() {
    for (_, hash) in VECTORS {
        for end in 0..hash.len() {
            let cut = PasswordHash::parse(&hash[..end]);
            // Base64 of digest and salt can end earlier: that is another salt, and a hash as good as this one.
            let salted = hash.to_uppercase().starts_with("{SSHA");
            // A shorter Argon2 digest is another output length, and so another hash; not below 16 bytes.
            let argon2 = hash.contains("argon2") && end > hash.len() - 22;
            assert!(cut.is_err() || salted || argon2, "{}", &hash[..end]);
            assert!(cut.is_err() || !right(&hash[..end], "password"), "{}", &hash[..end]);
        }
    }
}

#[test]
fn bcrypt_does_not_cut_what_is_too_long_or_holds_nul() {
    let hash = "$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i";
    assert!(right(hash, LONG));
    assert!(!right(hash, format!("{LONG}y")), "bytes after the 72nd count");
    let short = "$2b$04$abcdefghijklmnopqrstuupKOzayPgz8ch492iZUHPqoUSp6a5jQS";
    assert!(right(short, PASSWORD));
    assert!(!right(short, format!("{PASSWORD}\0{PASSWORD}")), "bcrypt repeats its key");
}

#[test]
fn salted_sha_takes_any_bytes() {
    assert!(right("{SSHA}tJOtsl7HqTvTudxe5gK7yoKDPp1zYWx0", b"nul\0\xffinside"));
    assert!(!right("{SSHA}tJOtsl7HqTvTudxe5gK7yoKDPp1zYWx0", b"nul"));
}

#[test]
fn new_hashes_take_long_unicode_comma_nul_and_other_bytes() {
    let long = "v".repeat(MAX_BYTES);
    let passwords: [&[u8]; 7] = [
        b"a,b;c\"d",
        b"nul\0inside",
        b"",
        &[0xff, 0xfe, 0],
        "pr\u{fc}fung \u{1f41d}".as_bytes(),
        long.as_bytes(),
        b" x ",
    ];
    for password in passwords {
        let hash = make(CHEAP, password, [7; SALT_BYTES], &mut memory()).unwrap();
        let hash = hash.expose();
        assert!(right(hash, password));
        assert!(!right(hash, [password, b"\0"].concat()));
        assert!(password.is_empty() || !right(hash, &password[..password.len() - 1]));
    }
}

#[test]
fn new_hash_is_the_same_for_every_spelling_of_a_letter() {
    let hash = make(CHEAP, "u\u{308}ber all".as_bytes(), [7; SALT_BYTES], &mut memory()).unwrap();
    assert!(right(hash.expose(), "\u{fc}ber all"));
    assert!(right(hash.expose(), "\u{fc}ber\u{a0}all"), "a no-break space is a space");
}

#[test]
fn too_long_a_password_is_wrong_without_work() {
    let mut memory = memory();
    let hash = PasswordHash::decoy(CHEAP, [1; SALT_BYTES], [2; 32]);
    assert_eq!(hash.verify(&[b'x'; MAX_BYTES + 1], &mut memory), Ok(false));
    assert_eq!(memory.computations.load(Ordering::Relaxed), 0);
    assert!(!right(VECTORS[5].1, [b'x'; MAX_SHA_CRYPT_BYTES + 1]));
}

#[test]
fn weaker_hashes_want_an_upgrade_and_equal_or_stronger_ones_do_not() {
    let current = Cost { memory_kib: 128, passes: 2, lanes: 1 };
    let wants = |memory_kib, passes| {
        let hash = make(Cost { memory_kib, passes, lanes: 1 }, b"x", [7; SALT_BYTES], &mut memory()).unwrap();
        PasswordHash::parse(hash.expose()).unwrap().needs_upgrade(current)
    };
    assert!(wants(64, 10) && wants(128, 1));
    assert!(!wants(128, 2) && !wants(256, 1) && !wants(256, 2));
    for (_, hash) in VECTORS {
        assert!(
            PasswordHash::parse(hash).unwrap().needs_upgrade(CHEAP),
            "short salt or other scheme: {hash}"
        );
    }
}

#[test]
fn memory_that_an_imported_hash_needed_is_given_back() {
    let mut memory = memory();
    let hash = PasswordHash::parse(VECTORS[3].1).unwrap();
    assert_eq!(hash.verify(b"password", &mut memory), Ok(true));
    assert_eq!(memory.blocks.len(), CHEAP.blocks());
    assert!(memory.blocks.capacity() < 256);
    assert_eq!(hash.verify(b"password", &mut memory), Ok(true), "and can be taken again");
}

#[test]
fn debug_and_errors_show_nothing_of_a_hash() {
    for (_, hash) in VECTORS {
        let shown = format!("{:?}", PasswordHash::parse(hash).unwrap());
        assert!(shown.len() < 30, "{shown}");
    }
    let error = refused("$6$hunter2$hunter2");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}
