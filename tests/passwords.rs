//! Rules for new passwords as operators meet them: the list is built, taken over at a reload, refused where it is damaged;
//! a password is looked at without setting it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use support::{DOORWARD, Daemon};

fn written(dir: &Path, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn list_is_taken_over_at_a_reload_and_a_damaged_one_is_not() {
    let daemon = Daemon::demo(&[]);
    let user = &daemon.people()[0].user;
    let set = |password: &str| daemon.run_with(&["person", "passwd", user], &format!("{password}\n"));
    assert!(set("Lantern Umbrella").status.success());

    let words = written(&daemon.dir, "words", "lantern umbrella\nviolet-quartz-larch\ntiny\n");
    let list = daemon.dir.join("list").display().to_string();
    let built = daemon.json(&["blocklist", "build", "-o", &list, &words]);
    assert_eq!((&built["passwords"], &built["lines"]), (&json!(2), &json!(3)));
    assert_eq!(built["left_out"], json!({"short": 1, "rare": 0, "unusable": 0}));

    let path = daemon.dir.join("doorward.toml");
    std::fs::create_dir(daemon.dir.join("conf.d")).unwrap();
    let with = |list: &str| {
        written(&daemon.dir, "conf.d/list.toml", format!("[password]\nblocklist = \"{list}\"\n"));
    };
    with("list");
    daemon.signal(Signal::SIGHUP);
    wait_until("the list is taken over", || !set("Lantern Umbrella").status.success());
    let told = stderr(&set("Lantern Umbrella"));
    assert!(
        told.contains("Choose something else: it is in a list of passwords that attackers try first."),
        "{told}"
    );
    assert!(!daemon.log().contains("takes effect only after a restart"), "{}", daemon.log());

    let octets = std::fs::read(&list).unwrap();
    written(&daemon.dir, "cut", &octets[..octets.len() - 1]);
    with("cut");
    daemon.signal(Signal::SIGHUP);
    wait_until("the log tells of the damage", || daemon.log().contains("is damaged. Copy it again"));
    assert!(!set("Violet-Quartz-Larch").status.success(), "the list before it stays");
    for command in ["check", "serve"] {
        let refused = Command::new(DOORWARD).arg(command).arg("--config").arg(&path).output().unwrap();
        assert!(!refused.status.success());
        assert!(
            stderr(&refused).contains("[password] `blocklist`") && stderr(&refused).contains("is damaged")
        );
    }
}

#[test]
fn check_tells_each_requirement_and_the_strength_and_sets_nothing() {
    let daemon = Daemon::demo(&[]);
    let config = daemon.dir.join("doorward.toml").display().to_string();
    let check = |arguments: &[&str], password: &str| {
        daemon.run_with(&[&["--config", &config, "password", "check"], arguments].concat(), password)
    };
    let plain = check(&["jdoe"], "jdoe\n");
    let shown = String::from_utf8(plain.stdout).unwrap();
    assert_eq!(plain.status.code(), Some(1));
    for line in [
        "NO  at least 8 characters",
        "yes at most 256 characters",
        "NO  without your username, forwards and backwards",
        "Estimated strength: 0 of 4: ",
        "Refused: use at least 8 characters",
    ] {
        assert!(shown.lines().any(|shown| shown.starts_with(line)), "{line}\n{shown}");
    }
    let fine = check(&["--json", "jdoe", "--name", "Jane Doe"], "lantern umbrella harbour\n");
    assert!(fine.status.success(), "{}", stderr(&fine));
    let shown: Value = serde_json::from_slice(&fine.stdout).unwrap();
    assert_eq!(shown["strength"], json!({"score": 4, "advice": null}));
    assert_eq!(shown["problems"], json!([]));
    assert_eq!(
        shown["requirements"][0],
        json!({"requirement": {"id": "min-length", "characters": 8}, "met": true})
    );
    assert!(!shown.to_string().contains("lantern"));
}

#[test]
fn build_says_what_is_wrong_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let packed = written(dir.path(), "corpus.gz", b"\x1f\x8b\x08\0");
    let out = dir.path().join("list").display().to_string();
    let build = |input: &str| {
        Command::new(DOORWARD).args(["blocklist", "build", "-o", &out, input]).output().unwrap()
    };
    assert!(stderr(&build(&packed)).contains("is compressed. Unpack it first"));
    assert!(stderr(&build(&format!("{packed}.none"))).contains("cannot be read"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
