//! strongSwan at both ends: EAP-TTLS from the person's machine through the gateway to Doorward, and a tunnel.

use crate::guide::{Guide, Place};
use crate::support::slapd::until;
use crate::support::{Someone, read};
use crate::world::{Machine, Running, World, certify, passcode, said, wrong};
use std::process::Output;

/// Starts charon on a machine. ESP is made by itself: the kernel here may have none.
fn charon(machine: &Machine) -> Running {
    machine.write("/etc/strongswan.d/charon/kernel-libipsec.conf", "kernel-libipsec {\n\tload = yes\n}\n");
    let log = "charon-systemd {\n\tfilelog {\n\t\tstderr {\n\t\t\tdefault = 1\n\t\t\tflush_line = yes\n\t\t}\n\t}\n}\n";
    machine.write("/etc/strongswan.d/charon-systemd.conf", log);
    let running = machine.start(&["charon-systemd"]);
    let load = || machine.command("swanctl").args(["--load-all", "--noprompt"]).output().unwrap().status;
    until("charon", || load().success().then_some(()));
    running
}

/// Begins a connection with this secret; what came of it.
fn connect(world: &World, guide: &Guide, someone: &Someone, secret: &str) -> Output {
    for file in guide
        .files()
        .into_iter()
        .filter(|file| file.path.starts_with("/etc/swanctl") && file.place == Place::Person)
    {
        let text = file.text.replace("alice", &someone.user).replace("password123456", secret);
        world.person.write(&file.path, &text);
    }
    let load = world.person.command("swanctl").args(["--load-all", "--noprompt"]).output().unwrap();
    assert!(load.status.success(), "{}", said(&load));
    let words = ["--initiate", "--child", "campus", "--timeout", "30"];
    world.person.command("swanctl").args(words).output().unwrap()
}

#[test]
fn tunnel_comes_up_after_password_and_passcode_by_ttls() {
    let guide = Guide::open("strongswan.md");
    let world = World::of(&guide);
    certify(&world, "/etc/vpn", "/etc/swanctl/x509ca");
    let copy = |from: &str, to: &str| world.nas.write(to, &read(&world.nas.path(from)));
    copy("/etc/vpn/ca.pem", "/etc/swanctl/x509ca/ca.pem");
    copy("/etc/vpn/vpn.pem", "/etc/swanctl/x509/vpn.pem");
    copy("/etc/vpn/vpn.key", "/etc/swanctl/private/vpn.key");
    world.person.write("/etc/swanctl/x509ca/radius.pem", &read(world.env["RADIUS_CA"].as_ref()));
    let someone = world.someone();
    let gateway = charon(&world.nas);
    let client = charon(&world.person);
    let refused = connect(&world, &guide, &someone, &(someone.password.clone() + &wrong(&someone)));
    assert!(!refused.status.success(), "{}", said(&refused));
    assert_eq!(world.decided("wrong-password-or-passcode"), 1, "{}\n{}", gateway.log(), client.log());
    assert!(!world.reaches_inside());
    let accepted = connect(&world, &guide, &someone, &(someone.password.clone() + &passcode(&someone)));
    assert!(accepted.status.success(), "{}\n{}", said(&accepted), gateway.log());
    assert_eq!(world.decided("password-and-passcode"), 1);
    world.gets_inside();
    assert!(world.fetch_inside().contains("behind the tunnel"));
}
