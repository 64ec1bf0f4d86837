//! Forms that browsers send: how often, whether the page that one was on is ours, its size, its fields.

use super::browser::Browser;
use super::pages::strength;
use super::{State, view};
use crate::base::Secret;
use crate::config::Config;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{ORIGIN, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// A form that a browser has sent.
pub(super) struct Posted {
    pub(super) browser: Browser,
    pub(super) fields: Fields,
}

/// The fields of a form.
pub(super) struct Fields(Vec<(String, Zeroizing<String>)>);

impl Fields {
    /// As sent; empty if it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    /// The same for what must not be seen.
    pub(super) fn secret(&self, name: &str) -> Secret<String> {
        Secret::new(self.text(name).to_owned())
    }

    /// Whether a box was checked, or a button pressed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }
}

impl FromRequest<State> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &State) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let mut browser = Browser::from_request_parts(&mut parts, state).await?;
        let address = browser.visit.address.parse().unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let rate = browser.visit.config.portal.rate;
        // What a script asks while somebody types must not use up what they need to send it.
        let rates = if browser.path == strength::PATH { &state.typing } else { &state.rates };
        if let Err(wait) = rates.take(address, rate, Instant::now()) {
            return Err(busy(&browser, wait));
        }
        if !is_ours(&browser.here, &parts.headers, browser.secure) {
            return Err(browser.stale().await);
        }
        let bytes = axum::body::Bytes::from_request(Request::from_parts(parts, body), state).await;
        let bytes = bytes.map_err(IntoResponse::into_response)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let Some(fields) = serde_urlencoded(text) else { return Err(browser.stale().await) };
        let fields = Fields(fields.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect());
        // Without the cookie no page of ours can have been there.
        if browser.fresh || !browser.knows(fields.text("form")) {
            return Err(browser.stale().await);
        }
        // Nothing waits for what is asked while somebody types.
        if browser.path != strength::PATH {
            browser.take(text).await?;
        }
        Ok(Self { browser, fields })
    }
}

/// `application/x-www-form-urlencoded`.
fn serde_urlencoded(text: &str) -> Option<Vec<(String, String)>> {
    let decode = |part: &str| crate::base::percent_decode(&part.replace('+', " "));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name)?, decode(value)?))
    };
    text.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// Whether the page that a form was on is one of ours, as browsers say (Fetch Metadata; RFC 6454).
fn is_ours(config: &Config, headers: &HeaderMap, secure: bool) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let host = text("host").unwrap_or_default();
    let scheme = if secure { "https" } else { "http" };
    let wanted = match config.portal.origin.as_str() {
        "" => format!("{scheme}://{host}"),
        origin => origin.to_owned(),
    };
    // Some browsers say `null` where the referrer policy hides where a form was.
    let from = headers
        .get(ORIGIN)
        .is_none_or(|origin| origin.to_str().is_ok_and(|origin| origin.eq_ignore_ascii_case(&wanted)));
    site && from
}

fn busy(browser: &Browser, wait: Duration) -> Response {
    let seconds = wait.as_secs().max(1).to_string();
    let view = browser.view();
    let text = view.with("too-many", &[("seconds", &seconds)]);
    let page = view::page(&view, &text, &maud::html! { h1 { (text) } });
    (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, seconds)], page).into_response()
}

impl Browser {
    /// A form from a page that is too old, or not ours.
    async fn stale(self) -> Response {
        let view = self.view();
        let text = view.say("form-stale");
        // Where the flow stands, which another tab may have moved on.
        let part = self.path.split('/').nth(1).filter(|part| *part != "sign-out").unwrap_or_default();
        let body = maud::html! {
            h1 { (text) }
            p { a.button href={ "/" (part) } { (view.say("continue-button")) } }
            p { a href="/" { (view.say("back-to-toolkit")) } }
        };
        self.show(StatusCode::FORBIDDEN, &text, body).await
    }
}
