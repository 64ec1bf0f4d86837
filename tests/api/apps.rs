//! Apps that applications set up for people, and what they look at: for whom, how many, and what the trail says of it.

use crate::support::code;
use crate::support::http::client;
use crate::world::{World, form};
use serde_json::json;
use std::thread;

/// Another application that may set up apps.
const ENROLLER: &str =
    "[[api_client]]\nname = \"enroller\"\nlogin = \"passcode\"\nrights = [\"enroll\", \"list\"]\n";

/// An app that is begun for somebody: its serial and its key.
fn begin(world: &World, key: &str, user: &str) -> (String, String) {
    let begun = world.post(key, "/token/init", &[("user", user), ("type", "totp"), ("genkey", "1")]);
    assert_eq!(begun.status, 200, "{begun:?}");
    let detail = &begun.body["detail"];
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (text(&detail["serial"]), text(&detail["otpkey"]["value_b32"]))
}

fn confirm(world: &World, key: &str, serial: &str, pass: &str) -> u16 {
    world.post(key, "/token/init", &[("serial", serial), ("type", "totp"), ("verify", pass)]).status
}

fn factor_of(serial: &str) -> String {
    let id = serial.strip_prefix("TOTP").unwrap().to_lowercase();
    uuid::Uuid::parse_str(&id).unwrap().to_string()
}

// R-API-1
#[test]
fn app_is_confirmed_by_the_application_that_has_begun_it_and_by_no_other() {
    let world = World::with(ENROLLER, &[]);
    let other = world.key_of("enroller");
    let (serial, seed) = begin(&world, &world.key, "farah");
    assert_eq!(confirm(&world, &other, &serial, &code(&seed, 0)), 404);
    // Nor is one that the person or an administrator has begun.
    let made = world.daemon.json(&["enroll", "totp", "julia"]);
    let (id, key) = (made["id"].as_str().unwrap(), made["seed"].as_str().unwrap());
    let named = format!("TOTP{}", id.replace('-', "").to_uppercase());
    for application in [&world.key, &other] {
        assert_eq!(confirm(&world, application, &named, &code(key, 0)), 404);
    }
    assert!(world.daemon.json(&["factor", "list", "julia"]).to_string().contains("pending"));
    assert_eq!(confirm(&world, &world.key, &serial, &code(&seed, 0)), 200, "whoever has begun it");
    let refused = |by: &str| (format!("api:{by}"), "refused".to_owned(), "begun elsewhere".to_owned());
    assert_eq!(world.trail(&factor_of(&serial))[0], refused("enroller"));
    assert_eq!(world.trail(id), [refused("sign-on"), refused("enroller")]);
}

// R-API-1
#[test]
fn wrong_first_codes_are_forgotten_with_the_right_one() {
    let world = World::start();
    let (serial, seed) = begin(&world, &world.key, "farah");
    for _ in 0..4 {
        assert_eq!(confirm(&world, &world.key, &serial, "000"), 400);
    }
    assert_eq!(confirm(&world, &world.key, &serial, &code(&seed, 0)), 200);
    let listed = world.send("GET", "/token/?user=farah", &[("authorization", &world.key)], "");
    assert_eq!(listed.body["result"]["value"]["tokens"][0]["failcount"], 0, "{listed:?}");
}

/// So many requests at once, each on a connection of its own; their statuses and bodies.
fn at_once(world: &World, count: usize, fields: &[(&str, &str)]) -> Vec<(u16, String)> {
    let (url, body) = (format!("{}/token/init", world.url), form(fields));
    // Only what a thread needs, since the rest of the world stays here.
    let ask = (&url, &body, world.key.as_str());
    let one = |(url, body, key): (&String, &String, &str)| {
        let answer = client(None).post(url).header("authorization", key).body(body.clone()).send().unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(move || one(ask))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

// R-API-1
#[test]
fn first_codes_that_come_at_once_are_looked_at_as_often_as_any_others() {
    let world = World::start();
    let (serial, seed) = begin(&world, &world.key, "farah");
    let answers = at_once(&world, 48, &[("serial", &serial), ("verify", "000")]);
    assert!(answers.iter().all(|(status, _)| [400, 404].contains(status)), "{answers:?}");
    let trail = world.trail(&factor_of(&serial));
    let looked_at = trail.iter().filter(|(_, _, detail)| detail == "wrong code").count();
    assert!((1..=5).contains(&looked_at), "{trail:?}");
    assert_eq!(confirm(&world, &world.key, &serial, &code(&seed, 0)), 404, "the app is gone");
}

// R-API-1
#[test]
fn person_gets_as_many_devices_as_there_may_be_however_many_are_asked_for_at_once() {
    let world = World::start();
    let answers = at_once(&world, 16, &[("user", "farah"), ("genkey", "1")]);
    let of = |wanted: u16| answers.iter().filter(|(status, _)| *status == wanted).count();
    assert_eq!((of(200), of(400)), (10, 6), "{answers:?}");
    let told = |(status, body): &&(u16, String)| *status == 400 && body.contains("revoke one");
    assert_eq!(answers.iter().filter(told).count(), 6, "{answers:?}");
    let at_the_socket = world.daemon.run(&["enroll", "totp", "farah"]);
    let said = String::from_utf8_lossy(&at_the_socket.stderr).into_owned();
    assert!(!at_the_socket.status.success() && said.contains("as many as one person can have"), "{said}");
}

// R-API-1, R-AUDIT-1
#[test]
fn names_that_nobody_has_are_in_the_trail_whatever_is_asked_about_them() {
    let world = World::with(ENROLLER, &[]);
    let key = world.key_of("enroller");
    let get = |path: &str| world.send("GET", path, &[("authorization", &key)], "").status;
    assert_eq!((get("/token/?user=nobody"), get("/token/?user=nobody&serial=OATH123")), (200, 200));
    let begun = world.post(&key, "/token/init", &[("user", "nobody"), ("genkey", "1")]);
    assert_eq!((begun.status, begun.error()), (400, 904));
    let refused = ("api:enroller".to_owned(), "refused".to_owned(), "unknown-person".to_owned());
    assert_eq!(world.trail("nobody"), vec![refused; 3]);
    // What cannot be a name may be a password that was typed there.
    assert_eq!(get("/token/?user=two%20words%21"), 200);
    assert!(world.trail("two words!").is_empty());
    let listed = world.send("GET", "/token/?user=farah&serial=OATH123", &[("authorization", &key)], "");
    assert_eq!(listed.body["result"]["value"]["count"], json!(0));
    let looked: Vec<_> =
        world.trail("farah").into_iter().filter(|(actor, ..)| actor == "api:enroller").collect();
    assert_eq!(looked.len(), 1);
}

// R-API-1
#[test]
fn app_that_has_its_key_already_must_reckon_as_is_done_here() {
    let world = World::start();
    let key = "3132333435363738393031323334353637383930";
    let init = |more: &[(&str, &str)]| {
        let fields = [&[("user", "farah"), ("type", "totp"), ("otpkey", key)], more].concat();
        world.post(&world.key, "/token/init", &fields)
    };
    for (name, value) in [("hashlib", "sha512"), ("otplen", "8"), ("timeStep", "60")] {
        let refused = init(&[(name, value)]);
        assert_eq!((refused.status, refused.error()), (400, 905), "{name}");
    }
    let begun = init(&[("hashlib", "SHA1"), ("otplen", "6"), ("timeStep", "30")]);
    assert_eq!(begun.body["detail"]["otpkey"]["value"], format!("seed://{key}"), "{begun:?}");
}

// R-API-1
#[test]
fn challenge_names_the_device_that_is_meant() {
    let world = World::start();
    let (serial, seed) = begin(&world, &world.key, "amara");
    assert_eq!(confirm(&world, &world.key, &serial, &code(&seed, 0)), 200);
    let asked = world.check(&world.key, &[("user", "amara"), ("serial", &serial), ("pass", "")]);
    assert_eq!(asked.body["detail"]["serial"], serial.as_str(), "{asked:?}");
}
