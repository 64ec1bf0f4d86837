//! The help desk and administrators at the portal: the running daemon over HTTP, with a real mail server behind it.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "portal_desk/browser.rs"]
mod browser;
mod support;

use browser::{Browser, Campus, ROUTES};
use serde_json::Value;

/// Entries about a name.
fn trail(campus: &Campus, subject: &str) -> Vec<Value> {
    let trail = campus.daemon.json(&["audit", "list", "--subject", subject, "--limit", "1000"]);
    trail["entries"].as_array().unwrap().clone()
}

fn has(entries: &[Value], action: &str, outcome: &str, actor: &str) -> bool {
    entries.iter().any(|entry| {
        entry["action"] == action
            && entry["outcome"] == outcome
            && entry["actor"].as_str().unwrap().starts_with(actor)
    })
}

/// Someone at the help desk, after their passcode.
async fn clerk(campus: &Campus) -> Browser {
    let mut browser = campus.sign_in("clerk").await;
    assert_eq!(
        browser.get("/desk").await.location.as_deref(),
        Some("/verify?next=/desk"),
        "a passcode first"
    );
    browser.prove(&campus.seed("clerk")).await;
    browser
}

async fn administrator(campus: &Campus) -> Browser {
    let mut browser = campus.sign_in("root").await;
    browser.get("/administration").await;
    browser.prove(&campus.seed("root")).await;
    browser
}

// R-SOCK-1
#[tokio::test]
async fn pages_of_staff_are_for_staff_after_a_passcode() {
    let campus = Campus::open();
    let mut stranger = Browser::new(&campus);
    let mut student = campus.sign_in("student").await;
    let mut bare = campus.sign_in("bare").await;
    for (method, path) in ROUTES {
        let path = path.replace("{username}", "alice");
        let (asked, refused, without) = match method {
            "GET" => (stranger.get(&path).await, student.get(&path).await, bare.get(&path).await),
            _ => (
                stranger.post(&path, &[]).await,
                student.post(&path, &[("destination", "directory-email")]).await,
                bare.post(&path, &[]).await,
            ),
        };
        let sign_in = asked.location.unwrap_or_default();
        assert!(sign_in.starts_with("/sign-in?next=/"), "{method} {path}: {} {sign_in}", asked.status);
        assert_eq!(refused.status, 403, "{method} {path} by a student");
        assert!(refused.body.contains("You may not see this page."), "{}", refused.body);
        assert_eq!(without.status, 403, "{method} {path} by a clerk without a second factor");
    }
    assert!(!student.get("/").await.body.contains("href=\"/desk\""), "what is not for them is not offered");
    let mut clerk = clerk(&campus).await;
    assert_eq!(clerk.get("/desk").await.status, 200);
    let home = clerk.get("/").await.body;
    assert!(home.contains("href=\"/desk\"") && !home.contains("href=\"/administration\""), "{home}");
    for (method, path) in ROUTES.iter().filter(|(_, path)| path.starts_with("/administration")) {
        let answer = if *method == "GET" { clerk.get(path).await } else { clerk.post(path, &[]).await };
        assert_eq!(answer.status, 403, "{method} {path} by a clerk");
    }
    for (_, path) in ROUTES.iter().filter(|(method, _)| *method == "POST") {
        let path = path.replace("{username}", "alice");
        assert_eq!(clerk.forge(&path).await.status, 403, "{path} from a page that is not ours");
    }
    assert!(!campus.person("alice")["status"].as_str().unwrap().contains("locked"));
}

// R-REG-4, R-SOCK-1, R-RESET-1 to 7
#[tokio::test]
async fn caller_is_verified_and_resets_the_password_with_a_code_that_no_clerk_sees() {
    let campus = Campus::open();
    campus.register("alice", "alice@outside.example", "Rex the Dog").await;
    let mut clerk = clerk(&campus).await;
    let found = clerk.get("/desk?username=ALI").await.body;
    assert!(found.contains("/desk/person/alice\""), "{found}");
    let page = clerk.get("/desk/person/alice").await.body;
    assert!(page.contains("a•••@o•••.example") && page.contains("Verify the caller first."), "{page}");
    for hidden in ["outside.example", "alice@", "rex the dog", "first pet"] {
        assert!(!page.to_lowercase().contains(hidden), "{hidden} is not for everybody to see");
    }
    for (act, field) in [("unlock", ""), ("revoke", ""), ("code", "email-email"), ("reset", "email-email")] {
        let path = format!("/desk/person/alice/{act}");
        let told = clerk.done(&path, &[("destination", field)]).await;
        assert!(told.contains("Verify the caller first."), "{act}: {told}");
    }
    let told = clerk.done("/desk/person/alice/verified", &[]).await;
    assert!(told.contains("Show the question and compare the answer first"), "{told}");
    let shown = clerk.post("/desk/person/alice/question", &[]).await;
    assert_eq!(shown.status, 200);
    assert!(shown.body.contains("rex the dog") && shown.body.contains("first pet"), "{}", shown.body);
    assert!(!clerk.get("/desk/person/alice").await.body.contains("rex the dog"), "only after another click");
    let told = clerk.done("/desk/person/alice/verified", &[]).await;
    assert!(told.contains("Marked as verified until"), "{told}");
    let told = clerk.done("/desk/person/alice/reset", &[("destination", "email-email")]).await;
    assert!(told.contains("a•••@o•••.example"), "{told}");
    let code = campus.code("alice@outside.example", 8);
    assert!(!told.contains(&code) && !clerk.get("/desk/person/alice").await.body.contains(&code));
    campus.mail("alice@example.edu", "A reset of your Example University password was started");
    let entries = trail(&campus, "alice");
    for action in ["person.show", "helpdesk.look", "helpdesk.verify", "helpdesk.reset", "person.notice"] {
        assert!(has(&entries, action, "done", "portal:clerk@"), "{action}: {entries:#?}");
    }
    for action in ["person.unlock", "factor.revoke", "code.send", "helpdesk.reset"] {
        assert!(has(&entries, action, "refused", "portal:clerk@"), "{action}: {entries:#?}");
    }
    assert!(entries.iter().all(|entry| !entry.to_string().contains(&code)), "the trail has no code");

    let mut alice = Browser::new(&campus);
    alice.get("/reset").await;
    alice.done("/reset", &[("username", "alice")]).await;
    alice.done("/reset/choose", &[("method", "temporary")]).await;
    let page = alice.done("/reset/passcode", &[("passcode", &code)]).await;
    assert!(page.contains("Choose a new password"), "{page}");
    let new = "four words that fit nowhere";
    let fields = [("password", new), ("password_again", new)];
    let page = alice.done("/reset/password", &fields).await;
    assert!(page.contains("Password has been successfully changed."), "{page}");
    assert_eq!(campus.try_sign_in("alice", new).await.status, 303);
}

// R-SOCK-1
#[tokio::test]
async fn lock_comes_at_once_and_what_else_is_done_is_told_by_mail() {
    let campus = Campus::open();
    let mut clerk = clerk(&campus).await;
    let told = clerk.done("/desk/person/alice/lock", &[]).await;
    assert!(
        told.contains("The account is locked.") && campus.person("alice")["status"] == "locked",
        "{told}"
    );
    let told = clerk.done("/desk/person/alice/verified", &[("reason", "ok")]).await;
    assert!(told.contains("say in some words"), "{told}");
    let reason = "identity card at the counter";
    clerk.done("/desk/person/alice/verified", &[("reason", reason)]).await;
    let told = clerk.done("/desk/person/alice/code", &[("destination", "directory-email")]).await;
    assert!(told.contains("This cannot be done where the account stands now."), "{told}");
    let told = clerk.done("/desk/person/alice/unlock", &[]).await;
    assert!(
        told.contains("The account is unlocked.") && campus.person("alice")["status"] == "active",
        "{told}"
    );
    campus.mail("alice@example.edu", "Your Example University account was unlocked");
    campus.daemon.json(&["enroll", "recovery", "alice"]);
    let factor = campus.factors("alice")[0].clone();
    let other = campus.factors("root")[0].clone();
    let told = clerk.done("/desk/person/alice/revoke", &[("factor", &other)]).await;
    assert!(told.contains("That is not there any more."), "a factor of somebody else: {told}");
    clerk.done("/desk/person/alice/revoke", &[("factor", &factor)]).await;
    assert!(campus.factors("alice").is_empty() && campus.factors("root").len() == 1);
    campus.mail("alice@example.edu", "A second factor was removed");
    let told = clerk.done("/desk/person/alice/code", &[("destination", "elsewhere")]).await;
    assert!(told.contains("That is not there any more."), "only contacts that are known: {told}");
    let told = clerk.done("/desk/person/alice/code", &[("destination", "directory-email")]).await;
    assert!(told.contains("A code is on its way to a•••@e•••.edu."), "{told}");
    campus.code("alice@example.edu", 8);
    for number in 2..=4 {
        clerk.done("/desk/person/alice/code", &[("destination", "directory-email")]).await;
        // One that still waits would lose its place to the next, and not count.
        campus.codes("alice@example.edu", 8, number);
    }
    let told = clerk.done("/desk/person/alice/code", &[("destination", "directory-email")]).await;
    assert!(told.contains("No more codes can be sent there for now."), "{told}");
    assert!(campus.factors("alice").is_empty(), "a code that was not sent is none");
    let entries = trail(&campus, "alice");
    let stated = format!("by another reason: {reason}");
    assert!(entries.iter().any(|entry| entry["detail"] == stated.as_str()), "{entries:#?}");
    // Another session of the same clerk knows nothing of it.
    let mut later = campus.sign_in("clerk").await;
    later.get("/desk").await;
    assert!(!later.get("/desk").await.body.contains("Find"), "not without another passcode");
}

// R-SOCK-1
#[tokio::test]
async fn clerk_gets_at_no_administrator_and_nobody_at_themselves() {
    let campus = Campus::open();
    let mut clerk = clerk(&campus).await;
    let posts = || ROUTES.iter().filter(|(method, path)| *method == "POST" && path.starts_with("/desk"));
    for name in ["root", "clerk", "bare"] {
        assert_eq!(clerk.get(&format!("/desk/person/{name}")).await.status, 403, "{name}");
        for (_, path) in posts() {
            let path = path.replace("{username}", name);
            let reason = [("reason", "identity card at the counter")];
            assert_eq!(clerk.post(&path, &reason).await.status, 403, "{path}");
        }
        assert!(has(&trail(&campus, name), "person.lock", "refused", "portal:clerk@"), "{name}");
        assert_eq!(campus.person(name)["status"], "active", "{name}");
    }
    let mut root = administrator(&campus).await;
    assert_eq!(root.get("/desk/person/root").await.status, 403, "not themselves either");
    assert_eq!(root.get("/desk/person/clerk").await.status, 200, "but those of the desk");
    assert_eq!(root.get("/desk/person/nobody-at-all").await.status, 404);
}

// R-TOP-4, R-AUDIT-1
#[tokio::test]
async fn administrators_see_coverage_messages_clients_and_the_trail() {
    let campus = Campus::open();
    let mut root = administrator(&campus).await;
    assert_eq!(campus.try_sign_in("alice", "not her password").await.status, 422);
    let page = root.get("/administration").await.body;
    assert!(page.contains("<meter") && page.contains("Student") && page.contains("Staff"), "{page}");
    assert!(page.contains("role=\"img\"") && page.contains("class=\"refused\"") && !page.contains("style="));
    assert!(page.contains("<td class=\"number\">1</td>"), "the same in a table: {page}");
    let clients = root.get("/administration/clients").await.body;
    assert!(clients.contains("vpn") && clients.contains("192.0.2.0/24") && !clients.contains("demo-radius"));

    // The mail server refuses this one.
    root.done("/desk/person/dead/verified", &[("reason", "knows the secret handshake")]).await;
    root.done("/desk/person/dead/code", &[("destination", "directory-email")]).await;
    campus.until_dead("dead");
    let messages = root.get("/administration/messages").await.body;
    assert!(messages.contains("d•••@e•••.edu") && messages.contains("554"), "{messages}");
    assert!(!messages.contains("data-554@"), "never whole: {messages}");

    for _ in 0..60 {
        root.get("/desk/person/alice").await;
    }
    let first = root.get("/administration/audit?username=Alice").await.body;
    assert!(first.contains("person.show") && !first.contains("factor.confirm"), "{first}");
    let (_, rest) = first.split_once("rel=\"next\" href=\"").unwrap_or_else(|| panic!("one page: {first}"));
    let older = rest.split('"').next().unwrap().replace("&amp;", "&");
    let second = root.get(&older).await.body;
    assert!(second.contains("person.add") && !second.contains("rel=\"next\""), "{second}");

    let export = root.post("/administration/audit/export", &[]).await;
    let lines: Vec<Value> = export.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(export.status, 200);
    assert!(lines.len() > 60 && lines.iter().zip(1..).all(|(line, seq)| line["seq"] == seq), "without gaps");
    assert!(has(&lines, "audit.export", "done", "portal:root@"), "who took it is in it");
    assert!(has(&lines, "audit.list", "done", "portal:root@"));
    assert!(campus.daemon.run(&["audit", "verify"]).status.success());
}
