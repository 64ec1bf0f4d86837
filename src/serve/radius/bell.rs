//! How a reader is told that requests of its own can go on, and that it shall end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// What a reader hears while it waits.
#[derive(Debug, Default)]
pub(super) struct Bell(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    /// Places of requests that can go on.
    places: Vec<usize>,
    closing: bool,
    /// The reader's own waker, while it waits.
    waiting: Option<Waker>,
}

impl Bell {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the places of requests that can go on into `into`, which is empty.
    pub(super) fn collect(&self, into: &mut Vec<usize>) {
        std::mem::swap(&mut self.heard().places, into);
    }

    /// Says that nothing new shall be read.
    pub(super) fn close(&self) {
        let waker = {
            let mut heard = self.heard();
            heard.closing = true;
            heard.waiting.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether [`Bell::close`] was called.
    pub(super) fn is_closing(&self) -> bool {
        self.heard().closing
    }

    /// Leaves a waker for the next ring; `false` if it has rung already since `closing` and the places were looked at.
    pub(super) fn wait(&self, waker: &Waker, closing: bool) -> bool {
        let mut heard = self.heard();
        if !heard.places.is_empty() || heard.closing != closing {
            return false;
        }
        match &mut heard.waiting {
            Some(waiting) => waiting.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        true
    }
}

/// Rings for the request in one place. Several rings before the reader has looked count as one.
#[derive(Debug)]
pub(super) struct Ringer {
    bell: Arc<Bell>,
    place: usize,
    rung: AtomicBool,
}

impl Ringer {
    pub(super) fn new(bell: &Arc<Bell>, place: usize) -> Arc<Self> {
        Arc::new(Self { bell: Arc::clone(bell), place, rung: AtomicBool::new(false) })
    }

    /// From now on a ring counts again.
    pub(super) fn listen(&self) {
        self.rung.store(false, Ordering::SeqCst);
    }
}

impl Wake for Ringer {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::SeqCst) {
            return;
        }
        let waker = {
            let mut heard = self.bell.heard();
            heard.places.push(self.place);
            heard.waiting.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
