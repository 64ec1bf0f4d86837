//! Forms of one session are taken one after the other, at each node: the second press of a button finds what came of the first. Between
//! nodes the version of the session decides.

use crate::store::SessionKey;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;

/// So many are remembered before those that are over are forgotten.
const FORGET: usize = 1024;

type Line = tokio::sync::Mutex<()>;

/// Whose turn it is, by session.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<SessionKey, Weak<Line>>>);

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "it is held")] OwnedMutexGuard<()>);

impl Turns {
    /// Waits for those that came before.
    pub(super) async fn take(&self, session: SessionKey) -> Turn {
        let line = self.line(session);
        Turn(line.lock_owned().await)
    }

    fn line(&self, session: SessionKey) -> Arc<Line> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(&session).and_then(Weak::upgrade) {
            return line;
        }
        if lines.len() >= FORGET {
            lines.retain(|_, line| line.strong_count() > 0);
        }
        let line = Arc::default();
        lines.insert(session, Arc::downgrade(&line));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// What it is after one look.
    fn poll(future: std::pin::Pin<&mut impl Future<Output = Turn>>) -> Poll<Turn> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn session_has_one_turn_at_a_time_and_another_session_does_not_wait() {
        let turns = Turns::default();
        let (one, other) = (SessionKey([1; 32]), SessionKey([2; 32]));
        let Poll::Ready(first) = poll(pin!(turns.take(one))) else { panic!("nobody was there") };
        let mut second = pin!(turns.take(one));
        assert!(poll(second.as_mut()).is_pending());
        assert!(poll(pin!(turns.take(other))).is_ready());
        drop(first);
        assert!(poll(second).is_ready());
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let turns = Turns::default();
        for number in 0..u16::try_from(FORGET * 3).unwrap() {
            let mut name = [0; 32];
            name[..2].copy_from_slice(&number.to_be_bytes());
            assert!(poll(pin!(turns.take(SessionKey(name)))).is_ready());
        }
        assert!(turns.0.lock().unwrap().len() <= FORGET);
    }
}
