//! Passcode apps, YubiKeys, the page of one's own security and the alumni mailbox, through the running daemon: a browser without
//! JavaScript, codes of Debian's oathtool, touches of Yubico's ykgenerate, logins by radclient.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

#[path = "portal_devices/passcodes.rs"]
mod passcodes;
#[path = "portal_devices/removed.rs"]
mod removed;
mod support;
#[path = "portal_devices/thief.rs"]
mod thief;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};
use support::gateway::{HttpGateway, Next};
use support::portal::{Browser, Page};
use support::{Daemon, PATIENCE, Someone, answer, code, radclient, value};

/// Clients of the demonstration.
const VPN: &str = "127.0.0.1";
const PIN_AND_PASSCODE: &str = "127.0.0.4";

const PUBLIC_ID: &str = "vvccccbcdefg";
const AES: &str = "ecde18dbe76fbd0c33330f1c354871db";
const PRIVATE_ID: &str = "8792ebfe26cc";

/// The demonstration, with the mails that were read already.
struct World {
    daemon: Daemon,
    url: String,
    read: BTreeSet<std::path::PathBuf>,
}

impl World {
    fn start() -> Self {
        Self::of(Daemon::demo(&[]))
    }

    fn of(daemon: Daemon) -> Self {
        let url = daemon.env()["PORTAL_URL"].clone();
        Self { daemon, url, read: BTreeSet::new() }
    }

    fn person(&self, user: &str) -> Someone {
        self.daemon.people().into_iter().find(|person| person.user == user).expect("one of the dozen")
    }

    /// Waits for a mail to somebody that was not read yet and has these words in it.
    fn mail(&mut self, user: &str, words: &str) -> String {
        self.message(&format!("{user}@example.edu"), words)
    }

    /// The same for what was sent to a number or an address.
    fn message(&mut self, to: &str, words: &str) -> String {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let mut files: Vec<_> = std::fs::read_dir(self.daemon.dir.join("mail"))
                .unwrap()
                .map(|file| file.unwrap().path())
                .filter(|path| path.extension().is_some_and(|end| end == "txt") && !self.read.contains(path))
                .collect();
            files.sort();
            for file in files {
                let text = support::read(&file);
                if text.starts_with(&format!("{to}\n")) && text.contains(words) {
                    self.read.insert(file);
                    return text;
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("nothing to {to} says `{words}`")
    }

    /// Somebody signs in and shows a passcode, with the app where they have one, else by mail; the page that they wanted.
    fn admitted(&mut self, user: &str, next: &str) -> (Browser, Page) {
        let person = self.person(user);
        let mut browser = Browser::new(&self.url);
        let page = browser.sign_in(&person.user, &person.password, next);
        let page = self.proven(&mut browser, &person, &page);
        (browser, page)
    }

    /// The same for who plays a part at the portal.
    fn staff(&mut self, part: &str, next: &str) -> (Browser, Page) {
        let mut env = self.daemon.env();
        let mut var = |name: &str| env.remove(&format!("{part}_{name}")).unwrap();
        let person = Someone { user: var("USER"), password: var("PASSWORD"), totp: var("TOTP_SECRET") };
        let mut browser = Browser::new(&self.url);
        let page = browser.sign_in(&person.user, &person.password, next);
        let page = self.proven(&mut browser, &person, &page);
        (browser, page)
    }

    fn proven(&mut self, browser: &mut Browser, person: &Someone, page: &Page) -> Page {
        assert_eq!(page.path, "/verify", "{}", page.text());
        if !person.totp.is_empty() {
            return browser.post("/verify/passcode", &[("passcode", &code(&person.totp, 0))]);
        }
        browser.post("/verify/choose", &[("method", "email")]).must_say("We have sent a passcode by e-mail");
        let mail = self.mail(&person.user, "passcode");
        let sent = mail.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).unwrap();
        browser.post("/verify/passcode", &[("passcode", sent)])
    }

    fn radius(&self, client: &str, user: &str, typed: &str, state: Option<&str>) -> String {
        let mut attributes =
            vec![("Packet-Src-IP-Address", client), ("User-Name", user), ("User-Password", typed)];
        attributes.extend(state.map(|state| ("State", state)));
        radclient(self.daemon.address, &attributes)
    }

    fn login(&self, user: &str, typed: &str) -> String {
        answer(&self.radius(VPN, user, typed, None)).to_owned()
    }

    /// A key that is in the inventory.
    fn import_key(&self) {
        let file = self.daemon.dir.join("keys.csv");
        let line = format!("5012345,{PUBLIC_ID},{PRIVATE_ID},{AES},,2026-05-01T10:00:00,\n");
        std::fs::write(&file, line).unwrap();
        let output = self.daemon.run(&["import", "yubikey", &file.display().to_string()]);
        assert!(output.status.success(), "{output:?}");
    }
}

/// What the key types at these counters.
fn touch(uses: u16, touches: u8) -> String {
    let counters = [format!("{uses:04x}"), format!("{touches:02x}")];
    let arguments = [AES, PRIVATE_ID, &counters[0], "c0a8", "00", &counters[1]];
    let output = Command::new("ykgenerate").args(arguments).output().expect("ykgenerate is installed");
    format!("{PUBLIC_ID}{}", String::from_utf8(output.stdout).unwrap().trim())
}

/// The key that a page shows, with the factor that it is of.
fn shown(page: &Page) -> (String, String) {
    let grouped = page.between("<code class=\"key\">", "</code>").swap_remove(0);
    assert!(grouped.split(' ').rev().skip(1).all(|group| group.len() == 4), "{grouped}");
    let seed = grouped.replace(' ', "");
    assert!(
        page.body.contains(&format!("secret={seed}&amp;")) && page.body.contains("<svg"),
        "{}",
        page.body
    );
    (seed, page.hidden("factor").unwrap())
}

// R-APP-1, R-APP-2, R-APP-3, R-APP-4, R-APP-5, R-APP-6
#[test]
fn app_is_set_up_with_pin_and_recovery_codes_and_lets_in() {
    let mut world = World::start();
    let about = Browser::new(&world.url).get("/app");
    for words in
        ["begin setup", "Apple App Store", "Google Play", "Microsoft Store", "RFC 6238", "notifications"]
    {
        about.must_say(words);
    }
    let (mut browser, page) = world.admitted("chen", "/app/enroll");
    page.must_say("Name the device");
    let page = browser.post("/app/enroll", &[("name", "my telephone")]);
    let (seed, factor) = shown(&page);
    assert_eq!(shown(&browser.get("/app/enroll")), (seed.clone(), factor.clone()), "a reload shows the same");
    let page = browser.post("/app/enroll", &[("name", "twice")]);
    assert_eq!(shown(&page), (seed.clone(), factor.clone()), "and so does a second tab");
    let confirm = |browser: &mut Browser, factor: &str, typed: &str| {
        browser.post("/app/enroll/confirm", &[("factor", factor), ("passcode", typed)])
    };
    let chen = world.person("chen");
    assert_eq!(world.login("chen", &chen.password), "Access-Accept", "what is not proven counts for nothing");
    confirm(&mut browser, &factor, "000000").must_say("This is not the passcode of this key.");
    confirm(&mut browser, &uuid::Uuid::nil().to_string(), &code(&seed, 0))
        .must_say("This step was done already.");
    confirm(&mut browser, &factor, &code(&seed, 0)).must_say("Choose a PIN");
    confirm(&mut browser, &factor, &code(&seed, 0)).must_say("This step was done already.");
    world.mail("chen", "a second factor was added");

    let pin = |browser: &mut Browser, pin: &str, again: &str| {
        browser.post("/app/pin", &[("pin", pin), ("pin_again", again)])
    };
    for (weak, why) in [
        ("1234", "follow each other"),
        ("123", "at least 4 digits"),
        ("1999", "a year"),
        ("12a4", "only the digits"),
    ] {
        let page = pin(&mut browser, weak, weak);
        page.must_say(why);
        assert_eq!(page.status, 422);
        assert!(!page.body.contains(&format!("value=\"{weak}\"")), "a PIN is not sent back");
    }
    pin(&mut browser, "8305", "8306").must_say("The two PINs are not the same.");
    let page = pin(&mut browser, "8305", "8305");
    page.must_say("Congratulations! Your account has been created.");
    let page = browser.post("/security/recovery", &[("set", &page.hidden("set").unwrap())]);
    page.must_say("They are shown this once.");
    let codes = page.between("<code class=\"key\">", "</code>");
    assert_eq!(codes.len(), 10);
    browser.post("/security/recovery", &[("set", "")]).must_say("This step was done already.");
    let page = browser.get("/security/recovery");
    page.must_say("10 codes are left.");
    assert!(codes.iter().all(|code| !page.body.contains(code.as_str())), "they are shown once");
    page.must_say("my telephone");

    assert_eq!(world.login("chen", &chen.password), "Access-Challenge");
    let both = format!("{}{}", chen.password, code(&seed, 1));
    assert_eq!(world.login("chen", &both), "Access-Accept");
    assert_eq!(world.login("chen", &both), "Access-Reject", "a passcode is good once");
    let challenge = world.radius(PIN_AND_PASSCODE, "chen", "8305", None);
    let state = value(&challenge, "State").expect("a challenge").to_owned();
    let accepted = world.radius(PIN_AND_PASSCODE, "chen", &codes[0], Some(&state));
    assert_eq!(answer(&accepted), "Access-Accept", "{accepted}");
    browser.get("/security").must_say("9 codes are left.");
    let log = world.daemon.log();
    assert!(![&seed, "8305", &codes[0]].iter().any(|secret| log.contains(*secret)), "no secret is logged");
}

// R-APP-4
#[test]
fn who_has_an_app_and_no_pin_is_led_to_choose_one_where_it_is_required() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    std::fs::write(dir.path().join("conf.d/pin.toml"), "[portal]\npin = \"required\"\n").unwrap();
    let mut world = World::of(Daemon::demo_in(dir.path(), &[]));
    let (mut browser, page) = world.admitted("amara", "/security");
    assert_eq!(page.path, "/app/pin", "{}", page.text());
    page.must_say("A PIN is required here. Choose one before you go on.");
    for path in ["/security", "/password", "/key/register", "/key/verify", "/app/enroll"] {
        browser.get(path).must_say("Choose a PIN");
    }
    browser.post("/app/enroll/skip", &[]).must_say("Choose a PIN");
    let pin =
        |browser: &mut Browser, pin: &str| browser.post("/app/pin", &[("pin", pin), ("pin_again", pin)]);
    pin(&mut browser, "1234").must_say("follow each other");
    pin(&mut browser, "8305");
    browser.get("/security").must_say("Recent activity");
    // Who works here, too.
    for (part, page) in [("HELPDESK", "/desk"), ("ADMIN", "/administration")] {
        let (mut browser, shown) = world.staff(part, page);
        assert_eq!(shown.path, "/app/pin", "{}", shown.text());
        pin(&mut browser, "8305");
        assert_eq!(browser.get(page).path, page);
    }
    // Who has no app has nothing to type a PIN before.
    let (_, page) = world.admitted("chen", "/password");
    assert_eq!(page.path, "/password", "{}", page.text());
}

// R-APP-6
#[test]
fn set_up_that_is_cancelled_leaves_nothing_and_there_can_be_several_devices() {
    let mut world = World::start();
    let (mut browser, _) = world.admitted("amara", "/app/enroll");
    let (seed, factor) = shown(&browser.post("/app/enroll", &[("name", "")]));
    let mut other = browser.clone();
    browser.post("/app/enroll/cancel", &[]).must_say("The set-up was cancelled.");
    let page = other.post("/app/enroll/confirm", &[("factor", &factor), ("passcode", &code(&seed, 0))]);
    page.must_say("This step was done already.");
    page.must_say("Name the device");
    assert_eq!(world.daemon.json(&["factor", "list", "amara"])["factors"].as_array().unwrap().len(), 1);
    let (seed, factor) = shown(&browser.post("/app/enroll", &[("name", "tablet")]));
    browser.post("/app/enroll/confirm", &[("factor", &factor), ("passcode", &code(&seed, 0))]);
    browser.post("/app/enroll/skip", &[]).must_say("Congratulations! Your account has been created.");
    browser.post("/app/enroll/another", &[]).must_say("Name the device");
    let amara = world.person("amara");
    for key in [&amara.totp, &seed] {
        assert_eq!(world.login("amara", &format!("{}{}", amara.password, code(key, 1))), "Access-Accept");
    }
}

// R-YUBI-1, R-YUBI-2, R-YUBI-3, R-YUBI-4
#[test]
fn key_is_registered_by_touch_verified_renamed_and_revoked() {
    let mut world = World::start();
    world.import_key();
    Browser::new(&world.url).get("/key").must_say("yubico.com");
    let (mut browser, page) = world.admitted("farah", "/key/register");
    assert!(
        page.body.contains("id=\"touch\"") && page.body.contains("autocomplete=\"off\""),
        "{}",
        page.body
    );
    let register = |browser: &mut Browser, name: &str, typed: &str| {
        browser.post("/key/register", &[("name", name), ("touch", typed)])
    };
    register(&mut browser, "blue key", "not a key").must_say("This is not what a YubiKey types.");
    let stranger = format!("vvccccbcdefh{}", &touch(1, 0)[12..]);
    register(&mut browser, "blue key", &stranger).must_say("Nobody here knows this key.");
    register(&mut browser, "blue key", &touch(1, 0)).must_say("Your key blue key is registered.");
    world.mail("farah", "a second factor was added");
    register(&mut browser, "once more", &touch(1, 1)).must_say("This key is registered for you already.");

    let verify = |browser: &mut Browser, typed: &str| browser.post("/key/verify", &[("touch", typed)]);
    browser.get("/key/verify").must_say("Verify that your key works");
    verify(&mut browser, &touch(1, 2)).must_say("Your key blue key works.");
    verify(&mut browser, &touch(1, 2)).must_say("it was typed before");
    let farah = world.person("farah");
    assert_eq!(world.login("farah", &format!("{}{}", farah.password, touch(1, 2))), "Access-Reject");
    assert_eq!(world.login("farah", &format!("{}{}", farah.password, touch(1, 3))), "Access-Accept");

    let (mut other, _) = world.admitted("isaac", "/key/register");
    register(&mut other, "found", &touch(1, 4)).must_say("This key is registered for another person.");
    verify(&mut other, &touch(1, 4)).must_say("You have not registered a key yet.");

    let page = browser.get("/security");
    let id = page.between("/security/rename/", "\"").swap_remove(0);
    other.get(&format!("/security/revoke/{id}")).must_say("There is no such page.");
    other.post(&format!("/security/revoke/{id}"), &[]).must_say("This one was removed already.");
    other
        .post(&format!("/security/rename/{id}"), &[("name", "mine")])
        .must_say("This one was removed already.");
    browser.get(&format!("/security/rename/{id}")).must_say("Rename blue key");
    browser.post(&format!("/security/rename/{id}"), &[("name", "<red> key")]).must_say("<red> key");
    browser.get(&format!("/security/revoke/{id}")).must_say("Remove <red> key?");
    browser.post(&format!("/security/revoke/{id}"), &[]).must_say("<red> key was removed.");
    world.mail("farah", "a second factor was removed");
    browser.post(&format!("/security/revoke/{id}"), &[]).must_say("This one was removed already.");
    let rejected = world.login("farah", &format!("{}{}", farah.password, touch(1, 5)));
    assert_eq!(rejected, "Access-Reject");
    register(&mut browser, "", &touch(1, 6)).must_say("This key was removed before");
    let page = browser.get("/security");
    for words in
        ["You have none yet.", "A second factor was removed", "here, from 127.0.0.1", "vpn", "refused"]
    {
        page.must_say(words);
    }
}

#[test]
fn thief_with_the_password_only_changes_nothing() {
    let world = World::start();
    let amara = world.person("amara");
    let id = world.daemon.json(&["factor", "list", "amara"])["factors"][0]["id"].as_str().unwrap().to_owned();
    let mut thief = Browser::new(&world.url);
    let page = thief.sign_in("amara", &amara.password, "/security");
    assert_eq!(page.path, "/verify");
    assert!(
        !page.body.contains("value=\"email\""),
        "the password may open the mailbox as well: {}",
        page.body
    );
    for path in [
        "/security",
        "/app/enroll",
        "/app/pin",
        "/key/register",
        "/key/verify",
        "/devices",
        "/password",
        "/security/revoke/1",
    ] {
        assert_eq!(thief.get(path).path, "/verify", "{path}");
    }
    let revoke = format!("/security/revoke/{id}");
    for path in [
        "/app/enroll",
        "/app/enroll/confirm",
        "/app/pin",
        "/key/register",
        "/security/recovery",
        "/devices",
        "/password",
        &revoke,
    ] {
        let fields = [("pin", "8305"), ("pin_again", "8305"), ("set", ""), ("name", "x")];
        assert_eq!(thief.post(path, &fields).path, "/verify", "{path}");
    }
    let factors = world.daemon.json(&["factor", "list", "amara"]);
    assert_eq!(factors["factors"].as_array().unwrap().len(), 1);
    assert_eq!(Browser::new(&world.url).get("/security").path, "/sign-in");
}

// R-RESET-7
#[test]
fn password_is_changed_by_who_knows_the_present_one_and_ends_other_sessions() {
    let mut world = World::start();
    let (mut browser, page) = world.admitted("emil", "/password");
    page.must_say("Present password");
    let emil = world.person("emil");
    let mut elsewhere = Browser::new(&world.url);
    assert_eq!(elsewhere.sign_in("emil", &emil.password, "/security").path, "/verify");
    let new = "otters juggle nine lanterns";
    let change = |browser: &mut Browser, present: &str, again: &str| {
        browser.post("/password", &[("present", present), ("password", new), ("password_again", again)])
    };
    change(&mut browser, "wrong", new).must_say("The present password is not right.");
    change(&mut browser, &emil.password, "other").must_say("The two passwords are not the same.");
    let failures = world.daemon.json(&["person", "show", "emil"]);
    assert!(failures.to_string().contains("password"), "a wrong one is charged: {failures}");
    change(&mut browser, &emil.password, new).must_say("Password has been successfully changed.");
    browser.get("/security").must_say("The password was changed");
    assert_eq!(elsewhere.get("/security").path, "/sign-in", "other sessions have ended");
    world.mail("emil", "was changed");
    assert_eq!(world.login("emil", &format!("{}{}", emil.password, code(&emil.totp, 1))), "Access-Reject");
    assert_eq!(world.login("emil", &format!("{new}{}", code(&emil.totp, 1))), "Access-Accept");
}

// R-ALUM-1
#[test]
fn alumnus_sets_the_password_of_the_mailbox() {
    let mut world = World::start();
    let (mut staff, _) = world.admitted("dalia", "/security");
    let page = staff.get("/mailbox");
    page.must_say("This page is for alumni.");
    assert_eq!(page.status, 403);
    let (_, page) = world.admitted("karim", "/mailbox");
    page.must_say("The passwords of mailboxes cannot be set here.");

    let (dir, gateway) = (tempfile::tempdir().unwrap(), HttpGateway::start(None));
    let at = format!("http://{}", gateway.address);
    let secret = dir.path().join("client.secret");
    std::fs::write(&secret, "Value~of.the-client_secret\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    let lines = format!(
        "[mailbox]\nkind = \"graph\"\naccount = \"{{username}}@alumni.example.org\"\ntenant = \"72f988bf-0000-4000-8000-2d7cd011db47\"\n\
         client_id = \"00001111-aaaa-2222-bbbb-3333cccc4444\"\nclient_secret_file = \"client.secret\"\nlogin_url = \"{at}\"\ngraph_url = \"{at}\"\n"
    );
    std::fs::write(dir.path().join("conf.d/mailbox.toml"), lines).unwrap();
    let mut world = World::of(Daemon::demo_in(dir.path(), &[]));
    let (mut browser, page) = world.admitted("karim", "/mailbox");
    page.must_say("karim@alumni.example.org");
    let token = "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"ey.token\"}";
    let set = |browser: &mut Browser, new: &str, again: &str| {
        browser.post("/mailbox", &[("password", new), ("password_again", again)])
    };
    let good = "otters juggle nine lanterns";
    set(&mut browser, good, "other").must_say("The two passwords are not the same.");
    assert_eq!(set(&mut browser, "short", "short").status, 422);
    assert!(gateway.asked().is_empty(), "nothing goes out that cannot be right");
    gateway.will([Next::Answer(200, token.into()), Next::Answer(204, String::new())]);
    set(&mut browser, good, good).must_say("The password of your mailbox has been changed.");
    world.mail("karim", "the password of the mailbox of karim was changed");
    let asked = gateway.asked();
    assert!(asked.last().is_some_and(|last| last.method == "PATCH"), "{}", asked.len());
    gateway.will([Next::Answer(
        404,
        "{\"error\":{\"code\":\"Request_ResourceNotFound\",\"message\":\"x\"}}".into(),
    )]);
    set(&mut browser, good, good).must_say("The mail provider has no mailbox karim@alumni.example.org.");
    let trail = world.daemon.json(&["audit", "list", "--subject", "karim", "--limit", "100"]);
    let ends: Vec<_> = trail["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["action"] == "mailbox.password")
        .map(|entry| entry["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(ends, ["begun", "done", "begun", "refused"]);
    assert!(!world.daemon.log().contains(good));
}
