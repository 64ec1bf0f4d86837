//! Claims about the pool. Jobs are held with channels; nothing waits for time to pass.

use super::super::fake::settings;
use super::*;
use crate::base::SeededRandom;
use std::sync::mpsc;

fn pool(change: impl FnOnce(&mut config::Password)) -> Arc<HashPool> {
    let mut settings = settings();
    change(&mut settings);
    Arc::new(HashPool::start(&settings, Arc::new(SeededRandom::new(1))).unwrap())
}

fn bytes(text: &str) -> Secret<Vec<u8>> {
    Secret::from(text)
}

/// A job that runs until it is let go.
struct Held {
    release: mpsc::Sender<()>,
    job: tokio::task::JoinHandle<Result<(), PoolError>>,
}

impl Held {
    /// Returns when it has begun.
    async fn begin(pool: &Arc<HashPool>) -> Self {
        let (release, released) = mpsc::channel();
        let (begun, begins) = oneshot::channel();
        let pool = Arc::clone(pool);
        let job = tokio::spawn(async move {
            pool.run(move |_| {
                let _ = begun.send(());
                let _ = released.recv();
                Ok(())
            })
            .await
        });
        begins.await.unwrap();
        Self { release, job }
    }

    async fn end(self) {
        drop(self.release);
        assert_eq!(self.job.await.unwrap(), Ok(()));
    }
}

/// Spawns a job and returns when it waits in the queue.
async fn queued(pool: &Arc<HashPool>) -> tokio::task::JoinHandle<Result<(), PoolError>> {
    let before = pool.waiting();
    let other = Arc::clone(pool);
    let job = tokio::spawn(async move { other.run(|_| Ok(())).await });
    while pool.waiting() == before {
        tokio::task::yield_now().await;
    }
    job
}

#[tokio::test]
async fn new_hash_verifies_and_is_of_the_current_cost() {
    let pool = pool(|_| {});
    let hash = pool.hash(bytes("lantern, umbrella")).await.unwrap();
    assert!(hash.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    assert_eq!(pool.verify(Some(hash.clone()), bytes("lantern, umbrella")).await, Ok(true));
    assert_eq!(pool.verify(Some(hash.clone()), bytes("lantern, umbrellA")).await, Ok(false));
    assert_ne!(pool.hash(bytes("lantern, umbrella")).await.unwrap().expose(), hash.expose(), "salts differ");
}

#[tokio::test]
async fn stranger_costs_as_much_as_a_wrong_password_and_is_never_right() {
    let pool = pool(|_| {});
    let hash = pool.hash(bytes("lantern")).await.unwrap();
    let start = pool.computations();
    assert_eq!(pool.verify(Some(hash), bytes("wrong")).await, Ok(false));
    let known = pool.computations() - start;
    assert_eq!(pool.verify(None, bytes("wrong")).await, Ok(false));
    assert_eq!((known, pool.computations() - start), (1, 2));
}

#[tokio::test]
async fn as_many_as_workers_and_queue_are_taken_and_the_longest_waiting_gives_way_to_the_next() {
    let pool = pool(|settings| (settings.workers, settings.queue) = (2, 3));
    let held = [Held::begin(&pool).await, Held::begin(&pool).await];
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(queued(&pool).await);
    }
    let start = pool.computations();
    let first = waiting.remove(0);
    let next = {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { pool.run(|_| Ok(())).await })
    };
    assert_eq!(first.await.unwrap(), Err(PoolError::Overloaded));
    waiting.push(next);
    assert_eq!((pool.waiting(), pool.computations()), (3, start));
    for held in held {
        held.end().await;
    }
    for job in waiting {
        assert_eq!(job.await.unwrap(), Ok(()));
    }
    assert_eq!(pool.run(|_| Ok(())).await, Ok(()), "there is room again");
}

#[tokio::test]
async fn queue_of_zero_still_lets_the_workers_work() {
    let pool = pool(|settings| settings.queue = 0);
    let held = Held::begin(&pool).await;
    assert_eq!(pool.run(|_| Ok(())).await, Err(PoolError::Overloaded));
    held.end().await;
    while pool.shared.lock().busy > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.run(|_| Ok(())).await, Ok(()));
}

#[tokio::test]
async fn job_past_its_deadline_is_overloaded_and_does_no_work() {
    let pool = pool(|settings| settings.deadline = Duration::ZERO);
    assert_eq!(pool.verify(None, bytes("x")).await, Err(PoolError::Overloaded));
    assert_eq!(pool.hash(bytes("x")).await.unwrap_err(), PoolError::Overloaded);
    assert_eq!(pool.computations(), 0);
}

#[tokio::test]
async fn job_whose_caller_has_gone_is_skipped() {
    let pool = pool(|_| {});
    let held = Held::begin(&pool).await;
    let (ran, runs) = mpsc::channel();
    let other = Arc::clone(&pool);
    let gone =
        tokio::spawn(async move { other.run(move |_| ran.send(()).map_err(|_| PoolError::Failed)).await });
    while pool.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    held.end().await;
    assert_eq!(pool.run(|_| Ok(())).await, Ok(()));
    assert!(runs.try_recv().is_err(), "it never ran");
}

#[tokio::test]
async fn jobs_that_nobody_waits_for_make_room_when_it_is_full() {
    let pool = pool(|settings| settings.queue = 2);
    let held = Held::begin(&pool).await;
    let (first, gone) = (queued(&pool).await, queued(&pool).await);
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let other = Arc::clone(&pool);
    let next = tokio::spawn(async move { other.run(|_| Ok(7)).await });
    tokio::task::yield_now().await;
    held.end().await;
    assert_eq!((next.await.unwrap(), first.await.unwrap()), (Ok(7), Ok(())));
}

#[tokio::test]
async fn panic_in_a_job_fails_that_job_and_keeps_the_thread() {
    let pool = pool(|_| {});
    for _ in 0..3 {
        let failed: Result<(), _> = pool.run(|_| panic!("made on purpose")).await;
        assert_eq!(failed, Err(PoolError::Failed));
    }
    assert_eq!(pool.verify(None, bytes("x")).await, Ok(false));
}

#[tokio::test]
async fn hash_above_the_caps_is_no_verdict_and_does_no_work() {
    let pool = pool(|_| {});
    let hash = "$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let verdict = pool.verify(Some(Secret::new(hash.to_owned())), bytes("password")).await;
    assert!(matches!(verdict, Err(PoolError::Hash(HashError::TooCostly { .. }))));
    assert_eq!(pool.computations(), 0);
}

#[tokio::test]
async fn too_long_a_password_is_wrong_but_cannot_be_hashed() {
    let pool = pool(|_| {});
    let long = Secret::new(vec![b'x'; MAX_BYTES + 1]);
    assert_eq!(pool.verify(None, long.clone()).await, Ok(false));
    assert_eq!(pool.hash(long).await.unwrap_err(), PoolError::TooLong);
    assert_eq!(pool.computations(), 0);
}

#[tokio::test]
async fn closing_refuses_what_waits_and_joins_the_threads() {
    let pool = pool(|_| {});
    let held = Held::begin(&pool).await;
    let waits = queued(&pool).await;
    let other = Arc::clone(&pool);
    let closing = tokio::task::spawn_blocking(move || other.close());
    assert_eq!(waits.await.unwrap(), Err(PoolError::Closed));
    held.end().await;
    closing.await.unwrap();
    assert_eq!(pool.run(|_| Ok(())).await, Err(PoolError::Closed));
    assert_eq!(Arc::strong_count(&pool.shared), 1, "no thread is left");
}

#[test]
fn impossible_costs_do_not_start() {
    for (memory_kib, passes) in [(1, 1), (64, 0), (1 << 30, 1)] {
        let settings = config::Password { memory_kib, passes, ..settings() };
        assert!(HashPool::start(&settings, Arc::new(SeededRandom::new(1))).is_err());
    }
}

#[tokio::test]
async fn debug_shows_settings_only() {
    let shown = format!("{:?}", pool(|_| {}));
    assert!(shown.starts_with("HashPool(1 workers, queue 8") && !shown.contains("argon2"), "{shown}");
}
