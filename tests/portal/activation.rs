//! New User Activation.

use crate::support::browser::Browser;
use crate::support::directory::login;
use crate::support::slapd::{LdapTools, line, person_dn, until};
use crate::world::{BEFORE, Campus, answer_questions, make_student};

const NEW: &str = "violet harbour teapot";

/// Somebody who came into the directory after the first load.
fn newcomer(campus: &Campus, uid: &str) {
    campus.slapd.add_person(uid, BEFORE);
    make_student(&campus.slapd, uid);
    until("the newcomer", || {
        let shown = campus.daemon.run(&["--json", "person", "show", uid]);
        shown.status.success().then_some(())
    });
}

/// As far as the form for contacts and questions.
fn prove(campus: &Campus, browser: &Browser, uid: &str) {
    browser.open(&campus.page("/"));
    browser.click(&browser.css("#topic-activation summary"));
    browser.follow("Activate my account");
    browser.fill("Username", uid);
    browser.press("Continue");
    browser.choose("Email to ");
    browser.press("Continue");
    let code = campus.code(&format!("{uid}@example.org"));
    browser.fill("Passcode", "000000");
    browser.press("Verify");
    assert!(browser.told().contains("That passcode is not right"), "{}", browser.text());
    browser.fill("Passcode", &code);
    browser.press("Verify");
    assert!(browser.text().contains("How can we reach you?"), "{}", browser.text());
}

// R-ACT-1 R-ACT-2 R-ACT-3 R-ACT-4 R-ACT-5 R-ACT-6 R-ACT-7 R-ACT-8 R-TOP-3
#[test]
fn newcomer_activates_the_account_and_can_log_in_only_then() {
    let campus = Campus::start(&["old"], "");
    newcomer(&campus, "newby");
    assert_eq!(login(&campus.daemon, "newby", BEFORE), "Access-Reject", "it is to be activated first");
    let browser = Browser::start();
    prove(&campus, &browser, "newby");

    // What cannot be used is told, and nothing that was typed is lost.
    browser.fill("Mobile/alternate phone (for text)", "+41 79 123 45 67");
    browser.fill("external/non-University email (alternate address)", "newby@example.org");
    answer_questions(&browser);
    browser.press("Save");
    assert!(browser.told().contains("Enter an address outside the university"), "{}", browser.text());
    let mobile = browser.field("Mobile/alternate phone (for text)");
    assert_eq!(browser.property(&mobile, "value"), "+41 79 123 45 67");
    browser.fill("external/non-University email (alternate address)", "newby@home.example");
    answer_questions(&browser);
    browser.press("Save");
    assert_eq!(browser.heading(), "Password set-up");

    // An interrupted activation is where it was (R-ACT-8).
    browser.open(&campus.page("/activate"));
    assert_eq!(browser.heading(), "Password set-up");
    assert_eq!(login(&campus.daemon, "newby", BEFORE), "Access-Reject", "still not active");

    assert_eq!(browser.property(&browser.field("USERID"), "value"), "newby");
    until("notices of the update", || (campus.post.received().len() >= 3).then_some(()));
    for _ in 0..2 {
        assert!(campus.mail().parts[0].1.contains("was updated"));
    }
    browser.choose("Email to n");
    browser.press("Send passcode");
    let second = campus.code("newby@home.example");
    browser.fill("Passcode", &second);
    browser.fill("New password", NEW);
    browser.fill("New password once more", NEW);
    browser.press("Submit");
    assert!(
        browser.told().contains("only if you agree to the Acceptable Use Policies"),
        "{}",
        browser.text()
    );
    browser.fill("Passcode", &second);
    browser.fill("New password", NEW);
    browser.fill("New password once more", NEW);
    browser.choose("I have read the Acceptable Use Policies");
    browser.press("Submit");
    assert_eq!((browser.path().as_str(), browser.heading().as_str()), ("/", "Secure Authentication Toolkit"));
    assert!(browser.told().contains("Your account is active."), "{}", browser.told());

    assert!(campus.opens("newby", NEW) && !campus.opens("newby", BEFORE));
    assert_eq!(login(&campus.daemon, "newby", NEW), "Access-Accept");
    assert_eq!(login(&campus.daemon, "newby", BEFORE), "Access-Reject");
    until("the confirmation", || {
        let mails = campus.post.received();
        mails
            .iter()
            .any(|mail| mail.header("subject").unwrap_or_default().ends_with("account is active"))
            .then_some(())
    });
    let audit = campus.daemon.json(&["audit", "list"]).to_string();
    assert!(audit.contains("person.activate"), "{audit}");
    for mail in campus.post.received() {
        assert!(!mail.parts[0].1.contains(NEW), "a password is in a mail: {mail:?}");
    }
}

// R-ACT-8
#[test]
fn stranger_cannot_tell_unknown_disabled_and_active_usernames_apart() {
    let campus = Campus::start(&["active", "off"], "");
    let dn = line("dn", person_dn("off"));
    campus.slapd.ldif(&format!(
        "{dn}changetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n"
    ));
    until("the switched-off account", || {
        (campus.daemon.json(&["person", "show", "off"])["person"]["status"] == "disabled").then_some(())
    });
    let browser = Browser::start();
    let mut shown = Vec::new();
    for name in ["active", "off", "nobody"] {
        browser.open(&campus.page("/activate"));
        browser.fill("Username", name);
        browser.press("Continue");
        assert!(browser.text().contains("IT Help Desk can help you"), "{}", browser.text());
        shown.push(browser.text());
        browser.press("Cancel");
    }
    assert!(shown.iter().all(|text| *text == shown[0]), "{shown:?}");
    assert!(campus.post.received().is_empty());
}

// R-ACT-8
#[test]
fn activation_is_begun_anew_after_a_cancel_and_what_was_registered_is_kept() {
    let campus = Campus::start(&["old"], "");
    newcomer(&campus, "newby");
    let browser = Browser::start();
    prove(&campus, &browser, "newby");
    browser.fill("Mobile/alternate phone (for text)", "+41 79 123 45 67");
    answer_questions(&browser);
    browser.press("Save");
    browser.forget();
    let _ = campus.mail();
    prove(&campus, &browser, "newby");
    assert!(browser.text().contains("Not confirmed yet: "), "{}", browser.text());
    assert!(browser.text().contains("Answered. Leave it empty to keep your answer."), "{}", browser.text());
    browser.press("Save");
    let _ = campus.mail();
    browser.choose("SMS/Text to ");
    browser.press("Send passcode");
    let (to, code) = campus.said(0);
    assert_eq!(to, "+41791234567");
    browser.fill("Passcode", &code);
    browser.fill("New password", NEW);
    browser.fill("New password once more", NEW);
    browser.choose("I have read the Acceptable Use Policies");
    browser.press("Submit");
    assert!(browser.told().contains("Your account is active."), "{}", browser.text());
    assert_eq!(login(&campus.daemon, "newby", NEW), "Access-Accept");
}
