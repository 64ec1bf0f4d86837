//! From when on people must register (R-TOP-4), and what their answers to security questions are good for (R-REG-7). A browser without
//! JavaScript, mail through a real SMTP server, logins by radclient. Dates are far in the past and in the future.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use support::directory::configure;
use support::portal::{Browser, Page};
use support::smtp::{Certificates, MailServer};
use support::{Daemon, answer, code, radclient};

const PASSWORD: &str = "left-luggage-counter";
const NEW: &str = "copper lantern meadow";
const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const DUE: &str = "Please register your security data";
const LONG_AGO: &str = "enforce = \"2020-01-01\"\n";
const TWO: &str = "slots = 2\nmin_new = 2\nmin_existing = 0\n";

/// Questions, by their names and texts, with answers that are good.
const ANSWERS: [(&str, &str, &str); 2] = [
    ("first-pet", "What was the name of your first pet?", "Archimedes"),
    ("first-street", "In which street did you live as a child?", "Lindenhof"),
];

/// Fields are dropped in this order.
struct World {
    daemon: Daemon,
    url: String,
    post: MailServer,
    dir: tempfile::TempDir,
}

impl World {
    /// A student, a lecturer and an alumnus, and an administrator with an app; `registration` is what stands in that table.
    fn start(registration: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let post = MailServer::start(dir.path(), "none", &Certificates::make(dir.path()), ("", ""));
        configure(dir.path(), &settings(post.port, registration));
        few_failures(dir.path());
        let daemon = Daemon::serve_in(dir.path(), &[]);
        let url = format!("http://{}", daemon.portal.unwrap());
        let world = Self { daemon, url, post, dir };
        for (user, role) in
            [("stella", "student"), ("felix", "faculty"), ("alma", "alumnus"), ("root", "staff")]
        {
            let mail = format!("{user}@home.example");
            let group = if user == "root" { "admins" } else { "people" };
            let add = ["person", "add", user, "--role", role, "--email", &mail, "--group", group];
            let added = world.daemon.run_with(&add, &format!("{PASSWORD}\n"));
            assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        }
        world
    }

    /// Takes other settings over while it runs.
    fn now(&mut self, registration: &str) {
        configure(self.dir.path(), &settings(self.post.port, registration));
        few_failures(self.dir.path());
        self.daemon.signal(nix::sys::signal::Signal::SIGHUP);
        let lines = self.daemon.lines.as_ref().unwrap();
        while !lines.recv_timeout(support::PATIENCE).unwrap().contains("reloaded") {}
    }

    fn browser(&self) -> Browser {
        Browser::new(&self.url)
    }

    /// The passcode in the mail of this number.
    fn code(&self, number: usize) -> String {
        let text = self.post.wait(number).remove(number - 1).parts[0].1.clone();
        let found = text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6);
        found.unwrap_or_else(|| panic!("no passcode in {text}")).to_owned()
    }

    fn enroll(&self, user: &str) {
        self.daemon.json(&["enroll", "totp", user, "--seed", SEED, "--code", &code(SEED, -1)]);
    }

    fn login(&self, user: &str, typed: &str) -> String {
        answer(&radclient(self.daemon.address, &[("User-Name", user), ("User-Password", typed)])).to_owned()
    }

    /// Somebody whose questions are answered; two notices went to them.
    fn registered(&self, user: &str) -> Browser {
        let mut browser = self.browser();
        browser.sign_in(user, PASSWORD, "/register");
        register(&mut browser).must_say("You have successfully updated your information.");
        browser
    }
}

fn settings(port: u16, registration: &str) -> String {
    let helpdesk = if registration.contains("helpdesk") { "" } else { "helpdesk = \"off\"\n" };
    format!(
        "[portal]\nlisten = [\"127.0.0.1:0\"]\nrate = 10000\nadministrator_groups = [\"admins\"]\n\
         [registration]\n{helpdesk}{registration}\
         [codes]\nper_person = 1000\nper_person_day = 1000\nper_destination = 1000\nper_origin = 1000\n\
         [smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nfrom = \"it@example.edu\"\n"
    )
}

/// Three failures, and nobody need wait until an hour is over.
fn few_failures(dir: &std::path::Path) {
    let file = dir.join("doorward.toml");
    let text = support::read(&file)
        .replace("free = 90\nhard_stop = 100", "free = 3\nhard_stop = 10\nbase = \"1h\"\nmax = \"1h\"");
    std::fs::write(file, text).unwrap();
}

fn register(browser: &mut Browser) -> Page {
    let fields: Vec<_> = (1..)
        .zip(ANSWERS)
        .flat_map(|(slot, (name, _, answer))| {
            [(format!("question-{slot}"), name), (format!("answer-{slot}"), answer)]
        })
        .collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    browser.post("/register", &fields)
}

/// As far as the page after the passcode, which goes to the mailbox.
fn reset(world: &World, user: &str, mails: usize) -> (Browser, Page) {
    let mut browser = world.browser();
    browser.get("/reset");
    browser.post("/reset", &[("username", user)]).must_say("Email to");
    browser.post("/reset/choose", &[("method", "email")]);
    let passcode = world.code(mails + 1);
    let page = browser.post("/reset/passcode", &[("passcode", &passcode)]);
    (browser, page)
}

fn may_reset(world: &World, user: &str) -> bool {
    let mut browser = world.browser();
    browser.get("/reset");
    browser.post("/reset", &[("username", user)]).says("Email to")
}

// R-TOP-4
#[test]
fn before_the_date_people_are_reminded_and_may_go_on() {
    for enforce in ["enforce = \"remind\"\n", "enforce = \"2999-01-01\"\n"] {
        let world = World::start(&format!("{enforce}{TWO}"));
        for user in ["stella", "felix"] {
            let mut browser = world.browser();
            let page = browser.sign_in(user, PASSWORD, "/security");
            page.must_say(DUE);
            assert_eq!(page.path, "/security", "{enforce}");
            assert!(!browser.get("/security").says(DUE), "it is told once");
            assert!(!may_reset(&world, user), "nothing is known that could prove who they are");
        }
        let mut browser = world.browser();
        assert!(!browser.sign_in("alma", PASSWORD, "/security").says(DUE), "it is not asked of alumni");
        assert!(may_reset(&world, "alma"));
    }
}

// R-TOP-4
#[test]
fn after_the_date_nothing_else_is_possible_before_and_everything_after() {
    let world = World::start(&format!("{LONG_AGO}{TWO}"));
    let mut browser = world.browser();
    let page = browser.sign_in("stella", PASSWORD, "/security");
    assert_eq!(page.path, "/register");
    page.must_say("Registration is required of all faculty, staff and students.");
    for path in ["/", "/security", "/app", "/key", "/password", "/mailbox", "/reset", "/activate", "/desk"] {
        assert_eq!(browser.get(path).path, "/register", "{path}");
    }
    for (path, fields) in [
        ("/app/begin", [("name", "x"), ("agree", "on")]),
        ("/security/codes", [("set", ""), ("agree", "on")]),
        ("/password", [("present", PASSWORD), ("password", NEW)]),
    ] {
        assert_eq!(browser.post(path, &fields).path, "/register", "{path}");
    }
    // In another session too, and who leaves has done nothing.
    browser.post("/sign-out", &[]);
    assert_eq!(browser.sign_in("stella", PASSWORD, "/security").path, "/register");
    assert!(!may_reset(&world, "stella"));
    // An answer short of what is asked is not enough.
    let short = [("question-1", "first-pet"), ("answer-1", "Archimedes")];
    assert_eq!(browser.post("/register", &short).status, 422);
    assert_eq!(browser.get("/security").path, "/register");
    register(&mut browser).must_say("You have successfully updated your information.");
    assert_eq!(browser.get("/security").path, "/security");
    assert!(may_reset(&world, "stella") && !may_reset(&world, "felix"));
    browser.post("/sign-out", &[]);
    let page = browser.sign_in("stella", PASSWORD, "/security");
    assert!(page.path == "/security" && !page.says(DUE), "{}", page.text());

    let mut alumnus = world.browser();
    assert_eq!(alumnus.sign_in("alma", PASSWORD, "/security").path, "/security");
    // Logins are nobody's business here.
    assert_eq!(world.login("felix", PASSWORD), "Access-Accept");
}

// R-TOP-4
#[test]
fn switched_off_nobody_is_told_and_everybody_may_reset_and_a_reload_changes_that() {
    let mut world = World::start(&format!("enforce = \"off\"\n{TWO}"));
    let mut browser = world.browser();
    let page = browser.sign_in("stella", PASSWORD, "/register");
    assert!(!page.says(DUE) && !page.says("Registration is required"), "{}", page.text());
    assert!(may_reset(&world, "stella"));
    world.now(&format!("{LONG_AGO}{TWO}"));
    assert_eq!(browser.get("/security").path, "/register", "a session that is older than the date");
    assert!(!may_reset(&world, "stella"));
    let mut browser = world.browser();
    assert_eq!(browser.sign_in("stella", PASSWORD, "/security").path, "/register");
}

// R-TOP-4
#[test]
fn report_counts_who_has_registered() {
    let world = World::start(&format!("enforce = \"remind\"\n{TWO}"));
    world.enroll("root");
    let mut root = world.browser();
    root.sign_in("root", PASSWORD, "/administration");
    let page = root.post("/verify/passcode", &[("passcode", &code(SEED, 0))]);
    let rows = |page: &Page| {
        page.between("<th scope=\"row\">", "</tr>")
            .iter()
            .map(|row| Page { body: row.clone(), ..page.clone() }.text())
            .collect::<Vec<_>>()
    };
    let student = |page: &Page| rows(page).into_iter().find(|row| row.starts_with("Student")).unwrap();
    assert_eq!(student(&page), "Student 1 1 (100 %) 0 (0 %) 0 (0 %)", "{}", page.text());
    let _ = world.registered("stella");
    let page = root.get("/administration");
    assert_eq!(student(&page), "Student 1 1 (100 %) 1 (100 %) 0 (0 %)");
    let faculty = rows(&page).into_iter().find(|row| row.starts_with("Faculty")).unwrap();
    assert_eq!(faculty, "Faculty 1 1 (100 %) 0 (0 %) 0 (0 %)");
}

// R-REG-3 R-REG-4
#[test]
fn new_answers_are_compared_with_those_that_are_kept_and_with_the_one_for_the_help_desk() {
    const REPEATED: &str = "Each answer must be another.";
    const TOLD: &str = "The help desk hears this answer";
    const GOOD: &str = "You have successfully updated your information.";
    let world = World::start("helpdesk = \"optional\"\nslots = 3\nmin_new = 2\nmin_existing = 0\n");
    let mut browser = world.registered("stella");
    // What is left empty is kept.
    let kept = [("question-1", "first-pet"), ("question-2", "first-street")];
    let mut update = |more: &[(&str, &str)]| browser.post("/register", &[&kept, more].concat());
    let school = |answer| [("question-3", "first-school"), ("answer-3", answer)];
    let spoken = |answer| [("helpdesk", "dream-job"), ("helpdesk-answer", answer)];
    update(&school(" archimedes!")).must_say(REPEATED);
    update(&spoken("LINDENHOF")).must_say(TOLD);
    update(&[school("Astronaut"), spoken("astronaut")].concat()).must_say(TOLD);
    update(&spoken("Astronaut")).must_say(GOOD);
    update(&[school("astronaut"), spoken("")].concat()).must_say(TOLD);
    update(&[school("Saint Wendelin"), spoken("")].concat()).must_say(GOOD);
    update(&[school("saint wendelin"), spoken("")].concat()).must_say(GOOD);
}

/// Else whoever has an account has as many mails sent to anybody as the pages take forms.
// R-REG-5
#[test]
fn address_that_was_only_typed_gets_few_notices_and_a_known_one_gets_all() {
    let world = World::start(&format!("enforce = \"remind\"\n{TWO}"));
    let mut browser = world.registered("stella");
    for number in 0..15 {
        let to = format!("mallory{number}@away.example");
        let kept = [("question-1", "first-pet"), ("question-2", "first-street"), ("contact-email", &*to)];
        browser.post("/register", &kept).must_say("You have successfully updated your information.");
        browser.get("/register");
    }
    let sent = world.daemon.json(&["outbox", "list"]).to_string();
    assert_eq!(sent.matches("@h").count(), 16, "{sent}");
    assert_eq!(sent.matches("@a").count(), 10, "{sent}");
}

/// The answer to what a page asks.
fn asked(page: &Page) -> &'static str {
    let found = ANSWERS.iter().find(|(_, text, _)| page.says(text));
    found.unwrap_or_else(|| panic!("no question: {}", page.text())).2
}

// R-REG-7
#[test]
fn additional_question_comes_after_the_passcode_and_never_in_its_place() {
    let world = World::start(&format!("{LONG_AGO}mode = \"additional\"\n{TWO}"));
    let _ = world.registered("stella");
    let passwords = [("password", NEW), ("password_again", NEW)];

    // Alone it opens nothing.
    let mut browser = world.browser();
    browser.get("/reset");
    browser.post("/reset", &[("username", "stella")]);
    for (_, _, answer) in ANSWERS {
        let page = browser.post("/reset/answer", &[("answer", answer)]);
        page.must_say("Email to");
    }
    assert!(!browser.post("/reset/password", &passwords).says("has been successfully changed"));

    let (mut browser, page) = reset(&world, "stella", 1);
    page.must_say("Your security question");
    let _ = asked(&page);
    // Nor is it gone around.
    let page = browser.post("/reset/password", &passwords);
    assert!(!page.says("has been successfully changed"), "{}", page.text());
    assert_eq!(world.login("stella", PASSWORD), "Access-Accept", "the password is the one before");

    let (mut browser, page) = reset(&world, "stella", 2);
    let right = asked(&page);
    browser.post("/reset/answer", &[("answer", "Pythagoras")]).must_say("This is not the answer");
    // As people write it when they do not think of it.
    let page = browser.post("/reset/answer", &[("answer", &format!("  {} ", right.to_uppercase()))]);
    page.must_say("Choose a new password");
    browser.post("/reset/password", &passwords).must_say("Password has been successfully changed.");
    assert_eq!(world.login("stella", NEW), "Access-Accept");
}

// R-REG-7
#[test]
fn wrong_answers_have_a_counter_of_their_own_which_another_session_does_not_reset() {
    let world = World::start(&format!("{LONG_AGO}mode = \"additional\"\n{TWO}"));
    let _ = world.registered("stella");
    let (mut browser, page) = reset(&world, "stella", 1);
    let right = asked(&page);
    for _ in 0..4 {
        browser.post("/reset/answer", &[("answer", "Pythagoras")]).must_say("This is not the answer");
    }
    browser.post("/reset/answer", &[("answer", right)]).must_say("Too many attempts failed.");
    // A passcode is right all the same, and clears nothing of it.
    let (mut browser, page) = reset(&world, "stella", 2);
    let page = browser.post("/reset/answer", &[("answer", asked(&page))]);
    page.must_say("Too many attempts failed.");
    // Neither the password nor what is sent was counted.
    assert_eq!(world.login("stella", PASSWORD), "Access-Accept");
    let mut signed_in = world.browser();
    assert_eq!(signed_in.sign_in("stella", PASSWORD, "/security").path, "/security");
    // The help desk ends it.
    assert!(world.daemon.run(&["person", "unlock", "stella"]).status.success());
    let (mut browser, page) = reset(&world, "stella", 3);
    browser.post("/reset/answer", &[("answer", asked(&page))]).must_say("Choose a new password");
}

// R-REG-7
#[test]
fn questions_are_never_asked_at_logins_nor_where_they_are_only_kept() {
    let mut world = World::start(&format!("{LONG_AGO}mode = \"additional\"\n{TWO}"));
    let _ = world.registered("felix");
    // Who has answered nothing is asked nothing: there is nothing to compare.
    let (_, page) = reset(&world, "alma", 1);
    page.must_say("Choose a new password");
    world.enroll("felix");
    let typed = format!("{PASSWORD}{}", code(SEED, 0));
    let login = radclient(world.daemon.address, &[("User-Name", "felix"), ("User-Password", &typed)]);
    assert_eq!(answer(&login), "Access-Accept", "{login}");
    let challenge = radclient(world.daemon.address, &[("User-Name", "felix"), ("User-Password", PASSWORD)]);
    assert_eq!(answer(&challenge), "Access-Challenge");
    assert!(ANSWERS.iter().all(|(_, text, _)| !challenge.contains(text)), "{challenge}");

    world.now(&format!("{LONG_AGO}mode = \"register-only\"\n{TWO}"));
    let _ = world.registered("stella");
    let (_, page) = reset(&world, "stella", 3);
    page.must_say("Choose a new password");

    world.now(&format!("{LONG_AGO}mode = \"off\"\n{TWO}"));
    let (_, page) = reset(&world, "stella", 4);
    page.must_say("Choose a new password");
    let mut alma = world.browser();
    let page = alma.sign_in("alma", PASSWORD, "/register");
    assert!(!page.body.contains("question-1"), "{}", page.body);
    let fields = [("contact-email", "alma@elsewhere.example")];
    alma.post("/register", &fields).must_say("You have successfully updated your information.");
    assert_eq!(alma.get("/security").path, "/security");
}
