//! Rounds: accepted once, challenges of one application and one person, texts, retries.

use crate::support::{DatabaseLock, code};
use crate::world::{World, wrong};

// R-API-1
#[test]
fn passcode_is_accepted_once_and_a_refusal_is_a_success_of_the_protocol() {
    let world = World::start();
    let amara = world.someone("amara");
    let passcode = code(&amara.totp, 0);
    let refused = world.check(&world.key, &[("user", "amara"), ("pass", &wrong(&amara))]);
    assert_eq!((refused.status, refused.authentication()), (200, "REJECT"), "{refused:?}");
    assert_eq!(refused.body["result"]["value"], false);
    let accepted = world.check(&world.key, &[("user", "amara"), ("pass", &passcode)]);
    assert_eq!((accepted.status, accepted.authentication()), (200, "ACCEPT"), "{accepted:?}");
    assert_eq!(accepted.body["result"]["value"], true);
    assert_eq!(accepted.body["detail"]["username"], "amara");
    let again = world.check(&world.key, &[("user", "amara"), ("pass", &passcode)]);
    assert_eq!(again.authentication(), "REJECT", "used");
    let trail = world.trail("amara");
    let api: Vec<_> = trail.iter().filter(|(actor, ..)| actor == "api:sign-on").collect();
    assert_eq!(api[1].1, "accept", "{trail:?}");
    assert_eq!(api[2].2, "passcode-replayed", "{trail:?}");
}

// R-API-1
#[test]
fn password_leads_to_a_challenge_that_its_application_answers_once() {
    let world = World::start();
    let (bjorn, webmail, other) =
        (world.someone("bjorn"), world.key_of("webmail"), world.key_of("other-sign-on"));
    let asked = world.check(&webmail, &[("user", "bjorn"), ("pass", &bjorn.password)]);
    assert_eq!((asked.status, asked.authentication()), (200, "CHALLENGE"), "{asked:?}");
    assert_eq!(asked.body["result"]["value"], false);
    let detail = &asked.body["detail"];
    let transaction = asked.transaction();
    assert_eq!(detail["multi_challenge"][0]["transaction_id"], transaction.as_str());
    assert_eq!(detail["multi_challenge"][0]["type"], "totp");
    assert_eq!(detail["multi_challenge"][0]["client_mode"], "interactive");
    let passcode = code(&bjorn.totp, 0);
    let answer = |key: &str, user: &str| {
        world.check(key, &[("user", user), ("pass", &passcode), ("transaction_id", &transaction)])
    };
    assert_eq!(answer(&other, "bjorn").authentication(), "REJECT", "of another application");
    assert_eq!(answer(&webmail, "bjorn").authentication(), "REJECT", "it was answered by that");
    let asked = world.check(&webmail, &[("user", "bjorn"), ("pass", &bjorn.password)]);
    let fields = |transaction: &str| {
        [("user", "bjorn"), ("pass", passcode.as_str()), ("state", transaction)]
            .map(|(a, b)| (a, b.to_owned()))
    };
    let send = |transaction: &str| {
        let fields = fields(transaction);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        world.check(&webmail, &fields)
    };
    assert_eq!(send(&asked.transaction()).authentication(), "ACCEPT");
    assert_eq!(send(&asked.transaction()).authentication(), "REJECT", "once");
    assert_eq!(send("12345678901234567890").authentication(), "REJECT", "none of ours");
}

// R-API-1
#[test]
fn password_and_passcode_come_in_one_string_too_and_somebody_without_needs_none() {
    let world = World::start();
    let (dalia, webmail) = (world.someone("dalia"), world.key_of("webmail"));
    let both = format!("{},{}", dalia.password, code(&dalia.totp, 0));
    assert_eq!(world.check(&webmail, &[("user", "dalia"), ("pass", &both)]).authentication(), "ACCEPT");
    let chen = world.someone("chen");
    assert_eq!(
        world.check(&webmail, &[("user", "chen"), ("pass", &chen.password)]).authentication(),
        "ACCEPT"
    );
}

// R-API-1
#[test]
fn trigger_counts_and_sends_what_comes_first_and_a_wrong_answer_can_be_followed_by_a_right_one() {
    let world = World::start();
    let texts = world.key_of("texts");
    let user = "karim";
    let asked = world.post(&texts, "/validate/triggerchallenge", &[("user", user)]);
    assert_eq!(asked.authentication(), "CHALLENGE", "{asked:?}");
    let count = asked.body["result"]["value"].as_u64().unwrap();
    assert_eq!(count, asked.body["detail"]["multi_challenge"].as_array().unwrap().len() as u64);
    assert!(count >= 1);
    let none = world.post(&texts, "/validate/triggerchallenge", &[("user", "nobody")]);
    assert_eq!((none.status, none.authentication()), (200, "REJECT"), "{none:?}");
    assert_eq!(none.body["result"]["value"], 0);
    let karim = world.someone(user);
    let transaction = asked.transaction();
    let answer =
        |pass: &str| world.check(&texts, &[("user", user), ("pass", pass), ("transaction_id", &transaction)]);
    assert_eq!(answer(&wrong(&karim)).authentication(), "REJECT");
    assert_eq!(answer(&code(&karim.totp, 0)).authentication(), "ACCEPT", "plug-ins keep the transaction");
    assert_eq!(answer(&code(&karim.totp, 1)).authentication(), "REJECT", "after that it is over");
}

// R-API-1, R-CODE-1
#[test]
fn text_message_is_answered_with_its_transaction_also_after_a_wrong_answer() {
    let world = World::start();
    let texts = world.key_of("texts");
    let user = "lena";
    let asked = world.post(&texts, "/validate/triggerchallenge", &[("user", user), ("type", "sms")]);
    assert_eq!(asked.body["detail"]["multi_challenge"][0]["type"], "sms", "{asked:?}");
    let sent = world.texted();
    let wrong = if sent == "000000" { "111111" } else { "000000" };
    let answer = |pass: &str| {
        world.check(&texts, &[("user", user), ("pass", pass), ("transaction_id", &asked.transaction())])
    };
    assert_eq!(answer(wrong).authentication(), "REJECT");
    assert_eq!(answer(&sent).authentication(), "ACCEPT", "the same code");
    assert_eq!(answer(&sent).authentication(), "REJECT", "once");
    assert_eq!(world.outbox(), 1, "no second message for the second answer");
}

// R-API-1
#[test]
fn empty_answer_does_not_use_the_challenge_up_and_polling_says_that_it_waits() {
    let world = World::start();
    let emil = world.someone("emil");
    // An empty pass of somebody whose password the application has checked asks for the passcode.
    let asked = world.check(&world.key, &[("user", "emil"), ("pass", "")]);
    assert_eq!(asked.authentication(), "CHALLENGE", "{asked:?}");
    let transaction = asked.transaction();
    let polled = world.send(
        "GET",
        &format!("/validate/polltransaction/{transaction}"),
        &[("authorization", &world.key)],
        "",
    );
    assert_eq!((polled.status, &polled.body["result"]["value"]), (200, &serde_json::json!(false)));
    let polled = world.send(
        "GET",
        &format!("/validate/polltransaction?transaction_id={transaction}"),
        &[("authorization", &world.key)],
        "",
    );
    assert_eq!(polled.body["detail"]["challenge_status"], "pending");
    let answer = |pass: &str| {
        world.check(&world.key, &[("user", "emil"), ("pass", pass), ("transaction_id", &transaction)])
    };
    assert_eq!(answer("").authentication(), "REJECT");
    assert_eq!(answer(&code(&emil.totp, 0)).authentication(), "ACCEPT");
}

// R-API-1
#[test]
fn store_that_is_down_is_an_error_and_neither_yes_nor_no() {
    let world = World::with("[store]\nbusy_timeout = \"100ms\"\n", &[]);
    let hana = world.someone("hana");
    let passcode = code(&hana.totp, 0);
    let lock = DatabaseLock::take(&world.daemon.dir);
    let answer = world.check(&world.key, &[("user", "hana"), ("pass", &passcode)]);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.error(), -500);
    let same = world.post(&world.key, "/validate/radiuscheck", &[("user", "hana"), ("pass", &passcode)]);
    assert_eq!(same.status, 503);
    lock.let_go();
    let answer = world.check(&world.key, &[("user", "hana"), ("pass", &passcode)]);
    assert_eq!(answer.authentication(), "ACCEPT", "{answer:?}");
}
