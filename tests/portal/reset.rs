//! Resetting a password, with OpenLDAP as the directory.

use crate::registration::{prove, register};
use crate::support::browser::Browser;
use crate::support::directory::login;
use crate::support::slapd::until;
use crate::support::{answer, code, radclient};
use crate::world::{BEFORE, Campus};

pub(crate) const NEW: &str = "copper lantern meadow";

/// As far as the page where the passcode is typed.
fn ask(campus: &Campus, browser: &Browser, uid: &str) {
    browser.open(&campus.page("/reset"));
    browser.fill("Username", uid);
    browser.press("Continue");
    browser.choose("Email to ");
    browser.press("Continue");
}

fn choose_password(browser: &Browser, password: &str, again: &str) {
    browser.fill("New password", password);
    browser.fill("New password once more", again);
    browser.press("Change password");
}

// R-RESET-1 R-RESET-2 R-RESET-3 R-RESET-4 R-RESET-5 R-RESET-6 R-RESET-7
#[test]
fn new_password_opens_the_directory_and_radius_and_the_old_one_does_not() {
    let campus = Campus::start(&["anna"], "");
    let browser = Browser::start();
    register(&campus, &browser, "anna");
    assert!(campus.mail().parts[0].1.contains("was updated"));
    browser.press("Sign out");
    ask(&campus, &browser, "anna");
    let first = campus.code("anna@home.example");
    assert!(browser.text().contains("The passcode is good until "), "{}", browser.text());
    browser.fill("Passcode", &first);
    browser.press("Verify");

    assert_eq!(browser.property(&browser.field("USERID"), "value"), "anna");
    assert!(browser.text().contains("has 8 characters or more"), "{}", browser.text());
    // As typed, then at the server.
    browser.fill("New password", "longer than that");
    browser.until("the tick", || {
        browser.texts(".rules .met").iter().any(|rule| rule.contains("8 characters or more"))
    });
    for (password, again, problem) in [
        ("short", "short", "Use at least 8 characters."),
        ("anna has a password", "anna has a password", "Leave your username out of it"),
        (NEW, "another one", "The two passwords are not the same."),
    ] {
        choose_password(&browser, password, again);
        assert!(browser.told().contains(problem), "{}", browser.text());
    }
    assert!(campus.opens("anna", BEFORE), "nothing was changed yet");
    choose_password(&browser, NEW, NEW);
    assert!(browser.told().contains("Password has been successfully changed."), "{}", browser.text());

    assert!(campus.opens("anna", NEW) && !campus.opens("anna", BEFORE));
    assert_eq!(login(&campus.daemon, "anna", NEW), "Access-Accept");
    assert_eq!(login(&campus.daemon, "anna", BEFORE), "Access-Reject");
    let mail = campus.mail();
    assert!(mail.parts[0].1.contains("password of your account anna was changed"), "{mail:?}");
    assert!(!format!("{mail:?}").contains(NEW));
}

// R-RESET-9
#[test]
fn enrolled_app_is_asked_for_as_well() {
    let campus = Campus::start(&["anna"], "");
    let browser = Browser::start();
    register(&campus, &browser, "anna");
    let _ = campus.mail();
    browser.press("Sign out");
    let key = campus.daemon.json(&["enroll", "totp", "anna"]);
    let (id, seed) = (key["id"].as_str().unwrap(), key["seed"].as_str().unwrap());
    campus.daemon.json(&["factor", "confirm", id, &code(seed, -1)]);

    ask(&campus, &browser, "anna");
    browser.fill("Passcode", &campus.code("anna@home.example"));
    browser.press("Verify");
    assert!(browser.text().contains("Your account has a second factor."), "{}", browser.text());
    if browser.has_button("Continue") {
        browser.press("Continue");
    }
    browser.fill("Passcode", &code(seed, 0));
    browser.press("Verify");
    choose_password(&browser, NEW, NEW);
    assert!(browser.told().contains("Password has been successfully changed."), "{}", browser.text());
    assert!(campus.opens("anna", NEW));
    let typed = format!("{NEW}{}", code(seed, 1));
    assert_eq!(
        answer(&radclient(campus.daemon.address, &[("User-Name", "anna"), ("User-Password", &typed)])),
        "Access-Accept"
    );
}

// R-RESET-3 R-CODE-1
#[test]
fn new_passcode_voids_the_one_before_and_a_cancel_leads_back() {
    let campus = Campus::start(&["anna"], "");
    let browser = Browser::start();
    register(&campus, &browser, "anna");
    let _ = campus.mail();
    browser.press("Sign out");
    ask(&campus, &browser, "anna");
    let first = campus.code("anna@home.example");
    browser.press("Send a new passcode");
    assert!(browser.text().contains("A new passcode is on its way."), "{}", browser.text());
    let second = campus.code("anna@home.example");
    browser.fill("Passcode", &first);
    browser.press("Verify");
    assert!(browser.told().contains("That passcode is not right"), "{}", browser.text());
    browser.fill("Passcode", &second);
    browser.press("Verify");
    assert_eq!(browser.heading(), "Choose a new password");

    // Another begins with the second one, which is used up.
    browser.forget();
    ask(&campus, &browser, "anna");
    let third = campus.code("anna@home.example");
    browser.fill("Passcode", &second);
    browser.press("Verify");
    assert!(browser.told().contains("That passcode is not right"), "{}", browser.text());
    browser.press("Cancel");
    assert_eq!(browser.path(), "/");
    assert_ne!(third, second);
}

// R-RESET-8
#[test]
fn expired_password_leads_to_the_reset() {
    let campus = Campus::start(&["anna"], "");
    let browser = Browser::start();
    register(&campus, &browser, "anna");
    let _ = campus.mail();
    browser.press("Sign out");
    must_change(&campus, "anna");
    browser.open(&campus.page("/sign-in"));
    browser.fill("Username", "anna");
    browser.fill("Password", BEFORE);
    browser.press("Sign in");
    assert_eq!(browser.path(), "/reset");
    assert!(browser.told().contains("Your password has expired."), "{}", browser.text());
    assert_ne!(login(&campus.daemon, "anna", BEFORE), "Access-Accept");
    browser.fill("Username", "anna");
    browser.press("Continue");
    browser.choose("Email to ");
    browser.press("Continue");
    browser.fill("Passcode", &campus.code("anna@home.example"));
    browser.press("Verify");
    choose_password(&browser, NEW, NEW);
    assert!(browser.told().contains("Password has been successfully changed."), "{}", browser.text());
    until("the change is followed", || (login(&campus.daemon, "anna", NEW) == "Access-Accept").then_some(()));
}

// R-RESET-8: a reset is there for those who have registered, and the others must not be left alone with it.
#[test]
fn expired_password_of_somebody_who_has_not_registered_is_changed_with_what_it_was() {
    let campus = Campus::start(&["anna"], "");
    let browser = Browser::start();
    must_change(&campus, "anna");
    browser.open(&campus.page("/sign-in"));
    browser.fill("Username", "anna");
    browser.fill("Password", BEFORE);
    browser.press("Sign in");
    prove(&campus, &browser, "anna");
    assert_eq!(browser.path(), "/password");
    browser.open(&campus.page("/security"));
    assert_eq!(browser.path(), "/password", "nothing else is possible");
    browser.fill("Present password", BEFORE);
    choose_password(&browser, NEW, NEW);
    assert!(browser.told().contains("Password has been successfully changed."), "{}", browser.text());
    until("the change is followed", || (login(&campus.daemon, "anna", NEW) == "Access-Accept").then_some(()));
    assert_eq!(browser.path(), "/security");
}

// R-TOP-4, R-RESET-8: the change of an expired password does not lead past what is required.
#[test]
fn who_must_register_is_led_there_after_an_expired_password_was_changed() {
    let campus = Campus::start(&["anna"], "[registration]\nenforce = \"2020-01-01\"\n");
    must_change(&campus, "anna");
    let mut browser = crate::support::portal::Browser::new(campus.page("").trim_end_matches('/'));
    assert_eq!(browser.sign_in("anna", BEFORE, "/security").path, "/verify", "the password comes first");
    browser.post("/verify/choose", &[("method", "email")]).must_say("We have sent a passcode");
    let passcode = campus.code("anna@example.org");
    let page = browser.post("/verify/passcode", &[("passcode", &passcode)]);
    assert_eq!(page.path, "/password", "{}", page.text());
    for path in ["/register", "/security", "/app/enroll"] {
        assert_eq!(browser.get(path).path, "/password", "{path}");
    }
    let fields = [("present", BEFORE), ("password", NEW), ("password_again", NEW)];
    browser.post("/password", &fields);
    for path in ["/", "/security", "/app/enroll", "/password", "/register"] {
        let page = browser.get(path);
        assert_eq!(page.path, "/register", "{path}");
        page.must_say("Registration is required of all faculty, staff and students.");
    }
}

/// The directory wants another password at the next login.
fn must_change(campus: &Campus, uid: &str) {
    use crate::support::slapd::{LdapTools, POLICY, line, person_dn};
    campus
        .slapd
        .ldif(&format!("dn: {POLICY}\nchangetype: modify\nreplace: pwdMustChange\npwdMustChange: TRUE\n"));
    campus.slapd.ldif(&format!(
        "{}changetype: modify\nreplace: pwdReset\npwdReset: TRUE\n",
        line("dn", person_dn(uid))
    ));
}

// R-RESET-10
#[test]
fn who_has_not_registered_gets_the_page_of_strangers() {
    let campus = Campus::start(&["anna"], "");
    let browser = Browser::start();
    let shown: Vec<_> = ["anna", "nobody", "", "a name\u{7f}"]
        .map(|name| {
            browser.open(&campus.page("/reset"));
            browser.fill("Username", name);
            browser.press("Continue");
            let text = browser.text();
            browser.press("Cancel");
            text
        })
        .into();
    assert!(shown[0].contains("IT Help Desk can help you"), "{shown:?}");
    assert!(shown.iter().all(|text| *text == shown[0]), "{shown:?}");
}
