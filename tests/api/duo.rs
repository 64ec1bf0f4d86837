//! Duo's Auth API v2, by a client that signs by hand; Duo's own clients are in [`crate::clients`].

use crate::support::code;
use crate::world::{Answer, World, form, wrong};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;

/// An application with its key in two parts.
struct Duo<'w> {
    world: &'w World,
    id: String,
    secret: String,
}

fn now() -> String {
    date(0)
}

/// The date so many seconds from now.
fn date(seconds: i64) -> String {
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    jiff::fmt::rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC)).unwrap()
}

impl<'w> Duo<'w> {
    fn of(world: &'w World, application: &str) -> Self {
        let made = world.daemon.json(&["client", "add", application]);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { world, id: text("id"), secret: text("secret") }
    }

    /// Version 2 with SHA-512.
    fn send(&self, method: &str, path: &str, date: &str, fields: &[(&str, &str)]) -> Answer {
        let mut fields = fields.to_vec();
        fields.sort_unstable();
        let host = self.world.url.strip_prefix("http://").unwrap();
        let fields = form(&fields);
        let lines = format!("{date}\n{method}\n{host}\n{path}\n{fields}");
        let mut hmac = Hmac::<sha2::Sha512>::new_from_slice(self.secret.as_bytes()).unwrap();
        hmac.update(lines.as_bytes());
        let signature = data_encoding::HEXLOWER.encode(&hmac.finalize().into_bytes());
        let basic = data_encoding::BASE64.encode(format!("{}:{signature}", self.id).as_bytes());
        let authorization = format!("Basic {basic}");
        let headers = [("authorization", authorization.as_str()), ("date", date)];
        match method {
            "GET" if fields.is_empty() => self.world.send(method, path, &headers, ""),
            "GET" => self.world.send(method, &format!("{path}?{fields}"), &headers, ""),
            _ => self.world.send(method, path, &headers, &fields),
        }
    }

    fn auth(&self, fields: &[(&str, &str)]) -> Value {
        let answer = self.send("POST", "/auth/v2/auth", &now(), fields);
        assert_eq!((answer.status, answer.body["stat"].as_str()), (200, Some("OK")), "{answer:?}");
        answer.body["response"].clone()
    }
}

// R-API-1
#[test]
fn request_counts_that_is_signed_with_the_key_and_is_of_now() {
    let world = World::start();
    let duo = Duo::of(&world, "other-sign-on");
    assert_eq!(world.send("GET", "/auth/v2/ping", &[], "").body["stat"], "OK", "for anybody");
    assert_eq!(duo.send("GET", "/auth/v2/check", &now(), &[]).body["stat"], "OK");
    let code_of = |answer: Answer| (answer.status, answer.body["code"].as_u64().unwrap());
    assert_eq!(code_of(world.send("GET", "/auth/v2/check", &[], "")), (401, 40101));
    assert_eq!(code_of(duo.send("GET", "/auth/v2/check", &date(-301), &[])), (401, 40105));
    assert_eq!(code_of(duo.send("GET", "/auth/v2/check", &date(303), &[])), (401, 40105));
    let other = Duo { world: &world, id: duo.id.clone(), secret: "x".repeat(40) };
    assert_eq!(code_of(other.send("GET", "/auth/v2/check", &now(), &[])), (401, 40103));
    let other = Duo { world: &world, id: "DWUNKNOWN".to_owned(), secret: duo.secret.clone() };
    assert_eq!(code_of(other.send("GET", "/auth/v2/check", &now(), &[])), (401, 40102));
}

// R-API-1
#[test]
fn ways_are_told_and_a_passcode_lets_in_once() {
    let world = World::start();
    let duo = Duo::of(&world, "other-sign-on");
    let amara = world.someone("amara");
    let told = duo.send("POST", "/auth/v2/preauth", &now(), &[("username", "amara")]);
    assert_eq!(told.body["response"]["result"], "auth", "{told:?}");
    assert_eq!(told.body["response"]["devices"][0]["capabilities"][0], "mobile_otp");
    let stranger = duo.send("POST", "/auth/v2/preauth", &now(), &[("username", "nobody")]);
    assert_eq!(stranger.body["response"]["result"], "deny");
    let passcode = code(&amara.totp, 0);
    let try_it = |passcode: &str| {
        duo.auth(&[("username", "amara"), ("factor", "passcode"), ("passcode", passcode)])["result"].clone()
    };
    assert_eq!(try_it(&wrong(&amara)), "deny");
    assert_eq!(try_it(&passcode), "allow");
    assert_eq!(try_it(&passcode), "deny", "once");
    let missing = duo.send("POST", "/auth/v2/auth", &now(), &[("username", "amara"), ("factor", "passcode")]);
    assert_eq!((missing.status, missing.body["message_detail"].as_str()), (400, Some("passcode")));
    let push = duo.send("POST", "/auth/v2/auth", &now(), &[("username", "amara"), ("factor", "push")]);
    assert_eq!(push.status, 400);
    // One whose policy asks for the password has nothing to ask here.
    let webmail = Duo::of(&world, "webmail");
    let refused = webmail.send("POST", "/auth/v2/preauth", &now(), &[("username", "amara")]);
    assert_eq!(refused.status, 403, "{refused:?}");
}

// R-API-1
#[test]
fn code_is_sent_and_is_the_passcode_of_the_next_request() {
    let world = World::start();
    let duo = Duo::of(&world, "texts");
    let user = "lena";
    let sent = duo.auth(&[("username", user), ("factor", "sms"), ("device", "auto")]);
    assert_eq!((&sent["result"], &sent["status"]), (&Value::from("deny"), &Value::from("sent")), "{sent}");
    let passcode = world.texted();
    let other = if passcode == "000000" { "111111" } else { "000000" };
    let try_it =
        |passcode: &str| duo.auth(&[("username", user), ("factor", "passcode"), ("passcode", passcode)]);
    assert_eq!(try_it(other)["result"], "deny");
    assert_eq!(try_it(&passcode)["result"], "allow");
    assert_eq!(try_it(&passcode)["result"], "deny", "once");
}

// R-API-1
#[test]
fn result_can_be_asked_for_later_by_its_application() {
    let world = World::start();
    let (duo, other) = (Duo::of(&world, "other-sign-on"), Duo::of(&world, "texts"));
    let bjorn = world.someone("bjorn");
    let begun = duo.auth(&[
        ("username", "bjorn"),
        ("factor", "passcode"),
        ("passcode", &code(&bjorn.totp, 0)),
        ("async", "1"),
    ]);
    let id = begun["txid"].as_str().unwrap();
    let status = |duo: &Duo<'_>| duo.send("GET", "/auth/v2/auth_status", &now(), &[("txid", id)]);
    assert_eq!(status(&duo).body["response"]["result"], "allow");
    assert_eq!(status(&other).status, 404);
}
