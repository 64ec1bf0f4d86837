//! Gateways over HTTP.

use super::{CODE, Providers, detail, good, message, send};
use crate::support::gateway::{HttpGateway, Next};
use crate::support::smtp::Certificates;
use doorward::config::Config;
use doorward::domain::method::Channel;
use doorward::domain::texts::Rendered;
use doorward::store::delivery::Outcome;
use std::path::Path;
use std::time::{Duration, Instant};

const TO: &str = "+15208782491";

fn ok(body: &str) -> Next {
    Next::Answer(200, body.to_owned())
}

fn config(dir: &Path, kind: &str, url: &str, more: &str) -> Config {
    let text = format!(
        "[[gateway]]\nname = \"g\"\nkind = \"{kind}\"\nurl = \"{url}\"\nchannels = [\"sms\", \"voice\"]\n\
         secret_file = \"gateway.secret\"\n{more}\n"
    );
    good(dir, &text)
}

fn text(message: &super::Message) -> &str {
    match &message.body {
        Rendered::Text(text) => text,
        Rendered::Mail { .. } => panic!("a mail"),
    }
}

#[tokio::test]
async fn json_gateway_gets_number_text_and_id_with_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = HttpGateway::start(None);
    gateway.will([ok("{\"id\": \"m-1\"}"), ok("{}")]);
    let url = format!("http://{}/v1/send", gateway.address);
    let config = config(
        dir.path(),
        "json",
        &url,
        "id_pointer = \"/id\"\n[message]\nsms = \"\\\"{code}\\\" \\\\ for {name}\"\n",
    );
    let providers = Providers::new(&config).unwrap();
    let one = message(&config, Channel::Sms, TO);
    assert_eq!(send(&providers, &one).await, Outcome::Sent("200 OK, id m-1".to_owned()));
    let two = message(&config, Channel::Voice, TO);
    assert_eq!(send(&providers, &two).await, Outcome::Sent("200 OK".to_owned()));
    let asked = &gateway.asked()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/v1/send"));
    assert_eq!(asked.header("authorization"), Some("Bearer token-of-the-gateway"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    let wanted =
        serde_json::json!({"to": TO, "text": text(&one), "id": one.id.to_string(), "channel": "sms"});
    assert_eq!(asked.json(), wanted);
    assert_eq!(gateway.unique("id"), 2);
}

#[tokio::test]
async fn twilio_gets_forms_for_texts_and_calls() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = HttpGateway::start(None);
    gateway.will([
        Next::Answer(201, "{\"sid\":\"SM1\",\"body\":\"739184\"}".to_owned()),
        Next::Answer(201, "{\"sid\":\"CA1\"}".to_owned()),
    ]);
    let url = format!("http://{}", gateway.address);
    let more = "account = \"AC123\"\nfrom = \"+15550100\"\n[institution]\nname = \"A & B <C>\"\norigin = \"sign.example.org\"\n";
    let config = config(dir.path(), "twilio", &url, more);
    let providers = Providers::new(&config).unwrap();
    let sms = message(&config, Channel::Sms, TO);
    assert_eq!(send(&providers, &sms).await, Outcome::Sent("201 Created, id SM1".to_owned()));
    let call = message(&config, Channel::Voice, TO);
    assert_eq!(send(&providers, &call).await, Outcome::Sent("201 Created, id CA1".to_owned()));
    let asked = gateway.asked();
    let basic = data_encoding::BASE64.encode(b"AC123:token-of-the-gateway");
    for (asked, resource) in asked.iter().zip(["Messages", "Calls"]) {
        assert_eq!(asked.path, format!("/2010-04-01/Accounts/AC123/{resource}.json"));
        assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(asked.header("authorization"), Some(format!("Basic {basic}").as_str()));
        assert_eq!(
            (asked.field("To").as_deref(), asked.field("From").as_deref()),
            (Some(TO), Some("+15550100"))
        );
    }
    assert_eq!(asked[0].field("Body").as_deref(), Some(text(&sms)));
    assert!(text(&sms).ends_with("\n@sign.example.org #739184"));
    let twiml = asked[1].field("Twiml").unwrap();
    assert!(
        twiml.starts_with("<Response><Pause length=\"1\"/><Say>Hello. This is A &amp; B &lt;C&gt;."),
        "{twiml}"
    );
    assert!(
        twiml.ends_with("</Say></Response>") && twiml.matches("7, 3, 9, 1, 8, 4").count() == 2,
        "{twiml}"
    );
}

#[tokio::test]
async fn any_request_can_be_described_and_values_stay_in_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = HttpGateway::start(None);
    let basic = format!("Basic {}", data_encoding::BASE64.encode(b"uni:token-of-the-gateway"));
    let shown = format!(
        "ERR Authorization: {basic} of token%2Dof%2dthe-gateway for 7%2C%203%2C%209%2C%201%2C%208%2C%204"
    );
    gateway.will([ok("OK 4711"), ok("OK 4712"), ok("ERR 301 no credit"), ok(&shown)]);
    let name = "[message]\nsms = \"{name}: {code}&x=1\"\n";
    let get = format!("http://{}/send?to={{to}}&text={{text}}&ref={{id}}", gateway.address);
    let more = format!("method = \"GET\"\nheaders = [\"X-Api-Key: {{secret}}\", \"X-To: {{to}}\"]\n{name}");
    let by_get = config(dir.path(), "http", &get, &more);
    let one = message(&by_get, Channel::Sms, TO);
    assert!(matches!(send(&Providers::new(&by_get).unwrap(), &one).await, Outcome::Sent(_)));
    let form = format!("http://{}/sms", gateway.address);
    let more = format!(
        "method = \"PUT\"\ncontent_type = \"application/x-www-form-urlencoded; charset=utf-8\"\nuser = \"uni\"\n\
         body = \"to={{to}}&text={{text}}&code={{code_spelled}}&from={{from}}\"\nfrom = \"Uni & Co\"\nsuccess_body = \"OK\"\n{name}"
    );
    let by_form = config(dir.path(), "http", &form, &more);
    let providers = Providers::new(&by_form).unwrap();
    assert!(matches!(send(&providers, &one).await, Outcome::Sent(_)));
    let no = send(&providers, &message(&by_form, Channel::Sms, TO)).await;
    assert!(matches!(&no, Outcome::Unknown(detail) if detail.contains("ERR 301 no credit")), "{no:?}");
    let no = send(&providers, &message(&by_form, Channel::Sms, TO)).await;
    assert!(detail(&no).ends_with("ERR Authorization: Basic •••••• of •••••• for ••••••"), "{no:?}");
    let asked = gateway.asked();
    let query = doorward::base::percent_decode(
        asked[0].path.split("text=").nth(1).unwrap().split("&ref").next().unwrap(),
    );
    assert_eq!((asked[0].method.as_str(), query.as_deref()), ("GET", Some(text(&one))));
    assert!(
        asked[0].path.starts_with("/send?to=%2B15208782491&text=Ann%20%22O%22%20%3CM%C3%BCller%3E"),
        "{asked:?}"
    );
    assert_eq!(
        (asked[0].header("x-api-key"), asked[0].header("x-to")),
        (Some("token-of-the-gateway"), Some(TO))
    );
    assert_eq!((asked[0].header("authorization"), asked[0].header("content-type")), (None, None));
    assert_eq!((asked[1].method.as_str(), asked[1].field("text").as_deref()), ("PUT", Some(text(&one))));
    assert_eq!(
        (asked[1].field("from").as_deref(), asked[1].field("code").as_deref()),
        (Some("Uni & Co"), Some("7, 3, 9, 1, 8, 4"))
    );
    assert_eq!(asked[1].header("authorization"), Some(basic.as_str()));
}

#[tokio::test]
async fn status_tells_what_became_of_it_and_doubt_counts_as_doubt() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = HttpGateway::start(None);
    let url = format!("http://{}/", gateway.address);
    let config = config(dir.path(), "json", &url, "timeout = \"1s\"");
    let answer = |status| Next::Answer(status, format!("sorry for {CODE}"));
    for (next, kind) in [
        (answer(400), "refused"),
        (answer(422), "refused"),
        (answer(409), "refused"),
        (answer(404), "not taken"),
        (answer(405), "not taken"),
        (answer(410), "not taken"),
        (answer(401), "not taken"),
        (answer(403), "not taken"),
        (answer(408), "not taken"),
        (answer(425), "not taken"),
        (answer(429), "not taken"),
        (answer(503), "not taken"),
        (Next::Redirect(302, format!("{url}elsewhere")), "not taken"),
        (Next::Redirect(307, format!("{url}elsewhere")), "not taken"),
        (Next::Redirect(303, format!("{url}result")), "unknown"),
        (answer(500), "unknown"),
        (answer(502), "unknown"),
        (answer(504), "unknown"),
        (Next::Half(500), "unknown"),
        (Next::Close, "unknown"),
        (Next::Hang, "unknown"),
        (Next::Half(200), "sent"),
    ] {
        let shown = format!("{next:?}");
        gateway.will([next]);
        // Each with providers of its own: one that fails again and again would rest.
        let outcome = send(&Providers::new(&config).unwrap(), &message(&config, Channel::Sms, TO)).await;
        let found = match &outcome {
            Outcome::Sent(_) => "sent",
            Outcome::NotTaken(_) => "not taken",
            Outcome::Refused(_) => "refused",
            Outcome::Unknown(_) => "unknown",
        };
        assert_eq!(found, kind, "{shown}: {outcome:?}");
        if shown.starts_with("Answer") {
            assert!(detail(&outcome).contains("sorry for ••••••"), "{outcome:?}");
        }
    }
    assert_eq!(gateway.unique("id"), 22, "nothing was sent twice, and no redirect followed");
}

#[tokio::test]
async fn gateway_that_is_not_there_or_not_trusted_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(dir.path());
    let gateway = HttpGateway::start(Some(&certificates));
    let url = format!("https://localhost:{}/", gateway.address.port());
    let trusted = config(dir.path(), "json", &url, "ca_file = \"ca.pem\"");
    gateway.will([ok("{}")]);
    let outcome = send(&Providers::new(&trusted).unwrap(), &message(&trusted, Channel::Sms, TO)).await;
    assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
    let stranger = config(dir.path(), "json", &url, "");
    let outcome = send(&Providers::new(&stranger).unwrap(), &message(&stranger, Channel::Sms, TO)).await;
    assert!(matches!(&outcome, Outcome::NotTaken(detail) if detail.contains("certificate")), "{outcome:?}");
    assert_eq!(gateway.asked().len(), 1);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = config(dir.path(), "json", &format!("http://{nobody}/?{{id}}"), "");
    let outcome = send(&Providers::new(&closed).unwrap(), &message(&closed, Channel::Sms, TO)).await;
    assert!(matches!(&outcome, Outcome::NotTaken(detail) if !detail.contains("http://")), "{outcome:?}");
}

#[tokio::test]
async fn provider_that_fails_again_and_again_rests_and_messages_go_on_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = HttpGateway::start(None);
    let config = config(dir.path(), "json", &format!("http://{}/", gateway.address), "");
    let providers = Providers::new(&config).unwrap();
    gateway.will([404, 405, 410, 503].map(|status| Next::Answer(status, String::new())));
    for _ in 0..4 {
        assert!(matches!(send(&providers, &message(&config, Channel::Sms, TO)).await, Outcome::NotTaken(_)));
    }
    let begun = Instant::now();
    let outcome = send(&providers, &message(&config, Channel::Sms, TO)).await;
    assert!(matches!(&outcome, Outcome::NotTaken(detail) if detail.contains("rests")), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(1) && gateway.asked().len() == 4);
}

#[tokio::test]
async fn gateway_that_answers_but_not_with_success_need_not_rest() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = HttpGateway::start(None);
    let config =
        config(dir.path(), "json", &format!("http://{}/", gateway.address), "success_body = \"OK\"\n");
    let providers = Providers::new(&config).unwrap();
    gateway.will((0..8).map(|_| ok("ERR no such number")).chain([ok("OK")]));
    for _ in 0..8 {
        let outcome = send(&providers, &message(&config, Channel::Sms, TO)).await;
        assert!(matches!(&outcome, Outcome::Unknown(why) if why.contains("no such number")), "{outcome:?}");
    }
    assert!(matches!(send(&providers, &message(&config, Channel::Sms, TO)).await, Outcome::Sent(_)));
    // Half of such an answer is a failure as before.
    gateway.will((0..4).map(|_| Next::Half(200)));
    for _ in 0..4 {
        assert!(matches!(send(&providers, &message(&config, Channel::Sms, TO)).await, Outcome::Unknown(_)));
    }
    let outcome = send(&providers, &message(&config, Channel::Sms, TO)).await;
    assert!(matches!(&outcome, Outcome::NotTaken(why) if why.contains("rests")), "{outcome:?}");
}
