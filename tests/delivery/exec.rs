//! Programs as gateways.

use super::{CODE, Providers, detail, good, message, send, write};
use doorward::domain::method::Channel;
use doorward::store::delivery::Outcome;
use std::path::Path;
use std::time::{Duration, Instant};

/// A script as gateway; `$1` is the folder.
fn gateway(dir: &Path, script: &str, more: &str) -> (Providers, super::Message) {
    write(dir, "send", &format!("#!/bin/sh\n{script}\n"), 0o700);
    let text = format!(
        "[[gateway]]\nname = \"modem\"\nkind = \"exec\"\nprogram = \"send\"\nargs = [\"{}\"]\n{more}\n",
        dir.display()
    );
    let config = good(dir, &text);
    (Providers::new(&config).unwrap(), message(&config, Channel::Sms, "+15208782491"))
}

#[tokio::test]
async fn program_gets_the_message_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (providers, message) =
        gateway(dir.path(), "env > $1/env; cat > $1/input; echo \"queued, 1 part $0\" >&2", "");
    let outcome = send(&providers, &message).await;
    assert!(matches!(&outcome, Outcome::Sent(detail) if detail.starts_with("queued, 1 part")), "{outcome:?}");
    let input: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("input")).unwrap()).unwrap();
    assert_eq!((input["to"].as_str(), input["channel"].as_str()), (Some("+15208782491"), Some("sms")));
    assert!(input["text"].as_str().unwrap().contains(CODE));
    let env = std::fs::read_to_string(dir.path().join("env")).unwrap();
    let mut names: Vec<_> =
        env.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.retain(|name| !["PWD", "OLDPWD", "_", "SHLVL"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["DOORWARD_CHANNEL", "DOORWARD_ID", "DOORWARD_TO", "PATH"]);
    assert!(env.contains("DOORWARD_TO=+15208782491") && !env.contains(CODE), "{env}");
    assert_eq!(input["id"].as_str(), Some(message.id.to_string().as_str()));
}

#[tokio::test]
async fn lines_are_number_empty_line_text() {
    let dir = tempfile::tempdir().unwrap();
    let (providers, message) = gateway(dir.path(), "cat > $1/input", "input = \"lines\"");
    assert_eq!(send(&providers, &message).await, Outcome::Sent(String::new()));
    let input = std::fs::read_to_string(dir.path().join("input")).unwrap();
    assert!(input.starts_with("+15208782491\n\n739184 is your"), "{input}");
}

#[tokio::test]
async fn status_tells_what_became_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let told = |script: &'static str| {
        let (providers, message) = gateway(dir.path(), script, "");
        async move { send(&providers, &message).await }
    };
    let busy = told("echo busy >&2; exit 75").await;
    assert_eq!(busy, Outcome::NotTaken("not now: busy".to_owned()));
    let refused = told("cat >&2; exit 3").await;
    assert!(matches!(&refused, Outcome::Refused(detail) if detail.starts_with("status 3: {")), "{refused:?}");
    assert!(detail(&refused).contains("••••••"), "the code that it repeats is taken out: {refused:?}");
    for (script, status) in [("/nowhere/gammu", "status 127:"), ("$1", "status 126:")] {
        let ours = told(script).await;
        assert!(matches!(&ours, Outcome::NotTaken(detail) if detail.starts_with(status)), "{ours:?}");
    }
    let killed = told("kill -9 $$").await;
    assert!(matches!(&killed, Outcome::Unknown(detail) if detail.contains("signal: 9")), "{killed:?}");
    // One that is gone when it is needed.
    let (providers, message) = gateway(dir.path(), "", "");
    std::fs::remove_file(dir.path().join("send")).unwrap();
    let gone = send(&providers, &message).await;
    assert!(matches!(&gone, Outcome::NotTaken(detail) if detail.contains("does not start")), "{gone:?}");
}

#[tokio::test]
async fn program_that_hangs_is_ended_with_its_children_and_nobody_knows_what_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let script = "sleep 600 & echo $! > $1/child; echo begun >&2; wait";
    let (providers, message) = gateway(dir.path(), script, "timeout = \"700ms\"");
    let begun = Instant::now();
    let outcome = send(&providers, &message).await;
    assert_eq!(outcome, Outcome::Unknown("it did not end in time: begun".to_owned()));
    assert!(begun.elapsed() < Duration::from_secs(5));
    let child = std::fs::read_to_string(dir.path().join("child")).unwrap();
    let stat = format!("/proc/{}/stat", child.trim());
    let alive = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z"));
    while alive() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the child lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn much_output_and_children_left_behind_do_not_hold_it_up() {
    let dir = tempfile::tempdir().unwrap();
    let script = "head -c 1000000 /dev/zero | tr '\\0' x >&2; sleep 20 & echo $! > $1/child; exit 0";
    let (providers, message) = gateway(dir.path(), script, "");
    let begun = Instant::now();
    let outcome = send(&providers, &message).await;
    assert!(matches!(&outcome, Outcome::Sent(detail) if detail.starts_with("xxx")), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let child = std::fs::read_to_string(dir.path().join("child")).unwrap().trim().parse().unwrap();
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(child), nix::sys::signal::Signal::SIGKILL);
}
