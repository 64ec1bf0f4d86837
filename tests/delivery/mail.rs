//! Mail to aiosmtpd.

use super::{CODE, Providers, detail, good, message, send};
use crate::support::gateway;
use crate::support::slapd::until;
use crate::support::smtp::{Certificates, MailServer};
use doorward::config::Config;
use doorward::domain::method::Channel;
use doorward::store::delivery::Outcome;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;

const ACCOUNT: (&str, &str) = ("doorward", "pässword of the mailer");

struct Post {
    dir: tempfile::TempDir,
    certificates: Certificates,
    server: MailServer,
}

impl Post {
    fn open(mode: &str, account: (&str, &str)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let certificates = Certificates::make(dir.path());
        let server = MailServer::start(dir.path(), mode, &certificates, account);
        Self { dir, certificates, server }
    }

    fn config(&self, mode: &str, account: (&str, &str), more: &str) -> Config {
        let login = if account.0.is_empty() {
            String::new()
        } else {
            format!("user = \"{}\"\nsecret = \"{}\"\n", account.0, account.1)
        };
        let ca = self.certificates.authority.display();
        good(
            self.dir.path(),
            &format!(
                "[smtp]\nhost = \"localhost\"\nport = {}\ntls = \"{mode}\"\nfrom = \"Example Üniversity <it@example.org>\"\n\
                 reply_to = \"help@example.org\"\nca_file = \"{ca}\"\n{login}{more}\n[institution]\nname = \"Éxample\"\n",
                self.server.port
            ),
        )
    }
}

async fn to(config: &Config, providers: &Providers, to: &str) -> Outcome {
    send(providers, &message(config, Channel::Email, to)).await
}

#[tokio::test]
async fn mail_arrives_whole_over_starttls_and_tls_with_login() {
    for mode in ["starttls", "tls"] {
        let post = Post::open(mode, ACCOUNT);
        let config = post.config(mode, ACCOUNT, "");
        let providers = Providers::new(&config).unwrap();
        let message = message(&config, Channel::Email, "ann@example.net");
        let outcome = send(&providers, &message).await;
        assert_eq!(outcome, Outcome::Sent("250 taken as 4711".to_owned()), "{mode}");
        let mail = &post.server.wait(1)[0];
        assert!(mail.tls && mail.ascii && mail.defects.is_empty(), "{mail:?}");
        assert_eq!(mail.login.as_deref(), Some("doorward"));
        assert_eq!(
            (mail.from.as_str(), mail.to.as_slice()),
            ("it@example.org", ["ann@example.net".to_owned()].as_slice())
        );
        assert_eq!(mail.header("From"), Some("Example Üniversity <it@example.org>"));
        assert_eq!(mail.header("To"), Some("ann@example.net"));
        assert_eq!(mail.header("Reply-To"), Some("help@example.org"));
        assert_eq!(mail.header("Subject"), Some("Éxample: your passcode"));
        assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
        assert_eq!(mail.header("Message-ID"), Some(format!("<{}@example.org>", message.id).as_str()));
        assert!(mail.header("Date").is_some(), "{mail:?}");
        let kinds: Vec<_> = mail.parts.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(
            (mail.kind.as_str(), kinds.as_slice()),
            ("multipart/alternative", ["text/plain", "text/html"].as_slice())
        );
        assert!(mail.parts[0].1.contains(CODE) && mail.parts[0].1.contains("<Müller>"), "{mail:?}");
        assert!(mail.parts[1].1.contains(CODE) && mail.parts[1].1.contains("&lt;Müller&gt;"), "{mail:?}");
    }
}

/// Waits until the end of our connection from this port shows that the server has closed it (CLOSE_WAIT, 08), or is gone.
fn until_closed_by_the_server(port: u16) {
    let ours = format!(":{port:04X}");
    until("the server's close", || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.find(|row| row[1].ends_with(&ours)).is_none_or(|row| row[3] == "08").then_some(())
    });
}

#[tokio::test]
async fn connections_are_used_again_and_one_that_the_server_closed_costs_no_mail() {
    let post = Post::open("none", ("", ""));
    let config = post.config("none", ("", ""), "");
    let providers = Providers::new(&config).unwrap();
    for name in ["a@example.net", "b@example.net", "leave@example.net"] {
        assert!(matches!(to(&config, &providers, name).await, Outcome::Sent(_)), "{name}");
    }
    let received = post.server.wait(3);
    assert!(received.iter().all(|mail| mail.peer == received[0].peer), "one connection");
    until_closed_by_the_server(received[0].peer);
    assert!(matches!(to(&config, &providers, "c@example.net").await, Outcome::Sent(_)));
    let received = post.server.wait(4);
    assert_ne!(received[3].peer, received[0].peer, "another one");
}

#[tokio::test]
async fn answers_of_the_server_decide_what_became_of_a_mail() {
    let post = Post::open("none", ("", ""));
    let config = post.config("none", ("", ""), "timeout = \"2s\"");
    let providers = Providers::new(&config).unwrap();
    for (name, kind) in [
        ("rcpt-450", "not taken"),
        ("rcpt-550", "refused"),
        ("data-451", "not taken"),
        ("data-554", "refused"),
        ("close", "unknown"),
        ("hang", "unknown"),
        ("fine", "sent"),
    ] {
        let outcome = to(&config, &providers, &format!("{name}@example.net")).await;
        let found = match &outcome {
            Outcome::Sent(_) => "sent",
            Outcome::NotTaken(_) => "not taken",
            Outcome::Refused(_) => "refused",
            Outcome::Unknown(_) => "unknown",
        };
        assert_eq!(found, kind, "{name}: {outcome:?}");
        if name.starts_with("data-") {
            assert!(detail(&outcome).contains("••••••"), "a server that repeats the text: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_where_the_server_cannot_be_trusted() {
    let refused = |outcome: &Outcome| matches!(outcome, Outcome::NotTaken(_));
    // STARTTLS is not offered.
    let plain = Post::open("none", ("", ""));
    let config = plain.config("starttls", ("", ""), "");
    let outcome = to(&config, &Providers::new(&config).unwrap(), "a@example.net").await;
    assert!(refused(&outcome) && detail(&outcome).contains("STARTTLS"), "{outcome:?}");
    assert!(plain.server.received().is_empty());
    // Another authority than the one that is trusted.
    for mode in ["starttls", "tls"] {
        let post = Post::open(mode, ("", ""));
        let stranger = tempfile::tempdir().unwrap();
        let config = Post { certificates: Certificates::make(stranger.path()), ..post };
        let settings = config.config(mode, ("", ""), "");
        let outcome = to(&settings, &Providers::new(&settings).unwrap(), "a@example.net").await;
        assert!(refused(&outcome) && detail(&outcome).to_lowercase().contains("certificate"), "{outcome:?}");
        assert!(config.server.received().is_empty());
    }
    // A wrong password says nothing about the mail.
    let post = Post::open("starttls", ACCOUNT);
    let config = post.config("starttls", ("doorward", "wrong"), "");
    let outcome = to(&config, &Providers::new(&config).unwrap(), "a@example.net").await;
    assert!(refused(&outcome) && detail(&outcome).contains("535"), "{outcome:?}");
    assert!(!detail(&outcome).contains("wrong"), "{outcome:?}");
    // Nobody listens.
    let port = post.server.port;
    drop(post.server);
    let text = format!("[smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nfrom = \"a@b.org\"\n");
    let config = good(Path::new(post.dir.path()), &text);
    let outcome = to(&config, &Providers::new(&config).unwrap(), "a@example.net").await;
    assert!(refused(&outcome), "{outcome:?}");
}

/// Whoever sits between may add answers to the one that TLS begins after.
#[tokio::test]
async fn what_came_before_tls_is_not_taken_for_an_answer_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let tls = gateway::server(&Certificates::make(dir.path()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        for answer in
            ["220 here\r\n", "250-here\r\n250 STARTTLS\r\n", "220 go\r\n250-here\r\n250 AUTH PLAIN\r\n"]
        {
            stream.write_all(answer.as_bytes()).unwrap();
            if !answer.contains("go") {
                lines.read_line(&mut String::new()).unwrap();
            }
        }
        let connection = rustls::ServerConnection::new(tls).unwrap();
        let mut heard = Vec::new();
        let _ = rustls::StreamOwned::new(connection, stream).read_to_end(&mut heard);
        String::from_utf8(heard).unwrap()
    });
    let text = format!(
        "[smtp]\nhost = \"localhost\"\nport = {port}\nfrom = \"a@b.org\"\nca_file = \"ca.pem\"\ntimeout = \"2s\"\n"
    );
    let config = good(dir.path(), &text);
    let outcome = to(&config, &Providers::new(&config).unwrap(), "a@example.net").await;
    assert!(matches!(outcome, Outcome::NotTaken(_)), "{outcome:?}");
    assert_eq!(server.join().unwrap(), "", "nothing is said to a server that may be another");
}
