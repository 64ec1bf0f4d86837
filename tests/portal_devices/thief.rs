//! Thieves and strangers: a device alone resets no password, and failures tell nobody who has an account.

use crate::World;
use crate::support::portal::{Browser, answered, with};
use crate::support::{Daemon, code};

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

/// The code of a mail that is not read yet.
fn mailed(world: &mut World, user: &str) -> String {
    let mail = world.mail(user, "passcode");
    mail.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).unwrap().to_owned()
}

/// Settings of the demonstration are changed while it runs.
fn configure(world: &World, text: &str, taken_over: impl Fn() -> bool) {
    let folder = world.daemon.dir.join("conf.d");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("more.toml"), text).unwrap();
    world.daemon.signal(nix::sys::signal::Signal::SIGHUP);
    crate::support::slapd::until("the settings are taken over", || taken_over().then_some(()));
}

// R-REG-6, R-APP-2: else the password alone would register a telephone, and that would stand for its owner.
#[test]
fn password_alone_proves_no_contact_of_its_own() {
    let mut world = World::start();
    let victim = world.person("isaac");
    let mut thief = Browser::new(&world.url);
    let page = thief.sign_in(&victim.user, &victim.password, "/register");
    let fields = answered(&page);
    let page = thief.post("/register", &with(&fields, &[("contact-email", "thief@elsewhere.example")]));
    assert_eq!(page.path, "/verify", "{}", page.text());
    for path in ["/register/confirm/email/choose", "/register/confirm/email/passcode"] {
        let page = thief.post(path, &[("method", "email"), ("passcode", "123456")]);
        assert_eq!(page.path, "/verify", "{}", page.text());
    }
    assert_eq!(thief.get("/register/confirm/email").path, "/verify");
    assert_eq!(thief.get("/app/enroll").path, "/verify");

    // The owner has the mailbox that is known already, and goes on.
    let page = thief.get("/register/confirm/email");
    let page = world.proven(&mut thief, &victim, &page);
    assert_eq!(page.path, "/register/confirm/email", "{}", page.text());
}

// R-ACT-8
#[test]
fn activation_that_another_browser_has_finished_sets_no_password_any_more() {
    let mut world = World::start();
    let user = "nadia";
    let begin = |world: &mut World| {
        let mut browser = Browser::new(&world.url);
        browser.get("/activate");
        browser.post("/activate", &[("username", user)]);
        browser.post("/activate/choose", &[("method", "email")]).must_say("We have sent a passcode");
        let sent = mailed(world, user);
        let page = browser.post("/activate/passcode", &[("passcode", &sent)]);
        let fields = answered(&page);
        let page = browser.post("/activate/form", &with(&fields, &[]));
        page.must_say("USERID");
        browser
    };
    let (mut late, mut first) = (begin(&mut world), begin(&mut world));
    let set = |browser: &mut Browser, password: &str| {
        browser.post(
            "/activate/password",
            &[("password", password), ("password_again", password), ("agree", "1")],
        )
    };
    let (own, other) = ("copper lantern meadow", "granite pelican orchard");
    set(&mut first, own).must_say("is active");
    let page = set(&mut late, other);
    assert!(!page.says("is active"), "{}", page.text());
    assert_eq!(world.login(user, other), "Access-Reject");
    assert_eq!(world.login(user, own), "Access-Accept");
    let page = late.get("/activate");
    assert!(!page.says("USERID"), "{}", page.text());
}

// R-RESET-9
#[test]
fn reset_ends_with_another_reset_a_lock_and_a_new_factor() {
    let mut world = World::start();
    let user = "julia";
    let chosen = "granite pelican orchard";
    let begin = |world: &mut World| {
        let mut browser = Browser::new(&world.url);
        browser.get("/reset");
        browser.post("/reset", &[("username", user)]);
        browser.post("/reset/choose", &[("method", "email")]).must_say("We have sent a passcode");
        let sent = mailed(world, user);
        browser.post("/reset/passcode", &[("passcode", &sent)]).must_say("Choose a new password");
        browser
    };
    let set = |browser: &mut Browser, password: &str| {
        browser.post("/reset/password", &[("password", password), ("password_again", password)])
    };
    let refused = |world: &World, mut browser: Browser, why: &str| {
        let page = set(&mut browser, chosen);
        assert!(!page.says("Password has been successfully changed."), "{why}: {}", page.text());
        assert_eq!(world.login(user, chosen), "Access-Reject", "{why}");
    };
    let (attacker, mut victim) = (begin(&mut world), begin(&mut world));
    let mine = "copper lantern meadow";
    set(&mut victim, mine).must_say("Password has been successfully changed.");
    refused(&world, attacker, "the password was set meanwhile");

    let attacker = begin(&mut world);
    for action in ["lock", "unlock"] {
        assert!(world.daemon.run(&["person", action, user]).status.success());
    }
    refused(&world, attacker, "the account was locked meanwhile");

    let attacker = begin(&mut world);
    let enrolled = world.daemon.json(&["enroll", "totp", user]);
    let seed = enrolled["seed"].as_str().unwrap();
    let id = enrolled["id"].as_str().unwrap();
    assert!(world.daemon.run(&["factor", "confirm", id, &code(seed, 0)]).status.success());
    refused(&world, attacker, "a second factor was enrolled meanwhile");
    assert_eq!(world.login(user, &format!("{mine}{}", code(seed, 1))), "Access-Accept");
}

/// Whoever is signed in as themselves meanwhile must not keep what was proven of somebody else beyond the end of that one's sessions.
// R-RESET-9
#[test]
fn reset_of_another_person_than_the_one_who_is_signed_in_ends_with_theirs() {
    let mut world = World::start();
    let (victim, own) = (world.person("julia"), world.person("lena"));
    let mut thief = Browser::new(&world.url);
    thief.sign_in(&own.user, &own.password, "/sign-in").must_say("Signed in as lena");
    thief.get("/reset");
    thief.post("/reset", &[("username", &victim.user)]);
    thief.post("/reset/choose", &[("method", "email")]).must_say("We have sent a passcode");
    let sent = mailed(&mut world, &victim.user);
    let page = thief.post("/reset/passcode", &[("passcode", &sent)]);
    page.must_say("Choose a new password");
    assert!(!page.says("Signed in as"), "the session is about one person: {}", page.text());
    for action in ["lock", "unlock"] {
        assert!(world.daemon.run(&["person", action, &victim.user]).status.success());
    }
    let chosen = "granite pelican orchard";
    let page = thief.post("/reset/password", &[("password", chosen), ("password_again", chosen)]);
    assert!(!page.says("Password has been successfully changed."), "{}", page.text());
    assert_eq!(world.login(&victim.user, chosen), "Access-Reject");
    assert_eq!(world.login(&victim.user, &victim.password), "Access-Accept");
}

/// Who has planted a session's name does not find one of two passcodes proven in it.
// R-RESET-9
#[test]
fn session_gets_a_new_name_with_the_first_of_two_passcodes() {
    let mut world = World::start();
    let owner = world.person("karim");
    let mut browser = Browser::new(&world.url);
    browser.get("/reset");
    browser.post("/reset", &[("username", &owner.user)]);
    browser.post("/reset/choose", &[("method", "email")]).must_say("We have sent a passcode");
    let mut thief = browser.clone();
    let sent = mailed(&mut world, &owner.user);
    browser.post("/reset/passcode", &[("passcode", &sent)]).must_say("One more passcode");
    assert!(!thief.get("/reset").says("One more passcode"));
    browser.get("/reset").must_say("One more passcode");
}

/// Else whoever has one address of IPv6 has messages sent to everybody, at our cost.
// R-CODE-1
#[test]
fn network_of_64_bits_is_one_place_that_messages_are_asked_for_from() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    let settings = "[codes]\nper_origin = 1\n[portal]\nproxies = [\"127.0.0.1\"]\n";
    std::fs::write(dir.path().join("conf.d/origin.toml"), settings).unwrap();
    let world = World::of(Daemon::demo_in(dir.path(), &[]));
    let ask = |user: &str, from: &str| {
        let mut browser = Browser::from(&world.url, from);
        browser.get("/reset");
        browser.post("/reset", &[("username", user)]);
        browser.post("/reset/choose", &[("method", "email")])
    };
    ask("julia", "2001:db8::1").must_say("We have sent a passcode");
    ask("lena", "2001:db8::2").must_say("No more passcodes can be sent for now.");
    ask("lena", "2001:db8:0:1::1").must_say("We have sent a passcode");
}

#[test]
fn right_code_of_the_mailbox_makes_no_room_for_guesses_at_the_app() {
    let mut world = World::start();
    let owner = world.person("karim");
    let mut thief = Browser::new(&world.url);
    let failures = |world: &World| {
        let shown = world.daemon.json(&["person", "show", &owner.user]);
        let counters = shown["failures"].as_array().unwrap();
        let reset = counters.iter().find(|counter| counter["counter"] == "reset");
        reset.map_or(0, |counter| counter["count"].as_u64().unwrap())
    };
    for before in [0, 2] {
        assert_eq!(failures(&world), before);
        thief.get("/reset");
        thief.post("/reset", &[("username", &owner.user)]);
        thief.post("/reset/choose", &[("method", "email")]).must_say("We have sent a passcode");
        let sent = mailed(&mut world, &owner.user);
        thief.post("/reset/passcode", &[("passcode", &sent)]).must_say("One more passcode");
        for _ in 0..2 {
            thief.post("/reset/passcode", &[("passcode", "000000")]).must_say("That passcode is not right");
        }
        thief.post("/reset/cancel", &[]);
    }
    assert_eq!(failures(&world), 4);
}

// R-ACT-6
#[test]
fn second_passcode_can_be_asked_for_without_a_new_contact() {
    let mut world = World::start();
    configure(&world, "[activation]\nsecond_code = \"always\"\n", || world.daemon.log().contains("reloaded"));
    let mut browser = Browser::new(&world.url);
    browser.get("/activate");
    browser.post("/activate", &[("username", "nadia")]);
    browser.post("/activate/choose", &[("method", "email")]);
    let sent = mailed(&mut world, "nadia");
    let page = browser.post("/activate/passcode", &[("passcode", &sent)]);
    let fields = answered(&page);
    browser.post("/activate/form", &with(&fields, &[])).must_say("USERID");
    browser.post("/activate/delivery", &[("delivery", "email")]).must_say("n•••@e•••.edu");
    let sent = mailed(&mut world, "nadia");
    let own = "copper lantern meadow";
    let last = [("passcode", sent.as_str()), ("password", own), ("password_again", own), ("agree", "1")];
    browser.post("/activate/password", &last).must_say("is active");
}

#[test]
fn contact_that_was_mistyped_is_confirmed_as_it_was_corrected() {
    let mut world = World::start();
    let owner = world.person("isaac");
    let mut browser = Browser::new(&world.url);
    browser.sign_in(&owner.user, &owner.password, "/password");
    let page = browser.get("/verify");
    world.proven(&mut browser, &owner, &page);
    let fields = answered(&browser.get("/register"));
    let page = browser.post("/register", &with(&fields, &[("contact-email", "typo@wrong.example")]));
    page.must_say("t•••@w•••.example");
    let fields = answered(&browser.get("/register"));
    let page = browser.post("/register", &with(&fields, &[("contact-email", "right@home.example")]));
    page.must_say("r•••@h•••.example");
    assert!(!page.says("t•••@w•••.example"), "{}", page.text());
}
