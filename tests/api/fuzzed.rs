//! Requests that schemathesis makes from the OpenAPI documents, right ones and wrong ones, at both of the services that have one: no
//! answer is an error of ours, and each is as its document says.

use crate::world::World;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What it finds is printed, with the request that shows it. Twice the same with the same seed.
fn fuzz(document: &str, more: &[&str]) {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/schemathesis");
    let usual = [
        "run",
        document,
        "--no-color",
        "--continue-on-failure",
        "--workers",
        "2",
        "--max-examples",
        "15",
        "--seed",
        "7",
        "--warnings",
        "off",
        "--suppress-health-check",
        "all",
    ];
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(program).args(usual).args(more).current_dir(dir.path()).output();
    let output = output.expect("tests/run makes target/venv with schemathesis");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// An address of TCP that leads to a socket, for programs that know no other.
fn relay(socket: &Path) -> SocketAddr {
    let (listener, socket) = (TcpListener::bind("127.0.0.1:0").unwrap(), PathBuf::from(socket));
    let address = listener.local_addr().unwrap();
    let copy = |mut from: &TcpStream, mut to: &UnixStream| {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    };
    std::thread::spawn(move || {
        while let Ok((outside, _)) = listener.accept() {
            let inside = UnixStream::connect(&socket).unwrap();
            std::thread::spawn(move || {
                std::thread::scope(|scope| {
                    scope.spawn(|| copy(&outside, &inside));
                    let _ = io::copy(&mut &inside, &mut &outside);
                    let _ = outside.shutdown(Shutdown::Write);
                });
            });
        }
    });
    address
}

const FUZZED: &str = "[[api_client]]\nname = \"fuzzed\"\nlogin = \"passcode\"\nrate = 100000\n\
                      rights = [\"trigger\", \"otponly\", \"list\", \"enroll\"]\n";

// R-API-1
#[test]
fn answers_to_applications_are_as_the_document_says() {
    let world = World::with(FUZZED, &[]);
    let key = format!("PI-Authorization: {}", world.key_of("fuzzed"));
    // That a name of nobody or `user` beside `serial` is refused can be said in no schema; and who shows nothing is told 401 only until
    // it was too often, then 429: [`crate::doors`] looks at that.
    let excluded = "positive_data_acceptance,ignored_auth,missing_required_header";
    fuzz(&format!("{}/openapi.json", world.url), &["-H", &key, "--exclude-checks", excluded]);
}

// R-SOCK-1
#[test]
fn answers_of_the_admin_socket_are_as_the_document_says() {
    let world = World::start();
    let address = relay(&world.daemon.dir.join("admin.sock"));
    // Logins are followed without an end; `tests/monitoring` does.
    fuzz(
        &format!("http://{address}/v1/openapi.json"),
        &["--exclude-checks", "positive_data_acceptance,ignored_auth", "--exclude-path", "/v1/watch"],
    );
}
