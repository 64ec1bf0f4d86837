//! Claims about the embedded directory.

use super::super::fake::{MemoryPasswords, entry, person, settings};
use super::*;
use crate::base::{ManualClock, SeededRandom};
use crate::domain::password::{PasswordProblem, PasswordRules};
use arc_swap::ArcSwap;
use std::sync::atomic::Ordering;
use std::time::Duration;

const SSHA: &str = "{SSHA}SjRL1iD8V0qR180+nXm3tM06ZiM4Ynl0c2FsdA==";
const SSHA_PASSWORD: &str = "correct horse, battery";

struct Bench {
    passwords: Arc<MemoryPasswords>,
    pool: Arc<HashPool>,
    clock: Arc<ManualClock>,
    directory: Embedded,
}

fn bench(change: impl FnOnce(&mut config::Password)) -> Bench {
    let mut settings = settings();
    change(&mut settings);
    let random = Arc::new(SeededRandom::new(1));
    let passwords = Arc::new(MemoryPasswords::default());
    let pool = Arc::new(HashPool::start(&settings, Arc::clone(&random) as _).unwrap());
    let clock = Arc::new(ManualClock::default());
    let rules = Arc::new(ArcSwap::from_pointee(PasswordRules::new(8, 64, ["Northfield"])));
    let directory = Embedded::with_clock(
        Arc::clone(&passwords) as _,
        Arc::clone(&pool),
        rules,
        &settings,
        (Arc::clone(&clock) as _, &*random),
    );
    Bench { passwords, pool, clock, directory }
}

fn cached() -> Bench {
    bench(|settings| settings.cache = Duration::from_secs(60))
}

impl Bench {
    async fn set(&self, person: &Person, password: &str) {
        let hash = self.pool.hash(Secret::from(password)).await.unwrap();
        self.passwords.put(person, hash.expose());
    }

    async fn check(&self, person: &Person, candidates: &[&str]) -> PasswordVerdict {
        self.try_check(Some(person), candidates).await.unwrap()
    }

    async fn try_check(
        &self,
        person: Option<&Person>,
        candidates: &[&str],
    ) -> Result<PasswordVerdict, DirectoryError> {
        let candidates: Vec<_> = candidates.iter().map(|text| Secret::from(*text)).collect();
        self.directory.check(person, &candidates).await
    }

    /// Argon2 computations of a check.
    async fn cost(&self, person: Option<&Person>, candidates: &[&str]) -> (PasswordVerdict, u64) {
        let before = self.pool.computations();
        let verdict = self.try_check(person, candidates).await.unwrap();
        (verdict, self.pool.computations() - before)
    }
}

#[tokio::test]
async fn first_right_candidate_is_named_and_the_rest_not_tried() {
    let bench = bench(|_| {});
    let ann = person("ann");
    bench.set(&ann, "lantern").await;
    assert_eq!(bench.cost(Some(&ann), &["lantern", "lantern123456"]).await, (PasswordVerdict::Right(0), 1));
    assert_eq!(bench.cost(Some(&ann), &["lantern123456", "lantern"]).await, (PasswordVerdict::Right(1), 2));
    assert_eq!(bench.check(&ann, &[]).await, PasswordVerdict::Wrong);
}

#[tokio::test]
async fn stranger_and_person_without_password_cost_the_same_as_a_wrong_password() {
    let bench = cached();
    let (ann, bob) = (person("ann"), person("bob"));
    bench.set(&ann, "lantern").await;
    for candidates in [&["wrong"][..], &["wrong123456", "wrong"], &[]] {
        let wrong = bench.cost(Some(&ann), candidates).await;
        assert_eq!(wrong, (PasswordVerdict::Wrong, candidates.len() as u64));
        assert_eq!(bench.cost(None, candidates).await, wrong);
        assert_eq!(bench.cost(Some(&bob), candidates).await, wrong);
    }
}

#[tokio::test]
async fn undecided_is_never_a_wrong_password() {
    let bench = bench(|_| {});
    let ann = person("ann");
    bench.passwords.put(&ann, "$2b$31$abcdefghijklmnopqrstuupKOzayPgz8ch492iZUHPqoUSp6a5jQS");
    let error = bench.try_check(Some(&ann), &["x"]).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Pool(PoolError::Hash(_))), "{error}");
    bench.passwords.down.store(true, Ordering::SeqCst);
    let error = bench.try_check(Some(&ann), &["x"]).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Store(_)), "{error}");
    bench.pool.close();
    let error = bench.try_check(None, &["x"]).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Pool(PoolError::Closed)), "{error}");
}

#[tokio::test]
async fn legacy_hash_is_upgraded_by_its_right_password_only() {
    let bench = bench(|_| {});
    let ann = person("ann");
    bench.passwords.put(&ann, SSHA);
    assert_eq!(bench.check(&ann, &["wrong"]).await, PasswordVerdict::Wrong);
    assert_eq!(bench.directory.upgrades.available_permits(), 1, "no upgrade has begun");
    assert_eq!(bench.passwords.of(&ann), SSHA);
    assert_eq!(bench.check(&ann, &["wrong", SSHA_PASSWORD]).await, PasswordVerdict::Right(1));
    bench.passwords.upgraded.notified().await;
    assert!(bench.passwords.of(&ann).starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    assert_eq!(bench.check(&ann, &[SSHA_PASSWORD]).await, PasswordVerdict::Right(0));
    assert_eq!(bench.directory.upgrades.available_permits(), 1, "the new one is not upgraded again");
}

#[tokio::test]
async fn upgrade_never_overwrites_a_newer_password() {
    let bench = bench(|_| {});
    let ann = person("ann");
    bench.passwords.put(&ann, SSHA);
    let (release, hold) = tokio::sync::oneshot::channel();
    *bench.passwords.hold_upgrade.lock().unwrap() = Some(hold);
    assert_eq!(bench.check(&ann, &[SSHA_PASSWORD]).await, PasswordVerdict::Right(0));
    let new = Secret::new("violet quartz larch".to_owned());
    bench.directory.change(&ann, None, &new, entry()).await.unwrap();
    let newer = bench.passwords.of(&ann);
    release.send(()).unwrap();
    bench.passwords.upgraded.notified().await;
    assert_eq!(bench.passwords.of(&ann), newer);
    assert_eq!(bench.check(&ann, &[SSHA_PASSWORD]).await, PasswordVerdict::Wrong);
}

#[tokio::test]
async fn one_upgrade_at_a_time_and_a_login_does_not_wait_for_it() {
    let bench = bench(|_| {});
    let (ann, bob) = (person("ann"), person("bob"));
    bench.passwords.put(&ann, SSHA);
    bench.passwords.put(&bob, SSHA);
    let (release, hold) = tokio::sync::oneshot::channel();
    *bench.passwords.hold_upgrade.lock().unwrap() = Some(hold);
    assert_eq!(bench.check(&ann, &[SSHA_PASSWORD]).await, PasswordVerdict::Right(0));
    assert_eq!(bench.check(&bob, &[SSHA_PASSWORD]).await, PasswordVerdict::Right(0));
    release.send(()).unwrap();
    bench.passwords.upgraded.notified().await;
    assert!(bench.passwords.of(&ann).starts_with("$argon2id$"));
    assert_eq!(bench.passwords.of(&bob), SSHA, "at the next login");
}

#[tokio::test]
async fn remembered_password_costs_nothing_until_it_expires() {
    let bench = cached();
    let ann = person("ann");
    bench.set(&ann, "lantern").await;
    assert_eq!(bench.cost(Some(&ann), &["lantern"]).await, (PasswordVerdict::Right(0), 1));
    assert_eq!(bench.cost(Some(&ann), &["lantern"]).await, (PasswordVerdict::Right(0), 0));
    assert_eq!(bench.cost(Some(&ann), &["lantern123456", "lantern"]).await, (PasswordVerdict::Right(1), 0));
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.cost(Some(&ann), &["lantern"]).await, (PasswordVerdict::Right(0), 1));
}

#[tokio::test]
async fn change_of_version_voids_what_is_remembered() {
    let bench = cached();
    let mut ann = person("ann");
    bench.set(&ann, "lantern").await;
    assert_eq!(bench.check(&ann, &["lantern"]).await, PasswordVerdict::Right(0));
    bench.set(&ann, "umbrella").await;
    ann.version += 1;
    assert_eq!(bench.cost(Some(&ann), &["lantern"]).await, (PasswordVerdict::Wrong, 1));
    assert_eq!(bench.cost(Some(&ann), &["umbrella"]).await, (PasswordVerdict::Right(0), 1));
}

#[tokio::test]
async fn wrong_password_is_never_remembered() {
    let bench = cached();
    let ann = person("ann");
    bench.set(&ann, "lantern").await;
    for _ in 0..2 {
        assert_eq!(bench.cost(Some(&ann), &["wrong"]).await, (PasswordVerdict::Wrong, 1));
    }
}

#[tokio::test]
async fn without_a_lifetime_nothing_is_remembered() {
    let bench = bench(|_| {});
    let ann = person("ann");
    bench.set(&ann, "lantern").await;
    for _ in 0..2 {
        assert_eq!(bench.cost(Some(&ann), &["lantern"]).await, (PasswordVerdict::Right(0), 1));
    }
}

#[tokio::test]
async fn change_keeps_to_the_rules_and_says_which_were_violated() {
    let bench = bench(|_| {});
    let ann = person("ann");
    bench.set(&ann, "lantern").await;
    let before = bench.passwords.of(&ann);
    let error =
        bench.directory.change(&ann, None, &Secret::new("ann!".to_owned()), entry()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "use at least 8 characters; leave your username out of it, forwards and backwards"
    );
    let ChangeError::Refused(problems) = error else { panic!() };
    assert_eq!(problems, [PasswordProblem::TooShort(8), PasswordProblem::ContainsUsername]);
    assert_eq!(bench.passwords.of(&ann), before);

    let new = Secret::new("u\u{308}ber, quartz".to_owned());
    bench.directory.change(&ann, None, &new, entry()).await.unwrap();
    assert_eq!(bench.check(&ann, &["\u{fc}ber, quartz"]).await, PasswordVerdict::Right(0));
    assert_eq!(bench.check(&ann, &["u\u{308}ber, quartz"]).await, PasswordVerdict::Right(0));
    assert_eq!(bench.check(&ann, &["lantern"]).await, PasswordVerdict::Wrong);
}

#[tokio::test]
async fn change_that_could_not_be_written_is_undecided() {
    let bench = bench(|_| {});
    bench.passwords.down.store(true, Ordering::SeqCst);
    let new = Secret::new("violet quartz larch".to_owned());
    let error = bench.directory.change(&person("ann"), None, &new, entry()).await.unwrap_err();
    assert!(matches!(error, ChangeError::Undecided(DirectoryError::Store(_))), "{error}");
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let bench = cached();
    let ann = person("ann");
    bench.set(&ann, "lantern").await;
    assert_eq!(bench.check(&ann, &["lantern"]).await, PasswordVerdict::Right(0));
    let shown = format!("{:?}", bench.directory);
    assert!(!shown.contains("lantern") && !shown.contains("argon2"), "{shown}");
}
