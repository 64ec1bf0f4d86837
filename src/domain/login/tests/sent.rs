//! Codes that are sent (R-RAD-2, R-TOP-6, R-CODE-1).

use super::*;
use crate::domain::factor::CodeDigest;
use crate::domain::method::Method;
use crate::domain::sent::Purpose;

const CODE: &str = "402913";

impl World {
    /// Someone with a telephone and an e-mail address, at a client that requires a passcode.
    fn reachable(factors: Vec<Factor>) -> Self {
        let mut world = World::both(factors);
        let person = Arc::make_mut(&mut world.account.as_mut().unwrap().person);
        person.phone = Some("+15550101234".into());
        person.email = Some("alice@example.org".into());
        world.policy.default.second_factor = SecondFactor::Required;
        world
    }

    fn allowing(mut self, methods: &[Method]) -> Self {
        self.policy.default.methods = methods.to_vec();
        self
    }

    fn person(&self) -> PersonId {
        self.account.as_ref().unwrap().person.id
    }

    fn sent(&self) -> SentCode {
        let id = CodeId::from_uuid(uuid::Uuid::from_u128(7));
        let digest =
            self.digester.digest_sent(id, self.person(), (Purpose::Login, "vpn", "+15550101234"), CODE);
        let expires = self.now + Duration::from_secs(300);
        SentCode { id, digest, channel: Channel::Sms, digits: 6, expires }
    }

    fn answer_with(&self, pending: Pending, code: SentCode, typed: &str) -> Round {
        self.round(typed, Opening::Answer { pending: Box::new(pending), code: Some(code) })
    }
}

const SMS: Method = Method::Sent(Channel::Sms);
const VOICE: Method = Method::Sent(Channel::Voice);
const EMAIL: Method = Method::Sent(Channel::Email);
const APP: Method = Method::Factor(FactorKind::Totp);

fn channel(round: &Round) -> Option<Channel> {
    round.ending.send.as_ref().map(|send| send.channel)
}

// R-TOP-6
#[test]
fn list_names_channels_with_masked_destinations_and_a_number_sends() {
    let world = World::reachable(vec![totp()]).allowing(&[APP, SMS, VOICE, EMAIL]);
    let first = world.first("correct horse");
    assert_eq!(
        first.text(),
        "Enter a passcode, or choose a method: 1 = One-Time-Passcode App, 2 = SMS/Text to …1234, \
         3 = Voice to …1234, 4 = Email to ….org"
    );
    assert_eq!((first.reason(), channel(&first)), (Reason::PasscodeWanted, None));
    for (typed, wanted) in [
        ("2", Channel::Sms),
        ("sms", Channel::Sms),
        (" Text ", Channel::Sms),
        ("3", Channel::Voice),
        ("VOICE", Channel::Voice),
        ("call", Channel::Voice),
        ("4", Channel::Email),
        ("email", Channel::Email),
    ] {
        let chosen = world.answer(first.pending(), typed);
        assert_eq!((chosen.reason(), channel(&chosen)), (Reason::PasscodeSent, Some(wanted)), "{typed}");
        assert_eq!(chosen.pending().first, First::Password);
    }
    let chosen = world.answer(first.pending(), "2");
    assert_eq!(chosen.text(), "A passcode is on its way to …1234. Enter it:");
    let send = chosen.ending.send.unwrap();
    assert_eq!(send.destination.to, "+15550101234");
}

#[test]
fn word_after_the_password_sends_and_a_wrong_password_never_does() {
    let world = World::reachable(vec![totp()]);
    let round = world.first("correct horse,sms");
    assert_eq!((round.reason(), channel(&round)), (Reason::PasscodeSent, Some(Channel::Sms)));
    let wrong = world.first("correct house,sms");
    assert_eq!((wrong.reason(), channel(&wrong)), (Reason::WrongPassword, None));
}

#[test]
fn only_method_is_sent_without_asking() {
    let world = World::reachable(Vec::new()).allowing(&[SMS]);
    let round = world.first("correct horse");
    assert_eq!((round.reason(), channel(&round)), (Reason::PasscodeSent, Some(Channel::Sms)));
    assert_eq!(channel(&world.first("wrong")), None);
}

#[test]
fn email_is_no_factor_of_a_login_unless_allowed() {
    let world = World::reachable(vec![totp()]);
    let round = world.first("correct horse,email");
    assert_eq!((round.reason(), channel(&round)), (Reason::PasscodeWanted, None));
    assert!(round.text().starts_with("That method is not available here."), "{}", round.text());
    assert!(!round.text().contains("Email"), "{}", round.text());
}

#[test]
fn who_cannot_be_reached_is_not_offered_it() {
    let mut world = World::reachable(vec![totp()]).allowing(&[APP, SMS]);
    Arc::make_mut(&mut world.account.as_mut().unwrap().person).phone = None;
    let round = world.first("correct horse,sms");
    assert_eq!((round.reason(), channel(&round)), (Reason::PasscodeWanted, None));
}

#[test]
fn number_in_the_directory_enrolls_nobody() {
    let mut world = World::reachable(Vec::new());
    world.policy.default.second_factor = SecondFactor::IfEnrolled;
    assert_eq!(world.first("correct horse").reason(), Reason::PasswordOnly);
}

#[test]
fn sent_code_completes_the_login_and_is_used_up_with_it() {
    let world = World::reachable(vec![totp()]);
    let sent = world.first("correct horse,sms");
    let round = world.answer_with(sent.pending(), world.sent(), &format!(" {CODE} "));
    assert_eq!(round.reason(), Reason::PasswordAndPasscode);
    assert_eq!(round.ending.code, Some((world.sent().id, world.sent().expires)));
    assert_eq!(round.ending.accept, None);
    assert!(round.charged.contains(&Counter::Sent), "charged before it is compared: {:?}", round.charged);
    assert!(round.ending.clear.contains(&Counter::Sent) && !round.ending.refund.contains(&Counter::Sent));
}

#[test]
fn wrong_code_keeps_its_charge() {
    let world = World::reachable(Vec::new());
    let sent = world.first("correct horse,sms");
    let round = world.answer_with(sent.pending(), world.sent(), "402914");
    assert_eq!(round.reason(), Reason::WrongPasscode);
    assert_eq!(*round.charged, [Counter::Sent]);
    assert!(round.ending.refund.is_empty() && round.ending.clear.is_empty());
}

#[test]
fn right_code_behind_a_shut_gate_is_refused() {
    let mut world = World::reachable(Vec::new());
    world.shut = vec![(Counter::Sent, Gate::Stopped)];
    let sent = world.first("correct horse,sms");
    let round = world.answer_with(sent.pending(), world.sent(), CODE);
    assert_eq!((round.reason(), round.ending.code), (Reason::HardStopped, None));
}

#[test]
fn code_of_another_person_client_destination_or_time_fits_nothing() {
    let world = World::reachable(Vec::new());
    let sent = world.first("correct horse,sms");
    let id = world.sent().id;
    let stranger = PersonId::from_uuid(uuid::Uuid::from_u128(5));
    let other = CodeId::from_uuid(uuid::Uuid::from_u128(8));
    let digest =
        |id, person, client, to| world.digester.digest_sent(id, person, (Purpose::Login, client, to), CODE);
    let to = "+15550101234";
    let digests: [CodeDigest; 4] = [
        digest(id, stranger, "vpn", to),
        digest(id, world.person(), "wifi", to),
        digest(other, world.person(), "vpn", to),
        digest(id, world.person(), "vpn", "+15550109999"),
    ];
    for digest in digests {
        let code = SentCode { digest, ..world.sent() };
        assert_eq!(world.answer_with(sent.pending(), code, CODE).reason(), Reason::WrongPasscode);
    }
    let late = SentCode { expires: world.now, ..world.sent() };
    assert_eq!(world.answer_with(sent.pending(), late, CODE).reason(), Reason::WrongPasscode);
    let long = SentCode { digits: 8, ..world.sent() };
    assert_eq!(world.answer_with(sent.pending(), long, CODE).reason(), Reason::WrongPasscode);
}

#[test]
fn app_still_works_after_a_code_was_sent() {
    let world = World::reachable(vec![totp()]);
    let sent = world.first("correct horse,sms");
    let round = world.answer_with(sent.pending(), world.sent(), &world.code());
    assert_eq!(round.reason(), Reason::PasswordAndPasscode);
    assert!(round.ending.accept.is_some() && round.ending.code.is_none());
    assert!(round.ending.refund.contains(&Counter::Sent), "{:?}", round.ending.refund);
}

#[test]
fn client_with_one_round_sends_the_first_channel_where_nothing_else_is_left() {
    let mut world = World::reachable(Vec::new());
    world.policy.default.one_round = true;
    let round = world.first("correct horse");
    assert_eq!((round.reason(), channel(&round)), (Reason::PasscodeSent, Some(Channel::Sms)));
    let mut world = World::reachable(vec![totp()]);
    world.policy.default.one_round = true;
    let round = world.first("correct horse");
    assert_eq!(round.text(), "Enter the passcode from your One-Time-Passcode App:");
    assert_eq!(channel(&world.first("correct horse,voice")), Some(Channel::Voice));
}

#[test]
fn client_that_checked_the_password_may_ask_for_a_code_by_word_only() {
    let mut world = World::reachable(Vec::new());
    world.policy.default.kind = LoginKind::Passcode;
    let round = world.first("sms");
    assert_eq!((round.reason(), channel(&round)), (Reason::PasscodeSent, Some(Channel::Sms)));
    assert_eq!(world.first("123456").reason(), Reason::WrongPasscode);
    let round = world.answer_with(round.pending(), world.sent(), CODE);
    assert_eq!(round.reason(), Reason::PasscodeOnly);
}

#[test]
fn person_who_may_not_log_in_is_sent_nothing() {
    let mut world = World::reachable(Vec::new());
    let sent = world.first("correct horse,sms");
    Arc::make_mut(&mut world.account.as_mut().unwrap().person).status = Status::Locked;
    assert_eq!(channel(&world.first("correct horse,sms")), None);
    assert_eq!(channel(&world.answer(sent.pending(), "voice")), None);
}

#[test]
fn code_does_not_outlive_what_allowed_it() {
    let mut world = World::reachable(vec![totp()]);
    let sent = world.first("correct horse,sms");
    let answer = |world: &World| world.answer_with(sent.pending(), world.sent(), CODE).reason();
    assert_eq!(answer(&world), Reason::PasswordAndPasscode);
    world.policy.default.methods = vec![APP, VOICE];
    assert_ne!(answer(&world), Reason::PasswordAndPasscode, "the channel was taken away");
    world.policy.default.methods = vec![APP, SMS];
    Arc::make_mut(&mut world.account.as_mut().unwrap().person).phone = None;
    assert_ne!(answer(&world), Reason::PasswordAndPasscode, "the number was taken away");
}

#[test]
fn challenge_does_not_outlive_a_change_of_what_is_asked_first() {
    let mut world = World::reachable(vec![totp()]);
    world.policy.default.kind = LoginKind::Passcode;
    let sent = world.first("app");
    world.policy.default.kind = LoginKind::PasswordAndPasscode;
    assert_eq!(world.answer(sent.pending(), &world.code()).reason(), Reason::StateInvalid);
}
