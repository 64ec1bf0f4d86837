//! The Basic Encoding Rules as LDAP restricts them (RFC 4511 §5.1): definite lengths, tags of one octet.

use zeroize::Zeroizing;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// An element says that it is longer than what holds it.
    #[error("an element is longer than what holds it")]
    Truncated,
    /// Indefinite, or of more than four octets.
    #[error("a length is indefinite or has more than four octets")]
    Length,
    /// A tag of several octets, which LDAP does not have.
    #[error("a tag has several octets")]
    Tag,
    /// More than [`super::MAX_MESSAGE`] octets.
    #[error("a message is longer than 16 MiB")]
    TooLong,
    /// Something else stands where the grammar wants an element.
    #[error("{0} is missing or is something else")]
    Unexpected(&'static str),
}

/// One element: its identifier octet and its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'b> {
    /// Class, constructed bit and number.
    pub(super) tag: u8,
    /// The content octets.
    pub(super) content: &'b [u8],
}

impl<'b> Element<'b> {
    /// The elements in it.
    pub(super) const fn inside(&self) -> Reader<'b> {
        Reader(self.content)
    }

    /// As a number that fits 64 bits.
    pub(super) fn integer(&self) -> Result<i64, Malformed> {
        let [first, rest @ ..] = self.content else { return Err(Malformed::Unexpected("a number")) };
        if rest.len() > 7 {
            return Err(Malformed::Unexpected("a number"));
        }
        let start = if *first & 0x80 != 0 { -1 } else { 0 };
        Ok(self.content.iter().fold(start, |value, octet| value << 8 | i64::from(*octet)))
    }
}

/// Elements one after another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    /// INTEGER
    pub(super) const INTEGER: u8 = 0x02;
    /// OCTET STRING
    pub(super) const OCTETS: u8 = 0x04;
    /// ENUMERATED
    pub(super) const ENUMERATED: u8 = 0x0a;
    /// BOOLEAN
    pub(super) const BOOLEAN: u8 = 0x01;
    /// SEQUENCE
    pub(super) const SEQUENCE: u8 = 0x30;
    /// SET
    pub(super) const SET: u8 = 0x31;

    /// Over `bytes`.
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tag of the next element.
    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Element<'b>>, Malformed> {
        let Some(tag) = self.peek() else { return Ok(None) };
        let (header, length) = header(self.0)?.ok_or(Malformed::Truncated)?;
        let end = header.checked_add(length).ok_or(Malformed::Length)?;
        let content = self.0.get(header..end).ok_or(Malformed::Truncated)?;
        self.0 = self.0.get(end..).unwrap_or_default();
        Ok(Some(Element { tag, content }))
    }

    /// The next element, which must have this tag; `what` names it in the error.
    pub(super) fn expect(&mut self, tag: u8, what: &'static str) -> Result<Element<'b>, Malformed> {
        match self.next()? {
            Some(element) if element.tag == tag => Ok(element),
            _ => Err(Malformed::Unexpected(what)),
        }
    }

    /// The next element if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Element<'b>>, Malformed> {
        if self.peek() == Some(tag) { self.next() } else { Ok(None) }
    }
}

/// Octets of the identifier and length at the start of `bytes`, and the length; `None` if more are needed.
pub(super) fn header(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let [tag, rest @ ..] = bytes else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(Malformed::Tag);
    }
    let [first, rest @ ..] = rest else { return Ok(None) };
    if first & 0x80 == 0 {
        return Ok(Some((2, usize::from(*first))));
    }
    let octets = usize::from(first & 0x7f);
    if octets == 0 || octets > 4 {
        return Err(Malformed::Length);
    }
    let Some(length) = rest.get(..octets) else { return Ok(None) };
    Ok(Some((2 + octets, length.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)))))
}

/// Writes elements. What it holds is wiped when it is dropped: it may be a password.
#[derive(Default)]
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// Adds what is encoded already.
    #[must_use]
    pub(super) fn raw(mut self, elements: &[u8]) -> Self {
        self.0.extend_from_slice(elements);
        self
    }

    /// Adds a number.
    #[must_use]
    pub(super) fn integer(self, tag: u8, number: i32) -> Self {
        self.element(tag, &number.to_be_bytes())
    }

    /// Adds an element.
    #[must_use]
    pub(super) fn element(mut self, tag: u8, content: &[u8]) -> Self {
        self.0.push(tag);
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        if length < 0x80 {
            self.0.push(length.to_be_bytes()[3]);
        } else {
            self.0.push(0x84);
            self.0.extend(length.to_be_bytes());
        }
        self.0.extend_from_slice(content);
        self
    }

    /// What was written.
    pub(super) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let long = vec![7; 300];
        let bytes = Writer::default().element(Reader::OCTETS, b"a").element(Reader::OCTETS, &long).finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.next().unwrap().unwrap().content, b"a");
        assert_eq!(reader.expect(Reader::OCTETS, "octets").unwrap().content, long);
        assert!(reader.is_empty());
    }

    #[test]
    fn numbers_keep_their_sign() {
        let number = |content| Element { tag: Reader::INTEGER, content }.integer();
        assert_eq!(number(&[0xff]), Ok(-1));
        assert_eq!(number(&[0x00, 0xff]), Ok(255));
        assert_eq!(number(&[0x7f; 8]), Ok(0x7f7f_7f7f_7f7f_7f7f));
        assert!(number(&[]).is_err() && number(&[1; 9]).is_err());
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(Reader::new(&[4, 5, 1]).next(), Err(Malformed::Truncated));
        assert_eq!(Reader::new(&[4, 0x80, 0, 0]).next(), Err(Malformed::Length));
        assert_eq!(Reader::new(&[4, 0x85, 0, 0, 0, 0, 1, 1]).next(), Err(Malformed::Length));
        assert_eq!(Reader::new(&[0x1f, 0x81, 0]).next(), Err(Malformed::Tag));
    }
}
