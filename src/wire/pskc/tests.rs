//! The examples of RFC 6030 (figures 2, 6 and 7), and what must not be read.

use super::*;
use crate::base::Timestamp;

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
    let mut packages = read(text, unlock).map_err(|problem| problem.what)?.keys;
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
fn encryption_cannot_be_taken_away_unnoticed() {
    assert!(error(PLAIN, Some(&right_key())).contains("not encrypted"), "the whole file");
    let begin = KEY.find("<EncryptedValue").unwrap();
    let end = KEY.find("</ValueMAC>").unwrap() + "</ValueMAC>".len();
    let own =
        format!("{}<PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue>{}", &KEY[..begin], &KEY[end..]);
    assert!(error(&own, Some(&right_key())).contains("not encrypted"), "one secret of it");
}

#[test]
fn entities_document_types_depth_and_endless_work_are_refused() {
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>";
    let with_bomb = PLAIN.replacen("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", bomb, 1);
    assert!(error(&with_bomb, None).contains("document type"));
    assert!(error(&PLAIN.replacen("987654321", "&b;", 1), None).contains("entities"));
    let deep = PLAIN.replacen("<Issuer>Issuer</Issuer>", &"<a>".repeat(20_000), 1);
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
    let packages = read(&text, None).unwrap().keys;
    assert_eq!(packages.len(), 3);
    let problem = packages[1].as_ref().unwrap_err();
    assert!(problem.what.contains("not base64") && !problem.what.contains("MTIz"));
    assert_eq!(problem.line, text[..text.match_indices("<KeyPackage>").nth(1).unwrap().0].lines().count());
    assert_eq!(packages[2].as_ref().unwrap().counter, 7);
}

/// A plain container with one key that has this below `Key`.
fn with(below: &str) -> String {
    PLAIN.replacen("</Key>", &format!("{below}</Key>"), 1)
}

#[test]
fn key_that_its_policy_does_not_allow_here_is_refused() {
    let policy = |inside: &str| with(&format!("<Policy>{inside}</Policy>"));
    for (inside, part) in [
        ("<KeyUsage>CR</KeyUsage><KeyUsage>Encrypt</KeyUsage>", "one-time passwords"),
        ("<NumberOfTransactions>9</NumberOfTransactions>", "how often"),
        ("<x:Geofence xmlns:x=\"urn:x\">here</x:Geofence>", "`Geofence`, which is not understood"),
        ("<PINPolicy PINUsageMode=\"Append\"/>", "together with a PIN"),
        ("<PINPolicy PINUsageMode=\"Prepend\"/>", "together with a PIN"),
        ("<PINPolicy PINUsageMode=\"Algorithmic\"/>", "together with a PIN"),
        ("<PINPolicy MinLength=\"4\"/>", "how its PIN is used"),
        ("<PINPolicy PINUsageMode=\"Local\" Retina=\"1\"/>", "`Retina` of a PIN"),
        ("<PINPolicy PINUsageMode=\"Local\"><Odd/></PINPolicy>", "`Odd`"),
        ("<StartDate>soon</StartDate>", "StartDate is no date"),
        ("<ExpiryDate>2031-13-01T00:00:00Z</ExpiryDate>", "ExpiryDate is no date"),
    ] {
        assert!(error(&policy(inside), None).contains(part), "{inside}: {}", error(&policy(inside), None));
    }
    let fine = "<StartDate>2006-05-01T00:00:00Z</StartDate><ExpiryDate>2006-05-31T00:00:00</ExpiryDate>\
                <PINPolicy MinLength=\"4\" MaxLength=\"4\" PINKeyId=\"1\" PINEncoding=\"DECIMAL\" PINUsageMode=\"Local\"/>\
                <KeyUsage>OTP</KeyUsage><KeyUsage>CR</KeyUsage>";
    let package = one(&policy(fine), None).unwrap();
    let day = |text| Timestamp::parse(text).unwrap();
    assert_eq!(package.validity.begins, Some(day("2006-05-01T00:00:00Z")));
    assert_eq!(package.validity.ends, Some(day("2006-05-31T00:00:00Z")));
    let device = PLAIN.replacen("</SerialNo>", "</SerialNo><ExpiryDate>2005-01-01T00:00:00Z</ExpiryDate>", 1);
    assert_eq!(one(&device, None).unwrap().validity.ends, Some(day("2005-01-01T00:00:00Z")));
}

#[test]
fn what_would_make_other_codes_is_refused() {
    for (from, to, part) in [
        ("Length=\"8\"", "Length=\"8\" CheckDigits=\"true\"", "check digit"),
        ("Length=\"8\"", "Length=\"eight\"", "no number of digits"),
        ("</Data>", "<Time><PlainValue>1100000000</PlainValue></Time></Data>", "another time than 1970"),
        ("</Data>", "<TimeDrift><PlainValue>x</PlainValue></TimeDrift></Data>", "drift is no number"),
        ("</Data>", "<TimeDrift><EncryptedValue>x</EncryptedValue></TimeDrift></Data>", "is encrypted"),
    ] {
        let changed = PLAIN.replacen(from, to, 1);
        assert_ne!(changed, PLAIN);
        assert!(error(&changed, None).contains(part), "{part}: {}", error(&changed, None));
    }
    let drift =
        "<Time><PlainValue>0</PlainValue></Time><TimeDrift><PlainValue>-4</PlainValue></TimeDrift></Data>";
    let package = one(&PLAIN.replacen("</Data>", drift, 1), None).unwrap();
    assert_eq!((package.drift, package.maker.as_deref()), (-4, Some("Manufacturer")));
}

/// A container with a secret that is wrapped.
fn wrapped(cipher: &str, hex: &str) -> String {
    let value = data_encoding::BASE64.encode(&data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap());
    let (begin, end) = (KEY.find("<EncryptedValue").unwrap(), KEY.find("</ValueMAC>").unwrap() + 11);
    let head = KEY.find("<MACMethod").unwrap()..KEY.find("</MACMethod>").unwrap() + 12;
    format!(
        "{}{}<EncryptedValue><xenc:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#{cipher}\"/><xenc:CipherData>\
         <xenc:CipherValue>{value}</xenc:CipherValue></xenc:CipherData></EncryptedValue>{}",
        &KEY[..head.start],
        &KEY[head.end..begin],
        &KEY[end..]
    )
}

// RFC 3394 §4.1, §4.6 and RFC 5649 §6.
#[test]
fn wrapped_secrets_are_opened_and_changed_ones_are_not() {
    let k128 = "000102030405060708090a0b0c0d0e0f";
    let k256 = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let k192 = "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8";
    for (cipher, kek, hex, plain) in [
        (
            "kw-aes128",
            k128,
            "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5",
            "00112233445566778899aabbccddeeff",
        ),
        (
            "kw-aes256",
            k256,
            "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
            "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
        ),
        (
            "kw-aes-192-pad",
            k192,
            "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
            "c37b7e6492584340bed12207808941155068f738",
        ),
    ] {
        let text = wrapped(cipher, hex);
        let package = one(&text, Some(&key(kek))).unwrap();
        assert_eq!(data_encoding::HEXLOWER.encode(package.secret.expose()), plain, "{cipher}");
        let changed = wrapped(cipher, &format!("{}0{}", &hex[..5], &hex[6..]));
        assert!(error(&changed, Some(&key(kek))).contains("does not unwrap"));
        assert!(error(&text, Some(&key(&kek.replace('5', "6")))).contains("does not unwrap"));
        assert!(error(&text, Some(&key("1234"))).contains("must have"));
        assert!(error(&wrapped(cipher, "00"), Some(&key(kek))).contains("does not unwrap"));
    }
}

#[test]
fn signature_is_told_with_its_line_and_nothing_in_it_is_read() {
    let signature = "<ds:Signature>\n<ds:Object><KeyPackage><Key Algorithm=\"x\"/></KeyPackage></ds:Object></ds:Signature>";
    let text = PLAIN.replacen("</KeyContainer>", &format!("{signature}</KeyContainer>"), 1);
    let text =
        text.replacen("<KeyContainer", "<KeyContainer xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"", 1);
    let contents = read(&text, None).unwrap();
    assert_eq!(contents.keys.len(), 1);
    assert_eq!(
        contents.signature,
        Some(text[..text.find("<ds:Signature").unwrap()].matches('\n').count() + 1)
    );
    assert_eq!(read(PLAIN, None).unwrap().signature, None);
}

#[test]
fn lines_of_many_keys_are_counted_once() {
    let (begin, end) = (PLAIN.find("  <KeyPackage>").unwrap(), PLAIN.find("</KeyContainer>").unwrap());
    let text = format!("{}{}{}", &PLAIN[..begin], PLAIN[begin..end].repeat(20_000), &PLAIN[end..]);
    let keys = read(&text, None).unwrap().keys;
    let lines = PLAIN[begin..end].lines().count();
    let first = PLAIN[..begin].lines().count() + 1;
    assert_eq!(keys.len(), 20_000);
    assert_eq!(keys[19_999].as_ref().unwrap().line, first + 19_999 * lines);
}
