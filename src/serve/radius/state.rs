//! The State of a login as it stands in packets: text. RFC 2865 §5.24 lets it be any octets, but ocserv takes it for a text that ends at
//! an octet of zero, and sends back what is before that.

use data_encoding::BASE64URL_NOPAD;
use std::borrow::Cow;

/// For an Access-Challenge.
pub(super) fn text(state: &[u8]) -> String {
    BASE64URL_NOPAD.encode(state)
}

/// From an Access-Request; what is no such text is taken as it is, and is nobody's State.
pub(super) fn of_text(text: &[u8]) -> Cow<'_, [u8]> {
    BASE64URL_NOPAD.decode(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_text_without_an_end_in_its_midst_and_comes_back() {
        for state in [[0; 24], [0xff; 24], std::array::from_fn(|at| u8::try_from(at).unwrap_or_default())] {
            let text = text(&state);
            assert!(
                text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet)),
                "{text}"
            );
            assert_eq!(of_text(text.as_bytes()), state.as_slice());
        }
        assert_eq!(of_text(b"\0 no text"), b"\0 no text".as_slice());
    }
}
