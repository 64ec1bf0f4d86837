//! Setting up a passcode app (R-APP-2 to 6).
//!
//! ```text
//!   (name) ──▶ Scan ──first passcode──▶ Pin ──chosen, or left out──▶ Done ──▶ (another device)
//!     ▲          │                                                     ▲
//!     │          ├──first passcode, and no PIN is asked for────────────┘
//!     └──────────┴──cancelled, or the pending factor is gone
//! ```
//!
//! A session holds which factor it is about and nothing of its key, which the store keeps sealed until it is proven. So a reload shows
//! the same key, and a form of an older tab, which names another factor, does nothing.

use crate::domain::factor::{FactorId, FactorState};
use serde::{Deserialize, Serialize};

/// A set-up under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum App {
    /// The key is shown, and the first passcode asked for.
    Scan {
        /// The factor that waits for it.
        factor: FactorId,
    },
    /// The app counts; a PIN is asked for.
    Pin,
    /// All is done.
    Done,
}

/// What the store knows of the factor that a session is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its state; `None`: it is gone.
    pub state: Option<FactorState>,
    /// Whether a PIN is to be asked for once it is proven.
    pub pin: bool,
}

impl App {
    /// The first passcode was right; `pin`: one is to be chosen.
    pub const fn proven(self, pin: bool) -> Self {
        match (self, pin) {
            (App::Scan { .. }, true) => App::Pin,
            (App::Scan { .. }, false) => App::Done,
            (other, _) => other,
        }
    }

    /// A PIN was chosen, or left out.
    pub const fn pin_done(self) -> Self {
        match self {
            App::Pin => App::Done,
            other => other,
        }
    }

    /// Where it stands by what the store says: another tab may have gone on, or ended it. `None`: it begins anew.
    pub const fn seen(self, stored: Stored) -> Option<Self> {
        match (self, stored.state) {
            (App::Scan { .. }, None) => None,
            (App::Scan { .. }, Some(FactorState::Active)) => Some(self.proven(stored.pin)),
            _ => Some(self),
        }
    }

    /// The factor whose first passcode is asked for, if it is the one that a form names.
    pub fn waits_for(self, named: &str) -> Option<FactorId> {
        match self {
            App::Scan { factor } if factor.to_string() == named => Some(factor),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(number: u128) -> App {
        App::Scan { factor: FactorId::from_uuid(uuid::Uuid::from_u128(number)) }
    }

    // R-APP-3, R-APP-4
    #[test]
    fn steps_follow_each_other_and_none_is_skipped() {
        assert_eq!(scan(1).pin_done(), scan(1), "a PIN proves no app");
        assert_eq!(scan(1).proven(true), App::Pin);
        assert_eq!(scan(1).proven(false), App::Done);
        assert_eq!(App::Pin.proven(false), App::Pin, "a passcode is no PIN");
        assert_eq!(App::Pin.pin_done(), App::Done);
        assert_eq!(App::Done.proven(true), App::Done);
    }

    #[test]
    fn other_tab_is_caught_up_with() {
        let seen = |app: App, state| app.seen(Stored { state, pin: true });
        assert_eq!(seen(scan(1), Some(FactorState::Pending)), Some(scan(1)));
        assert_eq!(seen(scan(1), Some(FactorState::Active)), Some(App::Pin));
        assert_eq!(seen(scan(1), None), None, "cancelled, or its time was over");
        assert_eq!(seen(App::Done, None), Some(App::Done));
    }

    #[test]
    fn form_of_an_older_tab_is_about_nothing() {
        let (old, new) = (uuid::Uuid::from_u128(1).to_string(), uuid::Uuid::from_u128(2).to_string());
        assert!(scan(2).waits_for(&new).is_some());
        assert_eq!(scan(2).waits_for(&old), None);
        assert_eq!(App::Pin.waits_for(&new), None);
    }

    #[test]
    fn session_holds_no_key() {
        let kept = serde_json::to_string(&scan(7)).unwrap();
        assert_eq!(kept, r#"{"scan":{"factor":"00000000-0000-0000-0000-000000000007"}}"#);
        assert_eq!(serde_json::from_str::<App>(&kept).unwrap(), scan(7));
    }
}
