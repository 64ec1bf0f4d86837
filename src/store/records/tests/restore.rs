//! Restores: what was used since the backup was made is not good again, whatever has become of its row, and nothing that lies around is
//! taken for what it is not.

use super::tokens::{new_token, to};
use super::*;
use crate::domain::token::TokenState;
use crate::store::records::{BackupError, Contents, Replaced, Wanted};
use crate::store::{NewToken, Settled};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

const LATER: Timestamp = Timestamp::from_secs(2_000_000);

fn keys() -> Keyring {
    ring(&[("k1", 1)])
}

/// No two at the same moment, which what was there is called after.
fn wanted() -> Wanted {
    static MOMENT: AtomicI64 = AtomicI64::new(LATER.millis());
    Wanted {
        now: Timestamp::from_millis(MOMENT.fetch_add(1, Ordering::Relaxed)),
        skew: 1,
        keep_recovery: false,
        actor: "root".to_owned(),
        detail: String::new(),
        known: false,
        gone: 0,
    }
}

impl Store {
    fn file(&self, name: &str) -> PathBuf {
        self.path().with_file_name(name)
    }

    async fn backup(&self, name: &str) -> PathBuf {
        let to = self.file(name);
        Records::backup(&self.settings, &keys(), (&to, false), NOW).await.unwrap();
        to
    }

    async fn restore_by(&self, from: &Path, wanted: &Wanted) -> Result<Replaced, BackupError> {
        let source = (from, File::open(from).unwrap(), false);
        Records::restore(&self.settings, &keys(), source, wanted).await
    }

    /// Closes the store, restores and opens it again.
    async fn restore(&mut self, from: &Path) -> Replaced {
        self.close().await;
        let replaced = self.restore_by(from, &wanted()).await.unwrap();
        self.records = self.open(keys()).await.unwrap();
        assert_eq!(self.broken().await, None);
        replaced
    }
}

fn hotp(person: PersonId) -> NewFactor {
    let material = Material::Hotp { seed: Secret::new(vec![1; 20]), digits: 6 };
    new_factor(person, FactorKind::Hotp, FactorState::Active, material)
}

/// Another who has a HOTP token that is not in the inventory.
async fn with_hotp(store: &Store, name: &str) -> (PersonId, FactorId) {
    let person = store.person(name).await;
    let new = hotp(person);
    let id = new.id;
    store.factors().add(new, Among::Others, entry("factor.add")).await.unwrap();
    (person, id)
}

#[tokio::test]
async fn token_stands_where_it_stood_whoever_had_it_since_the_backup() {
    let mut store = Store::new().await;
    let (alice, bob) = (store.person("alice").await, store.person("bob").await);
    let (given, taken) = (store.import(1).await, store.import(2).await);
    let had = store.assign(to(alice, &taken)).await.unwrap();
    assert_eq!(store.login(alice, had, 5).await, Settled::Done);
    let backup = store.backup("b.db").await;

    // One that was in stock is somebody's now, and one that was somebody's is nobody's any more.
    let has = store.assign(to(bob, &given)).await.unwrap();
    assert_eq!(store.login(bob, has, 70).await, Settled::Done);
    assert_eq!(store.login(alice, had, 80).await, Settled::Done);
    store.tokens().revoke(taken.id, entry("token.revoke")).await.unwrap();
    let replaced = store.restore(&backup).await;
    assert_eq!((replaced.silent, replaced.restored.counters), (None, 0));
    assert!(replaced.undone.contains(&("token.revoke".to_owned(), 1)), "{:?}", replaced.undone);

    assert_eq!(store.login(alice, had, 80).await, Settled::Replayed, "used before it was revoked");
    assert_eq!(store.login(alice, had, 81).await, Settled::Done);
    let token = store.tokens().find("501").await.unwrap().remove(0);
    assert_eq!((token.state, token.next), (TokenState::Stock, 71));
    let again = store.assign(to(bob, &given)).await.unwrap();
    assert_eq!(store.login(bob, again, 70).await, Settled::Replayed, "used before the restore");
}

#[tokio::test]
async fn counter_that_went_with_its_factor_is_told_as_not_known() {
    let mut store = Store::new().await;
    let (alice, factor) = with_hotp(&store, "alice").await;
    let (bob, other) = with_hotp(&store, "bob").await;
    let backup = store.backup("b.db").await;
    assert_eq!(store.login(alice, factor, 7).await, Settled::Done);
    assert_eq!(store.login(bob, other, 9).await, Settled::Done);
    store.factors().revoke(factor, None, entry("factor.revoke")).await.unwrap();
    let replaced = store.restore(&backup).await;
    assert_eq!((replaced.silent, replaced.restored.counters), (None, 1));
    assert_eq!(store.login(bob, other, 9).await, Settled::Replayed);
}

#[tokio::test]
async fn codes_of_totp_tokens_in_stock_up_to_now_count_as_used() {
    let mut store = Store::new().await;
    let token = NewToken {
        kind: FactorKind::Totp,
        name: "T1".into(),
        serial: "T1".into(),
        material: totp_material(),
        ..new_token(1)
    };
    store.stock().import(vec![token.clone()].into(), entry("token.import")).await.unwrap();
    let backup = store.backup("b.db").await;
    store.restore(&backup).await;
    let step = LATER.unix_secs() / 30;
    assert_eq!(store.tokens().find("T1").await.unwrap()[0].next, step + 2);
}

fn recovery_code() -> OneTimeCode {
    OneTimeCode { digest: [7; 32], expires: None }
}

async fn codes_left(store: &Store) -> usize {
    Query::new("SELECT 1 FROM one_time_codes").fetch_all(&mut store.raw().await).await.unwrap().len()
}

#[tokio::test]
async fn database_that_does_not_go_on_from_the_backup_is_not_taken_for_knowing() {
    // A new one, as a daemon makes it that is started where the file is lost.
    let mut store = Store::new().await;
    let (alice, factor) = with_hotp(&store, "alice").await;
    store.codes(alice, vec![recovery_code()]).await;
    let backup = store.backup("b.db").await;
    assert_eq!(store.login(alice, factor, 7).await, Settled::Done);
    store.close().await;
    fs::rename(store.path(), store.file("lost")).unwrap();
    store.open(keys()).await.unwrap().close().await;
    let keep = Wanted { keep_recovery: true, ..wanted() };
    let replaced = store.restore_by(&backup, &keep).await.unwrap();
    assert!(replaced.silent.unwrap().contains("does not go on"));
    assert_eq!((replaced.restored.counters, replaced.restored.recovery), (1, 0));
    assert!(replaced.undone.is_empty());
    assert_eq!(codes_left(&store).await, 1, "they were to be kept");

    // An older one, restored before. What it knows counts, but it does not know all.
    store.records = store.open(keys()).await.unwrap();
    assert_eq!(store.login(alice, factor, 8).await, Settled::Done);
    let newer = store.backup("newer.db").await;
    let replaced = store.restore(&backup).await;
    assert_eq!((replaced.silent, replaced.restored.counters), (None, 0), "of this it is the continuation");
    assert_eq!(store.login(alice, factor, 20).await, Settled::Done);
    let replaced = store.restore(&newer).await;
    assert!(replaced.silent.unwrap().contains("does not go on"));
    assert_eq!((replaced.restored.counters, replaced.restored.recovery), (1, 1));
    assert_eq!(store.login(alice, factor, 20).await, Settled::Replayed);
}

#[tokio::test]
async fn log_that_lies_beside_a_missing_file_is_not_taken_for_that_of_the_backup() {
    let mut store = Store::new().await;
    store.person("alice").await;
    let backup = store.backup("b.db").await;
    for number in 0..20 {
        store.person(&format!("later{number}")).await;
    }
    let log = store.file("doorward.db-wal");
    let kept = fs::read(&log).unwrap();
    store.close().await;
    fs::remove_file(store.path()).unwrap();
    fs::write(&log, kept).unwrap();
    let replaced = store.restore(&backup).await;
    assert_eq!((replaced.kept, replaced.silent), (None, None));
    assert!(store.people().person(&name("alice")).await.unwrap().is_some());
    assert!(store.people().person(&name("later7")).await.unwrap().is_none());
    let names = fs::read_dir(store.path().parent().unwrap()).unwrap().map(|file| file.unwrap().file_name());
    let logs = names.filter(|name| name.to_string_lossy().ends_with("-wal"));
    let logs: Vec<_> = logs.map(|name| name.to_string_lossy().into_owned()).collect();
    assert!(logs.iter().any(|name| name.contains(".replaced-")), "it is kept: {logs:?}");
}

#[tokio::test]
async fn database_that_comes_while_the_backup_is_looked_through_is_not_replaced() {
    let store = Store::new().await;
    let backup = store.backup("b.db").await;
    store.close().await;
    fs::remove_file(store.path()).unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let (bytes, path) = (fs::read(&backup).unwrap(), store.path().to_owned());
    assert!(bytes.len() > 1 << 17, "more than waits in a pipe");
    let begun = std::thread::spawn(move || {
        let (last, all) = bytes.split_last().unwrap();
        // When this was taken, it has begun.
        writer.write_all(all).unwrap();
        fs::write(&path, "somebody's").unwrap();
        writer.write_all(&[*last]).unwrap();
    });
    let source = (backup.as_path(), File::from(std::os::fd::OwnedFd::from(reader)), false);
    let refused = Records::restore(&store.settings, &keys(), source, &wanted()).await.unwrap_err();
    begun.join().unwrap();
    assert!(refused.to_string().contains("in use"), "{refused}");
    assert_eq!(fs::read(store.path()).unwrap(), b"somebody's");
}

#[tokio::test]
async fn what_acts_in_a_backup_is_refused_and_in_a_database_does_nothing() {
    let store = Store::new().await;
    let alice = store.person("alice").await;
    let factor = store.totp(alice, FactorState::Active).await;
    let backup = store.backup("b.db").await;
    let trigger = "CREATE TRIGGER again AFTER UPDATE ON positions BEGIN UPDATE positions SET next = 0; END";
    rusqlite::Connection::open(&backup).unwrap().execute_batch(trigger).unwrap();
    store.sql(trigger).await;
    assert_eq!(store.login(alice, factor, 9).await, Settled::Done);
    assert_eq!(store.login(alice, factor, 9).await, Settled::Replayed, "it would have set it back");
    store.close().await;
    let refused = store.restore_by(&backup, &wanted()).await.unwrap_err().to_string();
    assert!(refused.contains("trigger `again`"), "{refused}");
}

#[tokio::test]
async fn database_itself_is_neither_a_backup_nor_the_place_for_one() {
    let store = Store::new().await;
    store.person("alice").await;
    let other = store.file("other-name");
    fs::hard_link(store.path(), &other).unwrap();
    for to in [store.path().to_owned(), other.clone(), store.file("doorward.db-wal")] {
        let refused = Records::backup(&store.settings, &keys(), (&to, true), NOW).await.unwrap_err();
        assert!(matches!(refused, BackupError::Itself(_)), "{refused}");
    }
    store.close().await;
    let refused = store.restore_by(&other, &wanted()).await.unwrap_err();
    assert!(matches!(refused, BackupError::Itself(_)), "{refused}");
    let store = store.open(keys()).await.unwrap();
    assert!(store.people().person(&name("alice")).await.unwrap().is_some());
}

#[tokio::test]
async fn backup_that_is_not_sound_replaces_none_that_is_there() {
    let store = Store::new().await;
    store.person("alice").await;
    let backup = store.backup("b.db").await;
    let good = fs::read(&backup).unwrap();
    store.sql("UPDATE audit SET detail = x'00' WHERE seq = 1").await;
    let to = (backup.as_path(), true);
    let contents: Contents = Records::backup(&store.settings, &keys(), to, NOW).await.unwrap();
    assert!(!contents.is_sound());
    assert_eq!(contents.elsewhere, Some(store.file("b.db.unsound")));
    assert!(store.file("b.db.unsound").exists());
    assert_eq!(fs::read(&backup).unwrap(), good);
}

#[tokio::test]
async fn what_a_killed_backup_left_is_removed_and_what_another_works_on_is_not() {
    let store = Store::new().await;
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    let [left, journal, worked, other] =
        [".doorward-a.part", ".doorward-a.part-journal", ".doorward-b.part", "mine.part"]
            .map(|name| store.file(name));
    for path in [&left, &journal, &worked, &other] {
        File::create(path).unwrap().set_modified(long_ago).unwrap();
    }
    let work = File::open(&worked).unwrap();
    work.lock_shared().unwrap();
    store.backup("b.db").await;
    let there = [&left, &journal, &worked, &other].map(|path| path.exists());
    assert_eq!(there, [false, false, true, true]);
}

#[tokio::test]
async fn link_in_the_place_of_the_database_is_followed() {
    let mut store = Store::new().await;
    store.person("alice").await;
    let backup = store.backup("b.db").await;
    store.person("bob").await;
    store.close().await;
    let real = store.file("real.db");
    fs::rename(store.path(), &real).unwrap();
    std::os::unix::fs::symlink(&real, store.path()).unwrap();
    let replaced = store.restore(&backup).await;
    assert!(store.path().symlink_metadata().unwrap().is_symlink());
    let kept = replaced.kept.unwrap();
    assert!(
        kept.to_string_lossy().contains("real.db.replaced-")
            && !kept.symlink_metadata().unwrap().is_symlink()
    );
    assert!(store.people().person(&name("bob")).await.unwrap().is_none());
}
