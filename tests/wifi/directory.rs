//! People of an LDAP directory at Wi-Fi: a real slapd has their passwords and says in which groups they are.

use crate::device::{Nas, Ttls, Tunnel, tls};
use crate::support::Daemon;
use crate::support::directory::{on_slapd, person, until_following};
use crate::support::slapd::{LdapTools, Slapd, person_dn, until};
use crate::world::{WIFI, World, credentials, wait_until};
use doorward::wire::eap::Method;
use doorward::wire::radius::{AttributeType, Code};
use rustls::{ClientConfig, SupportedProtocolVersion, version};
use std::sync::Arc;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];
const ANN: (&str, &str) = ("ann", "lantern-quartz-9");
const BOB: (&str, &str) = ("bob", "harbour-violet-3");

/// A slapd with both of them.
fn slapd() -> Slapd {
    let slapd = Slapd::start();
    for (user, password) in [ANN, BOB] {
        slapd.add_person(user, password);
    }
    slapd
}

/// A demonstration in this folder that follows a slapd.
fn following(slapd: &Slapd, dir: &tempfile::TempDir) -> World {
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    let settings = on_slapd(slapd, "campus", &slapd.uri()) + "outage_cache = \"1h\"\n";
    std::fs::write(dir.path().join("conf.d/zz-later.toml"), settings).unwrap();
    let world = World::of(Daemon::demo_in(dir.path(), &[]));
    until_following(&world.daemon);
    world
}

/// By TTLS and by PEAP; how each ended.
fn logs_in(world: &World, (user, password): (&str, &str)) -> [bool; 2] {
    [("TTLS", "auth=PAP"), ("PEAP", "auth=GTC")].map(|(eap, phase2)| {
        let mut lines = vec![format!("eap={eap}"), format!("phase2=\"{phase2}\"")];
        lines.extend(credentials(user, password));
        let said = world.eapol_test(&lines, 0);
        assert_eq!(said.equal_keys(), usize::from(said.success));
        assert!(said.success || said.output.contains("Access-Reject"), "{}", said.output);
        said.success
    })
}

#[test]
fn password_is_the_directory_s_and_in_an_outage_the_remembered_one() {
    let (mut slapd, dir) = (slapd(), tempfile::tempdir().unwrap());
    let world = following(&slapd, &dir);
    assert_eq!(logs_in(&world, ANN), [true; 2]);
    assert_eq!(slapd.binds(&person_dn("ann")), 2, "each was asked there");
    assert_eq!(logs_in(&world, (BOB.0, "wrong")), [false; 2]);
    assert_eq!((world.decided("password-only"), world.decided("wrong-password")), (2, 2));
    slapd.kill();
    assert_eq!(logs_in(&world, ANN), [true; 2], "remembered");
    // Nobody can say whether this one is right, so there is no answer until somebody can.
    let mut login = Ttls::handshake(&world, &tls(&world, &version::TLS12)).unwrap();
    let never_seen = login.password_response(BOB.0, BOB.1);
    login.nas.send(&never_seen);
    wait_until(|| world.daemon.log().contains("no answer: could not decide"));
    slapd.start_again();
    assert_eq!(login.nas.insist(&never_seen).code, Code::ACCESS_ACCEPT);
    assert_eq!(world.decided("password-only"), 5);
}

#[test]
fn session_gets_what_its_person_s_new_group_gets_and_ends_where_that_needs_more_than_was_shown() {
    /// The client where a password is enough for students.
    const BY_GROUP: &str = "127.0.0.8";
    const VLAN: AttributeType = AttributeType(81);
    const SESSION_TIMEOUT: AttributeType = AttributeType(27);
    let (slapd, dir) = (slapd(), tempfile::tempdir().unwrap());
    let group = |name: &str, member: &str| {
        format!("dn: cn={name},ou=groups,dc=example,dc=org\nchangetype: {member}\n\n")
    };
    let is_in = |user: &str| format!("objectClass: groupOfNames\nmember: {}", person_dn(user));
    let new = |user: &str| format!("add\n{}", is_in(user));
    slapd.ldif(&(group("students", &new("ann")) + &group("employees", &new("bob"))));
    let world = following(&slapd, &dir);
    let comes_back = |at: &str, config: &Arc<ClientConfig>| {
        Tunnel::without_password(Method::TTLS, Nas::at(&world, at), &world, config)
    };
    let devices = VERSIONS.map(|version| [WIFI, BY_GROUP].map(|at| (at, tls(&world, version))));
    let devices = devices.as_flattened();
    for (at, config) in devices {
        let login = Ttls::handshake_by(Nas::at(&world, at), &world, config).unwrap();
        assert_eq!(login.password(ANN.0, ANN.1).code, Code::ACCESS_ACCEPT);
        let student = comes_back(at, config);
        assert_eq!(student.code, Code::ACCESS_ACCEPT);
        assert!(student.has(SESSION_TIMEOUT) && !student.has(VLAN));
    }
    let replace = |user: &str| format!("modify\nreplace: member\nmember: {}", person_dn(user));
    slapd.ldif(&(group("students", &replace("bob")) + &group("employees", &replace("ann"))));
    until("ann is an employee", || {
        (person(&world.daemon, "ann", "groups") == serde_json::json!(["employees"])).then_some(())
    });
    for (at, config) in devices {
        let employee = comes_back(at, config);
        if *at == WIFI {
            assert_eq!(employee.code, Code::ACCESS_ACCEPT);
            assert!(employee.has(VLAN) && !employee.has(SESSION_TIMEOUT));
        } else {
            assert_eq!(employee.code, Code::ACCESS_REJECT, "employees need a passcode there");
        }
    }
    assert_eq!((world.decided("session-resumed"), world.decided("session-void")), (6, 2));
    slapd.ldif(&format!(
        "dn: {}\nchangetype: modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n",
        person_dn("ann")
    ));
    until("ann is switched off", || (person(&world.daemon, "ann", "status") == "disabled").then_some(()));
    for (_, config) in devices.iter().filter(|(at, _)| *at == WIFI) {
        assert_eq!(comes_back(WIFI, config).code, Code::ACCESS_REJECT);
    }
    assert_eq!((world.decided("session-resumed"), world.decided("person-disabled")), (6, 2));
}
