//! How a reader's thread is told that requests of its own can go on, and that it shall end.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

/// How far a reader is with its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// It reads.
    #[default]
    Open,
    /// It reads nothing new, and ends with the last of its answers.
    Closing,
    /// It ends now.
    Aborted,
}

/// What a reader hears while it waits.
#[derive(Debug)]
pub(super) struct Bell {
    heard: Mutex<Heard>,
    /// Readable when it has rung while the reader waited.
    event: EventFd,
}

#[derive(Debug, Default)]
struct Heard {
    /// Places of requests that can go on.
    places: Vec<usize>,
    stage: Stage,
    /// How often it was asked whether it goes on, and up to which time it has.
    asked: u64,
    seen: u64,
    /// The reader waits, or is about to.
    waiting: bool,
}

impl Bell {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Arc::new(Self { heard: Mutex::default(), event }))
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is heard, and wakes the reader if it waits.
    fn ring(&self, change: impl FnOnce(&mut Heard)) {
        let waiting = {
            let mut heard = self.heard();
            change(&mut heard);
            std::mem::take(&mut heard.waiting)
        };
        if waiting {
            // It fails only where 2^64 rings were not heard.
            let _ = self.event.write(1);
        }
    }

    /// Moves the places of requests that can go on into `into`, which is empty.
    pub(super) fn collect(&self, into: &mut Vec<usize>) {
        std::mem::swap(&mut self.heard().places, into);
    }

    /// Says that nothing new shall be read.
    pub(super) fn close(&self) {
        self.ring(|heard| heard.stage = Stage::Closing);
    }

    /// Says that it is over.
    pub(super) fn abort(&self) {
        self.ring(|heard| heard.stage = Stage::Aborted);
    }

    /// How far the reader shall be with its end; asked by the reader itself, at the begin of each turn.
    pub(super) fn stage(&self) -> Stage {
        let mut heard = self.heard();
        heard.seen = heard.asked;
        heard.stage
    }

    /// Asks for a turn of the reader; [`Bell::has_seen`] says whether there was one.
    pub(super) fn ask(&self) -> u64 {
        let mut number = 0;
        self.ring(|heard| {
            heard.asked += 1;
            number = heard.asked;
        });
        number
    }

    /// Whether the reader has had a turn since.
    pub(super) fn has_seen(&self, number: u64) -> bool {
        self.heard().seen >= number
    }

    /// Waits for the next ring, for something to read at `socket`, or so long; whether there is something to read. Returns
    /// at once if it has rung since the `stage` and the places were looked at.
    pub(super) fn wait(&self, socket: Option<BorrowedFd<'_>>, timeout: PollTimeout, stage: Stage) -> bool {
        if !self.listen(stage) {
            return false;
        }
        let socket = socket.unwrap_or(self.event.as_fd());
        let mut both = [socket, self.event.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        // An interruption is as good as a ring.
        let [readable, rung] = match poll(&mut both, timeout) {
            Ok(_) => both.map(|fd| fd.any().unwrap_or(true)),
            Err(_) => [false, true],
        };
        self.heard().waiting = false;
        if rung {
            // A ring that comes only now ends the next wait early.
            let _ = self.event.read();
        }
        readable
    }

    /// From now on a ring is an event; `false` if it has rung since the `stage` and the places were looked at.
    pub(super) fn listen(&self, stage: Stage) -> bool {
        let mut heard = self.heard();
        heard.waiting = heard.places.is_empty() && heard.stage == stage && heard.seen == heard.asked;
        heard.waiting
    }

    /// Rings that were events, since they were last asked for.
    #[cfg(test)]
    pub(super) fn events(&self) -> u64 {
        self.event.read().unwrap_or(0)
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
        if !self.rung.swap(true, Ordering::SeqCst) {
            self.bell.ring(|heard| heard.places.push(self.place));
        }
    }
}
