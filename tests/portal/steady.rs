//! What people do beside the straight way: reload, go back, send twice, use two tabs, wait too long; and what happens to
//! daemons meanwhile.

use crate::reset::NEW;
use crate::support::browser::Browser;
use crate::support::postgres::{Options, Postgres};
use crate::support::redis::Redis;
use crate::support::{Daemon, answer, radclient};
use crate::world::{Demo, code_in, page};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// As far as the page for the passcode, as the student of the demonstration.
fn ask(demo: &Demo, browser: &Browser) {
    browser.open(&demo.page("/reset"));
    browser.fill("Username", &demo.var("STUDENT_USER"));
    browser.press("Continue");
    browser.press("Continue");
    assert!(browser.text().contains("Enter the passcode"), "{}", browser.text());
}

fn verify(demo: &Demo, browser: &Browser) {
    browser.fill("Passcode", &demo.sent.code());
    browser.press("Verify");
    assert_eq!(browser.heading(), "Choose a new password");
}

fn change(browser: &Browser, password: &str) {
    browser.fill("New password", password);
    browser.fill("New password once more", password);
    browser.press("Change password");
}

/// What RADIUS answers to the student.
fn login(demo: &Demo, password: &str) -> String {
    let attributes = [("User-Name", &*demo.var("STUDENT_USER")), ("User-Password", password)];
    answer(&radclient(demo.daemon.address, &attributes)).to_owned()
}

// R-RESET-3 R-RESET-9
#[test]
fn reload_back_and_a_second_tab_show_where_things_stand() {
    let demo = Demo::start("");
    let browser = Browser::start();
    ask(&demo, &browser);
    browser.reload();
    assert!(browser.text().contains("Enter the passcode"), "{}", browser.text());
    let (first, second) = browser.new_tab();
    browser.open(&demo.page("/reset"));
    assert!(browser.text().contains("Enter the passcode"), "another tab is at the same step");
    verify(&demo, &browser);

    // The first tab still shows the field for the passcode. It is led to where things stand.
    browser.tab(&first);
    browser.fill("Passcode", "123456");
    browser.press("Verify");
    assert!(browser.text().contains("This page was too old"), "{}", browser.text());
    browser.follow("Continue");
    assert_eq!(browser.heading(), "Choose a new password");

    browser.tab(&second);
    change(&browser, NEW);
    assert!(browser.told().contains("Password has been successfully changed."), "{}", browser.text());
    assert_eq!(login(&demo, NEW), "Access-Accept");
    browser.reload();
    assert_eq!(browser.told(), "", "it is told once");
    // Back to the form, which does nothing any more.
    browser.tab(&first);
    change(&browser, "another long password");
    assert!(!browser.told().contains("successfully"), "{}", browser.text());
    assert_eq!(login(&demo, "another long password"), "Access-Reject");
    assert_eq!(login(&demo, NEW), "Access-Accept");
}

/// Pressed twice at once, also where no script holds the second back.
// R-RESET-6
#[test]
fn form_that_is_sent_twice_counts_once() {
    let demo = Demo::start("");
    let browser = Browser::start();
    browser.scripts(false);
    ask(&demo, &browser);
    verify(&demo, &browser);
    browser.fill("New password", NEW);
    browser.fill("New password once more", NEW);
    browser.leaving(|| {
        // Both requests are under way at the same time.
        browser.script(
            "const f = document.querySelector('.new-password').closest('form'); f.submit(); f.submit();",
        );
    });
    browser.until("the end", || browser.path() == "/");
    assert!(browser.told().contains("Password has been successfully changed."), "{}", browser.text());
    assert_eq!(login(&demo, NEW), "Access-Accept");
    let audit = demo.daemon.json(&["audit", "list"]).to_string();
    assert_eq!(audit.matches("\"person.reset\"").count(), 1, "{audit}");
}

// R-RESET-9
#[test]
fn session_that_is_over_begins_anew() {
    let demo = Demo::start("");
    let browser = Browser::start();
    ask(&demo, &browser);
    verify(&demo, &browser);
    // As if the time were over: the row is gone.
    let lock = std::process::Command::new("sqlite3")
        .args(["-cmd", ".timeout 20000"])
        .arg(demo.daemon.dir.join("doorward.db"))
        .arg("DELETE FROM sessions")
        .output()
        .unwrap();
    assert!(lock.status.success(), "{lock:?}");
    change(&browser, NEW);
    assert_eq!(browser.path(), "/reset");
    assert!(browser.told().contains("This took too long"), "{}", browser.text());
    assert_eq!(login(&demo, NEW), "Access-Reject");
}

#[test]
fn restart_in_the_middle_loses_nothing() {
    let mut demo = Demo::start("");
    let browser = Browser::start();
    ask(&demo, &browser);
    verify(&demo, &browser);
    demo.restart();
    change(&browser, NEW);
    assert!(browser.told().contains("Password has been successfully changed."), "{}", browser.text());
    assert_eq!(login(&demo, NEW), "Access-Accept");
}

fn node(dir: &Path, name: &str, postgres: &Postgres, redis: &Redis) -> Daemon {
    let folder = dir.join(name);
    std::fs::create_dir(&folder).unwrap();
    let text = format!(
        "[store]\nurl = \"{}\"\n[redis]\nurls = [\"{}\"]\n[keys]\nfiles = [\"../k1.key\"]\n\
         [radius]\nlisten = [\"127.0.0.1:0\"]\nreject_delay = \"0s\"\n[admin]\nsocket = \"admin.sock\"\n\
         [password]\nmemory = \"64KiB\"\npasses = 1\n[portal]\nlisten = [\"127.0.0.1:0\"]\n\
         [registration]\nenforce = \"off\"\n\
         [[client]]\nname = \"vpn\"\nnetworks = [\"127.0.0.0/8\"]\nsecret = \"demo-radius-shared-secret\"\nlogin = \"password\"\n\
         [[gateway]]\nname = \"program\"\nkind = \"exec\"\nchannels = [\"sms\"]\nprogram = \"../gateway\"\n",
        postgres.url("doorward"),
        redis.url(),
    );
    std::fs::write(folder.join("doorward.toml"), text).unwrap();
    Daemon::serve_in(&folder, &[])
}

// R-CODE-1 R-RESET-7
#[test]
fn what_is_begun_at_one_node_is_finished_at_another() {
    let dir = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(Options { durable: true, ..Options::default() });
    postgres.sql("postgres", "CREATE DATABASE doorward");
    let redis = Redis::start();
    let mode = std::fs::Permissions::from_mode;
    std::fs::write(dir.path().join("gateway"), "#!/bin/sh\ncat >> \"$0.said\"\n").unwrap();
    std::fs::set_permissions(dir.path().join("gateway"), mode(0o755)).unwrap();
    std::fs::write(dir.path().join("k1.key"), "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").unwrap();
    std::fs::set_permissions(dir.path().join("k1.key"), mode(0o600)).unwrap();
    let (a, b) = (node(dir.path(), "a", &postgres, &redis), node(dir.path(), "b", &postgres, &redis));
    let added = a.run_with(&["person", "add", "anna", "--phone", "+1 520 878 2491"], "the old password\n");
    assert!(added.status.success(), "{added:?}");

    let browser = Browser::start();
    browser.open(&page(&a, "/reset"));
    browser.fill("Username", "anna");
    browser.press("Continue");
    browser.open(&page(&b, "/reset"));
    browser.choose("SMS/Text to ");
    browser.press("Continue");
    let said = dir.path().join("gateway.said");
    let code = crate::support::slapd::until("the text", || {
        code_in(&std::fs::read_to_string(&said).unwrap_or_default())
    });
    browser.open(&page(&a, "/reset"));
    browser.fill("Passcode", &code);
    browser.press("Verify");
    browser.open(&page(&b, "/reset"));
    assert_eq!(browser.heading(), "Choose a new password");
    change(&browser, NEW);
    assert!(browser.told().contains("Password has been successfully changed."), "{}", browser.text());
    crate::twice::at_two_nodes(&a, &b, "anna", NEW);
    for node in [&a, &b] {
        let login = |password| {
            answer(&radclient(node.address, &[("User-Name", "anna"), ("User-Password", password)])).to_owned()
        };
        assert_eq!(
            (login(NEW), login("the old password")),
            ("Access-Accept".to_owned(), "Access-Reject".to_owned())
        );
    }
}

#[test]
fn language_is_chosen_and_stays_and_notices_follow_it() {
    let demo = Demo::start("");
    let browser = Browser::start();
    ask(&demo, &browser);
    browser.follow("Español");
    assert_eq!(browser.path(), "/reset", "one stays where one was");
    assert_eq!(browser.attribute(&browser.css("html"), "lang").as_deref(), Some("es"));
    assert!(browser.text().contains("Escriba el código de acceso"), "{}", browser.text());
    browser.fill("Código de acceso", &demo.sent.code());
    browser.press("Verificar");
    browser.fill("Contraseña nueva", "corta");
    browser.fill("Contraseña nueva, otra vez", "corta");
    browser.press("Cambiar la contraseña");
    assert!(browser.told().contains("Use al menos 8 caracteres."), "{}", browser.text());
    browser.fill("Contraseña nueva", NEW);
    browser.fill("Contraseña nueva, otra vez", NEW);
    browser.press("Cambiar la contraseña");
    assert!(browser.told().contains("La contraseña se cambió correctamente."), "{}", browser.text());
    let notice = demo.sent.next();
    assert!(notice.contains("La contraseña de su cuenta "), "{notice}");
    browser.follow("English");
    assert_eq!(browser.heading(), "Secure Authentication Toolkit");
}
