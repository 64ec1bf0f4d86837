//! ocserv, and openconnect as the person's client.

use crate::guide::Guide;
use crate::support::Someone;
use crate::support::slapd::{run, until};
use crate::world::{Running, World, certify, passcode, said, wrong};
use std::process::Output;

fn start() -> (Running, World) {
    let world = World::of(&Guide::open("ocserv.md"));
    certify(&world, "/etc/ocserv", "/etc/vpn");
    let server =
        world.nas.start(&["ocserv", "--foreground", "--debug=2", "--config", "/etc/ocserv/ocserv.conf"]);
    until("ocserv listens", || {
        let listening = world.nas.command("ss").args(["-Hltn", "sport", "=", ":443"]).output().unwrap();
        (!listening.stdout.is_empty()).then_some(())
    });
    (server, world)
}

const HOW: [&str; 4] = ["--cafile=/etc/vpn/ca.pem", "--no-system-trust", "--disable-ipv6", "--timestamp"];

/// What openconnect makes of these answers to what it is asked, without a tunnel.
fn authenticate(world: &World, someone: &Someone, answers: &[&str]) -> Output {
    let mut command = world.person.command("openconnect");
    command.args(HOW).args(["--authenticate", "--user", &someone.user, "https://vpn.example.edu"]);
    run(&mut command, &answers.iter().map(|answer| format!("{answer}\n")).collect::<String>())
}

/// A cookie, which is what a tunnel is opened with.
fn cookie(output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let cookie = said.lines().find_map(|line| line.strip_prefix("COOKIE='")?.strip_suffix('\''));
    cookie.filter(|cookie| !cookie.is_empty()).map(str::to_owned)
}

#[test]
fn tunnel_comes_up_after_password_and_passcode() {
    let (server, world) = start();
    let someone = world.someone();
    let refused = authenticate(&world, &someone, &[&someone.password, &wrong(&someone)]);
    assert!(
        said(&refused).contains("Enter the passcode from your One-Time-Passcode App:"),
        "{}",
        said(&refused)
    );
    assert_eq!(cookie(&refused), None, "{}", said(&refused));
    assert_eq!(world.decided("wrong-passcode"), 1, "{}", server.log());
    assert!(!world.reaches_inside());
    let accepted = authenticate(&world, &someone, &[&someone.password, &passcode(&someone)]);
    let cookie = cookie(&accepted).unwrap_or_else(|| panic!("{}\n{}", said(&accepted), server.log()));
    assert_eq!(world.decided("password-and-passcode"), 1);
    // What vpnc-script does, without the resolver.
    let script = "#!/bin/sh\n[ \"$reason\" = connect ] || exit 0\nip link set dev \"$TUNDEV\" up mtu \"$INTERNAL_IP4_MTU\"\n\
        ip address add \"$INTERNAL_IP4_ADDRESS/32\" dev \"$TUNDEV\"\n\
        ip route add \"$CISCO_SPLIT_INC_0_ADDR/$CISCO_SPLIT_INC_0_MASKLEN\" dev \"$TUNDEV\"\n";
    let script = world.person.write("/etc/vpn/script", script);
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let arguments =
        [&["openconnect"], &HOW[..], &["--script", "/etc/vpn/script", "--cookie", &cookie]].concat();
    let mut client = world.person.start(&[&arguments[..], &["https://vpn.example.edu"]].concat());
    client.says("Configured as 10.80.0.");
    world.gets_inside();
    let fetched = world.fetch_inside();
    assert!(fetched.contains("behind the tunnel"), "{fetched}");
}

#[test]
fn password_and_passcode_in_one_string_are_taken_too() {
    let (_server, world) = start();
    let someone = world.someone();
    let accepted = authenticate(&world, &someone, &[&(someone.password.clone() + &passcode(&someone))]);
    assert!(cookie(&accepted).is_some(), "{}", said(&accepted));
}
