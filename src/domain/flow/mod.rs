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
use super::factor::CodeDigest;
use super::method::Method;
use super::person::PersonId;
use crate::base::Timestamp;
use data_encoding::HEXLOWER;
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
    /// The form that was taken last.
    #[serde(default)]
    pub done: Option<Done>,
}

/// A form that was taken, and where it led to: what is sent twice is done once, and ends at the same page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Its digest, hex.
    pub post: String,
    /// The page that came of it.
    pub to: String,
    /// What is told there, once; and once more if the form is sent again, since a browser shows the last answer only.
    #[serde(default)]
    pub told: Option<Told>,
    /// When.
    pub at: Timestamp,
}

impl Done {
    /// This form was taken now.
    pub fn new(post: &CodeDigest, to: &str, told: Option<Told>, at: Timestamp) -> Self {
        Self { post: HEXLOWER.encode(post), to: to.to_owned(), told, at }
    }

    /// Whether it was this form, taken since then.
    pub fn is_of(&self, post: &CodeDigest, since: Timestamp) -> bool {
        self.at >= since && self.post == HEXLOWER.encode(post)
    }
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
    /// Registration is required of people like them, and they have not done it: from the date of `registration.enforce` on nothing
    /// else is possible.
    #[serde(default)]
    pub unregistered: bool,
    /// Nothing else is possible before the password was changed, which has expired.
    #[serde(default)]
    pub must_change: bool,
}

impl Signed {
    /// Whether nothing but registering is possible now; `since`: from when on that is so, if it is ever.
    pub fn is_led_to_register(&self, since: Option<Timestamp>, now: Timestamp) -> bool {
        self.unregistered && since.is_some_and(|since| since <= now)
    }
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

    /// Somebody has proven who they are in a flow for people who are not signed in. Whoever was signed in is not any more: the session is
    /// about one person, [`Self::owner`], and ends with theirs.
    pub fn sign_out(&mut self) {
        (self.who, self.proving, self.contact) = (None, None, None);
        (self.app, self.next, self.callers) = (None, None, Callers::default());
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
    matches!(method, Method::Factor(kind) if kind.is_device())
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
            unregistered: false,
            must_change: false,
        };
        Session { who: Some(who), ..Session::default() }
    }

    #[test]
    fn form_is_the_same_one_for_a_while_and_only_if_all_of_it_is() {
        let done = Done::new(&[7; 32], "/reset", None, Timestamp::from_secs(100));
        assert!(done.is_of(&[7; 32], Timestamp::from_secs(100)));
        assert!(!done.is_of(&[7; 32], Timestamp::from_secs(101)), "too long ago");
        assert!(!done.is_of(&[8; 32], Timestamp::from_secs(100)), "another form");
    }

    // R-TOP-4
    #[test]
    fn session_that_is_older_than_the_date_is_led_to_register_from_then_on() {
        let mut session = signed(None);
        let who = session.who.as_mut().unwrap();
        let led = |who: &Signed, now| {
            who.is_led_to_register(Some(Timestamp::from_secs(500)), Timestamp::from_secs(now))
        };
        assert!(!led(who, 500), "they have registered, or need not");
        who.unregistered = true;
        assert!(!led(who, 499) && led(who, 500) && led(who, 501));
        assert!(!who.is_led_to_register(None, Timestamp::from_secs(501)));
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
