//! Passcodes that are sent: when another one comes, and in whose language.

use crate::support::portal::Browser;
use crate::support::{Daemon, code};
use crate::{World, shown};

// R-CODE-1 R-RESET-3
#[test]
fn page_says_that_a_new_passcode_comes_when_the_one_before_was_tried_too_often() {
    let mut world = World::start();
    let chen = world.person("chen");
    let mut browser = Browser::new(&world.url);
    browser.sign_in("chen", &chen.password, "/app/enroll");
    browser.post("/verify/choose", &[("method", "email")]);
    let mail = |world: &mut World| {
        let text = world.mail("chen", "passcode");
        text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).unwrap().to_owned()
    };
    let first = mail(&mut world);
    let wrong = if first == "000000" { "000001" } else { "000000" };
    for _ in 0..2 {
        let page = browser.post("/verify/passcode", &[("passcode", wrong)]);
        page.must_say("That passcode is not right, or it is too old.");
        assert!(!page.says("on its way"), "{}", page.text());
    }
    let page = browser.post("/verify/passcode", &[("passcode", wrong)]);
    page.must_say("it was the last try of this one. A new passcode is on its way");
    assert!(!page.says("or it is too old"), "{}", page.text());
    let second = mail(&mut world);
    assert_ne!(first, second);
    browser.post("/verify/passcode", &[("passcode", &first)]).must_say("That passcode is not right");
    browser.post("/verify/passcode", &[("passcode", &second)]).must_say("Name the device");
}

// R-CODE-1 R-RESET-3
#[test]
fn page_says_what_to_do_when_no_new_passcode_may_be_sent() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    std::fs::write(dir.path().join("conf.d/codes.toml"), "[codes]\nper_person = 1\n").unwrap();
    let mut world = World::of(Daemon::demo_in(dir.path(), &[]));
    let chen = world.person("chen");
    let mut browser = Browser::new(&world.url);
    browser.sign_in("chen", &chen.password, "/app/enroll");
    browser.post("/verify/choose", &[("method", "email")]).must_say("Enter the passcode");
    let sent = world.mail("chen", "passcode");
    let wrong = if sent.contains("000000") { "000001" } else { "000000" };
    for _ in 0..2 {
        browser.post("/verify/passcode", &[("passcode", wrong)]).must_say("That passcode is not right");
    }
    let page = browser.post("/verify/passcode", &[("passcode", wrong)]);
    page.must_say("it was the last try of this one. No more passcodes can be sent");
    page.must_say("How do you want to get your passcode?");
}

#[test]
fn codes_and_notices_are_in_the_language_that_the_person_has_chosen() {
    let mut world = World::start();
    let chen = world.person("chen");
    let mut browser = Browser::new(&world.url);
    browser.sign_in("chen", &chen.password, "/app/enroll");
    browser.get("/language/es?next=/verify").must_say("Sesión de chen");
    browser.post("/verify/choose", &[("method", "email")]);
    let mail = world.mail("chen", "su código de acceso");
    assert!(mail.contains("Hola, Chen Wei:") && mail.contains("Preguntas frecuentes"), "{mail}");
    let sent = mail.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).unwrap();
    let page = browser.post("/verify/passcode", &[("passcode", sent)]);
    assert_eq!(page.path, "/app/enroll", "{}", page.text());
    let (seed, factor) = shown(&browser.post("/app/enroll", &[("name", "")]));
    browser.post("/app/enroll/confirm", &[("factor", &factor), ("passcode", &code(&seed, 0))]);
    let notice = world.mail("chen", "Hola");
    assert!(notice.contains("Preguntas frecuentes") && !notice.contains("Frequent"), "{notice}");
}
