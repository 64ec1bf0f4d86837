//! What may be used once (a State, a sent code), as a batch sees it: asked at once, taken in memory in the order of the
//! rounds, written at once. Between the question and the writing nobody else can write. Should that ever be wrong, the key
//! of the table refuses the second, and with it the batch.

use super::query::{Script, Value, places};
use crate::base::Timestamp;
use std::collections::BTreeMap;

/// Marks in one statement at most.
const PART: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Marks {
    /// By whom each was used: a round of this batch, or somebody before.
    used: BTreeMap<String, Option<usize>>,
    new: Vec<(String, Timestamp)>,
}

impl Marks {
    /// One that is in the database.
    pub(super) fn known(&mut self, name: &str) {
        self.used.insert(name.to_owned(), None);
    }

    /// Whether nobody has used any of them, save this round.
    pub(super) fn are_free(&self, once: &[(String, Timestamp)], round: usize) -> bool {
        once.iter().all(|(name, _)| self.used.get(name).is_none_or(|by| *by == Some(round)))
    }

    /// Uses them; they are free.
    pub(super) fn take(&mut self, once: &[(String, Timestamp)], round: usize) {
        for (name, expires) in once {
            if self.used.insert(name.clone(), Some(round)).is_none() {
                self.new.push((name.clone(), *expires));
            }
        }
    }

    /// Adds what is to be written, if anything is.
    pub(super) fn write(self, script: &mut Script) {
        for part in self.new.chunks(PART) {
            script.statement("INSERT INTO once (id, expires) SELECT column1, column2 FROM (VALUES ");
            let rows = part.iter().map(|(name, expires)| [name.as_str().into(), expires.millis().into()]);
            script.rows(rows, places(part.len()), &[Value::Text(None), Value::Number(None)]);
            script.add(") AS mark WHERE column1 IS NOT NULL");
        }
    }
}
