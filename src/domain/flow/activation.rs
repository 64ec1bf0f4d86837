//! Activating a new account (R-ACT-1 to 8).
//!
//! ```text
//!   (username) ──▶ Prove ──right──▶ Form ──saved──▶ Password ──▶ (active)
//!        └──nobody, barred, active already, or no way to get a passcode──▶ Help
//! ```
//!
//! What the form holds is written when it is saved, so an activation that is interrupted begins anew with the passcode and finds
//! it there. The account stays new, and lets nobody in anywhere, until the password is set.

use super::proving::Proving;
use crate::base::Timestamp;
use crate::domain::contact::ContactKind;
use crate::domain::login::Offer;
use crate::domain::person::PersonId;
use serde::{Deserialize, Serialize};

/// An activation under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Only the help desk can help. The same for everybody, whatever the reason.
    Help,
    /// A passcode is asked for.
    Prove {
        /// How.
        proving: Proving,
    },
    /// Contacts and questions are asked for.
    Form {
        /// Whose.
        person: PersonId,
        /// Their username.
        username: String,
        /// When the passcode was right.
        proven: Timestamp,
    },
    /// The password is asked for, with the second passcode.
    Password {
        /// Whose.
        person: PersonId,
        /// Their username, to be shown.
        username: String,
        /// When the passcode was right.
        proven: Timestamp,
        /// The second passcode.
        second: Second,
    },
}

/// The second passcode, on a contact that was just entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Second {
    /// None is asked for, or it was right.
    Done,
    /// One of these contacts must be chosen.
    Choose(Vec<(ContactKind, String)>),
    /// It is on its way.
    Enter {
        /// What can be chosen in its place.
        contacts: Vec<(ContactKind, String)>,
        /// Where it goes; `None`: where the directory says.
        contact: Option<(ContactKind, String)>,
        /// How.
        proving: Proving,
    },
}

impl Activation {
    /// A username was entered.
    pub fn begin(username: &str, offers: &[Offer]) -> Self {
        Proving::new(username, offers).map_or(Activation::Help, |proving| Activation::Prove { proving })
    }

    /// The first passcode was right.
    pub fn proven(self, person: PersonId, now: Timestamp) -> Self {
        match self {
            Activation::Prove { proving } => {
                Activation::Form { person, username: proving.username, proven: now }
            }
            other => other,
        }
    }

    /// The form was written; `second` says what is asked for next.
    pub fn saved(self, second: Second) -> Self {
        match self {
            Activation::Form { person, username, proven }
            | Activation::Password { person, username, proven, .. } => {
                Activation::Password { person, username, proven, second }
            }
            other => other,
        }
    }

    /// The person wants to look at the form again.
    pub fn back(self) -> Self {
        match self {
            Activation::Password { person, username, proven, .. } => {
                Activation::Form { person, username, proven }
            }
            other => other,
        }
    }

    /// What is asked for now, if it is the first passcode.
    pub fn proving(&mut self) -> Option<&mut Proving> {
        match self {
            Activation::Prove { proving } => Some(proving),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::Destination;
    use crate::domain::method::Channel;

    #[test]
    fn steps_follow_each_other_and_none_is_skipped() {
        let now = Timestamp::from_secs(5);
        let person = PersonId::from_uuid(uuid::Uuid::from_u128(7));
        assert_eq!(Activation::begin("x", &[]), Activation::Help);
        let to = Destination { to: "a@b.example".into(), masked: "m".into() };
        let begun = Activation::begin("x", &[Offer::Sent(Channel::Email, to)]);
        assert_eq!(begun.clone().saved(Second::Done), begun, "the form comes after the passcode");
        let form = begun.proven(person, now);
        assert!(matches!(form, Activation::Form { .. }));
        let password = form.clone().saved(Second::Done);
        assert!(matches!(password, Activation::Password { second: Second::Done, .. }));
        assert_eq!(password.clone().proven(person, now), password);
        assert_eq!(password.back(), form);
        assert_eq!(Activation::Help.proven(person, now), Activation::Help);
    }
}
