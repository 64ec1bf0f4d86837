//! `[yubico]`: servers that validate OTPs of YubiKeys whose AES keys are not here.

use super::directory::connection::authorities;
use super::files::{self, Files};
use super::report::At;
use super::section::Section;
use super::smtp::is_loopback;
use crate::wire::wsapi::{ApiKey, SyncLevel};
use rustls::pki_types::CertificateDer;
use std::time::Duration;

/// Servers that are asked at the same time at most.
const MOST: usize = 8;

/// `[yubico]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yubico {
    /// Where the servers are asked; at least one, without a query.
    pub urls: Vec<reqwest::Url>,
    /// Who we are there.
    pub client: u32,
    /// The key that we share with them.
    pub key: ApiKey,
    /// How many of the servers behind one must know an OTP; `None`: it decides.
    pub sync: Option<SyncLevel>,
    /// For a question, however many servers are asked.
    pub timeout: Duration,
    /// Who may vouch for the servers; empty: whom the system trusts.
    pub authorities: Vec<CertificateDer<'static>>,
}

/// The outer `None`: it has errors; the inner one: nobody is asked. `deadline` is what a RADIUS request has.
pub(super) fn yubico(
    section: &Section<'_>,
    files: &Files<'_>,
    deadline: Option<Duration>,
) -> Option<Option<Yubico>> {
    let texts = section.texts("urls")?;
    let mut urls: Vec<reqwest::Url> = Vec::new();
    for (text, at) in &texts {
        match url(section, text, *at) {
            Some(url) if urls.contains(&url) => {
                section.error(*at, format!("`{text}` stands here twice"), "take one of them out");
            }
            Some(url) => urls.push(url),
            None => {}
        }
    }
    if let Some((_, at)) = texts.get(MOST) {
        section.error(*at, format!("`urls` has more than {MOST} servers"), "each OTP goes to all of them");
    }
    let client = section.number("client_id", 0..=i64::from(u32::MAX));
    let sync = sync(section);
    let timeout = section.duration("timeout", Duration::from_millis(200)..=Duration::from_secs(30));
    let authorities = authorities(section, files);
    if let (Some(timeout), Some(deadline)) = (timeout, deadline)
        && timeout >= deadline
        && !texts.is_empty()
    {
        let message = "[yubico] `timeout` must be shorter than radius.request_deadline";
        section.error(section.place("timeout"), message, "a NAS waits 3 to 5 s as a rule");
    }
    if texts.is_empty() {
        return Some(None);
    }
    if client == Some(0) {
        let hint = "the number that came with the key; YubiCloud: https://upgrade.yubico.com/getapikey/";
        section.error(section.place("client_id"), "`client_id` is missing in [yubico]", hint);
    }
    let key = api_key(section, files, "the validation servers");
    Some(Some(Yubico {
        urls,
        client: client?,
        key: key?,
        sync: sync?,
        timeout: timeout?,
        authorities: authorities?,
    }))
}

/// A key in one of the three places for secrets; `owner` is whose, for messages.
pub(super) fn api_key(section: &Section<'_>, files: &Files<'_>, owner: &str) -> Option<ApiKey> {
    let (secret, at) = files::secret(section, files, owner)?;
    match ApiKey::parse(secret.expose()) {
        Ok(key) => Some(key),
        Err(error) => {
            let hint = "base64, such as `head -c 20 /dev/urandom | base64` makes";
            section.error(at, format!("the key for {owner} cannot be used: {error}"), hint);
            None
        }
    }
}

fn url(section: &Section<'_>, text: &str, at: At) -> Option<reqwest::Url> {
    let wanted = "such as \"https://api.yubico.com/wsapi/2.0/verify\"";
    let fail = |message: String, hint: &str| {
        section.error(at, message, hint);
        None
    };
    let url = match reqwest::Url::parse(text) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.has_host() => url,
        _ => return fail(format!("`{text}` is no address of a validation server"), wanted),
    };
    if !url.username().is_empty() || url.password().is_some() {
        // What stands there is a password: no error shows the line.
        section.conceal(at);
        return fail("`urls` in [yubico] takes no user and no password".to_owned(), wanted);
    }
    if url.query().is_some() || url.fragment().is_some() || url.path() == "/" {
        return fail(format!("`{text}` does not end with the path of the service"), wanted);
    }
    // The answers are signed, but an OTP that is read on the way and kept from the server is still good.
    if url.scheme() == "http" && !url.host_str().is_some_and(is_loopback) {
        return fail(format!("OTPs would go to {text} unprotected"), "use https://");
    }
    Some(url)
}

fn sync(section: &Section<'_>) -> Option<Option<SyncLevel>> {
    let (text, at) = section.text("sl")?;
    if text.is_empty() {
        return Some(None);
    }
    section.understand(&text, at, "sl", "a number from 0 to 100 in quotes, `fast` or `secure`").map(Some)
}
