//! Certificates of people: revoked, expired, of another authority, without a name; and of the server, replaced by a reload.

use crate::device::{Nas, Tunnel, response, tls_as};
use crate::support::{Daemon, read};
use crate::world::{WIFI, World, certificate};
use doorward::wire::eap::Method;
use doorward::wire::radius::Code;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::{SupportedProtocolVersion, version};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        Self::named("Another authority")
    }

    fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key of `name`, written into the world's folder.
    fn issue(
        &self,
        world: &World,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        (world.write("other.pem", &pem), world.write("other.key.pem", &key.serialize_pem()))
    }
}

impl Authority {
    /// Its list of revoked certificates.
    fn list(&self, list: &rcgen::CertificateRevocationListParams) -> String {
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// A list with nothing on it that is good from 2020 until the first day of a year.
fn until(year: i32) -> rcgen::CertificateRevocationListParams {
    rcgen::CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(year, 1, 1),
        crl_number: rcgen::SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: rcgen::KeyIdMethod::Sha256,
    }
}

fn refused(world: &World, (pem, key): (&Path, &Path), why: &str) {
    let before = world.decided("certificate-refused");
    for disabled in [0, 1] {
        let mut lines = certificate(pem, key);
        lines.push(format!("phase1=\"tls_disable_tlsv1_3={disabled}\""));
        let said = world.eapol_test(&lines, 0);
        assert!(!said.success && said.output.contains("Access-Reject"), "{why}\n{}", said.output);
    }
    assert_eq!(world.decided("certificate-refused"), before + 2, "{why}");
    let log = world.daemon.log();
    let last = log.lines().rfind(|line| line.contains("front=\"eap\"")).unwrap();
    assert!(last.contains(why), "{last}");
}

#[test]
fn revoked_certificate_is_refused_and_the_trail_tells() {
    let world = World::new();
    let (pem, key) = (&world.env["EAP_REVOKED_CERT"], &world.env["EAP_REVOKED_KEY"]);
    refused(&world, (Path::new(pem), Path::new(key)), "Revoked");
    let claims = format!("certificate-refused claims \"{}@example.edu\"", world.env["LOGIN_USER"]);
    assert_eq!(refusals(&world), [claims.clone(), claims]);
}

/// What the trail says of certificates that were refused: they were nobody's logins, whatever they say.
fn refusals(world: &World) -> Vec<String> {
    let trail = world.daemon.json(&["audit", "list"]);
    let text = |entry: &serde_json::Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let all = trail["entries"].as_array().unwrap().iter();
    let refused = all.filter(|entry| text(entry, "detail").starts_with("certificate-refused"));
    let detail = |entry: &serde_json::Value| {
        assert_eq!(
            (text(entry, "subject"), text(entry, "outcome")),
            ("anonymous@example.edu".into(), "reject".into())
        );
        assert!(entry["person"].is_null(), "{entry}");
        text(entry, "detail")
    };
    refused.map(detail).collect()
}

#[test]
fn certificate_of_another_authority_or_expired_or_for_servers_is_refused() {
    let world = World::new();
    let user = world.env["LOGIN_USER"].clone();
    let other = Authority::new();
    let (pem, key) = other.issue(&world, &user, |_| {});
    refused(&world, (&pem, &key), "UnknownIssuer");
    assert_eq!(refusals(&world)[1], format!("certificate-refused claims {user:?}"), "by TLS 1.2, too");
    // From now on it is the one that vouches for people.
    world.write("other-ca.pem", &other.pem);
    world.configure(&[("eap", "crl_file = \"\""), ("eap", "client_ca_file = \"other-ca.pem\"")]);
    assert!(world.eapol_test(&certificate(&pem, &key), 0).success);
    let (pem, key) = other.issue(&world, &user, |params| params.not_after = date_time_ymd(2020, 1, 1));
    refused(&world, (&pem, &key), "xpired");
    let server = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let (pem, key) = other.issue(&world, &user, server);
    refused(&world, (&pem, &key), "does not allow extended key usage for client authentication");
    let (pem, key) = other.issue(&world, "nobody-here", |_| {});
    assert!(!world.eapol_test(&certificate(&pem, &key), 0).success);
    assert_eq!(world.decided("unknown-person"), 1);
}

/// A world in which this authority vouches for people.
fn vouched_for_by(own: &Authority) -> World {
    let world = World::new();
    world.write("own-ca.pem", &own.pem);
    world.configure(&[("eap", "crl_file = \"\""), ("eap", "client_ca_file = \"own-ca.pem\"")]);
    world
}

#[test]
fn first_kind_of_name_that_a_certificate_has_says_whose_it_is() {
    let own = Authority::named("Our authority");
    let world = vouched_for_by(&own);
    world.at_wifi("reply_user_name = true");
    let (upn, mail) = (world.env["LOGIN_USER"].clone(), world.employee().user);
    for name in ["laptop-7", "ann-common"] {
        assert!(world.daemon.run_with(&["person", "add", name], "copper meadow 41\n").status.success());
    }
    let principal = |name: &str| {
        let text = rcgen::OtherNameValue::Utf8String(format!("{name}@Example.EDU"));
        SanType::OtherName((vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3], text))
    };
    let every = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![
            SanType::DnsName("laptop-7".try_into().unwrap()),
            SanType::Rfc822Name(format!("{mail}@example.edu").try_into().unwrap()),
            principal(&upn),
        ];
    };
    let (pem, key) = own.issue(&world, "ann-common", every);
    let is_let_in = |names: &str, whom: &str| {
        world.configure(&[("eap", &format!("certificate_names = [{names}]"))]);
        let said = world.eapol_test(&certificate(&pem, &key), 0);
        assert!(said.success, "{names}\n{}", said.output);
        let accept = said.output.split("code=2 (Access-Accept)").nth(1).unwrap();
        let name = format!("Attribute 1 (User-Name) length={}\n      Value: '{whom}'", whom.len() + 2);
        assert!(accept.contains(&name), "{names} {whom}\n{accept}");
    };
    is_let_in("\"upn\", \"email\", \"common\"", &upn);
    is_let_in("\"email\", \"upn\"", &mail);
    is_let_in("\"dns\", \"email\"", "laptop-7");
    is_let_in("\"common\", \"upn\"", "ann-common");
    // Without the kinds that come first the next one counts.
    let (pem, key) = own.issue(&world, "ann-common", |_| {});
    let without = world.eapol_test(&certificate(&pem, &key), 0);
    assert!(without.success, "{}", without.output);
    world.configure(&[("eap", "certificate_names = [\"upn\", \"email\", \"dns\"]")]);
    refused(&world, (&pem, &key), "has no name of the kinds");
    assert_eq!(refusals(&world)[0], "certificate-refused claims \"ann-common\"");
}

#[test]
fn certificate_and_list_that_end_soon_are_spoken_of_in_the_status() {
    let own = Authority::named("Our authority");
    let world = vouched_for_by(&own);
    let status = world.daemon.json(&["status"]);
    assert_eq!(status["revocations"], serde_json::json!([]), "{status}");
    assert!(!status["warnings"].to_string().contains("ends soon"), "{status}");
    let soon = SystemTime::now() + Duration::from_secs(10 * 24 * 3600 + 3600);
    let server = |params: &mut CertificateParams| {
        let name = world.env["EAP_SERVER_NAME"].as_str().try_into().unwrap();
        params.subject_alt_names = vec![SanType::DnsName(name)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_after = soon.into();
    };
    let (pem, key) = own.issue(&world, "radius", server);
    std::fs::rename(pem, world.daemon.dir.join("server.pem")).unwrap();
    std::fs::rename(key, world.daemon.dir.join("keys/server.key.pem")).unwrap();
    let list = rcgen::CertificateRevocationListParams { next_update: soon.into(), ..until(2090) };
    world.write("own.crl", &own.list(&list));
    world.configure(&[("eap", "crl_file = \"own.crl\"")]);
    let status = world.daemon.json(&["status"]);
    let warnings = status["warnings"].to_string();
    for sentence in ["[eap] the certificate ends soon", "[eap] `crl_file` holds a list that ends soon"] {
        assert!(warnings.contains(sentence), "{sentence}: {warnings}");
    }
    let days = |table: &str| (&status[table][0]["section"], &status[table][0]["days"]);
    for table in ["certificates", "revocations"] {
        assert_eq!(days(table), (&"eap".into(), &10.into()), "{table}: {status}");
    }
}

#[test]
fn list_of_revoked_certificates_that_is_old_or_another_authority_s_vouches_for_nobody() {
    let world = World::new();
    let (own, other) = (Authority::named("Our authority"), Authority::new());
    let (pem, key) = own.issue(&world, &world.env["LOGIN_USER"].clone(), |_| {});
    world.write("own-ca.pem", &[&*own.pem, &*other.pem].concat());
    world.write("own.crl", &own.list(&until(2090)));
    world.configure(&[("eap", "crl_file = \"own.crl\""), ("eap", "client_ca_file = \"own-ca.pem\"")]);
    assert!(world.eapol_test(&certificate(&pem, &key), 0).success);
    world.write("own.crl", &own.list(&until(2021)));
    world.reload();
    refused(&world, (&pem, &key), "xpired");
    world.write("own.crl", &other.list(&until(2090)));
    world.reload();
    refused(&world, (&pem, &key), "UnknownRevocationStatus");
}

#[test]
fn session_of_a_certificate_ends_when_another_authority_is_trusted() {
    let world = World::new();
    let (pem, key) = (&world.env["EAP_CLIENT_CERT"], &world.env["EAP_CLIENT_KEY"]);
    let devices = VERSIONS.map(|version| tls_as(&world, version, (Path::new(pem), Path::new(key))));
    let all = || {
        devices
            .each_ref()
            .map(|device| Tunnel::without_password(Method::TLS, Nas::new(&world), &world, device).code)
    };
    assert_eq!([all(), all()], [[Code::ACCESS_ACCEPT; 2]; 2]);
    assert_eq!(world.decided("session-resumed"), 2);
    world.write("other-ca.pem", &Authority::new().pem);
    world.configure(&[("eap", "crl_file = \"\""), ("eap", "client_ca_file = \"other-ca.pem\"")]);
    assert_eq!(all(), [Code::ACCESS_REJECT; 2]);
    assert_eq!((world.decided("session-resumed"), world.decided("certificate-refused")), (2, 2));
}

#[test]
fn session_of_a_certificate_ends_with_the_list_that_has_it() {
    let world = World::new();
    let own = Authority::named("Our authority");
    let number = rcgen::SerialNumber::from(7);
    let numbered = |params: &mut CertificateParams| params.serial_number = Some(number.clone());
    let (pem, key) = own.issue(&world, &world.env["LOGIN_USER"].clone(), numbered);
    world.write("own-ca.pem", &own.pem);
    world.write("own.crl", &own.list(&until(2090)));
    world.configure(&[("eap", "crl_file = \"own.crl\""), ("eap", "client_ca_file = \"own-ca.pem\"")]);
    let devices = VERSIONS.map(|version| tls_as(&world, version, (&pem, &key)));
    let all = || {
        devices
            .each_ref()
            .map(|device| Tunnel::without_password(Method::TLS, Nas::new(&world), &world, device).code)
    };
    assert_eq!([all(), all()], [[Code::ACCESS_ACCEPT; 2]; 2]);
    assert_eq!(world.decided("session-resumed"), 2);
    let revoked = rcgen::RevokedCertParams {
        serial_number: number.clone(),
        revocation_time: date_time_ymd(2021, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let list = rcgen::CertificateRevocationListParams { revoked_certs: vec![revoked], ..until(2090) };
    world.write("own.crl", &own.list(&list));
    world.reload();
    assert_eq!(all(), [Code::ACCESS_REJECT; 2]);
    assert_eq!((world.decided("session-resumed"), world.decided("certificate-refused")), (2, 2));
    assert_eq!(world.daemon.log().matches("Revoked").count(), 2, "{}", world.daemon.log());
}

#[test]
fn certificate_of_the_server_is_replaced_by_a_reload() {
    let world = World::new();
    let other = Authority::new();
    let server = |params: &mut CertificateParams| {
        let name = world.env["EAP_SERVER_NAME"].as_str().try_into().unwrap();
        params.subject_alt_names = vec![SanType::DnsName(name)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let (pem, key) = other.issue(&world, "radius", server);
    let authority = world.write("other-ca.pem", &other.pem);
    let mut lines = vec!["eap=TTLS".to_owned(), "phase2=\"auth=PAP\"".to_owned()];
    lines.extend(crate::world::credentials(&world.env["LOGIN_USER"], &world.env["LOGIN_PASSWORD"]));
    let logs_in = || world.eapol_test_by(&authority.to_string_lossy(), &lines, 0).success;
    assert!(!logs_in());
    std::fs::rename(pem, world.daemon.dir.join("server.pem")).unwrap();
    std::fs::rename(key, world.daemon.dir.join("keys/server.key.pem")).unwrap();
    world.reload();
    assert!(logs_in());
}

#[test]
fn certificate_of_the_server_that_cannot_be_used_is_refused_by_a_reload_and_the_old_one_stays() {
    let world = World::new();
    let mut lines = vec!["eap=TTLS".to_owned(), "phase2=\"auth=PAP\"".to_owned()];
    lines.extend(crate::world::credentials(&world.env["LOGIN_USER"], &world.env["LOGIN_PASSWORD"]));
    let another = KeyPair::generate().unwrap().serialize_pem();
    let (certificate, key) = ("server.pem", "keys/server.key.pem");
    let cut = |name: &str| {
        let text = read(&world.daemon.dir.join(name));
        text[..text.len() / 2].to_owned()
    };
    let none = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let cases = [
        (certificate, none, "cannot be used"),
        (certificate, cut(certificate), "server.pem holds no certificates"),
        (key, cut(key), "server.key.pem holds no private key in PEM form"),
        (key, another, "certificate and private key cannot be used together"),
    ];
    for (name, text, sentence) in cases {
        let good = read(&world.daemon.dir.join(name));
        world.write(name, &text);
        let said = world.daemon.run(&["reload"]);
        let refused = String::from_utf8_lossy(&said.stderr);
        assert!(!said.status.success() && refused.contains(sentence), "{name}: {refused}");
        assert!(world.eapol_test(&lines, 0).success, "{sentence}");
        world.write(name, &good);
    }
    assert!(world.daemon.run(&["reload"]).status.success());
}

#[test]
fn realm_of_a_directory_is_not_taken_off_a_name_though_eap_realms_has_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    // Nobody answers there; `alice@example.edu` is somebody of that directory all the same, and not the `alice` who is here.
    let directory = "[[directory]]\nname = \"students\"\nservers = [\"ldaps://127.0.0.1:1\"]\nbind_dn = \"cn=reader\"\n\
                     secret = \"reader-password\"\nbase = \"ou=people,dc=example,dc=edu\"\nnames = \"qualified\"\n\
                     realms = [\"Example.edu\"]\n";
    std::fs::write(dir.path().join("conf.d/zz-later.toml"), directory).unwrap();
    let world = World::of(Daemon::demo_in(dir.path(), &[]));
    let (pem, key) = (&world.env["EAP_CLIENT_CERT"], &world.env["EAP_CLIENT_KEY"]);
    let said = world.eapol_test(&certificate(Path::new(pem), Path::new(key)), 0);
    assert!(!said.success && said.output.contains("Access-Reject"), "{}", said.output);
    assert_eq!((world.decided("unknown-person"), world.decided("certificate")), (1, 0));
}

/// `second_factor = "required"` is not to be had by a certificate alone, unless somebody has said so.
#[test]
fn certificate_opens_no_client_that_does_not_name_it() {
    let world = World::new();
    for (from, code) in [("127.0.0.5", Code::ACCESS_REJECT), (WIFI, Code::ACCESS_CHALLENGE)] {
        let mut nas = Nas::at(&world, from);
        let offered = nas.exchange(&response(0, Method::IDENTITY, b"anonymous"));
        let asked = nas.exchange(&response(offered.identifier(), Method::NAK, &[Method::TLS.0]));
        assert_eq!(asked.code, code, "{from}");
    }
    assert_eq!(world.decided("eap-method"), 1);
}
