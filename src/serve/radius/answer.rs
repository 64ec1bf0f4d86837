//! Answers as packets.

use crate::config::{Client, Config, ReplyRule};
use crate::domain::person::Person;
use crate::engine::login::Verdict;
use crate::wire::radius::{AttributeType, Code, Packet, Reply, ReplyTo};

/// The answer to Status-Server: an Access-Accept without attributes of its own (RFC 5997 §3).
///
/// Like [`verdict`] it is made in `buffer`, which holds it afterwards, and is `false` if there is none.
pub(super) fn status(client: &Client, request: &Packet<'_>, buffer: &mut Vec<u8>) -> bool {
    let to = ReplyTo::from(request);
    seal(Reply::within(std::mem::take(buffer), &to, Code::ACCESS_ACCEPT), client, buffer)
}

/// The answer to a login.
pub(super) fn verdict(
    config: &Config,
    client: &Client,
    to: &ReplyTo,
    verdict: &Verdict,
    buffer: &mut Vec<u8>,
) -> bool {
    let mut begin = |code| Reply::within(std::mem::take(buffer), to, code);
    let reply = match verdict {
        Verdict::Accept { person, .. } => {
            let mut reply = begin(Code::ACCESS_ACCEPT);
            for rule in config.replies.iter().filter(|rule| applies(rule, client, person)) {
                for attribute in &rule.attributes {
                    reply = reply.encoded(attribute);
                }
            }
            reply
        }
        Verdict::Challenge { prompt, state, .. } => {
            begin(Code::ACCESS_CHALLENGE).message(prompt).attribute(AttributeType::STATE, state)
        }
        Verdict::Reject { message, .. } => begin(Code::ACCESS_REJECT).message(message),
    };
    // Without Message-Authenticator in the request, Proxy-State could be an attacker's (CVE-2024-3596). One that did
    // not fit has been dropped by `examine`, so it need not be computed again.
    let reply = if to.is_signed() { reply } else { reply.without_proxy_state() };
    seal(reply, client, buffer)
}

fn applies(rule: &ReplyRule, client: &Client, person: &Person) -> bool {
    let group = rule.groups.is_empty() || rule.groups.iter().any(|group| person.groups.contains(group));
    let here = rule.clients.is_empty() || rule.clients.contains(&client.name);
    group && here
}

fn seal(reply: Reply<'_>, client: &Client, buffer: &mut Vec<u8>) -> bool {
    match reply.seal(&client.secret) {
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
