//! Every method by both versions of TLS and fragments of three sizes, full and resumed, with keys compared (R-RAD-3).

use crate::challenges::by_attributes;
use crate::device::{Nas, Tunnel, tls};
use crate::world::{Said, World, certificate, credentials};
use doorward::wire::eap::{self, Method};
use doorward::wire::radius::Code;
use rustls::version;
use std::path::Path;

const SIZES: [usize; 3] = [200, 600, 1400];

/// How often a device comes back after its login.
const AGAIN: usize = 2;

/// Logs in by this method in every way; `lines` are of the method, `reason` is that of a full login.
fn every_way(lines: impl Fn(&World) -> Vec<String>, reason: &str) {
    let world = World::new();
    let newest = if lines(&world)[0] == "eap=PEAP" { "TLSv1.2" } else { "TLSv1.3" };
    every_way_in(&world, newest, lines, reason);
}

/// The same in a world where the method has TLS up to this version.
fn every_way_in(world: &World, newest: &str, lines: impl Fn(&World) -> Vec<String>, reason: &str) {
    let (full, resumed) = (world.decided(reason), world.decided("session-resumed"));
    let mut logins = 0;
    for size in SIZES {
        world.configure(&[("eap", &format!("fragment_size = {size}"))]);
        for (version, disabled) in [("TLSv1.3", 0), ("TLSv1.2", 1)] {
            let mut lines = lines(world);
            lines.push(format!("phase1=\"tls_disable_tlsv1_3={disabled}\""));
            lines.push(format!("fragment_size={size}"));
            let said = world.eapol_test(&lines, AGAIN);
            assert!(said.success, "{version} {size}\n{}", said.output);
            assert_eq!(said.equal_keys(), 1 + AGAIN);
            let expected = version.min(newest);
            assert_eq!(said.tls_version(), expected);
            is_cut(&said, size, expected);
            logins += 1;
            assert_eq!(world.decided(reason), full + logins);
            assert_eq!(world.decided("session-resumed"), resumed + logins * AGAIN as u64, "every time");
        }
    }
}

/// Everything went in as few parts as have room in packets of this size, which were several where it was long.
fn is_cut(said: &Said, size: usize, version: &str) {
    // Header, type, flags and length are in the server's size, and not in the device's.
    for (code, room) in [(eap::Code::Request, size - 10), (eap::Code::Response, size)] {
        let messages = said.tls_messages(code);
        for &(octets, parts) in &messages {
            assert_eq!(parts, octets.div_ceil(room), "{octets} octets, {code:?}, {size}");
        }
        // A certificate is longer than 600 octets with what goes with it, and the hello of TLS 1.3 longer than 200.
        let long = match code {
            eap::Code::Request => size <= 600,
            _ => size <= 200 && version == "TLSv1.3",
        };
        let several = messages.iter().any(|(_, parts)| *parts > 1);
        assert!(several || !long, "{code:?} {size} {version}: {messages:?}");
    }
}

fn tunnel(eap: &str, phase2: &str) -> impl Fn(&World) -> Vec<String> {
    move |world| {
        let mut lines = vec![format!("eap={eap}"), format!("phase2=\"{phase2}\"")];
        lines.extend(credentials(&world.env["LOGIN_USER"], &world.env["LOGIN_PASSWORD"]));
        lines
    }
}

#[test]
fn ttls_with_pap_works_in_every_way() {
    every_way(tunnel("TTLS", "auth=PAP"), "password-only");
}

#[test]
fn ttls_with_gtc_works_in_every_way() {
    every_way(tunnel("TTLS", "autheap=GTC"), "password-only");
}

#[test]
fn peap_with_gtc_works_in_every_way() {
    every_way(tunnel("PEAP", "auth=GTC"), "password-only");
}

// Not the default: other devices than this one were not tried.
#[test]
fn peap_works_by_tls_1_3_where_that_is_allowed() {
    let world = World::with(&[("eap", "peap_tls_max = \"1.3\"")]);
    every_way_in(&world, "TLSv1.3", tunnel("PEAP", "auth=GTC"), "password-only");
    every_way_in(&world, "TLSv1.3", mschapv2("PEAP", "auth=MSCHAPV2"), "device-password");
}

/// A password that a person has made for a device.
pub(crate) fn device_password(world: &World, label: &str) -> String {
    let made = ["enroll", "device-password", &world.env["LOGIN_USER"], "--label", label];
    world.daemon.json(&made)["password"].as_str().unwrap().to_owned()
}

fn mschapv2(eap: &'static str, phase2: &'static str) -> impl Fn(&World) -> Vec<String> {
    let password = std::cell::OnceCell::new();
    move |world| {
        let password = password.get_or_init(|| device_password(world, "laptop"));
        let mut lines = vec![format!("eap={eap}"), format!("phase2=\"{phase2}\"")];
        lines.extend(credentials(&world.env["LOGIN_USER"], password));
        lines
    }
}

#[test]
fn ttls_with_mschapv2_works_in_every_way() {
    every_way(mschapv2("TTLS", "auth=MSCHAPV2"), "device-password");
}

#[test]
fn ttls_with_eap_mschapv2_works_in_every_way() {
    every_way(mschapv2("TTLS", "autheap=MSCHAPV2"), "device-password");
}

#[test]
fn peap_with_mschapv2_works_in_every_way() {
    every_way(mschapv2("PEAP", "auth=MSCHAPV2"), "device-password");
}

#[test]
fn mschapv2_knows_no_password_but_those_of_devices_and_only_where_they_are_taken() {
    let world = World::new();
    let ways = [("TTLS", "auth=MSCHAPV2"), ("TTLS", "autheap=MSCHAPV2"), ("PEAP", "auth=MSCHAPV2")];
    let right = device_password(&world, "laptop");
    let refused = |password: &str| {
        for (eap, phase2) in ways {
            let mut lines = vec![format!("eap={eap}"), format!("phase2=\"{phase2}\"")];
            lines.extend(credentials(&world.env["LOGIN_USER"], password));
            let said = world.eapol_test(&lines, 0);
            assert!(!said.success && said.output.contains("Access-Reject"), "{}", said.output);
        }
    };
    refused(&world.env["LOGIN_PASSWORD"]);
    assert_eq!(world.decided("wrong-device-password"), 3);
    world.configure(&[("eap", "inner = [\"gtc\", \"pap\"]")]);
    refused(&right);
    assert_eq!(world.decided("device-password"), 0);
}

#[test]
fn session_of_a_device_ends_with_its_password() {
    let world = World::new();
    let password = device_password(&world, "laptop");
    let devices = [&version::TLS12, &version::TLS13].map(|version| tls(&world, version));
    let comes_back = |device| Tunnel::without_password(Method::TTLS, Nas::new(&world), &world, device).code;
    for device in &devices {
        assert_eq!(by_attributes(&world, device, &password, 0).code, Code::ACCESS_ACCEPT);
        assert_eq!(comes_back(device), Code::ACCESS_ACCEPT);
    }
    let list = world.daemon.json(&["factor", "list", &world.env["LOGIN_USER"]]);
    let id = list["factors"][0]["id"].as_str().unwrap().to_owned();
    assert!(world.daemon.run(&["factor", "revoke", &id]).status.success());
    assert_eq!(devices.each_ref().map(comes_back), [Code::ACCESS_REJECT; 2]);
    assert_eq!((world.decided("session-resumed"), world.decided("session-void")), (2, 2));
}

/// The certificate that the demonstration has made for somebody.
fn own(world: &World) -> Vec<String> {
    certificate(Path::new(&world.env["EAP_CLIENT_CERT"]), Path::new(&world.env["EAP_CLIENT_KEY"]))
}

#[test]
fn tls_with_a_certificate_works_in_every_way() {
    every_way(own, "certificate");
}

#[test]
fn full_and_resumed_logins_take_no_more_rounds_than_they_need() {
    let world = World::with(&[("eap", "peap_tls_max = \"1.3\"")]);
    // Each has the identity, the hello of the device and its part of the handshake. With a tunnel comes what is in it: by TTLS together with the
    // end of the handshake, by PEAP who it is, the password and the result, after the end of ours in TLS 1.2. A ticket of TLS 1.3 comes last.
    let ways = [
        ("ttls", tunnel("TTLS", "auth=PAP")(&world), [(4, 4), (4, 3)]),
        ("peap", tunnel("PEAP", "auth=GTC")(&world), [(6, 4), (7, 4)]),
        ("tls", own(&world), [(4, 4), (4, 3)]),
    ];
    for (method, lines, rounds) in ways {
        // Without a Nak.
        world
            .configure(&[("eap", &format!("methods = [{method:?}]")), ("eap", "inner = [\"gtc\", \"pap\"]")]);
        for (disabled, (full, resumed)) in rounds.into_iter().enumerate() {
            let lines = [&lines[..], &[format!("phase1=\"tls_disable_tlsv1_3={disabled}\"")]].concat();
            let (once, twice) = (world.eapol_test(&lines, 0).messages(), world.eapol_test(&lines, 1));
            assert_eq!((once, twice.messages() - once), (full, resumed), "{method}\n{}", twice.output);
        }
    }
}

#[test]
fn wrong_password_is_refused_and_gives_no_keys() {
    let world = World::new();
    for (eap, phase2) in [("TTLS", "auth=PAP"), ("TTLS", "autheap=GTC"), ("PEAP", "auth=GTC")] {
        let mut lines = vec![format!("eap={eap}"), format!("phase2=\"{phase2}\"")];
        lines.extend(credentials(&world.env["LOGIN_USER"], "wrong"));
        let said = world.eapol_test(&lines, 0);
        assert!(!said.success && said.output.contains("Access-Reject"), "{}", said.output);
        assert!(!said.output.contains("MS-MPPE"), "{}", said.output);
    }
    assert_eq!(world.decided("wrong-password"), 3);
}

#[test]
fn device_that_trusts_another_authority_breaks_off() {
    let world = World::with(&[("eap", "peap_tls_max = \"1.3\"")]);
    // The person's own certificate vouches for nobody.
    let other = &world.env["EAP_CLIENT_CERT"];
    let ways = [tunnel("TTLS", "auth=PAP")(&world), tunnel("PEAP", "auth=GTC")(&world), own(&world)];
    for lines in &ways {
        for disabled in [0, 1] {
            let lines = [&lines[..], &[format!("phase1=\"tls_disable_tlsv1_3={disabled}\"")]].concat();
            let said = world.eapol_test_by(other, &lines, 0);
            assert!(!said.success && said.output.contains("Access-Reject"), "{}", said.output);
        }
    }
    assert_eq!(world.decided("eap-broken"), 2 * ways.len() as u64);
    assert_eq!((world.decided("password-only"), world.decided("certificate")), (0, 0));
}

#[test]
fn device_chooses_among_the_methods_that_are_allowed() {
    let world = World::with(&[("eap", "methods = [\"tls\", \"peap\"]")]);
    let said = world.eapol_test(&tunnel("PEAP", "auth=GTC")(&world), 0);
    assert!(said.success, "after a Nak\n{}", said.output);
    let said = world.eapol_test(&tunnel("TTLS", "auth=PAP")(&world), 0);
    assert!(!said.success);
    assert_eq!(world.decided("eap-method"), 1);
}

#[test]
fn realm_is_taken_off_the_inner_identity() {
    let world = World::new();
    let mut lines = vec!["eap=TTLS".to_owned(), "phase2=\"auth=PAP\"".to_owned()];
    let name = format!("{}@Example.EDU", world.env["LOGIN_USER"]);
    lines.extend(credentials(&name, &world.env["LOGIN_PASSWORD"]));
    assert!(world.eapol_test(&lines, 0).success);
    lines[2] = format!("identity=\"{}@elsewhere.example\"", world.env["LOGIN_USER"]);
    assert!(!world.eapol_test(&lines, 0).success);
    // What MSCHAPv2 makes of a password has the name in it as the device knows it (RFC 2759 §8.2).
    let device = device_password(&world, "laptop");
    for (eap, phase2, password) in [
        ("TTLS", "autheap=GTC", &world.env["LOGIN_PASSWORD"]),
        ("PEAP", "auth=GTC", &world.env["LOGIN_PASSWORD"]),
        ("TTLS", "auth=MSCHAPV2", &device),
        ("TTLS", "autheap=MSCHAPV2", &device),
        ("PEAP", "auth=MSCHAPV2", &device),
    ] {
        let mut lines = vec![format!("eap={eap}"), format!("phase2=\"{phase2}\"")];
        lines.extend(credentials(&name, password));
        let said = world.eapol_test(&lines, 0);
        assert!(said.success && said.equal_keys() == 1, "{eap} {phase2}\n{}", said.output);
    }
    // As Windows calls people; in MSCHAPv2 the domain is no part of the name (RFC 2759 §8.2).
    let windows = format!("EXAMPLE\\{}", world.env["LOGIN_USER"]);
    for known in [false, true] {
        for (eap, phase2, password) in
            [("TTLS", "auth=PAP", &world.env["LOGIN_PASSWORD"]), ("PEAP", "auth=MSCHAPV2", &device)]
        {
            let mut lines = vec![format!("eap={eap}"), format!("phase2=\"{phase2}\"")];
            lines.extend(credentials(&windows, password));
            assert_eq!(world.eapol_test(&lines, 0).success, known, "{eap}");
        }
        world.configure(&[("eap", "realms = [\"example.edu\", \"Example\"]")]);
    }
    assert_eq!((world.decided("password-only"), world.decided("device-password")), (4, 4));
    assert_eq!(world.decided("unknown-person"), 3);
    // Of a name with both the realm behind it goes, and what stands before it is left to the directories.
    world.configure(&[("eap", "realms = [\"example.edu\"]")]);
    let mut lines = vec!["eap=TTLS".to_owned(), "phase2=\"auth=PAP\"".to_owned()];
    lines.extend(credentials(&format!("{windows}@example.edu"), &world.env["LOGIN_PASSWORD"]));
    assert!(!world.eapol_test(&lines, 0).success);
    let trail = world.daemon.json(&["audit", "list"]);
    let subjects =
        trail["entries"].as_array().unwrap().iter().map(|entry| entry["subject"].as_str().unwrap());
    assert_eq!(subjects.filter(|subject| *subject == windows.to_lowercase()).count(), 3, "{trail}");
}
