//! Gateways over HTTP: one request for each message, no redirects, no proxies, no retries of the client's own.
//!
//! ```text
//!   could not connect, 401 to 405, 408, 410, 425, 429, 503, redirects except 303     not taken
//!   other 4xx                                                                       refused
//!   303, other 5xx, no or half an answer, too late, 2xx without its text             nobody knows
//! ```

use super::said::said_without;
use super::{DeliveryError, Message, Outcome, Provider, Verdict};
use crate::base::percent_encode;
use crate::config::{Authorization, BodyEncoding, Gateway, HttpGateway, Pattern, Slot};
use crate::domain::texts::{Rendered, escape, spelled};
use crate::store::http;
use async_trait::async_trait;
use data_encoding::BASE64_NOPAD;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use zeroize::Zeroizing;

/// Most of an answer that is read.
const LARGEST: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Http {
    settings: HttpGateway,
    client: Client,
}

impl Http {
    pub(super) fn new(gateway: &Gateway, settings: &HttpGateway) -> Result<Self, DeliveryError> {
        let fail = |why: String| DeliveryError::new(&gateway.name, why);
        let client =
            http::client(&settings.authorities, (gateway.timeout / 2, gateway.timeout), gateway.connections)
                .map_err(fail)?;
        Ok(Self { settings: settings.clone(), client })
    }

    /// What a slot stands for, not encoded yet.
    fn value(&self, slot: Slot, message: &Message) -> String {
        let text = match &message.body {
            Rendered::Text(text) | Rendered::Mail { text, .. } => text,
        };
        match slot {
            Slot::To => message.to.clone(),
            Slot::Text => text.clone(),
            Slot::TextXml => escape(text),
            Slot::Id => message.id.to_string(),
            Slot::Code => message.code.clone(),
            Slot::CodeSpelled => spelled(&message.code),
            Slot::Channel => message.channel.as_str().to_owned(),
            Slot::From => self.settings.from.clone(),
            Slot::Secret => {
                self.settings.secret.as_ref().map(|secret| secret.expose().clone()).unwrap_or_default()
            }
        }
    }

    /// The request; the error is why there is none.
    fn request(&self, message: &Message) -> Result<RequestBuilder, String> {
        let settings = &self.settings;
        let request = settings.request(message.channel);
        let url = request.url.fill(|slot| percent_encode(&self.value(slot, message)));
        let mut building = self.client.request(request.method.clone(), url);
        for (name, pattern) in &settings.headers {
            let name = HeaderName::try_from(name.as_str()).map_err(|error| error.to_string())?;
            building = building.header(name, self.header(pattern, message)?);
        }
        building = match &settings.authorization {
            Authorization::None => building,
            Authorization::Basic(user, secret) => building.basic_auth(user, Some(secret.expose())),
            Authorization::Bearer(token) => building.bearer_auth(token.expose()),
        };
        if request.body != Pattern::default() {
            let encode = |slot| encoded(request.encoding, &self.value(slot, message));
            building = building.header(CONTENT_TYPE, &request.content_type).body(request.body.fill(encode));
        }
        Ok(building)
    }

    fn header(&self, pattern: &Pattern, message: &Message) -> Result<HeaderValue, String> {
        let plain = |slot| self.value(slot, message).replace(['\r', '\n'], " ");
        let mut value = HeaderValue::try_from(pattern.fill(plain)).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn said(&self, text: &str, message: &Message) -> String {
        let secret = self.settings.secret.as_ref().map_or("", |secret| secret.expose());
        // As it stands in the header of a request that a gateway shows.
        let basic = match &self.settings.authorization {
            Authorization::Basic(user, secret) => basic(user, secret.expose()),
            Authorization::None | Authorization::Bearer(_) => Zeroizing::default(),
        };
        said_without(text, message, &[secret, &basic])
    }

    async fn judge(&self, mut answer: Response, message: &Message) -> Verdict {
        let status = answer.status();
        let mut body = Vec::new();
        let whole = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) if body.len() < LARGEST => body.extend_from_slice(&chunk),
                Ok(Some(_) | None) => break true,
                Err(_) => break false,
            }
        };
        let text = String::from_utf8_lossy(&body);
        let detail = self.said(&format!("{status}: {text}"), message);
        if self.settings.success.iter().any(|range| range.contains(&status.as_u16())) {
            let wanted = &self.settings.success_body;
            if !wanted.is_empty() && !text.contains(wanted.as_str()) {
                let why = self.said(&format!("{status}, but not the answer of success: {text}"), message);
                // A whole answer is about this message, perhaps about its number; the gateway is in order.
                return Verdict { outcome: Outcome::Unknown(why), in_order: whole };
            }
            let id = self.id(&body).map(|id| format!("{status}, id {id}"));
            return Outcome::Sent(self.said(&id.unwrap_or_else(|| status.to_string()), message)).into();
        }
        failed(status, whole, detail).into()
    }

    /// The gateway's id of the message.
    fn id(&self, body: &[u8]) -> Option<String> {
        let pointer = Some(&self.settings.id_pointer).filter(|pointer| !pointer.is_empty())?;
        match serde_json::from_slice::<serde_json::Value>(body).ok()?.pointer(pointer)? {
            serde_json::Value::String(id) => Some(id.clone()),
            serde_json::Value::Number(id) => Some(id.to_string()),
            _ => None,
        }
    }
}

#[async_trait]
impl Provider for Http {
    async fn send(&self, message: &Message) -> Verdict {
        let request = match self.request(message) {
            Ok(request) => request,
            Err(why) => return Outcome::NotTaken(self.said(&why, message)).into(),
        };
        match request.send().await {
            Ok(answer) => self.judge(answer, message).await,
            Err(error) => {
                let connects = error.is_connect() || error.is_builder();
                let why = self.said(&http::causes(error), message);
                if connects { Outcome::NotTaken(why).into() } else { Outcome::Unknown(why).into() }
            }
        }
    }
}

/// Without what fills it up at the end, which some leave out.
fn basic(user: &str, secret: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{user}:{secret}"));
    Zeroizing::new(BASE64_NOPAD.encode(pair.as_bytes()))
}

/// What a status says that is not one of success.
fn failed(status: StatusCode, whole: bool, detail: String) -> Outcome {
    let ours = [
        StatusCode::UNAUTHORIZED,
        StatusCode::PAYMENT_REQUIRED,
        StatusCode::FORBIDDEN,
        // A wrong `url` or `method`, or an interface that was moved.
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::GONE,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    match status.as_u16() {
        // About us or the moment, not about the message: another provider may take it.
        _ if ours.contains(&status) => Outcome::NotTaken(detail),
        // "See other": the request was processed, and its result lies elsewhere (RFC 9110 §15.4.4).
        303 => Outcome::Unknown(detail),
        300..=399 => Outcome::NotTaken(format!("{status}: redirects are not followed")),
        400..=499 if whole => Outcome::Refused(detail),
        _ => Outcome::Unknown(detail),
    }
}

fn encoded(encoding: BodyEncoding, value: &str) -> String {
    match encoding {
        BodyEncoding::Json => {
            let quoted = serde_json::Value::from(value).to_string();
            quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
        }
        BodyEncoding::Form => percent_encode(value),
        BodyEncoding::Xml => escape(value),
        BodyEncoding::Plain => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_place() {
        let value = "a\"b\\c&d=e\n<f>é";
        assert_eq!(encoded(BodyEncoding::Json, value), "a\\\"b\\\\c&d=e\\n<f>é");
        assert_eq!(encoded(BodyEncoding::Form, value), "a%22b%5Cc%26d%3De%0A%3Cf%3E%C3%A9");
        assert_eq!(encoded(BodyEncoding::Xml, value), "a&quot;b\\c&amp;d=e\n&lt;f&gt;é");
        assert_eq!(encoded(BodyEncoding::Json, ""), "");
    }
}
