//! Duo's Auth API v2, by a client that signs by hand; Duo's own clients are in [`crate::clients`].

use crate::support::code;
use crate::support::duo::{DuoKey, date, fields as encoded};
use crate::world::{Answer, World, wrong};
use serde_json::Value;

/// An application with its key in two parts.
pub(crate) struct Duo<'w> {
    world: &'w World,
    pub(crate) key: DuoKey,
}

pub(crate) fn now() -> String {
    date(0)
}

impl<'w> Duo<'w> {
    pub(crate) fn of(world: &'w World, application: &str) -> Self {
        let made = world.daemon.json(&["client", "add", application]);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self { world, key: DuoKey { id: text("id"), secret: text("secret") } }
    }

    pub(crate) fn send(&self, method: &str, path: &str, date: &str, fields: &[(&str, &str)]) -> Answer {
        let host = self.world.url.strip_prefix("http://").unwrap();
        let fields = encoded(fields);
        let authorization = self.key.signs((method, host, path), date, &fields);
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
    let other = Duo { world: &world, key: DuoKey { secret: "x".repeat(40), ..duo.key.clone() } };
    assert_eq!(code_of(other.send("GET", "/auth/v2/check", &now(), &[])), (401, 40103));
    let other = Duo { world: &world, key: DuoKey { id: "DWUNKNOWN".to_owned(), ..duo.key.clone() } };
    assert_eq!(code_of(other.send("GET", "/auth/v2/check", &now(), &[])), (401, 40102));
}

// R-API-1
#[test]
fn ways_are_told_and_a_passcode_lets_in_once() {
    let world = World::start();
    let duo = Duo::of(&world, "other-sign-on");
    let amara = world.someone("amara");
    let preauth = |duo: &Duo<'_>, user: &str| {
        let answer = duo.send("POST", "/auth/v2/preauth", &now(), &[("username", user)]);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["response"].clone()
    };
    assert_eq!(preauth(&duo, "amara")["devices"][0]["capabilities"][0], "mobile_otp");
    assert_eq!(preauth(&duo, "amara"), preauth(&duo, "nobody"), "who may not list is told nothing");
    let texts = Duo::of(&world, "texts");
    assert_eq!(preauth(&texts, "lena")["devices"][0]["type"], "phone");
    assert_eq!(preauth(&texts, "nobody")["result"], "enroll", "nobody, or somebody with nothing");
    let trusted = Duo::of(&world, "sign-on");
    assert_eq!(preauth(&trusted, "amara")["result"], "auth");
    assert_eq!(preauth(&trusted, "nobody")["result"], "deny");
    let looked: Vec<_> = world.trail("lena").into_iter().filter(|(actor, ..)| actor == "api:texts").collect();
    assert_eq!(looked.len(), 1, "and it is in the trail");
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

// R-API-1
#[test]
fn nothing_is_sent_for_an_application_without_the_right_whatever_it_asks() {
    let world = World::start();
    let duo = Duo::of(&world, "no-rights");
    for factor in ["sms", "phone", "auto"] {
        let refused = duo.send("POST", "/auth/v2/auth", &now(), &[("username", "lena"), ("factor", factor)]);
        assert_eq!((refused.status, refused.body["code"].as_u64()), (403, Some(40301)), "{refused:?}");
    }
    let word = duo.auth(&[("username", "lena"), ("factor", "passcode"), ("passcode", "sms")]);
    assert_eq!(word["status"], "deny", "{word}");
    let key = world.key_of("no-rights");
    // Nor does a word open a challenge, which would tell who there is and what they have.
    for (user, word) in
        [("lena", "sms"), ("lena", "voice"), ("lena", "phone"), ("amara", "app"), ("amara", "1")]
    {
        assert_eq!(world.check(&key, &[("user", user), ("pass", word)]).authentication(), "REJECT");
    }
    assert_eq!(world.outbox(), 0);
    let refused: Vec<_> =
        world.trail("no-rights").into_iter().filter(|(_, outcome, _)| outcome == "refused").collect();
    let once = ("api:no-rights".to_owned(), "refused".to_owned(), "trigger".to_owned());
    assert_eq!(refused, vec![once; 3]);
    // What a device shows counts all the same.
    let amara = world.someone("amara");
    let passcode = code(&amara.totp, 0);
    let right = duo.auth(&[("username", "amara"), ("factor", "passcode"), ("passcode", &passcode)]);
    assert_eq!(right["result"], "allow");
}

// R-API-1
#[test]
fn that_somebody_is_locked_is_told_to_who_is_trusted() {
    let world = World::start();
    let locked = world.daemon.run(&["person", "lock", "bjorn"]);
    assert!(locked.status.success(), "{locked:?}");
    let bjorn = world.someone("bjorn");
    let status = |application: &str| {
        let passcode = code(&bjorn.totp, 0);
        let answer = Duo::of(&world, application).auth(&[
            ("username", "bjorn"),
            ("factor", "passcode"),
            ("passcode", &passcode),
        ]);
        answer["status"].clone()
    };
    assert_eq!((status("other-sign-on"), status("sign-on")), ("deny".into(), "locked_out".into()));
}

// R-API-1
#[test]
fn key_of_an_application_with_a_certificate_is_not_enough() {
    let more = format!(
        "[[api_client]]\nname = \"certified\"\nlogin = \"passcode\"\nidentify = \"certificate\"\n\
         certificates = [\"{}\"]\n",
        "00".repeat(32)
    );
    let certificates = crate::world::Certificates::make();
    let settings =
        format!("{}client_ca_file = \"{}\"\n", certificates.settings(), certificates.path("ca.pem"));
    let world = World::with(&(settings + &more), &[]);
    let script = r#"
import sys, duo_client
port, id, secret, authority = sys.argv[1:]
client = duo_client.Auth(ikey=id, skey=secret, host="localhost", port=int(port), ca_certs=authority)
try:
    print(client.check())
except RuntimeError as error:
    print(error)
"#;
    let arguments = crate::clients::duo_arguments(&world, &certificates, "certified");
    let said = crate::clients::python(script, &arguments.each_ref().map(String::as_str));
    assert!(said.contains("403") && said.contains("`identify`"), "{said}");
}

// R-API-1
#[test]
fn call_or_whatever_comes_first_brings_a_code_and_who_asks_too_often_is_told() {
    let more = "[[api_client]]\nname = \"calls\"\nlogin = \"passcode\"\nmethods = [\"voice\", \"sms\"]\n";
    let world = World::with(more, &[]);
    let duo = Duo::of(&world, "calls");
    for factor in ["phone", "auto"] {
        let sent = duo.auth(&[("username", "lena"), ("factor", factor), ("device", "auto")]);
        assert_eq!((&sent["result"], &sent["status"]), (&"deny".into(), &"sent".into()), "{sent}");
        // Behind the number, digit by digit.
        let call = world.delivered();
        let (_, said) = call.split_once('\n').unwrap();
        let passcode: String = said.chars().filter(char::is_ascii_digit).take(6).collect();
        let fields = [("username", "lena"), ("factor", "passcode"), ("passcode", passcode.as_str())];
        assert_eq!(duo.auth(&fields)["result"], "allow", "{factor}");
    }
    let slow = Duo::of(&world, "slow");
    let answers: Vec<_> = (0..20).map(|_| slow.send("GET", "/auth/v2/check", &now(), &[])).collect();
    assert_eq!(answers[0].status, 200);
    let told = answers.iter().find(|answer| answer.status == 429).expect("one too many");
    assert_eq!((told.body["stat"].as_str(), told.body["code"].as_u64()), (Some("FAIL"), Some(42901)));
}
