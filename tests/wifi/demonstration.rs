//! What `doorward demo` prints for whoever wants to try Wi-Fi, and what the guide has for who makes certificates, run as it stands there.

use crate::support::slapd::Server;
use crate::support::{DOORWARD, PATIENCE, lines, read};
use crate::world::{Said, World, credentials};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn printed_command_logs_in_with_equal_keys() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Command::new(DOORWARD);
    demo.args(["demo", "--radius-port", "0", "--portal-port", "0", "--api-port", "0", "--dir"])
        .arg(dir.path());
    let demo = demo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut demo = Server(demo.unwrap());
    let printed = lines(demo.0.stdout.take().unwrap());
    let command = loop {
        let line = printed.recv_timeout(PATIENCE).expect("the command is printed");
        if line.trim_start().starts_with("eapol_test ") {
            break line;
        }
    };
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    let said = Said::of(&output);
    assert!(said.success && said.output.ends_with("SUCCESS\n"), "{command}\n{}", said.output);
    assert_eq!(said.equal_keys(), 1);
}

#[test]
fn devices_accept_the_certificate_that_the_commands_of_the_guide_make() {
    let world = World::new();
    let guide = read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/wifi.md")));
    let commands = guide.split("\n```sh\n").nth(1).unwrap().split("\n```").next().unwrap();
    assert!(commands.contains(&world.env["EAP_SERVER_NAME"]));
    let dir = &world.daemon.dir;
    let made = Command::new("sh").args(["-ec", commands]).current_dir(dir).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::rename(dir.join("eap.pem"), dir.join("server.pem")).unwrap();
    std::fs::rename(dir.join("eap.key.pem"), dir.join("keys/server.key.pem")).unwrap();
    world.reload();
    let authority = dir.join("campus-wifi.pem");
    for (eap, phase2) in [("TTLS", "auth=PAP"), ("PEAP", "auth=GTC")] {
        let mut lines = vec![format!("eap={eap}"), format!("phase2=\"{phase2}\"")];
        lines.extend(credentials(&world.env["LOGIN_USER"], &world.env["LOGIN_PASSWORD"]));
        let said = world.eapol_test_by(&authority.to_string_lossy(), &lines, 0);
        assert!(said.success, "{}", said.output);
    }
}
