//! Sessions: nothing is resumed that did not begin with a whole login, and nothing of somebody who may not log in any more.

use crate::device::{Ttls, tls};
use crate::world::World;
use doorward::wire::radius::{AttributeType, Code};
use rustls::{HandshakeKind, version};

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

// CVE-2017-9148
#[test]
fn session_of_a_login_that_was_broken_off_is_not_resumed() {
    let world = World::new();
    for version in VERSIONS {
        let config = tls(&world, version);
        let aborted = Ttls::handshake(&world, &config).unwrap();
        assert_eq!(aborted.tls.handshake_kind(), Some(HandshakeKind::Full));
        drop(aborted);
        let again = Ttls::handshake(&world, &config).unwrap();
        assert_eq!(again.tls.handshake_kind(), Some(HandshakeKind::Full), "{version:?}");
        let refused = again.password(&world.env["LOGIN_USER"], "wrong");
        assert_eq!(refused.code, Code::ACCESS_REJECT);
        let third = Ttls::handshake(&world, &config).unwrap();
        assert_eq!(third.tls.handshake_kind(), Some(HandshakeKind::Full), "nor one of a wrong password");
    }
    assert_eq!(world.decided("session-resumed"), 0);
}

#[test]
fn resumed_session_gets_what_its_person_gets_and_ends_with_a_lock() {
    let world = World::new();
    let employee = world.employee();
    for version in VERSIONS {
        let config = tls(&world, version);
        let vlan = |reply: &crate::device::Reply| reply.has(AttributeType(81));
        let full = Ttls::handshake(&world, &config).unwrap().password(&employee.user, &employee.password);
        assert!(full.code == Code::ACCESS_ACCEPT && vlan(&full));
        // In TLS 1.2 the last word is the device's, and what comes then is the end.
        let resume = || match Ttls::handshake(&world, &config) {
            Ok(login) => login.finish(),
            Err(end) => end,
        };
        let resumed = resume();
        assert!(resumed.code == Code::ACCESS_ACCEPT && vlan(&resumed), "{version:?}");
        let run = |command: &str| assert!(world.daemon.run(&[command, &employee.user]).status.success());
        run("lock");
        assert_eq!(resume().code, Code::ACCESS_REJECT);
        run("unlock");
        assert_eq!(Ttls::handshake(&world, &config).unwrap().tls.handshake_kind(), Some(HandshakeKind::Full));
    }
    assert_eq!((world.decided("session-resumed"), world.decided("person-locked")), (2, 2));
}

#[test]
fn nothing_is_resumed_where_that_is_off() {
    let world = World::with(&[("eap", "session_lifetime = \"0s\"")]);
    for version in VERSIONS {
        let config = tls(&world, version);
        for _ in 0..2 {
            let login = Ttls::handshake(&world, &config).unwrap();
            assert_eq!(login.tls.handshake_kind(), Some(HandshakeKind::Full));
            let accepted = login.password(&world.env["LOGIN_USER"], &world.env["LOGIN_PASSWORD"]);
            assert_eq!(accepted.code, Code::ACCESS_ACCEPT);
        }
    }
}
