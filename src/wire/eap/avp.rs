//! What a TTLS tunnel carries: Diameter AVPs, with RADIUS attributes under their own numbers (RFC 5281 §10).

/// Code, flags, length.
const HEADER: usize = 8;
const VENDOR: u8 = 0x80;
const MANDATORY: u8 = 0x40;

/// An AVP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Avp<'a> {
    /// Vendor; 0 for none.
    pub vendor: u32,
    /// Its code.
    pub code: u32,
    /// Whoever does not understand it must refuse.
    pub mandatory: bool,
    /// Its value, without padding.
    pub value: &'a [u8],
}

impl Avp<'_> {
    /// User-Name (RFC 2865).
    pub const USER_NAME: u32 = 1;
    /// User-Password (RFC 2865); in the tunnel it stands in the clear, filled up with NULs.
    pub const USER_PASSWORD: u32 = 2;
    /// EAP-Message (RFC 2869).
    pub const EAP_MESSAGE: u32 = 79;
    /// Microsoft.
    pub const MICROSOFT: u32 = 311;
    /// MS-CHAP-Challenge (RFC 2548).
    pub const MS_CHAP_CHALLENGE: u32 = 11;
    /// MS-CHAP2-Response (RFC 2548).
    pub const MS_CHAP2_RESPONSE: u32 = 25;
    /// MS-CHAP2-Success (RFC 2548).
    pub const MS_CHAP2_SUCCESS: u32 = 26;
}

/// Why bytes are no AVPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AvpError {
    /// Fewer octets than a header has.
    #[error("an AVP is shorter than its header")]
    Truncated,
    /// The length is below that of the header, or beyond the end.
    #[error("the length of an AVP does not fit")]
    Length,
}

/// AVPs one after another, each beginning at a multiple of four octets.
#[derive(Debug, Clone)]
pub struct Avps<'a> {
    rest: &'a [u8],
}

impl<'a> Avps<'a> {
    /// Over what a tunnel carried.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Avps<'a> {
    type Item = Result<Avp<'a>, AvpError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let found = avp(self.rest);
        // Nothing can be read after an error.
        self.rest = found.map_or(&[], |(_, rest)| rest);
        Some(found.map(|(avp, _)| avp))
    }
}

fn avp(bytes: &[u8]) -> Result<(Avp<'_>, &[u8]), AvpError> {
    let (code, after) = bytes.split_first_chunk::<4>().ok_or(AvpError::Truncated)?;
    let (&[flags, high, middle, low], _) = after.split_first_chunk::<4>().ok_or(AvpError::Truncated)?;
    let length = usize::try_from(u32::from_be_bytes([0, high, middle, low])).map_err(|_| AvpError::Length)?;
    let whole = bytes.get(..length).ok_or(AvpError::Length)?;
    let body = whole.get(HEADER..).ok_or(AvpError::Length)?;
    let (vendor, value) = if flags & VENDOR != 0 {
        let (vendor, value) = body.split_first_chunk::<4>().ok_or(AvpError::Length)?;
        (u32::from_be_bytes(*vendor), value)
    } else {
        (0, body)
    };
    // The last one need not be filled up.
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    let (code, mandatory) = (u32::from_be_bytes(*code), flags & MANDATORY != 0);
    Ok((Avp { vendor, code, mandatory, value }, rest))
}

/// Adds an AVP; `vendor` 0 for none. The value must be shorter than 16 MiB, which whatever fits a tunnel is.
pub fn push_avp(into: &mut Vec<u8>, vendor: u32, code: u32, value: &[u8]) {
    let header = if vendor == 0 { HEADER } else { HEADER + 4 };
    let length = u32::try_from(header + value.len()).unwrap_or_default().to_be_bytes();
    let flags = if vendor == 0 { MANDATORY } else { MANDATORY | VENDOR };
    into.extend_from_slice(&code.to_be_bytes());
    into.extend_from_slice(&[flags, length[1], length[2], length[3]]);
    if vendor != 0 {
        into.extend_from_slice(&vendor.to_be_bytes());
    }
    into.extend_from_slice(value);
    into.resize(into.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avps_are_read_as_they_were_made() {
        let mut bytes = Vec::new();
        push_avp(&mut bytes, 0, Avp::USER_NAME, b"ann");
        push_avp(&mut bytes, Avp::MICROSOFT, Avp::MS_CHAP_CHALLENGE, &[7; 16]);
        push_avp(&mut bytes, 0, Avp::USER_PASSWORD, b"");
        assert_eq!(bytes.len(), 12 + 28 + 8);
        let avps: Vec<_> = Avps::new(&bytes).map(Result::unwrap).collect();
        let seen: Vec<_> = avps.iter().map(|avp| (avp.vendor, avp.code, avp.value)).collect();
        assert_eq!(seen, [(0, 1, &b"ann"[..]), (311, 11, &[7; 16]), (0, 2, b"")]);
        assert!(avps.iter().all(|avp| avp.mandatory));
    }

    #[test]
    fn last_avp_may_lack_its_padding() {
        let bytes = [0, 0, 0, 1, 0x40, 0, 0, 11, b'a', b'n', b'n'];
        let avps: Vec<_> = Avps::new(&bytes).map(Result::unwrap).collect();
        assert!(avps.len() == 1 && avps[0].value == b"ann");
    }

    #[test]
    fn lengths_that_lie_end_the_reading() {
        let cases: [(&[u8], AvpError); 5] = [
            (&[0, 0, 0], AvpError::Truncated),
            (&[0, 0, 0, 1, 0x40, 0, 0], AvpError::Truncated),
            (&[0, 0, 0, 1, 0x40, 0, 0, 7], AvpError::Length),
            (&[0, 0, 0, 1, 0x40, 0, 0, 99, 1], AvpError::Length),
            (&[0, 0, 0, 1, 0x80, 0, 0, 10, 1, 2], AvpError::Length),
        ];
        for (bytes, error) in cases {
            let mut avps = Avps::new(bytes);
            assert_eq!(avps.next().unwrap().err(), Some(error), "{bytes:?}");
            assert!(avps.next().is_none());
        }
    }
}
