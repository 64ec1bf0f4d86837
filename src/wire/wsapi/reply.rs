//! Answers that we give.

use super::answer::repeatable;
use super::signature::ApiKey;
use super::{Fields, Status};
use crate::base::Timestamp;

/// What an OTP says about its key, for clients that ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// The key's clock, 24 bits of 1/8 s since it was plugged in.
    pub timestamp: u32,
    /// How often the key was plugged in.
    pub session: u16,
    /// Which OTP since then.
    pub usage: u8,
}

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// What is said.
    pub status: Status,
    /// The OTP of the request.
    pub otp: Option<&'a str>,
    /// Its nonce.
    pub nonce: Option<&'a str>,
    /// The present moment.
    pub now: Timestamp,
    /// With an OK, if asked for.
    pub counters: Option<Counters>,
}

impl Reply<'_> {
    /// As lines, signed if it is known with whose key. What the client sent is repeated only if it cannot be mistaken for
    /// a line of ours.
    pub fn render(&self, key: Option<&ApiKey>) -> String {
        let mut fields = Fields::new();
        let mut add = |name: &str, value: String| fields.insert(name.to_owned(), value);
        for (name, value) in [("otp", self.otp), ("nonce", self.nonce)] {
            if let Some(value) = value.filter(|value| repeatable(value)) {
                add(name, value.to_owned());
            }
        }
        add("t", time(self.now));
        if self.status == Status::Ok {
            // One store decides for all nodes: there is nobody left to ask.
            add("sl", "100".to_owned());
            if let Some(counters) = self.counters {
                add("timestamp", counters.timestamp.to_string());
                add("sessioncounter", counters.session.to_string());
                add("sessionuse", counters.usage.to_string());
            }
        }
        add("status", self.status.to_string());
        let mut text = key.map(|key| format!("h={}\r\n", key.sign(&fields))).unwrap_or_default();
        for (name, value) in fields {
            text.push_str(&format!("{name}={value}\r\n"));
        }
        text
    }
}

/// `2008-11-21T06:11:55Z0711`: the last digits are milliseconds.
fn time(now: Timestamp) -> String {
    let text = now.to_string();
    match text.trim_end_matches('Z').split_once('.') {
        Some((seconds, millis)) => format!("{seconds}Z0{millis}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_protocol_and_the_signature_comes_first() {
        let key = ApiKey::parse(b"mG5be6ZJU1qBGz24yPh/ESM3UdU=").unwrap();
        let counters = Some(Counters { timestamp: 0x01_02_03, session: 4, usage: 5 });
        let now = Timestamp::from_millis(1_227_247_915_711);
        let reply = Reply { status: Status::Ok, otp: Some("cccc"), nonce: Some("n"), now, counters };
        let text = reply.render(Some(&key));
        let (signature, rest) = text.split_once("\r\n").unwrap();
        assert!(signature.starts_with("h=") && signature.len() == 30, "{signature}");
        assert_eq!(
            rest,
            "nonce=n\r\notp=cccc\r\nsessioncounter=4\r\nsessionuse=5\r\nsl=100\r\nstatus=OK\r\n\
             t=2008-11-21T06:11:55Z0711\r\ntimestamp=66051\r\n"
        );
    }

    #[test]
    fn refusal_tells_nothing_and_nothing_that_was_sent_becomes_a_line() {
        let now = Timestamp::from_millis(0);
        let counters = Some(Counters { timestamp: 1, session: 2, usage: 3 });
        for otp in ["cc\r\nstatus=OK", "a=b", "", "cc cc", &"c".repeat(65)] {
            let reply = Reply { status: Status::BadOtp, otp: Some(otp), nonce: None, now, counters };
            assert_eq!(reply.render(None), "status=BAD_OTP\r\nt=1970-01-01T00:00:00Z0000\r\n", "{otp}");
        }
    }
}
