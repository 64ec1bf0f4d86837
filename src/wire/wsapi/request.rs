//! Requests: [`Question`] is one of ours, [`Request`] one that came.

use super::signature::ApiKey;
use super::{Fields, answer};
use crate::base::{Random, Secret, percent_decode, percent_encode};
use data_encoding::HEXLOWER;
use std::fmt;
use std::str::FromStr;

/// Length of our nonces, in characters: the longest that older servers take, of the 16 to 40 that the protocol allows.
pub const NONCE_LENGTH: usize = 32;
/// Longest query that is read.
const LONGEST: usize = 1024;
/// Most fields in it; the protocol knows seven.
const MOST: usize = 16;

/// How many of the servers that the asked one synchronises with must know the OTP before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncLevel {
    /// As many as it calls fast.
    Fast,
    /// As many as it calls secure.
    Secure,
    /// So many percent.
    Percent(u8),
}

impl fmt::Display for SyncLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SyncLevel::Fast => f.write_str("fast"),
            SyncLevel::Secure => f.write_str("secure"),
            SyncLevel::Percent(percent) => write!(f, "{percent}"),
        }
    }
}

impl FromStr for SyncLevel {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "fast" => Ok(SyncLevel::Fast),
            "secure" => Ok(SyncLevel::Secure),
            _ if !text.bytes().all(|byte| byte.is_ascii_digit()) => Err(()),
            _ => text.parse().ok().filter(|percent| *percent <= 100).map(SyncLevel::Percent).ok_or(()),
        }
    }
}

/// A question about one OTP, which may go to several servers: they know by its nonce that it is one.
#[derive(Debug)]
pub struct Question {
    client: u32,
    otp: Secret<String>,
    nonce: String,
    sync: Option<SyncLevel>,
    timeout: u64,
}

impl Question {
    /// Asks about `otp` as `client`, with a fresh nonce. `sync` and `timeout`, in whole seconds, are for the server's
    /// talks with other servers; without, or at 0, the server decides.
    pub fn new(
        client: u32,
        otp: Secret<String>,
        (sync, timeout): (Option<SyncLevel>, u64),
        random: &dyn Random,
    ) -> Self {
        let mut nonce = [0; NONCE_LENGTH / 2];
        random.fill(&mut nonce);
        Self { client, otp, nonce: HEXLOWER.encode(&nonce), sync, timeout }
    }

    pub(super) fn otp(&self) -> &str {
        self.otp.expose()
    }

    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The signed query, with everything in it encoded.
    pub fn query(&self, key: &ApiKey) -> Secret<String> {
        let mut fields = Fields::new();
        fields.insert("id".to_owned(), self.client.to_string());
        fields.insert("nonce".to_owned(), self.nonce.clone());
        fields.insert("otp".to_owned(), self.otp.expose().clone());
        if let Some(sync) = self.sync {
            fields.insert("sl".to_owned(), sync.to_string());
        }
        if self.timeout > 0 {
            fields.insert("timeout".to_owned(), self.timeout.to_string());
        }
        let signature = key.sign(&fields);
        let mut query = String::new();
        for (name, value) in &fields {
            query.push_str(&format!("{name}={}&", percent_encode(value)));
        }
        query.push_str("h=");
        query.push_str(&percent_encode(&signature));
        Secret::new(query)
    }

    /// What an answer to it says, if it can be trusted; see [`answer`].
    pub fn judge(&self, answer: &answer::Answer, key: &ApiKey) -> Result<answer::Verdict, answer::Undecided> {
        answer.judge(self, key)
    }
}

/// A request as it came. What is missing in it is told apart from whom it came from, so that the answer can be signed.
#[derive(Debug)]
pub struct Request {
    /// Whose it says it is.
    pub client: u32,
    /// What was typed, whatever it is.
    pub typed: Option<String>,
    /// The same, if it can be repeated in an answer.
    pub otp: Option<String>,
    /// The nonce, if it is one.
    pub nonce: Option<String>,
    /// Whether the OTP's counters are asked for.
    pub counters: bool,
    fields: Fields,
    /// The same as they came, before they were decoded.
    raw: Fields,
    signature: Option<String>,
    sync: Option<String>,
}

impl Request {
    /// Reads a query; `None`: nobody can be told apart in it, because it is too long, has something twice, is no proper
    /// encoding, or has no client id.
    pub fn parse(query: &str) -> Option<Self> {
        if query.len() > LONGEST {
            return None;
        }
        let (mut fields, mut raw) = (Fields::new(), Fields::new());
        for (number, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            let (name, value) = pair.split_once('=')?;
            let (plain_name, plain) = (decode(name)?, decode(value)?);
            // Twice: which one was signed, and which one counts, would be up to the reader.
            if number >= MOST || fields.insert(plain_name, plain).is_some() {
                return None;
            }
            raw.insert(name.to_owned(), value.to_owned());
        }
        raw.remove("h");
        // Some clients leave the plus signs of base64 as they are, and a query turns them into spaces.
        let signature = fields.remove("h").map(|signature| signature.replace(' ', "+"));
        let client = fields.get("id").filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))?;
        let client = client.parse().ok().filter(|client| *client > 0)?;
        let typed = fields.get("otp").filter(|otp| !otp.is_empty()).cloned();
        let otp = typed.clone().filter(|otp| answer::repeatable(otp));
        let nonce = fields.get("nonce").filter(|nonce| is_nonce(nonce)).cloned();
        let counters = fields.get("timestamp").is_some_and(|wanted| wanted == "1");
        let sync = fields.get("sl").cloned();
        Some(Self { client, typed, otp, nonce, counters, fields, raw, signature, sync })
    }

    /// What is missing or wrong in it; `None`: nothing.
    pub fn missing(&self) -> Option<&'static str> {
        match (&self.typed, &self.nonce, &self.sync) {
            (None, ..) => Some("otp"),
            (_, None, _) => Some("nonce"),
            (.., Some(sync)) if sync.parse::<SyncLevel>().is_err() => Some("sl"),
            _ => None,
        }
    }

    /// Whether it carries the signature of this key. Some clients sign what they mean, others what they send, and both
    /// say the same.
    pub fn is_signed(&self, key: &ApiKey) -> bool {
        let signature = self.signature.as_deref().unwrap_or_default();
        key.fits(&self.fields, signature) | key.fits(&self.raw, signature)
    }
}

/// 16 to 40 letters and digits.
fn is_nonce(nonce: &str) -> bool {
    (16..=40).contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Takes the encoding of a form off.
fn decode(text: &str) -> Option<String> {
    percent_decode(&text.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededRandom;

    const OTP: &str = "vvccccfegjhbieclkrntkkibhujuhutilckjttvtjikn";
    const NONCE: &str = "0123456789abcdef0123456789ABCDEF";

    fn key(byte: u8) -> ApiKey {
        ApiKey::parse(data_encoding::BASE64.encode(&[byte; 20]).as_bytes()).unwrap()
    }

    fn question(random: u64) -> Question {
        let settings = (Some(SyncLevel::Percent(50)), 3);
        Question::new(7, Secret::new(OTP.to_owned()), settings, &SeededRandom::new(random))
    }

    #[test]
    fn our_own_request_is_read_back_with_its_signature() {
        for seed in 0..50 {
            let question = question(seed);
            let query = question.query(&key(1));
            assert!(!query.expose().contains(['+', '/', ' ']), "{}", query.expose());
            let request = Request::parse(query.expose()).unwrap();
            assert_eq!((request.client, request.otp.as_deref()), (7, Some(OTP)));
            assert_eq!(request.nonce.as_deref(), Some(question.nonce()));
            assert_eq!((request.missing(), request.counters), (None, false));
            assert!(request.is_signed(&key(1)) && !request.is_signed(&key(2)));
        }
    }

    #[test]
    fn nonces_differ_and_are_what_every_server_takes() {
        let (one, other) = (question(1), question(2));
        assert_ne!(one.nonce(), other.nonce());
        assert!(is_nonce(one.nonce()) && one.nonce().len() == NONCE_LENGTH);
    }

    #[test]
    fn what_was_changed_on_the_way_is_not_signed() {
        let query = question(3).query(&key(1));
        let query = query.expose();
        for changed in [
            query.replace("id=7", "id=8"),
            query.replace("sl=50", "sl=0"),
            query.replace("timeout=3", "timeout=30"),
            query.replace("otp=vv", "otp=vc"),
            format!("timestamp=1&{query}"),
            query.replace("sl=50&", ""),
            query.split("&h=").next().unwrap().to_owned(),
            query.split("&h=").next().unwrap().to_owned() + "&h=",
        ] {
            assert!(!Request::parse(&changed).unwrap().is_signed(&key(1)), "{changed}");
        }
    }

    #[test]
    fn signature_holds_in_every_spelling_that_clients_use() {
        let mut fields: Fields = [("id", "7"), ("nonce", NONCE), ("otp", "cc cc")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let meant = key(1).sign(&fields);
        fields.insert("otp".to_owned(), "cc%20cc".to_owned());
        let sent = key(1).sign(&fields);
        for signature in [meant, sent] {
            let query = format!("h={signature}&otp=cc%20cc&id=7&nonce={NONCE}");
            let request = Request::parse(&query).unwrap();
            assert!(request.is_signed(&key(1)), "{query}");
            assert_eq!((request.missing(), request.typed.as_deref()), (None, Some("cc cc")));
            assert_eq!(request.otp, None, "it cannot be repeated in an answer");
        }
    }

    #[test]
    fn request_of_nobody_is_none() {
        let rest = format!("otp={OTP}&nonce={NONCE}");
        for query in [
            String::new(),
            rest.clone(),
            format!("id=&{rest}"),
            format!("id=0&{rest}"),
            format!("id=-1&{rest}"),
            format!("id=%2B1&{rest}"),
            format!("id=4294967296&{rest}"),
            format!("id=1&id=2&{rest}"),
            format!("id=1&{rest}&otp={OTP}"),
            format!("id=1&%6f%74%70=x&{rest}"),
            format!("id=1&h=a&%68=b&{rest}"),
            format!("id=1&flag&{rest}"),
            format!("id=1&x=%&{rest}"),
            format!("id=1&x=%ff&{rest}"),
            format!("id=1&{rest}&x={}", "x".repeat(LONGEST)),
            format!("id=1&{}", (0..MOST).map(|n| format!("x{n}=1&")).collect::<String>()),
        ] {
            assert!(Request::parse(&query).is_none(), "{query}");
        }
        assert!(Request::parse(&format!("id=1&&{rest}&")).is_some());
    }

    #[test]
    fn what_is_missing_is_told_once_the_client_is_known() {
        let missing = |query: &str| Request::parse(query).unwrap().missing();
        assert_eq!(missing(&format!("id=1&nonce={NONCE}")), Some("otp"));
        assert_eq!(missing(&format!("id=1&otp=&nonce={NONCE}")), Some("otp"));
        assert_eq!(missing(&format!("id=1&otp=c%0d%0astatus=OK&nonce={NONCE}")), None, "it is a wrong one");
        assert_eq!(missing(&format!("id=1&otp={OTP}")), Some("nonce"));
        assert_eq!(missing(&format!("id=1&otp={OTP}&nonce=short")), Some("nonce"));
        assert_eq!(missing(&format!("id=1&otp={OTP}&nonce={}", "a".repeat(41))), Some("nonce"));
        assert_eq!(missing(&format!("id=1&otp={OTP}&nonce={}%0a", "a".repeat(20))), Some("nonce"));
        assert_eq!(missing(&format!("id=1&otp={OTP}&nonce={NONCE}&sl=101")), Some("sl"));
        assert_eq!(missing(&format!("id=1&otp={OTP}&nonce={NONCE}&sl=secure&timeout=9")), None);
    }

    #[test]
    fn sync_levels_are_words_or_percent() {
        for text in ["fast", "secure", "0", "50", "100"] {
            assert_eq!(text.parse::<SyncLevel>().unwrap().to_string(), text);
        }
        for text in ["", "101", "-1", "+5", "5%", "Fast", "256"] {
            assert!(text.parse::<SyncLevel>().is_err(), "{text}");
        }
    }
}
