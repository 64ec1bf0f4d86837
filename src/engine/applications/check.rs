//! Rounds of the login machine for an application.

use super::{Applications, Asking, Failed, serial};
use crate::base::Secret;
use crate::config::ApiRight;
use crate::domain::factor::{Factor, FactorId, FactorKind};
use crate::domain::login::{Account, Ask, Offer};
use crate::domain::method::{Channel, Method};
use crate::domain::person::Person;
use crate::domain::policy::{ClientPolicy, LoginKind, LoginPolicy};
use crate::domain::reason::Reason;
use crate::engine::login::{Round, Verdict};
use crate::engine::meters::{Front, Timing};
use crate::wire::privacyidea::Transaction;
use std::borrow::Cow;
use std::sync::Arc;

/// What an application wants checked.
#[derive(Debug, Clone)]
pub struct Order {
    /// The username, with its realm.
    pub username: String,
    /// What was typed; nothing: a passcode is to be asked for.
    pub typed: Secret<Vec<u8>>,
    /// The challenge that it answers. `Some(None)`: one that is none of ours.
    pub transaction: Option<Option<Transaction>>,
    /// Passcodes that will do; none: all that the policy allows.
    pub methods: Option<Vec<Method>>,
    /// The device that is meant.
    pub device: Option<FactorId>,
    /// Only the passcode is checked, if the application has the right.
    pub otponly: bool,
}

/// A passcode is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What the answer must name.
    pub transaction: Transaction,
    /// What the person reads.
    pub message: String,
    /// Ways to answer, each with the name of its device; the one that was chosen first.
    pub ways: Vec<(Offer, String)>,
}

/// What came of it.
#[derive(Debug, Clone)]
#[must_use]
pub enum Answered {
    /// Let in.
    Accept(Arc<Person>),
    /// A passcode is asked for.
    Challenge(Asked),
    /// Refused.
    Reject {
        /// What the person reads.
        message: String,
        /// Why; for log and trail, and for an application that is trusted.
        reason: Reason,
    },
}

/// Words that people type for a method.
const fn word(method: Method) -> &'static str {
    match method {
        Method::Factor(FactorKind::Temporary) => "helpdesk",
        other => other.as_str(),
    }
}

/// Methods by the number that a transaction keeps of them.
const ASKED: [Method; 8] = [
    Method::Factor(FactorKind::Totp),
    Method::Factor(FactorKind::Hotp),
    Method::Factor(FactorKind::Yubikey),
    Method::Factor(FactorKind::Recovery),
    Method::Factor(FactorKind::Temporary),
    Method::Sent(Channel::Sms),
    Method::Sent(Channel::Voice),
    Method::Sent(Channel::Email),
];
/// A choice between several.
const CHOICE: u8 = 0xff;

/// Methods by the words that plug-ins have for them, several with commas; unknown ones stand for none.
pub fn kinds(text: &str) -> Vec<Method> {
    let one = |word: &str| match word.trim().to_ascii_lowercase().as_str() {
        "totp" => Some(FactorKind::Totp.into()),
        "hotp" => Some(FactorKind::Hotp.into()),
        "yubikey" | "yubico" => Some(FactorKind::Yubikey.into()),
        "tan" | "recovery" => Some(FactorKind::Recovery.into()),
        "registration" | "temporary" => Some(FactorKind::Temporary.into()),
        "sms" => Some(Channel::Sms.into()),
        "voice" | "phone" => Some(Channel::Voice.into()),
        "email" => Some(Channel::Email.into()),
        _ => None,
    };
    text.split(',').filter_map(one).collect()
}

/// A first round.
pub(super) fn round<'a>(
    asking: Asking<'a>,
    policy: &'a ClientPolicy,
    username: &'a str,
    typed: Secret<Vec<u8>>,
) -> Round<'a> {
    let front = (Front::Api, Timing::start());
    let round = Round::new(front, asking.request, &asking.client.name, policy, username);
    Round { typed: Some(typed), origin: asking.origin, crowd: asking.crowd, ..round }
}

/// The application's policy, as it is narrowed by what an order asks for and by what the application may not: where only the passcode
/// is asked for, whoever may not trigger anything cannot have a code sent either.
pub(super) fn policy<'a>(
    asking: Asking<'a>,
    (methods, otponly): (Option<&[Method]>, bool),
) -> Cow<'a, ClientPolicy> {
    let own = &asking.client.policy;
    let otponly = otponly && asking.client.may(ApiRight::OtpOnly);
    let silent = !asking.client.may(ApiRight::Trigger);
    if methods.is_none() && !otponly && !silent {
        return Cow::Borrowed(own);
    }
    let narrowed = |policy: &LoginPolicy| {
        let mut policy = policy.clone();
        if otponly {
            policy.kind = LoginKind::Passcode;
        }
        let silent = silent && policy.kind == LoginKind::Passcode;
        // Nor a challenge opened by a word, which shows who there is and what they have.
        policy.challenge &= !silent;
        let wanted = |method: &Method| methods.is_none_or(|methods| methods.contains(method));
        policy.methods.retain(|method| wanted(method) && !(silent && matches!(method, Method::Sent(_))));
        policy
    };
    let groups = own.groups.iter().map(|(group, policy)| (group.clone(), narrowed(policy))).collect();
    Cow::Owned(ClientPolicy { default: narrowed(&own.default), groups })
}

impl Order {
    fn policy<'a>(&self, asking: Asking<'a>) -> Cow<'a, ClientPolicy> {
        policy(asking, (self.methods.as_deref(), self.otponly))
    }
}

fn is_passcode_only(policy: &ClientPolicy, account: Option<&Account>) -> bool {
    policy.of(account.map(|account| &*account.person)).kind == LoginKind::Passcode
}

/// The answer was wrong, and nothing else stands in the way of another one.
pub(super) fn can_be_retried(reason: Reason) -> bool {
    matches!(reason, Reason::WrongPasscode | Reason::PasscodeReplayed)
        || reason.as_str().starts_with("yubikey-")
}

impl Applications {
    /// Has what was typed checked.
    pub async fn check(&self, asking: Asking<'_>, order: &Order) -> Result<Answered, Failed> {
        let policy = order.policy(asking);
        if order.typed.expose().is_empty()
            && order.transaction.is_none()
            && asking.client.may(ApiRight::Trigger)
        {
            let account = self.account(asking, &order.username).await?;
            if is_passcode_only(&policy, account.as_deref()) {
                return self.open(asking, &policy, order, account).await;
            }
        }
        let mut round = round(asking, &policy, &order.username, order.typed.clone());
        round.device = order.device;
        let verdict = match order.transaction {
            // An empty answer must not use the challenge up: some plug-ins ask so whether it was answered elsewhere.
            Some(_) if order.typed.expose().is_empty() => {
                self.gatekeeper.decide(asking.config, round).await?
            }
            Some(transaction) => self.answer(asking, round, transaction).await?,
            None => self.gatekeeper.decide(asking.config, round).await?,
        };
        self.answered(asking, order, &policy, verdict).await
    }

    /// A passcode is asked for of somebody who has typed nothing, where the application has checked the password itself.
    /// `None`: not of this one.
    pub async fn trigger(&self, asking: Asking<'_>, order: &Order) -> Result<Option<Answered>, Failed> {
        self.require(asking, ApiRight::Trigger).await?;
        let policy = order.policy(asking);
        let account = self.account(asking, &order.username).await?;
        if !is_passcode_only(&policy, account.as_deref()) {
            return Ok(None);
        }
        self.open(asking, &policy, order, account).await.map(Some)
    }

    /// Opens a challenge by the word of the first method that the person has.
    async fn open(
        &self,
        asking: Asking<'_>,
        policy: &ClientPolicy,
        order: &Order,
        account: Option<Arc<Account>>,
    ) -> Result<Answered, Failed> {
        let mut round = round(asking, policy, &order.username, Secret::from(""));
        round.device = order.device;
        let offers = self.gatekeeper.offers(asking.config, &round, account).unwrap_or_default();
        // For whoever has none, a word all the same: the machine says why, and the trail has it.
        let method = offers.first().map_or(Method::Sent(Channel::Sms), Offer::method);
        round.typed = Some(Secret::from(word(method)));
        let verdict = self.gatekeeper.decide(asking.config, round).await?;
        self.answered(asking, order, policy, verdict).await
    }

    /// Answers a transaction; once more in a new challenge, if it was answered wrongly before.
    async fn answer(
        &self,
        asking: Asking<'_>,
        mut round: Round<'_>,
        transaction: Option<Transaction>,
    ) -> Result<Verdict, Failed> {
        let again = match transaction {
            Some(transaction) => self.was_wrong(asking, transaction).await,
            None => false,
        };
        let fresh = match transaction {
            Some(transaction) if again => self.renew(asking, &round, transaction).await?,
            _ => None,
        };
        let state = match (&fresh, transaction) {
            // No more codes may be sent, or the person may not log in any more.
            (Some(Err(_)), _) => None,
            (Some(Ok(state)), _) => Some(*state),
            (None, Some(transaction)) if !again => Some(transaction.state),
            // A device: what it shows counts by itself.
            (None, Some(_)) => None,
            (None, None) => Some([0; 24]),
        };
        if let Some(Err(verdict)) = fresh {
            return Ok(verdict);
        }
        round.state = state.as_ref().map(|state| state.as_slice());
        let (policy, username) = (round.policy, round.username.to_owned());
        let verdict = self.gatekeeper.decide(asking.config, round).await?;
        if let (Verdict::Reject { reason, .. }, Some(transaction)) = (&verdict, transaction)
            && can_be_retried(*reason)
        {
            let account = self.account(asking, &username).await?;
            if let Some(account) = account.filter(|account| is_passcode_only(policy, Some(account))) {
                self.note_wrong(asking, &account.person, transaction).await;
            }
        }
        Ok(verdict)
    }

    /// A new challenge in place of one that was answered wrongly, for the same code as long as a try of it is left.
    /// `None`: it asked for what a device shows.
    async fn renew(
        &self,
        asking: Asking<'_>,
        answered: &Round<'_>,
        transaction: Transaction,
    ) -> Result<Option<Result<[u8; 24], Verdict>>, Failed> {
        let asked =
            ASKED.get(usize::from(transaction.asked)).filter(|method| matches!(method, Method::Sent(_)));
        let Some(method) = asked else { return Ok(None) };
        let mut round = round(asking, answered.policy, answered.username, Secret::from(word(*method)));
        round.join = Some(asking.config.codes.rules.lifetime);
        Ok(Some(match self.gatekeeper.decide(asking.config, round).await? {
            Verdict::Challenge { state, .. } => Ok(state),
            refused => Err(refused),
        }))
    }

    async fn answered(
        &self,
        asking: Asking<'_>,
        order: &Order,
        policy: &ClientPolicy,
        verdict: Verdict,
    ) -> Result<Answered, Failed> {
        Ok(match verdict {
            Verdict::Accept { person, .. } => Answered::Accept(person),
            Verdict::Reject { message, reason } => Answered::Reject { message, reason },
            Verdict::Challenge { prompt, ask, state, .. } => {
                let account = self.account(asking, &order.username).await?;
                let mut round = round(asking, policy, &order.username, Secret::from(""));
                round.device = order.device;
                let offers =
                    self.gatekeeper.offers(asking.config, &round, account.clone()).unwrap_or_default();
                let (chosen, asked) = match ask {
                    Ask::Method(_) => (None, CHOICE),
                    Ask::Passcode(offer) => {
                        let place = ASKED.iter().position(|method| *method == offer.method());
                        (Some(offer), place.and_then(|place| u8::try_from(place).ok()).unwrap_or(CHOICE))
                    }
                };
                let transaction = Transaction { state, asked };
                let ways = ways(chosen, offers, (account.as_deref(), order.device));
                Answered::Challenge(Asked { transaction, message: prompt, ways })
            }
        })
    }
}

/// What can be answered: what was chosen, then what devices show. Where nothing was chosen, all of it.
fn ways(
    chosen: Option<Offer>,
    offers: Vec<Offer>,
    (account, device): (Option<&Account>, Option<FactorId>),
) -> Vec<(Offer, String)> {
    let rest = offers.into_iter().filter(|offer| match &chosen {
        Some(chosen) => chosen.method() != offer.method() && matches!(offer, Offer::Factor(_)),
        None => true,
    });
    let rest: Vec<_> = rest.collect();
    let named = |offer: Offer| {
        let name = match &offer {
            Offer::Factor(kind) => account
                .and_then(|account| {
                    let meant = |factor: &&Factor| device.is_none_or(|device| device == factor.id);
                    account.factors.iter().filter(meant).find(|factor| factor.kind == *kind)
                })
                .map(|factor| serial(factor.kind, factor.id)),
            Offer::Sent(channel, _) => Some(channel.as_str().to_uppercase()),
        };
        (offer, name.unwrap_or_default())
    };
    chosen.into_iter().chain(rest).map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-API-1
    #[test]
    fn words_of_plug_ins_stand_for_methods_and_unknown_ones_for_none() {
        assert_eq!(kinds("totp"), [FactorKind::Totp.into()]);
        assert_eq!(kinds("SMS, hotp"), [Channel::Sms.into(), FactorKind::Hotp.into()]);
        assert!(kinds("push").is_empty() && kinds("").is_empty());
        for method in ASKED {
            assert_eq!(kinds(method.as_str()), [method]);
        }
    }
}
