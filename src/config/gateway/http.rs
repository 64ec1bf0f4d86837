//! Gateways that are asked over HTTP: any, and presets for two forms that are common.

use super::super::directory::authorities;
use super::super::files::Files;
use super::super::report::At;
use super::super::section::Section;
use super::super::smtp::is_loopback;
use super::pattern::{Pattern, Slot};
use super::secret;
use crate::base::{Secret, percent_encode};
use crate::domain::method::Channel;
use rustls::pki_types::CertificateDer;
use std::ops::RangeInclusive;

/// How values are written into a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEncoding {
    /// Inside of JSON strings.
    Json,
    /// `application/x-www-form-urlencoded`
    Form,
    /// XML content or attributes.
    Xml,
    /// As they are.
    Plain,
}

/// How Doorward shows who it is.
#[derive(Debug, Clone)]
pub enum Authorization {
    /// Not by this header.
    None,
    /// By name and password.
    Basic(String, Secret<String>),
    /// By a token.
    Bearer(Secret<String>),
}

/// One kind of request.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// Such as `POST`.
    pub method: reqwest::Method,
    /// Address; values are percent-encoded.
    pub url: Pattern,
    /// `Content-Type`; without a body it is not sent.
    pub content_type: String,
    /// How values are written into the body.
    pub encoding: BodyEncoding,
    /// The body; empty: none.
    pub body: Pattern,
}

/// A gateway over HTTP.
#[derive(Debug, Clone)]
pub struct HttpGateway {
    /// Request for a text message.
    pub sms: HttpRequest,
    /// Request for a call.
    pub voice: HttpRequest,
    /// Who Doorward is.
    pub authorization: Authorization,
    /// What `{secret}` stands for.
    pub secret: Option<Secret<String>>,
    /// What `{from}` stands for.
    pub from: String,
    /// Further headers.
    pub headers: Vec<(String, Pattern)>,
    /// Statuses that mean that the message was taken.
    pub success: Vec<RangeInclusive<u16>>,
    /// A text that the answer must then contain; empty: any answer will do.
    pub success_body: String,
    /// JSON pointer (RFC 6901) to the gateway's id of the message; empty: not looked for.
    pub id_pointer: String,
    /// Authorities that may vouch for it; empty: those that the system trusts.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl HttpGateway {
    /// The request for a channel.
    pub const fn request(&self, channel: Channel) -> &HttpRequest {
        match channel {
            Channel::Voice => &self.voice,
            Channel::Sms | Channel::Email => &self.sms,
        }
    }
}

/// `kind = "http"`: everything is said.
pub(super) fn plain(section: &Section<'_>, files: &Files<'_>, owner: &str) -> Option<HttpGateway> {
    let mut gateway = common(section, files, owner, false);
    let methods =
        [("POST", reqwest::Method::POST), ("PUT", reqwest::Method::PUT), ("GET", reqwest::Method::GET)];
    let names: Vec<_> = methods.iter().enumerate().map(|(index, (name, _))| (*name, index)).collect();
    let method = section.choice("method", &names);
    let url = url(section, &section.text("url")?);
    let content_type = section.text("content_type");
    let encoding = content_type.as_ref().and_then(|(text, at)| encoding(section, text, *at));
    let body = section.text("body").and_then(|(text, at)| pattern(section, "body", &text, at));
    let user = section.text("user").map(|(user, _)| user);
    let gateway = gateway.as_mut()?;
    let (url, body) = (url?, body?);
    let spent = body.has(Slot::Secret) || gateway.headers.iter().any(|(_, value)| value.has(Slot::Secret));
    gateway.authorization = match (&gateway.secret, user?) {
        (Some(secret), user) if !user.is_empty() => Authorization::Basic(user, secret.clone()),
        (Some(secret), _) if !spent => Authorization::Bearer(secret.clone()),
        _ => Authorization::None,
    };
    if gateway.secret.is_none() && spent {
        section.error(section.at, "`{secret}` is used, but there is no secret", "add `secret_file`");
    }
    if ![Slot::Text, Slot::TextXml, Slot::Code, Slot::CodeSpelled]
        .iter()
        .any(|slot| url.has(*slot) || body.has(*slot))
    {
        section.error(
            section.place("body"),
            "neither `url` nor `body` has the text or the code",
            "add {text}",
        );
    }
    let method = methods.get(method?).map(|(_, method)| method.clone())?;
    let request = HttpRequest { method, url, content_type: content_type?.0, encoding: encoding?, body };
    Some(HttpGateway { sms: request.clone(), voice: request, ..gateway.clone() })
}

/// `kind = "json"`: `{"to", "text", "id"}` with a bearer token.
pub(super) fn json(section: &Section<'_>, files: &Files<'_>, owner: &str) -> Option<HttpGateway> {
    let gateway = common(section, files, owner, true);
    let url = url(section, &section.text("url")?);
    let body = Pattern::parse(r#"{"to":"{to}","text":"{text}","id":"{id}","channel":"{channel}"}"#).ok()?;
    let gateway = gateway?;
    let authorization = gateway.secret.clone().map_or(Authorization::None, Authorization::Bearer);
    let request = HttpRequest {
        method: reqwest::Method::POST,
        url: url?,
        content_type: "application/json".to_owned(),
        encoding: BodyEncoding::Json,
        body,
    };
    Some(HttpGateway { sms: request.clone(), voice: request, authorization, ..gateway })
}

/// `kind = "twilio"`: Twilio's REST API of 2010-04-01, and gateways that copy it.
pub(super) fn twilio(section: &Section<'_>, files: &Files<'_>, owner: &str) -> Option<HttpGateway> {
    let gateway = common(section, files, owner, true);
    let account = section.text("account").and_then(|(account, at)| {
        if account.is_empty() || !account.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            section.error(
                at,
                format!("`{account}` is no account"),
                "Twilio's account SID, which begins with AC",
            );
            return None;
        }
        Some(account)
    });
    let (base, at) = section.text("url")?;
    let base = if base.is_empty() { "https://api.twilio.com".to_owned() } else { base };
    let base = base.trim_end_matches('/');
    let (gateway, account) = (gateway?, account?);
    if gateway.from.is_empty() {
        section.error(
            section.at,
            "a Twilio gateway needs `from`",
            "a number of the account, such as \"+15550100\"",
        );
    }
    let request = |resource: &str, body: String| {
        Some(HttpRequest {
            method: reqwest::Method::POST,
            url: url(section, &(format!("{base}/2010-04-01/Accounts/{account}/{resource}"), at))?,
            content_type: "application/x-www-form-urlencoded".to_owned(),
            encoding: BodyEncoding::Form,
            body: Pattern::parse(&body).ok()?,
        })
    };
    let (before, after) =
        (percent_encode("<Response><Pause length=\"1\"/><Say>"), percent_encode("</Say></Response>"));
    let sms = request("Messages.json", "To={to}&From={from}&Body={text}".to_owned());
    let voice = request("Calls.json", format!("To={{to}}&From={{from}}&Twiml={before}{{text_xml}}{after}"));
    let id_pointer =
        if gateway.id_pointer.is_empty() { "/sid".to_owned() } else { gateway.id_pointer.clone() };
    let authorization = match &gateway.secret {
        Some(token) => Authorization::Basic(account.clone(), token.clone()),
        None => Authorization::None,
    };
    Some(HttpGateway { sms: sms?, voice: voice?, authorization, id_pointer, ..gateway })
}

/// What all kinds have.
fn common(section: &Section<'_>, files: &Files<'_>, owner: &str, needed: bool) -> Option<HttpGateway> {
    let secret = secret(section, files, owner, needed);
    let from = section.text("from").map(|(from, _)| from);
    let headers = headers(section);
    let success = success(section);
    let success_body = section.text("success_body").map(|(text, _)| text);
    let id_pointer = section.text("id_pointer").and_then(|(text, at)| {
        if !text.is_empty() && !text.starts_with('/') {
            section.error(
                at,
                format!("`{text}` is no JSON pointer"),
                "such as \"/messages/0/id\" (RFC 6901)",
            );
            return None;
        }
        Some(text)
    });
    let authorities = authorities(section, files);
    let nothing = HttpRequest {
        method: reqwest::Method::POST,
        url: Pattern::default(),
        content_type: String::new(),
        encoding: BodyEncoding::Plain,
        body: Pattern::default(),
    };
    Some(HttpGateway {
        sms: nothing.clone(),
        voice: nothing,
        authorization: Authorization::None,
        secret: secret?,
        from: from?,
        headers: headers?,
        success: success?,
        success_body: success_body?,
        id_pointer: id_pointer?,
        authorities: authorities?,
    })
}

fn pattern(section: &Section<'_>, key: &str, text: &str, at: At) -> Option<Pattern> {
    Pattern::parse(text)
        .map_err(|unknown| {
            let message = format!("`{key}` has a placeholder that nothing is known about: {unknown}");
            section.error(section.within(at, &unknown), message, format!("known: {}", Pattern::known()));
        })
        .ok()
}

/// An address that is one whatever is filled in: nothing is filled in before the path.
fn url(section: &Section<'_>, (text, at): &(String, At)) -> Option<Pattern> {
    let fail = |message: String, hint: &str| {
        section.error(*at, message, hint);
        None
    };
    let pattern = pattern(section, "url", text, *at)?;
    if pattern.has(Slot::Secret) {
        return fail(
            "`url` must not have the secret: addresses are logged on the way".to_owned(),
            "use `headers` or `body`",
        );
    }
    let wanted = "an address such as \"https://sms.example.org/send\"";
    let Ok(url) = reqwest::Url::parse(&pattern.fill(|_| "0".to_owned())) else {
        let empty = "`url` is missing".to_owned();
        return fail(if text.is_empty() { empty } else { format!("`{text}` is no address") }, wanted);
    };
    let host = url.host_str().unwrap_or_default();
    let path =
        text.split_once("://").and_then(|(_, rest)| rest.find(['/', '?']).map(|end| rest.split_at(end)));
    let before = path.map_or(text.as_str(), |(before, _)| before);
    if host.is_empty() || !["http", "https"].contains(&url.scheme()) || before.contains(['{', '@']) {
        return fail(format!("`{text}` is no address of a gateway"), wanted);
    }
    if url.scheme() == "http" && !is_loopback(host) {
        return fail(format!("codes would go to {host} unprotected"), "use https://");
    }
    Some(pattern)
}

fn encoding(section: &Section<'_>, text: &str, at: At) -> Option<BodyEncoding> {
    let kind = text.split(';').next().unwrap_or_default().trim();
    if !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        section.error(at, "`content_type` is no type", "such as \"application/json\"");
        return None;
    }
    Some(match kind {
        "application/x-www-form-urlencoded" => BodyEncoding::Form,
        _ if kind.ends_with("/json") || kind.ends_with("+json") => BodyEncoding::Json,
        _ if kind.ends_with("/xml") || kind.ends_with("+xml") => BodyEncoding::Xml,
        "text/plain" => BodyEncoding::Plain,
        _ => {
            let message = format!("it is not known how values are written in `{kind}`");
            section.error(at, message, "JSON, application/x-www-form-urlencoded, XML or text/plain");
            return None;
        }
    })
}

/// `Name: value`
fn headers(section: &Section<'_>) -> Option<Vec<(String, Pattern)>> {
    let mut headers = Vec::new();
    for (text, at) in section.texts("headers")? {
        let token =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let plain = |value: &str| value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        match text.split_once(':').map(|(name, value)| (name.trim(), value.trim())) {
            Some((name, value)) if !name.is_empty() && token(name) && plain(value) => {
                headers.push((name.to_owned(), pattern(section, "headers", value, at)?));
            }
            _ => section.error(at, "this is no header", "such as \"X-Api-Key: {secret}\""),
        }
    }
    Some(headers)
}

fn success(section: &Section<'_>) -> Option<Vec<RangeInclusive<u16>>> {
    let mut ranges = Vec::new();
    for (text, at) in section.texts("success")? {
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if (100..=599).contains(&first) && first <= last && last <= 599 => {
                ranges.push(first..=last);
            }
            _ => section.error(at, format!("`{text}` is no status"), "such as \"200\" or \"200-299\""),
        }
    }
    Some(ranges)
}
