//! OpenVPN: by PAM with a field for the passcode, and by its own RADIUS plug-in with both in one string.

use crate::guide::Guide;
use crate::support::slapd::until;
use crate::support::{PATIENCE, Someone};
use crate::world::{Running, World, certify, passcode, wrong};
use data_encoding::BASE64;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

fn start(world: &World) -> Running {
    certify(world, "/etc/openvpn/server", "/etc/openvpn/client");
    let mut server = world.nas.start(&["openvpn", "--config", "/etc/openvpn/server/campus.conf"]);
    server.says("Initialization Sequence Completed");
    server
}

/// The client, driven as a dialog drives it: by its management interface.
struct Dialog {
    client: Running,
    lines: BufReader<UnixStream>,
}

impl Dialog {
    fn open(world: &World) -> Self {
        let socket = format!("/run/{}", uuid::Uuid::now_v7());
        let management = ["--management", &socket, "unix", "--management-query-passwords"];
        let words = [&["openvpn", "--config", "/etc/openvpn/client/campus.conf"], &management[..]].concat();
        let client = world.person.start(&words);
        let at = world.person.path(&socket);
        // It is there a moment before anybody listens.
        let stream = until("the dialog", || UnixStream::connect(&at).ok());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { client, lines: BufReader::new(stream) }
    }

    /// Reads on until a line that begins so.
    fn hears(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line);
            assert!(matches!(read, Ok(octets) if octets > 0), "no {what}: {read:?}\n{}", self.client.log());
            if line.starts_with(what) {
                return line;
            }
        }
    }

    /// Types a username and a password.
    fn types(&mut self, user: &str, password: &str) {
        let text = format!("username \"Auth\" \"{user}\"\npassword \"Auth\" \"{password}\"\n");
        self.lines.get_mut().write_all(text.as_bytes()).unwrap();
    }
}

/// What a dialog makes of its two fields (management-notes.txt).
fn two_fields(someone: &Someone, passcode: &str) -> String {
    format!("SCRV1:{}:{}", BASE64.encode(someone.password.as_bytes()), BASE64.encode(passcode.as_bytes()))
}

#[test]
fn tunnel_comes_up_after_password_and_passcode_in_two_fields_and_again_without() {
    let world = World::of(&Guide::open("openvpn.md"));
    let server = start(&world);
    let someone = world.someone();
    let mut dialog = Dialog::open(&world);
    assert!(dialog.hears(">PASSWORD:Need 'Auth'").contains("SC:1,Passcode"));
    dialog.types(&someone.user, &two_fields(&someone, &wrong(&someone)));
    dialog.hears(">PASSWORD:Verification Failed: 'Auth'");
    assert_eq!(world.decided("wrong-passcode"), 1, "{}", server.log());
    assert!(!world.reaches_inside());
    dialog.hears(">PASSWORD:Need 'Auth'");
    dialog.types(&someone.user, &two_fields(&someone, &passcode(&someone)));
    dialog.client.says("Initialization Sequence Completed");
    world.gets_inside();
    assert!(world.fetch_inside().contains("behind the tunnel"));
    assert_eq!(world.decided("password-and-passcode"), 1);
    // After an interruption its token is enough: nobody is asked, and nothing decided.
    let before = dialog.client.log().matches("Initialization Sequence Completed").count();
    dialog.client.signal(nix::sys::signal::Signal::SIGUSR1);
    let times = || dialog.client.log().matches("Initialization Sequence Completed").count();
    until("the tunnel is up again", || (times() > before).then_some(()));
    world.gets_inside();
    assert_eq!(world.decided("password-and-passcode"), 1);
}

#[test]
fn plug_in_takes_both_in_one_string() {
    let world = World::of(&Guide::open("openvpn-plugin.md"));
    let _proxy = crate::freeradius::start(&world);
    let server = start(&world);
    let someone = world.someone();
    let mut dialog = Dialog::open(&world);
    dialog.hears(">PASSWORD:Need 'Auth'");
    dialog.types(&someone.user, &(someone.password.clone() + &wrong(&someone)));
    dialog.hears(">PASSWORD:Verification Failed: 'Auth'");
    assert_eq!(world.decided("wrong-password-or-passcode"), 1, "{}", server.log());
    dialog.hears(">PASSWORD:Need 'Auth'");
    dialog.types(&someone.user, &(someone.password.clone() + &passcode(&someone)));
    dialog.client.says("Initialization Sequence Completed");
    world.gets_inside();
    assert_eq!(world.decided("password-and-passcode"), 1);
}
