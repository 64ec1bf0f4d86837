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
use crate::wire::radius::{
    AttributeType, Code, MessageAuthenticator, Packet, Pad, ReplyTo, Together, Verified,
};
use smol_str::SmolStr;
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
    /// A login, with what reveals its password.
    Login(&'c Arc<Client>, Packet<'b>, Pad),
}

impl<'b> Examined<'_, 'b> {
    /// Who wants to log in, as far as there is a password to check.
    pub(super) fn username(&self) -> Option<&'b str> {
        let Examined::Login(_, packet, _) = self else { return None };
        packet.first(AttributeType::USER_PASSWORD)?;
        str::from_utf8(packet.first(AttributeType::USER_NAME)?.value).ok()
    }
}

/// Checks a datagram.
pub fn examine<'c, 'b>(config: &'c Config, source: IpAddr, bytes: &'b [u8]) -> Examined<'c, 'b> {
    let mut all = examine_all(config, std::iter::once((source, bytes)), &mut Together::default());
    all.pop().unwrap_or(Examined::Drop(Event::Faulty, None))
}

/// Checks datagrams that arrived together; tells what each is, in their order.
pub(super) fn examine_all<'c, 'b>(
    config: &'c Config,
    datagrams: impl Iterator<Item = (IpAddr, &'b [u8])>,
    together: &mut Together,
) -> Vec<Examined<'c, 'b>> {
    let read: Vec<_> = datagrams.map(|(source, bytes)| read(config, source, bytes)).collect();
    let requests = read.iter().filter_map(|one| one.as_ref().ok());
    let requests: Vec<_> = requests.map(|(client, packet)| (&client.secret, *packet)).collect();
    let mut verified = together.verify(&requests).into_iter();
    let judged = read.into_iter().map(|one| match one {
        Ok((client, packet)) => match verified.next() {
            Some(verified) => judge(client, packet, verified),
            None => Examined::Drop(Event::Faulty, Some(client)),
        },
        Err(dropped) => dropped,
    });
    judged.collect()
}

/// Everything before the authenticator.
fn read<'c, 'b>(
    config: &'c Config,
    source: IpAddr,
    bytes: &'b [u8],
) -> Result<(&'c Arc<Client>, Packet<'b>), Examined<'c, 'b>> {
    let Some(client) = config.clients.lookup(source) else {
        return Err(Examined::Drop(Event::UnknownClient, None));
    };
    let Ok(packet) = Packet::decode(bytes) else {
        return Err(Examined::Drop(Event::Malformed, Some(client)));
    };
    match packet.code() {
        Code::ACCESS_REQUEST | Code::STATUS_SERVER => Ok((client, packet)),
        _ => Err(Examined::Drop(Event::UnexpectedCode, Some(client))),
    }
}

/// What comes of it.
fn judge<'c, 'b>(client: &'c Arc<Client>, packet: Packet<'b>, verified: Verified) -> Examined<'c, 'b> {
    let status = packet.code() == Code::STATUS_SERVER;
    match verified.authenticator {
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
    if status { Examined::Status(client, packet) } else { Examined::Login(client, packet, verified.pad) }
}

/// What a login round needs from an Access-Request, copied out of the packet.
#[derive(Debug)]
pub struct Wanted {
    /// User-Name; bytes that are not UTF-8 become U+FFFD, and then nobody.
    pub username: SmolStr,
    /// Revealed User-Password; `None` when there is none (CHAP, EAP).
    pub typed: Option<Secret<Vec<u8>>>,
    /// The EAP packet, if there is one.
    pub eap: Option<Vec<u8>>,
    /// Longest frame where the peer is.
    pub framed_mtu: Option<u32>,
    /// State.
    pub state: Option<Vec<u8>>,
    /// Calling-Station-Id, for the log.
    pub calling_station: SmolStr,
    /// What the answer needs.
    pub to: ReplyTo,
}

/// Reads an Access-Request; `Err` if the User-Password cannot be revealed, or EAP-Message attributes are scattered.
pub fn wanted(client: &Client, packet: &Packet<'_>, pad: &Pad) -> Result<Wanted, Event> {
    let text = |kind| {
        let value = packet.first(kind).map(|attribute| attribute.value).unwrap_or_default();
        SmolStr::new(String::from_utf8_lossy(value))
    };
    let typed = match packet.first(AttributeType::USER_PASSWORD) {
        None => None,
        Some(_) => Some(pad.reveal(packet, &client.secret).ok_or(Event::BadPassword)?),
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
