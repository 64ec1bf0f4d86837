//! What EAP-TLS, TTLS and PEAP put behind their type: flags, the length of the whole message, and a part of it (RFC 5216 §3.1,
//! RFC 5281 §9.1).

/// Bits of the flags octet; the lower three are the version in TTLS and PEAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// The length of the whole message follows.
    pub const LENGTH: u8 = 0x80;
    /// Another fragment follows.
    pub const MORE: u8 = 0x40;
    /// The first request.
    pub const START: u8 = 0x20;
    const VERSION: u8 = 0x07;

    const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

/// Why it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// No flags, or no length where the flags say that there is one.
    #[error("flags or length are missing")]
    Truncated,
    /// A start, which only a server sends.
    #[error("a start from the peer")]
    Start,
    /// It says that another one follows, and holds nothing.
    #[error("an empty fragment with another to follow")]
    Empty,
    /// It is longer than the length that it tells.
    #[error("a fragment is longer than the whole message")]
    TooLong,
}

/// A part of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Octets of the whole message, if told.
    pub total: Option<u32>,
    /// Another one follows.
    pub more: bool,
    /// Version of TTLS or PEAP.
    pub version: u8,
    /// The part.
    pub data: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads what a peer has sent.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FragmentError> {
        let (flags, rest) = bytes.split_first().ok_or(FragmentError::Truncated)?;
        let flags = Flags(*flags);
        if flags.has(Flags::START) {
            return Err(FragmentError::Start);
        }
        let (total, data) = if flags.has(Flags::LENGTH) {
            let (total, data) = rest.split_first_chunk::<4>().ok_or(FragmentError::Truncated)?;
            (Some(u32::from_be_bytes(*total)), data)
        } else {
            (None, rest)
        };
        let more = flags.has(Flags::MORE);
        if more && data.is_empty() {
            return Err(FragmentError::Empty);
        }
        if total.is_some_and(|total| usize::try_from(total).is_ok_and(|total| data.len() > total)) {
            return Err(FragmentError::TooLong);
        }
        Ok(Self { total, more, version: flags.0 & Flags::VERSION, data })
    }

    /// An acknowledgement: nothing but flags.
    pub const fn is_acknowledgement(&self) -> bool {
        self.total.is_none() && !self.more && self.data.is_empty()
    }

    /// As it stands behind the type.
    pub fn encode(&self) -> Vec<u8> {
        let length = if self.total.is_some() { Flags::LENGTH } else { 0 };
        let more = if self.more { Flags::MORE } else { 0 };
        let mut bytes = Vec::with_capacity(self.data.len() + 5);
        bytes.push(length | more | (self.version & Flags::VERSION));
        bytes.extend(self.total.into_iter().flat_map(u32::to_be_bytes));
        bytes.extend_from_slice(self.data);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragment_is_read_as_it_was_made() {
        let cases = [
            Fragment { total: Some(7), more: true, version: 0, data: b"abcd" },
            Fragment { total: None, more: true, version: 1, data: b"ab" },
            Fragment { total: None, more: false, version: 0, data: b"c" },
        ];
        for fragment in cases {
            let bytes = fragment.encode();
            assert!(Fragment::decode(&bytes).unwrap() == fragment);
        }
        assert!(Fragment::decode(&[0]).unwrap().is_acknowledgement());
    }

    #[test]
    fn fragment_that_contradicts_itself_is_refused() {
        let cases: [(&[u8], FragmentError); 6] = [
            (&[], FragmentError::Truncated),
            (&[0x80, 0, 0, 1], FragmentError::Truncated),
            (&[0x20], FragmentError::Start),
            (&[0x40], FragmentError::Empty),
            (&[0xc0, 0, 0, 0, 9], FragmentError::Empty),
            (&[0x80, 0, 0, 0, 1, 7, 7], FragmentError::TooLong),
        ];
        for (bytes, error) in cases {
            assert_eq!(Fragment::decode(bytes).err(), Some(error), "{bytes:?}");
        }
    }
}
