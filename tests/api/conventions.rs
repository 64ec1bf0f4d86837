//! What plug-ins rely on beside the rounds themselves.

use crate::support::code;
use crate::world::{World, encode, form, wrong};
use serde_json::{Value, json};
use std::process::Command;

// R-API-1
#[test]
fn envelope_and_content_type_are_those_of_the_protocol() {
    let world = World::start();
    let answer = world.check(&world.key, &[("user", "amara"), ("pass", "x")]);
    assert_eq!((&answer.body["jsonrpc"], &answer.body["id"]), (&json!("2.0"), &json!(1)));
    assert!(answer.body["time"].is_f64() && answer.body["version"].is_string(), "{answer:?}");
    assert_eq!(answer.body["result"]["status"], true);
    let missing = world.check(&world.key, &[("pass", "x")]);
    assert_eq!((missing.status, missing.error()), (400, 905));
    assert!(missing.body["result"]["error"]["message"].as_str().unwrap().contains("user"));
    let get = world.send("GET", "/validate/check?user=amara&pass=x", &[("authorization", &world.key)], "");
    assert_eq!(get.authentication(), "REJECT", "GET is the same");
    let json = world.send(
        "POST",
        "/validate/check",
        &[("authorization", &world.key), ("content-type", "application/json")],
        r#"{"user":"amara","pass":"x"}"#,
    );
    assert_eq!(json.authentication(), "REJECT", "JSON is the same");
}

// R-API-1
#[test]
fn plus_percent_and_unicode_in_passwords_arrive_as_each_plug_in_sends_them() {
    let world = World::start();
    let password = "a+b 100% %41 &=\u{e4}\u{20ac}";
    let added = world.daemon.run_with(&["person", "passwd", "chen"], &format!("{password}\n"));
    assert!(added.status.success(), "{added:?}");
    let (webmail, twice) = (world.key_of("webmail"), world.key_of("twice"));
    let send = |key: &str, agent: &str, value: &str| {
        let headers = [
            ("authorization", key),
            ("user-agent", agent),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let body = format!("user=chen&pass={value}");
        world.send("POST", "/validate/check", &headers, &body).authentication().to_owned()
    };
    let once = encode(password);
    // Java's inner encoding has plus signs for spaces.
    let java = encode(&once.replace("%20", "+"));
    // The plug-in for FreeRADIUS leaves reserved characters alone in the inner one, but not the percent sign.
    let inner: String = password
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "+&=".contains(c) {
                c.to_string()
            } else {
                encode(&c.to_string())
            }
        })
        .collect();
    let freeradius = encode(&inner);
    for (agent, value) in [
        ("PAM/1.1.0", &once),
        ("privacyIDEA-ADFS/1.3.0", &once),
        ("simpleSAMLphp", &once),
        ("privacyIDEA-Keycloak/1.5.0 Keycloak/26", &java),
        ("privacyIDEA-Shibboleth/2.0 ShibbolethIdP/5", &java),
        ("FreeRADIUS", &freeradius),
    ] {
        assert_eq!(send(&webmail, agent, value), "ACCEPT", "{agent}");
    }
    assert_eq!(send(&twice, "anything", &java), "ACCEPT", "as the application is configured");
    assert_eq!(send(&webmail, "PAM/1.1.0", &java), "REJECT", "it is not decoded twice for everybody");
}

// R-API-1
#[test]
fn form_in_parts_is_read_as_the_plug_ins_in_php_send_it() {
    let world = World::start();
    let password = "a+b 100% %41 &=\u{e4}\u{20ac}";
    let added = world.daemon.run_with(&["person", "passwd", "chen"], &format!("{password}\n"));
    assert!(added.status.success(), "{added:?}");
    let webmail = world.daemon.json(&["client", "add", "webmail"]);
    let text = |name: &str| webmail[name].as_str().unwrap().to_owned();
    // They give curl an array, and so does this: the same library makes a form in parts of it.
    let send = |path: &str, headers: &[String], fields: &[String]| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-A", "simpleSAMLphp", &format!("{}{path}", world.url)]);
        curl.args(headers.iter().flat_map(|header| ["-H", header]));
        curl.args(fields.iter().flat_map(|field| ["--form-string", field]));
        let output = curl.output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let check =
        |token: &str, fields: &[String]| send("/validate/check", &[format!("authorization:{token}")], fields);
    let [user, pass] = ["user=chen".to_owned(), format!("pass={password}")];
    let answer = check(&text("key"), &[user.clone(), pass.clone()]);
    assert_eq!(answer["result"]["authentication"], "ACCEPT", "{answer}");
    // The service account is sent in the same way.
    let signed = send("/auth", &[], &["username=webmail".to_owned(), format!("password={}", text("secret"))]);
    let token = signed["result"]["value"]["token"].as_str().unwrap_or_else(|| panic!("{signed}"));
    assert_eq!(check(token, &[user.clone(), pass.clone()])["result"]["value"], true);
    let twice = check(token, &[user.clone(), user, pass]);
    assert_eq!((&twice["result"]["status"], &twice["result"]["error"]["code"]), (&json!(false), &json!(905)));
}

// R-API-1
#[test]
fn only_trusted_applications_are_told_that_nobody_has_a_name() {
    let world = World::start();
    let amara = world.someone("amara");
    let told = world.check(&world.key, &[("user", "nobody"), ("pass", "123456")]);
    assert_eq!((told.status, told.error()), (400, 904));
    let other = world.key_of("other-sign-on");
    let stranger = world.check(&other, &[("user", "nobody"), ("pass", "123456")]);
    let known = world.check(&other, &[("user", "amara"), ("pass", &wrong(&amara))]);
    let same = |mut body: Value| {
        body["time"] = Value::Null;
        body
    };
    assert_eq!(
        (stranger.status, same(stranger.body)),
        (known.status, same(known.body)),
        "the same to the last letter"
    );
}

// R-API-1
#[test]
fn token_of_auth_stands_bare_in_either_header_and_ends_with_its_key() {
    let world = World::start();
    let made = world.daemon.json(&["client", "add", "other-sign-on"]);
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    for username in ["other-sign-on", id] {
        let answer = world.send("POST", "/auth", &[], &form(&[("username", username), ("password", secret)]));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["result"]["value"]["role"], "admin");
    }
    let answer =
        world.send("POST", "/auth", &[], &form(&[("username", "other-sign-on"), ("password", secret)]));
    let token = answer.body["result"]["value"]["token"].as_str().unwrap().to_owned();
    // As the library in Java does it: the plain alphabet, `exp`, and `time` beside the result.
    let payload = token.split('.').nth(1).unwrap();
    let claims: Value =
        serde_json::from_slice(&data_encoding::BASE64.decode(payload.as_bytes()).unwrap()).unwrap();
    let left = claims["exp"].as_f64().unwrap() - answer.body["time"].as_f64().unwrap();
    assert!((3598.0..=3600.0).contains(&left), "{left}");
    let check = |headers: &[(&str, &str)]| {
        world.send("POST", "/validate/check", headers, &form(&[("user", "amara"), ("pass", "x")])).status
    };
    assert_eq!(check(&[("authorization", &token)]), 200);
    assert_eq!(check(&[("pi-authorization", &token)]), 200);
    assert_eq!(check(&[("authorization", &format!("Bearer {token}"))]), 200);
    assert_eq!(check(&[("authorization", &format!("{}x", &token[..token.len() - 1]))]), 401);
    let wrong = world.send("POST", "/auth", &[], &form(&[("username", "other-sign-on"), ("password", "x")]));
    assert_eq!((wrong.status, wrong.error()), (401, 4031));
    let revoked = world.daemon.run(&["client", "revoke", id]);
    assert!(revoked.status.success(), "{revoked:?}");
    assert_eq!(check(&[("authorization", &token)]), 401, "revoked");
    let again = world.daemon.run(&["client", "revoke", id]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("There is no such key"), "{again:?}");
}

// R-API-1
#[test]
fn app_is_set_up_in_two_steps_and_counts_after_the_second() {
    let world = World::start();
    let bare = world.key_of("other-sign-on");
    let refused = world.post(&bare, "/token/init", &[("user", "farah"), ("type", "totp"), ("genkey", "1")]);
    assert_eq!((refused.status, refused.error()), (403, 303));
    let begun =
        world.post(&world.key, "/token/init", &[("user", "farah"), ("type", "totp"), ("genkey", "1")]);
    let detail = &begun.body["detail"];
    assert_eq!((begun.status, &detail["rollout_state"]), (200, &json!("verify")), "{begun:?}");
    let (serial, seed) = (
        detail["serial"].as_str().unwrap().to_owned(),
        detail["otpkey"]["value_b32"].as_str().unwrap().to_owned(),
    );
    assert!(detail["googleurl"]["value"].as_str().unwrap().starts_with("otpauth://totp/"));
    assert!(detail["googleurl"]["img"].as_str().unwrap().starts_with("data:image/svg+xml;base64,"));
    let login = |pass: &str| {
        world.check(&world.key, &[("user", "farah"), ("pass", pass)]).authentication().to_owned()
    };
    assert_eq!(login(&code(&seed, -1)), "REJECT", "it does not count yet");
    let confirm = |pass: &str| {
        world.post(&world.key, "/token/init", &[("serial", &serial), ("type", "totp"), ("verify", pass)])
    };
    assert_eq!(confirm("abc").status, 400);
    let of_another = [("serial", serial.as_str()), ("user", "amara"), ("verify", &code(&seed, 0))];
    assert_eq!(world.post(&world.key, "/token/init", &of_another).status, 404);
    assert_eq!(confirm(&code(&seed, 0)).body["result"]["value"], true);
    assert_eq!(confirm(&code(&seed, 1)).status, 404, "it waits no more");
    let told = world.delivered();
    assert!(told.contains("farah@example.edu"), "the owner is told: {told}");
    assert_eq!(login(&code(&seed, 0)), "REJECT", "the first code is used up");
    let listed = world.send("GET", "/token/?user=farah", &[("authorization", &world.key)], "");
    let tokens = &listed.body["result"]["value"];
    assert_eq!((&tokens["count"], &tokens["tokens"][0]["serial"]), (&json!(1), &json!(serial)), "{listed:?}");
    assert_eq!(tokens["tokens"][0]["tokentype"], "totp");
    assert!(!listed.body.to_string().contains(&seed));
    // The device is enough to say who it is, and another one does not count in its place.
    let by_serial = world.check(&world.key, &[("serial", &serial), ("pass", &code(&seed, 1))]);
    assert_eq!(by_serial.authentication(), "ACCEPT", "{by_serial:?}");
    let amara = world.someone("amara");
    let other =
        world.check(&world.key, &[("user", "amara"), ("serial", &serial), ("pass", &code(&amara.totp, 0))]);
    assert_eq!(other.authentication(), "REJECT");
}

// R-API-1
#[test]
fn status_alone_lets_in_where_a_program_looks_at_nothing_else() {
    let world = World::start();
    let (hana, webmail) = (world.someone("hana"), world.key_of("webmail"));
    let check = |key: &str, pass: &str| {
        world.post(key, "/validate/radiuscheck", &[("user", "hana"), ("pass", pass)]).status
    };
    assert_eq!(check(&webmail, &hana.password), 400, "a challenge must not look like a yes");
    assert_eq!(check(&world.key, &wrong(&hana)), 400);
    assert_eq!(check(&world.key, &code(&hana.totp, 0)), 204);
    assert_eq!(check("DWX.wrong", &code(&hana.totp, 1)), 401);
}

// R-API-1
#[test]
fn only_the_passcode_is_checked_where_the_application_may_say_so_and_the_kind_can_be_named() {
    let world = World::start();
    let (hana, webmail) = (world.someone("hana"), world.key_of("webmail"));
    let passcode = code(&hana.totp, 0);
    let refused = world.check(&webmail, &[("user", "hana"), ("pass", &passcode), ("otponly", "1")]);
    assert_eq!((refused.status, refused.error()), (403, 303));
    let of_kind = |kind: &str| {
        world.check(&world.key, &[("user", "hana"), ("pass", &passcode), ("type", kind), ("otponly", "1")])
    };
    assert_eq!(of_kind("yubikey").authentication(), "REJECT");
    assert_eq!(of_kind("push").authentication(), "REJECT");
    assert_eq!(of_kind("totp").authentication(), "ACCEPT");
}

// R-API-1
#[test]
fn realm_that_means_nothing_here_is_left_out_and_any_other_belongs_to_the_name() {
    let more = "[[api_client]]\nname = \"realm\"\nlogin = \"passcode\"\nrealms = [\"campus\"]\n";
    let world = World::with(more, &[]);
    let (amara, key) = (world.someone("amara"), world.key_of("realm"));
    let passcode = code(&amara.totp, 0);
    let check = |realm: &str| {
        world
            .check(&key, &[("user", "amara"), ("realm", realm), ("pass", &passcode)])
            .authentication()
            .to_owned()
    };
    assert_eq!(check("elsewhere.example"), "REJECT");
    assert_eq!(check("Campus"), "ACCEPT");
}

// R-API-1
#[test]
fn app_is_gone_after_so_many_wrong_first_codes_and_the_trail_has_them() {
    let world = World::start();
    let begun = world.post(&world.key, "/token/init", &[("user", "farah"), ("genkey", "1")]);
    let detail = &begun.body["detail"];
    let (serial, seed) =
        (detail["serial"].as_str().unwrap(), detail["otpkey"]["value_b32"].as_str().unwrap());
    let confirm = |pass: &str| {
        let answer = world.post(&world.key, "/token/init", &[("serial", serial), ("verify", pass)]);
        (answer.status, answer.body["result"]["error"]["message"].as_str().unwrap_or_default().to_owned())
    };
    for _ in 0..4 {
        let (status, message) = confirm("x");
        assert!(status == 400 && message.contains("Could not verify"), "{message}");
    }
    let (status, message) = confirm("x");
    assert!(status == 400 && message.contains("Set it up anew"), "{message}");
    assert_eq!(confirm(&code(seed, 0)).0, 404);
    let id = serial.strip_prefix("TOTP").unwrap().to_lowercase();
    let id = uuid::Uuid::parse_str(&id).unwrap().to_string();
    let outcomes: Vec<_> = world.trail(&id).into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(outcomes, ["refused", "refused", "refused", "refused", "refused", "done"]);
}

// R-API-1
#[test]
fn list_of_nobody_is_that_of_somebody_with_nothing() {
    let world = World::start();
    let list = |key: &str, user: &str| {
        let mut answer = world.send("GET", &format!("/token/?user={user}"), &[("authorization", key)], "");
        answer.body["time"] = Value::Null;
        (answer.status, answer.body)
    };
    let texts = world.key_of("texts");
    assert_eq!(list(&texts, "nobody"), list(&texts, "farah"));
    assert_eq!(list(&world.key, "nobody").0, 400, "who is trusted is told");
}

// R-API-1
#[test]
fn client_is_where_the_person_is_if_the_application_is_trusted() {
    let more = "[[api_client]]\nname = \"portal\"\nlogin = \"passcode\"\nmethods = [\"email\"]\ntrusted = true\n\
                [[api_client]]\nname = \"kiosk\"\nlogin = \"passcode\"\nmethods = [\"email\"]\ncodes_per_origin = 2\n";
    // One code for each place, whoever it is for, and two for all of whom nobody says where they are.
    let world = World::of(more, "[codes]\nper_origin = 1\n", &[]);
    let (trusted, plain) = (world.key_of("portal"), world.key_of("kiosk"));
    let trigger = |key: &str, user: &str, client: &str| {
        let fields = [("user", user), ("client", client)];
        world.post(key, "/validate/triggerchallenge", &fields).authentication().to_owned()
    };
    assert_eq!(trigger(&trusted, "lena", "203.0.113.1"), "CHALLENGE");
    assert_eq!(trigger(&trusted, "karim", "203.0.113.1"), "REJECT", "the same place");
    assert_eq!(trigger(&trusted, "karim", "203.0.113.2"), "CHALLENGE");
    assert_eq!(trigger(&plain, "amara", "203.0.113.3"), "CHALLENGE");
    assert_eq!(trigger(&plain, "dalia", "203.0.113.3"), "CHALLENGE", "an application is no single place");
    assert_eq!(
        trigger(&plain, "bjorn", "203.0.113.4"),
        "REJECT",
        "what it says about places is not believed"
    );
    assert_eq!(trigger(&trusted, "bjorn", "203.0.113.4"), "CHALLENGE");
}
