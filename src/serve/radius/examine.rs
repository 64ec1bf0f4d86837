//! From a datagram to what it asks for: every check that needs nothing but the bytes, the source address and
//! the configuration, in the order in which they are made. Nothing here answers or remembers.
//!
//! 1. the source is a client (longest prefix); strangers learn nothing
//! 2. the bytes are a packet (RFC 2865 §3, §5)
//! 3. the code is one that this port serves
//! 4. Message-Authenticator fits if present (RFC 3579 §3.2); it must be present where the client has to send
//!    it, in Status-Server (RFC 5997 §3), beside EAP-Message (RFC 3579 §3.1), and beside Proxy-State when
//!    `limit_proxy_state` is on (CVE-2024-3596)

use super::counters::Event;
use crate::base::Secret;
use crate::config::{Client, Config};
use crate::wire::radius::{AttributeType, Code, MessageAuthenticator, Packet, ReplyTo};
use std::net::IpAddr;
use std::sync::Arc;

/// What a datagram is.
#[derive(Debug)]
#[must_use]
pub enum Examined<'c, 'b> {
    /// To be ignored, and why.
    Drop(Event, Option<&'c Arc<Client>>),
    /// Status-Server: answer at once.
    Status(&'c Arc<Client>, Packet<'b>),
    /// A login.
    Login(&'c Arc<Client>, Packet<'b>),
}

/// Checks a datagram.
pub fn examine<'c, 'b>(config: &'c Config, source: IpAddr, bytes: &'b [u8]) -> Examined<'c, 'b> {
    let Some(client) = config.clients.lookup(source) else {
        return Examined::Drop(Event::UnknownClient, None);
    };
    let Ok(packet) = Packet::decode(bytes) else {
        return Examined::Drop(Event::Malformed, Some(client));
    };
    let status = match packet.code() {
        Code::ACCESS_REQUEST => false,
        Code::STATUS_SERVER => true,
        _ => return Examined::Drop(Event::UnexpectedCode, Some(client)),
    };
    match packet.message_authenticator(&client.secret) {
        MessageAuthenticator::Valid => {}
        MessageAuthenticator::Invalid => return Examined::Drop(Event::BadAuthenticator, Some(client)),
        MessageAuthenticator::Missing => {
            let has = |kind| packet.first(kind).is_some();
            let must = status
                || client.require_message_authenticator
                || has(AttributeType::EAP_MESSAGE)
                || (client.limit_proxy_state && has(AttributeType::PROXY_STATE));
            if must {
                return Examined::Drop(Event::MissingAuthenticator, Some(client));
            }
        }
    }
    if status { Examined::Status(client, packet) } else { Examined::Login(client, packet) }
}

/// What a login round needs from an Access-Request, copied out of the packet.
#[derive(Debug)]
pub struct Wanted {
    /// User-Name; bytes that are not UTF-8 become U+FFFD, and then nobody.
    pub username: String,
    /// Revealed User-Password; `None` when there is none (CHAP, EAP).
    pub typed: Option<Secret<Vec<u8>>>,
    /// The EAP packet, if there is one.
    pub eap: Option<Vec<u8>>,
    /// Longest frame where the peer is.
    pub framed_mtu: Option<u32>,
    /// State.
    pub state: Option<Vec<u8>>,
    /// Calling-Station-Id, for the log.
    pub calling_station: String,
    /// What the answer needs.
    pub to: ReplyTo,
}

/// Reads an Access-Request; `Err` if the User-Password cannot be revealed, or EAP-Message attributes are scattered.
pub fn wanted(client: &Client, packet: &Packet<'_>) -> Result<Wanted, Event> {
    let text = |kind| {
        let value = packet.first(kind).map(|attribute| attribute.value).unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    };
    let typed = match packet.first(AttributeType::USER_PASSWORD) {
        None => None,
        Some(_) => Some(packet.user_password(&client.secret).ok_or(Event::BadPassword)?),
    };
    let eap = packet.eap_message().map_err(|_| Event::EapMalformed)?;
    Ok(Wanted {
        username: text(AttributeType::USER_NAME),
        typed,
        framed_mtu: eap.as_ref().and_then(|_| packet.framed_mtu()),
        eap,
        state: packet.first(AttributeType::STATE).map(|a| a.value.to_vec()),
        calling_station: text(AttributeType::CALLING_STATION_ID),
        to: packet.into(),
    })
}
