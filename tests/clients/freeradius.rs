//! FreeRADIUS in front: it passes on what is for the realm, with State and Proxy-State, and looks by Status-Server whether Doorward is there.

use crate::guide::Guide;
use crate::support::slapd::until;
use crate::support::{answer, radclient_by, value};
use crate::world::{NAS_OUTSIDE, Running, World, passcode, said, wrong};
use nix::sys::signal::Signal;
use std::net::SocketAddr;

/// Starts it on the NAS.
pub(crate) fn start(world: &World) -> Running {
    let mut proxy = world.nas.start(&["freeradius", "-f", "-xx", "-l", "stdout"]);
    proxy.says("Ready to process requests");
    proxy
}

/// What a NAS of the proxy is told.
fn ask(world: &World, attributes: &[(&str, &str)]) -> String {
    let proxy: SocketAddr = format!("{NAS_OUTSIDE}:1812").parse().unwrap();
    radclient_by(world.person.command("radclient"), "20", proxy, attributes)
}

#[test]
fn challenge_goes_through_the_proxy_and_its_state_comes_back() {
    let world = World::of(&Guide::open("freeradius.md"));
    let proxy = start(&world);
    let someone = world.someone();
    let user = format!("{}@example.edu", someone.user);
    let first = [("User-Name", user.as_str()), ("User-Password", &someone.password)];
    let challenge = ask(&world, &[&first[..], &[("Proxy-State", "0x6f757465722070726f7879")]].concat());
    assert_eq!(answer(&challenge), "Access-Challenge", "{challenge}");
    assert!(value(&challenge, "Reply-Message").unwrap().starts_with("Enter the passcode"), "{challenge}");
    assert_eq!(
        value(&challenge, "Proxy-State"),
        Some("0x6f757465722070726f7879"),
        "that of who is in front of it"
    );
    let state = value(&challenge, "State").unwrap().to_owned();
    assert!(proxy.log().contains("Proxy-State = 0x"), "its own goes to Doorward and comes back");
    let respond = |typed: &str, state: &str| {
        ask(&world, &[("User-Name", &user), ("User-Password", typed), ("State", state)])
    };
    let lied = respond(&passcode(&someone), "0x00112233445566778899aabbccddeeff");
    assert_eq!(answer(&lied), "Access-Reject", "{lied}");
    assert_eq!(world.decided("state-invalid"), 1);
    let accept = respond(&passcode(&someone), &state);
    assert_eq!(answer(&accept), "Access-Accept", "{accept}");
    assert_eq!(world.decided("password-and-passcode"), 1);

    let other = world.someone();
    let user = format!("{}@example.edu", other.user);
    let typed = other.password.clone() + &wrong(&other);
    let refused = ask(&world, &[("User-Name", &user), ("User-Password", &typed)]);
    assert_eq!(answer(&refused), "Access-Reject", "{refused}");
    let typed = other.password.clone() + &passcode(&other);
    let accept = ask(&world, &[("User-Name", &user), ("User-Password", &typed)]);
    assert_eq!(answer(&accept), "Access-Accept", "{accept}");
    assert_eq!(world.daemon.counter("missing-message-authenticator"), 0);
}

#[test]
fn device_logs_in_through_the_proxy_by_ttls() {
    let world = World::of(&Guide::open("freeradius.md"));
    let _proxy = start(&world);
    let someone = world.someone();
    let run = |password: &str| {
        let text = format!(
            "network={{\n key_mgmt=IEEE8021X\n eap=TTLS\n phase2=\"auth=PAP\"\n ca_cert=\"{}\"\n domain_match=\"{}\"\n \
             anonymous_identity=\"anonymous@example.edu\"\n identity=\"{}@example.edu\"\n password=\"{password}\"\n}}\n",
            world.env["RADIUS_CA"], world.env["EAP_SERVER_NAME"], someone.user
        );
        let file = world.person.write("/etc/eapol_test.conf", &text);
        let mut command = world.person.command("eapol_test");
        command.args(["-a", NAS_OUTSIDE, "-s", &world.env["RADIUS_SECRET"], "-t", "30", "-c"]).arg(file);
        command.output().unwrap()
    };
    let refused = run(&(someone.password.clone() + &wrong(&someone)));
    assert!(!refused.status.success() && said(&refused).contains("Access-Reject"), "{}", said(&refused));
    assert_eq!(world.decided("wrong-password-or-passcode"), 1);
    let accepted = run(&(someone.password.clone() + &passcode(&someone)));
    assert!(accepted.status.success(), "{}", said(&accepted));
    assert!(said(&accepted).contains("MPPE keys OK: 1  mismatch: 0"), "{}", said(&accepted));
    assert_eq!(world.decided("password-and-passcode"), 1);
}

#[test]
fn proxy_finds_doorward_again_by_status_server() {
    let world = World::of(&Guide::open("freeradius.md"));
    let mut proxy = start(&world);
    let someone = world.someone();
    let user = format!("{}@example.edu", someone.user);
    let typed = someone.password.clone() + &wrong(&someone);
    assert_eq!(world.daemon.counter("status-server"), 0);
    // It is there, and says nothing.
    world.daemon.signal(Signal::SIGSTOP);
    let proxied: SocketAddr = format!("{NAS_OUTSIDE}:1812").parse().unwrap();
    let attributes = [("User-Name", user.as_str()), ("User-Password", &typed)];
    let unanswered = radclient_by(world.person.command("radclient"), "1", proxied, &attributes);
    assert_eq!(answer(&unanswered), "no answer", "{unanswered}");
    proxy.says("Marking home server 192.0.2.10 port 1812 as zombie");
    world.daemon.signal(Signal::SIGCONT);
    proxy.says("Received response to status check");
    until("Doorward is asked", || (world.daemon.counter("status-server") > 0).then_some(()));
    let refused = ask(&world, &[("User-Name", &user), ("User-Password", &typed)]);
    assert_eq!(answer(&refused), "Access-Reject", "{refused}");
}
