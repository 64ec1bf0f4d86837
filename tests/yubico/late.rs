//! A key that a validation server has judged for a while, and whose AES key is imported then.

use super::*;
use support::yubiserver::{API_ID, YubiServer, api_key};

// R-YUBI-1
#[test]
fn imported_aes_key_is_used_from_the_next_touch_that_the_server_accepts() {
    let (namespace, other) = (Namespace::new(), tempfile::tempdir().unwrap());
    let server = YubiServer::start(&namespace, other.path(), 8000, &[&BLUE]);
    let settings = format!(
        "[yubico]\nurls = [\"{}\"]\nclient_id = {API_ID}\nsecret_file = \"api.secret\"\ntimeout = \"2s\"\n",
        server.url()
    );
    let world = World::start_in(namespace, other, &settings, &[("api.secret", &api_key())]);
    world.key(&BLUE, Some("hannelore"), false);
    let old: Vec<_> = (1..5).map(|touch| BLUE.touch(1, touch)).collect();
    for touch in &old {
        assert_eq!(world.login(&with(touch)), ACCEPT);
    }
    let file = world.dir.path().join("keys.csv");
    let import = |line: String| {
        write(&file, &line);
        let output = world.daemon.run(&["import", "yubikey", &file.display().to_string()]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let line = |aes: &str| format!("5012345,{},{},{aes}\n", BLUE.public_id, BLUE.private_id);
    // A file that is wrong shuts nobody out.
    assert!(import(line(RED.aes)).contains("was judged by a validation server"));
    assert_eq!(world.login(&with(&BLUE.touch(1, 5))), ACCEPT);
    let said = import(line(BLUE.aes));
    assert!(said.contains("vvccccbcdefg was judged by a validation server; from the next touch"), "{said}");
    // Nothing that was used before is good now, though our own count of it says less.
    for touch in &old {
        assert_eq!(world.login(&with(touch)), REJECT);
    }
    assert_eq!(world.login(&with(&BLUE.touch(2, 0))), ACCEPT);
    server.stop();
    for touch in &old {
        assert_eq!(world.login(&with(touch)), REJECT, "judged here");
    }
    assert_eq!(world.login(&with(&BLUE.touch(2, 0))), REJECT);
    assert_eq!(world.reason(), "passcode-replayed");
    assert_eq!(world.login(&with(&BLUE.touch(2, 1))), ACCEPT, "without any server");
    let entries = world.entries("hannelore");
    assert_eq!(entries.iter().filter(|entry| entry["action"] == "token.localise").count(), 1);
}

#[test]
fn without_any_server_a_touch_at_the_desk_begins_the_counter() {
    let world = World::start("", &[]);
    world.key(&BLUE, Some("hannelore"), false);
    let file = world.dir.path().join("keys.csv");
    write(&file, &format!("5012345,{},{},{}\n", BLUE.public_id, BLUE.private_id, BLUE.aes));
    world.good(&["import", "yubikey", &file.display().to_string()]);
    assert_eq!(world.login(&with(&BLUE.touch(1, 1))), REJECT, "it may have been used");
    assert_eq!(world.reason(), "yubikey-no-validation-server");
    world.good(&["token", "revoke", "5012345"]);
    let touch = BLUE.touch(9, 0);
    world.good(&["token", "assign", "5012345", "hannelore", "--revoked", "--code", &touch]);
    for used in [BLUE.touch(1, 1), touch] {
        assert_eq!(world.login(&with(&used)), REJECT);
        assert_eq!(world.reason(), "passcode-replayed");
    }
    assert_eq!(world.login(&with(&BLUE.touch(9, 1))), ACCEPT);
}
