//! `[api]` and `[[api_client]]`: what is understood, and what is refused in which words.

use super::*;

/// Served on this machine alone, with applications.
fn section(api: &str, clients: &str) -> String {
    format!("{KEYS}{CLIENT}[api]\nlisten = [\"127.0.0.1:8443\"]\n{api}\n{clients}\n")
}

fn application(name: &str, more: &str) -> String {
    format!("[[api_client]]\nname = \"{name}\"\n{more}\n")
}

fn by_network(name: &str, networks: &str) -> String {
    application(name, &format!("identify = \"network\"\nnetworks = [{networks}]"))
}

// R-API-1
#[test]
fn application_is_known_by_the_longest_of_the_prefixes() {
    let clients = by_network("campus", "\"10.0.0.0/8\"") + &by_network("mail", "\"10.1.2.3\"");
    let api = good(&section("", &clients)).api;
    let known = |address: &str| api.by_network(address.parse().unwrap()).map(|client| client.name.as_str());
    assert_eq!(known("10.1.2.3"), Some("mail"));
    assert_eq!(known("::ffff:10.1.2.3"), Some("mail"));
    assert_eq!(known("10.1.2.4"), Some("campus"));
    assert_eq!(known("192.0.2.1"), None);
}

// R-API-1
#[test]
fn what_cannot_work_or_lets_strangers_in_is_told() {
    let plain = application("mail", "");
    let keyed = "identify = \"key\"";
    for (api, clients, message) in [
        ("", String::new(), "nobody may ask"),
        ("listen = [\"0.0.0.0:8443\"]", plain.clone(), "would come to 0.0.0.0:8443 unprotected"),
        ("client_ca_file = \"none.pem\"", plain.clone(), "cannot be read"),
        ("client_ca_file = \"vpn.secret\"", plain.clone(), "holds no certificates"),
        ("private_key_file = \"vpn.secret\"", plain.clone(), "a private key without its certificate"),
        ("proxies = [\"10.0.0.1/8\"]", plain.clone(), "has bits beyond its prefix"),
        ("token_lifetime = \"1s\"", plain.clone(), "token_lifetime"),
        ("", plain.clone() + &plain, "two applications are called `mail`"),
        ("", application("vpn", ""), "a [[client]] is called `vpn` already"),
        ("", application("no name", ""), "is no name for an application"),
        ("", application("mail", "identify = \"network\""), "`networks` is empty"),
        ("", application("mail", "identify = \"certificate\""), "`certificates` is empty"),
        ("", application("mail", "certificates = [\"00\"]"), "is no SHA-256 of a certificate"),
        ("", application("mail", "rights = [\"everything\"]"), "everything"),
        ("", application("mail", "rate = 0"), "from 1 to 100000"),
        ("", application("mail", "networks = [\"10.0.0.1/8\"]"), "did you mean `10.0.0.0/8`?"),
        ("", application("mail", "networks = [\"::ffff:10.0.0.0/104\"]"), "write it as IPv4"),
        ("", by_network("mail", "\"0.0.0.0/0\""), "is everybody"),
        ("", by_network("mail", "\"::/0\""), "is everybody"),
        (
            "",
            by_network("a", "\"10.0.0.1\"") + &by_network("b", "\"10.0.0.1/32\""),
            "belongs to another application",
        ),
        ("", by_network("a", "\"10.0.0.1\", \"10.0.0.1\""), "belongs to another application"),
        ("proxies = [\"10.0.0.0/24\"]", by_network("mail", "\"10.0.0.9\""), "anybody can be behind it"),
        (
            "",
            application("mail", "identify = \"network\"\nnetworks = [\"10.0.0.1\"]\nrights = [\"enroll\"]"),
            "must have a key or a certificate",
        ),
    ] {
        let text = section("", &clients);
        let text = match api.strip_prefix("listen = ") {
            Some(listen) => text.replace("[\"127.0.0.1:8443\"]", listen),
            None => section(api, &clients),
        };
        let shown = report(&text);
        assert!(shown.contains(message) && shown.contains("\n1 error"), "{text}\n{shown}");
    }
    // With a key the prefix only narrows.
    let both = application("a", &format!("{keyed}\nnetworks = [\"10.0.0.1\"]"))
        + &application("b", &format!("{keyed}\nnetworks = [\"10.0.0.1\"]"));
    assert_eq!(good(&section("proxies = [\"10.0.0.1\"]", &both)).api.clients.len(), 2);
}
