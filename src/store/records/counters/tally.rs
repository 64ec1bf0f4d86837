//! The counters that a batch is about: in the memory of the one process of a file, or as they were read for the batch.

use super::super::rounds::Charge;
use super::{Changes, Counters, Key, Shared};
use crate::base::Timestamp;
use crate::domain::person::PersonId;
use crate::domain::throttle::{Counter, Failures, Gate};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The counters that a batch is about.
pub(in crate::store::records) struct Tally {
    counters: Source,
    /// Whose rows are written with the batch.
    touched: BTreeSet<PersonId>,
    /// When strangers were charged last, by the number of their row.
    strangers: Vec<Timestamp>,
}

enum Source {
    /// In the memory of the one process of a file.
    Shared(Arc<Shared>),
    /// As they were read for this batch.
    Read(Counters),
}

impl Tally {
    pub(in crate::store::records) fn shared(shared: Arc<Shared>) -> Self {
        Self { counters: Source::Shared(shared), touched: BTreeSet::new(), strangers: Vec::new() }
    }

    pub(in crate::store::records) const fn read(counters: Counters) -> Self {
        Self { counters: Source::Read(counters), touched: BTreeSet::new(), strangers: Vec::new() }
    }

    /// Of a person, or of a stranger.
    fn with<T>(&mut self, person: Option<PersonId>, work: impl FnOnce(&mut Counters) -> T) -> T {
        match &mut self.counters {
            Source::Shared(shared) => work(shared.part(person).get_or_insert_default()),
            Source::Read(counters) => work(counters),
        }
    }

    /// Charges an attempt; one gate for each counter.
    pub(in crate::store::records) fn charge(&mut self, charge: &Charge) -> Vec<Gate> {
        let gates = self.with(charge.person, |known| {
            known.charge(charge.person, &charge.counters, &charge.rules, charge.now)
        });
        self.touched.extend(charge.person);
        if matches!(self.counters, Source::Read(_)) {
            // Known, shut out or a stranger, the answer takes one durable commit. A row that stays as it is would be
            // none to the database, so this one gets the time.
            for (number, gate) in gates.iter().enumerate() {
                if charge.person.is_none() || *gate != Gate::Open {
                    self.strangers.resize(self.strangers.len().max(number + 1), charge.now);
                }
            }
        }
        gates
    }

    /// Whose round ends: what was charged of theirs is written, whatever comes of it.
    pub(in crate::store::records) fn touch(&mut self, person: PersonId) {
        self.touched.insert(person);
    }

    pub(in crate::store::records) fn settle(
        &mut self,
        person: PersonId,
        clear: &[Counter],
        refund: &[Counter],
    ) {
        if let Source::Read(known) = &mut self.counters {
            // Who is only cleared was not read, and may have a row.
            for counter in clear {
                known.kept(person, *counter).stored.get_or_insert_default();
            }
        }
        self.with(Some(person), |known| known.settle(person, clear, refund));
    }

    /// What is to be written.
    pub(in crate::store::records) fn changes(mut self) -> Changes {
        let mut changes = Changes::default();
        let touched = std::mem::take(&mut self.touched);
        for person in touched {
            self.with(Some(person), |known| known.changes(person, &mut changes));
        }
        let strangers = self.strangers.into_iter().enumerate();
        changes.changed.extend(
            strangers.map(|(number, at)| (Key::Stranger(number), Failures { count: 1, blocked_until: at })),
        );
        changes
    }
}
