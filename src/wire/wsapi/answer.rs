//! Answers of servers, which may be anything.

use super::request::Question;
use super::signature::ApiKey;
use super::{Fields, Status};
use subtle::ConstantTimeEq;

/// Longest answer that is read; real ones have some 200 bytes.
pub(super) const LONGEST: usize = 4096;
/// Most lines in it.
const MOST: usize = 32;
/// Longest value that one side sends and the other repeats.
const LONGEST_REPEATED: usize = 64;

/// Why a body is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedAnswer {
    /// Longer than any answer.
    #[error("the answer is too long")]
    TooLong,
    /// Not printable ASCII.
    #[error("the answer is no plain text")]
    NoText,
    /// A line is no `name=value`.
    #[error("the answer has a line that is no name=value")]
    Line,
    /// A name stands there twice.
    #[error("the answer says something twice")]
    Twice,
    /// There is no status, or one that nobody knows.
    #[error("the answer has no status that is known")]
    Status,
}

/// What a server has decided about an OTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Verdict {
    /// It is good, and used up now.
    Valid,
    /// It was used before, or a later one was.
    Replayed,
    /// It is none.
    Wrong,
}

/// Why an answer decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// It decides, but was not signed with our key.
    #[error("its answer ({0}) is not signed with the key in [yubico]; is the key the server's?")]
    Unsigned(Status),
    /// It is about something else than was asked, or does not say about what.
    #[error("its answer ({status}) does not repeat our {what}")]
    Elsewhere {
        /// What it says.
        status: Status,
        /// What it does not repeat.
        what: &'static str,
    },
    /// It says that it could not decide, or that we are not to ask.
    #[error("it answers {0}")]
    Said(Status),
}

/// Whether a value that a client sent may stand in an answer: letters and digits cannot become grammar there.
pub(super) fn repeatable(value: &str) -> bool {
    (1..=LONGEST_REPEATED).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// An answer, read but not believed yet.
#[derive(Debug)]
pub struct Answer {
    /// What it says.
    pub status: Status,
    fields: Fields,
    signature: Option<String>,
}

impl Answer {
    /// Reads a body: lines of `name=value` in any order, with any line ends.
    pub fn parse(body: &[u8]) -> Result<Self, MalformedAnswer> {
        if body.len() > LONGEST {
            return Err(MalformedAnswer::TooLong);
        }
        let plain = |byte: &u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let text = std::str::from_utf8(body).ok().filter(|_| body.iter().all(plain));
        let text = text.ok_or(MalformedAnswer::NoText)?;
        let mut fields = Fields::new();
        for line in text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once('=').ok_or(MalformedAnswer::Line)?;
            if name.is_empty() || fields.len() >= MOST {
                return Err(MalformedAnswer::Line);
            }
            // Twice: which one was signed, and which one counts, would be up to the reader.
            if fields.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(MalformedAnswer::Twice);
            }
        }
        let signature = fields.remove("h");
        let status = fields.get("status").and_then(|status| status.parse().ok());
        Ok(Self { status: status.ok_or(MalformedAnswer::Status)?, fields, signature })
    }

    /// What it says about the question. What decides must be signed; a yes must repeat OTP and nonce as well, and whatever
    /// repeats something must repeat ours (some servers repeat nothing with a no).
    pub(super) fn judge(&self, question: &Question, key: &ApiKey) -> Result<Verdict, Undecided> {
        let status = self.status;
        let verdict = match status {
            Status::Ok => Verdict::Valid,
            Status::ReplayedOtp | Status::DelayedOtp => Verdict::Replayed,
            Status::BadOtp => Verdict::Wrong,
            _ => return Err(Undecided::Said(status)),
        };
        if !key.fits(&self.fields, self.signature.as_deref().unwrap_or_default()) {
            return Err(Undecided::Unsigned(status));
        }
        for (what, ours) in [("otp", question.otp()), ("nonce", question.nonce())] {
            let repeats = match self.fields.get(what) {
                Some(theirs) => bool::from(theirs.as_bytes().ct_eq(ours.as_bytes())),
                None => verdict != Verdict::Valid,
            };
            if !repeats {
                return Err(Undecided::Elsewhere { status, what });
            }
        }
        Ok(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Secret, SeededRandom, Timestamp};
    use crate::wire::wsapi::{Reply, Request};
    use proptest::prelude::*;

    const OTP: &str = "vvccccfegjhbieclkrntkkibhujuhutilckjttvtjikn";

    fn key(byte: u8) -> ApiKey {
        ApiKey::parse(data_encoding::BASE64.encode(&[byte; 20]).as_bytes()).unwrap()
    }

    fn question(random: u64) -> Question {
        Question::new(7, Secret::new(OTP.to_owned()), (None, 0), &SeededRandom::new(random))
    }

    /// As a server signs it: its fields may be anything.
    fn signed(pairs: &[(&str, &str)], key: &ApiKey) -> String {
        let fields: Fields =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let lines = pairs.iter().map(|(name, value)| format!("{name}={value}\r\n"));
        format!("h={}\r\n", key.sign(&fields)) + &lines.collect::<String>()
    }

    fn judged(question: &Question, body: &str) -> Result<Verdict, Undecided> {
        question.judge(&Answer::parse(body.as_bytes()).unwrap(), &key(1))
    }

    #[test]
    fn our_own_replies_are_understood_in_every_status() {
        let question = question(1);
        let request = Request::parse(question.query(&key(1)).expose()).unwrap();
        for status in Status::ALL {
            let (otp, nonce) = (request.otp.as_deref(), request.nonce.as_deref());
            let reply = Reply { status, otp, nonce, now: Timestamp::from_millis(1), counters: None };
            let expected = match status {
                Status::Ok => Ok(Verdict::Valid),
                Status::ReplayedOtp | Status::DelayedOtp => Ok(Verdict::Replayed),
                Status::BadOtp => Ok(Verdict::Wrong),
                other => Err(Undecided::Said(other)),
            };
            assert_eq!(judged(&question, &reply.render(Some(&key(1)))), expected, "{status}");
            // What decides counts only with the right signature.
            for body in [reply.render(Some(&key(2))), reply.render(None)] {
                assert!(judged(&question, &body).is_err(), "{body}");
            }
        }
    }

    #[test]
    fn yes_must_repeat_otp_and_nonce_whatever_else_is_signed() {
        let (question, old) = (question(1), question(2));
        let (nonce, stale) = (question.nonce(), old.nonce());
        let other = OTP.replace('v', "c");
        let of = |pairs: &[(&str, &str)]| judged(&question, &signed(pairs, &key(1)));
        let elsewhere = |status, what| Err(Undecided::Elsewhere { status, what });
        assert_eq!(of(&[("status", "OK"), ("otp", OTP), ("nonce", nonce)]), Ok(Verdict::Valid));
        for (otp, nonce, what) in [
            (Some(OTP), Some(stale), "nonce"),
            (Some(OTP), None, "nonce"),
            (Some(OTP), Some(""), "nonce"),
            (Some(OTP), Some(&nonce[..16]), "nonce"),
            (Some(other.as_str()), Some(nonce), "otp"),
            (Some(&OTP[..12]), Some(nonce), "otp"),
            (Some(&OTP.to_uppercase()), Some(nonce), "otp"),
            (None, Some(nonce), "otp"),
        ] {
            let mut pairs = vec![("status", "OK")];
            pairs.extend(otp.map(|otp| ("otp", otp)));
            pairs.extend(nonce.map(|nonce| ("nonce", nonce)));
            assert_eq!(of(&pairs), elsewhere(Status::Ok, what), "{pairs:?}");
        }
        // A no may repeat nothing (older servers), but nothing else than was asked.
        assert_eq!(of(&[("status", "REPLAYED_OTP")]), Ok(Verdict::Replayed));
        assert_eq!(of(&[("status", "BAD_OTP")]), Ok(Verdict::Wrong));
        assert_eq!(of(&[("status", "BAD_OTP"), ("nonce", stale)]), elsewhere(Status::BadOtp, "nonce"));
        assert_eq!(of(&[("status", "REPLAYED_OTP"), ("otp", &other)]), elsewhere(Status::ReplayedOtp, "otp"));
    }

    #[test]
    fn signature_covers_every_line() {
        let question = question(1);
        let body = signed(
            &[("status", "BAD_OTP"), ("otp", OTP), ("nonce", question.nonce()), ("sl", "100")],
            &key(1),
        );
        assert_eq!(judged(&question, &body), Ok(Verdict::Wrong));
        let unsigned = Err(Undecided::Unsigned(Status::Ok));
        assert_eq!(judged(&question, &body.replace("BAD_OTP", "OK")), unsigned);
        assert_eq!(judged(&question, &(body.replace("BAD_OTP", "OK") + "x=y\n")), unsigned);
        for missing in ["", "h=\r\n", "h= \r\n", "h=AAAA\r\n"] {
            let rest = body.split_once("\r\n").unwrap().1.replace("BAD_OTP", "OK");
            assert_eq!(judged(&question, &format!("{missing}{rest}")), unsigned, "{missing}");
        }
    }

    #[test]
    fn line_ends_and_order_are_free() {
        let question = question(1);
        let body = signed(&[("status", "OK"), ("otp", OTP), ("nonce", question.nonce())], &key(1));
        for shape in [
            body.replace("\r\n", "\n"),
            body.replace("\r\n", "\r"),
            format!("\r\n\r\n{}\r\n \t\r\n", body.replace("\r\n", " \r\n  ")),
            body.trim().lines().rev().collect::<Vec<_>>().join("\n"),
        ] {
            assert_eq!(judged(&question, &shape), Ok(Verdict::Valid), "{shape}");
        }
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let parse = |body: &[u8]| Answer::parse(body).map(|answer| answer.status);
        assert_eq!(parse(b""), Err(MalformedAnswer::Status));
        assert_eq!(parse(b"status=\n"), Err(MalformedAnswer::Status));
        assert_eq!(parse(b"status=ok"), Err(MalformedAnswer::Status));
        assert_eq!(parse(b"status=OK BAD_OTP"), Err(MalformedAnswer::Status));
        assert_eq!(parse(b"Status=OK"), Err(MalformedAnswer::Status));
        assert_eq!(parse(b"status=BAD_OTP\nstatus=OK"), Err(MalformedAnswer::Twice));
        assert_eq!(parse(b"h=a\nh=b\nstatus=OK"), Err(MalformedAnswer::Twice));
        assert_eq!(parse(b"<html>no</html>"), Err(MalformedAnswer::Line));
        assert_eq!(parse(b"=x\nstatus=OK"), Err(MalformedAnswer::Line));
        assert_eq!(parse(b"status=OK\0"), Err(MalformedAnswer::NoText));
        assert_eq!(parse("status=OK\nx=\u{e9}".as_bytes()), Err(MalformedAnswer::NoText));
        assert_eq!(parse(&[0xff; 10]), Err(MalformedAnswer::NoText));
        assert_eq!(parse(&vec![b'a'; LONGEST + 1]), Err(MalformedAnswer::TooLong));
        let many: String = (0..=MOST).map(|line| format!("x{line}=1\n")).collect();
        assert_eq!(parse(many.as_bytes()), Err(MalformedAnswer::Line));
        assert_eq!(parse(b"status=OK\na=b=c"), Ok(Status::Ok));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_yes(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(answer) = Answer::parse(&body) {
                prop_assert!(question(1).judge(&answer, &key(1)).is_err());
            }
        }

        #[test]
        fn no_change_of_a_signed_answer_makes_another_one(at in 0_usize..400, to in any::<u8>()) {
            let question = question(1);
            let body = signed(&[("status", "REPLAYED_OTP"), ("nonce", question.nonce())], &key(1));
            let mut bytes = body.into_bytes();
            let at = at % bytes.len();
            bytes[at] = to;
            if let Ok(verdict) = Answer::parse(&bytes).map(|answer| question.judge(&answer, &key(1))) {
                prop_assert!(matches!(verdict, Ok(Verdict::Replayed) | Err(_)));
            }
        }
    }
}
