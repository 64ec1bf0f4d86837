//! Style, script and logo: from this host, and small.

use super::State;
use axum::Router;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/portal.js");

/// They are asked for under their version, so they can be kept.
const KEEP: &str = "public, max-age=86400";

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/assets/style.css", get(style))
        .route("/assets/portal.js", get(script))
        .route("/assets/logo", get(logo))
}

/// White or black, whichever can be read better on a colour (WCAG 2.2, relative luminance).
fn on(colour: &str) -> &'static str {
    let channel = |at: usize| {
        let byte =
            colour.get(at..at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or_default();
        let part = f64::from(byte) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    let luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
    if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 { "#ffffff" } else { "#000000" }
}

async fn style(Shared(state): Shared<State>) -> Response {
    let accent = state.config.load().portal.accent.clone();
    let own = format!(":root{{--accent:{accent};--on-accent:{}}}\n", on(&accent));
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, KEEP)], own + STYLE).into_response()
}

async fn script() -> Response {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8"), (CACHE_CONTROL, KEEP)], SCRIPT).into_response()
}

async fn logo(Shared(state): Shared<State>) -> Response {
    match &state.config.load().portal.logo {
        Some(logo) => {
            ([(CONTENT_TYPE, logo.media_type), (CACHE_CONTROL, KEEP)], logo.bytes.to_vec()).into_response()
        }
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
    }
}
