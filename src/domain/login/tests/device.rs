//! Devices with passwords of their own (R-RAD-3).

use super::*;
use crate::wire::mschap::{Exchange, NtHash};
use smallvec::smallvec;

const PHONE: &str = "k7wd9-m2pq4-x0zrt-8hc3e";

fn device(password: &str, name: &str) -> Factor {
    let material = Material::DevicePassword { hash: NtHash::of(password) };
    let mut factor = factor(FactorKind::DevicePassword, material);
    factor.id = FactorId::from_uuid(uuid::Uuid::from_u128(name.len() as u128));
    name.clone_into(&mut factor.label);
    factor
}

fn exchange(password: &str) -> Exchange {
    let mut exchange = Exchange {
        authenticator_challenge: [1; 16],
        peer_challenge: [2; 16],
        name: b"Alice".to_vec(),
        response: [0; 24],
    };
    exchange.response = exchange.response_of(&NtHash::of(password));
    exchange
}

/// Runs one to its end: how it ended, what was charged, and the device.
fn run(world: &World, exchange: Exchange) -> (Ending, CounterList, Option<Recognised>) {
    let mut login = Login::by_device(world.context(), "Alice", exchange);
    let mut action = login.start();
    let mut charged = CounterList::new();
    loop {
        let event = match action {
            Action::LookUp(_) => Event::Account(world.account.clone().map(Into::into)),
            Action::Charge { counters, .. } => {
                let gate =
                    |c: &Counter| world.shut.iter().find(|(s, _)| s == c).map_or(Gate::Open, |(_, g)| *g);
                let gates = counters.iter().map(gate).collect();
                charged = counters;
                Event::Charged(gates)
            }
            Action::Settle(ending) => return (*ending, charged, login.recognised()),
            other => panic!("not on this way: {other:?}"),
        };
        action = login.handle(event);
    }
}

fn world() -> World {
    World::both(vec![totp(), device(PHONE, "phone"), device("3hc8e-trz0x-4qp2m-9dw7k", "laptop")])
}

#[test]
fn device_is_told_by_its_exchange_and_must_still_be_there() {
    let (ending, charged, found) = run(&world(), exchange(PHONE));
    assert_eq!(ending.decision.reason(), Reason::DevicePassword);
    assert_eq!((charged, &ending.clear[..]), (smallvec![Counter::Devices], &[Counter::Devices][..]));
    let found = found.unwrap();
    assert_eq!(found.name, "phone");
    assert_eq!(ending.accept, Some(Proof::Standing { factor: found.factor }));
    assert_eq!(ending.device.as_deref(), Some("phone"));
    assert_eq!(ending.replayed("no").reason(), Reason::DevicePasswordRevoked);
}

#[test]
fn other_secrets_of_the_person_open_nothing_here() {
    for wrong in ["correct horse", "correct horse123456", "k7wd9-m2pq4-x0zrt-8hc3f", "", "2946"] {
        let (ending, charged, found) = run(&world(), exchange(wrong));
        assert_eq!(ending.decision.reason(), Reason::WrongDevicePassword, "{wrong}");
        assert!(found.is_none() && ending.accept.is_none() && ending.refund.is_empty());
        assert_eq!(*charged, [Counter::Devices], "charged all the same");
    }
    let (ending, ..) = run(&World::both(vec![totp()]), exchange("correct horse"));
    assert_eq!(ending.decision.reason(), Reason::NoDevicePassword);
}

#[test]
fn strangers_and_people_who_may_not_log_in_are_charged_and_refused_alike() {
    let mut stranger = world();
    stranger.account = None;
    let (ending, charged, found) = run(&stranger, exchange(PHONE));
    assert_eq!((ending.decision.reason(), charged), (Reason::UnknownPerson, smallvec![Counter::Devices]));
    assert!(found.is_none());
    for (status, reason) in [
        (Status::Disabled, Reason::PersonDisabled),
        (Status::Locked, Reason::PersonLocked),
        (Status::New, Reason::PersonNew),
    ] {
        let mut barred = world();
        Arc::make_mut(&mut barred.account.as_mut().unwrap().person).status = status;
        let (ending, charged, found) = run(&barred, exchange(PHONE));
        assert_eq!((ending.decision.reason(), charged), (reason, smallvec![Counter::Devices]));
        assert!(found.is_none() && ending.accept.is_none());
    }
    let mut throttled = world();
    throttled.shut = vec![(Counter::Devices, Gate::Delayed)];
    let (ending, _, found) = run(&throttled, exchange(PHONE));
    assert_eq!(ending.decision.reason(), Reason::Throttled);
    assert!(found.is_none(), "a right one does not count before the delay is over");
}

#[test]
fn device_password_is_no_passcode_and_no_second_factor() {
    let mut world = World::both(vec![device(PHONE, "phone")]);
    let round = world.first("correct horse");
    assert_eq!(round.reason(), Reason::PasswordOnly, "nothing is enrolled");
    for typed in [PHONE.to_owned(), format!("correct horse{PHONE}"), format!("correct horse,{PHONE}")] {
        assert_eq!(world.first(&typed).reason(), Reason::WrongPassword);
    }
    // Not even where somebody wrote it into a policy's list.
    world.policy.default.methods.push(FactorKind::DevicePassword.into());
    world.policy.default.second_factor = SecondFactor::Required;
    assert_eq!(world.first("correct horse").reason(), Reason::NotEnrolled);
    assert_eq!(world.first(&format!("correct horse,{PHONE}")).reason(), Reason::WrongPassword);
}
