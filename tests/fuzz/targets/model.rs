//! What ought to be: who may be let in by what. It knows the secrets, computes passcodes by itself, and remembers what was used.

use super::world::{AES, PAPER, PEOPLE, PIN, PRIVATE_ID, PUBLIC_ID, SEED};
use aes::cipher::{BlockCipherEncrypt, KeyInit as _};
use doorward::base::Timestamp;
use doorward::wire::yubico::encode;
use hmac::{Hmac, Mac};
use std::collections::HashMap;

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A password and a passcode, of everybody.
    Both,
    /// A password.
    Password,
    /// A passcode.
    Passcode,
    /// A PIN and a passcode.
    Pin,
    /// A password, and a passcode of who has one.
    IfEnrolled,
}

/// What the n-th client of [`super::world::CLIENTS`] asks for.
pub const KINDS: [Kind; 9] = [
    Kind::Both,
    Kind::Password,
    Kind::Passcode,
    Kind::Pin,
    Kind::IfEnrolled,
    Kind::IfEnrolled,
    Kind::IfEnrolled,
    Kind::Both,
    Kind::Password,
];

/// Words that ask for a passcode of a kind.
const WORDS: [&[u8]; 12] = [
    b"sms",
    b"text",
    b"voice",
    b"call",
    b"email",
    b"app",
    b"totp",
    b"token",
    b"hotp",
    b"yubikey",
    b"recovery",
    b"helpdesk",
];

/// A passcode that is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Good {
    /// Of the app of this person, of this step, so far from the present one.
    Step(usize, u64, i64),
    /// Of the token, of this counter.
    Counter(u64),
    /// On paper.
    Paper(usize),
    /// Of the key, at this position.
    Touch(u64),
    /// That was sent.
    Sent(usize),
}

/// A challenge that was sent.
#[derive(Debug, Clone)]
struct Asked {
    person: usize,
    client: usize,
    expires: Timestamp,
}

#[derive(Debug, Clone)]
struct Sent {
    person: usize,
    code: String,
    expires: Timestamp,
    used: bool,
}

/// Everything that decides.
#[derive(Debug, Default)]
pub struct Model {
    /// The next step of each app, and how far the last one was ahead of the time.
    steps: [(u64, i64); PEOPLE.len()],
    counter: u64,
    paper: [bool; PAPER.len()],
    position: u64,
    touches: HashMap<String, u64>,
    sent: Vec<Sent>,
    asked: HashMap<Vec<u8>, Asked>,
}

/// One request, as it stands.
#[derive(Debug)]
pub struct Request<'r> {
    /// Who asks.
    pub client: usize,
    /// For whom; none: a stranger.
    pub person: Option<usize>,
    /// What was typed.
    pub typed: Option<&'r [u8]>,
    /// Its State.
    pub state: Option<&'r [u8]>,
    /// When.
    pub now: Timestamp,
}

/// A code of six digits (RFC 4226 §5.3).
pub fn oath(person: usize, counter: u64) -> String {
    let seed: Vec<u8> = SEED[..19].iter().copied().chain([u8::try_from(person).unwrap()]).collect();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(&seed).unwrap();
    mac.update(&counter.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let at = usize::from(digest[19] & 15);
    let number = u32::from_be_bytes(digest[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// What the key types at a position.
fn touch(position: u64) -> String {
    let (counter, session) = (u16::try_from(position >> 8).unwrap_or(1), (position & 0xff) as u8);
    let mut plain = [0; 16];
    plain[..6].copy_from_slice(&PRIVATE_ID);
    plain[6..8].copy_from_slice(&counter.to_le_bytes());
    plain[11] = session;
    let crc = plain[..14].iter().fold(0xffff_u16, |crc, octet| {
        (0..8).fold(crc ^ u16::from(*octet), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x8408 } else { crc >> 1 })
    });
    plain[14..].copy_from_slice(&(!crc).to_le_bytes());
    let mut block = plain.into();
    aes::Aes128::new(&AES.into()).encrypt_block(&mut block);
    encode(&PUBLIC_ID) + &encode(&block)
}

/// Letters as they are compared on paper.
fn plain(text: &str) -> String {
    let letters = text.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    letters.replace(['i', 'l'], "1").replace('o', "0")
}

impl Model {
    /// A new touch of the key, so many positions on, or back.
    pub fn touch(&mut self, ahead: i8) -> String {
        let position = self.position.max(256).saturating_add_signed(ahead.into()).max(256);
        let typed = touch(position);
        self.touches.insert(typed.clone(), position);
        typed
    }

    /// A code of the app or token: some steps from the present one, or from the next counter.
    pub fn code(&self, person: usize, off: i8, now: Timestamp) -> String {
        let at = if person == 1 { self.counter } else { now.unix_secs() / 30 };
        oath(person, at.saturating_add_signed(off.into()))
    }

    /// The code that was sent to a person last.
    pub fn last_sent(&self, person: usize) -> Option<&str> {
        self.sent.iter().rev().find(|sent| sent.person == person).map(|sent| sent.code.as_str())
    }

    /// A code was sent.
    pub fn sent(&mut self, person: usize, code: String, expires: Timestamp) {
        self.sent.push(Sent { person, code, expires, used: false });
    }

    /// Nothing that was asked or sent before counts any more.
    pub fn forget(&mut self) {
        self.sent.clear();
        self.asked.clear();
    }

    /// What this is a passcode of, if it is good.
    fn passcode(&self, person: usize, text: &[u8], (now, answers): (Timestamp, bool)) -> Option<Good> {
        let text = std::str::from_utf8(text).ok()?;
        if answers {
            let good = |sent: &Sent| {
                sent.person == person && sent.code == text.trim_ascii() && sent.expires > now && !sent.used
            };
            if let Some(at) = self.sent.iter().position(good) {
                return Some(Good::Sent(at));
            }
        }
        let now = now.unix_secs() / 30;
        let own = match person {
            0 | 2 => {
                let (next, off) = self.steps[person];
                // A clock that goes wrong is followed, a step at a time.
                let first = if off.abs() > 1 { off - 1 } else { -1 };
                let last = if (-1..=0).contains(&off) { 1 } else { off + 1 };
                (now.saturating_add_signed(first)..=now.saturating_add_signed(last))
                    .find(|step| *step >= next && oath(person, *step) == text)
                    .map(|step| Good::Step(person, step, step as i64 - now as i64))
            }
            1 => (self.counter..=self.counter + 10)
                .find(|counter| oath(1, *counter) == text)
                .map(Good::Counter),
            4 => {
                let position = self.touches.get(&text.to_ascii_lowercase())?;
                (*position >= self.position).then_some(Good::Touch(*position))
            }
            _ => None,
        };
        let paper = || {
            let at = PAPER.iter().position(|code| plain(code) == plain(text))?;
            (person == 2 && !self.paper[at]).then_some(Good::Paper(at))
        };
        own.or_else(paper)
    }

    fn use_up(&mut self, good: Good) {
        match good {
            Good::Step(person, step, off) => self.steps[person] = (step + 1, off),
            Good::Counter(counter) => self.counter = counter + 1,
            Good::Paper(at) => self.paper[at] = true,
            Good::Touch(position) => self.position = position + 1,
            Good::Sent(at) => self.sent[at].used = true,
        }
    }

    /// The challenge that a request answers, if it may.
    fn answers(&self, request: &Request<'_>) -> Option<&Asked> {
        let asked = self.asked.get(request.state?)?;
        let fits = Some(asked.person) == request.person && asked.client == request.client;
        // One with a code that was sent can be answered for as long as the code is good.
        let sent = self.sent.iter().filter(|code| code.person == asked.person).map(|code| code.expires).max();
        (fits && request.now < sent.map_or(asked.expires, |sent| asked.expires.max(sent))).then_some(asked)
    }

    /// Somebody was let in: whether that was right. What they have shown is used up.
    ///
    /// # Errors
    /// It was not.
    pub fn accepted(&mut self, request: &Request<'_>) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what}: {request:?}"));
        let (Some(person), Some(typed)) = (request.person, request.typed) else {
            return wrong("let in: nobody, or by nothing");
        };
        let kind = KINDS[request.client];
        let good = if request.state.is_some() {
            if self.answers(request).is_none() {
                return wrong("let in by a State that answers nothing");
            }
            self.passcode(person, typed.trim_ascii(), (request.now, true)).map(Some)
        } else {
            self.shown(kind, person, typed, request.now)
        };
        match good {
            _ if PEOPLE[person].0 == "frank" => wrong("let in: who is locked"),
            None => wrong("let in by what is not right, or was used"),
            Some(good) => {
                if let Some(good) = good {
                    self.use_up(good);
                }
                Ok(())
            }
        }
    }

    /// What one string shows: `None`: nothing; `Some(None)`: all that is asked for, without a passcode.
    fn shown(&self, kind: Kind, person: usize, typed: &[u8], now: Timestamp) -> Option<Option<Good>> {
        let password = PEOPLE[person].1.as_bytes();
        let alone = kind == Kind::Password || kind == Kind::IfEnrolled && PEOPLE[person].0 == "dave";
        if alone {
            // Who asks for a way that is not needed is let in by the password before it.
            let word = typed.strip_prefix(password).and_then(|rest| rest.strip_prefix(b","));
            let asks = kind == Kind::IfEnrolled
                && word.is_some_and(|word| WORDS.contains(&&*word.to_ascii_lowercase()));
            return (typed == password || asks).then_some(None);
        }
        let first: &[u8] = match kind {
            Kind::Passcode => b"",
            Kind::Pin if person == 2 => PIN.as_bytes(),
            Kind::Pin => return None,
            _ => password,
        };
        let rest = typed.strip_prefix(first)?;
        let spellings = [Some(rest), rest.strip_prefix(b",").filter(|_| kind != Kind::Passcode)];
        spellings.into_iter().flatten().find_map(|code| self.passcode(person, code, (now, false))).map(Some)
    }

    /// Somebody was asked: whether they have shown before what comes before.
    ///
    /// # Errors
    /// They have not.
    pub fn challenged(&mut self, request: &Request<'_>, state: &[u8]) -> Result<(), String> {
        let (Some(person), Some(typed)) = (request.person, request.typed) else {
            return Err(format!("asked: nobody, or after nothing: {request:?}"));
        };
        let first: &[u8] = match KINDS[request.client] {
            Kind::Passcode => b"",
            Kind::Pin => PIN.as_bytes(),
            _ => PEOPLE[person].1.as_bytes(),
        };
        let right = match request.state {
            Some(_) => self.answers(request).is_some(),
            None => typed.starts_with(first),
        };
        if !right || KINDS[request.client] == Kind::Password || PEOPLE[person].0 == "frank" {
            return Err(format!("asked: who has not shown the first thing: {request:?}"));
        }
        let expires = request.now + std::time::Duration::from_secs(120);
        let asked = Asked { person, client: request.client, expires };
        match self.asked.insert(state.to_vec(), asked) {
            None => Ok(()),
            Some(_) => Err("a State that was there before".to_owned()),
        }
    }

    /// A State was answered, one way or the other: it is used up.
    pub fn answered(&mut self, state: &[u8]) {
        self.asked.remove(state);
    }
}
