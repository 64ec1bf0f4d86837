//! From a datagram to its answer: everything but the socket. Nobody is let in but by the right password and a passcode that was not
//! used; every reply is good and fits. What ought to be is [`super::model`]'s to say, what is done [`super::script`]'s.

use super::model::Model;
use super::script::{Tally, play};
use super::world::World;
use std::sync::{Mutex, PoisonError};

/// So many inputs share a world; then there is a new one, with its codes unused and its trail empty.
const INPUTS: u64 = 500;

static WORLD: Mutex<Option<(World, Model, u64)>> = Mutex::new(None);

/// An input as [`play`] takes it.
pub fn run(bytes: &[u8]) {
    tally(bytes);
}

/// The same, and what came of it.
pub fn tally(bytes: &[u8]) -> Tally {
    // A panic is what is looked for, and the world that it leaves is a new one.
    let mut kept = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    let (world, mut model, inputs) = match kept.take() {
        Some((world, model, inputs)) if inputs < INPUTS => (world, model, inputs),
        _ => (World::new(), Model::default(), 0),
    };
    let tally = play(&world, &mut model, inputs, bytes);
    *kept = Some((world, model, inputs + 1));
    tally
}

/// Puts together what [`play`] takes apart.
struct Script(Vec<u8>);

impl Script {
    /// A login with these parts of what is typed.
    fn login(mut self, client: u8, person: u8, flags: u8, parts: &[&[u8]]) -> Self {
        self.0.extend([0, client, person, flags, u8::try_from(parts.len()).unwrap()]);
        self.0.extend(parts.concat());
        self
    }

    fn step(mut self, octets: &[u8]) -> Self {
        self.0.extend(octets);
        self
    }
}

/// Logins of each kind, right and wrong, and what goes with them.
pub fn seeds() -> Vec<Vec<u8>> {
    const PASSWORD: &[u8] = &[0];
    const CODE: &[u8] = &[1];
    const COMMA: &[u8] = &[3];
    const SENT: &[u8] = &[5];
    const WORD_SMS: &[u8] = &[7, 0];
    const ANSWER: u8 = 2;
    let script = || Script(Vec::new());
    let again = [6, 0];
    let scripts = [
        // In one string; the same once more from elsewhere; used up.
        script().login(0, 0, 0, &[PASSWORD, CODE]).step(&again).step(&[6, 1]).login(
            0,
            0,
            0,
            &[PASSWORD, CODE],
        ),
        script().login(0, 1, 0, &[PASSWORD, COMMA, CODE]).login(0, 1, 8, &[PASSWORD, CODE]),
        // Asked, and answered; and the answer once more.
        script()
            .login(0, 0, 0, &[PASSWORD])
            .login(0, 0, ANSWER, &[CODE])
            .login(0, 0, ANSWER, &[CODE])
            .step(&[6, 1]),
        // By a text.
        script().login(0, 0, 0, &[PASSWORD]).login(0, 0, ANSWER, &[WORD_SMS]).login(0, 0, ANSWER, &[SENT]),
        script().login(0, 2, 0, &[PASSWORD, COMMA, WORD_SMS]).login(0, 2, ANSWER, &[SENT]).login(
            0,
            2,
            ANSWER,
            &[SENT],
        ),
        // By paper, and by a key.
        script().login(0, 2, 0, &[PASSWORD, &[6, 1]]).login(0, 2, 0, &[PASSWORD, &[6, 1]]),
        script().login(0, 4, 0, &[PASSWORD, &[9, 1]]).login(4, 4, 0, &[PASSWORD, &[9, 0]]),
        // Each kind of client.
        script().login(1, 3, 0, &[PASSWORD]).login(1, 3, 0, &[PASSWORD, CODE]).login(8, 0, 0, &[PASSWORD]),
        script().login(2, 0, 0, &[CODE]).login(2, 1, 0, &[CODE]).login(2, 0, 0, &[WORD_SMS]).login(
            2,
            0,
            ANSWER,
            &[SENT],
        ),
        script().login(3, 2, 0, &[&[8], CODE]).login(3, 2, 0, &[&[8]]).login(3, 2, ANSWER, &[&[6, 2]]),
        script()
            .login(4, 3, 0, &[PASSWORD])
            .login(4, 0, 0, &[PASSWORD])
            .login(4, 0, ANSWER, &[&[7, 2]])
            .login(4, 0, ANSWER, &[&[2, 1]]),
        script()
            .login(5, 0, 0, &[PASSWORD])
            .login(5, 0, 0, &[PASSWORD, CODE])
            .login(6, 1, 0, &[PASSWORD])
            .login(6, 1, ANSWER, &[CODE]),
        // Without Message-Authenticator, beside Proxy-State; at a strict client as well.
        script().login(7, 0, 16 + 8, &[PASSWORD, CODE]).login(0, 0, 16, &[PASSWORD, CODE]),
        // Wrong ones until the gate shuts; strangers and who is locked.
        script()
            .login(0, 0, 0, &[&[4, 3, 97, 98, 99]])
            .login(0, 6, 0, &[PASSWORD])
            .login(0, 5, 0, &[PASSWORD])
            .login(0, 7, 1, &[]),
        script()
            .login(1, 3, 0, &[CODE])
            .login(1, 3, 0, &[CODE])
            .login(1, 3, 0, &[CODE])
            .login(1, 3, 0, &[CODE])
            .login(1, 3, 0, &[CODE])
            .login(1, 3, 0, &[CODE])
            .login(1, 3, 0, &[PASSWORD])
            .step(&[5, 60, 2])
            .login(1, 3, 0, &[PASSWORD]),
        // A State of another client, of another person, and too late.
        script().login(0, 0, 0, &[PASSWORD]).login(4, 0, ANSWER, &[CODE]).login(0, 1, ANSWER, &[CODE]).login(
            0,
            0,
            ANSWER,
            &[CODE],
        ),
        script().login(0, 0, 0, &[PASSWORD]).step(&[5, 13, 1]).login(0, 0, ANSWER, &[CODE]),
        script().login(0, 0, 0, &[PASSWORD]).step(&[5, 11, 1]).login(0, 0, ANSWER, &[CODE]),
        // Changed on its way, signed and not.
        script().login(0, 0, 0, &[PASSWORD, CODE]).step(&[7, 0, 40, 1, 0]).step(&[7, 0, 1, 255, 1]),
        // Who they are, by EAP.
        script().step(&[0, 8, 0, 129, 0, 10, 2, 1, 0, 10, 1, 97, 108, 105, 99, 101]),
        // Status-Server, by itself.
        script()
            .step(&[4, 0, 0, 0, 38, 12, 9, 0, 38, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 80, 18])
            .step(&[0; 16]),
    ];
    scripts.into_iter().map(|script| script.0).collect()
}
