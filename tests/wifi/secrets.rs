//! What the log must not say: it is searched for everything that logins by EAP have shown or made.

use crate::device::{Ttls, tls};
use crate::methods::device_password;
use crate::support::Daemon;
use crate::world::{World, certificate, credentials};
use data_encoding::{BASE64, HEXLOWER};
use doorward::wire::mschap::NtHash;
use doorward::wire::radius::Code;
use rustls::version;
use std::path::Path;

/// Whether a log holds these octets, as text, digits, or Rust's list of numbers.
fn holds(log: &str, secret: &[u8]) -> bool {
    let text = String::from_utf8_lossy(secret).into_owned();
    let numbers: Vec<_> = secret.iter().map(u8::to_string).collect();
    let ways = [text, HEXLOWER.encode(secret), BASE64.encode(secret), numbers.join(", ")];
    let lower = log.to_lowercase();
    ways.iter().any(|way| log.contains(way) || lower.contains(way))
}

// Invariant 5
#[test]
fn log_at_trace_level_holds_no_secret_of_logins_by_eap() {
    let world = World::of(Daemon::demo(&["--log", "trace"]));
    let person = world.employee();
    let made = device_password(&world, "laptop");
    let mut secrets = vec![b"not-the-password".to_vec(), NtHash::of(&made).expose().to_vec()];
    secrets
        .extend([&person.password, &made, &world.env["RADIUS_SECRET"]].map(|text| text.as_bytes().to_vec()));
    for version in [&version::TLS12, &version::TLS13] {
        let login = Ttls::handshake(&world, &tls(&world, version)).unwrap();
        let label: &[u8] = if version == &version::TLS12 {
            b"ttls keying material"
        } else {
            b"EXPORTER_EAP_TLS_Key_Material"
        };
        let context = (version == &version::TLS13).then_some(&[21][..]);
        let key = login.tls.export_keying_material([0; 64], label, context).unwrap();
        secrets.extend([key[..32].to_vec(), key[32..].to_vec()]);
        let end = login.password(&person.user, &person.password);
        assert_eq!(end.code, Code::ACCESS_ACCEPT);
    }
    let ways = [
        ("TTLS", "auth=PAP", &person.password),
        ("TTLS", "autheap=GTC", &person.password),
        ("PEAP", "auth=GTC", &person.password),
        ("TTLS", "auth=MSCHAPV2", &made),
        ("PEAP", "auth=MSCHAPV2", &made),
        ("TTLS", "auth=PAP", &"not-the-password".to_owned()),
    ];
    for (eap, phase2, password) in ways {
        let user = if *password == made { &world.env["LOGIN_USER"] } else { &person.user };
        let mut lines = vec![format!("eap={eap}"), format!("phase2=\"{phase2}\"")];
        lines.extend(credentials(user, password));
        assert_eq!(world.eapol_test(&lines, 1).success, password != "not-the-password", "{eap} {phase2}");
    }
    let (pem, key) = (&world.env["EAP_CLIENT_CERT"], &world.env["EAP_CLIENT_KEY"]);
    assert!(world.eapol_test(&certificate(Path::new(pem), Path::new(key)), 0).success);
    let log = world.daemon.log();
    assert!(
        (log.contains("TRACE") || log.contains("DEBUG")) && log.contains("front=\"eap\""),
        "the log is at trace level"
    );
    for secret in secrets {
        assert!(!holds(&log, &secret), "the log holds {:?}", String::from_utf8_lossy(&secret));
    }
}
