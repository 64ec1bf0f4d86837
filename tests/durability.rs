//! What was acknowledged survives `kill -9`, and what was used stays used.

mod support;

use doorward::wire::radius::{Code, verify_response};
use std::collections::HashSet;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Daemon, PATIENCE, access_request, code, secret, udp};

/// One enrollment over the admin socket; the id if it was acknowledged.
fn enroll(socket: &Path, user: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = UnixStream::connect(socket).ok()?;
    let body = "{\"seed\":\"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"}";
    let request = format!(
        "POST /v1/people/{user}/factors/totp HTTP/1.1\r\nhost: d\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    if !answer.starts_with("HTTP/1.1 201") {
        return None;
    }
    let json: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    Some(json["id"].as_str()?.to_owned())
}

// Invariant 3
#[test]
fn hundred_kills_during_enrollments_lose_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    // So many that nobody comes to the ten devices that one may have.
    let mut daemon = Daemon::demo_in(dir.path(), &["--people", "400"]);
    let users: Vec<_> = daemon.people().into_iter().map(|person| person.user).collect();
    let acknowledged = Arc::new(Mutex::new(HashSet::new()));
    for round in 0..100 {
        let socket = dir.path().join("admin.sock");
        let count = Arc::new(AtomicUsize::new(0));
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let (socket, user) = (socket.clone(), users[(round * 4 + worker) % users.len()].clone());
                let (acknowledged, count) = (Arc::clone(&acknowledged), Arc::clone(&count));
                std::thread::spawn(move || {
                    // Until the daemon is gone.
                    while let Some(id) = enroll(&socket, &user) {
                        acknowledged.lock().unwrap().insert((user.clone(), id));
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        // Kill in the midst of it: after a different number of acknowledgements each time.
        while count.load(Ordering::SeqCst) < 1 + round % 7 {
            assert!(!workers.iter().all(std::thread::JoinHandle::is_finished), "nothing is acknowledged");
            std::thread::yield_now();
        }
        daemon.kill();
        for worker in workers {
            worker.join().unwrap();
        }
        daemon = Daemon::serve_in(dir.path(), &[]);
    }
    let acknowledged = acknowledged.lock().unwrap();
    assert!(acknowledged.len() >= 100);
    let mut kept = HashSet::new();
    let enrolled: HashSet<_> = acknowledged.iter().map(|(user, _)| user.clone()).collect();
    for user in &enrolled {
        let factors = daemon.json(&["factor", "list", user]);
        let ids = factors["factors"].as_array().unwrap().iter().map(|f| f["id"].as_str().unwrap().to_owned());
        kept.extend(ids.map(|id| (user.clone(), id)));
    }
    let lost: Vec<_> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), acknowledged.len());
    assert!(daemon.run(&["audit", "verify"]).status.success(), "the audit trail is whole after all of it");
}

// Invariant 1
#[test]
fn code_that_was_accepted_before_a_kill_is_refused_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::demo_in(dir.path(), &[]);
    let person = daemon.with_app()[0].clone();
    let typed = format!("{}{}", person.password, code(&person.totp, 1));
    let socket = udp("127.0.0.1", PATIENCE);
    let ask = |daemon: &Daemon, identifier: u8| {
        let authenticator = [identifier; 16];
        socket
            .send_to(&access_request(identifier, authenticator, &person.user, &typed), daemon.address)
            .unwrap();
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        verify_response(&authenticator, &buffer[..length], &secret()).unwrap().0.code()
    };
    assert_eq!(ask(&daemon, 1), Code::ACCESS_ACCEPT);
    daemon.kill();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    assert_eq!(ask(&daemon, 2), Code::ACCESS_REJECT);
}

// Invariant 2
#[test]
fn failures_survive_a_kill_and_a_throttled_person_gets_in_after_an_unlock() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::demo_in(dir.path(), &[]);
    let person = daemon.without_app()[0].clone();
    let socket = udp("127.0.0.1", Duration::from_secs(20));
    let ask = |daemon: &Daemon, identifier: u8, typed: &str| {
        socket
            .send_to(&access_request(identifier, [identifier; 16], &person.user, typed), daemon.address)
            .unwrap();
        let mut buffer = [0; 4096];
        socket.recv(&mut buffer).unwrap();
        buffer[0]
    };
    for identifier in 1..=11 {
        let request = access_request(identifier, [identifier; 16], &person.user, "wrong");
        socket.send_to(&request, daemon.address).unwrap();
    }
    for _ in 1..=11 {
        let mut buffer = [0; 4096];
        socket.recv(&mut buffer).unwrap();
        assert_eq!(buffer[0], 3);
    }
    daemon.kill();
    let daemon = Daemon::serve_in(dir.path(), &[]);
    assert_eq!(
        ask(&daemon, 50, &person.password),
        3,
        "the right password is not even tried during the delay"
    );
    assert!(daemon.run(&["person", "unlock", &person.user]).status.success());
    assert_eq!(ask(&daemon, 51, &person.password), 2);
}
