//! What `doorward demo` prints for whoever wants to try Wi-Fi, run as it stands there.

use crate::support::slapd::Server;
use crate::support::{DOORWARD, PATIENCE, lines};
use crate::world::Said;
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
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = Said { success: output.status.success(), output: text };
    assert!(said.success && said.output.ends_with("SUCCESS\n"), "{command}\n{}", said.output);
    assert_eq!(said.equal_keys(), 1);
}
