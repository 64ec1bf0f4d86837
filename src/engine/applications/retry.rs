//! Transactions that were answered wrongly and may be answered once more, and the code that was sent last for a face that names no
//! transaction. What is noted here admits nobody: it only says that a new challenge may be opened in place of one that this
//! application opened, or which one a passcode answers, for a person of whom the application may ask a passcode anyway.
//!
//! A note lies where challenges lie, so that any node can go on. It has the form of one that waits, under a State that nobody is
//! told and for a client that nobody is called: so nothing answers it, and it is taken out once.

use super::check::can_be_retried;
use super::{Answered, Applications, Asking, Failed, Order};
use crate::base::Timestamp;
use crate::domain::login::{First, Offer, Pending};
use crate::domain::person::Person;
use crate::domain::reason::Reason;
use crate::store::challenges::{HANDLE_LENGTH, NewChallenge, STATE_LENGTH, State};
use crate::wire::privacyidea::Transaction;

/// What a note says.
#[derive(Debug, Clone, Copy)]
enum Note<'a> {
    /// This transaction was answered wrongly.
    Wrong(Transaction),
    /// A code was sent to them.
    Sent(&'a Person),
}

impl Applications {
    /// Where a note of an application lies: in the place of the person whom it is about.
    fn place(&self, asking: Asking<'_>, note: Note<'_>) -> State {
        let digester = &self.gatekeeper.digester;
        let (handle, kind, what) = match note {
            Note::Wrong(transaction) => {
                let handle = transaction.state.first_chunk().copied().unwrap_or_default();
                (handle, "wrong", transaction.to_string())
            }
            Note::Sent(person) => (digester.handle(person.id), "sent", person.id.to_string()),
        };
        let digest = digester.digest_note(kind, &asking.client.name, &what);
        let mut state = [0; STATE_LENGTH];
        let (place, rest) = state.split_at_mut(HANDLE_LENGTH);
        place.copy_from_slice(&handle);
        rest.iter_mut().zip(digest).for_each(|(octet, drawn)| *octet = drawn);
        state
    }

    /// Keeps a note. If it cannot be kept, the person begins anew.
    async fn note(
        &self,
        asking: Asking<'_>,
        (note, person): (Note<'_>, &Person),
        (transaction, expires): (Transaction, Timestamp),
    ) {
        let pending = Pending {
            person: person.id,
            version: person.version,
            // No client has a space in its name.
            client: format!("{} {transaction}", asking.client.name),
            first: First::Client,
            pin: None,
            rounds: 0,
            expires,
        };
        let challenge = NewChallenge { state: self.place(asking, note), pending, code: None };
        if let Err(error) = self.gatekeeper.challenges.open(challenge, self.clock.now()).await {
            tracing::debug!(%error, "a transaction cannot be answered again");
        }
    }

    /// Takes a note out; its transaction, and when it is over.
    async fn noted(&self, asking: Asking<'_>, note: Note<'_>) -> Option<(Transaction, Timestamp)> {
        let state = self.place(asking, note);
        let taken = self.gatekeeper.challenges.take(&state, false, self.clock.now()).await;
        // What a device shows counts without it.
        let taken = taken.inspect_err(|error| tracing::debug!(%error, "no note of a transaction")).ok()??;
        let text = taken.pending.client.strip_prefix(&asking.client.name)?.strip_prefix(' ')?;
        Some((Transaction::parse(text)?, taken.pending.expires))
    }

    /// This one was answered wrongly and may be answered again.
    pub(super) async fn note_wrong(&self, asking: Asking<'_>, person: &Person, transaction: Transaction) {
        let until = self.clock.now() + asking.config.codes.rules.lifetime;
        self.note(asking, (Note::Wrong(transaction), person), (transaction, until)).await;
    }

    /// Whether this one was, which is used up with it.
    pub(super) async fn was_wrong(&self, asking: Asking<'_>, transaction: Transaction) -> bool {
        let noted = self.noted(asking, Note::Wrong(transaction)).await;
        noted.is_some_and(|(named, _)| named == transaction)
    }

    /// Has what was typed checked, for a face that names no transaction: first as the answer to the code that was sent last.
    pub async fn check_unnamed(&self, asking: Asking<'_>, mut order: Order) -> Result<Answered, Failed> {
        let account = self.account(asking, &order.username).await?;
        let sent = match &account {
            Some(account) => self.noted(asking, Note::Sent(&account.person)).await,
            None => None,
        };
        order.transaction = sent.map(|(transaction, _)| Some(transaction));
        let mut answered = self.check(asking, &order).await?;
        let (Some(sent), Some(account)) = (sent, account) else {
            self.note_sent(asking, &order, &answered).await?;
            return Ok(answered);
        };
        match &answered {
            Answered::Reject { reason: Reason::StateInvalid, .. } => {
                // The code is over or used up; what devices show counts by itself.
                order.transaction = None;
                answered = self.check(asking, &order).await?;
            }
            Answered::Reject { reason, .. } if can_be_retried(*reason) => {
                self.note(asking, (Note::Sent(&account.person), &account.person), sent).await;
            }
            _ => {}
        }
        self.note_sent(asking, &order, &answered).await?;
        Ok(answered)
    }

    /// Has a passcode asked for, for a face that names no transaction.
    pub async fn trigger_unnamed(
        &self,
        asking: Asking<'_>,
        order: &Order,
    ) -> Result<Option<Answered>, Failed> {
        let answered = self.trigger(asking, order).await?;
        if let Some(answered) = &answered {
            self.note_sent(asking, order, answered).await?;
        }
        Ok(answered)
    }

    /// If a code was sent, its transaction is what the next passcode answers.
    async fn note_sent(&self, asking: Asking<'_>, order: &Order, answered: &Answered) -> Result<(), Failed> {
        let Answered::Challenge(asked) = answered else { return Ok(()) };
        let Some((Offer::Sent(..), _)) = asked.ways.first() else { return Ok(()) };
        if let Some(account) = self.account(asking, &order.username).await? {
            let (person, until) = (&account.person, self.clock.now() + asking.config.codes.rules.lifetime);
            self.note(asking, (Note::Sent(person), person), (asked.transaction, until)).await;
        }
        Ok(())
    }
}
