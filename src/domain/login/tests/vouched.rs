//! Sessions that are resumed: what let a person in before must still be enough.

use super::*;

/// What a session gives that began with this reason and factor.
fn resumed(world: &World, reason: Reason, factor: Option<FactorId>) -> Reason {
    let person = PersonId::from_uuid(uuid::Uuid::from_u128(99));
    let vouched = Vouched::Session { person, version: 1, reason, factor };
    let (mut login, action) = Login::start(world.context(), "alice", None, Opening::Vouched(vouched));
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
