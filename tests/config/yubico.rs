//! `[yubico]`: what is understood, and what is refused in which words.

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
