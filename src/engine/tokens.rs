//! Tokens at the desk: they are given to people and taken back; a YubiKey is bound by a touch.

use super::desk::{Actor, Desk, DeskError, Result, TouchProblem};
use super::late_key::{LOCALISED, localised};
use crate::domain::factor::{Factor, FactorId, FactorKind, FactorState, Material, Proof};
use crate::domain::passcode::{Window, matching};
use crate::domain::person::Person;
use crate::domain::reason::Reason;
use crate::domain::token::{Token, TokenId, TokenState};
use crate::domain::yubikey::{Validation, judge};
use crate::store::{Assignment, NewFactor, NewToken, StoreError, TokenQuery, TokenStatus};
use crate::wire::yubico::{Otp, PublicId};

/// What is asked for when a token is given to somebody.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// Name that the person knows it by.
    pub label: Option<String>,
    /// Something that the token has just shown; it is used up.
    pub code: Option<&'a str>,
    /// Also if it was revoked.
    pub revoked: bool,
    /// How far codes may be off.
    pub window: Window,
}

/// What is wrong with a password that is none of the key.
const fn problem(reason: Reason) -> DeskError {
    DeskError::Touch(match reason {
        Reason::YubikeyChecksum => TouchProblem::Checksum,
        Reason::YubikeyPrivateId => TouchProblem::PrivateId,
        Reason::YubikeyWorn => TouchProblem::Worn,
        Reason::PasscodeReplayed => TouchProblem::Replayed,
        Reason::YubikeyNoServer => TouchProblem::NoServer,
        _ => TouchProblem::Refused,
    })
}

/// What a key has typed at the desk.
fn touched(typed: &str) -> Result<Otp> {
    let why = |error| format!("This is no password of a YubiKey: {error}. Touch the key once more.");
    Otp::parse(typed).map_err(|error| DeskError::Otp(why(error)))
}

impl Desk {
    /// Tokens, a page at a time.
    pub async fn list_tokens(&self, query: &TokenQuery) -> Result<Vec<TokenStatus>> {
        Ok(self.tokens.list(query).await?)
    }

    /// The one token with this id, public id or serial number.
    pub(super) async fn token(&self, named: &str) -> Result<Token> {
        let named = named.trim();
        let mut found = self.tokens.find(named).await?;
        if found.is_empty() {
            found = self.tokens.find(&named.to_lowercase()).await?;
        }
        match found.len() {
            0 => Err(DeskError::NoToken(named.to_owned())),
            1 => Ok(found.swap_remove(0)),
            _ => Err(DeskError::ManyTokens(named.to_owned())),
        }
    }

    /// Gives a token to a person.
    pub async fn assign_token(
        &self,
        actor: &Actor,
        named: &str,
        username: &str,
        wanted: Wanted<'_>,
    ) -> Result<FactorId> {
        let (person, token) = (self.person(username).await?, self.token(named).await?);
        let proven = match wanted.code {
            Some(code) => Some(self.proven(actor, &token, code, wanted.window).await?),
            None => None,
        };
        self.give(actor, &person, (token, None), (wanted, proven, "token.assign")).await
    }

    /// Binds the YubiKey that has just been touched to a person: one of the inventory, or one that a validation server knows.
    pub async fn enroll_yubikey(
        &self,
        actor: &Actor,
        username: &str,
        wanted: Wanted<'_>,
    ) -> Result<FactorId> {
        let person = self.person(username).await?;
        let otp = touched(wanted.code.unwrap_or_default())?;
        if otp.public_id.is_empty() {
            return Err(DeskError::Touch(TouchProblem::NoPublicId));
        }
        let named = otp.public_id.to_string();
        let known = self.tokens.find(&named).await?;
        let known = known.into_iter().find(|token| token.kind == FactorKind::Yubikey && token.name == named);
        let (token, new) = match known {
            Some(token) => (token, None),
            None => {
                let new = self.unknown_key(otp.public_id);
                (of_new(&new), Some(new))
            }
        };
        let proven = self.position_of(actor, &token, &otp).await?;
        self.give(actor, &person, (token, new), (wanted, Some(proven), "factor.enroll")).await
    }

    /// A key that only its validation server knows.
    fn unknown_key(&self, public_id: PublicId) -> NewToken {
        NewToken {
            id: TokenId::from_uuid(self.new_uuid()),
            kind: FactorKind::Yubikey,
            name: public_id.to_string(),
            serial: String::new(),
            material: Material::Yubikey { public_id, key: None },
            next: 0,
            created: self.clock.now(),
        }
    }

    /// The position at which a token shows this code.
    async fn proven(&self, actor: &Actor, token: &Token, code: &str, window: Window) -> Result<u64> {
        if token.kind == FactorKind::Yubikey {
            let otp = touched(code)?;
            if otp.public_id.to_string() != token.name {
                return Err(DeskError::Touch(TouchProblem::Another));
            }
            return self.position_of(actor, token, &otp).await;
        }
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let factor = Factor {
            // Nobody's yet: only the key in it counts.
            id: FactorId::from_uuid(uuid::Uuid::nil()),
            person: crate::domain::person::PersonId::from_uuid(uuid::Uuid::nil()),
            kind: token.kind,
            label: String::new(),
            state: FactorState::Pending,
            created: token.created,
            used: None,
            next: token.next,
            material: token.material.clone(),
        };
        match matching(&factor, &code, self.clock.now(), window, &self.digester) {
            Some(Proof::Position { position, .. }) => Ok(position),
            _ => Err(DeskError::WrongCode),
        }
    }

    /// The position of a password of a key; one that a validation server accepts and tells no position of comes after all others.
    async fn position_of(&self, actor: &Actor, token: &Token, otp: &Otp) -> Result<u64> {
        let Material::Yubikey { key, .. } = &token.material else { return Err(DeskError::WrongCode) };
        if let Some(key) = key {
            return judge(key, token.next, &otp.to_string()).map_err(problem);
        }
        let mut said = match &self.validator {
            Some(validator) => validator.validate(otp).await.map_err(StoreError::from)?,
            None => Validation::Bad(Reason::YubikeyNoServer),
        };
        let unserved = said == Validation::Bad(Reason::YubikeyNoServer);
        if unserved && self.tokens.waiting(&otp.public_id).await?.is_some() {
            // An administrator has the key in hand: good enough to begin with its counter.
            said = Validation::Good(None);
        }
        let entry = self.entry(actor, LOCALISED, &token.name, token.person);
        match localised(&*self.tokens, otp, said, entry).await? {
            Validation::Good(position) => Ok(position.unwrap_or(token.next)),
            Validation::Bad(reason) => Err(problem(reason)),
        }
    }

    async fn give(
        &self,
        actor: &Actor,
        person: &Person,
        (mut token, new): (Token, Option<NewToken>),
        (wanted, proven, action): (Wanted<'_>, Option<u64>, &'static str),
    ) -> Result<FactorId> {
        if new.is_none() && matches!(token.material, Material::Yubikey { key: None, .. }) {
            // What it has just typed may have shown where its counter stands.
            token = self.token(&token.id.to_string()).await?;
        }
        let id = FactorId::from_uuid(self.new_uuid());
        let number = if token.serial.is_empty() { &token.name } else { &token.serial };
        let label = wanted.label.filter(|label| !label.trim().is_empty());
        let label = label.unwrap_or_else(|| format!("{} {number}", token.kind));
        let mut entry = self.entry(actor, action, person.username.as_str(), Some(person.id));
        entry.detail = format!("{} {} {id}", token.kind, token.name).into();
        let factor = NewFactor {
            id,
            person: person.id,
            kind: token.kind,
            label: label.chars().filter(|c| !c.is_control()).take(64).collect(),
            state: FactorState::Active,
            created: self.clock.now(),
            material: token.material,
            next: token.next,
        };
        let assignment = Assignment { token: token.id, new, factor, proven, revoked: wanted.revoked };
        self.tokens.assign(assignment, entry).await?;
        Ok(id)
    }

    /// Takes a token back, lost or not: nobody logs in with it any more.
    pub async fn revoke_token(&self, actor: &Actor, named: &str) -> Result<Token> {
        let token = self.token(named).await?;
        let mut entry = self.entry(actor, "token.revoke", named, token.person);
        entry.detail = format!("{} {}", token.kind, token.name).into();
        self.tokens.revoke(token.id, entry).await?;
        Ok(token)
    }
}

/// A new token as it will be.
fn of_new(new: &NewToken) -> Token {
    Token {
        id: new.id,
        kind: new.kind,
        name: new.name.clone(),
        serial: new.serial.clone(),
        state: TokenState::Stock,
        person: None,
        factor: None,
        next: new.next,
        created: new.created,
        material: new.material.clone(),
    }
}
