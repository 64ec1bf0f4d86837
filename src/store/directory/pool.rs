//! A bounded pool of threads that hash.
//!
//! Argon2 is slow on purpose. It runs on threads of its own, as many as cores, with lower priority than those
//! that serve the sockets, each with a block of memory that it keeps. What cannot be begun in time is refused:
//! a burst of logins must not turn into a queue that nobody waits for any more.

use super::hash::{PasswordHash, argon2id};
use crate::base::{Random, Secret};
use argon2::Params;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Why nothing was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Too many checks wait, or this one waited too long.
    #[error(
        "more passwords are to be checked than the processors can do; raise password.queue or take a faster machine"
    )]
    Overloaded,
    /// The password is longer than what is hashed.
    #[error("a password has at most 1024 bytes")]
    TooLong,
    /// A fault of ours.
    #[error("hashing failed")]
    Failed,
}

/// How the pool works.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Parameters of new hashes and of checks for nobody.
    pub params: Params,
    /// Threads; 0: one per core.
    pub workers: usize,
    /// Jobs that wait at most.
    pub queue: usize,
    /// A job not begun by then is refused.
    pub deadline: Duration,
}

type Task = Box<dyn FnOnce(&mut Vec<argon2::Block>) + Send>;

struct Job {
    due: Instant,
    task: Task,
}

/// The pool.
pub struct HashPool {
    queue: Mutex<Option<SyncSender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    random: Arc<dyn Random>,
    settings: PoolSettings,
    dummy: Secret<String>,
    computed: Arc<AtomicU64>,
}

impl std::fmt::Debug for HashPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HashPool").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl HashPool {
    /// Starts the threads.
    pub fn start(settings: PoolSettings, random: Arc<dyn Random>) -> Result<Self, PoolError> {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        // The hash that strangers are checked against; nobody knows a password for it.
        let mut unknown = [0; 32];
        random.fill(&mut unknown);
        let dummy = argon2id(&settings.params, &unknown, salt, &mut Vec::new()).ok_or(PoolError::Failed)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if settings.workers == 0 { cores } else { settings.workers };
        let (sender, receiver) = sync_channel(settings.queue.max(1));
        let receiver = Arc::new(Mutex::new(receiver));
        let spawn = |number| {
            let receiver = Arc::clone(&receiver);
            std::thread::Builder::new().name(format!("hash-{number}")).spawn(move || work(&receiver))
        };
        let threads: Result<Vec<_>, _> = (0..workers).map(spawn).collect();
        Ok(Self {
            queue: Mutex::new(Some(sender)),
            threads: Mutex::new(threads.map_err(|_| PoolError::Failed)?),
            random,
            settings,
            dummy,
            computed: Arc::default(),
        })
    }

    /// Parameters of new hashes.
    pub const fn params(&self) -> &Params {
        &self.settings.params
    }

    /// Checks computed so far, those for strangers included.
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// Whether the password belongs to the hash. Without a hash, or with one that cannot be used, the same work
    /// is done for nothing and the answer is no.
    pub async fn verify(
        &self,
        hash: Option<Secret<String>>,
        password: Secret<Vec<u8>>,
    ) -> Result<bool, PoolError> {
        let dummy = self.dummy.clone();
        let computed = Arc::clone(&self.computed);
        self.run(move |memory| {
            computed.fetch_add(1, Ordering::Relaxed);
            match hash.and_then(|hash| PasswordHash::parse(hash.expose()).ok()) {
                Some(hash) => hash.matches(password.expose(), memory),
                None => {
                    let nobody = PasswordHash::parse(dummy.expose());
                    let _ = nobody.map(|nobody| nobody.matches(password.expose(), memory));
                    false
                }
            }
        })
        .await
    }

    /// A new hash, Argon2id as a PHC string.
    pub async fn hash(&self, password: Secret<Vec<u8>>) -> Result<Secret<String>, PoolError> {
        if password.expose().len() > super::hash::LONGEST {
            return Err(PoolError::TooLong);
        }
        let mut salt = [0; 16];
        self.random.fill(&mut salt);
        let params = self.settings.params.clone();
        let hash = self.run(move |memory| argon2id(&params, password.expose(), salt, memory)).await?;
        hash.ok_or(PoolError::Failed)
    }

    async fn run<T: Send + 'static>(
        &self,
        compute: impl FnOnce(&mut Vec<argon2::Block>) -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (reply, answer) = oneshot::channel();
        let task: Task = Box::new(move |memory| {
            // Nobody waits any more: no work.
            if !reply.is_closed() {
                let _ = reply.send(compute(memory));
            }
        });
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let job = Job { due: Instant::now() + self.settings.deadline, task };
        match queue.map(|queue| queue.try_send(job)) {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_))) => return Err(PoolError::Overloaded),
            Some(Err(TrySendError::Disconnected(_))) | None => return Err(PoolError::Failed),
        }
        // A job that came too late, or that panicked, drops its end.
        answer.await.map_err(|_| PoolError::Overloaded)
    }

    /// Finishes what was begun and ends the threads.
    pub fn stop(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        self.stop();
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    // Sockets first; if the system refuses, hashing just competes.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 5);
    let mut memory = Vec::new();
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { due, task }) = job else { return };
        if Instant::now() <= due && catch_unwind(AssertUnwindSafe(|| task(&mut memory))).is_err() {
            tracing::error!("a password check failed inside; the next one goes on");
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::OsRandom;
    use std::sync::mpsc::channel;

    pub(crate) fn pool(workers: usize, queue: usize, deadline: Duration) -> HashPool {
        let params = Params::new(64, 1, 1, None).unwrap();
        HashPool::start(PoolSettings { params, workers, queue, deadline }, Arc::new(OsRandom)).unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn hash_made_here_is_verified_here() {
        let pool = pool(2, 10, LONG);
        let hash = pool.hash(Secret::from("right")).await.unwrap();
        assert_eq!(pool.verify(Some(hash.clone()), Secret::from("right")).await, Ok(true));
        assert_eq!(pool.verify(Some(hash), Secret::from("wrong")).await, Ok(false));
    }

    #[tokio::test]
    async fn stranger_costs_one_computation_and_never_matches() {
        let pool = pool(1, 10, LONG);
        assert_eq!(pool.verify(None, Secret::from("x")).await, Ok(false));
        assert_eq!(pool.verify(Some(Secret::new("no hash".into())), Secret::from("x")).await, Ok(false));
        assert_eq!(pool.computed(), 2);
    }

    #[tokio::test]
    async fn full_queue_refuses_at_once() {
        let pool = Arc::new(pool(1, 2, LONG));
        let (begun, wait_begun) = channel();
        let (release, wait_release) = channel::<()>();
        let one = Arc::clone(&pool);
        let busy = tokio::spawn(async move {
            one.run(move |_| {
                begun.send(()).unwrap();
                wait_release.recv().unwrap();
            })
            .await
        });
        tokio::task::spawn_blocking(move || wait_begun.recv().unwrap()).await.unwrap();
        // The thread is busy; two may wait.
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..2 {
            let pool = Arc::clone(&pool);
            waiting.spawn(async move { pool.run(|_| ()).await });
        }
        tokio::task::yield_now().await;
        assert_eq!(pool.run(|_| ()).await, Err(PoolError::Overloaded));
        release.send(()).unwrap();
        assert_eq!(busy.await.unwrap(), Ok(()));
        while let Some(done) = waiting.join_next().await {
            assert_eq!(done.unwrap(), Ok(()));
        }
    }

    #[tokio::test]
    async fn job_that_waited_too_long_is_not_begun() {
        let pool = pool(1, 10, Duration::ZERO);
        let (release, wait) = channel::<()>();
        // With no time at all to wait, only a thread that takes the job in the same instant would run it.
        let ran = pool.run(move |_| wait.recv()).await;
        drop(release);
        assert!(matches!(ran, Err(PoolError::Overloaded)));
    }

    #[tokio::test]
    async fn panic_in_a_job_loses_neither_thread_nor_pool() {
        let pool = pool(1, 10, LONG);
        assert_eq!(
            pool.run(|_| if true { panic!("on purpose") } else { 1 }).await,
            Err(PoolError::Overloaded)
        );
        assert_eq!(pool.run(|_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn password_beyond_the_limit_is_not_hashed() {
        let pool = pool(1, 10, LONG);
        assert_eq!(pool.hash(Secret::new(vec![b'a'; 1025])).await.unwrap_err(), PoolError::TooLong);
    }
}
