//! libpam-radius-auth: by pamtester, and by SSH.

use crate::guide::Guide;
use crate::support::Someone;
use crate::support::slapd::run;
use crate::world::{World, passcode, said, wrong};
use std::io::{Read, Write};
use std::process::{Output, Stdio};

/// What becomes of these lines at the prompts.
fn pam(world: &World, someone: &Someone, lines: &[&str]) -> Output {
    let mut command = world.nas.command("pamtester");
    command.args(["sshd", &someone.user, "authenticate"]);
    run(&mut command, &lines.iter().map(|line| format!("{line}\n")).collect::<String>())
}

const YES: &str = "successfully authenticated";

#[test]
fn pam_takes_both_in_one_string_or_shows_the_challenge() {
    let world = World::of(&Guide::open("pam-radius.md"));
    let (one, two) = (world.someone(), world.someone());
    let refused = pam(&world, &one, &[&(one.password.clone() + &wrong(&one))]);
    assert!(!refused.status.success() && !said(&refused).contains(YES), "{}", said(&refused));
    assert_eq!(world.decided("wrong-password-or-passcode"), 1);
    let accepted = pam(&world, &one, &[&(one.password.clone() + &passcode(&one))]);
    assert!(accepted.status.success() && said(&accepted).contains(YES), "{}", said(&accepted));
    assert_eq!(world.decided("password-and-passcode"), 1);

    let refused = pam(&world, &two, &[&two.password, &wrong(&two)]);
    assert!(
        said(&refused).contains("Enter the passcode from your One-Time-Passcode App:"),
        "{}",
        said(&refused)
    );
    assert!(!refused.status.success() && !said(&refused).contains(YES), "{}", said(&refused));
    assert_eq!(world.decided("wrong-passcode"), 1);
    let accepted = pam(&world, &two, &[&two.password, &passcode(&two)]);
    assert!(accepted.status.success() && said(&accepted).contains(YES), "{}", said(&accepted));
    assert_eq!(world.decided("password-and-passcode"), 2);

    let wrong_password = pam(&world, &two, &["wrong", &passcode(&two)]);
    assert!(!wrong_password.status.success(), "{}", said(&wrong_password));
    assert!(!said(&wrong_password).contains("Enter the passcode"), "{}", said(&wrong_password));
    assert_eq!(world.decided("wrong-password"), 1);
}

#[test]
fn passcode_is_not_shown_while_it_is_typed() {
    let world = World::of(&Guide::open("pam-radius.md"));
    let someone = world.someone();
    // In a terminal of its own, whose screen is what it writes.
    let mut command = world.nas.command("timeout");
    let pamtester = format!("pamtester sshd {} authenticate", someone.user);
    command.args(["120", "script", "-qfec", &pamtester, "/dev/null"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = String::new();
    let mut until = |question: &str| {
        let mut octet = [0];
        while !shown.contains(question) {
            assert_eq!(screen.read(&mut octet).unwrap(), 1, "it ended before it asked {question}: {shown}");
            shown.push(octet[0].into());
        }
        shown.clone()
    };
    until("Password: ");
    writeln!(keys, "{}", someone.password).unwrap();
    until("Enter the passcode from your One-Time-Passcode App:");
    let code = passcode(&someone);
    writeln!(keys, "{code}").unwrap();
    let shown = until(YES);
    assert!(child.wait().unwrap().success());
    assert!(!shown.contains(&code) && !shown.contains(&someone.password), "{shown}");
}

#[test]
fn ssh_asks_for_the_password_then_for_the_passcode() {
    let world = World::of(&Guide::open("pam-radius.md"));
    let someone = world.someone();
    let user = &someone.user;
    let passwd = crate::support::read("/etc/passwd".as_ref());
    world.nas.write("/etc/passwd", &format!("{passwd}{user}:x:4711:65534::/:/bin/sh\n"));
    let shadow = crate::support::read("/etc/shadow".as_ref());
    world.nas.write("/etc/shadow", &format!("{shadow}{user}:*:20000:0:99999:7:::\n"));
    let key = world.nas.write("/etc/ssh/host_key", "");
    std::fs::remove_file(&key).unwrap();
    let mut keygen = std::process::Command::new("ssh-keygen");
    assert!(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap().success());
    world.nas.write("/run/sshd/keep", "");
    let options = ["/usr/sbin/sshd", "-D", "-e", "-o", "HostKey=/etc/ssh/host_key"];
    let mut daemon = world.nas.start(&options);
    daemon.says("Server listening on 0.0.0.0 port 22");
    let log_in = |answer: &str| {
        // What ssh would ask at a terminal it asks this program, with the question as its argument.
        let asker = "#!/bin/sh\ncase $1 in *passcode*) printf '%s\\n' \"$PASSCODE\";; *) printf '%s\\n' \"$PASSWORD\";; esac\n";
        let asker = world.person.write("/etc/ssh/asker", asker);
        std::fs::set_permissions(&asker, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut ssh = world.person.command("ssh");
        ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        ssh.args([
            "-o",
            "NumberOfPasswordPrompts=1",
            "-o",
            "PreferredAuthentications=keyboard-interactive,password",
        ]);
        ssh.args(["-l", user, crate::world::NAS_OUTSIDE, "id", "-un"]);
        ssh.env("SSH_ASKPASS", asker).env("SSH_ASKPASS_REQUIRE", "force");
        ssh.env("PASSWORD", &someone.password).env("PASSCODE", answer);
        run(&mut ssh, "")
    };
    let refused = log_in(&wrong(&someone));
    assert!(!refused.status.success() && said(&refused).contains("Permission denied"), "{}", said(&refused));
    assert_eq!(world.decided("wrong-passcode"), 1, "{}", daemon.log());
    let accepted = log_in(&passcode(&someone));
    assert!(accepted.status.success(), "{}\n{}", said(&accepted), daemon.log());
    assert_eq!(String::from_utf8_lossy(&accepted.stdout).trim(), user);
    assert_eq!(world.decided("password-and-passcode"), 1);
}
