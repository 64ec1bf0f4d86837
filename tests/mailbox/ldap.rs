//! A second LDAP directory: a real slapd.

use super::{PASSWORD, account, set, settings, write};
use crate::support::slapd::{BASE, LdapTools, SERVICE, Slapd, person_dn};
use doorward::store::mailbox::{MailboxError, MailboxProvider};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn lines(slapd: &Slapd, server: &str) -> String {
    format!(
        "kind = \"ldap\"\naccount = \"{{username}}@example.org\"\nservers = [{server}]\nca_file = \"{}\"\nbind_dn = \"{}\"\n\
         secret_file = \"service.secret\"\nbase = \"ou=people,{BASE}\"\ntimeout = \"40s\"\n",
        slapd.ca().display(),
        SERVICE.0
    )
}

fn provider(dir: &Path, lines: &str) -> MailboxProvider {
    write(dir, "service.secret", SERVICE.1);
    MailboxProvider::new(Some(&settings(dir, lines))).unwrap()
}

fn quoted(uri: &str) -> String {
    format!("\"{uri}\"")
}

// R-ALUM-2
#[tokio::test]
async fn password_set_here_logs_in_there_over_every_way_in() {
    let (slapd, dir) = (Slapd::start(), tempfile::tempdir().unwrap());
    slapd.add_person("karim", "the-old-password");
    slapd.add_person("lena", "another-password");
    let dn = person_dn("karim");
    let uris = [slapd.ldaps_uri(), slapd.uri(), slapd.ldapi_uri()];
    for (number, uri) in uris.iter().enumerate() {
        let provider = provider(dir.path(), &lines(&slapd, &quoted(uri)));
        let password = format!("{PASSWORD} {number}");
        set(&provider, "karim", &password).await.unwrap();
        assert!(slapd.ldapwhoami(&dn, &password), "{uri}");
        let found = provider.current().unwrap().find(&account(&provider, "karim")).await.unwrap();
        assert!(found.entry.eq_ignore_ascii_case(&dn), "{found:?}");
    }
    assert!(!slapd.ldapwhoami(&dn, "the-old-password"));
    assert!(slapd.ldapwhoami(&person_dn("lena"), "another-password"), "nobody else's was touched");
    assert_eq!(slapd.count(" PASSMOD "), 3);
}

#[tokio::test]
async fn refusals_of_the_directory_are_sentences_and_nothing_is_changed() {
    let (slapd, dir) = (Slapd::start(), tempfile::tempdir().unwrap());
    slapd.add_person("karim", "the-old-password");
    let good = lines(&slapd, &quoted(&slapd.ldaps_uri()));
    let here = provider(dir.path(), &good);
    let found = set(&here, "karim", "tooshrt").await.unwrap_err();
    assert_eq!(found.sentence(), "Use a longer password: the directory asks for more characters.");
    let found = set(&here, "nobody", PASSWORD).await.unwrap_err();
    assert!(matches!(found, MailboxError::NoMailbox(_)), "{found:?}");
    // A filter that finds several, one that asks what the service account may not change, a wrong password of its.
    let several = provider(dir.path(), &format!("{good}filter = \"(|(mail={{account}})(uid=*))\"\n"));
    slapd.add_person("lena", "another-password");
    let found = set(&several, "karim", PASSWORD).await.unwrap_err();
    assert!(matches!(&found, MailboxError::Misconfigured(why) if why.contains("several")), "{found:?}");
    let reader = good.replace(SERVICE.0, &person_dn("lena")).replace("service.secret", "lena.secret");
    write(dir.path(), "lena.secret", "another-password");
    let found = set(&provider(dir.path(), &reader), "karim", PASSWORD).await.unwrap_err();
    assert!(matches!(&found, MailboxError::Misconfigured(why) if why.contains("may not set")), "{found:?}");
    write(dir.path(), "lena.secret", "a-wrong-password");
    let found = set(&provider(dir.path(), &reader), "karim", PASSWORD).await.unwrap_err();
    assert!(
        matches!(&found, MailboxError::Misconfigured(why) if why.contains("bind of the service")),
        "{found:?}"
    );
    assert!(slapd.ldapwhoami(&person_dn("karim"), "the-old-password"));
}

#[tokio::test]
async fn names_are_values_of_the_filter_and_never_grammar() {
    let (slapd, dir) = (Slapd::start(), tempfile::tempdir().unwrap());
    let awkward = "a*b{account}'c";
    slapd.ldif(&format!(
        "dn: uid=awkward,ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {awkward}\ncn: x\nsn: x\n\
         mail: {awkward}@example.org\nuserPassword: the-old-password\n"
    ));
    slapd.add_person("axb", "another-password");
    for filter in ["", "(uid={username})", "(&(mail={account})(uid={username}))"] {
        let text = format!("{}filter = \"{filter}\"\n", lines(&slapd, &quoted(&slapd.ldaps_uri())));
        let provider = provider(dir.path(), &text);
        let found = provider.current().unwrap().find(&account(&provider, awkward)).await.unwrap();
        assert!(found.entry.starts_with("uid=awkward,"), "{filter}: {found:?}");
        let star = account(&provider, "*");
        let found = provider.current().unwrap().find(&star).await;
        assert!(matches!(found, Err(MailboxError::NoMailbox(_))), "{filter}: {found:?}");
    }
}

#[tokio::test]
async fn server_that_is_down_is_passed_over_and_one_that_is_not_trusted_gets_nothing() {
    let (mut slapd, dir) = (Slapd::start(), tempfile::tempdir().unwrap());
    slapd.add_person("karim", "the-old-password");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let two = format!("\"ldaps://{nobody}\", \"{}\"", slapd.ldaps_uri());
    let both = provider(dir.path(), &lines(&slapd, &two));
    set(&both, "karim", PASSWORD).await.unwrap();
    assert!(slapd.ldapwhoami(&person_dn("karim"), PASSWORD));
    let stranger = lines(&slapd, &quoted(&slapd.ldaps_uri()))
        .replace(&slapd.ca().display().to_string(), &slapd.wrong_ca().display().to_string());
    let binds = slapd.binds(SERVICE.0);
    let found = set(&provider(dir.path(), &stranger), "karim", "another password 1").await.unwrap_err();
    assert!(matches!(&found, MailboxError::Unreachable(why) if why.contains("TLS")), "{found:?}");
    assert_eq!(slapd.binds(SERVICE.0), binds);
    slapd.stop();
    let found = set(&both, "karim", "another password 2").await.unwrap_err();
    assert!(matches!(found, MailboxError::Unreachable(_)), "{found:?}");
}

/// A directory that answers everything but the change itself.
#[tokio::test]
async fn change_without_an_answer_may_have_been_made() {
    let (slapd, dir) = (Slapd::start(), tempfile::tempdir().unwrap());
    slapd.add_person("karim", "the-old-password");
    let proxy = cutting_proxy(&slapd.uri());
    let text = lines(&slapd, &quoted(&format!("ldap://{proxy}"))) + "start_tls = false\n";
    let found = set(&provider(dir.path(), &text), "karim", PASSWORD).await.unwrap_err();
    assert!(matches!(found, MailboxError::Unknown(_)), "{found:?}");
    assert_eq!(slapd.count(" PASSMOD "), 1, "asked once");
    assert!(slapd.ldapwhoami(&person_dn("karim"), PASSWORD), "here it was");
}

/// Passes everything on; what the server says after a change of a password (its OID) was sent does not come back.
fn cutting_proxy(uri: &str) -> std::net::SocketAddr {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, server) = (listener.local_addr().unwrap(), uri.trim_start_matches("ldap://").to_owned());
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(server).unwrap();
        let cut = Arc::new(AtomicBool::new(false));
        let (mut back, mut answers, cuts) =
            (client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(&cut));
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = answers.read(&mut buffer) {
                if cuts.load(Ordering::SeqCst) {
                    break;
                }
                back.write_all(&buffer[..count]).unwrap();
            }
            let _ = back.shutdown(Shutdown::Both);
        });
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            if is_change(&buffer[..count]) {
                cut.store(true, Ordering::SeqCst);
            }
            server.write_all(&buffer[..count]).unwrap();
        }
    });
    address
}

fn is_change(request: &[u8]) -> bool {
    let oid = b"1.3.6.1.4.1.4203.1.11.1";
    request.windows(oid.len()).any(|window| window == oid)
}
