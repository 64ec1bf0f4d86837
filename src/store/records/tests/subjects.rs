//! Searches by subject: whatever is written down, they find what a look at every entry finds.

use super::*;
use crate::base::{Random, SeededRandom};
use crate::store::records::audit;
use crate::store::records::subjects::{Digest, PART};
use crate::store::{AuditQuery, Retention, StoreError};
use std::collections::HashMap;

claims! {
    search_finds_what_a_look_at_every_entry_finds
    part_is_written_down_once_it_is_complete
    part_that_was_just_added_is_not_read_again
    part_that_is_removed_step_by_step_is_searched_to_the_end_and_then_forgotten
    what_was_written_down_and_changed_is_found
    part_before_its_time_is_found
}

/// Adds an entry for each of these.
async fn fill(store: &Store, subjects: Vec<String>) {
    let written = store.write(move |transaction| {
        Box::pin(async move {
            for some in subjects.chunks(64) {
                let entries =
                    some.iter().map(|subject| AuditEntry { subject: subject.clone(), ..entry("login") });
                let records: Vec<_> = entries.map(|entry| transaction.chain.record(entry)).collect();
                let mut script = Script::default();
                audit::insert(&mut script, records.into_iter(), some.len());
                script.execute(&mut transaction.connection).await?;
            }
            Ok(())
        })
    });
    written.await.unwrap();
}

/// As many as are missing until this number.
pub(super) async fn fill_up_to(store: &Store, seq: i64) {
    let last = all(store).await.last().map_or(0, |(last, _)| *last);
    let names = (last..seq).map(|number| format!("person{}", number % 1000));
    fill(store, names.collect()).await;
}

/// All entries, with whom they are about.
async fn all(store: &Store) -> Vec<(i64, String)> {
    let rows = Query::new("SELECT seq, subject FROM audit ORDER BY seq");
    let rows = rows.fetch_all(&mut store.raw().await).await.unwrap();
    rows.iter().map(|row| (row.number(0).unwrap(), row.text(1).unwrap().to_owned())).collect()
}

async fn seqs(store: &Store, query: &AuditQuery) -> Vec<i64> {
    let found = store.audit().entries(query).await.unwrap();
    assert!(found.iter().all(|entry| Some(&*entry.subject) == query.subject.as_deref()), "{query:?}");
    found.iter().map(|entry| entry.seq).collect()
}

pub(super) async fn rows(store: &Store) -> usize {
    Query::new("SELECT part FROM audit_subjects").fetch_all(&mut store.raw().await).await.unwrap().len()
}

/// Writes down what there is to write down; how many parts.
async fn index(store: &Store) -> usize {
    let mut parts = 0;
    while store.upkeep().index().await.unwrap() {
        parts += 1;
    }
    parts
}

/// Two subjects with the same digest.
fn twins() -> [String; 2] {
    let mut seen = Vec::<(Digest, String)>::new();
    let mut known = HashMap::new();
    loop {
        let name = format!("twin{}", seen.len());
        let digest = Digest::of(&name);
        if let Some(at) = known.insert(format!("{digest:?}"), seen.len()) {
            return [seen.swap_remove(at).1, name];
        }
        seen.push((digest, name));
    }
}

struct Dice(SeededRandom);

impl Dice {
    fn below(&self, most: u64) -> u64 {
        u64::from_be_bytes(self.0.array()) % most
    }

    fn of<'a, T>(&self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

/// Asks at random, and compares.
async fn ask(store: &Store, dice: &Dice, times: usize, when: &str) {
    let all = all(store).await;
    let [one, other] = twins();
    let odd = ["", "nobody", "jürgen", "rare", &one, &other].map(str::to_owned);
    for _ in 0..times {
        let subject = if dice.below(2) == 0 { dice.of(&odd) } else { &dice.of(&all).1 };
        let near = dice.of(&[0, 1, 2, 3, 6, 7, 69, 70]) * PART - 2 + dice.below(4) as i64;
        let query = AuditQuery {
            after: *dice.of(&[0, 0, -5, i64::MIN, i64::MAX, near, dice.of(&all).0]),
            before: *dice.of(&[None, None, Some(0), Some(i64::MIN), Some(near + 90), Some(dice.of(&all).0)]),
            limit: *dice.of(&[0, 1, 2, 64, 65, 1000]),
            subject: Some(subject.clone()),
            newest_first: dice.below(2) == 0,
        };
        let mut wanted: Vec<_> = all
            .iter()
            .filter(|(seq, name)| {
                *seq > query.after && query.before.is_none_or(|before| *seq < before) && name == subject
            })
            .map(|(seq, _)| *seq)
            .collect();
        if query.newest_first {
            wanted.reverse();
        }
        wanted.truncate(if query.limit == 0 { 100 } else { query.limit as usize });
        // Not shown whole: they are long.
        assert!(seqs(store, &query).await == wanted, "{when}: {query:?}");
    }
}

async fn search_finds_what_a_look_at_every_entry_finds(kit: Kit) {
    let store = kit.store().await;
    let dice = Dice(SeededRandom::new(7));
    let [one, other] = twins();
    let subject = |number: i64| match dice.below(100) {
        _ if number == PART + 100 => "rare".to_owned(),
        0..30 => "monitor".to_owned(),
        30..40 => one.clone(),
        40 => other.clone(),
        41 => String::new(),
        42 => "jürgen".to_owned(),
        _ => format!("person{}", dice.below(5000)),
    };
    // More than are looked up at once.
    fill(&store, (0..70 * PART + 77).map(subject).collect()).await;
    ask(&store, &dice, 20, "nothing is written down").await;
    assert!(store.upkeep().index().await.unwrap());
    ask(&store, &dice, 20, "one part is").await;
    assert_eq!(index(&store).await, 69);
    ask(&store, &dice, 60, "all parts are").await;
    assert_eq!(store.broken().await, None);
    let nul = AuditQuery { subject: Some("a\0b".into()), ..AuditQuery::default() };
    fill(&store, vec!["a\0b".to_owned()]).await;
    assert_eq!(store.audit().entries(&nul).await.unwrap().len(), 1);
    for (sql, when) in [
        ("DELETE FROM audit WHERE seq < 140", "the oldest are gone"),
        ("DELETE FROM audit_subjects WHERE part = 2", "a part is not"),
        ("UPDATE audit_subjects SET places = 'AAA' WHERE part = 3 AND bucket < 40", "some rows are none"),
        ("DELETE FROM audit WHERE seq < 300", "a part is gone and still written down"),
        ("DELETE FROM audit WHERE seq > 1600 AND seq < 1800", "some are missing"),
        ("UPDATE audit SET seq = -3 WHERE seq = 301", "numbers are impossible"),
        ("UPDATE audit SET seq = 1152921504606846976 WHERE seq = 302", "numbers are far apart"),
        (
            "INSERT INTO audit_subjects SELECT bucket, -1, places FROM audit_subjects WHERE part = 0",
            "so are parts",
        ),
        (
            "INSERT INTO audit_subjects SELECT bucket, 36028797018963967, '' FROM audit_subjects WHERE part = 0",
            "and last",
        ),
        ("UPDATE audit_subjects SET places = 'A'", "no row is one"),
    ] {
        assert!(store.sql(sql).await > 0);
        ask(&store, &dice, 20, when).await;
    }
}

async fn part_is_written_down_once_it_is_complete(kit: Kit) {
    let mut store = kit.store().await;
    assert_eq!((index(&store).await, rows(&store).await), (0, 0));
    fill_up_to(&store, PART - 2).await;
    assert_eq!(index(&store).await, 0);
    store.audit().append(entry("last")).await.unwrap();
    assert_eq!((index(&store).await, rows(&store).await), (1, 64));
    store.reopen().await;
    fill_up_to(&store, 3 * PART).await;
    assert_eq!((index(&store).await, rows(&store).await), (2, 3 * 64));
    assert_eq!(store.broken().await, None);
    // A row with a number that is not its turn makes nothing complete.
    let far =
        "INSERT INTO audit SELECT 100000, at, actor, action, person, subject, outcome, detail, request, link
               FROM audit WHERE seq = 1";
    store.sql(far).await;
    assert_eq!(index(&store).await, 0);
}

async fn part_that_was_just_added_is_not_read_again(kit: Kit) {
    let store = kit.store().await;
    fill_up_to(&store, PART - 9).await;
    // What this one adds is taken back.
    let refused = store.write(|transaction| {
        Box::pin(async move {
            (0..20).for_each(|_| drop(transaction.chain.record(entry("login"))));
            Err::<(), _>(StoreError::Conflict("taken".into()))
        })
    });
    assert!(refused.await.is_err());
    fill_up_to(&store, PART + 1).await;
    // Who reads the entries now finds another name.
    let before = all(&store).await.swap_remove(3).1;
    store.sql("UPDATE audit SET subject = 'other' WHERE seq = 4").await;
    assert_eq!((index(&store).await, rows(&store).await), (1, 64));
    assert_eq!(before, "person3");
    store.sql("UPDATE audit SET subject = 'person3' WHERE seq = 4").await;
    assert_eq!(store.broken().await, None);
    // The end of a part that is not what was written is no part.
    fill_up_to(&store, 2 * PART).await;
    assert_eq!(2 * PART - 1, 511);
    store.sql("UPDATE audit SET link = 'x' WHERE seq = 511").await;
    assert!(!store.upkeep().index().await.unwrap());
}

async fn part_that_is_removed_step_by_step_is_searched_to_the_end_and_then_forgotten(kit: Kit) {
    let store = kit.store().await;
    fill_up_to(&store, 7 * PART).await;
    assert_eq!(index(&store).await, 7);
    let dice = Dice(SeededRandom::new(8));
    let day = Duration::from_secs(24 * 3600);
    let keep = Retention { audit: Some(day), messages: day, pending: day };
    for (first, parts) in [(501, 6), (1001, 4), (1501, 2)] {
        assert_eq!(store.upkeep().clean(&keep, NOW + 2 * day).await.unwrap().audit, 500);
        assert_eq!((all(&store).await[0].0, rows(&store).await), (first, parts * 64));
        ask(&store, &dice, 20, "some are gone").await;
        assert_eq!((store.broken().await, index(&store).await), (None, 0));
    }
}

async fn what_was_written_down_and_changed_is_found(kit: Kit) {
    let store = kit.store().await;
    fill_up_to(&store, 2 * PART).await;
    for (sql, changed, first) in [
        ("UPDATE audit_subjects SET places = substr(places, 17) WHERE part = 1 AND bucket = 5", 1, PART),
        ("UPDATE audit_subjects SET places = '*' WHERE part = 0 AND bucket = 63", 1, 1),
        ("UPDATE audit_subjects SET bucket = 64 WHERE part = 1 AND bucket = 63", 1, PART),
        ("DELETE FROM audit_subjects WHERE part = 1 AND bucket = 0", 1, PART),
        (
            "UPDATE audit_subjects SET places = (SELECT b.places FROM audit_subjects b WHERE b.bucket = 1 AND b.part = 0)
             WHERE part = 0 AND bucket = 0",
            1,
            1,
        ),
    ] {
        assert_eq!(index(&store).await, 2);
        assert_eq!(store.broken().await, None);
        assert_eq!(store.sql(sql).await, changed);
        let (seq, why) = store.broken().await.unwrap();
        assert!(seq == first && why.contains("audit_subjects"), "{sql}: {seq} {why}");
        // What it says to do helps.
        store.sql("DELETE FROM audit_subjects").await;
        assert_eq!(store.broken().await, None);
    }
    index(&store).await;
    store.sql("UPDATE audit_subjects SET places = '' WHERE part = 0").await;
    store.sql("UPDATE audit SET detail = 'x' WHERE seq = 300").await;
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(300), "an entry that was changed comes first");
}

async fn part_before_its_time_is_found(kit: Kit) {
    let store = kit.store().await;
    fill_up_to(&store, PART + 1).await;
    assert_eq!(index(&store).await, 1);
    store.sql("INSERT INTO audit_subjects SELECT bucket, 1, '' FROM audit_subjects").await;
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(PART));
}
