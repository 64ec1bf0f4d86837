//! What ends with a factor or a contact that is removed: every session of its owner but the one in which that is done.

use crate::World;
use crate::support::portal::{Browser, answered, with};
use crate::support::{Someone, code};

const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// The browser is signed in and has shown a passcode.
fn is_in(browser: &mut Browser) -> bool {
    let path = browser.get("/security").path;
    assert!(path == "/security" || path == "/sign-in", "{path}");
    path == "/security"
}

/// Adds an app to somebody's account; its id.
fn add_app(world: &World, user: &str) -> String {
    let made = world.daemon.json(&["enroll", "totp", user, "--seed", SEED, "--code", &code(SEED, -1)]);
    made["id"].as_str().unwrap().to_owned()
}

// R-YUBI-4, R-RESET-9
#[test]
fn factor_that_is_removed_ends_the_other_sessions_of_its_owner() {
    let mut world = World::start();
    let (mut one, _) = world.admitted("chen", "/app/enroll");
    let (mut two, _) = world.admitted("chen", "/app/enroll");
    let (mut stranger, _) = world.admitted("isaac", "/app/enroll");
    let app = add_app(&world, "chen");
    assert!(is_in(&mut one) && is_in(&mut two));
    one.get("/security");
    one.post(&format!("/security/revoke/{app}"), &[]).must_say("was removed.");
    assert!(is_in(&mut one), "in which it was done");
    assert!(!is_in(&mut two), "the other one");
    // By whoever looks after the accounts, it ends all of them.
    let (mut two, _) = world.admitted("chen", "/app/enroll");
    let app = add_app(&world, "chen");
    assert!(is_in(&mut one) && is_in(&mut two));
    let revoked = world.daemon.run(&["factor", "revoke", &app]);
    assert!(revoked.status.success(), "{revoked:?}");
    assert!(!is_in(&mut one) && !is_in(&mut two));
    assert!(is_in(&mut stranger), "nobody else's");
}

// R-REG-2, R-RESET-9
#[test]
fn telephone_that_is_removed_ends_the_other_sessions_of_its_owner() {
    let mut world = World::start();
    let number = "+15208782491";
    let chen = world.person("chen");
    let mut one = Browser::new(&world.url);
    let page = one.sign_in(&chen.user, &chen.password, "/register");
    let fields = answered(&page);
    let page = one.post("/register", &with(&fields, &[("contact-mobile", number)]));
    let page = world.proven(&mut one, &chen, &page);
    assert_eq!(page.path, "/register/confirm/mobile", "{}", page.text());
    one.post("/register/confirm/mobile/choose", &[("method", "sms")]).must_say("We have sent a passcode");
    let sent = passcode(&mut world, number);
    one.post("/register/confirm/mobile/passcode", &[("passcode", &sent)]).must_say("is confirmed");
    // Elsewhere the telephone shows who it is.
    let mut two = by_text(&mut world, &chen, number);
    assert!(is_in(&mut one) && is_in(&mut two));
    one.get("/register");
    one.post("/register", &with(&fields, &[("remove-mobile", "1")]))
        .must_say("You have successfully updated your information.");
    assert!(is_in(&mut one), "in which it was done");
    assert!(!is_in(&mut two), "the other one");
}

/// Signs in with a passcode by text.
fn by_text(world: &mut World, person: &Someone, number: &str) -> Browser {
    let mut browser = Browser::new(&world.url);
    let page = browser.sign_in(&person.user, &person.password, "/security");
    assert_eq!(page.path, "/verify", "{}", page.text());
    browser.post("/verify/choose", &[("method", "sms")]).must_say("We have sent a passcode");
    let sent = passcode(world, number);
    browser.post("/verify/passcode", &[("passcode", &sent)]);
    browser
}

/// The passcode of the next text to this number.
fn passcode(world: &mut World, number: &str) -> String {
    let text = world.message(number, "passcode");
    text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).unwrap().to_owned()
}

#[test]
fn device_is_not_given_the_name_of_another_one() {
    let mut world = World::start();
    let (mut browser, _) = world.admitted("chen", "/devices");
    for name in ["laptop", "telephone"] {
        browser.get("/devices");
        browser.post("/devices", &[("name", name)]).must_say("shown this once");
    }
    let page = browser.get("/security");
    let ids = page.between("/security/rename/", "\"");
    let rename = |browser: &mut Browser, name: &str| {
        browser.get(&format!("/security/rename/{}", ids[1]));
        browser.post(&format!("/security/rename/{}", ids[1]), &[("name", name)])
    };
    let page = rename(&mut browser, "LapTop");
    assert_eq!(page.status, 422);
    page.must_say("LapTop");
    assert!(page.body.contains("value=\"LapTop\""), "what was typed is there: {}", page.body);
    rename(&mut browser, "tablet").must_say("tablet");
    // At the socket it says so too.
    let refused = world.daemon.run(&["factor", "rename", &ids[0], "Tablet"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("There is a device called `Tablet` already"),
        "{said}"
    );
}
