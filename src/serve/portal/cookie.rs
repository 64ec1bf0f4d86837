//! Cookies: the one that names a session, and the one that keeps a language.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

/// Bytes of a session's name.
pub(super) const LENGTH: usize = 32;

/// The name of the session's cookie. The prefix makes browsers insist on HTTPS, on this host and on no other (RFC 6265bis
/// §4.1.3); without TLS, which is served to this machine only, none would be kept under it.
pub(super) const fn name(secure: bool) -> &'static str {
    if secure { "__Host-doorward" } else { "doorward" }
}

/// A cookie of the request.
pub(super) fn find<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let pairs =
        headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// `Set-Cookie` for the session.
pub(super) fn session(secure: bool, value: &str) -> String {
    let end = if secure { "; Secure" } else { "" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{end}", name(secure))
}

/// `Set-Cookie` that ends the session.
pub(super) fn ended(secure: bool) -> String {
    format!("{}; Max-Age=0", session(secure, ""))
}

/// `Set-Cookie` for the language, kept for a year.
pub(super) fn language(secure: bool, tag: &str) -> String {
    let end = if secure { "; Secure" } else { "" };
    format!("doorward-language={tag}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "xdoorward=1; doorward=abc; other".parse().unwrap());
        headers.append(COOKIE, "doorward-language=es".parse().unwrap());
        assert_eq!(find(&headers, "doorward"), Some("abc"));
        assert_eq!(find(&headers, "doorward-language"), Some("es"));
        assert_eq!(find(&headers, "__Host-doorward"), None);
    }

    #[test]
    fn session_is_bound_to_host_and_https() {
        let set = session(true, "v");
        assert!(set.starts_with("__Host-doorward=v; Path=/;") && set.ends_with("; Secure"), "{set}");
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax") && !set.contains("Domain"), "{set}");
    }
}
