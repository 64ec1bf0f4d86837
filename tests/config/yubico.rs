//! `[yubico]` and `[wsapi]`: what is understood, and what is refused in which words.

use super::*;
use doorward::wire::wsapi::SyncLevel;

const CLOUD: &str = "https://api.yubico.com/wsapi/2.0/verify";

fn section(urls: &str, more: &str) -> String {
    format!("{KEYS}[yubico]\nurls = [{urls}]\nclient_id = 7\nsecret_file = \"yubico.secret\"\n{more}\n")
}

#[test]
fn without_urls_nobody_is_asked() {
    assert_eq!(good(KEYS).yubico, None);
    assert_eq!(good(&section("", "")).yubico, None);
    assert_eq!(good(&section("", "timeout = \"20s\"")).yubico, None);
}

#[test]
fn servers_key_and_level_are_understood() {
    let local = "http://127.0.0.1:8000/wsapi/2.0/verify";
    let yubico = good(&section(&format!("\"{CLOUD}\", \"{local}\""), "sl = \"50\"")).yubico.unwrap();
    assert_eq!(yubico.urls.iter().map(|url| url.as_str()).collect::<Vec<_>>(), [CLOUD, local]);
    assert_eq!((yubico.client, yubico.sync), (7, Some(SyncLevel::Percent(50))));
    assert_eq!(yubico.timeout.as_secs(), 3);
    let shown = format!("{yubico:?}");
    assert!(!shown.contains("110, 111, 116") && !shown.contains("bm90"), "{shown}");
    for local in ["http://localhost/v", "http://[::1]:8000/v"] {
        assert_eq!(good(&section(&format!("\"{local}\""), "")).yubico.unwrap().sync, None);
    }
}

#[test]
fn what_cannot_work_is_told() {
    let cloud = format!("\"{CLOUD}\"");
    let many: Vec<_> = (0..9).map(|n| format!("\"https://v{n}.example.org/verify\"")).collect();
    for (text, message) in [
        (section("\"http://yubico.example.org/verify\"", ""), "OTPs would go to"),
        (section("\"http://10.0.0.1/verify\"", ""), "use https://"),
        (section("\"api.yubico.com\"", ""), "is no address of a validation server"),
        (section("\"ftp://api.yubico.com/x\"", ""), "is no address of a validation server"),
        (section("\"https://api.yubico.com\"", ""), "does not end with the path"),
        (section("\"https://api.yubico.com/verify?id=1\"", ""), "does not end with the path"),
        (section("\"https://api.yubico.com/verify#x\"", ""), "does not end with the path"),
        (section(&format!("{cloud}, {cloud}"), ""), "stands here twice"),
        (section(&many.join(", "), ""), "more than 8 servers"),
        (section(&cloud, "sl = \"101\""), "`101` is nothing for `sl`"),
        (section(&cloud, "sl = \"most\""), "`fast` or `secure`"),
        (section(&cloud, "timeout = \"10s\""), "shorter than radius.request_deadline"),
        (section(&cloud, "timeout = \"1ms\""), "from 200ms to 30s"),
        (section(&cloud, "").replace("client_id = 7\n", ""), "`client_id` is missing"),
        (section(&cloud, "").replace("client_id = 7\n", "client_id = -1\n"), "from 0 to 4294967295"),
        (section(&cloud, "").replace("yubico.secret", "vpn.secret"), "it is no base64"),
        (section(&cloud, "").replace("secret_file = \"yubico.secret\"", "secret = \"YWJj\""), "3 bytes"),
        (section(&cloud, "").replace("secret_file = \"yubico.secret\"\n", ""), "exactly one of"),
        (section(&cloud, "ca_file = \"none.pem\""), "cannot be read"),
    ] {
        let shown = report(&text);
        assert!(shown.contains(message) && shown.contains("\n1 error"), "{text}\n{shown}");
        assert!(!shown.contains("YWJj") && !shown.contains("bm90"), "{shown}");
    }
}

#[test]
fn password_in_a_url_is_refused_and_not_shown() {
    for url in ["https://doorward:hunter2@a/verify", "https://:hunter2@a/verify", "https://hunter2@a/verify"]
    {
        let shown = report(&section(&format!("\"{url}\""), ""));
        assert!(shown.contains("takes no user and no password"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

const CLIENT_7: &str = "[[wsapi.client]]\nid = 7\nsecret_file = \"yubico.secret\"\n";

fn served(listen: &str, more: &str) -> String {
    format!("{KEYS}[wsapi]\nlisten = [{listen}]\n{more}\n{CLIENT_7}")
}

/// Certificates for two names, with their keys, beside the configuration.
fn with_certificates(text: &str) -> tempfile::TempDir {
    let dir = folder(text);
    for name in ["a", "b"] {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![format!("{name}.example.org")]).unwrap();
        write(dir.path(), &format!("{name}.pem"), &params.self_signed(&key).unwrap().pem());
        write(dir.path(), &format!("{name}.key"), &key.serialize_pem());
    }
    dir
}

#[test]
fn nothing_is_served_unless_it_is_asked_for() {
    let wsapi = good(KEYS).wsapi;
    assert!(wsapi.listen.is_empty() && wsapi.clients.is_empty() && wsapi.tls.is_none());
}

#[test]
fn clients_and_their_networks_are_understood() {
    let client = CLIENT_7.replace('7', "8") + "networks = [\"192.0.2.0/24\", \"2001:db8::1\"]\n";
    let wsapi = good(&format!("{}{client}", served("\"127.0.0.1:0\", \"[::1]:0\"", ""))).wsapi;
    assert_eq!((wsapi.listen.len(), wsapi.rate), (2, 100));
    let asks = |id, from: &str| wsapi.clients[&id].asks_from(from.parse().unwrap());
    assert!(asks(7, "203.0.113.1") && asks(8, "192.0.2.9") && asks(8, "2001:db8::1"));
    assert!(asks(8, "::ffff:192.0.2.9"), "as a socket for both families sees it");
    assert!(!asks(8, "203.0.113.1") && !asks(8, "2001:db8::2"));
}

#[test]
fn tls_is_needed_beyond_this_machine_and_its_key_must_fit() {
    let text = |more: &str| served("\"0.0.0.0:8443\"", more);
    let pair = |certificate: &str, key: &str| {
        text(&format!("certificate_file = \"{certificate}\"\nprivate_key_file = \"{key}\""))
    };
    let dir = with_certificates(&pair("a.pem", "a.key"));
    let wsapi = load_with(dir.path(), &[]).unwrap_or_else(|errors| panic!("{errors}")).wsapi;
    assert_eq!(format!("{:?}", wsapi.tls), "Some([tls])");
    for (text, message) in [
        (text(""), "OTPs would come to 0.0.0.0:8443 unprotected"),
        (pair("a.pem", "b.key"), "cannot be used together"),
        (pair("a.key", "a.key"), "holds no certificates"),
        (pair("a.pem", "a.pem"), "holds no private key"),
        (pair("none.pem", "a.key"), "cannot be read"),
        (pair("a.pem", "none.key"), "cannot be read"),
        (text("certificate_file = \"a.pem\""), "exactly one of `private_key_file`"),
        (served("", "private_key_file = \"a.key\""), "a private key without its certificate"),
    ] {
        let shown = load_with(with_certificates(&text).path(), &[]).map(|_| ()).unwrap_err();
        assert!(shown.contains(message) && shown.contains("\n1 error"), "{text}\n{shown}");
    }
}

#[test]
fn what_cannot_be_served_is_told() {
    let here = "\"127.0.0.1:8443\"";
    for (text, message) in [
        (served("\"localhost\"", ""), "is nothing for `listen`"),
        (served(&format!("{here}, {here}"), ""), "stands here twice"),
        (served(here, "rate = 0"), "from 1 to 100000"),
        (served(here, "").replace(CLIENT_7, ""), "nobody may ask"),
        (served(here, "") + CLIENT_7, "two clients have the id 7"),
        (served(here, "").replace("id = 7", "id = 0"), "from 1 to 4294967295"),
        (served(here, "").replace("id = 7\n", ""), "`id` is missing"),
        (served(here, "").replace("yubico.secret", "vpn.secret"), "the key for client 7 cannot be used"),
        (served(here, "").replace("secret_file = \"yubico.secret\"\n", ""), "exactly one of"),
        (served(here, "") + "networks = [\"campus\"]\n", "is no network"),
    ] {
        let shown = report(&text);
        assert!(shown.contains(message) && shown.contains("\n1 error"), "{text}\n{shown}");
    }
}
