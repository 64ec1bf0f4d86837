//! A button that is pressed twice where no script holds the second press back: what was asked for is done once, and the second
//! answer, which is the one that a browser shows, ends where the first one led to. Also in the step that gives the session a new
//! name: a browser that did not wait for the first answer does not know that name yet.

use crate::doors::{Guest, house};
use crate::support::portal::{Browser, Page};
use crate::world::{Demo, page};

/// A browser that has not waited for an answer is one that still has everything as it was before.
fn press_twice(browser: &mut Browser, path: &str, fields: &[(&str, &str)]) -> (Page, Page) {
    let mut second = browser.clone();
    let first = browser.post(path, fields);
    let again = second.post(path, fields);
    *browser = second;
    (first, again)
}

fn ask(demo: &Demo) -> Browser {
    let mut browser = Browser::new(&format!("http://{}", demo.daemon.portal.unwrap()));
    browser.get("/reset").must_say("Username");
    browser.post("/reset", &[("username", &demo.var("STUDENT_USER"))]).must_say("Email to ");
    browser.post("/reset/choose", &[("method", "email")]).must_say("Enter the passcode");
    browser
}

// R-RESET-3 R-RESET-6
#[test]
fn both_presses_of_a_button_end_at_the_same_page() {
    const NEW: &str = "copper lantern meadow";
    let demo = Demo::start("");
    let mut browser = ask(&demo);
    let code = demo.sent.code();
    let wrong = if code == "000000" { "111111" } else { "000000" };
    let (first, second) = press_twice(&mut browser, "/reset/passcode", &[("passcode", wrong)]);
    first.must_say("That passcode is not right");
    second.must_say("That passcode is not right");
    let audit = demo.daemon.json(&["audit", "list"]).to_string();
    assert_eq!(audit.matches("wrong-passcode").count(), 1, "{audit}");
    let (first, second) = press_twice(&mut browser, "/reset/passcode", &[("passcode", &code)]);
    first.must_say("Choose a new password");
    second.must_say("Choose a new password");
    let fields = [("password", NEW), ("password_again", NEW)];
    let (first, second) = press_twice(&mut browser, "/reset/password", &fields);
    first.must_say("Password has been successfully changed.");
    assert_eq!((second.status, &*second.path), (200, "/"), "{}", second.text());
    second.must_say("Password has been successfully changed.");
    assert!(demo.sent.next().contains("was changed"));
    let audit = demo.daemon.json(&["audit", "list"]).to_string();
    assert_eq!(audit.matches("\"person.reset\"").count(), 1, "{audit}");
    assert_eq!(audit.matches("wrong-passcode").count(), 1, "what was sent twice was looked at once: {audit}");
}

/// Who has planted a session's name, or has learnt it, has nothing by it when its person has signed in (session fixation).
// R-RESET-9
#[test]
fn old_name_opens_nothing_without_the_very_form_that_changed_it() {
    let demo = Demo::start("");
    let mut browser = ask(&demo);
    let code = demo.sent.code();
    let mut thief = browser.clone();
    // On a page of the same session, with what is in its forms.
    thief.get("/reset").must_say("Enter the passcode");
    browser.post("/reset/passcode", &[("passcode", &code)]).must_say("Choose a new password");
    for _ in 0..2 {
        let page = thief.post("/reset/passcode", &[("passcode", &code)]);
        assert!(!page.says("Choose a new password"), "{}", page.text());
    }
    thief.get("/reset").must_say("Username");
    browser.get("/reset").must_say("Choose a new password");
}

/// Status, where to, and the name of the session.
fn seen(answer: &reqwest::blocking::Response) -> (u16, String, Option<String>) {
    let to = answer.headers()["location"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), to, crate::strangers::cookie(answer))
}

#[test]
fn presses_at_the_same_time_are_one() {
    let house = house(false, "");
    let guest = house.guest();
    let fields = format!("form={}&username=anna&password=left-luggage-counter&next=/register", guest.token);
    let press = || house.form("/sign-in", &fields).header("cookie", &guest.cookie);
    let presses: Vec<_> =
        (0..8).map(|_| press()).map(|press| std::thread::spawn(|| press.send().unwrap())).collect();
    let answers: Vec<_> = presses.into_iter().map(|press| seen(&press.join().unwrap())).collect();
    let (status, to, name) = &answers[0];
    assert_eq!((*status, &**to), (303, "/register"));
    assert!(name.as_ref().is_some_and(|name| *name != guest.cookie));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let audit = house.daemon.json(&["audit", "list"]).to_string();
    assert_eq!(audit.matches("portal:sign-in").count(), 1, "{audit}");

    // Whoever has signed out is not signed in again by a form that comes late.
    let signed_in = Guest { cookie: name.clone().unwrap(), token: String::new() };
    let token = crate::strangers::token(&house.get("/", &signed_in).text().unwrap());
    let signed_in = Guest { token, ..signed_in };
    assert!(house.is_signed_in(&signed_in));
    assert_eq!(house.post("/sign-out", &signed_in, "").status(), 303);
    assert!(!house.is_signed_in(&signed_in));
}

/// The second press comes to another node than the first.
pub(crate) fn at_two_nodes(
    a: &crate::support::Daemon,
    b: &crate::support::Daemon,
    user: &str,
    password: &str,
) {
    let mut first = Browser::new(page(a, "").as_str());
    first.get("/sign-in").must_say("Username");
    let mut second = first.clone().moved(page(b, "").as_str());
    let fields = [("username", user), ("password", password), ("next", "/practices")];
    for browser in [&mut first, &mut second] {
        assert_eq!(browser.post("/sign-in", &fields).path, "/practices");
    }
    first.get("/").must_say(&format!("Signed in as {user}"));
    second.get("/").must_say(&format!("Signed in as {user}"));
    let audit = a.json(&["audit", "list"]).to_string();
    assert_eq!(audit.matches("portal:sign-in").count(), 1, "{audit}");
}
