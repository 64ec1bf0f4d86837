//! Packets of EAP-MSCHAPv2, as they stand behind the type (draft-kamath-pppext-eap-mschapv2).

/// Operation codes.
const CHALLENGE: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;
/// Peer challenge, eight octets of nothing, response, flags.
const VALUE: usize = 49;

/// What a peer has sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FromPeer<'a> {
    /// Its response.
    Response {
        /// Of the challenge.
        identifier: u8,
        /// Its own challenge.
        peer_challenge: &'a [u8; 16],
        /// What it computed.
        response: &'a [u8; 24],
        /// The name that it computed with.
        name: &'a [u8],
    },
    /// It has seen that we know the password as well.
    Success,
    /// It has seen that it failed.
    Failure,
}

impl<'a> FromPeer<'a> {
    /// Reads it; `None` if it is malformed or something else.
    pub fn decode(data: &'a [u8]) -> Option<Self> {
        match data {
            [SUCCESS] => Some(FromPeer::Success),
            [FAILURE] => Some(FromPeer::Failure),
            [RESPONSE, identifier, high, low, size, rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if length != data.len() || usize::from(*size) != VALUE {
                    return None;
                }
                let (value, name) = rest.split_at_checked(VALUE)?;
                let (peer_challenge, value) = value.split_first_chunk::<16>()?;
                let (_, value) = value.split_first_chunk::<8>()?;
                let (response, _) = value.split_first_chunk::<24>()?;
                Some(FromPeer::Response { identifier: *identifier, peer_challenge, response, name })
            }
            _ => None,
        }
    }
}

fn packet(code: u8, identifier: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 4).unwrap_or(u16::MAX).to_be_bytes();
    [&[code, identifier, length[0], length[1]], body].concat()
}

/// A challenge of `name`.
pub fn challenge(identifier: u8, challenge: &[u8; 16], name: &str) -> Vec<u8> {
    packet(CHALLENGE, identifier, &[&[16], &challenge[..], name.as_bytes()].concat())
}

/// That the response is right; `message` shows that we know the password (`S=…`).
pub fn success(identifier: u8, message: &str) -> Vec<u8> {
    packet(SUCCESS, identifier, message.as_bytes())
}

/// That it is wrong: error 691, and no second try.
pub fn failure(identifier: u8, challenge: &[u8; 16]) -> Vec<u8> {
    let challenge = data_encoding::HEXUPPER.encode(challenge);
    packet(FAILURE, identifier, format!("E=691 R=0 C={challenge} V=3 M=Login failed.").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_is_taken_apart_and_what_has_another_length_is_none() {
        let mut data = vec![RESPONSE, 9, 0, 57, 49];
        data.extend([1; 16].into_iter().chain([0; 8]).chain([2; 24]).chain([0]));
        data.extend(b"ann");
        let expected =
            FromPeer::Response { identifier: 9, peer_challenge: &[1; 16], response: &[2; 24], name: b"ann" };
        assert!(FromPeer::decode(&data) == Some(expected));
        for length in 0..data.len() {
            assert!(FromPeer::decode(&data[..length]).is_none(), "{length}");
        }
        data[4] = 48;
        assert!(FromPeer::decode(&data).is_none());
        assert!(FromPeer::decode(&[SUCCESS]) == Some(FromPeer::Success));
    }

    #[test]
    fn challenge_tells_its_length_and_name() {
        let bytes = challenge(5, &[7; 16], "doorward");
        assert_eq!(bytes[..5], [1, 5, 0, 29, 16]);
        assert_eq!(bytes[21..], *b"doorward");
    }
}
