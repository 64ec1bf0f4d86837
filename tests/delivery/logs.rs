//! What reaches the log, whatever its level, when messages are sent.

use super::{CODE, Providers, good, message, send, write};
use crate::support::gateway::{HttpGateway, Next};
use crate::support::smtp::{Certificates, MailServer};
use doorward::domain::method::Channel;
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

#[tokio::test]
async fn neither_codes_nor_texts_nor_secrets_nor_destinations_are_logged_even_at_the_finest_level() {
    let kept = Kept::default();
    let writer = kept.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());
    tracing::info!("it is kept");
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(dir.path());
    let mail =
        MailServer::start(dir.path(), "starttls", &certificates, ("doorward", "password-of-the-mailer"));
    let gateway = HttpGateway::start(Some(&certificates));
    write(dir.path(), "send", "#!/bin/sh\ncat >&2; exit 75\n", 0o700);
    let text = format!(
        "[smtp]\nhost = \"localhost\"\nport = {}\nfrom = \"it@example.org\"\nca_file = \"ca.pem\"\nuser = \"doorward\"\n\
         secret = \"password-of-the-mailer\"\n\
         [[gateway]]\nname = \"modem\"\nkind = \"exec\"\nprogram = \"send\"\nprefixes = [\"+44\"]\n\
         [[gateway]]\nname = \"web\"\nkind = \"http\"\nurl = \"https://localhost:{}/{{to}}?{{text}}\"\nca_file = \"ca.pem\"\n\
         secret_file = \"gateway.secret\"\nbody = \"{{code}}\"\ncontent_type = \"text/plain\"\n",
        mail.port,
        gateway.address.port()
    );
    let config = good(dir.path(), &text);
    let providers = Providers::new(&config).unwrap();
    gateway.will([Next::Answer(503, CODE.to_owned()), Next::Close, Next::Close, Next::Close, Next::Close]);
    for (channel, to) in
        [(Channel::Email, "ann@example.net"), (Channel::Sms, "+447400123456"), (Channel::Sms, "+15208782491")]
    {
        // Often enough that the breaker has something to say.
        for _ in 0..5 {
            let _ = send(&providers, &message(&config, channel, to)).await;
        }
    }
    assert_eq!((mail.wait(5).len(), gateway.asked().len()), (5, 4));
    let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("it is kept") && log.contains("cannot be delivered"), "{log}");
    for secret in [
        CODE,
        "7, 3, 9",
        "ann@example.net",
        "447400123456",
        "15208782491",
        "Müller",
        "password-of-the-mailer",
        "token-of-the-gateway",
        &data_encoding::BASE64.encode(b"\0doorward\0password-of-the-mailer"),
    ] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}
