//! What a session is worth after something has changed, by another method, at another client, and after a login without an end.

use crate::device::{Nas, Tunnel, tls, tls_as};
use crate::world::{WIFI, World};
use doorward::wire::eap::Method;
use doorward::wire::radius::Code;
use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion, version};
use std::path::Path;
use std::sync::Arc;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];
const METHODS: [Method; 3] = [Method::TTLS, Method::PEAP, Method::TLS];

/// GTC for PEAP, PAP for TTLS; and both versions of TLS with each method.
fn world() -> World {
    World::with(&[("eap", "inner = [\"gtc\", \"pap\"]"), ("eap", "peap_tls_max = \"1.3\"")])
}

/// TLS of a device that has the certificate of `LOGIN_USER`, which it shows where it is asked for it.
fn device(world: &World, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let (certificate, key) = (&world.env["EAP_CLIENT_CERT"], &world.env["EAP_CLIENT_KEY"]);
    tls_as(world, version, (Path::new(certificate), Path::new(key)))
}

/// A whole login of `LOGIN_USER`.
fn logs_in(world: &World, method: Method, config: &Arc<ClientConfig>, password: &str) -> Code {
    let login = Tunnel::inside(method, Nas::new(world), world, config).unwrap();
    assert_eq!(login.tls.handshake_kind(), Some(HandshakeKind::Full));
    let user = &world.env["LOGIN_USER"];
    let end = match method {
        Method::TTLS => login.password(user, password),
        Method::PEAP => login.gtc(user, password),
        _ => login.finish(),
    };
    end.code
}

/// How the handshake of a device goes at a client; the device goes away after it.
fn handshake(world: &World, method: Method, at: &str, config: &Arc<ClientConfig>) -> HandshakeKind {
    let login = Tunnel::by(method, Nas::at(world, at), world, config).unwrap();
    login.tls.handshake_kind().unwrap()
}

#[test]
fn session_ends_with_the_password_of_its_person() {
    let world = world();
    let (user, mut password) = (&world.env["LOGIN_USER"], world.env["LOGIN_PASSWORD"].clone());
    let mut changes = 0;
    for version in VERSIONS {
        for method in METHODS {
            let config = device(&world, version);
            assert_eq!(logs_in(&world, method, &config, &password), Code::ACCESS_ACCEPT);
            assert_eq!(
                Tunnel::without_password(method, Nas::new(&world), &world, &config).code,
                Code::ACCESS_ACCEPT
            );
            changes += 1;
            password = format!("copper meadow 4{changes}");
            let changed = world.daemon.run_with(&["person", "passwd", user], &format!("{password}\n"));
            assert!(changed.status.success(), "{changed:?}");
            let void = Tunnel::without_password(method, Nas::new(&world), &world, &config);
            assert!(void.code == Code::ACCESS_REJECT && void.eap[0] == 4, "{method:?} {version:?}");
            assert_eq!(logs_in(&world, method, &config, &password), Code::ACCESS_ACCEPT, "anew");
        }
    }
    assert_eq!((world.decided("session-resumed"), world.decided("session-void")), (changes, changes));
}

#[test]
fn session_that_began_by_one_method_is_not_resumed_by_another() {
    let world = world();
    for version in VERSIONS {
        for begun in METHODS {
            for other in METHODS.into_iter().filter(|other| *other != begun) {
                let config = device(&world, version);
                let password = &world.env["LOGIN_PASSWORD"];
                assert_eq!(logs_in(&world, begun, &config, password), Code::ACCESS_ACCEPT);
                assert_eq!(
                    Tunnel::without_password(begun, Nas::new(&world), &world, &config).code,
                    Code::ACCESS_ACCEPT
                );
                let kind = handshake(&world, other, WIFI, &config);
                assert_eq!(kind, HandshakeKind::Full, "{begun:?} {other:?} {version:?}");
            }
        }
    }
    assert_eq!(world.decided("session-resumed"), 12, "by their own");
}

#[test]
fn session_that_began_at_one_client_is_not_resumed_at_another() {
    let world = world();
    for version in VERSIONS {
        // One that asks for more, and one where a password is enough as well.
        for other in ["127.0.0.1", "127.0.0.2"] {
            let config = tls(&world, version);
            let password = &world.env["LOGIN_PASSWORD"];
            assert_eq!(logs_in(&world, Method::TTLS, &config, password), Code::ACCESS_ACCEPT);
            assert_eq!(
                Tunnel::without_password(Method::TTLS, Nas::new(&world), &world, &config).code,
                Code::ACCESS_ACCEPT
            );
            let kind = handshake(&world, Method::TTLS, other, &config);
            assert_eq!(kind, HandshakeKind::Full, "{other} {version:?}");
        }
    }
    assert_eq!(world.decided("session-resumed"), 4, "at their own");
}

// CVE-2017-9148
#[test]
fn session_of_a_login_that_lacks_its_last_response_is_not_resumed() {
    let world = world();
    let (user, password) = (&world.env["LOGIN_USER"], &world.env["LOGIN_PASSWORD"]);
    for version in VERSIONS {
        for method in [Method::PEAP, Method::TLS] {
            let config = device(&world, version);
            assert_eq!(handshake(&world, method, WIFI, &config), HandshakeKind::Full);
            let mut aborted = Tunnel::inside(method, Nas::new(&world), &world, &config).unwrap();
            assert_eq!(aborted.tls.handshake_kind(), Some(HandshakeKind::Full), "{method:?} {version:?}");
            if method == Method::PEAP {
                let told = aborted.shows(user, password).unwrap();
                assert!(told.ends_with(&[0x80, 3, 0, 2, 0, 1]), "it is let in: {told:?}");
            }
            drop(aborted);
            // The certificate was right, and so was the password; but nobody has seen the end.
            assert_eq!(handshake(&world, method, WIFI, &config), HandshakeKind::Full);
            assert_eq!(world.decided("session-resumed"), 0);
        }
    }
    let config = device(&world, &version::TLS13);
    assert_eq!(logs_in(&world, Method::PEAP, &config, password), Code::ACCESS_ACCEPT);
    assert_eq!(handshake(&world, Method::PEAP, WIFI, &config), HandshakeKind::Resumed, "with its end");
}
