//! What reaches the log, whatever its level, when passwords are set.

use super::graph::{SECRET, error, lines, token};
use super::{PASSWORD, set, settings, write};
use crate::support::gateway::{HttpGateway, Next};
use crate::support::smtp::Certificates;
use doorward::store::mailbox::MailboxProvider;
use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

// Invariant 5
#[tokio::test]
async fn neither_passwords_nor_tokens_nor_the_client_secret_are_logged_even_at_the_finest_level() {
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(dir.path());
    let gateway = HttpGateway::start(Some(&certificates));
    let url = format!("https://localhost:{}", gateway.address.port());
    let text = lines(&gateway).replace(&format!("http://{}", gateway.address), &url);
    write(dir.path(), "client.secret", SECRET);
    let settings = settings(dir.path(), &format!("{text}ca_file = \"ca.pem\"\n"));
    let provider = MailboxProvider::new(Some(&settings)).unwrap();
    gateway.will([
        token("ey.never-logged"),
        Next::Answer(204, String::new()),
        error(400, "Request_BadRequest", &format!("password {PASSWORD}")),
        error(403, "Authorization_RequestDenied", "ey.never-logged"),
        Next::Half(500),
        Next::Answer(500, PASSWORD.to_owned()),
    ]);
    set(&provider, "karim", PASSWORD).await.unwrap();
    for _ in 0..3 {
        let found = set(&provider, "karim", PASSWORD).await.unwrap_err();
        assert!(!format!("{found:?}").contains("ey.never"), "{found:?}");
        tracing::info!("{found} {found:?}");
    }
    assert_eq!(gateway.asked().len(), 6);
    let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("TRACE") && log.contains("may or may not"), "{log}");
    for secret in [PASSWORD, "meadow", "never-logged", SECRET, "Value~of"] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}
