//! The flows of the portal as machines: what a browser's session holds of them, and where an event leads. They decide; the engine asks
//! the login machine, sends, checks and writes, and the pages show where a flow stands.
//!
//! A flow's state is kept between requests and says all there is to know, so that a reload shows the same page, an older page
//! that is sent again finds that its step was done, and any node can go on.

pub mod activation;
pub mod app;
pub mod proving;
pub mod reset;

pub use activation::Activation;
pub use app::App;
pub use proving::{Asked, Proving, Shown};
pub use reset::Reset;

use super::desk::{Callers, Staff};
use super::method::Method;
use super::person::PersonId;
use crate::base::Timestamp;
use serde::{Deserialize, Serialize};

/// What a session holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who is signed in.
    pub who: Option<Signed>,
    /// The passcode that is asked of them.
    pub proving: Option<Proving>,
    /// A contact that they are confirming.
    pub contact: Option<Contact>,
    /// A reset under way.
    pub reset: Option<Reset>,
    /// An activation under way.
    pub activation: Option<Activation>,
    /// A passcode app that is being set up.
    pub app: Option<App>,
    /// Campus of whoever has shown who they are ([`Self::is_known`]), if they have one.
    #[serde(default)]
    pub home: Option<String>,
    /// Where they wanted to go before a passcode was asked for.
    pub next: Option<String>,
    /// To be told on the next page: a message of the catalogue and its values.
    pub told: Option<Told>,
    /// What a clerk of the help desk has found out about callers.
    #[serde(default)]
    pub callers: Callers,
    /// When something was done last.
    pub seen: Timestamp,
}

/// Somebody who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Who.
    pub person: PersonId,
    /// Their username.
    pub username: String,
    /// When the password was about to be looked at, and was right.
    pub at: Timestamp,
    /// When a passcode was right last.
    pub proven: Option<Timestamp>,
    /// What they were when they signed in, if they work here: for links. Pages ask the account itself.
    #[serde(default)]
    pub staff: Option<Staff>,
    /// Nothing else is possible before security data was registered.
    #[serde(default)]
    pub must_register: bool,
    /// Nothing else is possible before the password was changed, which has expired.
    #[serde(default)]
    pub must_change: bool,
}

/// What one must have shown to see a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The password; a passcode too by whoever has registered something to get one with.
    Enrolled,
    /// The password; a passcode of late too by whoever has registered something to get one with.
    Change,
    /// A passcode of late. Who has no way to get one is not let in.
    Passcode,
    /// A passcode of late, where there is a way to get one; else the password.
    StepUp,
}

/// A contact that is being confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// What it is.
    pub kind: super::contact::ContactKind,
    /// E.164 number or e-mail address.
    pub value: String,
    /// The passcode that is asked for.
    pub proving: Proving,
}

/// A message to be shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its name in the catalogue.
    pub name: String,
    /// Its values.
    pub values: Vec<(String, String)>,
    /// Whether something went wrong.
    pub problem: bool,
}

impl Told {
    /// Good news.
    pub fn good(name: &str, values: &[(&str, &str)]) -> Self {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { name: name.to_owned(), values, problem: false }
    }

    /// Something that the person has to do differently.
    pub fn problem(name: &str) -> Self {
        Self { name: name.to_owned(), values: Vec::new(), problem: true }
    }
}

impl Session {
    /// Who has proven to be whom with it, and since when: what ends this person's sessions ends it.
    pub fn owner(&self) -> Option<(PersonId, Timestamp)> {
        use activation::Activation::{Form, Password};
        match (&self.who, &self.reset, &self.activation) {
            (Some(who), ..) => Some((who.person, who.at)),
            (None, Some(Reset::Prove { first: Some(first), .. }), _) => Some((first.person, first.at)),
            (None, Some(Reset::Password { person, proven, .. }), _) => Some((*person, *proven)),
            (None, _, Some(Form { person, proven, .. } | Password { person, proven, .. })) => {
                Some((*person, *proven))
            }
            _ => None,
        }
    }

    /// Whether whoever is signed in must show a passcode before a page of this level; `enrolled`: they have registered a way
    /// to get one; `offered`: there is one at all.
    pub fn lacks(&self, level: Level, (enrolled, offered): (bool, bool), fresh: Timestamp) -> bool {
        let Some(who) = &self.who else { return true };
        match level {
            Level::Enrolled => enrolled && who.proven.is_none(),
            Level::Change => enrolled && who.proven.is_none_or(|at| at < fresh),
            Level::Passcode | Level::StepUp => offered && who.proven.is_none_or(|at| at < fresh),
        }
    }

    /// Whether somebody has shown who they are, by a password or a passcode; then [`Self::home`] is their campus. Of others nothing may
    /// be told, so they see the campus that they came to.
    pub const fn is_known(&self) -> bool {
        let reset = matches!(self.reset, Some(Reset::Password { .. }));
        let activation =
            matches!(self.activation, Some(Activation::Form { .. } | Activation::Password { .. }));
        self.who.is_some() || reset || activation
    }

    /// The passcode was right.
    pub fn proven(&mut self, now: Timestamp) {
        self.proving = None;
        if let Some(who) = &mut self.who {
            who.proven = Some(now);
        }
    }
}

/// Methods whose passcodes come from something that the person has.
pub const fn is_device(method: Method) -> bool {
    use super::factor::FactorKind::{Hotp, Totp, Yubikey};
    matches!(method, Method::Factor(Totp | Hotp | Yubikey))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(proven: Option<i64>) -> Session {
        let who = Signed {
            person: PersonId::from_uuid(uuid::Uuid::from_u128(1)),
            username: "alice".into(),
            at: Timestamp::from_secs(100),
            proven: proven.map(Timestamp::from_secs),
            staff: None,
            must_register: false,
            must_change: false,
        };
        Session { who: Some(who), ..Session::default() }
    }

    #[test]
    fn pages_ask_for_what_they_need() {
        let fresh = Timestamp::from_secs(1000);
        let lacks = |session: &Session, level, has| session.lacks(level, has, fresh);
        assert!(lacks(&Session::default(), Level::Enrolled, (false, false)), "nobody is signed in");
        assert!(!lacks(&signed(None), Level::Enrolled, (false, true)), "nothing was registered yet");
        assert!(lacks(&signed(None), Level::Enrolled, (true, true)));
        assert!(!lacks(&signed(Some(1)), Level::Enrolled, (true, true)), "an old passcode will do to look");
        assert!(!lacks(&signed(None), Level::Change, (false, true)), "nothing was registered yet");
        assert!(!lacks(&signed(Some(1000)), Level::Change, (true, true)));
        assert!(lacks(&signed(Some(999)), Level::Change, (true, true)), "but not to change");
        assert!(lacks(&signed(Some(999)), Level::Passcode, (true, true)));
        assert!(!lacks(&signed(Some(1000)), Level::Passcode, (true, true)));
        assert!(!lacks(&signed(None), Level::Passcode, (false, false)), "there is no way to ask");
        assert!(lacks(&signed(None), Level::StepUp, (false, true)), "asked wherever it can be");
        assert!(!lacks(&signed(None), Level::StepUp, (false, false)));
    }
}
