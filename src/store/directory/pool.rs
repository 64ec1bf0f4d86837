//! A fixed number of threads that compute password hashes, so that a storm of logins neither starves the
//! sockets nor takes memory without bound.
//!
//! ```text
//! verify/hash
//!      │
//!      ▼ at most `queue` waiting; when it is full, the one that has waited longest ──▶ Overloaded
//!   [job]──caller gone──▶ skipped     ──past its deadline──▶ Overloaded, no work
//!      │
//!      ▼ thread (nice +5, its own Argon2 memory)
//!   answer          (a panic ends the job, not the thread)
//! ```
//!
//! The first to come is the first to be served. In a storm, who has waited longest is also the one whose client is most
//! likely to have given up, or about to ask again; so it gives way to who comes then. Those served have then waited for as
//! long as it takes others to fill the queue, and not for as long as it takes to work it off.
//!
//! A stranger costs the same as a person with a wrong password: both go through the same lines, one with a decoy
//! hash. That holds for hashes made here. A bcrypt, sha-crypt or salted SHA hash takes another time than
//! Argon2 until its first right password replaces it, so until then an observer may tell such a person from a
//! stranger; this is not equalised, since doing both for each attempt would double the work of a storm.

use super::hash::{Cost, HashError, Memory, PasswordHash, SALT_BYTES, make};
use crate::base::{Random, Secret};
use crate::config;
use crate::domain::password::MAX_BYTES;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Why there is no answer. None of these says that a password is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Too many checks are waiting, or this one waited too long.
    #[error("too many password checks at once")]
    Overloaded,
    /// The pool has been closed.
    #[error("password checks have been stopped")]
    Closed,
    /// The computation failed: our bug.
    #[error("a password check failed unexpectedly")]
    Failed,
    /// The stored hash, or the cost of new ones, cannot be used.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// More than [`MAX_BYTES`]; only for new hashes, a check says no.
    #[error("a password of more than {MAX_BYTES} bytes cannot be hashed")]
    TooLong,
    /// A thread could not be started.
    #[error("cannot start a thread for password checks: {0}")]
    Start(String),
}

/// What a thread runs. Exactly one of `run` and `refuse` is called, or the job is dropped.
trait Work: Send {
    fn deadline(&self) -> Instant;
    /// Whether nobody waits for the answer any more.
    fn abandoned(&self) -> bool;
    fn refuse(self: Box<Self>, why: PoolError);
    fn run(self: Box<Self>, memory: &mut Memory);
}

struct Job<T, F> {
    work: F,
    deadline: Instant,
    answer: oneshot::Sender<Result<T, PoolError>>,
}

impl<T: Send, F: FnOnce(&mut Memory) -> Result<T, PoolError> + Send> Work for Job<T, F> {
    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn refuse(self: Box<Self>, why: PoolError) {
        // An error means that the caller has gone, here and below.
        let _ = self.answer.send(Err(why));
    }

    fn run(self: Box<Self>, memory: &mut Memory) {
        let Self { work, answer, .. } = *self;
        let _ = answer.send((work)(memory));
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn Work>>,
    busy: usize,
    closed: bool,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

impl Shared {
    /// No code that can panic runs while the lock is held, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads and their queue. Dropping it refuses what waits and joins the threads; jobs never hold it.
pub struct HashPool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    workers: usize,
    queue: usize,
    deadline: Duration,
    cost: Cost,
    decoy: PasswordHash,
    random: Arc<dyn Random>,
    computations: Arc<AtomicU64>,
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workers, queue, deadline, cost, .. } = self;
        write!(f, "HashPool({workers} workers, queue {queue}, deadline {deadline:?}, {cost:?})")
    }
}

impl HashPool {
    /// Starts the threads.
    pub fn start(settings: &config::Password, random: Arc<dyn Random>) -> Result<Self, PoolError> {
        let cost = Cost { memory_kib: settings.memory_kib, passes: settings.passes, lanes: settings.lanes }
            .checked()?;
        let workers = match settings.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let (mut salt, mut digest) = ([0; SALT_BYTES], [0; 32]);
        random.fill(&mut salt);
        random.fill(&mut digest);
        let pool = Self {
            shared: Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() }),
            threads: Mutex::default(),
            workers,
            queue: settings.queue,
            deadline: settings.deadline,
            cost,
            decoy: PasswordHash::decoy(cost, salt, digest),
            random,
            computations: Arc::default(),
        };
        for number in 0..workers {
            // When one cannot be started, `pool` is dropped and takes the others with it.
            let thread = pool.spawn(number).map_err(|error| PoolError::Start(error.to_string()))?;
            pool.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(pool)
    }

    fn spawn(&self, number: usize) -> std::io::Result<JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        let (usual, computations) = (self.cost.blocks(), Arc::clone(&self.computations));
        std::thread::Builder::new().name(format!("hash-{number}")).spawn(move || {
            // On Linux this is the nice value of the calling thread; without it the pool works as well.
            let _ = rustix::process::nice(5);
            work(&shared, || Memory::new(usual, Arc::clone(&computations)));
        })
    }

    /// Cost of new hashes.
    pub const fn cost(&self) -> Cost {
        self.cost
    }

    /// Argon2 computations since the start.
    pub fn computations(&self) -> u64 {
        self.computations.load(Ordering::Relaxed)
    }

    /// Whether all of its threads are there. One ends by a mistake in the program alone.
    pub fn is_whole(&self) -> bool {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        !threads.iter().any(JoinHandle::is_finished)
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    /// Whether `password` belongs to `hash`. `None` does the work of a hash made here, and says no.
    pub async fn verify(
        &self,
        hash: Option<Secret<String>>,
        password: Secret<Vec<u8>>,
    ) -> Result<bool, PoolError> {
        let known = hash.is_some();
        let hash = match hash {
            Some(text) => PasswordHash::parse(text.expose())?,
            None => self.decoy.clone(),
        };
        self.run(move |memory| Ok(hash.verify(password.expose(), memory)? && known)).await
    }

    /// A new Argon2id hash in PHC form, over the normalised password.
    pub async fn hash(&self, password: Secret<Vec<u8>>) -> Result<Secret<String>, PoolError> {
        if password.expose().len() > MAX_BYTES {
            return Err(PoolError::TooLong);
        }
        let mut salt = [0; SALT_BYTES];
        self.random.fill(&mut salt);
        let cost = self.cost;
        self.run(move |memory| Ok(make(cost, password.expose(), salt, memory)?)).await
    }

    /// Refuses what waits and what comes, and waits for what is being computed. Blocks for one hash at most.
    pub fn close(&self) {
        let waiting = {
            let mut state = self.shared.lock();
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        self.shared.wake.notify_all();
        for job in waiting {
            job.refuse(PoolError::Closed);
        }
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread survives its jobs' panics; if it died all the same, there is nothing left to wait for.
            let _ = thread.join();
        }
    }

    async fn run<T, F>(&self, work: F) -> Result<T, PoolError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Memory) -> Result<T, PoolError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let now = Instant::now();
        let deadline = now.checked_add(self.deadline).unwrap_or(now);
        self.submit(Box::new(Job { work, deadline, answer }), now)?;
        answered.await.unwrap_or(Err(PoolError::Failed))
    }

    /// Queues a job if fewer than `workers + queue` are there. When it is full, those that nobody waits for or
    /// that are too late anyway make room, or else the one that has waited longest.
    fn submit(&self, job: Box<dyn Work>, now: Instant) -> Result<(), PoolError> {
        let mut dead = Vec::new();
        let mut state = self.shared.lock();
        if state.closed {
            return Err(PoolError::Closed);
        }
        let room = self.workers.saturating_add(self.queue);
        if state.busy + state.waiting.len() >= room {
            let (gone, alive) = state
                .waiting
                .drain(..)
                .partition::<VecDeque<_>, _>(|job| job.abandoned() || now >= job.deadline());
            dead.extend(gone);
            state.waiting = alive;
        }
        if state.busy + state.waiting.len() >= room {
            dead.extend(state.waiting.pop_front());
        }
        let full = state.busy + state.waiting.len() >= room;
        if !full {
            state.waiting.push_back(job);
        }
        drop(state);
        dead.into_iter().for_each(|job| job.refuse(PoolError::Overloaded));
        if full {
            return Err(PoolError::Overloaded);
        }
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        self.close();
    }
}

/// One thread: takes jobs until the pool is closed.
fn work(shared: &Shared, fresh: impl Fn() -> Memory) {
    let mut memory = fresh();
    while let Some(job) = next(shared) {
        if !job.abandoned() {
            if Instant::now() >= job.deadline() {
                job.refuse(PoolError::Overloaded);
            } else if catch_unwind(AssertUnwindSafe(|| job.run(&mut memory))).is_err() {
                // The sender was dropped on the way, so that the caller knows. The memory may be half written.
                memory = fresh();
            }
        }
        shared.lock().busy -= 1; // `next` added one for this job
    }
}

fn next(shared: &Shared) -> Option<Box<dyn Work>> {
    let mut state = shared.lock();
    loop {
        if state.closed {
            return None;
        }
        if let Some(job) = state.waiting.pop_front() {
            state.busy += 1;
            return Some(job);
        }
        state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

#[cfg(test)]
mod tests;
