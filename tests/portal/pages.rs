//! Every page in every state, looked at (WCAG 2.2 AA, weight, no other host); flows by keys alone and without scripts.

use crate::looks::{look, picture, small_picture};
use crate::reset::NEW;
use crate::support::browser::{Browser, key};
use crate::support::code;
use crate::world::{Demo, answer_questions};
use serde_json::json;

// R-TOP-1 R-TOP-2 R-BEST-1
#[test]
fn pages_that_everybody_sees() {
    let demo = Demo::start("");
    let browser = Browser::start();
    browser.open(&demo.page("/"));
    let topics = browser.texts("summary h2");
    assert_eq!(topics.len(), 8, "{topics:?}");
    small_picture(&browser, "toolkit-telephone");
    browser.script("document.querySelectorAll('details').forEach((one) => (one.open = true))");
    look(&browser, "toolkit, all open");
    browser.script(
        "document.querySelectorAll('details').forEach((one) => (one.open = one.id === 'topic-reset'))",
    );
    picture(&browser, "toolkit");
    for path in ["/practices", "/sent", "/nothing-here", "/sign-in", "/activate", "/reset"] {
        browser.open(&demo.page(path));
        match path {
            "/activate" | "/reset" => picture(&browser, &format!("{}-name", &path[1..])),
            _ => look(&browser, path),
        }
        let support = browser.texts("footer").join("");
        for text in ["IT Help Desk", "+1 520 555 0100", "help@example.edu", "Answers to frequent questions"] {
            assert!(support.contains(text), "{path}: {support}");
        }
    }
    browser.open(&demo.page("/practices"));
    picture(&browser, "practices");
    browser.open(&demo.page("/sign-in"));
    browser.fill("Username", "nobody");
    browser.fill("Password", "x");
    browser.press("Sign in");
    assert_eq!(
        browser.attribute(&browser.focused(), "id").as_deref(),
        Some("problems"),
        "the focus is on what went wrong"
    );
    picture(&browser, "sign-in");
    for path in ["/activate", "/reset"] {
        browser.open(&demo.page(path));
        browser.fill("Username", "nobody");
        browser.press("Continue");
        look(&browser, &format!("{path}, no way"));
    }
    browser.open(&demo.page("/reset"));
    browser.script("document.querySelector('main input[name=form]').value = 'forged'");
    browser.press("Cancel");
    look(&browser, "a form that is too old");
    browser.open(&demo.page("/language/es?next=/practices"));
    look(&browser, "in Spanish");
}

// R-RESET-1 R-RESET-2 R-RESET-3 R-RESET-4 R-RESET-5
#[test]
fn pages_of_a_reset() {
    let demo = Demo::start("");
    let browser = Browser::start();
    browser.open(&demo.page("/reset"));
    browser.fill("Username", &demo.var("STUDENT_USER"));
    browser.press("Continue");
    picture(&browser, "reset-choose");
    browser.press("Continue");
    picture(&browser, "reset-passcode");
    browser.fill("Passcode", "000000");
    browser.press("Verify");
    look(&browser, "a wrong passcode");
    let field = browser.focused();
    assert_eq!(browser.name(&field), "Passcode");
    assert_eq!(
        browser.attribute(&field, "aria-describedby").as_deref(),
        Some("told"),
        "what was wrong is read with the field"
    );
    assert_eq!(browser.attribute(&field, "autocomplete").as_deref(), Some("one-time-code"));
    browser.fill("Passcode", &demo.sent.code());
    browser.press("Verify");
    look(&browser, "a new password");

    // Ticks and strength as typed, in words as well.
    browser.fill("New password", "password");
    browser.until("the strength", || {
        browser.texts(".strength [role=status]").join("").contains("very weak. Many people use this password")
    });
    browser.fill("New password", NEW);
    browser.until("the strength", || {
        browser.texts(".strength [role=status]").join("").contains("Strength: strong")
    });
    assert_eq!(browser.texts(".rules li").len(), browser.texts(".rules li.met").len(), "all rules are met");
    assert!(browser.texts(".rules li.met")[0].contains("(done)"));
    picture(&browser, "reset-password");
    small_picture(&browser, "reset-password-telephone");
    browser.choose("Show");
    assert_eq!(browser.attribute(&browser.field("New password"), "type").as_deref(), Some("text"));
    browser.fill("New password once more", "another");
    browser.press("Change password");
    look(&browser, "what is wrong with the password");
    let title = browser.script("return document.title");
    assert!(title.as_str().unwrap().starts_with("Something needs your attention: "), "{title}");
    assert_eq!(browser.attribute(&browser.focused(), "id").as_deref(), Some("problems"));
    // From there to the field that it is about.
    browser.script("document.querySelector('#problems a').click()");
    assert_eq!(browser.name(&browser.focused()), "New password once more");
    browser.fill("New password", NEW);
    browser.fill("New password once more", NEW);
    browser.press("Change password");
    look(&browser, "the new password is set");
    assert_eq!(browser.attribute(&browser.focused(), "id").as_deref(), Some("told"));
    assert_eq!(browser.attribute(&browser.focused(), "role").as_deref(), Some("status"));
}

// R-ACT-2 R-ACT-4 R-ACT-5 R-ACT-6
#[test]
fn pages_of_an_activation() {
    let demo = Demo::start("");
    let browser = Browser::start();
    browser.open(&demo.page("/activate"));
    browser.fill("Username", &demo.var("NEW_USER"));
    browser.press("Continue");
    picture(&browser, "activation-choose");
    browser.press("Continue");
    picture(&browser, "activation-passcode");
    browser.fill("Passcode", &demo.sent.code());
    browser.press("Verify");
    picture(&browser, "activation-form");
    browser.fill("Mobile/alternate phone (for text)", "12");
    browser.fill("external/non-University email (alternate address)", "me@example.edu");
    answer_questions(&browser);
    browser.select("Question 2", "What was the name of your first pet?");
    browser.press("Save");
    look(&browser, "activation, what is wrong with the form");
    let chosen = browser.field("Question 2");
    assert_eq!(browser.attribute(&chosen, "aria-describedby").as_deref(), Some("question-2-problem"));
    browser.fill("Mobile/alternate phone (for text)", "+1 520 878 2491");
    browser.fill("external/non-University email (alternate address)", "");
    answer_questions(&browser);
    browser.press("Save");
    look(&browser, "activation, password");
    browser.fill("New password", NEW);
    browser.fill("New password once more", NEW);
    browser.choose("I have read the Acceptable Use Policies");
    browser.press("Submit");
    look(&browser, "activation, no second passcode yet");
    browser.choose("SMS/Text to ");
    browser.press("Send passcode");
    picture(&browser, "activation-password");
    let chosen = browser.field("SMS/Text to ");
    assert_eq!(browser.property(&chosen, "checked"), true, "once more means to the same place");
}

// R-REG-2 R-REG-3 R-REG-4
#[test]
fn pages_of_a_registration() {
    let demo = Demo::start("");
    let browser = Browser::start();
    demo.sign_in(&browser, "UNREGISTERED");
    browser.open(&demo.page("/register"));
    picture(&browser, "register");
    browser.press("update");
    look(&browser, "registration, what is wrong");
    browser.fill("external/non-University email (alternate address)", "me@home.example");
    answer_questions(&browser);
    browser.press("update");
    picture(&browser, "register-confirm");
    browser.press("Continue");
    look(&browser, "registration, passcode");
    browser.fill("Passcode", &demo.sent.code());
    browser.press("Verify");
    look(&browser, "registration, confirmed");
    browser.open(&demo.page("/security"));
    picture(&browser, "security");
    browser.open(&demo.page("/devices"));
    picture(&browser, "device");
    browser.fill("Name of the device", " ");
    browser.press("Make the password");
    look(&browser, "a device without a name");
    browser.fill("Name of the device", "telephone");
    browser.press("Make the password");
    picture(&browser, "device-password");
    browser.open(&demo.page("/security"));
    look(&browser, "security with a device");
    browser.open(&demo.page("/app"));
    picture(&browser, "app");
    browser.open(&demo.page("/key"));
    picture(&browser, "key");
    browser.open(&demo.page("/password"));
    picture(&browser, "password");
}

#[test]
fn pages_of_staff() {
    let demo = Demo::start("");
    let browser = Browser::start();
    demo.sign_in(&browser, "ADMIN");
    browser.open(&demo.page("/desk"));
    if browser.path().starts_with("/verify") {
        picture(&browser, "verify");
        if browser.has_button("Continue") {
            browser.press("Continue");
        }
        browser.fill("Passcode", &code(&demo.var("ADMIN_TOTP_SECRET"), 0));
        browser.press("Verify");
    }
    browser.open(&demo.page("/desk"));
    picture(&browser, "desk-search");
    let student = demo.var("STUDENT_USER");
    browser.open(&demo.page(&format!("/desk/person/{student}")));
    assert!(browser.text().contains(&student), "{}", browser.text());
    picture(&browser, "desk");
    for (path, called) in [("messages", "unsent"), ("clients", "clients"), ("audit", "audit")] {
        browser.open(&demo.page(&format!("/administration/{path}")));
        picture(&browser, called);
    }
    browser.open(&demo.page("/security"));
    look(&browser, "security of staff");
    browser.open(&demo.page("/administration"));
    picture(&browser, "administration");
    browser.open(&demo.page("/mailbox"));
    look(&browser, "mailbox, not for staff");
}

/// Tab after tab, until what has this name has the focus.
fn tab_to(browser: &Browser, name: &str) {
    for _ in 0..60 {
        let focused = browser.focused();
        let text = browser.property(&focused, "textContent");
        if browser.name(&focused) == name || text.as_str().map(str::trim) == Some(name) {
            return;
        }
        browser.keys(key::TAB);
    }
    panic!("no key leads to {name}");
}

#[test]
fn reset_by_keys_alone() {
    let demo = Demo::start("");
    let browser = Browser::start();
    browser.open(&demo.page("/"));
    browser.keys(key::TAB);
    assert_eq!(browser.property(&browser.focused(), "textContent"), "Skip to the content");
    browser.keys(key::ENTER);
    tab_to(&browser, "Reset your Password(Faculty, Staff, and Students)");
    browser.keys(key::ENTER);
    tab_to(&browser, "Reset my password");
    browser.leaving(|| browser.keys(key::ENTER));
    assert_eq!(browser.name(&browser.focused()), "Username", "the page begins there");
    browser.keys(&demo.var("STUDENT_USER"));
    browser.leaving(|| browser.keys(key::ENTER));
    tab_to(&browser, "Continue");
    browser.leaving(|| browser.keys(key::SPACE));
    assert_eq!(browser.name(&browser.focused()), "Passcode");
    browser.keys(&demo.sent.code());
    browser.leaving(|| browser.keys(key::ENTER));
    tab_to(&browser, "New password");
    browser.keys(NEW);
    tab_to(&browser, "Show");
    browser.keys(key::SPACE);
    // And backwards.
    browser.script("document.querySelector('#password_again').focus()");
    browser.keys(NEW);
    browser.leaving(|| browser.keys(key::ENTER));
    assert!(browser.told().contains("Password has been successfully changed."), "{}", browser.text());
}

// R-RESET-1 to 6 as they are without scripts.
#[test]
fn reset_without_scripts() {
    let demo = Demo::start("");
    let browser = Browser::start();
    browser.scripts(false);
    browser.open(&demo.page("/"));
    browser.click(&browser.css("#topic-reset summary"));
    browser.follow("Reset my password");
    browser.fill("Username", &demo.var("STUDENT_USER"));
    browser.press("Continue");
    browser.press("Continue");
    browser.fill("Passcode", &demo.sent.code());
    browser.press("Verify");
    assert!(browser.texts("#show-password").is_empty(), "scripts are off");
    browser.fill("New password", "short");
    browser.fill("New password once more", "short");
    browser.press("Change password");
    assert!(browser.told().contains("Use at least 8 characters."), "{}", browser.text());
    browser.fill("New password", NEW);
    browser.fill("New password once more", NEW);
    browser.press("Change password");
    assert!(browser.told().contains("Password has been successfully changed."), "{}", browser.text());
}

/// The time runs fast in the page.
#[test]
fn end_of_a_session_is_told_before_it_comes_and_can_be_put_off() {
    let demo = Demo::start("[portal]\nidle = \"2m\"\n");
    let browser = Browser::start();
    browser.devtools(
        "Page.addScriptToEvaluateOnNewDocument",
        &json!({"source": "const slow = setTimeout; setTimeout = (act, time, ...more) => slow(act, time / 100, ...more);"}),
    );
    browser.open(&demo.page("/reset"));
    browser.fill("Username", &demo.var("STUDENT_USER"));
    browser.press("Continue");
    let told = || browser.texts(".expiry[role=status]").join("");
    browser.until("the warning", || told().contains("This page is about to end."));
    look(&browser, "the warning");
    browser.until("the end", || told().contains("This took too long"));
    browser.reload();
    browser.until("the warning", || told().contains("This page is about to end."));
    browser.click(&browser.button("Stay here"));
    browser.until("more time", || told().contains("For your safety"));
}
