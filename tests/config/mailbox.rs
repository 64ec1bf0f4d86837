//! `[mailbox]`: what is understood, and what is refused in which words.

use super::*;
use doorward::config::{DirectoryKind, MailboxKind, MailboxSettings};

const GRAPH: &str = "kind = \"graph\"\naccount = \"{username}@alumni.example.org\"\ntenant = \"example.onmicrosoft.com\"\n\
     client_id = \"11111111-2222\"\nclient_secret_file = \"vpn.secret\"\n";
const LDAP: &str = "kind = \"ldap\"\naccount = \"{email}\"\ndomains = [\"alumni.example.org\"]\n\
     servers = [\"ldaps://mail.example.org\"]\nbind_dn = \"cn=doorward\"\nsecret_file = \"vpn.secret\"\n\
     base = \"ou=mailboxes,dc=example,dc=org\"\n";

fn section(text: &str) -> String {
    format!("{KEYS}[mailbox]\n{text}")
}

fn mailbox(text: &str) -> MailboxSettings {
    good(&section(text)).mailbox.unwrap()
}

#[test]
fn without_a_kind_there_are_no_mailboxes() {
    assert_eq!(good(KEYS).mailbox, None);
    assert_eq!(good(&section("")).mailbox, None);
    assert_eq!(good(&section(&GRAPH.replace("\"graph\"", "\"none\""))).mailbox, None);
}

#[test]
fn tenant_app_and_clouds_are_understood() {
    let settings = mailbox(GRAPH);
    assert_eq!(settings.timeout.as_secs(), 20);
    let MailboxKind::Graph(graph) = &settings.provider else { panic!("{settings:?}") };
    assert_eq!(graph.login.as_str(), "https://login.microsoftonline.com/");
    assert_eq!(graph.graph.as_str(), "https://graph.microsoft.com/");
    assert_eq!(
        (graph.tenant.as_str(), graph.secret.expose().as_str()),
        ("example.onmicrosoft.com", "a-secret-of-some-length")
    );
    assert!(!format!("{settings:?}").contains("a-secret"), "{settings:?}");
    let national =
        "login_url = \"https://login.microsoftonline.us\"\ngraph_url = \"https://graph.microsoft.us/\"\n";
    let other = mailbox(&format!("{GRAPH}{national}"));
    assert_ne!(settings, other);
    assert_eq!(settings, mailbox(GRAPH), "a reload that changes nothing is seen as such");
    assert_ne!(settings, mailbox(&GRAPH.replace("vpn.secret", "campus.secret")));
    let MailboxKind::Graph(graph) = other.provider else { panic!() };
    assert_eq!(graph.graph.as_str(), "https://graph.microsoft.us/");
    for url in ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:2"] {
        mailbox(&format!("{GRAPH}login_url = \"{url}\"\ngraph_url = \"{url}\"\n"));
    }
}

#[test]
fn directories_are_understood_in_both_dialects() {
    let MailboxKind::Ldap(ldap) = mailbox(LDAP).provider else { panic!() };
    assert_eq!(
        (ldap.dialect, ldap.base.to_string().as_str()),
        (DirectoryKind::Ldap, "ou=mailboxes,dc=example,dc=org")
    );
    let MailboxKind::Ldap(ldap) = mailbox(&LDAP.replace("\"ldap\"", "\"active-directory\"")).provider else {
        panic!()
    };
    assert_eq!(ldap.dialect, DirectoryKind::ActiveDirectory);
    mailbox(&format!("{LDAP}filter = \"(&(uid={{username}})(objectClass=mailbox))\"\n"));
}

#[test]
fn what_cannot_work_is_told() {
    let graph = |from: &str, to: &str| section(&GRAPH.replace(from, to));
    let ldap = |from: &str, to: &str| section(&LDAP.replace(from, to));
    let (account, secret) = ("{username}@alumni.example.org", "client_secret_file = \"vpn.secret\"\n");
    let url = |key: &str, url: &str| section(&format!("{GRAPH}{key} = \"{url}\"\n"));
    for (text, message) in [
        (graph("\"graph\"", "\"exchange\""), "`exchange` is nothing for `kind`"),
        (graph(account, ""), "`account` is missing in [mailbox]"),
        (graph(account, "{user}@a.example"), "nothing is known as `{user}`"),
        (graph(account, "{email}"), "in which domain"),
        (graph(account, "all@a.example"), "the same mailbox for everybody"),
        (graph(account, "{username} {username}@a.example"), "does not come to an address"),
        (section(&format!("{GRAPH}domains = [\"a b\"]\n")), "`a b` is no domain"),
        (section(&format!("{GRAPH}timeout = \"1s\"\n")), "from 2s to 1m"),
        (graph("example.onmicrosoft.com", ""), "`tenant` is missing"),
        (graph("example.onmicrosoft.com", "a/../b"), "`a/../b` is nothing for `tenant`"),
        (graph("example.onmicrosoft.com", ".."), "`..` is nothing for `tenant`"),
        (graph("11111111-2222", ""), "`client_id` is missing"),
        (graph(secret, ""), "exactly one of `client_secret_file`"),
        (
            section(&format!("{GRAPH}client_secret_credential = \"x\"\n")),
            "exactly one of `client_secret_file`",
        ),
        (graph(secret, "client_secret_file = \"none.secret\"\n"), "cannot be read"),
        (
            url("graph_url", "http://graph.example.org"),
            "passwords would go to http://graph.example.org unprotected",
        ),
        (url("login_url", "http://10.0.0.1"), "unprotected"),
        (url("graph_url", "https://graph.example.org/v1.0"), "without a path"),
        (url("graph_url", "https://graph.example.org?x"), "without a path"),
        (url("login_url", "login.example.org"), "is no address for `login_url`"),
        (url("graph_url", "ftp://graph.example.org"), "is no address for `graph_url`"),
        (ldap("ldaps://mail.example.org", "http://mail.example.org"), "is no address of an LDAP server"),
        (ldap("\"ldaps://mail.example.org\"", ""), "`servers` is empty"),
        (
            ldap("ldaps://", "ldap://") + "start_tls = false\n",
            "passwords would go to ldap://mail.example.org",
        ),
        (ldap("ou=mailboxes,dc=example,dc=org", ""), "`base` is empty"),
        (ldap("cn=doorward", ""), "`bind_dn` is missing"),
        (ldap("secret_file = \"vpn.secret\"\n", ""), "exactly one of"),
        (section(&format!("{LDAP}filter = \"(mail=*)\"\n")), "is no filter that finds one mailbox"),
        (section(&format!("{LDAP}filter = \"(mail={{account}}\"\n")), "is no filter that finds one mailbox"),
        (section(&format!("{LDAP}bind = \"external\"\n")), "which only a Unix socket tells"),
    ] {
        let shown = report(&text);
        assert!(shown.contains(message) && shown.contains("\n1 error"), "{text}\n{shown}");
        assert!(shown.contains('^') && !shown.contains("a-secret"), "{shown}");
    }
}

#[test]
fn all_errors_are_told_at_once_and_secrets_in_the_wrong_place_are_not_shown() {
    let shown = report(&section("kind = \"graph\"\ngraph_url = \"http://a.example\"\ntimeout = \"1h\"\n"));
    for part in
        ["`account` is missing", "`tenant`", "`client_id`", "exactly one of", "unprotected", "out of range"]
    {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert!(shown.contains("\n6 errors"), "{shown}");
    let shown = report(&section(
        &GRAPH.replace("client_secret_file = \"vpn.secret\"", "client_secret = \"hunter2\""),
    ));
    assert!(
        shown.contains("unknown key `client_secret`")
            && shown.contains("exactly one of")
            && !shown.contains("hunter2"),
        "{shown}"
    );
    let shown = report(&section(&format!("{GRAPH}graph_url = \"https://doorward:hunter2@a\"\n")));
    assert!(shown.contains("takes no user and no password") && !shown.contains("hunter2"), "{shown}");
}
