//! `doorward wifi profile`: what Python's plistlib reads of the profile, and what `openssl cms` says of its signature.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail by panicking")]

use std::path::Path;
use std::process::{Command, Output};

/// Runs a program in a folder.
fn run(dir: &Path, program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).current_dir(dir).output().expect("it is installed")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A certificate `NAME.pem` with its key `NAME.key`.
fn certificate(dir: &Path, name: &str, key: &[&str]) {
    let (pem, file) = (format!("{name}.pem"), format!("{name}.key"));
    let subject = format!("/O=Example & Söhne/CN={name}");
    let mut arguments = vec!["req", "-x509", "-nodes", "-utf8", "-days", "30", "-subj", &subject];
    arguments.extend(["-out", &pem, "-keyout", &file]);
    arguments.extend(key);
    text(&run(dir, "openssl", &arguments));
}

const RSA: [&str; 2] = ["-newkey", "rsa:2048"];
const P256: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
const P384: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"];

fn profile(dir: &Path, more: &[&str]) -> Output {
    let mut arguments = vec!["wifi", "profile", "--ssid", "a<b & c", "--ca", "ca.pem"];
    arguments.extend(["--server-name", "radius.example.edu", "--outer-identity", "anonymous@example.edu"]);
    arguments.extend(more);
    run(dir, env!("CARGO_BIN_EXE_doorward"), &arguments)
}

/// What a program that knows property lists reads at this place.
fn plist(dir: &Path, file: &str, place: &str) -> String {
    let program = format!("import plistlib\nd = plistlib.load(open('{file}', 'rb'))\nprint(d{place})");
    text(&run(dir, "python3", &["-c", &program])).trim().to_owned()
}

// R-RAD-3
#[test]
fn profile_is_a_property_list_that_pins_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    certificate(dir, "ca", &RSA);
    text(&profile(dir, &["--eap", "peap", "--output", "wifi.mobileconfig"]));
    let read = |place: &str| plist(dir, "wifi.mobileconfig", place);
    assert_eq!(read("['PayloadContent'][0]['SSID_STR']"), "a<b & c");
    assert_eq!(read("['PayloadIdentifier']"), "edu.example.radius.wifi");
    let eap = |key: &str| read(&format!("['PayloadContent'][0]['EAPClientConfiguration']{key}"));
    assert_eq!(eap("['AcceptEAPTypes']"), "[25]");
    assert_eq!(eap("['TLSTrustedServerNames']"), "['radius.example.edu']");
    assert_eq!(eap("['OuterIdentity']"), "anonymous@example.edu");
    let anchor = eap("['PayloadCertificateAnchorUUID'][0]");
    assert_eq!(anchor, read("['PayloadContent'][1]['PayloadUUID']"));
    text(&run(dir, "openssl", &["x509", "-in", "ca.pem", "-outform", "DER", "-out", "ca.der"]));
    let place = "['PayloadContent'][1]['PayloadContent'] == open('ca.der', 'rb').read()";
    assert_eq!(read(place), "True");
}

// R-RAD-3
#[test]
fn signature_is_what_openssl_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    certificate(dir, "ca", &P256);
    text(&profile(dir, &["--output", "plain"]));
    for (name, key) in [("rsa", &RSA[..]), ("p256", &P256[..])] {
        certificate(dir, name, key);
        let (pem, file) = (format!("{name}.pem"), format!("{name}.key"));
        text(&profile(dir, &["--sign-certificate", &pem, "--sign-key", &file, "--output", "signed"]));
        let verify = ["cms", "-verify", "-binary", "-inform", "DER", "-in", "signed", "-CAfile", &pem];
        let verify = [&verify[..], &["-purpose", "any", "-out", "content"]].concat();
        text(&run(dir, "openssl", &verify));
        let (content, plain) = (dir.join("content"), dir.join("plain"));
        assert_eq!(std::fs::read(content).unwrap(), std::fs::read(plain).unwrap(), "{name}");
        // One changed byte of the content, and the signature is none.
        let mut bytes = std::fs::read(dir.join("signed")).unwrap();
        let at = bytes.windows(7).position(|window| window == b"<plist ").unwrap();
        bytes[at + 1] = b'q';
        std::fs::write(dir.join("signed"), bytes).unwrap();
        assert!(!run(dir, "openssl", &verify).status.success(), "{name}");
    }
}

#[test]
fn what_makes_no_profile_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    certificate(dir, "ca", &RSA);
    certificate(dir, "other", &P256);
    certificate(dir, "p384", &P384);
    std::fs::write(dir.join("empty.pem"), "no certificate").unwrap();
    let refused = |arguments: &[&str]| {
        let output = profile(dir, arguments);
        assert!(!output.status.success() && output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    for (arguments, sentence) in [
        (&["--ssid", "longer than the thirty-two bytes of it"][..], "has 1 to 32 bytes"),
        (&["--server-name", "https://radius"], "as it stands in the certificate"),
        (&["--eap", "tls"], "give it with `--identity FILE.p12`"),
        (&["--identity", "ca.pem"], "`--identity` is for `--eap tls`"),
        (&["--sign-certificate", "ca.pem"], "--sign-key"),
        (&["--sign-certificate", "empty.pem", "--sign-key", "ca.key"], "holds no certificate"),
        (&["--sign-certificate", "ca.pem", "--sign-key", "ca.pem"], "no private key in PEM form"),
        (
            &["--sign-certificate", "ca.pem", "--sign-key", "other.key"],
            "is not that of the first certificate",
        ),
        (&["--sign-certificate", "p384.pem", "--sign-key", "p384.key"], "on the curve P-256"),
    ] {
        let said = refused(arguments);
        assert!(said.contains(sentence), "{arguments:?}: {said}");
    }
}
