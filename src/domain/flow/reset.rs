//! Resetting a forgotten or expired password (R-RESET-1 to 10).
//!
//! ```text
//!   (username) ──▶ Prove ──right──▶ Prove again, where a second factor is enrolled ──▶ Password ──▶ (done)
//!        └──nobody, barred, or no way to get a passcode──▶ Help
//! ```
//!
//! A reset never goes around an enrolled second factor: whoever has one shows two different passcodes, one of which is of
//! something that they have, or comes from paper or the help desk.

use super::is_device;
use super::proving::{Proving, Shown};
use crate::base::Timestamp;
use crate::domain::factor::FactorKind;
use crate::domain::login::Offer;
use crate::domain::method::Method;
use crate::domain::person::PersonId;
use crate::domain::question::QuestionId;
use serde::{Deserialize, Serialize};

/// A reset under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reset {
    /// Only the help desk can help. The same for everybody, whatever the reason.
    Help,
    /// A passcode is asked for.
    Prove {
        /// How.
        proving: Proving,
        /// The passcode that was right already.
        first: Option<Method>,
    },
    /// The new password is asked for.
    Password {
        /// Whose.
        person: PersonId,
        /// Their username, to be shown.
        username: String,
        /// When the last passcode was right.
        proven: Timestamp,
        /// A security question is asked first.
        question: Option<QuestionId>,
    },
}

impl Reset {
    /// A username was entered.
    pub fn begin(username: &str, offers: &[Offer]) -> Self {
        let methods: Vec<Method> = offers.iter().map(Offer::method).collect();
        // With one way alone, who needs two gets nowhere, and learns so before anything is sent.
        if needs_two(&methods)
            && !methods.iter().any(|first| methods.iter().any(|next| goes_with(*first, *next)))
        {
            return Reset::Help;
        }
        match Proving::new(username, offers) {
            Some(proving) => Reset::Prove { proving, first: None },
            None => Reset::Help,
        }
    }

    /// A passcode of this person was right; `all` is what they could use.
    pub fn proven(self, person: PersonId, all: &[Offer], now: Timestamp) -> Self {
        let Reset::Prove { proving, first } = self else { return self };
        let Some(method) = proving.asked.as_ref().map(|asked| asked.shown.method) else { return Reset::Help };
        let methods: Vec<Method> = all.iter().map(Offer::method).collect();
        let enough = match first {
            None => !needs_two(&methods),
            Some(first) => goes_with(first, method),
        };
        if enough {
            return Reset::Password { person, username: proving.username, proven: now, question: None };
        }
        let left: Vec<Offer> =
            all.iter().filter(|offer| goes_with(method, offer.method())).cloned().collect();
        match Proving::new(&proving.username, &left) {
            Some(proving) => Reset::Prove { proving, first: Some(method) },
            None => Reset::Help,
        }
    }

    /// What is asked for now, if it is a passcode.
    pub fn proving(&mut self) -> Option<&mut Proving> {
        match self {
            Reset::Prove { proving, .. } => Some(proving),
            _ => None,
        }
    }
}

/// Whether a person with these ways has a second factor.
fn needs_two(methods: &[Method]) -> bool {
    methods.iter().any(|method| is_device(*method))
}

/// Whether two passcodes prove more than one: they come from different things, and not both over a channel.
fn goes_with(first: Method, next: Method) -> bool {
    let own = |method| {
        is_device(method) || matches!(method, Method::Factor(FactorKind::Recovery | FactorKind::Temporary))
    };
    first != next && (own(first) || own(next))
}

impl Shown {
    /// Whether the passcode is sent.
    pub const fn is_sent(&self) -> bool {
        matches!(self.method, Method::Sent(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::contact::Destination;
    use crate::domain::flow::Asked;
    use crate::domain::method::Channel;

    const NOW: Timestamp = Timestamp::from_secs(1000);

    fn sent(channel: Channel) -> Offer {
        Offer::Sent(channel, Destination { to: "x".into(), masked: "m".into() })
    }

    fn person() -> PersonId {
        PersonId::from_uuid(uuid::Uuid::from_u128(7))
    }

    fn prove(reset: Reset, method: &str, all: &[Offer]) -> Reset {
        let mut reset = reset;
        let proving = reset.proving().expect("asks for a passcode");
        let shown = proving.find(method).unwrap_or_else(|| panic!("{method} is not offered")).clone();
        proving.asked = Some(Asked::device(shown));
        reset.proven(person(), all, NOW)
    }

    #[test]
    fn nobody_and_somebody_without_a_way_are_the_same() {
        assert_eq!(Reset::begin("alice", &[]), Reset::Help);
        assert_eq!(Reset::begin("nobody", &[]), Reset::Help);
    }

    #[test]
    fn one_passcode_is_enough_without_a_second_factor() {
        let all = [sent(Channel::Email), sent(Channel::Sms)];
        let done = prove(Reset::begin("alice", &all), "email", &all);
        assert!(matches!(done, Reset::Password { proven: NOW, .. }), "{done:?}");
    }

    #[test]
    fn enrolled_factor_is_never_gone_around() {
        let app = Offer::Factor(FactorKind::Totp);
        let all = [sent(Channel::Email), sent(Channel::Sms), app.clone()];
        for first in ["email", "sms"] {
            let mut second = prove(Reset::begin("alice", &all), first, &all);
            let names: Vec<_> =
                second.proving().unwrap().offers.iter().map(|shown| shown.method.as_str()).collect();
            assert_eq!(names, ["totp"], "after {first}");
            assert!(matches!(prove(second, "totp", &all), Reset::Password { .. }));
        }
        let second = prove(Reset::begin("alice", &all), "totp", &all);
        assert!(matches!(prove(second, "sms", &all), Reset::Password { .. }), "in any order");
        assert_eq!(
            Reset::begin("alice", std::slice::from_ref(&app)),
            Reset::Help,
            "what was stolen is not enough"
        );
    }

    #[test]
    fn lost_device_is_made_up_for_by_paper_or_help_desk() {
        let all = [
            sent(Channel::Email),
            Offer::Factor(FactorKind::Yubikey),
            Offer::Factor(FactorKind::Recovery),
            Offer::Factor(FactorKind::Temporary),
        ];
        for other in ["recovery", "temporary"] {
            let second = prove(Reset::begin("alice", &all), "email", &all);
            assert!(matches!(prove(second, other, &all), Reset::Password { .. }), "{other}");
        }
    }

    #[test]
    fn second_passcode_of_the_same_kind_proves_nothing_more() {
        let all = [sent(Channel::Email), sent(Channel::Sms), Offer::Factor(FactorKind::Totp)];
        let mut second = prove(Reset::begin("alice", &all), "email", &all);
        assert!(second.proving().unwrap().find("sms").is_none());
        assert!(second.proving().unwrap().find("email").is_none());
    }
}
