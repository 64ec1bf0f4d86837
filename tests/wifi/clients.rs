//! `eap` of a client: what is offered there, and what a device may choose.

use crate::device::{Nas, Reply, Tunnel, response, tls};
use crate::support::{Daemon, answer, radclient};
use crate::world::World;
use data_encoding::HEXLOWER;
use doorward::wire::eap::Method;
use doorward::wire::radius::{AttributeType, Code, Packet};
use rustls::version;

const TTLS_ONLY: &str = "127.0.0.21";
const PEAP_ONLY: &str = "127.0.0.22";
const NONE: &str = "127.0.0.23";

/// The demonstration with a client that takes TTLS, one that takes PEAP, and one that takes nothing.
fn world(dir: &tempfile::TempDir) -> World {
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    let client = |(at, eap): (&str, &str)| {
        format!(
            "[[client]]\nname = \"at-{at}\"\nnetworks = [\"{at}\"]\nsecret = \"demo-radius-shared-secret\"\n\
             login = \"password\"\neap = [{eap}]\n"
        )
    };
    let clients = [(TTLS_ONLY, "\"ttls\""), (PEAP_ONLY, "\"peap\""), (NONE, "")].map(client);
    std::fs::write(dir.path().join("conf.d/zz-later.toml"), clients.concat()).unwrap();
    let world = World::of(Daemon::demo_in(dir.path(), &[]));
    world.configure(&[("radius", "reject_delay = \"0s\"")]);
    world
}

#[test]
fn method_that_is_offered_is_one_of_the_client_and_no_other_can_be_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(&dir);
    let (user, password) = (&world.env["LOGIN_USER"], &world.env["LOGIN_PASSWORD"]);
    for (at, allowed, other) in
        [(TTLS_ONLY, Method::TTLS, Method::PEAP), (PEAP_ONLY, Method::PEAP, Method::TTLS)]
    {
        let mut nas = Nas::at(&world, at);
        let offered = nas.exchange(&response(0, Method::IDENTITY, b"anonymous"));
        assert_eq!((offered.eap[4], offered.data()), (allowed.0, &[0x20][..]), "its start");
        let wanted = response(offered.identifier(), Method::NAK, &[other.0, Method::TLS.0]);
        let refused = nas.exchange(&wanted);
        assert_eq!((refused.code, refused.eap[0]), (Code::ACCESS_REJECT, 4), "{at}");
        let login =
            Tunnel::inside(allowed, Nas::at(&world, at), &world, &tls(&world, &version::TLS12)).unwrap();
        let end = match allowed {
            Method::TTLS => login.password(user, password),
            _ => login.gtc(user, password),
        };
        assert_eq!(end.code, Code::ACCESS_ACCEPT, "{at}");
    }
    assert_eq!((world.decided("eap-method"), world.decided("password-only")), (2, 2));
}

// RFC 3579 §2.1
#[test]
fn client_without_methods_refuses_whoever_begins() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(&dir);
    let identity = format!("0x{}", HEXLOWER.encode(&response(0, Method::IDENTITY, b"anonymous")));
    let ask = |at: &str| {
        let attributes =
            [("Packet-Src-IP-Address", at), ("User-Name", "anonymous"), ("EAP-Message", &identity)];
        answer(&radclient(world.daemon.address, &attributes)).to_owned()
    };
    assert_eq!([ask(TTLS_ONLY), ask(NONE)], ["Access-Challenge", "Access-Reject"]);
    assert_eq!(world.decided("protocol-unsupported"), 1);
}

#[test]
fn controller_is_told_who_it_is_only_where_it_shall_know() {
    let world = World::new();
    let (user, password) = (&world.env["LOGIN_USER"], &world.env["LOGIN_PASSWORD"]);
    let name = |reply: &Reply| {
        assert_eq!(reply.code, Code::ACCESS_ACCEPT);
        let packet = Packet::decode(&reply.bytes).unwrap();
        packet.first(AttributeType::USER_NAME).map(|name| String::from_utf8_lossy(name.value).into_owned())
    };
    // A login, with a realm that is taken off, and the same device again.
    let names = || {
        let config = tls(&world, &version::TLS13);
        let login = Tunnel::by(Method::TTLS, Nas::new(&world), &world, &config).unwrap();
        let full = name(&login.password(&format!("{user}@example.edu"), password));
        [full, name(&Tunnel::without_password(Method::TTLS, Nas::new(&world), &world, &config))]
    };
    assert_eq!(names(), [None, None]);
    // What a rule for everybody says is not said as well.
    world.reply("User-Name = \"somebody\"");
    assert_eq!(names(), [Some("somebody".to_owned()), Some("somebody".to_owned())]);
    world.at_wifi("reply_user_name = true");
    assert_eq!(names(), [Some(user.clone()), Some(user.clone())]);
    let plain = |password: &str| {
        let attributes =
            [("Packet-Src-IP-Address", crate::world::WIFI), ("User-Name", user), ("User-Password", password)];
        let said = radclient(world.daemon.address, &attributes);
        said.split("Received").nth(1).unwrap().contains(&format!("User-Name = \"{user}\""))
    };
    assert_eq!([plain(password), plain("wrong")], [true, false], "without EAP as well, and only with a yes");
}
