//! Thieves and strangers: a device alone resets no password, and failures tell nobody who has an account.

use crate::World;
use crate::support::code;
use crate::support::portal::Browser;

// R-RESET-9: whoever has found a telephone has one thing, whatever they say it is.
#[test]
fn passcode_of_another_way_than_the_chosen_one_proves_nothing() {
    let mut world = World::start();
    let owner = world.person("karim");
    let mut thief = Browser::new(&world.url);
    thief.get("/reset");
    thief.post("/reset", &[("username", &owner.user)]).must_say("Email to k•••@e•••.edu");
    thief.post("/reset/choose", &[("method", "email")]).must_say("We have sent a passcode by e-mail");
    let mail = world.mail(&owner.user, "passcode");
    let page = thief.post("/reset/passcode", &[("passcode", &code(&owner.totp, 0))]);
    page.must_say("That passcode is not right");
    page.must_say("We have sent a passcode by e-mail");
    assert!(!page.says("One more passcode"), "{}", page.text());

    // The owner has both.
    let sent = mail.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).unwrap();
    thief.post("/reset/passcode", &[("passcode", sent)]).must_say("One more passcode");
    let page = thief.post("/reset/passcode", &[("passcode", &code(&owner.totp, 0))]);
    page.must_say("Choose a new password");
}

#[test]
fn too_many_failures_at_the_sign_in_look_the_same_for_those_who_have_an_account_and_those_who_have_none() {
    let world = World::start();
    let known = world.person("chen");
    let last = |user: &str| {
        let mut browser = Browser::new(&world.url);
        let mut page = browser.get("/sign-in");
        for _ in 0..13 {
            page = browser.post("/sign-in", &[("username", user), ("password", "not this one")]);
        }
        let token = page.hidden("form").unwrap();
        (page.status, page.body.replace(&token, "TOKEN").replace(user, "USER"))
    };
    assert_eq!(last(&known.user), last("nobodyatall"));
    let failures = world.daemon.json(&["person", "show", &known.user]);
    assert!(failures.to_string().contains("blocked_until"), "the gate was shut: {failures}");
}
