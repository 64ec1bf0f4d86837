//! A QR code as an image that stands in the page itself, so that the key in it is nowhere to be fetched.

use crate::base::qr::path;
use maud::{Markup, html};

/// The code, black on white whatever the colours of the page, since cameras want it so.
pub(super) fn svg(text: &str, label: &str) -> Markup {
    let Some((path, width)) = path(text) else { return html! {} };
    html! {
        div.qr {
            svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (width) " " (width) } width="256" height="256"
                role="img" aria-label=(label) shape-rendering="crispEdges" {
                rect width=(width) height=(width) fill="#fff" {}
                path fill="#000" d=(path) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_is_escaped_and_what_is_too_long_is_left_out() {
        let shown = svg("x", "a\"b<c").into_string();
        assert!(shown.contains("a&quot;b&lt;c") && !shown.contains("style"), "{shown}");
        assert_eq!(svg(&"x".repeat(5000), "l").into_string(), "");
    }
}
