//! Registering security data.

use crate::support::browser::Browser;
use crate::world::{BEFORE, Campus, answer_questions};

/// Signs in with the password, on the way to a page.
pub(crate) fn sign_in(campus: &Campus, browser: &Browser, uid: &str, page: &str) {
    browser.open(&campus.page(page));
    browser.fill("Username", uid);
    browser.fill("Password", BEFORE);
    browser.press("Sign in");
}

/// Shows that it is them by what the directory knows, before a first contact of their own is confirmed.
pub(crate) fn prove(campus: &Campus, browser: &Browser, uid: &str) {
    assert_eq!(browser.heading(), "Enter the passcode", "{}", browser.text());
    browser.choose("Email to ");
    browser.press("Continue");
    let code = campus.code(&format!("{uid}@example.org"));
    browser.fill("Passcode", &code);
    browser.press("Verify");
}

/// Registers an address outside, which is proven by its code.
pub(crate) fn register(campus: &Campus, browser: &Browser, uid: &str) {
    sign_in(campus, browser, uid, "/register");
    browser.fill("external/non-University email (alternate address)", &format!("{uid}@home.example"));
    answer_questions(browser);
    browser.press("update");
    for _ in 0..2 {
        assert!(campus.mail().parts[0].1.contains("was updated"));
    }
    prove(campus, browser, uid);
    browser.press("Continue");
    let code = campus.code(&format!("{uid}@home.example"));
    browser.fill("Passcode", &code);
    browser.press("Verify");
    assert!(browser.told().contains(" is confirmed."), "{}", browser.text());
}

// R-REG-1 R-REG-2 R-REG-3 R-REG-4 R-REG-5 R-REG-6 R-TOP-6
#[test]
fn contacts_count_when_they_are_confirmed_and_both_addresses_are_told() {
    let campus = Campus::start(&["anna"], "");
    let browser = Browser::start();
    browser.open(&campus.page("/register"));
    assert_eq!(browser.heading(), "Sign in");
    browser.fill("Username", "anna");
    browser.fill("Password", "wrong");
    browser.press("Sign in");
    assert!(browser.told().contains("The username or the password is not right"), "{}", browser.text());
    browser.fill("Password", BEFORE);
    browser.press("Sign in");
    assert_eq!(browser.heading(), "Register your Security Data", "{}", browser.text());
    assert!(browser.text().contains("Support staff cannot see these answers"), "{}", browser.text());

    // All that is wrong is told at once.
    browser.fill("Mobile/alternate phone (for text)", "12");
    answer_questions(&browser);
    browser.select("Question 2", "What was the name of your first pet?");
    browser.type_into(&browser.css("#answer-3"), "\u{E003}");
    browser.press("update");
    let told = browser.told();
    assert!(
        told.contains("no telephone number") && told.contains("Each question can be chosen once."),
        "{told}"
    );

    browser.open(&campus.page("/register"));
    browser.fill("Mobile/alternate phone (for text)", "+41 79 123 45 67");
    browser.fill("external/non-University email (alternate address)", "anna@home.example");
    answer_questions(&browser);
    browser.press("update");
    assert!(browser.told().contains("You have successfully updated your information."), "{}", browser.text());
    let mut told: Vec<_> = (0..2).map(|_| campus.mail().to.remove(0)).collect();
    told.sort();
    assert_eq!(told, ["anna@example.org", "anna@home.example"], "to the old and the new address");

    // The first of them is confirmed at once, the other from the form.
    prove(&campus, &browser, "anna");
    browser.choose("SMS/Text to ");
    browser.press("Continue");
    let (to, code) = campus.said(0);
    assert_eq!(to, "+41791234567");
    browser.fill("Passcode", &code);
    browser.press("Verify");
    assert!(browser.told().contains(" is confirmed."), "{}", browser.text());
    assert!(browser.text().contains("Confirmed: ") && browser.text().contains("Not confirmed yet: "));

    // Until it is, nothing goes to the address (R-REG-6).
    browser.open(&campus.page("/reset"));
    browser.fill("Username", "anna");
    browser.press("Continue");
    assert!(
        browser.text().contains("Email to a••••@e••••••.org") || browser.text().contains("@e"),
        "{}",
        browser.text()
    );
    assert!(!browser.text().contains("@h"), "{}", browser.text());
    browser.press("Cancel");

    browser.open(&campus.page("/register"));
    browser.follow("Confirm");
    browser.press("Continue");
    // The mail that the number was confirmed.
    assert!(campus.mail().parts[0].1.contains("was updated"));
    browser.fill("Passcode", &campus.code("anna@home.example"));
    browser.press("Verify");
    assert!(browser.told().contains(" is confirmed."), "{}", browser.text());
    assert!(!browser.text().contains("Not confirmed yet"), "{}", browser.text());
}

// R-REG-3
#[test]
fn answers_are_kept_where_the_field_is_left_empty() {
    let campus = Campus::start(&["anna"], "");
    let browser = Browser::start();
    register(&campus, &browser, "anna");
    assert!(browser.text().contains("Answered. Leave it empty to keep your answer."));
    browser.press("update");
    assert!(browser.told().contains("You have successfully updated your information."), "{}", browser.text());
    browser.press("Sign out");
    browser.open(&campus.page("/register"));
    assert_eq!(browser.heading(), "Sign in");
}
