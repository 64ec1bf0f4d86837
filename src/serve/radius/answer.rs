//! Answers as packets, which are signed when they leave.

use super::job::Outcome;
use super::{state, wifi};
use crate::config::{Client, Config, ReplyRule};
use crate::domain::person::Person;
use crate::engine::login::Verdict;
use crate::wire::radius::{AttributeType, Code, EncodedAttribute, Encryption, Packet, Reply, ReplyTo};

/// What is typed may be a passcode, a PIN or a recovery code, which a client that heeds Prompt does not show (RFC 2869 §5.10).
const NO_ECHO: [u8; 4] = 0_u32.to_be_bytes();

/// The answer to Status-Server: an Access-Accept without attributes of its own (RFC 5997 §3).
///
/// Like [`outcome`] it is made in `buffer`, which holds it afterwards, and is `false` if there is none.
pub(super) fn status(client: &Client, request: &Packet<'_>, buffer: &mut Vec<u8>) -> bool {
    let to = ReplyTo::from(request);
    draft(Reply::within(std::mem::take(buffer), &to, Code::ACCESS_ACCEPT), client, buffer)
}

/// The answer to a login, or to a round of EAP.
pub(super) fn outcome(
    config: &Config,
    client: &Client,
    to: &ReplyTo,
    outcome: &Outcome,
    buffer: &mut Vec<u8>,
) -> bool {
    let mut begin = |code| Reply::within(std::mem::take(buffer), to, code);
    let reply = match outcome {
        Outcome::Login(Verdict::Accept { person, .. }) => {
            granted(begin(Code::ACCESS_ACCEPT), config, (client, person), |_| true)
        }
        Outcome::Login(Verdict::Challenge { prompt, state, .. }) => begin(Code::ACCESS_CHALLENGE)
            .message(prompt)
            .attribute(AttributeType::STATE, state::text(state).as_bytes())
            .attribute(AttributeType::PROMPT, &NO_ECHO),
        Outcome::Login(Verdict::Reject { message, .. }) => begin(Code::ACCESS_REJECT).message(message),
        Outcome::Eap(wifi::Reply::Request(eap, state)) => {
            let reply = begin(Code::ACCESS_CHALLENGE).eap_message(eap);
            match state {
                Some(state) => reply.attribute(AttributeType::STATE, state),
                None => reply,
            }
        }
        // Success leaves with the keys or not at all.
        Outcome::Eap(wifi::Reply::Success { eap, key, person }) => {
            let reply = begin(Code::ACCESS_ACCEPT).eap_message(eap).mppe_keys(key);
            granted(reply, config, (client, person), goes_with_eap)
        }
        // A Reply-Message does not go with EAP (RFC 3579 §2.6.5).
        Outcome::Eap(wifi::Reply::Failure { eap }) => begin(Code::ACCESS_REJECT).eap_message(eap),
        Outcome::Eap(wifi::Reply::Silence(_)) => return false,
    };
    // Without Message-Authenticator in the request, Proxy-State could be an attacker's (CVE-2024-3596). One that did
    // not fit has been dropped by `examine`, so it need not be computed again.
    let reply = if to.is_signed() { reply } else { reply.without_proxy_state() };
    draft(reply, client, buffer)
}

/// Adds what this person gets at this client.
fn granted<'r>(
    mut reply: Reply<'r>,
    config: &Config,
    (client, person): (&Client, &Person),
    wanted: impl Fn(&EncodedAttribute) -> bool,
) -> Reply<'r> {
    if client.reply_user_name {
        reply = reply.attribute(AttributeType::USER_NAME, person.username.as_str().as_bytes());
    }
    // There is one User-Name at most (RFC 2865 §5.44).
    let another = |attribute: &EncodedAttribute| {
        client.reply_user_name && is_plain(attribute, AttributeType::USER_NAME)
    };
    for rule in config.replies.iter().filter(|rule| applies(rule, client, person)) {
        let fits = |attribute: &&EncodedAttribute| wanted(attribute) && !another(attribute);
        for attribute in rule.attributes.iter().filter(fits) {
            reply = reply.encoded(attribute);
        }
    }
    reply
}

/// A Reply-Message does not, also where a rule for all clients has one.
fn goes_with_eap(attribute: &EncodedAttribute) -> bool {
    !is_plain(attribute, AttributeType::REPLY_MESSAGE)
}

fn is_plain(attribute: &EncodedAttribute, kind: AttributeType) -> bool {
    attribute.encryption == Encryption::None && attribute.bytes.first() == Some(&kind.0)
}

fn applies(rule: &ReplyRule, client: &Client, person: &Person) -> bool {
    let group = rule.groups.is_empty() || rule.groups.iter().any(|group| person.groups.contains(group));
    let here = rule.clients.is_empty() || rule.clients.contains(&client.name);
    group && here
}

fn draft(reply: Reply<'_>, client: &Client, buffer: &mut Vec<u8>) -> bool {
    match reply.draft(&client.secret) {
        Ok(bytes) => {
            *buffer = bytes;
            true
        }
        Err(error) => {
            tracing::error!(client = %client.name, %error, "no answer: it would not fit a packet; look at [[reply]]");
            false
        }
    }
}
