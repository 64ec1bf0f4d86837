//! What the fuzzer runs, without it: each target takes its seeds, and every input that has found something (`tests/vectors/fuzz`).
//! `tests/fuzz/README.md` says what each of them holds.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "what does not hold panics, and the fuzzer's package uses the same modules"
)]

#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::path::Path;
use targets::TARGETS;

fn all_of(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let (seeds, words) = ((target.seeds)(), (target.words)());
    assert!(seeds.len() > 5 && words.iter().all(|word| !word.is_empty()));
    for seed in seeds {
        (target.run)(&seed);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/fuzz").join(name);
    let Ok(vectors) = std::fs::read_dir(folder) else { return };
    for vector in vectors {
        let path = vector.unwrap().path();
        // The name is what is read where one panics.
        eprintln!("{}", path.display());
        (target.run)(&std::fs::read(path).unwrap());
    }
}

#[test]
fn packets_hold_what_is_promised_of_them() {
    all_of("packet");
}

#[test]
fn conversations_end_well_only_where_somebody_said_yes() {
    all_of("eap");
}

#[test]
fn answers_of_directories_are_read_as_they_are() {
    all_of("directory");
}

#[test]
fn what_peers_send_is_believed_only_if_it_is_signed() {
    all_of("peers");
}

#[test]
fn files_that_are_brought_in_are_read_with_their_lines() {
    all_of("imports");
}

#[test]
fn nobody_is_let_in_but_by_the_right_password_and_an_unused_passcode() {
    all_of("decision");
    // The seeds get everywhere, or they would say little.
    let (mut accepted, mut challenged, mut refused) = (Vec::new(), 0, 0);
    for seed in targets::decision::seeds() {
        let tally = targets::decision::tally(&seed);
        accepted.extend(tally.accepted);
        challenged += tally.challenged;
        refused += tally.refused;
    }
    assert!(challenged > 5 && refused > 10, "{challenged} {refused}");
    for client in 0..targets::world::CLIENTS.len() {
        let name = targets::world::CLIENTS[client];
        assert!(accepted.iter().any(|(at, _)| *at == client), "nobody was let in at {name}");
    }
    for person in 0..5 {
        let name = targets::world::PEOPLE[person].0;
        assert!(accepted.iter().any(|(_, who)| *who == person), "{name} was let in nowhere");
    }
}

#[test]
fn no_call_of_the_admin_socket_fails_or_tells_a_secret() {
    all_of("admin");
}

#[test]
fn every_error_of_a_configuration_has_its_place_and_shows_no_secret() {
    all_of("config");
}

#[test]
fn what_was_changed_in_trail_or_backup_is_found() {
    all_of("trail");
}
