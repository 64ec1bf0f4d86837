//! Uses up what YubiKeys typed, for programs that ask: by the same statement as a login, so that an OTP is good once,
//! wherever it comes first.

use crate::base::{Clock, Timestamp};
use crate::domain::audit::AuditEntry;
use crate::domain::factor::{FactorKind, Material, Proof};
use crate::domain::reason::Reason;
use crate::domain::token::{Token, TokenState};
use crate::store::{Audit, Logins, Result, Settled, Settlement, Tokens};
use crate::wire::yubico::{Otp, OtpError, Token as Said, TokenError};
use std::sync::Arc;

/// Where OTPs are looked at.
pub struct KeyDesk {
    /// The inventory.
    pub tokens: Arc<dyn Tokens>,
    /// Where positions of keys that are somebody's are used up.
    pub logins: Arc<dyn Logins>,
    /// The trail.
    pub audit: Arc<dyn Audit>,
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
    /// It is none, or of a key that does not count here.
    Bad,
}

/// Who asks about what.
struct Asked<'a> {
    client: u32,
    request: &'a str,
    /// Public id in modhex; empty if what was typed has none.
    subject: String,
    at: Timestamp,
}

impl Asked<'_> {
    fn entry(&self, token: Option<&Token>, outcome: &'static str, reason: &'static str) -> AuditEntry {
        AuditEntry {
            at: self.at,
            actor: format!("wsapi:{}", self.client),
            action: "yubikey.verify",
            person: token.and_then(|token| token.person),
            subject: self.subject.clone(),
            outcome,
            detail: reason.into(),
            request: self.request.to_owned(),
        }
    }
}

impl KeyDesk {
    /// Uses an OTP up for a client; every answer is in the trail first. `Err`: nothing could be decided.
    pub async fn use_up(&self, client: u32, typed: &str, request: &str) -> Result<Validated> {
        let otp = Otp::parse(typed);
        let subject = otp.as_ref().map(|otp| otp.public_id.to_string()).unwrap_or_default();
        let asked = Asked { client, request, subject, at: self.clock.now() };
        let (token, said) = match self.judge(otp, asked.at).await? {
            Ok(good) => good,
            Err((token, reason)) => {
                self.audit.append(asked.entry(token.as_ref(), "reject", reason.as_str())).await?;
                tracing::info!(client, request, key = asked.subject, reason = reason.as_str(), "no OTP");
                return Ok(Validated::Bad);
            }
        };
        let good = asked.entry(Some(&token), "accept", "valid");
        let replayed = asked.entry(Some(&token), "reject", Reason::PasscodeReplayed.as_str());
        let used = match (token.person, token.factor) {
            (Some(person), Some(factor)) => {
                let settlement = Settlement {
                    person: Some(person),
                    accept: Some(Proof::Position { factor, position: said.position() }),
                    once: Vec::new(),
                    joins: None,
                    message: None,
                    clear: Vec::new(),
                    refund: Vec::new(),
                    at: asked.at,
                    audit: good,
                    replayed: Some(replayed),
                    limited: None,
                };
                self.logins.settle(settlement).await? == Settled::Done
            }
            _ => self.tokens.use_up(token.id, said.position(), good, replayed).await?,
        };
        tracing::info!(client, request, key = asked.subject, used, "an OTP was looked at");
        Ok(if used { Validated::Good(said) } else { Validated::Replayed })
    }

    /// What an OTP says and which key made it; or why it is none, with the key if there is one.
    async fn judge(
        &self,
        otp: std::result::Result<Otp, OtpError>,
        at: Timestamp,
    ) -> Result<std::result::Result<(Token, Said), (Option<Token>, Reason)>> {
        let otp = match otp {
            Ok(otp) => otp,
            Err(error) => {
                let reason = match error {
                    OtpError::Length(_) => Reason::YubikeyLength,
                    OtpError::Layout(_) => Reason::YubikeyLayout,
                    OtpError::Character => Reason::YubikeyCharacters,
                };
                return Ok(Err((None, reason)));
            }
        };
        let named = otp.public_id.to_string();
        let found = self.tokens.find(&named).await?;
        let ours = |token: &Token| token.kind == FactorKind::Yubikey && token.name == named;
        let Some(token) = found.into_iter().find(ours) else {
            return Ok(Err((None, Reason::YubikeyUnknown)));
        };
        if token.state == TokenState::Revoked {
            return Ok(Err((Some(token), Reason::YubikeyRevoked)));
        }
        let Material::Yubikey { key: Some(key), .. } = &token.material else {
            return Ok(Err((Some(token), Reason::YubikeyNoServer)));
        };
        let said = match key.open(&otp) {
            Ok(said) => said,
            Err(TokenError::Crc) => return Ok(Err((Some(token), Reason::YubikeyChecksum))),
            Err(TokenError::PrivateId) => return Ok(Err((Some(token), Reason::YubikeyPrivateId))),
        };
        match token.person {
            Some(person) if !self.tokens.owner_may_log_in(person, at).await? => {
                Ok(Err((Some(token), Reason::PersonDisabled)))
            }
            _ => Ok(Ok((token, said))),
        }
    }
}
