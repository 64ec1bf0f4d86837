//! The audit trail against someone who can write the file but not open the keys.

use super::*;
use crate::store::AuditQuery;

claims! {
    whole_trail_verifies_also_after_reopening
    empty_trail_verifies
    change_of_any_column_is_found
    swapped_inserted_and_leading_rows_are_found
    tail_that_was_cut_off_shows_also_after_a_restart_and_new_entries
    head_that_was_set_back_together_with_the_tail_shows_while_running
    each_finding_says_which_entry_when_and_what_and_the_check_goes_on
    emptied_trail_does_not_pass_for_a_new_one
    entries_are_listed_by_subject_order_and_number
    verifying_while_entries_arrive_finds_nothing_wrong
}

async fn trail(kit: &Kit) -> Store {
    let store = kit.store().await;
    let alice = store.person("alice").await;
    for number in 0..4 {
        let told = AuditEntry { detail: format!("n{number}").into(), person: Some(alice), ..entry("told") };
        store.audit().append(told).await.unwrap();
    }
    assert_eq!(store.broken().await, None);
    store
}

async fn whole_trail_verifies_also_after_reopening(kit: Kit) {
    let mut store = trail(&kit).await;
    store.reopen().await;
    store.audit().append(entry("later")).await.unwrap();
    let check = store.audit().verify().await.unwrap();
    let last = AuditQuery { limit: 1, newest_first: true, ..AuditQuery::default() };
    let last = store.audit().entries(&last).await.unwrap();
    assert_eq!((check.entries, check.broken), (6, None));
    assert_eq!((last[0].seq, &last[0].link), (6, &check.head));
}

async fn empty_trail_verifies(kit: Kit) {
    let check = kit.store().await.audit().verify().await.unwrap();
    assert_eq!((check.entries, check.head.as_str(), check.broken), (0, "", None));
}

async fn change_of_any_column_is_found(kit: Kit) {
    for sql in [
        "UPDATE audit SET at = at + 1 WHERE seq = 3",
        "UPDATE audit SET actor = 'x' WHERE seq = 3",
        "UPDATE audit SET action = 'x' WHERE seq = 3",
        "UPDATE audit SET person = NULL WHERE seq = 3",
        "UPDATE audit SET person = '' WHERE seq = 3",
        "UPDATE audit SET subject = 'x' WHERE seq = 3",
        "UPDATE audit SET outcome = 'x' WHERE seq = 3",
        "UPDATE audit SET detail = 'x' WHERE seq = 3",
        "UPDATE audit SET request = 'x' WHERE seq = 3",
        "UPDATE audit SET link = (SELECT link FROM audit WHERE seq = 2) WHERE seq = 3",
        "UPDATE audit SET actor = actor || 'l', action = substr(action, 2) WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
    ] {
        let store = trail(&kit).await;
        assert_eq!(store.sql(sql).await, 1, "{sql}");
        assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(3), "{sql}");
    }
}

async fn swapped_inserted_and_leading_rows_are_found(kit: Kit) {
    let store = trail(&kit).await;
    store.sql("UPDATE audit SET seq = -seq WHERE seq IN (3, 4)").await;
    store.sql("UPDATE audit SET seq = 7 + seq WHERE seq < 0").await;
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(3));

    let copy =
        "INSERT INTO audit SELECT seq + 1, at, actor, action, person, subject, outcome, detail, request, link
                FROM audit WHERE seq = 5";
    let store = trail(&kit).await;
    store.sql(copy).await;
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(6));

    let before =
        "INSERT INTO audit SELECT 0, at, actor, action, person, subject, outcome, detail, request, link
                  FROM audit WHERE seq = 1";
    let store = trail(&kit).await;
    store.sql(before).await;
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(0));
}

async fn tail_that_was_cut_off_shows_also_after_a_restart_and_new_entries(kit: Kit) {
    let mut store = trail(&kit).await;
    store.sql("DELETE FROM audit WHERE seq > 3").await;
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(4));
    store.audit().append(entry("later")).await.unwrap();
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(4));
    store.reopen().await;
    store.audit().append(entry("later")).await.unwrap();
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(4));
}

async fn head_that_was_set_back_together_with_the_tail_shows_while_running(kit: Kit) {
    let store = trail(&kit).await;
    store.sql("CREATE TABLE old AS SELECT * FROM audit_head").await;
    store.audit().append(entry("hidden")).await.unwrap();
    store.sql("DELETE FROM audit WHERE action = 'hidden'").await;
    store.sql("UPDATE audit_head SET seq = (SELECT seq FROM old), link = (SELECT link FROM old), mac = (SELECT mac FROM old)")
        .await;
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(6));
    store.audit().append(entry("later")).await.unwrap();
    assert_eq!(store.broken().await.map(|(seq, _)| seq), Some(6), "the gap is not closed by going on");
}

async fn each_finding_says_which_entry_when_and_what_and_the_check_goes_on(kit: Kit) {
    let store = trail(&kit).await;
    for number in 0..12 {
        let at = NOW + Duration::from_secs(number);
        store.audit().append(AuditEntry { at, ..entry("later") }).await.unwrap();
    }
    for sql in [
        "UPDATE audit SET detail = 'x' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 6",
        "UPDATE audit SET seq = -seq WHERE seq IN (9, 11)",
        "UPDATE audit SET seq = 20 + seq WHERE seq < 0",
        "UPDATE audit SET link = (SELECT link FROM audit WHERE seq = 1) WHERE seq = 14",
        "DELETE FROM audit WHERE seq > 15",
    ] {
        store.sql(sql).await;
    }
    // Rows 9 and 11 have changed places.
    let check = store.audit().verify().await.unwrap();
    let found: Vec<_> = check.findings.iter().map(|found| (found.seq, found.what.as_str())).collect();
    assert_eq!(
        found,
        [
            (3, "this entry was changed: it does not say what was written"),
            (6, "this entry is missing"),
            (9, "this entry is not in its place: it was written as entry 11"),
            (11, "this entry is not in its place: it was written as entry 9"),
            (14, "the link of this entry was changed; what it says was not"),
            (16, "the entries from here to 17 are missing at the end"),
        ]
    );
    assert_eq!(check.broken.map(|(seq, _)| seq), Some(3));
    assert_eq!(check.findings[0].at, Some(NOW));
    assert_eq!(check.findings[5].at, Some(NOW + Duration::from_secs(9)), "after the one that is there");

    let store = trail(&kit).await;
    store.sql("DELETE FROM audit WHERE seq IN (2, 3)").await;
    let check = store.audit().verify().await.unwrap();
    assert_eq!(check.findings[0].what, "the entries from here to 3 are missing");
    assert_eq!(check.findings.len(), 1);
}

async fn emptied_trail_does_not_pass_for_a_new_one(kit: Kit) {
    for sql in ["DELETE FROM audit_head", "UPDATE audit_head SET seq = 0, link = ''"] {
        let store = trail(&kit).await;
        store.sql("DELETE FROM audit").await;
        store.sql(sql).await;
        assert!(store.broken().await.is_some(), "{sql}");
        assert!(store.audit().append(entry("later")).await.is_err(), "{sql}");
        store.close().await;
        let opened = store.open(ring(&[("k1", 1)])).await;
        assert!(opened.unwrap_err().to_string().contains("audit trail"), "{sql}");
    }
    let store = trail(&kit).await;
    store.close().await;
    store.sql("DELETE FROM audit_head").await;
    store.sql("DELETE FROM secrets").await;
    let opened = store.open(ring(&[("k1", 1)])).await;
    assert!(opened.unwrap_err().to_string().contains("audit trail"));
}

async fn entries_are_listed_by_subject_order_and_number(kit: Kit) {
    let store = trail(&kit).await;
    store.audit().append(AuditEntry { subject: "bob".into(), ..entry("told") }).await.unwrap();
    let seqs = async |query: AuditQuery| -> Vec<i64> {
        store.audit().entries(&query).await.unwrap().iter().map(|entry| entry.seq).collect()
    };
    assert_eq!(seqs(AuditQuery { after: 4, ..AuditQuery::default() }).await, [5, 6]);
    assert_eq!(seqs(AuditQuery { newest_first: true, limit: 2, ..AuditQuery::default() }).await, [6, 5]);
    let older = AuditQuery { newest_first: true, before: Some(5), limit: 2, ..AuditQuery::default() };
    assert_eq!(seqs(older).await, [4, 3]);
    assert_eq!(seqs(AuditQuery { subject: Some("bob".into()), ..AuditQuery::default() }).await, [6]);
    let alice =
        AuditQuery { subject: Some("alice".into()), newest_first: true, limit: 1, ..AuditQuery::default() };
    assert_eq!(seqs(alice).await, [5]);
}

async fn verifying_while_entries_arrive_finds_nothing_wrong(kit: Kit) {
    let store = trail(&kit).await;
    let records = store.records.clone();
    let writer = tokio::spawn(async move {
        for _ in 0..200 {
            records.audit().append(entry("more")).await.unwrap();
        }
    });
    while !writer.is_finished() {
        assert_eq!(store.broken().await, None);
    }
    writer.await.unwrap();
    assert_eq!(store.audit().verify().await.unwrap().entries, 205);
}

/// SQLite keeps anything in any column: what no entry can hold must not end the look at the others.
#[tokio::test]
async fn octets_in_the_place_of_a_text_are_named_and_the_check_goes_on() {
    let store = trail(&Kit::Sqlite).await;
    for _ in 0..12 {
        store.audit().append(entry("later")).await.unwrap();
    }
    for sql in [
        "UPDATE audit SET detail = x'ff00' WHERE seq = 3",
        // The same octets; who lists it fails.
        "UPDATE audit SET subject = CAST(subject AS BLOB) WHERE seq = 6",
        "UPDATE audit SET at = 'then' WHERE seq = 9",
        "UPDATE audit SET link = x'00' WHERE seq = 12",
        "DELETE FROM audit WHERE seq = 15",
    ] {
        store.sql(sql).await;
    }
    let check = store.audit().verify().await.unwrap();
    let found: Vec<_> = check.findings.iter().map(|found| (found.seq, found.what.as_str())).collect();
    let changed = "this entry was changed: it does not say what was written";
    let link = "the link of this entry was changed; what it says was not";
    assert_eq!(found, [(3, changed), (6, changed), (9, changed), (12, link), (15, "this entry is missing")]);
}
