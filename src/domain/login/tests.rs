//! The machine against a scripted world: one person, one password, injected time.

mod device;
mod key;
mod sent;
mod vouched;

use super::*;
use crate::domain::contact::Destination;
use crate::domain::digest::CodeDigester;
use crate::domain::directory::Realms;
use crate::domain::factor::{Algorithm, Factor, FactorKind, Material, OneTimeCode};
use crate::domain::method::{Channel, Reach};
use crate::domain::passcode::tests::{factor, hotp_factor, totp_factor};
use crate::domain::passcode::{self, Window, canonical_code, code_at};
use crate::domain::password::PasswordVerdict;
use crate::domain::person::{Person, PersonId};
use crate::domain::policy::{ClientPolicy, LoginTexts, SecondFactor};
use crate::domain::sent::SentCode;
use crate::domain::yubikey::{KeyOwner, Validation};
use crate::wire::yubico::PublicId;
use std::time::Duration;

const SEED: &str = "12345678901234567890";
const NOW: Timestamp = Timestamp::from_secs(3_000_000);

/// Everyone with a number or an address can be reached there.
#[derive(Debug)]
struct Phones;

impl Reach for Phones {
    fn destination(&self, person: &Person, channel: Channel) -> Option<Destination> {
        let to = match channel {
            Channel::Email => person.email.clone()?,
            Channel::Sms | Channel::Voice => person.phone.clone()?,
        };
        Some(Destination { masked: format!("…{}", &to[to.len() - 4..]), to })
    }

    fn cost(&self, _: Channel, _: &Destination) -> u32 {
        7
    }
}

struct World {
    account: Option<Account>,
    password: &'static str,
    pin: &'static str,
    policy: ClientPolicy,
    texts: LoginTexts,
    reach: Phones,
    digester: CodeDigester,
    realms: Realms,
    shut: Vec<(Counter, Gate)>,
    now: Timestamp,
    /// What the validation server says.
    server: Validation,
    /// Whose each key is that is not in the account.
    owner: KeyOwner,
    device: Option<FactorId>,
}

/// What a round did.
struct Round {
    ending: Ending,
    charged: CounterList,
    checked: Vec<(bool, usize)>,
    asked: Vec<FactorId>,
    looked_for: Vec<PublicId>,
}

impl Round {
    fn reason(&self) -> Reason {
        self.ending.decision.reason()
    }

    fn pending(&self) -> Pending {
        match &self.ending.decision {
            Decision::Challenge { pending, .. } => pending.clone(),
            other => panic!("not a challenge: {other:?}"),
        }
    }

    fn text(&self) -> &str {
        match &self.ending.decision {
            Decision::Challenge { prompt, .. } => prompt,
            Decision::Reject { message, .. } => message,
            Decision::Accept { .. } => "",
        }
    }
}

impl World {
    fn new(kind: LoginKind, factors: Vec<Factor>) -> Self {
        let person = Person {
            groups: vec!["staff".into()],
            ..Person::named(PersonId::from_uuid(uuid::Uuid::from_u128(99)), Username::parse("alice").unwrap())
        };
        let default = LoginPolicy { kind, second_factor: SecondFactor::IfEnrolled, ..LoginPolicy::default() };
        World {
            account: Some(Account { person: person.into(), factors }),
            password: "correct horse",
            pin: "2946",
            policy: ClientPolicy { default, groups: Vec::new() },
            texts: LoginTexts::default(),
            reach: Phones,
            digester: CodeDigester::new(Secret::new(vec![7; 32])),
            realms: Realms::default(),
            shut: Vec::new(),
            now: NOW,
            server: Validation::Good(None),
            owner: KeyOwner::Unknown,
            device: None,
        }
    }

    fn both(factors: Vec<Factor>) -> Self {
        World::new(LoginKind::PasswordAndPasscode, factors)
    }

    fn context(&self) -> Context<'_> {
        Context {
            device: self.device,
            client: "vpn",
            purpose: Purpose::Login,
            policy: &self.policy,
            texts: &self.texts,
            reach: &self.reach,
            window: Window::default(),
            digester: &self.digester,
            realms: &self.realms,
            now: self.now,
        }
    }

    fn first(&self, typed: &str) -> Round {
        self.round(typed, Opening::First)
    }

    fn answer(&self, pending: Pending, typed: &str) -> Round {
        self.round(typed, Opening::Answer { pending: Box::new(pending), code: None })
    }

    fn round(&self, typed: &str, opening: Opening) -> Round {
        let typed = Secret::from(typed);
        let mut login = Login::new(self.context(), "Alice", Some(&typed), opening);
        let mut action = login.start();
        let (mut charges, mut checked) = (CounterList::new(), Vec::new());
        let (mut asked, mut looked_for) = (Vec::new(), Vec::new());
        loop {
            let event = match action {
                Action::LookUp(name) => {
                    assert_eq!(name.as_str(), "alice");
                    Event::Account(self.account.clone().map(Into::into))
                }
                Action::Charge { counters, .. } => {
                    let gate =
                        |c: &Counter| self.shut.iter().find(|(s, _)| s == c).map_or(Gate::Open, |(_, g)| *g);
                    let gates = counters.iter().map(gate).collect();
                    charges = counters;
                    Event::Charged(gates)
                }
                Action::CheckPassword { person, candidates } => {
                    assert!(!charges.is_empty(), "charged before it is verified");
                    checked.push((person.is_some(), candidates.len()));
                    let right = candidates.iter().position(|c| c.expose() == self.password.as_bytes());
                    Event::Password(match right {
                        Some(at) if person.is_some() => PasswordVerdict::Right(at),
                        _ => PasswordVerdict::Wrong,
                    })
                }
                Action::CheckPin { hash, pin } => {
                    checked.push((hash.is_some(), 1));
                    Event::Pin(hash.is_some() && pin.expose() == self.pin.as_bytes())
                }
                Action::Validate { factor, .. } => {
                    assert!(charges.contains(&Counter::Factor(factor)), "charged before it is validated");
                    asked.push(factor);
                    Event::Validated(self.server)
                }
                Action::FindKey(public_id) => {
                    looked_for.push(public_id);
                    Event::KeyOwner(self.owner)
                }
                Action::Settle(ending) => {
                    return Round { ending: *ending, charged: charges, checked, asked, looked_for };
                }
            };
            action = login.handle(event);
        }
    }

    fn code(&self) -> String {
        code_at(&totp(), passcode::totp_step(&totp(), self.now)).unwrap()
    }
}

fn totp() -> Factor {
    totp_factor(Algorithm::Sha1, 6, SEED)
}

fn pin() -> Factor {
    factor(FactorKind::Pin, Material::Pin { hash: Secret::new("$argon2id$".to_owned()) })
}

fn paper(expires: Option<Timestamp>, kind: FactorKind, code: &str) -> Factor {
    let mut factor = factor(kind, Material::Codes(Vec::new()));
    let digester = CodeDigester::new(Secret::new(vec![7; 32]));
    let digest = digester.digest(factor.id, &canonical_code(code));
    factor.material = Material::Codes(vec![OneTimeCode { digest, expires }]);
    factor
}

// R-RAD-1
#[test]
fn password_and_code_in_one_string_are_accepted_with_and_without_separator() {
    let world = World::both(vec![totp()]);
    for typed in [format!("correct horse{}", world.code()), format!("correct horse,{}", world.code())] {
        let round = world.first(&typed);
        assert_eq!(round.reason(), Reason::PasswordAndPasscode, "{typed}");
        assert!(round.ending.accept.is_some());
        assert_eq!(*round.charged, [Counter::Password, Counter::Factor(totp().id)]);
        assert_eq!(round.ending.clear, round.charged);
    }
}

// R-RAD-1
#[test]
fn passwords_of_any_characters_are_split_right() {
    for password in ["a,b", "ends in 123456", "пароль", "comma,", ",", "x,sms", "1234567", "tab\t", " space "]
    {
        let mut world = World::both(vec![totp(), hotp_factor()]);
        world.password = password;
        for separator in ["", ","] {
            let round = world.first(&format!("{password}{separator}{}", world.code()));
            assert_eq!(round.reason(), Reason::PasswordAndPasscode, "{password:?} {separator:?}");
        }
        assert_eq!(world.first(password).reason(), Reason::PasscodeWanted, "{password:?}");
    }
}

#[test]
fn person_without_factor_logs_in_by_password_where_the_policy_allows_it() {
    let mut world = World::both(Vec::new());
    assert_eq!(world.first("correct horse").reason(), Reason::PasswordOnly);
    assert_eq!(world.first("wrong").reason(), Reason::WrongPassword);
    world.policy.default.second_factor = SecondFactor::Required;
    let round = world.first("correct horse");
    assert_eq!((round.reason(), round.text()), (Reason::NotEnrolled, &*world.texts.not_enrolled));
    assert_eq!(world.first("wrong").text(), world.texts.failed);
}

#[test]
fn second_factor_that_is_not_allowed_here_does_not_make_a_password_enough() {
    let mut world = World::both(vec![totp()]);
    world.policy.default.methods = vec![FactorKind::Hotp.into()];
    assert_eq!(world.first("correct horse").reason(), Reason::MethodUnavailable);
    assert_eq!(world.first(&format!("correct horse{}", world.code())).reason(), Reason::WrongPassword);
}

#[test]
fn challenge_is_answered_by_the_code_and_bound_to_person_client_and_time() {
    let world = World::both(vec![totp()]);
    let challenge = world.first("correct horse");
    assert_eq!(*challenge.ending.clear, [Counter::Password]);
    assert_eq!(challenge.text(), "Enter the passcode from your One-Time-Passcode App:");
    let pending = challenge.pending();
    let accepted = world.answer(pending.clone(), &world.code());
    assert_eq!(accepted.reason(), Reason::PasswordAndPasscode);
    assert_eq!(*accepted.charged, [Counter::Factor(totp().id)]);
    assert_eq!(world.answer(pending.clone(), "000000").reason(), Reason::WrongPasscode);

    let other_client = Pending { client: "wifi".into(), ..pending.clone() };
    assert_eq!(world.answer(other_client, &world.code()).reason(), Reason::StateInvalid);
    let other_person = Pending { person: PersonId::from_uuid(uuid::Uuid::from_u128(1)), ..pending.clone() };
    assert_eq!(world.answer(other_person, &world.code()).reason(), Reason::StateInvalid);
    let before = Pending { version: pending.version - 1, ..pending.clone() };
    assert_eq!(world.answer(before, &world.code()).reason(), Reason::StateInvalid);
    let late = Pending { expires: NOW, ..pending };
    assert_eq!(world.answer(late, &world.code()).reason(), Reason::StateInvalid);
    assert_eq!(world.round(&world.code(), Opening::Lost).reason(), Reason::StateInvalid);
}

#[test]
fn person_locked_after_the_challenge_is_refused() {
    let mut world = World::both(vec![totp()]);
    let pending = world.first("correct horse").pending();
    Arc::make_mut(&mut world.account.as_mut().unwrap().person).status = Status::Locked;
    assert_eq!(world.answer(pending, &world.code()).reason(), Reason::PersonLocked);
}

// R-RESET-9
#[test]
fn new_password_or_a_lock_that_was_lifted_voids_the_challenge() {
    let mut world = World::both(vec![totp(), hotp_factor()]);
    let pending = world.first("correct horse").pending();
    assert_eq!(world.answer(pending.clone(), &world.code()).reason(), Reason::PasswordAndPasscode);
    Arc::make_mut(&mut world.account.as_mut().unwrap().person).version += 1;
    assert_eq!(world.answer(pending.clone(), &world.code()).reason(), Reason::StateInvalid);
    assert_eq!(world.answer(pending.clone(), "2").reason(), Reason::StateInvalid, "nor is a method chosen");
    let old: Pending = serde_json::from_value({
        let mut json = serde_json::to_value(&pending).unwrap();
        json.as_object_mut().unwrap().remove("version");
        json
    })
    .unwrap();
    assert_eq!(
        world.answer(old, &world.code()).reason(),
        Reason::StateInvalid,
        "of a program before this one"
    );
    let anew = world.first("correct horse").pending();
    assert_eq!(world.answer(anew, &world.code()).reason(), Reason::PasswordAndPasscode);
}

// R-RAD-2
#[test]
fn method_is_chosen_by_number_or_name_up_to_the_limit_of_rounds() {
    let world = World::both(vec![totp(), hotp_factor()]);
    let first = world.first("correct horse");
    assert_eq!(
        first.text(),
        "Enter a passcode, or choose a method: 1 = One-Time-Passcode App, 2 = passcode token"
    );
    let second = world.answer(first.pending(), "2");
    assert_eq!(second.text(), "Enter the passcode from your passcode token:");
    let third = world.answer(second.pending(), "APP");
    assert_eq!(third.text(), "Enter the passcode from your One-Time-Passcode App:");
    assert_eq!(world.answer(third.pending(), "1").reason(), Reason::TooManyRounds);
    assert_eq!(world.answer(third.pending(), &world.code()).reason(), Reason::PasswordAndPasscode);
}

// R-RAD-2
#[test]
fn word_for_a_sent_code_says_that_the_method_is_not_available() {
    let mut world = World::both(vec![totp()]);
    let round = world.first("correct horse,sms");
    assert_eq!(
        round.text(),
        "That method is not available here. Enter the passcode from your One-Time-Passcode App:"
    );
    assert_eq!(world.first("wrong,sms").reason(), Reason::WrongPassword);
    world.policy.default.challenge = false;
    assert_eq!(world.first("correct horse,sms").reason(), Reason::MethodUnavailable);
    assert_eq!(world.first("correct horse").reason(), Reason::PasscodeMissing);
}

#[test]
fn one_round_client_is_never_led_to_a_second_challenge() {
    let mut world = World::both(vec![totp(), hotp_factor()]);
    world.policy.default.one_round = true;
    let first = world.first("correct horse");
    assert_eq!(first.text(), "Enter the passcode from your One-Time-Passcode App / passcode token:");
    assert_eq!(world.answer(first.pending(), "1").reason(), Reason::WrongPasscode);
    assert_eq!(world.answer(first.pending(), &world.code()).reason(), Reason::PasswordAndPasscode);
}

#[test]
fn passcode_only_takes_a_code_and_no_password() {
    let mut world = World::new(LoginKind::Passcode, vec![totp()]);
    assert_eq!(world.first(&world.code()).reason(), Reason::PasscodeOnly);
    assert_eq!(world.first("correct horse").reason(), Reason::WrongPasscode);
    assert_eq!(world.first(&format!("correct horse{}", world.code())).reason(), Reason::WrongPasscode);
    world.account.as_mut().unwrap().factors.clear();
    assert_eq!(world.first("123456").reason(), Reason::NotEnrolled);
}

// R-API-1
#[test]
fn where_one_device_is_meant_no_other_counts_and_nothing_is_sent() {
    let mut world = World::new(LoginKind::Passcode, vec![totp()]);
    world.device = Some(totp().id);
    assert_eq!(world.first(&world.code()).reason(), Reason::PasscodeOnly);
    world.device = Some(FactorId::from_uuid(uuid::Uuid::from_u128(12_345)));
    assert_eq!(world.first(&world.code()).reason(), Reason::NotEnrolled);
    assert_eq!(world.first("sms").reason(), Reason::NotEnrolled);
}

// R-APP-4
#[test]
fn pin_and_passcode_need_both() {
    let mut world = World::new(LoginKind::PinAndPasscode, vec![totp(), pin()]);
    assert_eq!(world.first(&format!("2946{}", world.code())).reason(), Reason::PinAndPasscode);
    assert_eq!(world.first(&format!("2946,{}", world.code())).reason(), Reason::PinAndPasscode);
    assert_eq!(world.first(&format!("2947{}", world.code())).reason(), Reason::WrongPin);
    assert_eq!(world.first("2946000000").reason(), Reason::WrongPin);
    let challenge = world.first("2946");
    assert_eq!(world.answer(challenge.pending(), &world.code()).reason(), Reason::PinAndPasscode);
    world.account.as_mut().unwrap().factors[1].id = FactorId::from_uuid(uuid::Uuid::nil());
    let answered = world.answer(challenge.pending(), &world.code());
    assert_eq!(answered.reason(), Reason::StateInvalid, "another PIN since the challenge");
    world.account.as_mut().unwrap().factors.retain(|f| f.kind == FactorKind::Pin);
    assert_eq!(world.first("2946").reason(), Reason::NotEnrolled, "a PIN is never enough alone");
}

#[test]
fn recovery_and_temporary_codes_count_as_passcodes() {
    let world = World::both(vec![
        paper(None, FactorKind::Recovery, "0abcd-1efgh"),
        paper(Some(NOW + Duration::from_secs(1)), FactorKind::Temporary, "12345678"),
    ]);
    assert_eq!(world.first("correct horse0abcd-1efgh").reason(), Reason::PasswordAndPasscode);
    assert_eq!(world.first("correct horse12345678").reason(), Reason::PasswordAndPasscode);
    assert_eq!(world.first("correct horse").reason(), Reason::PasscodeWanted);
}

#[test]
fn temporary_code_alone_does_not_enroll_anyone() {
    let code = |end| paper(Some(end), FactorKind::Temporary, "12345678");
    let mut world = World::both(vec![code(NOW)]);
    assert_eq!(world.first("correct horse").reason(), Reason::PasswordOnly);
    world.policy.default.second_factor = SecondFactor::Required;
    assert_eq!(world.first("correct horse").reason(), Reason::NotEnrolled, "it has expired");
    world.account.as_mut().unwrap().factors = vec![code(NOW + Duration::from_secs(1))];
    assert_eq!(world.first("correct horse").reason(), Reason::PasscodeWanted);
    assert_eq!(world.first("correct horse12345678").reason(), Reason::PasswordAndPasscode);
}

#[test]
fn stranger_and_barred_person_cost_one_check_like_a_wrong_password() {
    let mut world = World::both(vec![totp()]);
    assert_eq!(world.first("wrong").checked, [(true, 1)]);
    for (status, reason) in
        [(Status::Locked, Reason::PersonLocked), (Status::Disabled, Reason::PersonDisabled)]
    {
        Arc::make_mut(&mut world.account.as_mut().unwrap().person).status = status;
        let round = world.first("correct horse");
        assert_eq!((round.reason(), round.checked.as_slice()), (reason, &[(false, 1)][..]));
        assert_eq!(round.text(), world.texts.failed);
    }
    world.account = None;
    let round = world.first("correct horse");
    assert_eq!((round.reason(), round.checked.as_slice()), (Reason::UnknownPerson, &[(false, 1)][..]));
    assert_eq!(*round.charged, [Counter::Password]);
}

#[test]
fn shut_gate_refuses_even_the_right_password_and_code() {
    let mut world = World::both(vec![totp()]);
    let typed = format!("correct horse{}", world.code());
    for (gate, reason) in [(Gate::Delayed, Reason::Throttled), (Gate::Stopped, Reason::HardStopped)] {
        world.shut = vec![(Counter::Password, gate)];
        let round = world.first(&typed);
        assert_eq!((round.reason(), round.checked.as_slice()), (reason, &[(false, 1)][..]));
        assert_eq!(round.ending.accept, None);
        assert_eq!(*round.ending.refund, [Counter::Factor(totp().id)], "the code was not looked at");
    }
    world.shut = vec![(Counter::Factor(totp().id), Gate::Stopped)];
    assert_eq!(world.first(&typed).ending.accept, None, "a stopped factor is not tried");
    assert_eq!(world.first("correct horse").reason(), Reason::PasscodeWanted, "nor forgotten");
    let pending = world.first("correct horse").pending();
    assert_eq!(world.answer(pending, &world.code()).reason(), Reason::HardStopped);
}

#[test]
fn wrong_code_keeps_its_charges_and_a_password_that_ends_in_digits_gets_them_back() {
    let mut world = World::both(vec![totp()]);
    let wrong = world.first("correct horse000000");
    assert_eq!(wrong.reason(), Reason::WrongPasswordOrPasscode);
    assert!(wrong.ending.clear.is_empty() && wrong.ending.refund.is_empty());
    world.password = "horse000000";
    let right = world.first("horse000000");
    assert_eq!(right.reason(), Reason::PasscodeWanted);
    assert_eq!(*right.ending.refund, [Counter::Factor(totp().id)]);
    assert_eq!(*right.ending.clear, [Counter::Password]);
}

#[test]
fn group_policy_takes_the_place_of_the_clients() {
    let mut world = World::both(vec![totp()]);
    let only = LoginPolicy { kind: LoginKind::Password, ..world.policy.default.clone() };
    world.policy.groups = vec![("admins".into(), LoginPolicy::default()), ("staff".into(), only)];
    assert_eq!(world.first("correct horse").reason(), Reason::PasswordOnly);
    Arc::make_mut(&mut world.account.as_mut().unwrap().person).groups = vec!["students".into()];
    assert_eq!(world.first("correct horse").reason(), Reason::PasscodeWanted);
}

#[test]
fn nothing_typed_or_no_password_attribute_is_refused_before_any_look_up() {
    let world = World::both(vec![totp()]);
    assert_eq!(world.first("").reason(), Reason::EmptyPassword);
    let action = Login::new(world.context(), "alice", None, Opening::First).start();
    assert!(matches!(action, Action::Settle(e) if e.decision.reason() == Reason::ProtocolUnsupported));
    let action = Login::new(world.context(), " ", Some(&Secret::from("x")), Opening::First).start();
    assert!(matches!(action, Action::Settle(e) if e.decision.reason() == Reason::UsernameInvalid));
}

#[test]
fn event_out_of_order_is_refused() {
    let world = World::both(vec![totp()]);
    let typed = Secret::from("x");
    let mut login = Login::new(world.context(), "alice", Some(&typed), Opening::First);
    let _ = login.start();
    let action = login.handle(Event::Password(PasswordVerdict::Right(0)));
    assert!(matches!(action, Action::Settle(e) if e.decision.outcome() == "reject"));
}
