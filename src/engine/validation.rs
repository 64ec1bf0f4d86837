//! Uses up what YubiKeys typed, for programs that ask: by the same statement as a login, so that an OTP is good once,
//! wherever it comes first.

use super::once;
use crate::base::{Clock, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::domain::digest::CodeDigester;
use crate::domain::factor::{FactorKind, Material, Proof};
use crate::domain::reason::Reason;
use crate::domain::token::{Token, TokenState};
use crate::domain::yubikey;
use crate::store::{Audit, Logins, Result, Settled, Settlement, Tokens};
use crate::wire::yubico::{Otp, OtpError, Token as Said};
use std::sync::Arc;

/// Where OTPs are looked at.
pub struct KeyDesk {
    /// The inventory.
    pub tokens: Arc<dyn Tokens>,
    /// Where positions of keys that are somebody's are used up.
    pub logins: Arc<dyn Logins>,
    /// The trail.
    pub audit: Arc<dyn Audit>,
    /// Digests of requests.
    pub digester: CodeDigester,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// What is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Validated {
    /// It is good, and used up now.
    Good(Said),
    /// It was used before, or a later one was, or the key has just been taken away.
    Replayed,
    /// It was used by this very request: the same client, nonce and OTP, here or at another node.
    Repeated,
    /// It is none, or of a key that does not count here.
    Bad,
}

/// A program's request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The program.
    pub client: u32,
    /// What was typed, whatever it is.
    pub typed: &'a str,
    /// Tells its requests apart.
    pub nonce: &'a str,
    /// Id of the request, for log and audit.
    pub id: &'a str,
}

/// Who asks about what.
struct Asked<'a> {
    request: Request<'a>,
    /// Public id in modhex; empty if what was typed has none.
    subject: String,
    at: Timestamp,
}

/// Why it is no yes, and about which key if there is one.
struct Refusal {
    token: Option<Token>,
    reason: Reason,
}

impl Asked<'_> {
    fn entry(&self, token: Option<&Token>, outcome: &'static str, detail: &'static str) -> AuditEntry {
        AuditEntry {
            at: self.at,
            actor: format!("wsapi:{}", self.request.client),
            action: "yubikey.verify",
            person: token.and_then(|token| token.person),
            subject: self.subject.clone(),
            outcome,
            detail: detail.into(),
            request: self.request.id.to_owned(),
        }
    }
}

impl KeyDesk {
    /// Uses an OTP up for a client; every answer is in the trail first. `Err`: nothing could be decided.
    pub async fn use_up(&self, request: Request<'_>) -> Result<Validated> {
        let otp = Otp::parse(request.typed);
        let subject = otp.as_ref().map(|otp| otp.public_id.to_string()).unwrap_or_default();
        let asked = Asked { request, subject, at: self.clock.now() };
        let otp = match otp {
            Ok(otp) => otp,
            Err(error) => {
                let reason = match error {
                    OtpError::Length(_) => Reason::YubikeyLength,
                    OtpError::Layout(_) => Reason::YubikeyLayout,
                    OtpError::Character => Reason::YubikeyCharacters,
                };
                self.refuse(&asked, Refusal { token: None, reason }).await?;
                return Ok(Validated::Bad);
            }
        };
        let digest = self.digester.digest_request(request.client, request.nonce, &otp.to_string());
        let mark = once::of_request(&digest, asked.at);
        let (token, said) = match self.judge(&otp, asked.at).await? {
            Ok(good) => good,
            // A counter at its end is behind itself, as that of any replay.
            Err(refusal) if refusal.reason == Reason::YubikeyWorn => {
                return self.replayed(&asked, refusal, &mark.0).await;
            }
            Err(refusal) => {
                self.refuse(&asked, refusal).await?;
                return Ok(Validated::Bad);
            }
        };
        if self.accept(&asked, &token, said.position(), mark.clone()).await? {
            tracing::info!(
                client = request.client,
                request = request.id,
                key = asked.subject,
                "an OTP was used"
            );
            return Ok(Validated::Good(said));
        }
        let refusal = Refusal { token: Some(token), reason: Reason::PasscodeReplayed };
        self.replayed(&asked, refusal, &mark.0).await
    }

    /// Moves the key's position and leaves the mark, in one transaction; `false`: nothing was written.
    async fn accept(
        &self,
        asked: &Asked<'_>,
        token: &Token,
        position: u64,
        mark: (String, Timestamp),
    ) -> Result<bool> {
        let entry = asked.entry(Some(token), "accept", "valid");
        let (Some(_), Some(factor)) = (token.person, token.factor) else {
            return self.tokens.use_up(token.id, position, mark, entry).await;
        };
        let settlement = Settlement {
            accept: Some(Proof::Position { factor, position }),
            once: vec![mark],
            ..Settlement::of(entry)
        };
        Ok(self.logins.settle(Box::new(settlement)).await? == Settled::Done)
    }

    /// The position has passed. The mark, which came with it, tells whether this very request did that.
    async fn replayed(&self, asked: &Asked<'_>, refusal: Refusal, mark: &str) -> Result<Validated> {
        if !self.logins.is_marked(mark).await? {
            self.refuse(asked, refusal).await?;
            return Ok(Validated::Replayed);
        }
        self.audit.append(asked.entry(refusal.token.as_ref(), "reject", "request-repeated")).await?;
        let Request { client, id, .. } = asked.request;
        tracing::info!(client, request = id, key = asked.subject, "the request was answered before");
        Ok(Validated::Repeated)
    }

    async fn refuse(&self, asked: &Asked<'_>, Refusal { token, reason }: Refusal) -> Result<()> {
        let reason = reason.as_str();
        self.audit.append(asked.entry(token.as_ref(), "reject", reason)).await?;
        let Request { client, id, .. } = asked.request;
        tracing::info!(client, request = id, key = asked.subject, reason, "an OTP is refused");
        Ok(())
    }

    /// Which key made an OTP and what it says; or why it is none.
    async fn judge(&self, otp: &Otp, at: Timestamp) -> Result<std::result::Result<(Token, Said), Refusal>> {
        let named = otp.public_id.to_string();
        let found = self.tokens.find(&named).await?;
        let ours = |token: &Token| token.kind == FactorKind::Yubikey && token.name == named;
        let Some(token) = found.into_iter().find(ours) else {
            return Ok(Err(Refusal { token: None, reason: Reason::YubikeyUnknown }));
        };
        let reason = match &token.material {
            _ if token.state == TokenState::Revoked => Reason::YubikeyRevoked,
            Material::Yubikey { key: Some(key), .. } => match yubikey::open(key, token.next, otp) {
                Ok(said) => match token.person {
                    Some(person) if !self.tokens.owner_may_log_in(person, at).await? => {
                        Reason::PersonDisabled
                    }
                    _ => return Ok(Ok((token, said))),
                },
                Err(reason) => reason,
            },
            _ => Reason::YubikeyNoServer,
        };
        Ok(Err(Refusal { token: Some(token), reason }))
    }
}
