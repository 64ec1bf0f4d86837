//! `doorward mailbox test`.

use super::graph::{SECRET, lines, token};
use super::write;
use crate::support::Daemon;
use crate::support::gateway::{HttpGateway, Next};
use crate::support::slapd::until;

fn said(daemon: &Daemon, user: &str) -> (bool, String) {
    let output = daemon.run(&["mailbox", "test", user]);
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

// R-ALUM-2
#[test]
fn operator_learns_whether_a_mailbox_can_be_reached_and_the_trail_says_who_asked() {
    let dir = tempfile::tempdir().unwrap();
    Daemon::demo_in(dir.path(), &[]).stop();
    let gateway = HttpGateway::start(None);
    write(dir.path(), "client.secret", SECRET);
    let daemon = Daemon::serve_in(dir.path(), &[]);
    let (done, text) = said(&daemon, "karim");
    assert!(!done && text.contains("There is no mail provider"), "{text}");
    // A reload is enough.
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    let lines = lines(&gateway);
    std::fs::write(dir.path().join("conf.d/mailbox.toml"), format!("[mailbox]\n{lines}")).unwrap();
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    until("the reload", || (!said(&daemon, "nobody-at-all").1.contains("no mail provider")).then_some(()));
    gateway.will([token("ey.token"), Next::Answer(200, "{\"id\":\"87d349ed\"}".into())]);
    let (done, text) = said(&daemon, "karim");
    assert!(done && text.contains("karim@alumni.example.org") && text.contains("87d349ed"), "{text}");
    let denied =
        "{\"error\":{\"code\":\"Authorization_RequestDenied\",\"message\":\"Insufficient privileges.\"}}";
    gateway.will([Next::Answer(403, denied.to_owned())]);
    let (done, text) = said(&daemon, "karim");
    assert!(!done && text.contains("Authorization_RequestDenied") && text.ends_with(".\n"), "{text}");
    let trail = daemon.json(&["audit", "list", "--subject", "karim"]);
    let entries: Vec<_> =
        trail["entries"].as_array().unwrap().iter().filter(|e| e["action"] == "mailbox.test").collect();
    let ends: Vec<_> =
        entries.iter().map(|e| (e["outcome"].as_str().unwrap(), e["detail"].as_str().unwrap())).collect();
    assert_eq!(ends, [("failed", "no-mail-provider"), ("done", ""), ("failed", "mailbox-misconfigured")]);
    let methods: Vec<_> = gateway.asked().into_iter().map(|asked| asked.method).collect();
    assert_eq!(methods, ["POST", "GET", "GET"], "nothing is changed");
}
