//! The inventory at the desk: files of tokens are taken in, tokens are removed for good.

use super::desk::{Actor, Desk, DeskError, Result};
use crate::domain::factor::{FactorId, FactorKind, FactorState, Material};
use crate::domain::person::Person;
use crate::domain::token::{BadLine, File, Found, Origin, Plan, Token, TokenId, TokenState};
use crate::store::directory::import::ImportError;
use crate::store::{Assignment, Given, Import, LateKey, NewFactor, NewToken, Replacement};
use std::collections::{HashMap, HashSet};

/// How a file is imported.
#[derive(Debug, Clone, Default)]
pub struct ImportRules {
    /// Only look what would come of it.
    pub dry_run: bool,
    /// Leave bad lines out instead of refusing the file.
    pub skip_bad: bool,
    /// Overwrite tokens that nobody has.
    pub replace: bool,
    /// Put before the names of OATH tokens.
    pub prefix: String,
}

/// What came of an import, or would come of it.
#[derive(Debug, Default)]
pub struct Imported {
    /// Tokens that were not there before.
    pub added: usize,
    /// Names of those that were overwritten.
    pub replaced: Vec<String>,
    /// Names of YubiKeys that a validation server has judged so far, and whose AES keys wait for their next touch.
    pub late: Vec<String>,
    /// Lines that were left out.
    pub left_out: Vec<ImportError>,
    /// What should be known of the others.
    pub notes: Vec<ImportError>,
}

impl Imported {
    /// Whether anything changes.
    pub fn is_nothing(&self) -> bool {
        self.added + self.replaced.len() + self.late.len() == 0
    }

    /// For the audit trail.
    pub fn summary(&self) -> String {
        format!(
            "{} added, {} replaced, {} keys, {} lines left out",
            self.added,
            self.replaced.len(),
            self.late.len(),
            self.left_out.len()
        )
    }
}

fn error(BadLine { line, problem }: BadLine) -> ImportError {
    ImportError { line, problem }
}

/// Tokens that the entry of an import names.
const LISTED: usize = 100;

/// The first names, and how many more there are.
fn listed<'n>(mut names: impl Iterator<Item = &'n str>) -> String {
    let mut listed = names.by_ref().take(LISTED).collect::<Vec<_>>().join(", ");
    match names.count() {
        0 => {}
        more => listed.push_str(&format!(" and {more} more")),
    }
    listed
}

/// An import on its way.
#[derive(Default)]
struct Draft {
    import: Import,
    names: Vec<String>,
    done: Imported,
}

impl Desk {
    /// Brings the tokens of a file into the inventory: all, or none if there is an error, unless bad lines may be left out.
    pub async fn import_tokens(
        &self,
        actor: &Actor,
        mut file: File,
        rules: &ImportRules,
    ) -> Result<Imported> {
        file.prefix(&rules.prefix);
        let File { found, bad, notes } = file;
        let mut draft = Draft::default();
        draft.done.left_out = bad.into_iter().map(error).collect();
        let names = found.iter().map(|found| (found.kind, found.name.clone())).collect();
        let known: HashMap<(FactorKind, String), Token> = self
            .stock
            .known(names)
            .await?
            .into_iter()
            .map(|known| ((known.kind, known.name.clone()), known))
            .collect();
        for found in found {
            let (line, known) = (found.line, known.get(&(found.kind, found.name.clone())));
            match found.plan(known, rules.replace) {
                Plan::Refuse(problem) => draft.done.left_out.push(ImportError { line, problem }),
                plan => self.take_in(actor, &mut draft, found, (plan, known)).await?,
            }
        }
        let Draft { import, names, mut done } = draft;
        done.left_out.sort_by_key(|bad| bad.line);
        let left_out: HashSet<_> = done.left_out.iter().map(|bad| bad.line).collect();
        done.notes.extend(notes.into_iter().filter(|note| !left_out.contains(&note.line)).map(error));
        done.notes.sort_by_key(|note| note.line);
        if !done.left_out.is_empty() && !rules.skip_bad {
            return Err(DeskError::Import(done.left_out));
        }
        if !rules.dry_run && !done.is_nothing() {
            let mut entry = self.entry(actor, "token.import", &format!("{} tokens", names.len()), None);
            entry.detail = format!("{}: {}", done.summary(), listed(names.iter().map(String::as_str))).into();
            self.stock.import(import, entry).await?;
        }
        Ok(done)
    }

    async fn take_in(
        &self,
        actor: &Actor,
        draft: &mut Draft,
        found: Found,
        (plan, known): (Plan, Option<&Token>),
    ) -> Result<()> {
        draft.names.push(found.name.clone());
        match (plan, known) {
            (Plan::Replace { same }, Some(known)) => {
                let Found { kind, serial, material, next, name, .. } = found;
                draft.done.replaced.push(name);
                draft.import.replaced.push(Replacement {
                    token: known.id,
                    kind,
                    serial,
                    material,
                    next,
                    same,
                });
            }
            (Plan::Wait, Some(known)) => {
                draft.done.late.push(found.name.clone());
                if let Material::Yubikey { public_id, key: Some(key) } = found.material {
                    draft.import.keys.push(LateKey { token: known.id, public_id, serial: found.serial, key });
                }
            }
            _ => {
                draft.done.added += 1;
                self.add_token(actor, draft, found).await?;
            }
        }
        Ok(())
    }

    async fn add_token(&self, actor: &Actor, draft: &mut Draft, found: Found) -> Result<()> {
        let Found { line, name, serial, kind, material, next, origin, .. } = found;
        let (id, created) = (TokenId::from_uuid(self.new_uuid()), self.clock.now());
        let new = NewToken { id, kind, name, serial, material, next, created };
        let Some(origin) = origin else {
            draft.import.new.push(new);
            return Ok(());
        };
        if origin.revoked {
            draft.import.revoked.push(id);
        }
        if let (Material::Yubikey { public_id, .. }, Some(key)) = (&new.material, &origin.waiting) {
            let (public_id, serial, key) = (*public_id, new.serial.clone(), key.clone());
            draft.import.keys.push(LateKey { token: id, public_id, serial, key });
        }
        match &origin.user {
            None => draft.import.new.push(new),
            Some(user) => match self.person(user).await {
                Ok(person) => draft.import.given.push(self.given(actor, &person, new, origin)),
                Err(DeskError::NoPerson(_)) => {
                    let problem = format!("it was {user}'s, whom nobody knows here; it is nobody's now");
                    draft.done.notes.push(ImportError { line, problem });
                    draft.import.new.push(new);
                }
                Err(error) => return Err(error),
            },
        }
        Ok(())
    }

    /// A token that comes in together with its owner.
    fn given(&self, actor: &Actor, person: &Person, new: NewToken, origin: Origin) -> Given {
        let id = FactorId::from_uuid(self.new_uuid());
        let mut audit = self.entry(actor, "token.assign", person.username.as_str(), Some(person.id));
        audit.detail = format!("{} {} {id}", new.kind, new.name).into();
        let label = origin.label.unwrap_or_else(|| format!("{} {}", new.kind, new.name));
        let factor = NewFactor {
            id,
            person: person.id,
            kind: new.kind,
            label,
            state: FactorState::Active,
            created: new.created,
            material: new.material.clone(),
            next: new.next,
        };
        let token = new.id;
        let assignment = Assignment { token, new: Some(new), factor, proven: None, revoked: false };
        Given { assignment, used: origin.used, audit }
    }

    /// Removes tokens that nobody has for good, with their counters: all of them, or none.
    pub async fn remove_tokens(&self, actor: &Actor, named: &[String]) -> Result<usize> {
        let mut tokens: Vec<Token> = Vec::with_capacity(named.len());
        for named in named {
            let token = self.token(named).await?;
            if token.state == TokenState::Assigned {
                return Err(DeskError::Conflict(format!(
                    "nothing was removed: {named} is somebody's. Take it back first (`doorward token revoke {named}`)"
                )));
            }
            if tokens.iter().all(|other| other.id != token.id) {
                tokens.push(token);
            }
        }
        let count = tokens.len();
        let mut entry = self.entry(actor, "token.remove", &format!("{count} tokens"), None);
        entry.detail = listed(tokens.iter().map(|token| token.name.as_str())).into();
        self.stock.remove(tokens.into_iter().map(|token| token.id).collect(), entry).await?;
        Ok(count)
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
