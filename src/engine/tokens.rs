//! The inventory at the desk: devices are imported, given to people and taken back; a YubiKey is bound by a touch.

use super::desk::{Actor, Desk, DeskError, Result, TouchProblem};
use crate::domain::factor::{Factor, FactorId, FactorKind, FactorState, Material, Proof};
use crate::domain::passcode::{Window, matching};
use crate::domain::person::Person;
use crate::domain::reason::Reason;
use crate::domain::token::{BadLine, File, Token, TokenId, TokenState};
use crate::domain::yubikey::{Validation, judge};
use crate::store::directory::import::ImportError;
use crate::store::{Assignment, NewFactor, NewToken, StoreError, TokenQuery, TokenStatus};
use crate::wire::yubico::{Otp, PublicId};
use std::collections::HashSet;

/// How a file is imported.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportRules {
    /// Only look what would come of it.
    pub dry_run: bool,
    /// Leave bad lines out instead of refusing the file.
    pub skip_bad: bool,
}

/// What came of an import.
#[derive(Debug)]
pub struct Imported {
    /// Tokens that are in the inventory now, or would be.
    pub imported: usize,
    /// Lines that were left out.
    pub left_out: Vec<ImportError>,
}

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

fn error(BadLine { line, problem }: BadLine) -> ImportError {
    ImportError { line, problem }
}

/// Tokens that the entry of an import names.
const LISTED: usize = 100;

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

/// The first names, and how many more there are.
fn listed<'n>(mut names: impl Iterator<Item = &'n str>) -> String {
    let mut listed = names.by_ref().take(LISTED).collect::<Vec<_>>().join(", ");
    match names.count() {
        0 => {}
        more => listed.push_str(&format!(" and {more} more")),
    }
    listed
}

impl Desk {
    /// Brings the tokens of a file into the inventory: all, or none if there is an error, unless bad lines may be left out.
    pub async fn import_tokens(&self, actor: &Actor, file: File, rules: ImportRules) -> Result<Imported> {
        let File { mut found, bad } = file;
        let mut bad: Vec<_> = bad.into_iter().map(error).collect();
        let names = found.iter().map(|found| (found.kind, found.name.clone())).collect();
        let known: HashSet<_> = self.tokens.known(names).await?.into_iter().collect();
        found.retain(|found| {
            let here = known.contains(&(found.kind, found.name.clone()));
            if here {
                let problem = format!("{} {} is in the inventory already", found.kind, found.name);
                bad.push(ImportError { line: found.line, problem });
            }
            !here
        });
        bad.sort_by_key(|bad| bad.line);
        if !bad.is_empty() && !rules.skip_bad {
            return Err(DeskError::Import(bad));
        }
        let imported = found.len();
        if !rules.dry_run && imported > 0 {
            let created = self.clock.now();
            let names = listed(found.iter().map(|found| found.name.as_str()));
            let new = found.into_iter().map(|found| NewToken {
                id: TokenId::from_uuid(self.new_uuid()),
                kind: found.kind,
                name: found.name,
                serial: found.serial,
                material: found.material,
                next: found.next,
                created,
            });
            let new = new.collect();
            let mut entry = self.entry(actor, "token.import", &format!("{imported} tokens"), None);
            entry.detail = format!("{imported} added, {} lines left out: {names}", bad.len()).into();
            self.tokens.import(new, entry).await?;
        }
        Ok(Imported { imported, left_out: bad })
    }

    /// Tokens, a page at a time.
    pub async fn list_tokens(&self, query: &TokenQuery) -> Result<Vec<TokenStatus>> {
        Ok(self.tokens.list(query).await?)
    }

    /// The one token with this id, public id or serial number.
    async fn token(&self, named: &str) -> Result<Token> {
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
            Some(code) => Some(self.proven(&token, code, wanted.window).await?),
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
        let otp = Otp::parse(wanted.code.unwrap_or_default()).map_err(|error| {
            DeskError::Otp(format!("This is no password of a YubiKey: {error}. Touch the key once more."))
        })?;
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
        let proven = self.position_of(&token, &otp).await?;
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
    async fn proven(&self, token: &Token, code: &str, window: Window) -> Result<u64> {
        if token.kind == FactorKind::Yubikey {
            let otp = Otp::parse(code).map_err(|error| {
                DeskError::Otp(format!("This is no password of a YubiKey: {error}. Touch the key once more."))
            })?;
            if otp.public_id.to_string() != token.name {
                return Err(DeskError::Touch(TouchProblem::Another));
            }
            return self.position_of(token, &otp).await;
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
    async fn position_of(&self, token: &Token, otp: &Otp) -> Result<u64> {
        let Material::Yubikey { key, .. } = &token.material else { return Err(DeskError::WrongCode) };
        let said = match (key, &self.validator) {
            (Some(key), _) => return judge(key, token.next, &otp.to_string()).map_err(problem),
            (None, Some(validator)) => validator.validate(otp).await.map_err(StoreError::from)?,
            (None, None) => Validation::Bad(Reason::YubikeyNoServer),
        };
        match said {
            Validation::Good(position) => Ok(position.unwrap_or(token.next)),
            Validation::Bad(reason) => Err(problem(reason)),
        }
    }

    async fn give(
        &self,
        actor: &Actor,
        person: &Person,
        (token, new): (Token, Option<NewToken>),
        (wanted, proven, action): (Wanted<'_>, Option<u64>, &'static str),
    ) -> Result<FactorId> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn import_names_what_came_in_as_far_as_there_is_room() {
        assert_eq!(listed(["vvcc", "77"].into_iter()), "vvcc, 77");
        let many = listed(std::iter::repeat_n("x", LISTED + 3));
        assert!(many.ends_with("x, x and 3 more") && many.matches('x').count() == LISTED);
    }
}
