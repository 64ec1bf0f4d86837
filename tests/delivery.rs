//! Messages that carry codes, to the parts that take them: a real mail server, an HTTP gateway, a real program; and the
//! configuration of all that.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

#[path = "delivery/exec.rs"]
mod exec;
#[path = "delivery/http.rs"]
mod http;
#[path = "delivery/logs.rs"]
mod logs;
#[path = "delivery/mail.rs"]
mod mail;
#[path = "delivery/texts.rs"]
mod texts;

use doorward::config::{self, Config};
use doorward::domain::message::Content;
use doorward::domain::method::Channel;
use doorward::domain::sent::CodeId;
use doorward::store::delivery::{Message, Outcome, Providers};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The code of all messages.
const CODE: &str = "739184";

fn write(dir: &Path, name: &str, text: &str, mode: u32) {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn load(dir: &Path, text: &str) -> Result<Config, String> {
    write(dir, "k1.key", &data_encoding::BASE64.encode(&[7; 32]), 0o600);
    write(dir, "gateway.secret", "token-of-the-gateway\n", 0o600);
    let text = format!("[keys]\nfiles = [\"k1.key\"]\n{text}");
    write(dir, "doorward.toml", &text, 0o600);
    config::load(&dir.join("doorward.toml"), std::iter::empty()).map_err(|errors| errors.to_string())
}

fn good(dir: &Path, text: &str) -> Config {
    load(dir, text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A message as the courier makes it.
fn message(config: &Config, channel: Channel, to: &str) -> Message {
    let content = Content {
        to: to.to_owned(),
        code: CODE.to_owned(),
        name: "Ann \"O\" <Müller> & Co".to_owned(),
        minutes: 5,
        username: String::new(),
        notice: None,
        language: None,
        campus: None,
    };
    Message {
        id: CodeId::from_uuid(uuid::Uuid::now_v7()),
        channel,
        to: to.to_owned(),
        body: config.catalogue.code(config.portal.words.choose(None, ""), channel, &content),
        code: CODE.to_owned(),
    }
}

/// Sends by the first provider that takes it.
async fn send(providers: &Providers, message: &Message) -> Outcome {
    let entry = providers.towards(message.channel, &message.to).remove(0);
    let outcome = entry.send(message, entry.timeout).await;
    let (Outcome::Sent(detail)
    | Outcome::NotTaken(detail)
    | Outcome::Refused(detail)
    | Outcome::Unknown(detail)) = &outcome;
    assert!(!detail.contains(CODE), "the code is in the detail: {detail}");
    assert!(!detail.contains('\n') && detail.chars().count() <= 201, "{detail}");
    outcome
}

fn detail(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Sent(detail)
        | Outcome::NotTaken(detail)
        | Outcome::Refused(detail)
        | Outcome::Unknown(detail) => detail,
    }
}

#[test]
fn providers_are_chosen_by_channel_and_beginning_of_the_number_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = |name: &str, more: &str| {
        format!(
            "[[gateway]]\nname = \"{name}\"\nkind = \"json\"\nurl = \"https://g.example\"\nsecret_file = \"gateway.secret\"\n{more}\n"
        )
    };
    let text = gateway("german", "prefixes = [\"+49\"]\ncost = 3")
        + &gateway("world", "cost = 9\nchannels = [\"sms\", \"voice\"]")
        + &gateway("arizona", "prefixes = [\"+1520\"]\ncost = 12");
    let config = good(dir.path(), &text);
    assert!(config.warnings.iter().any(|warning| warning.contains("daily_cost")), "{:?}", config.warnings);
    let providers = Providers::new(&config).unwrap();
    let names = |channel, to: &str| -> Vec<String> {
        providers.towards(channel, to).iter().map(|entry| entry.name.clone()).collect()
    };
    assert_eq!(names(Channel::Sms, "+491712345678"), ["german", "world"]);
    assert_eq!(names(Channel::Sms, "+15208782491"), ["world", "arizona"]);
    assert_eq!(names(Channel::Voice, "+491712345678"), ["world"]);
    assert_eq!(names(Channel::Email, "a@b.org"), [""; 0]);
    assert_eq!(providers.cost(Channel::Sms, "+491712345678"), Some(9), "at most");
    assert_eq!(providers.cost(Channel::Sms, "+15208782491"), Some(12));
    assert_eq!(providers.cost(Channel::Email, "a@b.org"), None);
    providers.reload(&good(dir.path(), &gateway("other", ""))).unwrap();
    assert_eq!(names(Channel::Sms, "+15208782491"), ["other"]);
}
