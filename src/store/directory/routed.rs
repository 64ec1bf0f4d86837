//! Each person's own directory: the embedded one, or the outside one that they came from.

use super::{ChangeError, Directory, DirectoryError};
use crate::base::{Secret, Soon};
use crate::domain::audit::AuditEntry;
use crate::domain::password::PasswordVerdict;
use crate::domain::person::{Person, PersonId};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::Arc;

/// See the module.
pub struct Routed {
    embedded: Arc<dyn Directory>,
    outside: HashMap<String, Arc<dyn Directory>>,
}

impl Routed {
    /// Over the embedded directory and the others by name.
    pub fn new(embedded: Arc<dyn Directory>, outside: HashMap<String, Arc<dyn Directory>>) -> Self {
        Self { embedded, outside }
    }

    fn of(&self, person: &Person) -> Result<&Arc<dyn Directory>, DirectoryError> {
        match &person.origin {
            None => Ok(&self.embedded),
            Some(origin) => self
                .outside
                .get(&origin.directory)
                .ok_or_else(|| DirectoryError::Unknown(origin.directory.clone())),
        }
    }
}

#[async_trait]
impl Directory for Routed {
    fn check<'a>(
        &'a self,
        person: Option<&'a Person>,
        candidates: &'a [Secret<Vec<u8>>],
    ) -> Soon<'a, Result<PasswordVerdict, DirectoryError>> {
        if let Some(known) = person {
            return match self.of(known) {
                Ok(directory) => directory.check(person, candidates),
                Err(error) => Soon::now(Err(error)),
            };
        }
        Soon::later(async move {
            // Refused as soon as one directory can say so: else, while one of several is down, unknown names alone would
            // make clients believe that Doorward is.
            let mut verdict = None;
            for directory in self.outside.values() {
                verdict = Some(directory.check(None, candidates).await);
                if matches!(verdict, Some(Ok(_))) {
                    break;
                }
            }
            match verdict {
                Some(verdict) => verdict,
                None => self.embedded.check(None, candidates).await,
            }
        })
    }

    fn announce(&self, people: &[PersonId]) {
        self.outside.values().chain([&self.embedded]).for_each(|directory| directory.announce(people));
    }

    async fn change(
        &self,
        person: &Person,
        old: Option<&Secret<String>>,
        new: &Secret<String>,
        audit: AuditEntry,
    ) -> Result<(), ChangeError> {
        self.of(person)?.change(person, old, new, audit).await
    }

    async fn unlock(&self, person: &Person) -> Result<(), ChangeError> {
        self.of(person)?.unlock(person).await
    }
}
