//! Answers of a server (RFC 4511 §4.1.1, §4.1.9), read strictly: what is not as the grammar says is an error, whatever it
//! would have meant.

use super::ber::{Element, Malformed, Reader, header};

/// Longest message in octets.
pub const MAX_MESSAGE: usize = 16 << 20;

/// Octets of the message that `bytes` begin with; `None` if more are needed to tell.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    if bytes.first().is_some_and(|tag| *tag != Reader::SEQUENCE) {
        return Err(Malformed::Unexpected("an LDAP message"));
    }
    let Some((header, length)) = header(bytes)? else { return Ok(None) };
    match header.checked_add(length) {
        Some(whole) if whole <= MAX_MESSAGE => Ok(Some(whole)),
        _ => Err(Malformed::TooLong),
    }
}

/// The end of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome<'b> {
    /// The result code.
    pub code: u32,
    /// The server's own words.
    pub diagnostic: &'b str,
}

/// An entry that a search found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Its name as the server writes it.
    pub dn: String,
    /// Names of attributes, as the server writes them, with their values.
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// Values of an attribute; names are compared without case, options (`;lang-de`) are not looked at.
    pub fn values(&self, attribute: &str) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(attribute));
        found.map_or(&[], |(_, values)| values.as_slice())
    }

    /// The first value that is text and not empty.
    pub fn text(&self, attribute: &str) -> Option<&str> {
        let texts = self.values(attribute).iter().filter_map(|value| std::str::from_utf8(value).ok());
        texts.map(str::trim).find(|text| !text.is_empty())
    }
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response<'b> {
    /// Of a bind.
    Bind(Outcome<'b>),
    /// An entry.
    Entry(Entry),
    /// A referral to another server, which is not followed.
    Reference,
    /// The end of a search.
    SearchDone(Outcome<'b>),
    /// Of a modification.
    Modify(Outcome<'b>),
    /// Of an extended operation; with message id 0, the notice that the server ends the connection.
    Extended(Outcome<'b>),
    /// Between the entries of a search: its name and value.
    Intermediate(&'b str, &'b [u8]),
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'b> {
    /// Id of the request that it answers; 0: none.
    pub id: i32,
    /// What it says.
    pub response: Response<'b>,
    controls: Vec<(&'b str, Option<&'b [u8]>)>,
}

impl<'b> Message<'b> {
    /// Reads one whole message.
    pub fn parse(message: &'b [u8]) -> Result<Self, Malformed> {
        let mut outer = Reader::new(message);
        let mut envelope = outer.expect(Reader::SEQUENCE, "an LDAP message")?.inside();
        let id = envelope.expect(Reader::INTEGER, "the message id")?.integer()?;
        let id = i32::try_from(id).ok().filter(|id| *id >= 0);
        let id = id.ok_or(Malformed::Unexpected("the message id"))?;
        let operation = envelope.next()?.ok_or(Malformed::Unexpected("the operation"))?;
        let response = response(operation)?;
        let mut controls = Vec::new();
        // Active Directory puts the name of its notice of disconnection outside (tag 0x8a).
        match envelope.next()? {
            Some(list) if list.tag == 0xa0 => read_controls(list, &mut controls)?,
            Some(name) if name.tag == 0x8a && id == 0 => {}
            Some(_) => return Err(Malformed::Unexpected("the controls")),
            None => {}
        }
        end(envelope)?;
        end(outer)?;
        Ok(Self { id, response, controls })
    }

    /// The value of a control: `None` if it is not there, empty if it has none.
    pub fn control(&self, oid: &str) -> Option<&'b [u8]> {
        let found = self.controls.iter().find(|(kind, _)| *kind == oid)?;
        Some(found.1.unwrap_or_default())
    }
}

fn read_controls<'b>(
    list: Element<'b>,
    into: &mut Vec<(&'b str, Option<&'b [u8]>)>,
) -> Result<(), Malformed> {
    let mut list = list.inside();
    while let Some(control) = list.next()? {
        let mut parts = tagged(control, Reader::SEQUENCE, "a control")?.inside();
        let kind = text(parts.expect(Reader::OCTETS, "the type of a control")?)?;
        parts.optional(Reader::BOOLEAN)?;
        let value = parts.optional(Reader::OCTETS)?;
        end(parts)?;
        into.push((kind, value.map(|value| value.content)));
    }
    Ok(())
}

/// By the tag of the operation.
fn response(operation: Element<'_>) -> Result<Response<'_>, Malformed> {
    match operation.tag {
        0x61 => Ok(Response::Bind(outcome(operation)?)),
        0x64 => Ok(Response::Entry(entry(operation)?)),
        0x65 => Ok(Response::SearchDone(outcome(operation)?)),
        0x67 => Ok(Response::Modify(outcome(operation)?)),
        0x73 => Ok(Response::Reference),
        0x78 => Ok(Response::Extended(outcome(operation)?)),
        0x79 => {
            let mut inside = operation.inside();
            let name = inside.optional(0x80)?.map(text).transpose()?.unwrap_or_default();
            let value = inside.optional(0x81)?.map(|value| value.content).unwrap_or_default();
            end(inside)?;
            Ok(Response::Intermediate(name, value))
        }
        _ => Err(Malformed::Unexpected("a response")),
    }
}

fn outcome(operation: Element<'_>) -> Result<Outcome<'_>, Malformed> {
    let mut inside = operation.inside();
    let code = inside.expect(Reader::ENUMERATED, "the result code")?.integer()?;
    inside.expect(Reader::OCTETS, "the matched DN")?;
    let diagnostic = inside.expect(Reader::OCTETS, "the diagnostic message")?.content;
    // Referrals, SASL credentials, name and value of an extended response: not needed.
    while inside.next()?.is_some() {}
    let code = u32::try_from(code).map_err(|_| Malformed::Unexpected("the result code"))?;
    // Some servers write their words in a character set of their own; that is no reason to lose the code.
    Ok(Outcome { code, diagnostic: std::str::from_utf8(diagnostic).unwrap_or_default() })
}

fn entry(operation: Element<'_>) -> Result<Entry, Malformed> {
    let mut inside = operation.inside();
    let dn = text(inside.expect(Reader::OCTETS, "the DN of an entry")?)?.to_owned();
    let mut list = inside.expect(Reader::SEQUENCE, "the attributes of an entry")?.inside();
    end(inside)?;
    let mut attributes = Vec::new();
    while let Some(attribute) = list.next()? {
        let mut parts = tagged(attribute, Reader::SEQUENCE, "an attribute")?.inside();
        let name = text(parts.expect(Reader::OCTETS, "the name of an attribute")?)?;
        let mut set = parts.expect(Reader::SET, "the values of an attribute")?.inside();
        end(parts)?;
        let mut values = Vec::new();
        while let Some(value) = set.next()? {
            values.push(tagged(value, Reader::OCTETS, "a value")?.content.to_vec());
        }
        attributes.push((name.to_owned(), values));
    }
    Ok(Entry { dn, attributes })
}

fn tagged<'b>(element: Element<'b>, tag: u8, what: &'static str) -> Result<Element<'b>, Malformed> {
    if element.tag == tag { Ok(element) } else { Err(Malformed::Unexpected(what)) }
}

fn text(element: Element<'_>) -> Result<&str, Malformed> {
    std::str::from_utf8(element.content).map_err(|_| Malformed::Unexpected("text in UTF-8"))
}

fn end(reader: Reader<'_>) -> Result<(), Malformed> {
    if reader.is_empty() { Ok(()) } else { Err(Malformed::Unexpected("the end of an element")) }
}

#[cfg(test)]
mod tests {
    use super::super::ber::Writer;
    use super::super::oid;
    use super::*;
    use proptest::prelude::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        with(tag, body, b"")
    }

    fn with(tag: u8, body: &[u8], controls: &[u8]) -> Vec<u8> {
        let inside =
            Writer::default().element(Reader::INTEGER, &[7]).element(tag, body).raw(controls).finish();
        Writer::default().element(Reader::SEQUENCE, &inside).finish().to_vec()
    }

    fn result(code: u8) -> Vec<u8> {
        let result = Writer::default().element(Reader::ENUMERATED, &[code]).element(Reader::OCTETS, b"");
        result.element(Reader::OCTETS, b"words").finish().to_vec()
    }

    #[test]
    fn answers_are_read() {
        let bytes = message(0x65, &result(32));
        let read = Message::parse(&bytes).unwrap();
        let done = Response::SearchDone(Outcome { code: 32, diagnostic: "words" });
        assert_eq!((read.id, read.response), (7, done));
        let values = Writer::default().element(Reader::OCTETS, b"\xff\x00").finish();
        let attribute =
            Writer::default().element(Reader::OCTETS, b"cn").element(Reader::SET, &values).finish();
        let attributes = Writer::default().element(Reader::SEQUENCE, &attribute).finish();
        let entry = Writer::default()
            .element(Reader::OCTETS, b"cn=a")
            .element(Reader::SEQUENCE, &attributes)
            .finish();
        let bytes = message(0x64, &entry);
        let Response::Entry(entry) = Message::parse(&bytes).unwrap().response else { panic!("no entry") };
        assert_eq!((entry.dn.as_str(), entry.values("CN")), ("cn=a", [vec![0xff, 0]].as_slice()));
        assert!(entry.values("sn").is_empty() && entry.text("cn").is_none());
    }

    #[test]
    fn controls_are_found() {
        let control = Writer::default()
            .element(Reader::OCTETS, oid::PASSWORD_POLICY.as_bytes())
            .element(Reader::BOOLEAN, &[0])
            .element(Reader::OCTETS, b"\x30\x03\x81\x01\x01")
            .finish();
        let list = Writer::default().element(Reader::SEQUENCE, &control).finish();
        let bytes = with(0x61, &result(49), &Writer::default().element(0xa0, &list).finish());
        let read = Message::parse(&bytes).unwrap();
        assert_eq!(read.control(oid::PASSWORD_POLICY), Some(b"\x30\x03\x81\x01\x01".as_slice()));
        assert_eq!(read.control(oid::SYNC_DONE), None);
    }

    #[test]
    fn nested_bytes_are_an_error_and_no_deep_stack() {
        let mut nested = Vec::new();
        for _ in 0..20_000 {
            nested = Writer::default().element(0x30, &nested).finish().to_vec();
        }
        assert!(Message::parse(&nested).is_err());
        assert!(Message::parse(&message(0x64, &nested)).is_err());
    }

    #[test]
    fn length_of_two_gigabytes_is_refused_at_its_first_octets() {
        assert_eq!(length(b"\x30\x84\x7f\xff\xff\xff"), Err(Malformed::TooLong));
        assert_eq!(length(b"\x30\x84\x00\xff"), Ok(None));
        assert_eq!(length(b"\x30\x03abc"), Ok(Some(5)));
        assert_eq!(length(b"HTTP/1.1"), Err(Malformed::Unexpected("an LDAP message")));
    }

    #[test]
    fn broken_grammar_is_refused() {
        for (tag, body) in [(0x61, b"".as_slice()), (0x61, b"\x0a\x00"), (0x64, b"\x04\x01\xff"), (0x7e, b"")]
        {
            assert!(Message::parse(&message(tag, body)).is_err(), "{tag:x} {body:?}");
        }
        assert!(Message::parse(&message(0x60, &result(0))).is_err(), "a request from a server");
    }

    proptest! {
        #[test]
        fn any_bytes_are_decided_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = length(&bytes);
            let _ = Message::parse(&bytes);
            for tag in [0x61, 0x64, 0x65, 0x78, 0x79] {
                let _ = Message::parse(&message(tag, &bytes));
                let _ = Message::parse(&with(tag, &result(0), &bytes));
            }
        }
    }
}
