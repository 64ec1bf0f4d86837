//! Answers as packets.

use crate::config::{Client, Config, ReplyRule};
use crate::domain::person::Person;
use crate::engine::login::Verdict;
use crate::wire::radius::{AttributeType, Code, Packet, Reply};
use std::sync::Arc;

/// The answer to Status-Server: an Access-Accept without attributes of its own (RFC 5997 §3).
pub(super) fn status(client: &Client, request: &Packet<'_>) -> Option<Arc<[u8]>> {
    seal(Reply::to(request, Code::ACCESS_ACCEPT), client)
}

/// The answer to a login.
pub(super) fn verdict(
    config: &Config,
    client: &Client,
    request: &Packet<'_>,
    verdict: &Verdict,
) -> Option<Arc<[u8]>> {
    let reply = match verdict {
        Verdict::Accept { person, .. } => {
            let mut reply = Reply::to(request, Code::ACCESS_ACCEPT);
            for rule in config.replies.iter().filter(|rule| applies(rule, client, person)) {
                for attribute in &rule.attributes {
                    reply = reply.encoded(attribute);
                }
            }
            reply
        }
        Verdict::Challenge { prompt, state, .. } => {
            Reply::to(request, Code::ACCESS_CHALLENGE).message(prompt).attribute(AttributeType::STATE, state)
        }
        Verdict::Reject { message, .. } => Reply::to(request, Code::ACCESS_REJECT).message(message),
    };
    // Without Message-Authenticator in the request, Proxy-State could be an attacker's (CVE-2024-3596). One that did
    // not fit has been dropped by `examine`, so it need not be computed again.
    let reply = match request.first(AttributeType::MESSAGE_AUTHENTICATOR) {
        Some(_) => reply,
        None => reply.without_proxy_state(),
    };
    seal(reply, client)
}

fn applies(rule: &ReplyRule, client: &Client, person: &Person) -> bool {
    let group = rule.groups.is_empty() || rule.groups.iter().any(|group| person.groups.contains(group));
    let here = rule.clients.is_empty() || rule.clients.contains(&client.name);
    group && here
}

fn seal(reply: Reply<'_>, client: &Client) -> Option<Arc<[u8]>> {
    match reply.seal(&client.secret) {
        Ok(bytes) => Some(Arc::from(bytes)),
        Err(error) => {
            tracing::error!(client = %client.name, %error, "no answer: it would not fit a packet; look at [[reply]]");
            None
        }
    }
}
