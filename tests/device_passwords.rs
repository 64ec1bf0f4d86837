//! Passwords of devices (R-RAD-3): made in the portal by a browser without JavaScript and on the socket by the command line, used by
//! another process on the same store, as an EAP conversation uses them, and refused everywhere else.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

#[path = "device_passwords/gate.rs"]
mod gate;
mod support;

use gate::Gate;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::portal::{Browser, Page};
use support::{DOORWARD, Daemon, PATIENCE, Someone, answer, code, radclient};

/// A client of the demonstration.
const VPN: &str = "127.0.0.1";

struct World {
    daemon: Daemon,
    url: String,
}

impl World {
    fn start() -> Self {
        let daemon = Daemon::demo(&[]);
        let url = daemon.env()["PORTAL_URL"].clone();
        Self { daemon, url }
    }

    fn person(&self, user: &str) -> Someone {
        self.daemon.people().into_iter().find(|person| person.user == user).expect("one of the dozen")
    }

    /// Waits for a mail to somebody that has these words in it.
    fn mail(&self, user: &str, words: &str) -> String {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let files = std::fs::read_dir(self.daemon.dir.join("mail")).unwrap();
            let files = files.map(|file| file.unwrap().path());
            for file in files.filter(|path| path.extension().is_some_and(|end| end == "txt")) {
                let text = support::read(&file);
                if text.starts_with(&format!("{user}@example.edu\n")) && text.contains(words) {
                    return text;
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no mail to {user} says `{words}`")
    }

    /// Somebody with an app signs in and shows a passcode; the page that they wanted.
    fn admitted(&self, user: &str, next: &str) -> (Browser, Page) {
        let person = self.person(user);
        let mut browser = Browser::new(&self.url);
        let page = browser.sign_in(&person.user, &person.password, next);
        assert_eq!(page.path, "/verify", "a password alone makes none: {}", page.text());
        let page = browser.post("/verify/passcode", &[("passcode", &code(&person.totp, 0))]);
        (browser, page)
    }

    fn login(&self, user: &str, typed: &str) -> String {
        let attributes = [("Packet-Src-IP-Address", VPN), ("User-Name", user), ("User-Password", typed)];
        answer(&radclient(self.daemon.address, &attributes)).to_owned()
    }

    fn with_app(&self) -> Someone {
        self.daemon.with_app().swap_remove(0)
    }

    /// On the socket.
    fn make(&self, user: &str, label: &str) -> (String, String) {
        let made = self.daemon.json(&["enroll", "device-password", user, "--label", label]);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("id"), text("password"))
    }
}

/// The password that a page shows.
fn shown(page: &Page) -> String {
    page.must_say("It is shown this once");
    page.between("<code class=\"key\">", "</code>").swap_remove(0)
}

// R-RAD-3
#[test]
fn person_makes_one_in_the_portal_which_is_shown_once_and_told_by_mail() {
    let world = World::start();
    let Someone { user, password, .. } = world.with_app();
    let (mut browser, page) = world.admitted(&user, "/devices");
    page.must_say("Make a Wi-Fi password for a device");
    let page = browser.post("/devices", &[("name", " ")]);
    page.must_say("Name the device, in 1 to 64 characters.");
    assert_eq!(page.status, 422);
    // The button is pressed twice, and the browser shows the second answer.
    let mut second = browser.clone();
    let made = shown(&browser.post("/devices", &[("name", "<my> phone")]));
    assert_eq!(made.len(), 23, "{made}");
    assert_eq!(shown(&second.post("/devices", &[("name", "<my> phone")])), made);
    browser.post("/devices", &[("name", "<my> phone")]).must_say("already. Choose another name");
    world.mail(&user, "a Wi-Fi password for a device was made");

    let gate = Gate::beside(&world.daemon);
    assert_eq!(gate.exchange(&user, &made), "accept <my> phone, proven");
    assert_eq!(gate.exchange(&user, &password), "wrong-device-password");
    let page = browser.get("/security");
    page.must_say("<my> phone");
    page.must_say("Wi-Fi login of a device: <my> phone");
    page.must_say("A Wi-Fi password for a device was made");
    assert!(!page.body.contains(&made), "it is shown once");
    assert!(!page.says("Used last never"), "{}", page.text());

    let id = page.between("href=\"/security/rename/", "\"").into_iter().last().unwrap();
    browser.get(&format!("/security/rename/{id}"));
    browser.post(&format!("/security/rename/{id}"), &[("name", "tablet")]).must_say("The name was changed.");
    assert_eq!(gate.exchange(&user, &made), "accept tablet, proven");
    browser.get(&format!("/security/revoke/{id}")).must_say("cannot log in to Wi-Fi with it any more");
    browser.post(&format!("/security/revoke/{id}"), &[]).must_say("tablet was removed.");
    world.mail(&user, "the Wi-Fi password of a device was removed");
    assert_eq!(gate.exchange(&user, &made), "no-device-password");
    assert!(!world.daemon.log().contains(&made), "no secret is logged");
}

// R-RAD-3
#[test]
fn it_opens_nothing_but_wifi_and_is_no_second_factor() {
    let world = World::start();
    let Someone { user, password, totp } = world.with_app();
    let (_, made) = world.make(&user, "laptop");
    for typed in [made.clone(), format!("{password}{made}"), format!("{password},{made}")] {
        assert_eq!(world.login(&user, &typed), "Access-Reject", "at the VPN");
    }
    let mut browser = Browser::new(&world.url);
    browser.sign_in(&user, &made, "/security").must_say("Username");
    assert_eq!(world.login(&user, &format!("{password}{}", code(&totp, 1))), "Access-Accept");

    // Who has nothing else has no second factor, so that a password alone does where the policy says so.
    let other = world.daemon.without_app().swap_remove(0);
    assert_eq!(world.login(&other.user, &other.password), "Access-Accept");
    let (id, made) = world.make(&other.user, "laptop");
    assert_eq!(world.login(&other.user, &other.password), "Access-Accept", "nothing is asked for");
    let gate = Gate::beside(&world.daemon);
    assert_eq!(gate.exchange(&user, &made), "wrong-device-password", "it is another person's");
    assert_eq!(gate.exchange(&other.user, &made), "accept laptop, proven");
    let listed = world.daemon.json(&["factor", "list", &other.user]);
    assert_eq!(listed["factors"][0]["kind"], "device-password");
    assert!(!listed.to_string().contains(&made));
    assert!(world.daemon.run(&["factor", "revoke", &id]).status.success());
    assert_eq!(gate.exchange(&other.user, &made), "no-device-password");
}

// R-RAD-3
#[test]
fn locked_people_strangers_and_guessers_are_refused_and_everything_is_in_the_trail() {
    let world = World::start();
    let Someone { user, .. } = world.with_app();
    let (_, made) = world.make(&user, "phone");
    let (_, second) = world.make(&user, "laptop");
    let gate = Gate::beside(&world.daemon);
    assert!(world.daemon.run(&["person", "lock", &user]).status.success());
    assert_eq!(gate.exchange(&user, &made), "person-locked");
    assert!(world.daemon.run(&["person", "unlock", &user]).status.success());
    assert_eq!(gate.exchange("nobody-at-all", &made), "unknown-person");
    // More guesses than a password has; and right afterwards the delay holds even for the right one.
    for _ in 0..11 {
        assert_eq!(gate.exchange(&user, "k7wd9-m2pq4-x0zrt-8hc3e"), "wrong-device-password");
    }
    assert_eq!(gate.exchange(&user, &made), "throttled");
    assert_eq!(gate.later(Duration::from_secs(5)).exchange(&user, &second), "accept laptop, proven");
    assert_eq!(gate.exchange(&user, &made), "accept phone, proven", "a success clears the counter");
    let trail = world.daemon.json(&["audit", "list", "--subject", &user, "--limit", "100"]).to_string();
    for words in ["device-password laptop", "wrong-device-password", "throttled", "person-locked"] {
        assert!(trail.contains(words), "{words}: {trail}");
    }
    assert!(world.daemon.run(&["audit", "verify"]).status.success());
}

#[test]
fn number_of_devices_is_limited_and_each_has_its_own_name() {
    let world = World::start();
    let user = world.with_app().user;
    for number in 1..=8 {
        world.make(&user, &format!("device {number}"));
    }
    let refused = |label: &str| {
        let output = world.daemon.run(&["enroll", "device-password", &user, "--label", label]);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused("Device 3").contains("There is a device called `Device 3` already."));
    assert!(refused("one more").contains("There are 8 device passwords already"));
    assert!(refused("").contains("The name must have 1 to 64 characters"));
}

#[test]
fn those_that_are_made_at_once_are_no_more_than_there_may_be() {
    let world = World::start();
    let user = world.with_app().user;
    let all = (0..12).map(|number| {
        let mut command = Command::new(DOORWARD);
        command.arg("--socket").arg(world.daemon.dir.join("admin.sock"));
        let label = format!("device {}", number % 10);
        command.args(["enroll", "device-password", &user, "--label", &label]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    });
    let all: Vec<_> = all.collect();
    let made = all.into_iter().map(|mut one| one.wait().unwrap().success()).filter(|made| *made).count();
    let list = world.daemon.json(&["factor", "list", &user]);
    let kinds = list["factors"].as_array().unwrap().iter().map(|factor| factor["kind"].as_str().unwrap());
    assert_eq!((made, kinds.filter(|kind| *kind == "device-password").count()), (8, 8));
}
