//! Style, script and logo: from this host, and small.

use super::State;
use crate::config::Config;
use axum::Router;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/portal.js");

/// They are asked for under their version, so they can be kept.
const KEEP: &str = "public, max-age=31536000, immutable";

/// A logo has one address for ever.
const KEEP_LOGO: &str = "public, max-age=600";

/// Changes with style and script.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::new().chain_update(STYLE).chain_update(SCRIPT).finalize();
    HEXLOWER.encode(&digest).chars().take(12).collect()
});

/// What an asset is asked for with, so that a new one is not taken for the one that a browser has kept.
pub(super) fn version(config: &Config) -> String {
    let accent = config.portal.accent.trim_start_matches('#');
    let campus = config.campus.as_ref().map(|name| format!("&campus={name}")).unwrap_or_default();
    format!("?v={}{accent}{campus}", *VERSION)
}

/// Where the logo of these settings is.
pub(super) fn logo_path(config: &Config) -> String {
    config
        .campus
        .as_ref()
        .map_or_else(|| "/assets/logo".to_owned(), |name| format!("/assets/logo?campus={name}"))
}

/// The campus whose look is asked for; it is named, so that what a browser or a proxy has kept is never that of another.
type Campus = Query<HashMap<String, String>>;

fn settings(state: &State, query: &Campus) -> Arc<Config> {
    state.config.load_full().at(query.get("campus").map(String::as_str))
}

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/assets/style.css", get(style))
        .route("/assets/portal.js", get(script))
        .route("/assets/logo", get(logo))
}

/// Relative luminance of a colour (WCAG 2.2).
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let byte =
            colour.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or_default();
        let part = f64::from(byte) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

/// White or black, whichever can be read better on a colour.
fn on(colour: &str) -> &'static str {
    let luminance = luminance(colour);
    if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 { "#ffffff" } else { "#000000" }
}

/// Whether it can be read on the light pages, whose darkest ground this is; else links have the colour of the text.
fn is_readable(colour: &str) -> bool {
    (luminance("#f3f5f8") + 0.05) / (luminance(colour) + 0.05) >= 4.5
}

async fn style(Shared(state): Shared<State>, query: Campus) -> Response {
    let accent = settings(&state, &query).portal.accent.clone();
    let link = if is_readable(&accent) { "var(--accent)" } else { "var(--text)" };
    let own = format!(":root{{--accent:{accent};--on-accent:{};--link:{link}}}\n", on(&accent));
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, KEEP)], own + STYLE).into_response()
}

async fn script() -> Response {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8"), (CACHE_CONTROL, KEEP)], SCRIPT).into_response()
}

async fn logo(Shared(state): Shared<State>, query: Campus) -> Response {
    match &settings(&state, &query).portal.logo {
        Some(logo) => ([(CONTENT_TYPE, logo.media_type), (CACHE_CONTROL, KEEP_LOGO)], logo.bytes.to_vec())
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_on_the_accent_can_be_read() {
        assert_eq!(on("#0b5cad"), "#ffffff");
        assert_eq!(on("#ffd200"), "#000000");
        assert_eq!(on("#000000"), "#ffffff");
        assert!(is_readable("#0b5cad") && !is_readable("#ffd200"));
    }
}
