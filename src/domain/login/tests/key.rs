//! YubiKeys.

use super::*;
use crate::wire::yubico::tests::{key, touch};
use crate::wire::yubico::{Key, LAST_USE};

const ID: &str = "vvcccccbcdef";

fn ours() -> Key {
    key("000102030405060708090a0b0c0d0e0f", "010203040506")
}

fn id() -> PublicId {
    PublicId::parse(ID).unwrap()
}

fn local() -> Factor {
    factor(FactorKind::Yubikey, Material::Yubikey { public_id: id(), key: Some(ours()) })
}

fn remote() -> Factor {
    Factor { next: 700, ..factor(FactorKind::Yubikey, Material::Yubikey { public_id: id(), key: None }) }
}

fn otp() -> String {
    touch(&ours(), id(), 3, 4)
}

const POSITION: u64 = 3 * 256 + 4;

fn proof(position: u64) -> Option<Proof> {
    Some(Proof::Position { factor: local().id, position })
}

// R-YUBI-2
#[test]
fn touch_follows_the_password_in_one_string_or_answers_a_challenge() {
    let world = World::both(vec![local()]);
    for typed in [format!("correct horse{}", otp()), format!("correct horse,{}", otp().to_uppercase())] {
        let round = world.first(&typed);
        assert_eq!((round.reason(), round.ending.accept), (Reason::PasswordAndPasscode, proof(POSITION)));
        assert_eq!(*round.charged, [Counter::Password, Counter::Factor(local().id)]);
        assert_eq!(round.ending.clear, round.charged);
    }
    let challenge = world.first("correct horse");
    assert_eq!(challenge.text(), "Touch your Yubikey Device:");
    assert_eq!(*challenge.charged, [Counter::Password], "nothing was typed that could be of the key");
    let answer = world.answer(challenge.pending(), &format!("{}\n", otp()));
    assert_eq!((answer.reason(), answer.ending.accept), (Reason::PasswordAndPasscode, proof(POSITION)));
    assert_eq!(world.first(&format!("wrong{}", otp())).reason(), Reason::WrongPassword);
}

// R-YUBI-2
#[test]
fn yubikey_device_stands_in_the_list_and_is_chosen_by_number_or_word() {
    let world = World::both(vec![totp(), local()]);
    let first = world.first("correct horse");
    assert_eq!(
        first.text(),
        "Enter a passcode, or choose a method: 1 = One-Time-Passcode App, 2 = Yubikey Device"
    );
    for choice in ["2", "YubiKey"] {
        assert_eq!(world.answer(first.pending(), choice).text(), "Touch your Yubikey Device:", "{choice}");
    }
    assert_eq!(world.first("correct horse,yubikey").text(), "Touch your Yubikey Device:");
}

#[test]
fn key_is_enough_alone_where_the_client_asks_for_passcodes_and_after_a_pin() {
    let world = World::new(LoginKind::Passcode, vec![local()]);
    assert_eq!(world.first(&otp()).reason(), Reason::PasscodeOnly);
    let world = World::new(LoginKind::PinAndPasscode, vec![local(), pin()]);
    assert_eq!(world.first(&format!("2946{}", otp())).reason(), Reason::PinAndPasscode);
    assert_eq!(world.first(&format!("2947{}", otp())).reason(), Reason::WrongPin);
}

#[test]
fn owner_of_a_key_is_enrolled() {
    let world = World::both(vec![local()]);
    assert_eq!(world.first("correct horse").reason(), Reason::PasscodeWanted, "a password is not enough");
}

#[test]
fn each_of_several_keys_works_and_charges_its_own_counter_only() {
    let second = PublicId::parse("vvcccccbcdeg").unwrap();
    let mut other = factor(FactorKind::Yubikey, Material::Yubikey { public_id: second, key: Some(ours()) });
    other.id = FactorId::from_uuid(uuid::Uuid::from_u128(77));
    let world = World::both(vec![local(), other.clone()]);
    let round = world.first(&format!("correct horse{}", touch(&ours(), second, 1, 1)));
    assert_eq!(round.reason(), Reason::PasswordAndPasscode);
    assert_eq!(*round.charged, [Counter::Password, Counter::Factor(other.id)]);
}

#[test]
fn flaw_of_an_own_key_is_told_to_the_log_and_not_to_the_person() {
    let mut worn = local();
    worn.next = u64::from(LAST_USE) * 256;
    let wrong_key = key("f00102030405060708090a0b0c0d0e0f", "010203040506");
    let wrong_id = key("000102030405060708090a0b0c0d0e0f", "0102030405ff");
    for (factor, typed, reason) in [
        (local(), touch(&wrong_key, id(), 1, 1), Reason::YubikeyChecksum),
        (local(), touch(&wrong_id, id(), 1, 1), Reason::YubikeyPrivateId),
        (worn, touch(&ours(), id(), 1, 1), Reason::YubikeyWorn),
    ] {
        let world = World { owner: KeyOwner::Person(factor.person), ..World::both(vec![factor]) };
        let pending = world.first("correct horse").pending();
        for round in [world.first(&format!("correct horse{typed}")), world.answer(pending, &typed)] {
            assert_eq!((round.reason(), round.text()), (reason, &*world.texts.failed));
            assert_eq!((round.ending.accept, round.ending.refund.len()), (None, 0), "{reason:?}");
            assert!(round.charged.contains(&Counter::Factor(local().id)));
        }
    }
}

#[test]
fn damage_on_the_way_is_told_to_the_log_and_charges_no_key() {
    let world = World::both(vec![local()]);
    let pending = world.first("correct horse").pending();
    let dvorak: String = otp()
        .chars()
        .map(|letter| {
            let at = "cbdefghijklnrtuv".find(letter).unwrap();
            "jxe.uidchtnbpygk".chars().nth(at).unwrap()
        })
        .collect();
    for (typed, reason) in [
        (otp()[1..].to_owned(), Reason::YubikeyLength),
        (format!("{}ax{}", &otp()[..30], &otp()[32..]), Reason::YubikeyCharacters),
        (dvorak, Reason::YubikeyLayout),
    ] {
        let alone = world.answer(pending.clone(), &typed);
        assert_eq!((alone.reason(), alone.charged.as_slice()), (reason, &[][..]));
        let behind = world.first(&format!("correct horse,{typed}"));
        assert_eq!((behind.reason(), behind.charged.as_slice()), (reason, &[Counter::Password][..]));
    }
}

#[test]
fn whose_a_strange_key_is_is_told_to_the_log() {
    let mut world = World::both(vec![totp()]);
    let someone = PersonId::from_uuid(uuid::Uuid::from_u128(5));
    for (owner, reason) in [
        (KeyOwner::Unknown, Reason::YubikeyUnknown),
        (KeyOwner::Nobody, Reason::YubikeyUnassigned),
        (KeyOwner::Revoked, Reason::YubikeyRevoked),
        (KeyOwner::Person(someone), Reason::YubikeyForeign),
    ] {
        world.owner = owner;
        let pending = world.first("correct horse").pending();
        for round in [world.first(&format!("correct horse{}", otp())), world.answer(pending, &otp())] {
            assert_eq!((round.reason(), round.looked_for.as_slice()), (reason, &[id()][..]));
            assert_eq!(round.text(), world.texts.failed);
        }
    }
}

#[test]
fn refusal_costs_the_same_look_whoever_it_is_about() {
    let typed = format!("wrong{}", otp());
    let looks = |world: &World| world.first(&typed).looked_for.len();
    let mut world = World::both(vec![local()]);
    assert_eq!(looks(&world), 1, "their own key");
    world.account.as_mut().unwrap().factors.clear();
    assert_eq!(looks(&world), 1, "no key");
    Arc::make_mut(&mut world.account.as_mut().unwrap().person).status = Status::Locked;
    assert_eq!((looks(&world), world.first(&typed).reason()), (1, Reason::PersonLocked));
    world.account = None;
    assert_eq!((looks(&world), world.first(&typed).reason()), (1, Reason::UnknownPerson));
}

#[test]
fn validation_server_is_asked_last_and_its_word_is_used_once() {
    let mut world = World::both(vec![remote()]);
    let typed = format!("correct horse,{}", otp());
    let round = world.first(&typed);
    assert_eq!((round.reason(), round.asked.as_slice()), (Reason::PasswordAndPasscode, &[remote().id][..]));
    assert_eq!((round.ending.accept, round.ending.otp.is_some()), (proof(700), true), "no position told");
    world.server = Validation::Good(Some(4000));
    let round = world.first(&typed);
    assert_eq!((round.ending.accept, round.ending.otp), (proof(4000), None));
    assert_eq!(*round.ending.clear, [Counter::Password, Counter::Factor(remote().id)]);
    let challenge = world.first("correct horse");
    assert_eq!(world.answer(challenge.pending(), &otp()).ending.accept, proof(4000));
    let wrong = world.first(&format!("wrong{}", otp()));
    assert_eq!((wrong.reason(), wrong.asked.len()), (Reason::WrongPassword, 0), "no use to ask");
}

#[test]
fn what_the_validation_server_refuses_keeps_its_charges() {
    let mut world = World::both(vec![remote()]);
    for reason in [Reason::YubikeyRefused, Reason::PasscodeReplayed, Reason::YubikeyNoServer] {
        world.server = Validation::Bad(reason);
        let round = world.first(&format!("correct horse{}", otp()));
        assert_eq!((round.reason(), round.text()), (reason, &*world.texts.failed));
        assert!(round.ending.refund.is_empty() && round.ending.clear.is_empty());
    }
}

#[test]
fn key_that_is_shut_or_not_allowed_here_is_neither_tried_nor_asked_about() {
    for factor in [local(), remote()] {
        let mut world = World { owner: KeyOwner::Person(factor.person), ..World::both(vec![factor, totp()]) };
        world.shut = vec![(Counter::Factor(local().id), Gate::Stopped)];
        let round = world.first(&format!("correct horse{}", otp()));
        assert_eq!((round.ending.accept, round.asked.len()), (None, 0));
        assert_eq!(round.reason(), Reason::WrongPasswordOrPasscode);
        world.shut.clear();
        world.policy.default.methods = vec![FactorKind::Totp.into()];
        let round = world.first(&format!("correct horse{}", otp()));
        assert_eq!((round.ending.accept, round.asked.len()), (None, 0));
        assert_eq!(*round.charged, [Counter::Password]);
    }
}
