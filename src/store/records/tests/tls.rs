//! PostgreSQL over the network: the server proves who it is, and so does the user.

use super::postgres::{Options, Postgres};
use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server that takes a password over TLS only, for `localhost`.
fn server(authority: &CertifiedIssuer<'static, KeyPair>) -> (Postgres, u16) {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    // Taken and given back: nobody else takes it so soon.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let options = Options { port: Some(port), ..Options::default() };
    let mut server = Postgres::start(options);
    server.sql("postgres", "CREATE ROLE node LOGIN PASSWORD 'of-the-node'");
    server.sql("postgres", "CREATE DATABASE doorward OWNER node");
    server.sql("postgres", "ALTER SYSTEM SET ssl = on");
    server.write("server.crt", &certificate.pem());
    server.write("server.key", &key.serialize_pem());
    server.write("pg_hba.conf", "local all all trust\nhostssl all node 127.0.0.1/32 scram-sha-256\n");
    server.stop();
    server.run();
    (server, port)
}

#[tokio::test]
async fn server_and_user_prove_who_they_are() {
    let (ours, other) = (authority(), authority());
    let (_server, port) = server(&ours);
    let settings =
        |host: &str, password: &str, authority: &CertifiedIssuer<'static, KeyPair>| config::Store {
            postgres: Some(config::Postgres {
                url: format!("postgres://node@{host}:{port}/doorward"),
                password: Some(Secret::new(password.to_owned())),
                verified: true,
                authorities: vec![CertificateDer::from(authority.der().to_vec())],
            }),
            ..in_file(Path::new(""))
        };
    let open = async |settings: config::Store| Records::open(&settings, ring(&[("k1", 1)])).await;
    let records = open(settings("localhost", "of-the-node", &ours)).await.unwrap();
    records.audit().append(entry("told")).await.unwrap();
    let shown = records.write(|transaction| {
        Box::pin(async move {
            let shown = Query::new("SELECT current_setting('tcp_user_timeout')");
            Ok(shown.fetch_one(&mut transaction.connection).await?.text(0)?.to_owned())
        })
    });
    assert_eq!(shown.await.unwrap(), "25000", "an answer that nobody takes has a deadline too");
    for (settings, part) in [
        (settings("localhost", "wrong", &ours), "its password"),
        (settings("localhost", "of-the-node", &other), "invalid peer certificate"),
        (settings("127.0.0.1", "of-the-node", &ours), "not valid for name"),
    ] {
        let text = open(settings).await.unwrap_err().to_string();
        assert!(text.contains(part) && !text.contains("of-the-node"), "{text}");
    }
}
