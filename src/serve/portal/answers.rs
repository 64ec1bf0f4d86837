//! Pages that forms were answered with, for the second press of a button: it is shown what the first one was, and nothing is
//! done or charged twice. At this node only, and for some seconds: some show what is shown once.

use crate::domain::factor::CodeDigest;
use axum::http::StatusCode;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How long a page is kept.
const KEPT: Duration = Duration::from_secs(10);
/// Pages that are kept at once; of more, a second press is done as well.
const MOST: usize = 256;
/// Largest page that is kept, in bytes: one that shows again what somebody has typed could be larger.
const LARGEST: usize = 64 * 1024;

/// What a form was answered with.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) page: Arc<Zeroizing<String>>,
    /// The header that gives the session its new name.
    pub(super) cookie: Option<String>,
}

/// By digest of the form as it was sent, with the cookie; and when it is over.
#[derive(Default)]
pub(super) struct Answers(Mutex<HashMap<CodeDigest, (Answer, Instant)>>);

impl Answers {
    fn lock(&self) -> MutexGuard<'_, HashMap<CodeDigest, (Answer, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this very form was answered with.
    pub(super) fn of(&self, posted: &CodeDigest, now: Instant) -> Option<Answer> {
        let answers = self.lock();
        answers.get(posted).filter(|(_, over)| now < *over).map(|(answer, _)| answer.clone())
    }

    /// Keeps an answer for a while.
    pub(super) fn keep(self: &Arc<Self>, posted: CodeDigest, answer: Answer, now: Instant) {
        let over = now + KEPT;
        let mut answers = self.lock();
        if answers.len() >= MOST || answer.page.len() > LARGEST {
            return;
        }
        answers.insert(posted, (answer, over));
        let all = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep_until(over).await;
            all.lock().remove(&posted);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        Answer { status: StatusCode::OK, page: Arc::new(Zeroizing::new(text.to_owned())), cookie: None }
    }

    #[tokio::test]
    async fn page_is_kept_for_its_form_and_for_some_seconds() {
        let (answers, now) = (Arc::<Answers>::default(), Instant::now());
        answers.keep([1; 32], answer("shown once"), now);
        assert_eq!(answers.of(&[1; 32], now).unwrap().page.as_str(), "shown once");
        assert!(answers.of(&[2; 32], now).is_none());
        assert!(answers.of(&[1; 32], now + KEPT).is_none());
    }

    #[tokio::test]
    async fn no_more_are_kept_than_may_be() {
        let (answers, now) = (Arc::<Answers>::default(), Instant::now());
        for number in 0..u16::try_from(MOST * 2).unwrap() {
            let mut posted = [0; 32];
            posted[..2].copy_from_slice(&number.to_be_bytes());
            answers.keep(posted, answer(""), now);
        }
        assert_eq!(answers.lock().len(), MOST);
    }

    #[tokio::test]
    async fn page_that_somebody_has_made_large_is_not_kept() {
        let (answers, now) = (Arc::<Answers>::default(), Instant::now());
        answers.keep([1; 32], answer(&"x".repeat(LARGEST)), now);
        answers.keep([2; 32], answer(&"x".repeat(LARGEST + 1)), now);
        assert!(answers.of(&[1; 32], now).is_some() && answers.of(&[2; 32], now).is_none());
    }
}
