//! `[eap]`: what is understood, and what is refused in which words.

use super::*;
use doorward::base::{Clock, SystemClock, Timestamp};
use doorward::wire::eap::Method;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};

/// Writes a certificate that signed itself, and its key.
pub(super) fn made(dir: &Path, name: &str, change: impl FnOnce(&mut CertificateParams)) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["radius.example.edu".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    write(dir, &format!("{name}.pem"), &certificate.pem());
    write(dir, &format!("{name}.key"), &key.serialize_pem());
}

fn world(eap: &str) -> tempfile::TempDir {
    let dir = folder(&format!("{KEYS}{CLIENT}[eap]\n{eap}\n"));
    made(dir.path(), "server", |_| {});
    made(dir.path(), "other", |_| {});
    made(dir.path(), "client", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]
    });
    made(dir.path(), "old", |params| params.not_after = rcgen::date_time_ymd(2021, 1, 1));
    let both: Vec<_> =
        ["server.pem", "other.pem"].map(|name| fs::read_to_string(dir.path().join(name)).unwrap()).into();
    write(dir.path(), "both.pem", &both.concat());
    dir
}

const GOOD: &str = "certificate_file = \"server.pem\"\nprivate_key_file = \"server.key\"\n";

/// The first block of this kind in `docs/wifi.md`.
fn documented(kind: &str) -> String {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/wifi.md")).unwrap();
    let block = guide.split(&format!("\n```{kind}\n")).nth(1).unwrap();
    block.split("\n```").next().unwrap().to_owned()
}

#[test]
fn settings_of_the_guide_are_good_with_a_certificate_made_by_its_commands() {
    let dir = folder(&format!("{KEYS}{}", documented("toml")));
    write(dir.path(), "wifi.secret", "a-secret-of-some-length\n");
    let made = std::process::Command::new("sh")
        .args(["-ec", &documented("sh")])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let config = load_with(dir.path(), &[]).unwrap();
    assert_eq!(config.warnings, <[String; 0]>::default());
    let eap = config.eap.unwrap();
    let days = eap.ends.unwrap().since(SystemClock.now()).as_secs() / (24 * 3600);
    assert!((800..=825).contains(&days), "{days}: what devices insist on");
    let (_, client) = config.clients.iter().next().unwrap();
    assert_eq!(eap.methods_at(&client.eap), [Method::TTLS, Method::PEAP]);
}

#[test]
fn without_a_certificate_there_is_no_eap() {
    assert!(good(KEYS).eap.is_none());
    assert!(good(&format!("{KEYS}[eap]\nfragment_size = 600\n")).eap.is_none());
}

#[test]
fn methods_and_bounds_are_understood() {
    let dir =
        world(&format!("{GOOD}methods = [\"peap\"]\nclient_ca_file = \"other.pem\"\nmax_size = \"8KiB\""));
    let eap = load_with(dir.path(), &[]).unwrap().eap.unwrap();
    assert_eq!(eap.methods, [Method::PEAP]);
    assert!(eap.settings.tls.is_some() && eap.settings.octets == 8192);
}

#[test]
fn certificate_that_has_ended_is_a_warning() {
    let dir = world("certificate_file = \"old.pem\"\nprivate_key_file = \"old.key\"");
    let config = load_with(dir.path(), &[]).unwrap();
    assert!(config.warnings.iter().any(|warning| warning.contains("has ended")), "{:?}", config.warnings);
}

/// An authority `authority.pem`, which ends with 2030, its list `list.pem`, from the first to the 29th of January 2030, and a
/// certificate of a server behind it, `chain.pem` with `chain.key`.
fn authority(dir: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_after = date_time_ymd(2031, 1, 1);
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2030, 1, 1),
        next_update: date_time_ymd(2030, 1, 29),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    write(dir, "list.pem", &list.signed_by(&issuer).unwrap().pem().unwrap());
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["radius.example.edu".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_after = date_time_ymd(2040, 1, 1);
    let own = params.signed_by(&key, &issuer).unwrap().pem();
    write(dir, "chain.pem", &[own, authority.clone()].concat());
    write(dir, "chain.key", &key.serialize_pem());
    write(dir, "authority.pem", &authority);
}

#[test]
fn list_of_revoked_certificates_that_ends_is_a_warning_in_time() {
    let dir = world(&format!("{GOOD}client_ca_file = \"authority.pem\"\ncrl_file = \"list.pem\""));
    authority(dir.path());
    let eap = load_with(dir.path(), &[]).unwrap().eap.unwrap();
    let said = |at: &str| {
        let warnings = eap.warnings(Timestamp::parse(at).unwrap());
        let of_list = warnings.into_iter().filter(|warning| warning.contains("crl_file"));
        of_list.map(|warning| warning.contains("ends soon")).collect::<Vec<_>>()
    };
    assert_eq!(said("2030-01-21T23:59:59Z"), [false; 0], "three quarters of its time");
    assert_eq!(said("2030-01-22T00:00:00Z"), [true]);
    assert_eq!(said("2030-01-29T00:00:00Z"), [false], "it has ended");
}

#[test]
fn certificate_behind_the_server_s_that_ends_first_is_the_one_spoken_of() {
    let dir = world("certificate_file = \"chain.pem\"\nprivate_key_file = \"chain.key\"");
    authority(dir.path());
    let eap = load_with(dir.path(), &[]).unwrap().eap.unwrap();
    assert_eq!(eap.ends, Timestamp::parse("2031-01-01T00:00:00Z"));
    let warnings = eap.warnings(Timestamp::parse("2030-12-24T00:00:00Z").unwrap());
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(warning.starts_with("[eap] certificate 2 of `certificate_file` ends soon"), "{warning}");
}

#[test]
fn certificate_that_begins_later_is_a_warning() {
    let dir = world("certificate_file = \"new.pem\"\nprivate_key_file = \"new.key\"");
    made(dir.path(), "new", |params| params.not_before = date_time_ymd(2035, 1, 1));
    let eap = load_with(dir.path(), &[]).unwrap().eap.unwrap();
    let warnings = |at: &str| eap.warnings(Timestamp::parse(at).unwrap());
    let before = warnings("2034-12-31T23:59:59Z");
    assert!(before.len() == 1 && before[0].contains("begins later (2035-01-01T00:00:00"), "{before:?}");
    assert_eq!(warnings("2035-01-01T00:00:00Z"), [""; 0]);
}

/// As with an authority that has made itself a new key under the old name.
#[test]
fn chain_whose_names_fit_and_whose_signatures_do_not_is_refused() {
    let dir = world("certificate_file = \"chain.pem\"\nprivate_key_file = \"chain.key\"");
    authority(dir.path());
    let chain = fs::read_to_string(dir.path().join("chain.pem")).unwrap();
    let key = fs::read_to_string(dir.path().join("chain.key")).unwrap();
    let own = chain.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    // Another one of the same name.
    authority(dir.path());
    let other = fs::read_to_string(dir.path().join("authority.pem")).unwrap();
    write(dir.path(), "chain.key", &key);
    write(dir.path(), "chain.pem", &[own, &other].concat());
    let error = load_with(dir.path(), &[]).unwrap_err().to_string();
    assert!(error.contains("their signatures do not fit"), "{error}");
    write(dir.path(), "chain.pem", &chain);
    load_with(dir.path(), &[]).unwrap();
}

#[test]
fn session_rests_on_what_may_stand_in_a_tunnel_and_on_how_people_are_named() {
    let dir = world(GOOD);
    let trust = |line: &str| {
        write(dir.path(), "doorward.toml", &format!("{KEYS}{CLIENT}[eap]\n{GOOD}{line}\n"));
        load_with(dir.path(), &[]).unwrap().eap.unwrap().trust
    };
    let usual = trust("");
    assert_eq!(trust("max_rounds = 50"), usual, "nobody gets in by that");
    for line in [
        "inner = [\"gtc\"]",
        "certificate_names = [\"upn\"]",
        "realms = [\"example.edu\"]",
        "session_lifetime = \"1h\"",
    ] {
        assert_ne!(trust(line), usual, "{line}");
    }
    let vouching = |line: &str| {
        write(dir.path(), "doorward.toml", &format!("{KEYS}{CLIENT}[eap]\n{GOOD}{line}\n"));
        let eap = load_with(dir.path(), &[]).unwrap().eap.unwrap();
        (eap.trust, eap.settings.vouching)
    };
    authority(dir.path());
    let (by, listed) = ("client_ca_file = \"authority.pem\"", "\ncrl_file = \"list.pem\"");
    let told = ["", "client_ca_file = \"other.pem\"", by, &[by, listed].concat()].map(vouching);
    for (index, (trust, vouching)) in told.iter().enumerate() {
        assert_eq!(*trust, usual, "a password does not rest on it");
        assert!(told[..index].iter().all(|(_, other)| other != vouching), "{index}");
    }
}

#[test]
fn client_that_can_be_offered_no_method_is_a_warning_that_says_what_to_do() {
    let dir = world(GOOD);
    let said = |client: &str, eap: &str| {
        write(dir.path(), "doorward.toml", &format!("{KEYS}{CLIENT}{client}\n[eap]\n{eap}\n"));
        let warnings = load_with(dir.path(), &[]).unwrap().warnings;
        warnings.into_iter().filter(|warning| warning.contains("EAP")).collect::<Vec<_>>()
    };
    for (client, eap, needs) in [
        (
            "",
            "methods = [\"tls\"]",
            "`ttls` needs to be in `methods` of [eap]; `peap` needs to be in `methods` of [eap]",
        ),
        (
            "",
            "methods = [\"tls\"]\nclient_ca_file = \"other.pem\"",
            "; or name `tls`, for certificates of devices; or set",
        ),
        ("eap = [\"tls\"]", "", "`tls` needs `client_ca_file` in [eap]"),
        (
            "eap = [\"peap\"]",
            "inner = [\"mschapv2\", \"pap\"]",
            "`peap` needs `device_passwords = true` there, or `gtc` in `inner` of [eap]",
        ),
        (
            "eap = [\"peap\"]",
            "inner = [\"pap\"]",
            "`peap` needs `mschapv2` in `inner` of [eap] with `device_passwords = true` there, or `gtc` in `inner`",
        ),
        ("eap = [\"peap\"]", "methods = [\"ttls\"]", "`peap` needs to be in `methods` of [eap]"),
    ] {
        let warnings = said(client, &format!("{GOOD}{eap}"));
        let [warning] = warnings.as_slice() else { panic!("{client} {eap}: {warnings:?}") };
        assert!(warning.starts_with("client `vpn` can be offered no EAP method: "), "{warning}");
        assert!(warning.contains(needs) && warning.ends_with("or set `eap = []` there"), "{warning}");
    }
    let fine = [
        ("", ""),
        ("eap = []", "methods = [\"tls\"]"),
        ("eap = [\"tls\"]", "client_ca_file = \"other.pem\""),
        ("eap = [\"peap\"]\ndevice_passwords = true", "inner = [\"mschapv2\"]"),
        ("eap = [\"tls\", \"ttls\"]", ""),
    ];
    for (client, eap) in fine {
        assert_eq!(said(client, &format!("{GOOD}{eap}")), [""; 0], "{client} {eap}");
    }
    let warnings = said("eap = [\"tls\"]", "");
    assert!(warnings.len() == 1 && warnings[0].contains("set `certificate_file`"), "{warnings:?}");
    assert_eq!(said("", ""), [""; 0], "nobody has asked for it");
    // Certificates are not taken where nobody has said so.
    write(
        dir.path(),
        "doorward.toml",
        &format!("{KEYS}{CLIENT}[eap]\n{GOOD}client_ca_file = \"other.pem\"\n"),
    );
    let config = load_with(dir.path(), &[]).unwrap();
    let (eap, (_, client)) = (config.eap.unwrap(), config.clients.iter().next().unwrap());
    assert_eq!(eap.methods_at(&client.eap), [Method::TTLS, Method::PEAP]);
    let told = |warning: &String| warning.contains("no client takes certificates: name `tls`");
    assert!(config.warnings.iter().any(told), "{:?}", config.warnings);
}

#[test]
fn what_cannot_work_is_told_with_its_place() {
    let key = "private_key_file = \"server.key\"";
    for (eap, message) in [
        ("certificate_file = \"server.pem\"".to_owned(), "exactly one of"),
        (key.to_owned(), "a private key without its certificate"),
        (format!("certificate_file = \"none.pem\"\n{key}"), "cannot be read"),
        (format!("certificate_file = \"server.key\"\n{key}"), "holds no certificates"),
        (format!("certificate_file = \"/dev/null\"\n{key}"), "is not a file"),
        (format!("{GOOD}client_ca_file = \"other.pem\"\ncrl_file = \"/dev/null\""), "is not a file"),
        (format!("certificate_file = \"other.pem\"\n{key}"), "cannot be used together"),
        (
            "certificate_file = \"client.pem\"\nprivate_key_file = \"client.key\"".to_owned(),
            "not meant for servers",
        ),
        (
            format!("certificate_file = \"both.pem\"\n{key}"),
            "certificate 2 of `certificate_file` did not issue",
        ),
        (format!("{GOOD}crl_file = \"x.pem\""), "without the authority"),
        (format!("{GOOD}client_ca_file = \"other.pem\"\ncrl_file = \"other.pem\""), "no list of revoked"),
        (format!("{GOOD}tls_min = \"1.3\""), "`peap_tls_max` is below `tls_min`"),
        (format!("{GOOD}tls_max = \"1.1\""), "one of: 1.2, 1.3"),
        (format!("{GOOD}methods = [\"md5\"]"), "one of: ttls, peap, tls"),
        (format!("{GOOD}inner = [\"chap\"]"), "one of: pap, gtc, mschapv2"),
        (format!("{GOOD}fragment_size = 99"), "from 100 to 3500"),
        (format!("{GOOD}session_lifetime = \"8d\""), "from 0s to 7d"),
    ] {
        let dir = world(&eap);
        let shown = load_with(dir.path(), &[]).err().unwrap_or_else(|| panic!("no error in:\n{eap}"));
        assert!(shown.contains(message) && shown.contains("\n1 error"), "{eap}\n{shown}");
        assert!(shown.contains('^') && shown.contains("doorward.toml:"), "{shown}");
    }
}
