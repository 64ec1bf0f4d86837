//! Sessions that are resumed: what let a person in before must still be enough.

use super::*;

/// What a session gives that began with this reason and factor.
fn resumed(world: &World, reason: Reason, factor: Option<FactorId>) -> Reason {
    resumed_with(world, reason, [factor, None])
}

fn resumed_with(world: &World, reason: Reason, factors: Shown) -> Reason {
    let person = PersonId::from_uuid(uuid::Uuid::from_u128(99));
    let vouched = Vouched::Session { person, version: 1, reason, factors };
    let mut login = Login::new(world.context(), "alice", None, Opening::Vouched(vouched));
    let action = login.start();
    let Action::LookUp(_) = action else { panic!("{action:?}") };
    match login.handle(Event::Account(world.account.clone().map(Into::into))) {
        Action::Settle(ending) => ending.decision.reason(),
        other => panic!("nothing is charged or verified: {other:?}"),
    }
}

#[test]
fn session_ends_with_the_factor_that_it_began_with() {
    let app = totp();
    let id = Some(app.id);
    let mut world = World::both(vec![app]);
    assert_eq!(resumed(&world, Reason::PasswordAndPasscode, id), Reason::SessionResumed);
    world.account.as_mut().unwrap().factors.clear();
    assert_eq!(resumed(&world, Reason::PasswordAndPasscode, id), Reason::SessionVoid);
}

#[test]
fn password_is_not_enough_once_a_passcode_is_asked_for() {
    let mut world = World::both(Vec::new());
    assert_eq!(resumed(&world, Reason::PasswordOnly, None), Reason::SessionResumed);
    world.account.as_mut().unwrap().factors.push(totp());
    assert_eq!(resumed(&world, Reason::PasswordOnly, None), Reason::SessionVoid, "enrolled since");
    // In another group since.
    let mut world = World::new(LoginKind::Password, Vec::new());
    assert_eq!(resumed(&world, Reason::PasswordOnly, None), Reason::SessionResumed);
    world.policy.groups.push(("staff".into(), LoginPolicy::default()));
    assert_eq!(resumed(&world, Reason::PasswordOnly, None), Reason::SessionVoid);
    for reason in [Reason::PasswordAndPasscode, Reason::Certificate, Reason::DevicePassword] {
        assert_eq!(resumed(&world, reason, None), Reason::SessionResumed);
    }
    for reason in [Reason::PasscodeOnly, Reason::PinAndPasscode, Reason::SessionResumed] {
        assert_eq!(resumed(&world, reason, None), Reason::SessionVoid);
    }
}

/// Replacing a PIN gives it another id.
#[test]
fn session_ends_with_the_pin_that_it_began_with() {
    let (app, pin) = (totp(), pin());
    let shown = [Some(app.id), Some(pin.id)];
    let mut world = World::new(LoginKind::PinAndPasscode, vec![app, pin]);
    let round = world.first(&format!("2946{}", world.code()));
    assert_eq!(round.reason(), Reason::PinAndPasscode);
    assert_eq!([round.ending.accept.map(|proof| proof.factor()), round.ending.pin], shown);
    assert_eq!(resumed_with(&world, Reason::PinAndPasscode, shown), Reason::SessionResumed);
    let own = &mut world.account.as_mut().unwrap().factors[1];
    own.id = FactorId::from_uuid(uuid::Uuid::from_u128(4711));
    assert_eq!(resumed_with(&world, Reason::PinAndPasscode, shown), Reason::SessionVoid, "another PIN");
    world.account.as_mut().unwrap().factors.truncate(1);
    assert_eq!(resumed_with(&world, Reason::PinAndPasscode, shown), Reason::SessionVoid, "none any more");
}

#[test]
fn pin_that_was_right_before_a_challenge_is_one_that_was_shown() {
    let (app, pin) = (totp(), pin());
    let shown = [Some(app.id), Some(pin.id)];
    let world = World::new(LoginKind::PinAndPasscode, vec![app, pin]);
    let pending = world.first("2946").pending();
    let accepted = world.answer(pending, &world.code());
    assert_eq!(accepted.reason(), Reason::PinAndPasscode);
    assert_eq!([accepted.ending.accept.map(|proof| proof.factor()), accepted.ending.pin], shown);
}
