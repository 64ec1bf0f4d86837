//! Several campuses in one daemon (R-TOP-5): looks by host, then looks, policy and words by person. A browser without JavaScript, mail
//! through a real SMTP server, texts through a program.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use std::os::unix::fs::PermissionsExt;
use support::directory::{configure, on_slapd, until_following};
use support::portal::{Browser, Page};
use support::slapd::{LdapTools, Slapd, line, person_dn, until};
use support::smtp::{Certificates, MailServer};
use support::{Daemon, answer, radclient};

const NORTH: &str = "toolkit.north.example.edu";
const SOUTH: &str = "toolkit.south.example.edu";
const PASSWORD: &str = "left-luggage-counter";

const SETTINGS: &str = r##"
[portal]
listen = ["127.0.0.1:0"]
rate = 10000
helpdesk_groups = ["desk"]
administrator_groups = ["admins"]
origin = "http://login.example.edu"
acceptable_use_url = "https://www.example.edu/use"
[institution]
name = "Example University"
support_name = "IT Help Desk"
support_phone = "+1 520 555 0100"
faq = "https://www.example.edu/faq"
[codes]
per_person = 1000
per_destination = 1000
[smtp]
host = "127.0.0.1"
port = @PORT@
tls = "none"
from = "it@example.edu"
[[client]]
name = "vpn"
networks = ["127.0.0.4"]
secret = "demo-radius-shared-secret"
[[gateway]]
name = "program"
kind = "exec"
channels = ["sms"]
program = "gateway"
[[campus]]
name = "north"
realms = ["north.example.edu"]
directories = [@DIRECTORY@]
hosts = ["toolkit.north.example.edu"]
[campus.institution]
campus = "North Campus"
support_phone = "+1 520 555 0200"
faq = "https://www.north.example.edu/faq"
[campus.message]
code_subject = "North: your passcode"
sms = "{code} is what {campus} sends you"
[campus.portal]
accent = "#a01020"
logo = "north.svg"
acceptable_use_url = "https://www.north.example.edu/use"
acceptable_use_version = "n3"
reset_methods = ["sms"]
words = ["north/en.ftl"]
[campus.registration]
slots = 2
min_new = 2
helpdesk = "off"
[[campus]]
name = "south"
realms = ["south.example.edu"]
hosts = ["toolkit.south.example.edu"]
[campus.institution]
name = "University of the South"
support_name = "Southern Service Point"
[campus.portal]
words = ["south/en.ftl"]
[campus.registration]
enforce = "2020-01-01"
questions = ["mascot", "first-pet", "first-street", "first-school", "first-job", "dream-job"]
"##;

/// Fields are dropped in this order.
struct World {
    daemon: Daemon,
    url: String,
    post: MailServer,
    dir: tempfile::TempDir,
}

impl World {
    fn start() -> Self {
        Self::with("", "")
    }

    /// `directories`: tables of them; `name`: the one whose people are in the north.
    fn with(directories: &str, name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let post = MailServer::start(dir.path(), "none", &Certificates::make(dir.path()), ("", ""));
        let gateway = dir.path().join("gateway");
        std::fs::write(&gateway, "#!/bin/sh\ncat >> \"$0.said\"; printf '\\n' >> \"$0.said\"\n").unwrap();
        std::fs::set_permissions(&gateway, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(dir.path().join("north.svg"), "<svg xmlns=\"http://www.w3.org/2000/svg\"/>").unwrap();
        std::fs::create_dir(dir.path().join("north")).unwrap();
        std::fs::write(dir.path().join("north/en.ftl"), "toolkit-title = Northern Toolkit\n").unwrap();
        std::fs::create_dir(dir.path().join("south")).unwrap();
        std::fs::write(dir.path().join("south/en.ftl"), "question-mascot = Which animal is on our banner?\n")
            .unwrap();
        let settings =
            SETTINGS.replace("@PORT@", &post.port.to_string()).replace("@DIRECTORY@", name) + directories;
        configure(dir.path(), &settings);
        let daemon = Daemon::serve_in(dir.path(), &[]);
        let url = format!("http://{}", daemon.portal.unwrap());
        Self { daemon, url, post, dir }
    }

    fn add(&self, user: &str, more: &[&str]) {
        let add = [&["person", "add", user, "--role", "student"], more].concat();
        let added = self.daemon.run_with(&add, &format!("{PASSWORD}\n"));
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    }

    fn at(&self, host: &str) -> Browser {
        Browser::at(&self.url, host)
    }

    /// The last of so many mails: subject and plain text.
    fn mail(&self, number: usize) -> (String, String) {
        let mail = self.post.wait(number).remove(number - 1);
        (mail.header("subject").unwrap().to_owned(), mail.parts[0].1.clone())
    }

    /// What the program was given, counted from nought.
    fn said(&self, number: usize) -> String {
        let file = self.dir.path().join("gateway.said");
        until("a text message", || {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let line = text.lines().filter(|line| line.starts_with('{')).nth(number)?;
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            Some(message["text"].as_str().unwrap().to_owned())
        })
    }
}

fn code_in(text: &str) -> String {
    let found = text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6);
    found.unwrap_or_else(|| panic!("no code: {text}")).to_owned()
}

fn is_north(page: &Page) {
    page.must_say("North Campus");
    page.must_say("+1 520 555 0200");
    assert!(page.body.contains("https://www.north.example.edu/faq"), "{}", page.body);
    assert!(page.body.contains("/assets/logo?campus=north"), "{}", page.body);
    assert!(page.body.contains("a01020&amp;campus=north"), "{}", page.body);
}

fn is_south(page: &Page) {
    page.must_say("University of the South");
    page.must_say("Southern Service Point");
    page.must_say("+1 520 555 0100");
    assert!(!page.body.contains("/assets/logo"), "{}", page.body);
}

fn is_neither(page: &Page) {
    page.must_say("Example University");
    page.must_say("IT Help Desk");
    assert!(!page.body.contains("campus=") && !page.says("North") && !page.says("South"), "{}", page.body);
}

// R-TOP-5 R-TOP-2
#[test]
fn host_decides_what_strangers_see() {
    let world = World::start();
    for host in [NORTH, "TOOLKIT.north.example.edu:8443"] {
        let page = world.at(host).get("/");
        is_north(&page);
        page.must_say("Northern Toolkit");
        assert!(page.body.contains("https://www.north.example.edu/use"), "{}", page.body);
    }
    let page = world.at(SOUTH).get("/");
    is_south(&page);
    page.must_say("Secure Authentication Toolkit");
    assert!(page.body.contains("https://www.example.edu/use"), "{}", page.body);
    for host in ["login.example.edu", "north.example.edu", "x.toolkit.north.example.edu"] {
        is_neither(&world.at(host).get("/"));
    }
    let mut anywhere = world.at("login.example.edu");
    assert!(anywhere.get("/assets/style.css?campus=north").body.contains("--accent:#a01020"));
    assert!(anywhere.get("/assets/style.css?campus=west").body.contains("--accent:#0b5cad"));
    assert!(anywhere.get("/assets/logo?campus=north").body.starts_with("<svg"));
    assert_eq!(anywhere.get("/assets/logo?campus=south").status, 404);
}

// R-TOP-5: forms are taken from the hosts of campuses, and from `portal.origin`, and from nowhere else.
#[test]
fn forms_come_from_the_hosts_that_are_named() {
    let world = World::start();
    for (host, status) in [(NORTH, 422), (SOUTH, 422), ("login.example.edu", 422), ("evil.example", 403)] {
        let mut browser = world.at(host);
        browser.get("/sign-in");
        let fields = [("username", "nobody"), ("password", "wrong"), ("next", "/")];
        assert_eq!(browser.post("/sign-in", &fields).status, status, "{host}");
    }
}

// R-TOP-5 R-RESET-10 R-ACT-8: also whoever types a name with the realm of another campus learns nothing by it.
#[test]
fn username_that_is_typed_changes_nothing_for_a_stranger() {
    let world = World::start();
    world.add("nora@north.example.edu", &["--email", "nora@home.example"]);
    world.add("sam@south.example.edu", &["--email", "sam@home.example"]);
    let names = ["sam@south.example.edu", "nora@north.example.edu", "nobody@north.example.edu", "nobody"];
    for path in ["/reset", "/activate", "/sign-in"] {
        let seen = names.map(|name| {
            let mut browser = world.at(SOUTH);
            browser.get(path);
            let page = browser.post(path, &[("username", name), ("password", "wrong"), ("next", "/")]);
            is_south(&page);
            let plain = page.body.replace(&page.hidden("form").unwrap(), "TOKEN").replace(name, "NAME");
            format!("{} {} {plain}", page.status, page.path)
        });
        // Sam has registered nothing, and Nora's campus sends no mail for a reset: nobody here gets anywhere.
        assert!(seen.iter().all(|other| *other == seen[0]), "{path}: {seen:?}");
    }
    assert!(world.post.received().is_empty());
}

// R-TOP-5 R-TOP-4
#[test]
fn policy_and_looks_are_those_of_the_person_once_they_have_signed_in() {
    let world = World::start();
    world.add("nora@north.example.edu", &["--email", "nora@home.example"]);
    world.add("sam@south.example.edu", &["--email", "sam@home.example"]);
    world.add("uma", &["--email", "uma@home.example"]);
    // Each at the host of another.
    let mut browser = world.at(SOUTH);
    is_south(&browser.get("/sign-in"));
    let page = browser.sign_in("nora@north.example.edu", PASSWORD, "/register");
    is_north(&page);
    page.must_say("Please register your security data");
    assert!(page.body.contains("question-2") && !page.body.contains("question-3"), "{}", page.body);
    assert!(!page.says("Help-desk verification question"), "{}", page.text());
    is_north(&browser.get("/"));
    is_south(&browser.post("/sign-out", &[]));

    let mut browser = world.at(NORTH);
    is_north(&browser.get("/sign-in"));
    let page = browser.sign_in("sam@south.example.edu", PASSWORD, "/security");
    is_south(&page);
    assert_eq!(page.path, "/register", "he must register first");
    assert!(page.body.contains("question-5"), "{}", page.body);

    let mut browser = world.at(NORTH);
    let page = browser.sign_in("uma", PASSWORD, "/register");
    is_neither(&page);
    assert!(page.body.contains("question-5"), "{}", page.body);
}

/// Somebody of the north who works for all, after a passcode.
fn staff(world: &World, user: &str, group: &str, next: &str) -> (Browser, Page) {
    const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    world.add(user, &["--group", group]);
    world.daemon.json(&["enroll", "totp", user, "--seed", SEED, "--code", &support::code(SEED, -1)]);
    let mut browser = world.at(NORTH);
    browser.sign_in(user, PASSWORD, next);
    let page = browser.post("/verify/passcode", &[("passcode", &support::code(SEED, 0))]);
    (browser, page)
}

// R-TOP-5 R-REG-4
#[test]
fn clerk_reads_the_question_as_its_person_has_read_it() {
    let world = World::start();
    world.add("sam@south.example.edu", &["--email", "sam@home.example"]);
    let mut sam = world.at(SOUTH);
    sam.sign_in("sam@south.example.edu", PASSWORD, "/register").must_say("Which animal is on our banner?");
    let questions = ["first-pet", "first-street", "first-school", "first-job", "dream-job"];
    let answers = ["Archimedes", "Lindenhof", "Saint Wendelin", "Bremerhaven", "Astronaut"];
    let slots = (1..).zip(questions.into_iter().zip(answers));
    let fields: Vec<_> = slots
        .flat_map(|(slot, (question, answer))| {
            [(format!("question-{slot}"), question), (format!("answer-{slot}"), answer)]
        })
        .collect();
    let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    fields.extend([("helpdesk", "mascot"), ("helpdesk-answer", "A blue heron")]);
    sam.post("/register", &fields).must_say("You have successfully updated your information.");

    let (mut clerk, page) = staff(&world, "carla@north.example.edu", "desk", "/desk");
    is_north(&page);
    clerk.get("/desk/person/sam%40south.example.edu").must_say("Show the help-desk question");
    let page = clerk.post("/desk/person/sam%40south.example.edu/question", &[]);
    page.must_say("Which animal is on our banner?");
    page.must_say("a blue heron");
}

// R-TOP-4 R-TOP-5
#[test]
fn report_is_told_for_each_campus() {
    let world = World::start();
    for user in ["nora@north.example.edu", "nils@north.example.edu", "sam@south.example.edu"] {
        world.add(user, &[]);
    }
    let (mut root, page) = staff(&world, "root@north.example.edu", "admins", "/administration");
    let parts = |page: &Page| page.between("<h3>", "</h3>");
    let students = |page: &Page| {
        let rows = page.between("<th scope=\"row\">", "</tr>");
        let rows = rows.iter().map(|row| Page { body: row.clone(), ..page.clone() }.text());
        let count = |row: String| row.strip_prefix("Student ")?.split(' ').next().map(str::to_owned);
        rows.filter_map(count).collect::<Vec<_>>()
    };
    assert_eq!(parts(&page), ["All campuses", "North Campus", "south"], "{}", page.text());
    assert_eq!(students(&page), ["4", "3", "1"]);
    world.add("uma", &[]);
    let page = root.get("/administration");
    assert_eq!(parts(&page), ["All campuses", "North Campus", "south", "People of no campus"]);
    assert_eq!(students(&page), ["5", "3", "1", "1"]);
}

// R-TOP-5
#[test]
fn mails_texts_and_resets_are_those_of_the_persons_campus() {
    let world = World::start();
    let north = "nora@north.example.edu";
    world.add(north, &["--email", "nora@home.example", "--phone", "+1 520 878 2491"]);
    world.add("uma", &["--email", "uma@home.example", "--phone", "+1 520 878 2492"]);

    // By RADIUS, which knows of no host.
    let typed = format!("{PASSWORD},sms");
    for (user, number) in [(north, 0), ("uma", 1)] {
        let attributes =
            [("Packet-Src-IP-Address", "127.0.0.4"), ("User-Name", user), ("User-Password", &typed)];
        let login = radclient(world.daemon.address, &attributes);
        assert_eq!(answer(&login), "Access-Challenge", "{login}");
        let text = world.said(number);
        assert_eq!(text.contains("is what North Campus sends you"), user == north, "{text}");
    }

    // Two questions are enough in the north, and the notice is signed there.
    let mut browser = world.at(SOUTH);
    browser.sign_in(north, PASSWORD, "/register");
    let fields = [
        ("question-1", "first-pet"),
        ("answer-1", "Archimedes"),
        ("question-2", "first-street"),
        ("answer-2", "Lindenhof"),
    ];
    browser.post("/register", &fields).must_say("You have successfully updated your information.");
    let (_, text) = world.mail(1);
    assert!(text.contains("North Campus") && text.contains("+1 520 555 0200"), "{text}");

    // A reset by text only, at whichever host; there, nothing says where she belongs before her passcode was right.
    let mut browser = world.at(SOUTH);
    browser.get("/reset");
    let page = browser.post("/reset", &[("username", north)]);
    is_south(&page);
    assert!(page.body.contains("value=\"sms\"") && !page.body.contains("value=\"email\""), "{}", page.body);
    is_south(&browser.post("/reset/choose", &[("method", "sms")]));
    let text = world.said(2);
    assert!(text.contains("North Campus"), "{text}");
    let page = browser.post("/reset/passcode", &[("passcode", &code_in(&text))]);
    is_north(&page);
    assert!(page.body.contains(&format!("value=\"{north}\"")), "{}", page.body);
    let new = "copper lantern meadow";
    let page = browser.post("/reset/password", &[("password", new), ("password_again", new)]);
    page.must_say("Password has been successfully changed.");
    is_south(&page);
    let (_, text) = world.mail(2);
    assert!(text.contains("password") && text.contains("North Campus"), "{text}");
}

// R-TOP-5: people of a directory, who have no realm in their names; and the version of the policies that they agree to.
#[test]
fn people_of_a_directory_belong_to_its_campus() {
    let slapd = Slapd::start();
    let directory = on_slapd(&slapd, "ldap", &slapd.uri());
    let roles =
        "[[directory.role]]\nrole = \"student\"\nattribute = \"employeeType\"\nvalues = [\"student\"]\n";
    let world = World::with(&format!("{directory}activation = true\n{roles}"), "\"ldap\"");
    until_following(&world.daemon);
    // Who comes after that is new.
    slapd.add_person("anna", PASSWORD);
    let dn = line("dn", person_dn("anna"));
    slapd.ldif(&format!("{dn}changetype: modify\nadd: employeeType\nemployeeType: student\n"));
    until("the new student", || {
        let output = world.daemon.run(&["--json", "person", "show", "anna"]);
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        (shown["person"]["roles"][0] == "student").then_some(())
    });

    let mut browser = world.at(SOUTH);
    browser.get("/activate");
    is_south(&browser.post("/activate", &[("username", "anna")]));
    is_south(&browser.post("/activate/choose", &[("method", "email")]));
    let (subject, text) = world.mail(1);
    assert_eq!(subject, "North: your passcode");
    let page = browser.post("/activate/passcode", &[("passcode", &code_in(&text))]);
    is_north(&page);
    assert!(page.body.contains("question-2") && !page.body.contains("question-3"), "{}", page.body);
    let fields = [
        ("question-1", "first-pet"),
        ("answer-1", "Archimedes"),
        ("question-2", "first-street"),
        ("answer-2", "Lindenhof"),
    ];
    let page = browser.post("/activate/form", &fields);
    assert!(page.body.contains("https://www.north.example.edu/use"), "{}", page.body);
    let new = "copper lantern meadow";
    let last = [("password", new), ("password_again", new), ("agree", "on")];
    browser.post("/activate/password", &last);
    let shown = world.daemon.json(&["person", "show", "anna"]);
    assert_eq!(shown["person"]["status"], "active", "{shown}");
    let page = browser.sign_in("anna", new, "/security");
    is_north(&page);
    page.must_say("n3");
}
