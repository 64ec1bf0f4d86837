//! Asking for a passcode: the ways that there are, the one that was chosen, and how it came out.
//!
//! ```text
//!   Choose ──chosen──▶ Enter ──right──▶ (the flow goes on)
//!     ▲                  │ wrong: stays, with a new State for the same code
//!     └──other way───────┘ resend: stays, with a new code
//! ```

use crate::base::Timestamp;
use crate::domain::login::{Ask, Offer};
use crate::domain::method::Method;
use serde::{Deserialize, Serialize};

/// A passcode that is being asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proving {
    /// Of whom.
    pub username: String,
    /// The ways that are offered.
    pub offers: Vec<Shown>,
    /// The way that was chosen.
    pub asked: Option<Asked>,
}

/// A way, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Which.
    pub method: Method,
    /// Where to, masked; none: the person produces the passcode.
    pub to: Option<String>,
}

/// The way that was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Which.
    pub shown: Shown,
    /// The State that answers it, hex; none: none is needed.
    pub state: Option<String>,
    /// Until when what was sent is good.
    pub until: Option<Timestamp>,
    /// Whether it was sent once more.
    pub resent: bool,
}

impl From<&Offer> for Shown {
    fn from(offer: &Offer) -> Self {
        let to = match offer {
            Offer::Factor(_) => None,
            Offer::Sent(_, to) => Some(to.masked.clone()),
        };
        Self { method: offer.method(), to }
    }
}

impl Proving {
    /// With these ways; `None` if there are none. If there is one that need not be sent, it is chosen.
    pub fn new(username: &str, offers: &[Offer]) -> Option<Self> {
        let offers: Vec<Shown> = offers.iter().map(Shown::from).collect();
        let asked = match offers.as_slice() {
            [] => return None,
            [only] if only.to.is_none() => Some(Asked::device(only.clone())),
            _ => None,
        };
        Some(Self { username: username.to_owned(), offers, asked })
    }

    /// The way of this name, if it is offered.
    pub fn find(&self, name: &str) -> Option<&Shown> {
        self.offers.iter().find(|shown| shown.method.as_str() == name)
    }

    /// What the login machine asks for after a choice was made, or after a wrong passcode.
    pub fn asks(&mut self, ask: &Ask, state: String, until: Timestamp, resent: bool) {
        match ask {
            Ask::Passcode(offer) => {
                let shown = Shown::from(offer);
                let until = shown.to.is_some().then_some(until);
                self.asked = Some(Asked { shown, state: Some(state), until, resent });
            }
            Ask::Method(offers) => {
                self.offers = offers.iter().map(Shown::from).collect();
                self.asked = None;
            }
        }
    }

    /// The person wants another way.
    pub fn back(&mut self) {
        self.asked = None;
    }
}

impl Asked {
    /// Something that the person has: nothing is sent.
    pub const fn device(shown: Shown) -> Self {
        Self { shown, state: None, until: None, resent: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::Destination;
    use crate::domain::factor::FactorKind;
    use crate::domain::method::Channel;

    fn sms() -> Offer {
        let to = Destination { to: "+15208782491".into(), masked: "xxx-xxx-2491".into() };
        Offer::Sent(Channel::Sms, to)
    }

    const APP: Offer = Offer::Factor(FactorKind::Totp);

    #[test]
    fn one_device_is_asked_for_at_once_and_nothing_is_sent_unasked() {
        assert_eq!(Proving::new("a", &[]), None);
        assert!(Proving::new("a", &[APP]).unwrap().asked.is_some());
        assert!(Proving::new("a", &[sms()]).unwrap().asked.is_none(), "a message costs money");
        assert!(Proving::new("a", &[APP, sms()]).unwrap().asked.is_none());
    }

    #[test]
    fn destinations_are_masked_in_what_is_kept() {
        let proving = Proving::new("a", &[sms()]).unwrap();
        assert!(!serde_json::to_string(&proving).unwrap().contains("878"));
        assert_eq!(proving.find("sms").unwrap().to.as_deref(), Some("xxx-xxx-2491"));
        assert_eq!(proving.find("email"), None);
    }

    #[test]
    fn wrong_passcode_keeps_the_way_and_another_way_forgets_it() {
        let mut proving = Proving::new("a", &[APP, sms()]).unwrap();
        proving.asks(&Ask::Passcode(sms()), "00".into(), Timestamp::from_secs(9), false);
        assert_eq!(proving.asked.as_ref().unwrap().until, Some(Timestamp::from_secs(9)));
        let before = proving.clone();
        proving.asks(&Ask::Passcode(sms()), "01".into(), Timestamp::from_secs(9), false);
        assert_eq!(proving.asked.as_ref().unwrap().shown, before.asked.unwrap().shown);
        proving.back();
        assert_eq!((proving.asked, proving.offers.len()), (None, 2));
    }
}
