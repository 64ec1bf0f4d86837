//! Threads for what a reader must not do itself: the arithmetic of a TLS handshake takes tenths of a millisecond with RSA, and with large keys
//! some milliseconds, in which everything else on its socket would wait, and cores whose readers have nothing to do would stay idle.
//! A few with small keys it does itself in each turn ([`may_do`]).
//!
//! As many threads as there are cores, begun when there is something to do. What waits is bounded by the requests under way
//! (`radius.max_in_flight`).

use crate::base::affinity::stay;
use crate::eap::Cost;
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::oneshot;

/// So many of middle cost a reader does itself in a turn: to hand one over took a fifth of the CPU of a resumed login, and with more,
/// whatever came with them would wait for them.
const EACH_TURN: usize = 4;

thread_local! {
    /// So many the calling thread may still do itself.
    static OWN: Cell<usize> = const { Cell::new(0) };
}

/// The calling thread begins a turn, and may do some itself.
pub(super) fn begin_turn() {
    OWN.set(EACH_TURN);
}

/// So many the calling thread may still do itself in its turn.
pub(super) fn own() -> usize {
    OWN.get()
}

/// Whether the calling thread may do something of this cost itself.
pub(super) fn may_do(cost: Cost) -> bool {
    match cost {
        Cost::Light => true,
        Cost::Middle => OWN.replace(OWN.get().saturating_sub(1)) > 0,
        Cost::Heavy => false,
    }
}

type Work = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    closed: bool,
    threads: usize,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        loop {
            let mut queue = self.lock();
            let work = loop {
                match queue.waiting.pop_front() {
                    Some(work) => break work,
                    None if queue.closed => return,
                    None => queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(queue);
            // A mistake ends what it was about, and not the thread.
            let _ = catch_unwind(AssertUnwindSafe(work));
        }
    }
}

/// The threads; they end when this is dropped.
#[derive(Default)]
pub(super) struct Workers {
    shared: Arc<Shared>,
    begun: OnceLock<()>,
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} workers", self.shared.lock().threads)
    }
}

impl Workers {
    /// Has it done by one of the threads; `None` if that ended by a mistake. What nobody waits for any more is dropped undone.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, done) = oneshot::channel();
        self.push(Box::new(move || {
            if !answer.is_closed() {
                let _ = answer.send(work());
            }
        }));
        done.await.ok()
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    fn push(&self, work: Work) {
        self.begun.get_or_init(|| self.begin());
        let mut queue = self.shared.lock();
        if queue.threads > 0 {
            queue.waiting.push_back(work);
            drop(queue);
            self.shared.wake.notify_one();
        } else {
            // There could be none, which is slower and nothing else.
            drop(queue);
            work();
        }
    }

    fn begin(&self) {
        // Else there would be one, on the core of the thread that asks.
        stay(false);
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let shared = Arc::clone(&self.shared);
            match std::thread::Builder::new().name("handshakes".to_owned()).spawn(move || shared.work()) {
                Ok(_) => self.shared.lock().threads += 1,
                Err(error) => tracing::warn!(%error, "a thread for handshakes could not be started"),
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    #[tokio::test]
    async fn work_is_done_elsewhere_and_a_mistake_ends_itself_alone() {
        let workers = Workers::default();
        let here = std::thread::current().id();
        let there = workers.run(|| std::thread::current().id()).await.unwrap();
        assert_ne!(here, there);
        for _ in 0..100 {
            assert_eq!(workers.run(|| -> u8 { panic!("on purpose") }).await, None);
        }
        assert_eq!(workers.run(|| 7).await, Some(7), "the threads are there still");
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_done_and_threads_end_with_their_owner() {
        let workers = Workers::default();
        workers.run(|| ()).await.unwrap();
        let (begun, is_begun) = channel();
        let mut gates = Vec::new();
        let threads = workers.shared.lock().threads;
        let mut held: Vec<_> = (0..threads)
            .map(|_| {
                let (gate, opens) = channel::<()>();
                gates.push(gate);
                let begun = begun.clone();
                Box::pin(workers.run(move || {
                    begun.send(()).unwrap();
                    let _ = opens.recv();
                }))
            })
            .collect();
        // Each is in the queue once it was polled.
        for one in &mut held {
            assert!(futures_poll(one.as_mut()).is_pending());
        }
        (0..threads).for_each(|_| is_begun.recv().unwrap());
        let done = Arc::new(AtomicUsize::new(0));
        let count = |done: &Arc<AtomicUsize>| {
            let done = Arc::clone(done);
            move || done.fetch_add(1, Ordering::SeqCst)
        };
        let mut given_up = Box::pin(workers.run(count(&done)));
        assert!(futures_poll(given_up.as_mut()).is_pending());
        drop(given_up);
        drop(gates);
        workers.run(count(&done)).await.unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 1);
        drop(held);
        let shared = Arc::downgrade(&workers.shared);
        drop(workers);
        while shared.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn reader_does_a_few_itself_in_each_turn_and_none_of_any_cost() {
        let done = |cost| (0..EACH_TURN + 2).filter(|_| may_do(cost)).count();
        assert_eq!((own(), done(Cost::Middle)), (0, 0), "it has no turns");
        for _ in 0..2 {
            begin_turn();
            assert_eq!(done(Cost::Heavy), 0);
            assert_eq!((done(Cost::Light), own()), (EACH_TURN + 2, EACH_TURN));
            assert_eq!((done(Cost::Middle), own()), (EACH_TURN, 0));
        }
    }

    fn futures_poll<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}
