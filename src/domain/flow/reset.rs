//! Resetting a forgotten or expired password (R-RESET-1 to 10).
//!
//! ```text
//!   (username) ──▶ Prove ──right──▶ Prove again, where a second factor is enrolled ──▶ Password ──▶ (done)
//!        └──nobody, barred, or no way to get a passcode──▶ Help
//! ```
//!
//! A reset never goes around an enrolled second factor, allowed here or not: whoever has one shows two different passcodes, one of
//! which is of something that they have, or comes from paper or the help desk. Another password or a lock ends what was proven, with
//! the session; a factor that was enrolled meanwhile counts.

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
        first: Option<First>,
    },
    /// The new password is asked for.
    Password {
        /// Whose.
        person: PersonId,
        /// Their username, to be shown.
        username: String,
        /// When the last passcode was right.
        proven: Timestamp,
        /// Whether there were two.
        twice: bool,
        /// A security question is asked first.
        question: Option<QuestionId>,
    },
}

/// The first of two passcodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct First {
    /// Whose.
    pub person: PersonId,
    /// Of what.
    pub method: Method,
    /// When it was right.
    pub at: Timestamp,
}

/// Whose passcode was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proved {
    /// Who.
    pub person: PersonId,
    /// Whether they have enrolled a second factor.
    pub enrolled: bool,
}

impl Reset {
    /// A username was entered. `enrolled`: its person has a second factor.
    pub fn begin(username: &str, offers: &[Offer], enrolled: bool) -> Self {
        let methods: Vec<Method> = offers.iter().map(Offer::method).collect();
        // With one way alone, who needs two gets nowhere, and learns so before anything is sent.
        if needs_two(&methods, enrolled)
            && !methods.iter().any(|first| methods.iter().any(|next| goes_with(*first, *next)))
        {
            return Reset::Help;
        }
        match Proving::new(username, offers) {
            Some(proving) => Reset::Prove { proving, first: None },
            None => Reset::Help,
        }
    }

    /// A passcode of this person was right; `all` is what they could use. A first one counts until it is older than `fresh`.
    pub fn proven(self, who: Proved, all: &[Offer], (now, fresh): (Timestamp, Timestamp)) -> Self {
        let Reset::Prove { proving, first } = self else { return self };
        let Some(method) = proving.asked.as_ref().map(|asked| asked.shown.method) else { return Reset::Help };
        let methods: Vec<Method> = all.iter().map(Offer::method).collect();
        let Proved { person, enrolled } = who;
        let first = first.filter(|first| first.person == person && first.at >= fresh);
        let enough = match first {
            None => !needs_two(&methods, enrolled),
            Some(first) => goes_with(first.method, method),
        };
        if enough {
            let (username, twice) = (proving.username, first.is_some());
            return Reset::Password { person, username, proven: now, twice, question: None };
        }
        let left: Vec<Offer> =
            all.iter().filter(|offer| goes_with(method, offer.method())).cloned().collect();
        match Proving::new(&proving.username, &left) {
            Some(proving) => Reset::Prove { proving, first: Some(First { person, method, at: now }) },
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
pub fn needs_two(methods: &[Method], enrolled: bool) -> bool {
    enrolled || methods.iter().any(|method| is_device(*method))
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

    fn alice() -> Proved {
        Proved { person: PersonId::from_uuid(uuid::Uuid::from_u128(7)), enrolled: false }
    }

    fn begin(offers: &[Offer]) -> Reset {
        Reset::begin("alice", offers, false)
    }

    fn prove(reset: Reset, method: &str, all: &[Offer]) -> Reset {
        prove_as(reset, method, all, (alice(), NOW))
    }

    fn prove_as(reset: Reset, method: &str, all: &[Offer], (who, now): (Proved, Timestamp)) -> Reset {
        let mut reset = reset;
        let proving = reset.proving().expect("asks for a passcode");
        let shown = proving.find(method).unwrap_or_else(|| panic!("{method} is not offered")).clone();
        proving.asked = Some(Asked::device(shown));
        reset.proven(who, all, (now, now - std::time::Duration::from_secs(600)))
    }

    #[test]
    fn nobody_and_somebody_without_a_way_are_the_same() {
        assert_eq!(begin(&[]), Reset::Help);
        assert_eq!(Reset::begin("nobody", &[], false), Reset::Help);
    }

    #[test]
    fn one_passcode_is_enough_without_a_second_factor() {
        let all = [sent(Channel::Email), sent(Channel::Sms)];
        let done = prove(begin(&all), "email", &all);
        assert!(matches!(done, Reset::Password { proven: NOW, .. }), "{done:?}");
    }

    #[test]
    fn enrolled_factor_is_never_gone_around() {
        let app = Offer::Factor(FactorKind::Totp);
        let all = [sent(Channel::Email), sent(Channel::Sms), app.clone()];
        for first in ["email", "sms"] {
            let mut second = prove(begin(&all), first, &all);
            let names: Vec<_> =
                second.proving().unwrap().offers.iter().map(|shown| shown.method.as_str()).collect();
            assert_eq!(names, ["totp"], "after {first}");
            assert!(matches!(prove(second, "totp", &all), Reset::Password { .. }));
        }
        let second = prove(begin(&all), "totp", &all);
        assert!(matches!(prove(second, "sms", &all), Reset::Password { .. }), "in any order");
        assert_eq!(begin(std::slice::from_ref(&app)), Reset::Help, "what was stolen is not enough");
    }

    #[test]
    fn enrolled_factor_that_is_not_allowed_here_is_not_gone_around_either() {
        let all = [sent(Channel::Email), sent(Channel::Sms)];
        assert_eq!(Reset::begin("alice", &all, true), Reset::Help);
        let enrolled = Proved { enrolled: true, ..alice() };
        let meanwhile = prove_as(begin(&all), "email", &all, (enrolled, NOW));
        assert_eq!(meanwhile, Reset::Help, "it was enrolled after the reset was begun");
        let paper = [sent(Channel::Email), Offer::Factor(FactorKind::Recovery)];
        assert!(matches!(Reset::begin("alice", &paper, true), Reset::Prove { .. }));
    }

    #[test]
    fn first_passcode_counts_for_a_while_and_for_its_person() {
        let all = [sent(Channel::Email), Offer::Factor(FactorKind::Totp)];
        let first = || prove(begin(&all), "email", &all);
        let later = |seconds: u64| NOW + std::time::Duration::from_secs(seconds);
        let done = |reset: &Reset| matches!(reset, Reset::Password { twice: true, .. });
        assert!(done(&prove_as(first(), "totp", &all, (alice(), later(600)))));
        assert!(!done(&prove_as(first(), "totp", &all, (alice(), later(601)))), "too old");
        let other = Proved { person: PersonId::from_uuid(uuid::Uuid::from_u128(8)), enrolled: true };
        assert!(!done(&prove_as(first(), "totp", &all, (other, NOW))), "somebody else");
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
            let second = prove(begin(&all), "email", &all);
            assert!(matches!(prove(second, other, &all), Reset::Password { .. }), "{other}");
        }
    }

    #[test]
    fn second_passcode_of_the_same_kind_proves_nothing_more() {
        let all = [sent(Channel::Email), sent(Channel::Sms), Offer::Factor(FactorKind::Totp)];
        let mut second = prove(begin(&all), "email", &all);
        assert!(second.proving().unwrap().find("sms").is_none());
        assert!(second.proving().unwrap().find("email").is_none());
    }
}
