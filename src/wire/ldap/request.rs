//! Requests (RFC 4511 §4). Each is one whole message, wiped when it is dropped: it may carry a password.

use super::ber::{Reader, Writer};
use super::control::oid;
use super::filter::{Attribute, Filter};
use zeroize::Zeroizing;

/// A request as it is sent.
pub type Request = Zeroizing<Vec<u8>>;

/// A control that goes with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    oid: &'static str,
    critical: bool,
    value: Option<Vec<u8>>,
}

impl Control {
    /// Asks for the answer of a password policy.
    pub const PASSWORD_POLICY: Self = Self { oid: oid::PASSWORD_POLICY, critical: false, value: None };

    /// Deleted entries are wanted too (Active Directory).
    pub const SHOW_DELETED: Self = Self { oid: oid::SHOW_DELETED, critical: true, value: None };

    /// A page of so many entries, going on after `cookie` (RFC 2696).
    pub fn paged(size: u16, cookie: &[u8]) -> Self {
        let parts =
            Writer::default().integer(Reader::INTEGER, i32::from(size)).element(Reader::OCTETS, cookie);
        let value = Writer::default().element(Reader::SEQUENCE, &parts.finish()).finish();
        Self { oid: oid::PAGED_RESULTS, critical: true, value: Some(value.to_vec()) }
    }

    /// Content synchronisation since `cookie`, going on with changes as they happen if `persist` (RFC 4533 §2.2).
    pub fn sync_request(persist: bool, cookie: Option<&[u8]>) -> Self {
        let mode = if persist { 3 } else { 1 };
        let mut parts = Writer::default().element(Reader::ENUMERATED, &[mode]);
        if let Some(cookie) = cookie {
            parts = parts.element(Reader::OCTETS, cookie);
        }
        let value = Writer::default().element(Reader::SEQUENCE, &parts.finish()).finish();
        Self { oid: oid::SYNC_REQUEST, critical: true, value: Some(value.to_vec()) }
    }
}

fn message(id: i32, operation: u8, body: &[u8], controls: &[Control]) -> Request {
    let mut inside = Writer::default().integer(Reader::INTEGER, id).element(operation, body);
    if !controls.is_empty() {
        let list = controls.iter().fold(Writer::default(), |list, control| {
            let mut parts = Writer::default().element(Reader::OCTETS, control.oid.as_bytes());
            if control.critical {
                parts = parts.element(Reader::BOOLEAN, &[0xff]);
            }
            if let Some(value) = &control.value {
                parts = parts.element(Reader::OCTETS, value);
            }
            list.element(Reader::SEQUENCE, &parts.finish())
        });
        inside = inside.element(0xa0, &list.finish());
    }
    Writer::default().element(Reader::SEQUENCE, &inside.finish()).finish()
}

/// How to bind.
#[derive(Clone, Copy)]
pub enum Bind<'a> {
    /// By name and password.
    Simple(&'a str, &'a [u8]),
    /// As whom the transport says, for example the uid of a Unix socket (SASL EXTERNAL, RFC 4422 appendix A).
    External,
}

/// A BindRequest, with the control that asks for the password policy's answer.
///
/// An empty password would be an "unauthenticated bind" that succeeds for anybody, and an empty name an anonymous one
/// (RFC 4513 §5.1.1 and §5.1.2): `None`.
pub fn bind(id: i32, bind: Bind<'_>) -> Option<Request> {
    let start = Writer::default().element(Reader::INTEGER, &[3]);
    let body = match bind {
        Bind::Simple(dn, password) if dn.is_empty() || password.is_empty() => return None,
        Bind::Simple(dn, password) => start.element(Reader::OCTETS, dn.as_bytes()).element(0x80, password),
        Bind::External => {
            let sasl = Writer::default().element(Reader::OCTETS, b"EXTERNAL").element(Reader::OCTETS, b"");
            start.element(Reader::OCTETS, b"").element(0xa3, &sasl.finish())
        }
    };
    Some(message(id, 0x60, &body.finish(), &[Control::PASSWORD_POLICY]))
}

/// How deep a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The base alone.
    Base = 0,
    /// The base and everything below it.
    Subtree = 2,
}

/// A search; aliases are never followed.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    /// Where it begins.
    pub base: &'a str,
    /// How deep it goes.
    pub scope: Scope,
    /// What it looks for.
    pub filter: &'a Filter,
    /// What is wanted of each entry; `1.1` for nothing.
    pub attributes: &'a [Attribute],
}

/// A SearchRequest.
pub fn search(id: i32, search: Search<'_>, controls: &[Control]) -> Request {
    let names = search.attributes.iter().fold(Writer::default(), |names, attribute| {
        names.element(Reader::OCTETS, attribute.as_str().as_bytes())
    });
    let body = Writer::default()
        .element(Reader::OCTETS, search.base.as_bytes())
        .element(Reader::ENUMERATED, &[search.scope as u8])
        .element(Reader::ENUMERATED, &[0])
        .integer(Reader::INTEGER, 0)
        .integer(Reader::INTEGER, 0)
        .element(Reader::BOOLEAN, &[0])
        .raw(&search.filter.encode())
        .element(Reader::SEQUENCE, &names.finish());
    message(id, 0x63, &body.finish(), controls)
}

/// One change of an attribute.
#[derive(Clone, Copy)]
pub enum Modification<'a> {
    /// Adds this value.
    Add(&'a str, &'a [u8]),
    /// Takes this value out.
    Delete(&'a str, &'a [u8]),
    /// Takes the attribute out.
    Remove(&'a str),
    /// Has this value in place of all others.
    Replace(&'a str, &'a [u8]),
}

/// A ModifyRequest.
pub fn modify(id: i32, dn: &str, changes: &[Modification<'_>], controls: &[Control]) -> Request {
    let list = changes.iter().fold(Writer::default(), |list, change| {
        let (operation, name, value) = match change {
            Modification::Add(name, value) => (0, name, Some(value)),
            Modification::Delete(name, value) => (1, name, Some(value)),
            Modification::Remove(name) => (1, name, None),
            Modification::Replace(name, value) => (2, name, Some(value)),
        };
        let values =
            value.into_iter().fold(Writer::default(), |set, value| set.element(Reader::OCTETS, value));
        let attribute =
            Writer::default().element(Reader::OCTETS, name.as_bytes()).element(Reader::SET, &values.finish());
        let change = Writer::default()
            .element(Reader::ENUMERATED, &[operation])
            .element(Reader::SEQUENCE, &attribute.finish());
        list.element(Reader::SEQUENCE, &change.finish())
    });
    let body =
        Writer::default().element(Reader::OCTETS, dn.as_bytes()).element(Reader::SEQUENCE, &list.finish());
    message(id, 0x66, &body.finish(), controls)
}

/// An ExtendedRequest without a value, such as StartTLS (RFC 4511 §4.14.1).
pub fn extended(id: i32, oid: &str) -> Request {
    message(id, 0x77, &Writer::default().element(0x80, oid.as_bytes()).finish(), &[])
}

/// A change of password (RFC 3062): of `dn`, from `old` where the person does it, to `new`.
pub fn password_modify(id: i32, dn: &str, old: Option<&[u8]>, new: &[u8]) -> Request {
    let mut parts = Writer::default().element(0x80, dn.as_bytes());
    if let Some(old) = old {
        parts = parts.element(0x81, old);
    }
    let value = Writer::default().element(Reader::SEQUENCE, &parts.element(0x82, new).finish()).finish();
    let body = Writer::default().element(0x80, oid::PASSWORD_MODIFY.as_bytes()).element(0x81, &value);
    message(id, 0x77, &body.finish(), &[Control::PASSWORD_POLICY])
}

/// The end of a connection.
pub fn unbind(id: i32) -> Request {
    message(id, 0x42, b"", &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_is_what_rfc_4511_says() {
        let request = bind(1, Bind::Simple("cn=a", b"pw")).unwrap();
        let mut envelope = Reader::new(&request).next().unwrap().unwrap().inside();
        assert_eq!(envelope.next().unwrap().unwrap().integer(), Ok(1));
        assert_eq!(envelope.next().unwrap().unwrap().content, b"\x02\x01\x03\x04\x04cn=a\x80\x02pw");
        assert_eq!(envelope.peek(), Some(0xa0));
        let request = bind(1, Bind::External).unwrap();
        let mut envelope = Reader::new(&request).next().unwrap().unwrap().inside();
        envelope.next().unwrap();
        let body = envelope.next().unwrap().unwrap().content;
        assert_eq!(body, b"\x02\x01\x03\x04\x00\xa3\x0c\x04\x08EXTERNAL\x04\x00");
    }

    #[test]
    fn empty_password_or_name_is_never_a_bind() {
        assert!(bind(1, Bind::Simple("cn=a", b"")).is_none());
        assert!(bind(1, Bind::Simple("", b"pw")).is_none());
    }

    #[test]
    fn start_tls_is_what_rfc_4511_says() {
        let sent = extended(1, oid::START_TLS);
        assert_eq!(*sent, b"\x30\x20\x02\x04\x00\x00\x00\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037");
    }

    #[test]
    fn search_and_modify_are_read_back() {
        let attributes = [Attribute::parse("1.1").unwrap()];
        let wanted = Search {
            base: "dc=a",
            scope: Scope::Subtree,
            filter: &Filter::equal("uid", "x"),
            attributes: &attributes,
        };
        let sent = search(3, wanted, &[Control::paged(500, b"")]);
        let mut envelope = Reader::new(&sent).expect(Reader::SEQUENCE, "").unwrap().inside();
        assert_eq!(envelope.next().unwrap().unwrap().integer(), Ok(3));
        let mut body = envelope.expect(0x63, "").unwrap().inside();
        assert_eq!(body.next().unwrap().unwrap().content, b"dc=a");
        assert_eq!(body.next().unwrap().unwrap().integer(), Ok(2));
        let sent = modify(4, "dc=a", &[Modification::Remove("x"), Modification::Replace("y", b"1")], &[]);
        let mut envelope = Reader::new(&sent).expect(Reader::SEQUENCE, "").unwrap().inside();
        envelope.next().unwrap();
        let mut body = envelope.expect(0x66, "").unwrap().inside();
        body.next().unwrap();
        let mut list = body.next().unwrap().unwrap().inside();
        assert_eq!(list.next().unwrap().unwrap().content, b"\x0a\x01\x01\x30\x05\x04\x01x\x31\x00");
        assert_eq!(list.next().unwrap().unwrap().content, b"\x0a\x01\x02\x30\x08\x04\x01y\x31\x03\x04\x011");
    }
}
