//! Forms in parts (RFC 7578), which curl makes where a program in PHP gives it an array: so do the plug-ins for SimpleSAMLphp and
//! Nextcloud. Values stand there as they are, without any encoding.
//!
//! ```text
//!   --BOUNDARY\r\n
//!   Content-Disposition: form-data; name="user"\r\n
//!   \r\n
//!   ann\r\n
//!   --BOUNDARY--\r\n
//! ```
//!
//! No more is read than clients write: no files, no other encodings, nothing before the first part or behind the last.

use super::parameters::BadParameters;

/// Longest boundary (RFC 2046, 5.1.1).
const LONGEST: usize = 70;

/// The boundary that a Content-Type names, if it is the one of such a form. The inner `None`: it names none that can be used.
pub fn boundary(content_type: &str) -> Option<Option<&str>> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let named = parameter(parameters, "boundary");
    Some(named.filter(|boundary| !boundary.is_empty() && boundary.len() <= LONGEST))
}

/// The value of a parameter, with or without quotation marks. In them a semicolon belongs to the value.
fn parameter<'t>(mut text: &'t str, wanted: &str) -> Option<&'t str> {
    loop {
        let (name, rest) = text.split_once('=')?;
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find(';').unwrap_or(rest.len())),
        };
        if name.trim_matches(|c: char| c == ';' || c.is_ascii_whitespace()).eq_ignore_ascii_case(wanted) {
            return Some(value.trim());
        }
        text = rest;
    }
}

/// Names and values, in their order.
pub(super) fn parts<'b>(boundary: &str, body: &'b [u8]) -> Result<Vec<(&'b str, &'b str)>, BadParameters> {
    let first = format!("--{boundary}");
    let delimiter = format!("\r\n{first}");
    let mut rest = body.strip_prefix(first.as_bytes()).ok_or(BadParameters::Parts)?;
    let mut found = Vec::new();
    loop {
        if matches!(rest, b"--" | b"--\r\n") {
            return Ok(found);
        }
        let part = rest.strip_prefix(b"\r\n").ok_or(BadParameters::Parts)?;
        let (head, part) = cut(part, b"\r\n\r\n").ok_or(BadParameters::Parts)?;
        let (value, after) = cut(part, delimiter.as_bytes()).ok_or(BadParameters::Parts)?;
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| BadParameters::Encoding);
        found.push((name(text(head)?)?, text(value)?));
        rest = after;
    }
}

/// What stands before and behind the first of these.
fn cut<'b>(bytes: &'b [u8], at: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let place = bytes.windows(at.len()).position(|window| window == at)?;
    Some((bytes.get(..place)?, bytes.get(place + at.len()..)?))
}

/// The field that a part is.
fn name(head: &str) -> Result<&str, BadParameters> {
    let mut name = None;
    for line in head.split("\r\n") {
        let (header, value) = line.split_once(':').ok_or(BadParameters::Parts)?;
        match header.to_ascii_lowercase().as_str() {
            "content-disposition" => {
                let (kind, parameters) = value.split_once(';').ok_or(BadParameters::Parts)?;
                let is_file = parameter(parameters, "filename").or(parameter(parameters, "filename*"));
                if !kind.trim().eq_ignore_ascii_case("form-data") || is_file.is_some() || name.is_some() {
                    return Err(BadParameters::Parts);
                }
                name = Some(parameter(parameters, "name").ok_or(BadParameters::Parts)?);
            }
            "content-transfer-encoding" if !matches!(value.trim(), "binary" | "8bit" | "7bit") => {
                return Err(BadParameters::Parts);
            }
            _ => {}
        }
    }
    name.ok_or(BadParameters::Parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "--x\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nann\r\n--x\r\n\
                        Content-Disposition: form-data; name=\"pass\"\r\nContent-Type: text/plain\r\n\r\na+b 100% %41\r\n-\u{e4}\r\n--x--\r\n";

    // R-API-1
    #[test]
    fn values_of_parts_are_what_stands_there() {
        let found = parts("x", BODY.as_bytes()).unwrap();
        assert_eq!(found, [("user", "ann"), ("pass", "a+b 100% %41\r\n-\u{e4}")]);
        assert_eq!(parts("x", b"--x--\r\n").unwrap(), []);
        let empty = "--x\r\ncontent-disposition: form-data; name=pass\r\n\r\n\r\n--x--";
        assert_eq!(parts("x", empty.as_bytes()).unwrap(), [("pass", "")]);
    }

    // R-API-1
    #[test]
    fn what_is_no_form_in_parts_is_refused() {
        let file = BODY.replace("name=\"pass\"", "name=\"pass\"; filename=\"a\"");
        let encoded = BODY.replace("Content-Type: text/plain", "Content-Transfer-Encoding: base64");
        let twice = BODY.replace("Content-Type: text/plain", "Content-Disposition: form-data; name=\"b\"");
        let unnamed = BODY.replace("; name=\"user\"", "");
        let before = format!("a\r\n{BODY}");
        for wrong in ["", "--x", "--x\r\n", "user=ann&pass=1", &file, &encoded, &twice, &unnamed, &before] {
            assert_eq!(parts("x", wrong.as_bytes()), Err(BadParameters::Parts), "{wrong}");
        }
        for end in 1..BODY.len() - 2 {
            assert!(parts("x", &BODY.as_bytes()[..end]).is_err(), "cut at {end}");
        }
        assert!(parts("x", format!("{BODY}more").as_bytes()).is_err(), "behind the last");
        assert!(parts("y", BODY.as_bytes()).is_err(), "another boundary");
    }

    #[test]
    fn boundary_is_read_from_the_content_type() {
        let curl = "multipart/form-data; boundary=------------------------d74496d66958873e";
        assert_eq!(boundary(curl), Some(Some("------------------------d74496d66958873e")));
        assert_eq!(boundary("Multipart/Form-Data;charset=utf-8; Boundary=\"a;b\""), Some(Some("a;b")));
        assert_eq!(boundary("application/x-www-form-urlencoded"), None);
        for none in
            ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; x=\"boundary=a"]
        {
            assert_eq!(boundary(none), Some(None), "{none}");
        }
    }
}
