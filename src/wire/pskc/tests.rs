//! The examples of RFC 6030 (figures 2, 6 and 7), and what must not be read.

use super::*;

const PLAIN: &str = include_str!("../../../tests/vectors/pskc/rfc6030-plain.xml");
const KEY: &str = include_str!("../../../tests/vectors/pskc/rfc6030-6.1-key.xml");
const PASSPHRASE: &str = include_str!("../../../tests/vectors/pskc/rfc6030-6.2-passphrase.xml");

fn key(hex: &str) -> Unlock {
    Unlock::Key(Secret::new(data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()))
}

fn passphrase(text: &str) -> Unlock {
    Unlock::Passphrase(Secret::new(text.to_owned()))
}

fn right_key() -> Unlock {
    key("12345678901234567890123456789012")
}

fn one(text: &str, unlock: Option<&Unlock>) -> Result<Package, String> {
    let mut packages = read(text, unlock).map_err(|problem| problem.what)?;
    assert_eq!(packages.len(), 1);
    packages.remove(0).map_err(|problem| problem.what)
}

fn error(text: &str, unlock: Option<&Unlock>) -> String {
    one(text, unlock).unwrap_err()
}

#[test]
fn examples_of_rfc_6030_are_read() {
    for (text, unlock) in [(PLAIN, None), (KEY, Some(right_key())), (PASSPHRASE, Some(passphrase("qwerty")))]
    {
        let package = one(text, unlock.as_ref()).unwrap();
        assert_eq!(package.secret.expose(), b"12345678901234567890");
        assert_eq!((package.serial.as_str(), package.algorithm.as_str()), ("987654321", "hotp"));
        assert_eq!((package.digits, package.counter, package.period), (8, 0, None));
    }
}

#[test]
fn wrong_key_or_passphrase_and_changed_bytes_are_refused() {
    let wrong = key("12345678901234567890123456789013");
    assert!(error(KEY, Some(&wrong)).contains("is wrong"), "{}", error(KEY, Some(&wrong)));
    assert!(error(PASSPHRASE, Some(&passphrase("qwertz"))).contains("is wrong"));
    assert!(error(KEY, None).contains("under a key"));
    assert!(error(KEY, Some(&passphrase("qwerty"))).contains("under a key"));
    assert!(error(PASSPHRASE, Some(&right_key())).contains("under a passphrase"));
    assert!(error(KEY, Some(&key("1234"))).contains("must have 16 bytes"));
    for (from, to, part) in [
        ("IHItlB3W", "IHItlB3X", "MAC differs"),
        ("Su+NvtQf", "Su+NvtQg", "MAC differs"),
        ("<ValueMAC>Su+NvtQfmvfJzF6bmQiJqoLRExc=</ValueMAC>", "", "has no MAC"),
        ("hmac-sha1", "hmac-md5", "not known"),
        (
            "<MACMethod Algorithm=\"http://www.w3.org/2000/09/xmldsig#hmac-sha1\">",
            "<MACMethod>",
            "names no MAC",
        ),
    ] {
        let changed = KEY.replacen(from, to, 1);
        assert_ne!(changed, KEY, "{from}");
        assert!(
            error(&changed, Some(&right_key())).contains(part),
            "{part}: {}",
            error(&changed, Some(&right_key()))
        );
    }
}

#[test]
fn entities_document_types_depth_and_endless_work_are_refused() {
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>";
    let with_bomb = PLAIN.replacen("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", bomb, 1);
    assert!(error(&with_bomb, None).contains("document type"));
    assert!(error(&PLAIN.replacen("987654321", "&b;", 1), None).contains("entities"));
    let deep = PLAIN.replacen("<Issuer>Issuer</Issuer>", &"<a>".repeat(100_000), 1);
    assert!(error(&deep, None).contains("too deep"));
    let work = PASSPHRASE.replacen(">1000<", ">4294967295<", 1);
    assert!(error(&work, Some(&passphrase("qwerty"))).contains("rounds"));
    for text in ["", "no xml", "<a/>", "<KeyContainer/>", "<KeyContainer>", "<KeyContainer></a>"] {
        assert!(read(text, None).is_err(), "{text}");
    }
}

#[test]
fn every_cut_and_changed_byte_is_an_error_or_read_and_never_a_panic() {
    for at in (0..KEY.len()).filter(|at| KEY.is_char_boundary(*at)) {
        let _ = read(&KEY[..at], Some(&right_key()));
        let mut changed = KEY.as_bytes().to_vec();
        changed[at] ^= 1;
        if let Ok(changed) = String::from_utf8(changed) {
            let _ = read(&changed, Some(&right_key()));
        }
    }
}

#[test]
fn bad_key_is_told_with_its_line_beside_the_good_ones() {
    let end = PLAIN.find("</KeyContainer>").unwrap();
    let begin = PLAIN.find("  <KeyPackage>").unwrap();
    let second = PLAIN[begin..end].replace("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "?");
    let third = PLAIN[begin..end].replace("<PlainValue>0</PlainValue>", "<PlainValue>7</PlainValue>");
    let text = format!("{}{second}{third}</KeyContainer>", &PLAIN[..end]);
    let packages = read(&text, None).unwrap();
    assert_eq!(packages.len(), 3);
    let problem = packages[1].as_ref().unwrap_err();
    assert!(problem.what.contains("not base64") && !problem.what.contains("MTIz"));
    assert_eq!(problem.line, text[..text.match_indices("<KeyPackage>").nth(1).unwrap().0].lines().count());
    assert_eq!(packages[2].as_ref().unwrap().counter, 7);
}
