//! What a request to check somebody's passcode asks.

use super::Parameters;
use crate::base::Secret;
use data_encoding::HEXLOWER_PERMISSIVE;
use std::net::IpAddr;

/// Octets of what a transaction stands for, and of what follows it.
const STATE: usize = 24;

/// A transaction id: the State of a challenge, and a number of ours that says what it asked for. Sent as text, because some
/// plug-ins read numbers with too few digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// The State.
    pub state: [u8; STATE],
    /// What it asked for.
    pub asked: u8,
}

impl Transaction {
    /// From text; `None`: it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok()?;
        let (state, rest) = bytes.split_first_chunk::<STATE>()?;
        let [asked] = rest else { return None };
        Some(Self { state: *state, asked: *asked })
    }
}

impl std::fmt::Display for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.state))?;
        write!(f, "{:02x}", self.asked)
    }
}

/// The fields of `/validate/check` and its kin.
#[derive(Debug)]
pub struct Check<'p> {
    /// The username.
    pub user: Option<&'p str>,
    /// The realm beside it.
    pub realm: Option<&'p str>,
    /// The device, if one is meant.
    pub serial: Option<&'p str>,
    /// What was typed.
    pub pass: Secret<Vec<u8>>,
    /// The challenge that it answers, as it came.
    pub transaction: Option<&'p str>,
    /// Kinds of passcodes that are meant.
    pub kind: Option<&'p str>,
    /// Whether only the passcode is to be checked.
    pub otponly: bool,
    /// Where the person is, as the application says.
    pub client: Option<IpAddr>,
}

impl<'p> Check<'p> {
    /// Reads the fields.
    pub fn of(fields: &'p Parameters) -> Self {
        let pass = fields.secret("pass").map(|pass| pass.expose().clone().into_bytes()).unwrap_or_default();
        Self {
            user: fields.text("user").or_else(|| fields.text("username")),
            realm: fields.text("realm"),
            serial: fields.text("serial"),
            pass: Secret::new(pass),
            transaction: fields.text("transaction_id").or_else(|| fields.text("state")),
            kind: fields.text("type"),
            otponly: fields.flag("otponly"),
            client: fields.text("client").and_then(|client| client.parse().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-API-1
    #[test]
    fn transaction_is_text_and_comes_back_as_it_was() {
        let transaction = Transaction { state: [0xa7; STATE], asked: 3 };
        let text = transaction.to_string();
        assert_eq!(text.len(), 50);
        assert_eq!(Transaction::parse(&text), Some(transaction));
        for wrong in ["", "12345678901234567890", &text[2..], "zz"] {
            assert_eq!(Transaction::parse(wrong), None, "{wrong}");
        }
    }

    // R-API-1
    #[test]
    fn fields_have_two_names_where_plug_ins_have_two() {
        let fields =
            Parameters::of_form("user=ann&pass=1&state=ab&client=192.0.2.1&type=totp&otponly=1").unwrap();
        let check = Check::of(&fields);
        assert_eq!((check.user, check.transaction, check.kind), (Some("ann"), Some("ab"), Some("totp")));
        assert!(check.otponly && check.client.is_some());
    }
}
