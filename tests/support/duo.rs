//! Requests as clients of Duo sign them: version 2 with SHA-512.

use hmac::{Hmac, KeyInit, Mac};

/// The two parts of a key.
#[derive(Debug, Clone)]
pub(crate) struct DuoKey {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// The date so many seconds from now.
pub(crate) fn date(seconds: i64) -> String {
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    jiff::fmt::rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC)).unwrap()
}

/// Fields as they are sent: in the order of their names.
pub(crate) fn fields(fields: &[(&str, &str)]) -> String {
    let mut fields = fields.to_vec();
    fields.sort_unstable();
    let encode = doorward::base::percent_encode;
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

impl DuoKey {
    /// `Authorization` of a request; `fields` as they are sent.
    pub(crate) fn signs(&self, (method, host, path): (&str, &str, &str), date: &str, fields: &str) -> String {
        let lines = format!("{date}\n{method}\n{host}\n{path}\n{fields}");
        let mut hmac = Hmac::<sha2::Sha512>::new_from_slice(self.secret.as_bytes()).unwrap();
        hmac.update(lines.as_bytes());
        let signature = data_encoding::HEXLOWER.encode(&hmac.finalize().into_bytes());
        let basic = data_encoding::BASE64.encode(format!("{}:{signature}", self.id).as_bytes());
        format!("Basic {basic}")
    }
}
