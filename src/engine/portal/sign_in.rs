//! Signing in: the password first, then a passcode where a page needs one.

use super::desk::staff;
use super::passcode::{Answer, Asking, Chosen, policy, round};
use super::{Portal, PortalError, Result, Visit, must_register};
use crate::base::{Secret, Timestamp};
use crate::config::Enforce;
use crate::domain::flow::{Level, Proving, Session, Signed, Told, is_device};
use crate::domain::login::{Account, Offer};
use crate::domain::method::{Channel, Method};
use crate::domain::person::Person;
use crate::domain::policy::LoginKind;
use crate::domain::reason::Reason;
use crate::domain::sent::Purpose;
use crate::engine::login::Verdict;
use std::sync::Arc;

/// What came of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum SignIn {
    /// Signed in; the session must get a new name.
    In,
    /// Not right, not usable here, or too many were wrong; no more is told, because only who has an account is throttled.
    Wrong,
    /// Right, but it has expired or must be changed, which a reset does.
    Expired,
    /// The same, of somebody who cannot reset it: signed in, for the change of the password and nothing else.
    MustChange,
}

/// Whether a page may be shown.
#[derive(Debug, Clone)]
#[must_use]
pub enum Gate {
    /// To this person.
    Open(Arc<Account>),
    /// After signing in.
    SignIn,
    /// After a passcode, which is asked for now.
    Prove,
    /// To nobody who has no way to get a passcode.
    Help,
}

impl Portal {
    fn signing<'a>(&self, visit: &'a Visit) -> Asking<'a> {
        Asking { purpose: Purpose::Portal, methods: &visit.config.portal.login_methods, reach: None }
    }

    /// Takes a password.
    pub async fn sign_in(
        &self,
        visit: &Visit,
        session: &mut Session,
        username: &str,
        password: Secret<Vec<u8>>,
    ) -> Result<SignIn> {
        let policy = policy(visit, LoginKind::Password, &[]);
        let mut round = round(visit, self.signing(visit), &policy, username);
        round.typed = Some(password);
        let began = self.now();
        Ok(match self.gatekeeper.decide(&visit.config, round).await? {
            Verdict::Accept { person, .. } => {
                let visit = &visit.of(&person);
                let unregistered = self.is_unregistered(&person).await?;
                let who = self.signed_in(visit, session, (&person, began));
                who.unregistered = unregistered;
                let enforce = visit.config.registration.enforce;
                if unregistered
                    && enforce != Enforce::Off
                    && !who.is_led_to_register(enforce.since(), self.now())
                {
                    session.told = Some(Told::good("registration-due", &[]));
                }
                SignIn::In
            }
            Verdict::Reject { reason: Reason::PasswordExpired | Reason::PasswordMustChange, .. } => {
                self.expired(visit, session, (username, began)).await?
            }
            Verdict::Reject { .. } | Verdict::Challenge { .. } => SignIn::Wrong,
        })
    }

    /// `began`: before the password was looked at, so that one that was changed meanwhile signs nobody in.
    fn signed_in<'a>(
        &self,
        visit: &Visit,
        session: &'a mut Session,
        (person, began): (&Person, Timestamp),
    ) -> &'a mut Signed {
        let told = session.told.take();
        let home = visit.config.campus.clone();
        *session = Session { told, home, seen: self.now(), ..Session::default() };
        session.who.insert(Signed {
            person: person.id,
            username: person.username.to_string(),
            at: began,
            proven: None,
            staff: staff(visit, person),
            unregistered: false,
            must_change: false,
        })
    }

    /// The password is right and has expired. Whom a reset does not help changes it with what it was (R-RESET-8).
    async fn expired(
        &self,
        visit: &Visit,
        session: &mut Session,
        (username, began): (&str, Timestamp),
    ) -> Result<SignIn> {
        let account = self.account(visit, username).await?.ok_or(PortalError::Stale)?;
        let visit = &visit.of(&account.person);
        if self.can_reset_alone(visit, username).await? {
            return Ok(SignIn::Expired);
        }
        let unregistered = self.is_unregistered(&account.person).await?;
        let who = self.signed_in(visit, session, (&account.person, began));
        (who.must_change, who.unregistered) = (true, unregistered);
        Ok(SignIn::MustChange)
    }

    /// Whether somebody has yet to register, of whom that is required (R-TOP-4).
    pub async fn is_unregistered(&self, person: &Person) -> Result<bool> {
        Ok(must_register(person) && self.security.profile(person.id).await?.registered.is_none())
    }

    /// Whether a page of this level may be shown now. Who may not log in any more is signed out.
    pub async fn gate(&self, visit: &Visit, session: &mut Session, level: Level) -> Result<Gate> {
        let Some(who) = session.who.clone() else { return Ok(Gate::SignIn) };
        let (account, offers) = self.offers(visit, self.signing(visit), &who.username).await?;
        let same = |account: &Arc<Account>| account.person.id == who.person;
        let Some((account, offers)) = account.filter(same).zip(offers.ok()) else {
            *session = Session { told: session.told.take(), ..Session::default() };
            return Ok(Gate::SignIn);
        };
        let works_here = staff(visit, &account.person).is_some();
        let offers = beyond_the_password(offers, works_here);
        let enrolled = is_enrolled(&account) && !offers.is_empty();
        // Who may act on others begins with a second factor from somebody else's hand.
        let alone = offers.is_empty() && (level == Level::Passcode || works_here && level != Level::Enrolled);
        if alone {
            return Ok(Gate::Help);
        }
        if !session.lacks(level, (enrolled, !offers.is_empty()), self.fresh(visit)) {
            return Ok(Gate::Open(account));
        }
        if session.proving.as_ref().is_none_or(|proving| !still(proving, &offers)) {
            session.proving = Proving::new(&who.username, &offers);
        }
        Ok(Gate::Prove)
    }

    /// Since when a passcode is fresh enough for a change.
    pub(super) fn fresh(&self, visit: &Visit) -> crate::base::Timestamp {
        self.now() - visit.config.portal.fresh
    }

    /// A way to get the passcode was chosen.
    pub async fn choose_passcode(
        &self,
        visit: &Visit,
        session: &mut Session,
        choice: (&str, bool),
    ) -> Result<Chosen> {
        let Some(proving) = &mut session.proving else { return Ok(Chosen::NotOffered) };
        self.choose(visit, self.signing(visit), proving, choice).await
    }

    /// The passcode was typed; if it was right, the session must get a new name.
    pub async fn answer_passcode(&self, visit: &Visit, session: &mut Session, typed: &str) -> Result<Answer> {
        let Some(proving) = &mut session.proving else { return Ok(Answer::NotAsked) };
        let answer = self.answer(visit, self.signing(visit), proving, typed).await?;
        if let Answer::Right(_) = &answer {
            session.proven(self.now());
        }
        Ok(answer)
    }
}

/// Without e-mail for whoever has something of their own, and for whoever works here: a stolen password often opens the mailbox
/// as well.
fn beyond_the_password(mut offers: Vec<Offer>, works_here: bool) -> Vec<Offer> {
    if works_here || offers.iter().any(|offer| is_device(offer.method())) {
        offers.retain(|offer| offer.method() != Method::Sent(Channel::Email));
    }
    offers
}

/// Whether the person has registered a way to get a passcode.
fn is_enrolled(account: &Account) -> bool {
    account.person.own.is_some() || account.enrolled()
}

/// Whether what is asked for is still offered.
fn still(proving: &Proving, offers: &[Offer]) -> bool {
    let asked = proving.asked.as_ref().map(|asked| asked.shown.method);
    asked.is_none_or(|method| offers.iter().any(|offer| offer.method() == method))
        && proving.offers.len() == offers.len()
}
