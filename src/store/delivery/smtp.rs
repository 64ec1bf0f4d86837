//! Mail by SMTP: lettre writes the mail and speaks the protocol; the conversation is led here, because what became of a
//! mail depends on how far it got.
//!
//! ```text
//!   connect ─▶ EHLO ─▶ STARTTLS ─▶ AUTH ─▶ MAIL ─▶ RCPT ─▶ DATA ─▶ text, dot ─▶ 250
//!   └────────── any failure: not taken ──┘└─ 5xx: refused ─┘       │
//!                                          └─ else: not taken ─┘   └─ 4xx not taken, 5xx refused, else nobody knows
//! ```

use super::said::said_without;
use super::starttls::ClearThenTls;
use super::{DeliveryError, Message, Outcome, Provider, Verdict};
use crate::base::Secret;
use crate::config::{self, SmtpProtection};
use crate::domain::texts::Rendered;
use async_trait::async_trait;
use data_encoding::BASE64_NOPAD;
use lettre::address::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

/// Servers close connections that wait longer than some minutes (RFC 5321 §4.5.3.2.7); some much earlier.
const LONGEST_IDLE: Duration = Duration::from_secs(20);

/// See the module.
pub(super) struct Smtp {
    settings: config::Smtp,
    tls: Option<TlsParameters>,
    hello: ClientId,
    from: Mailbox,
    reply_to: Option<Mailbox>,
    /// Connections that wait for the next mail, and since when.
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Smtp({}:{})", self.settings.host, self.settings.port)
    }
}

/// A mail as it goes over the wire.
struct Letter {
    from: Address,
    to: Address,
    bytes: Secret<Vec<u8>>,
}

/// How far a mail got when something failed.
enum Failure {
    /// There was no conversation about this mail yet; `true`: an idle connection had died.
    Before(String, bool),
    /// The text had not been sent.
    Envelope(Error),
    /// The text was on its way.
    Text(Error),
}

impl Smtp {
    pub(super) fn new(settings: &config::Smtp) -> Result<Self, DeliveryError> {
        let tls = match settings.protection {
            SmtpProtection::None => None,
            SmtpProtection::StartTls | SmtpProtection::Tls => Some(tls(settings)?),
        };
        let from = mailbox(&settings.from)?;
        let reply_to = settings.reply_to.as_ref().map(mailbox).transpose()?;
        Ok(Self {
            settings: settings.clone(),
            tls,
            hello: ClientId::default(),
            from,
            reply_to,
            idle: Mutex::default(),
        })
    }

    /// The mail; the error is why there is none.
    fn letter(&self, message: &Message) -> Result<Letter, String> {
        let Rendered::Mail { subject, text, html } = &message.body else {
            return Err("this is no mail".to_owned());
        };
        let to: Address = message.to.parse().map_err(|_| "the address is none".to_owned())?;
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        // The id stays the same in every attempt, so that a receiver can tell a second copy.
        let id = format!("<{}@{}>", message.id, self.settings.from.address.domain());
        let mut building = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(subject)
            .message_id(Some(id))
            .date_now()
            .raw_header(HeaderValue::new(name, "auto-generated".to_owned()));
        if let Some(reply_to) = &self.reply_to {
            building = building.reply_to(reply_to.clone());
        }
        let parts = MultiPart::alternative_plain_html(text.clone(), html.clone());
        let mail = building.multipart(parts).map_err(|error| error.to_string())?;
        Ok(Letter { from: self.from.email.clone(), to, bytes: Secret::new(mail.formatted()) })
    }

    /// A connection that waits, or a new one; `true` if it waited.
    async fn connection(&self, fresh: bool) -> Result<(AsyncSmtpConnection, bool), String> {
        let waiting = || {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|(_, since)| since.elapsed() < LONGEST_IDLE);
            idle.pop()
        };
        if !fresh && let Some((connection, _)) = waiting() {
            return Ok((connection, true));
        }
        let mut connection = self.connect().await?;
        if let Some((user, secret)) = &self.settings.account {
            let password = String::from_utf8_lossy(secret.expose()).into_owned();
            let login = connection.auth(DEFAULT_MECHANISMS, &Credentials::new(user.clone(), password)).await;
            login.map_err(|error| error.to_string())?;
        }
        Ok((connection, false))
    }

    /// A new connection, protected as it should be.
    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let settings = &self.settings;
        let server = (settings.host.as_str(), settings.port);
        let failed = |error: Error| error.to_string();
        if settings.protection == SmtpProtection::StartTls
            && let Some(tls) = self.tls.clone()
        {
            let stream = ClearThenTls::connect(server).await;
            let stream = stream.map_err(|error| format!("no connection: {error}"))?;
            let connecting = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello);
            let mut connection = connecting.await.map_err(failed)?;
            // An error where the server does not offer it: nothing goes over the line in clear.
            connection.starttls(tls, &self.hello).await.map_err(failed)?;
            return Ok(connection);
        }
        let (timeout, tls) = (Some(settings.timeout), self.tls.clone());
        AsyncSmtpConnection::connect_tokio1(server, timeout, &self.hello, tls, None).await.map_err(failed)
    }

    /// One mail over one connection; what the server said at the end.
    async fn deliver(&self, letter: &Letter, fresh: bool, text_sent: &mut bool) -> Result<String, Failure> {
        let (mut connection, waited) =
            self.connection(fresh).await.map_err(|error| Failure::Before(error, false))?;
        if let Err(error) = connection.command(Mail::new(Some(letter.from.clone()), Vec::new())).await {
            let died = waited && error.status().is_none_or(|code| u16::from(code) == 421);
            return Err(if died {
                Failure::Before(error.to_string(), true)
            } else {
                Failure::Envelope(error)
            });
        }
        let rcpt = Rcpt::new(letter.to.clone(), Vec::new());
        connection.command(rcpt).await.map_err(Failure::Envelope)?;
        connection.command(Data).await.map_err(Failure::Envelope)?;
        *text_sent = true;
        let answer = connection.message(letter.bytes.expose()).await.map_err(Failure::Text)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.settings.connections {
            idle.push((connection, Instant::now()));
        }
        Ok(format!("{} {}", answer.code(), answer.message().next().unwrap_or_default()))
    }
}

#[async_trait]
impl Provider for Smtp {
    async fn send(&self, message: &Message) -> Verdict {
        self.mail(message).await.into()
    }
}

impl Smtp {
    /// What the server said, without what it was told: also as a login writes it.
    fn said(&self, text: &str, message: &Message) -> String {
        let Some((user, secret)) = &self.settings.account else { return said_without(text, message, &[]) };
        let password = String::from_utf8_lossy(secret.expose());
        let plain = Zeroizing::new(BASE64_NOPAD.encode(format!("\0{user}\0{password}").as_bytes()));
        let login = Zeroizing::new(BASE64_NOPAD.encode(secret.expose()));
        said_without(text, message, &[&password, &plain, &login])
    }

    fn judge(&self, failure: &Failure, message: &Message) -> Outcome {
        let said = |error: &Error| self.said(&error.to_string(), message);
        match failure {
            // Also 5xx: a wrong password of ours says nothing about the mail.
            Failure::Before(why, _) => Outcome::NotTaken(self.said(why, message)),
            Failure::Envelope(error) if error.is_permanent() => Outcome::Refused(said(error)),
            Failure::Envelope(error) => Outcome::NotTaken(said(error)),
            Failure::Text(error) if error.is_permanent() => Outcome::Refused(said(error)),
            Failure::Text(error) if error.is_transient() => Outcome::NotTaken(said(error)),
            Failure::Text(error) => Outcome::Unknown(said(error)),
        }
    }

    async fn mail(&self, message: &Message) -> Outcome {
        let letter = match self.letter(message) {
            Ok(letter) => letter,
            Err(why) => return Outcome::Refused(self.said(&why, message)),
        };
        let deadline = Instant::now() + self.settings.timeout;
        let mut fresh = false;
        loop {
            let mut text_sent = false;
            let delivered = timeout_at(deadline, self.deliver(&letter, fresh, &mut text_sent)).await;
            return match delivered {
                Ok(Ok(answer)) => Outcome::Sent(self.said(&answer, message)),
                // The server had closed a connection that waited: that says nothing about the mail.
                Ok(Err(Failure::Before(_, true))) if !fresh => {
                    fresh = true;
                    continue;
                }
                Ok(Err(failure)) => self.judge(&failure, message),
                Err(_) if text_sent => {
                    Outcome::Unknown("the server did not answer in time after the text".to_owned())
                }
                Err(_) => Outcome::NotTaken("the server did not answer in time".to_owned()),
            };
        }
    }
}

fn tls(settings: &config::Smtp) -> Result<TlsParameters, DeliveryError> {
    let fail = |error: Error| DeliveryError::new("[smtp]", error);
    let store =
        if settings.authorities.is_empty() { CertificateStore::Default } else { CertificateStore::None };
    let mut building = TlsParameters::builder(settings.host.clone()).certificate_store(store);
    for authority in &settings.authorities {
        building = building.add_root_certificate(Certificate::from_der(authority.to_vec()).map_err(fail)?);
    }
    building.build().map_err(fail)
}

fn mailbox(mailbox: &config::Mailbox) -> Result<Mailbox, DeliveryError> {
    let address = mailbox.address.as_str().parse();
    let address = address.map_err(|error| DeliveryError::new("[smtp]", error))?;
    Ok(Mailbox::new(Some(mailbox.name.clone()).filter(|name| !name.is_empty()), address))
}
