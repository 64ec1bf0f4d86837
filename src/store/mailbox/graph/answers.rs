//! What answers of Microsoft Graph and of its token service mean for a mailbox.
//!
//! ```text
//!   2xx                          done
//!   401                          the token is not good any more, or never was
//!   404 Request_ResourceNotFound no such mailbox
//!   400 about the password       refused
//!   429, 503                     later; nothing was done
//!   other 5xx                    nobody knows
//!   everything else              an administrator is needed
//! ```

use super::super::MailboxError;
use super::super::words::line;
use crate::base::Secret;
use reqwest::StatusCode;
use serde_json::Value;
use std::time::Duration;
use zeroize::Zeroizing;

/// An answer as it came.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    /// It may carry a token.
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// What one request came to.
pub(super) enum Verdict {
    Done(Zeroizing<Vec<u8>>),
    /// A new token may help.
    Expired(String),
    /// Nothing was done; in how long it may be, if it said so.
    Busy(Option<Duration>, String),
    /// It may have been done.
    Doubt(String),
    No(MailboxError),
}

/// An error as Graph writes it.
struct GraphError {
    code: String,
    message: String,
    /// Codes of further details.
    details: String,
    /// By which Microsoft finds the request.
    id: String,
}

impl GraphError {
    fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let error = body.get("error")?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
        let details: Vec<_> = details.map(|detail| text(detail.get("code"))).collect();
        Some(Self {
            code: text(error.get("code")),
            message: text(error.get("message")),
            details: details.join(" "),
            id: text(error.pointer("/innerError/request-id")),
        })
    }

    /// For the log.
    fn words(&self, status: StatusCode, hidden: &[&str]) -> String {
        let id = if self.id.is_empty() { String::new() } else { format!(" (request-id {})", self.id) };
        line(&format!("{status}: {}: {}{id}", self.code, self.message.trim_end_matches('.')), hidden)
    }

    /// The sentence for the person if the password is what is wrong.
    fn refusal(&self, hidden: &[&str]) -> Option<String> {
        let said = format!("{} {}", self.message, self.details).to_ascii_lowercase();
        let has = |any: &[&str]| any.iter().any(|words| said.contains(words));
        if !has(&["password"]) {
            return None;
        }
        Some(if has(&["complex"]) {
            "Choose another password: the mail provider wants 8 to 256 characters, with three of these four: small letters, \
             capital letters, digits, other characters."
                .to_owned()
        } else if has(&["banned", "easily guess", "commonly used", "too common"]) {
            "Choose a password that is harder to guess: the mail provider refuses words and names that many people use."
                .to_owned()
        } else if has(&["used before", "previously used", "recently used", "history"]) {
            "Choose a password that you have not used for this mailbox before.".to_owned()
        } else if hidden.iter().any(|secret| self.message.contains(secret)) {
            "Choose another password: the mail provider refuses this one.".to_owned()
        } else {
            let words = line(&self.message, hidden);
            let words = words.trim_end_matches('.');
            format!("The mail provider refuses this password: \"{words}.\" Choose another one.")
        })
    }
}

/// What an answer of Graph means. `hidden` must not be shown, whatever the answer says.
pub(super) fn verdict(answer: Answer, hidden: &[&str]) -> Verdict {
    let Answer { status, retry_after, body } = answer;
    if status.is_success() {
        return Verdict::Done(body);
    }
    let Some(error) = GraphError::read(&body) else {
        // Not Graph's own words: something in between, or not Graph at all.
        let words = format!("{status}, and not in the words of Microsoft Graph");
        return match status {
            StatusCode::UNAUTHORIZED => Verdict::Expired(words),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Verdict::Busy(retry_after, words)
            }
            _ if status.is_server_error() => Verdict::Doubt(words),
            _ => Verdict::No(MailboxError::Misconfigured(format!("{words}; is `graph_url` right?"))),
        };
    };
    let words = error.words(status, hidden);
    let needs = |what: &str| Verdict::No(MailboxError::Misconfigured(format!("{words}. {what}")));
    match status {
        StatusCode::UNAUTHORIZED => Verdict::Expired(words),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Verdict::Busy(retry_after, words),
        _ if status.is_server_error() => Verdict::Doubt(words),
        StatusCode::NOT_FOUND if error.code == "Request_ResourceNotFound" => {
            Verdict::No(MailboxError::NoMailbox(words))
        }
        StatusCode::FORBIDDEN => needs(
            "The app lacks a permission or a role for this account; see \"What the app may do\" in alumni-mailbox.md",
        ),
        StatusCode::BAD_REQUEST if error.message.to_ascii_lowercase().contains("on-premises mastered") => {
            needs(
                "This account comes from an Active Directory: set its password there (kind = \"active-directory\")",
            )
        }
        StatusCode::BAD_REQUEST => match error.refusal(hidden) {
            Some(sentence) => Verdict::No(MailboxError::Refused(sentence)),
            None => needs("The request does not suit it"),
        },
        _ => needs("This is not expected"),
    }
}

/// The id of the account that was looked up.
pub(super) fn id(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let id = body.get("id")?.as_str()?;
    Some(line(id, &[]))
}

/// A token, and how long it is good.
pub(super) fn token(body: &[u8]) -> Option<(Secret<String>, Duration)> {
    /// Read without a tree in between, which would leave copies of the token.
    #[derive(serde::Deserialize)]
    struct Token {
        access_token: String,
        expires_in: u64,
    }
    let Token { access_token, expires_in } = serde_json::from_slice(body).ok()?;
    let token = Secret::new(access_token);
    let fine = !token.expose().is_empty() && token.expose().bytes().all(|byte| byte.is_ascii_graphic());
    fine.then_some((token, Duration::from_secs(expires_in)))
}

/// Why there is no token (RFC 6749 §5.2, with Microsoft's description).
pub(super) fn no_token(status: StatusCode, body: &[u8], hidden: &[&str]) -> MailboxError {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    let text = |name: &str| body.as_ref().and_then(|body| body.get(name)).and_then(Value::as_str);
    match (text("error"), text("error_description")) {
        (Some(error), description) => {
            let description = description.unwrap_or_default();
            let words = line(&format!("{status}: {error}: {description}"), hidden);
            MailboxError::Misconfigured(format!("there is no token: {words}"))
        }
        (None, _) => MailboxError::Misconfigured(format!(
            "there is no token: {status}, and not in the words of OAuth 2.0; is `login_url` right?"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "never-shown-Password1";

    fn judged(status: u16, body: &str) -> MailboxError {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        };
        match verdict(answer, &[PASSWORD]) {
            Verdict::No(error) => error,
            _ => panic!("{status} {body} is an end"),
        }
    }

    fn error(message: &str) -> String {
        serde_json::json!({"error": {"code": "Request_BadRequest", "message": message}}).to_string()
    }

    #[test]
    fn reasons_of_the_provider_are_sentences_for_the_person() {
        for (message, part) in [
            (
                "The specified password does not comply with password complexity requirements. Please provide a different password.",
                "three of these four",
            ),
            ("The password is banned: it is commonly used.", "harder to guess"),
            ("The password was previously used.", "not used for this mailbox before"),
            ("Password cannot contain the user name.", "\"Password cannot contain the user name.\" Choose"),
        ] {
            let MailboxError::Refused(sentence) = judged(400, &error(message)) else { panic!("{message}") };
            assert!(sentence.contains(part) && sentence.ends_with('.'), "{sentence}");
        }
        let repeats = judged(400, &error(&format!("The password {PASSWORD} is bad.")));
        assert_eq!(repeats.sentence(), "Choose another password: the mail provider refuses this one.");
    }

    #[test]
    fn what_is_not_about_the_password_is_for_the_administrator() {
        let synced = "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.";
        assert!(judged(400, &error(synced)).to_string().contains("kind = \"active-directory\""));
        for (status, body) in [
            (400, error("Invalid URL")),
            (400, "<html>".to_owned()),
            (302, String::new()),
            (404, "Not Found".to_owned()),
            (404, error("Resource not found for the segment 'users'.")),
            (403, error("Insufficient privileges to complete the operation.")),
            (405, "{\"error\": \"x\"}".to_owned()),
        ] {
            let found = judged(status, &body);
            assert!(matches!(found, MailboxError::Misconfigured(_)), "{status} {body}: {found:?}");
        }
    }

    #[test]
    fn no_error_shows_a_secret() {
        for status in [400, 403, 404] {
            for body in [error(PASSWORD), error(&format!("a {PASSWORD}")), PASSWORD.to_owned()] {
                let found = judged(status, &body);
                let shown = format!("{found:?} {found} {}", found.sentence());
                assert!(!shown.contains(PASSWORD), "{shown}");
            }
        }
        let body = format!("{{\"error\": \"invalid_client\", \"error_description\": \"{PASSWORD}\"}}");
        let found = no_token(StatusCode::UNAUTHORIZED, body.as_bytes(), &[PASSWORD]);
        assert!(!found.to_string().contains(PASSWORD), "{found}");
    }

    #[test]
    fn token_is_read_strictly() {
        let read = |body: &str| token(body.as_bytes()).map(|(token, time)| (token.expose().clone(), time));
        let good =
            r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"ey.J-0"}"#;
        assert_eq!(read(good), Some(("ey.J-0".to_owned(), Duration::from_secs(3599))));
        for bad in [
            "",
            "{}",
            r#"{"expires_in":3599}"#,
            r#"{"expires_in":3599,"access_token":""}"#,
            r#"{"expires_in":3599,"access_token":"a b"}"#,
            r#"{"expires_in":3599,"access_token":"a\r\nX: y"}"#,
            r#"{"expires_in":-1,"access_token":"a"}"#,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
