//! What a provider said, as one short line that may be kept and logged.

use super::Message;
use std::ops::Range;

/// Characters of an answer that are kept.
const LONGEST: usize = 200;
/// In the place of what is nobody's business.
const HIDDEN: &str = "••••••";
/// So much may stand between two digits of a code that is spelled out, as in `<b>1</b>, <b>2</b>`.
const GAP: usize = 16;

/// One line without the code, the destination and control characters, cut.
pub(super) fn said(text: &str, message: &Message) -> String {
    said_without(text, message, &[])
}

/// The same without secrets of ours.
pub(super) fn said_without(text: &str, message: &Message, secrets: &[&str]) -> String {
    let text = hide(text, message, secrets);
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line: String = words.chars().take(LONGEST).collect();
    if line.len() < words.len() {
        line.push('…');
    }
    line
}

/// An octet that a text stands for, and where it stands.
struct Unit {
    octet: u8,
    place: Range<usize>,
}

/// The text with everything hidden, as it stands and as it reads once escapes are taken off: `%31` is `1`, and the digits
/// of `%2C` are none.
fn hide(text: &str, message: &Message, secrets: &[&str]) -> String {
    let number = message.to.trim_start_matches('+');
    let is_number = !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
    let digits = [message.code.as_str(), if is_number { number } else { "" }];
    let mut places = Vec::new();
    let as_it_stands =
        text.bytes().enumerate().map(|(at, octet)| Unit { octet, place: at..at + 1 }).collect();
    for units in [as_it_stands, unescaped(text.as_bytes())] {
        for at in 0..units.len() {
            let rest = units.get(at..).unwrap_or_default();
            let whole = secrets.iter().copied().chain([message.to.as_str(), &message.code]);
            places.extend(whole.filter_map(|hidden| begins(rest, hidden)));
            places.extend(digits.iter().filter_map(|hidden| begins_spelled(rest, hidden)));
        }
    }
    without(text, places)
}

/// Where the text begins with this, whatever the case.
fn begins(units: &[Unit], hidden: &str) -> Option<Range<usize>> {
    let first = units.first().filter(|_| !hidden.is_empty())?;
    let part = units.get(..hidden.len())?;
    let same = |(unit, octet): (&Unit, u8)| {
        // Forms have a plus sign for a space.
        unit.octet.eq_ignore_ascii_case(&octet) || (unit.octet == b'+' && octet == b' ')
    };
    part.iter().zip(hidden.bytes()).all(same).then_some(first.place.start..part.last()?.place.end)
}

/// The same for digits that may have something in between.
fn begins_spelled(units: &[Unit], digits: &str) -> Option<Range<usize>> {
    let first = units.first()?;
    let mut rest = units.iter();
    let mut end = None;
    for digit in digits.bytes() {
        let gap = if end.is_none() { 0 } else { GAP };
        let next = rest.by_ref().take(gap + 1).find(|unit| unit.octet.is_ascii_digit())?;
        if next.octet != digit {
            return None;
        }
        end = Some(next.place.end);
    }
    Some(first.place.start..end?)
}

/// The octets without percent signs, character references, and the escapes of JSON.
fn unescaped(text: &[u8]) -> Vec<Unit> {
    let mut units = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(rest @ [first, ..]) = text.get(at..) {
        let (octet, length) = escape(rest).unwrap_or((*first, 1));
        units.push(Unit { octet, place: at..at + length });
        at += length;
    }
    units
}

/// What an escape at the beginning stands for, and its length. Of characters outside of ASCII it only matters that they
/// are no digits.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let octet = |digits: &[u8], radix| {
        let value = u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
        Some(u8::try_from(value).unwrap_or(0xFF))
    };
    match text {
        [b'%', high, low, ..] => Some((octet(&[*high, *low], 16)?, 3)),
        [b'\\', b'u', a, b, c, d, ..] => Some((octet(&[*a, *b, *c, *d], 16)?, 6)),
        [b'\\', plain @ (b'"' | b'\\' | b'/'), ..] => Some((*plain, 2)),
        [b'&', b'#', rest @ ..] => {
            let length = rest.iter().take(8).position(|octet| *octet == b';')?;
            let value = match rest.get(..length)? {
                [b'x' | b'X', digits @ ..] => octet(digits, 16)?,
                digits => octet(digits, 10)?,
            };
            Some((value, length + 3))
        }
        [b'&', rest @ ..] => {
            let named = [("amp;", b'&'), ("lt;", b'<'), ("gt;", b'>'), ("quot;", b'"'), ("apos;", b'\'')];
            let (name, plain) = named.into_iter().find(|(name, _)| rest.starts_with(name.as_bytes()))?;
            Some((plain, name.len() + 1))
        }
        _ => None,
    }
}

/// The text without these places.
fn without(text: &str, mut places: Vec<Range<usize>>) -> String {
    places.sort_unstable_by_key(|place| place.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for place in places {
        if place.start >= done {
            out.push_str(&String::from_utf8_lossy(
                text.as_bytes().get(done..place.start).unwrap_or_default(),
            ));
            out.push_str(HIDDEN);
        }
        done = done.max(place.end);
    }
    out.push_str(&String::from_utf8_lossy(text.as_bytes().get(done..).unwrap_or_default()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::percent_encode;
    use crate::domain::method::Channel;
    use crate::domain::sent::CodeId;
    use crate::domain::texts::Rendered;

    fn message(to: &str) -> Message {
        Message {
            id: CodeId::from_uuid(uuid::Uuid::nil()),
            channel: Channel::Sms,
            to: to.to_owned(),
            body: Rendered::Text(String::new()),
            code: "123456".to_owned(),
        }
    }

    #[test]
    fn answer_is_one_short_line_without_code_destination_and_secret() {
        let message = message("+15208782491");
        let text =
            format!("to +15208782491, 15208782491:\r\n 123456 and 1, 2, 3, 4, 5, 6\t{}", "x".repeat(500));
        let line = said(&text, &message);
        assert!(
            line.starts_with("to ••••••, ••••••: •••••• and •••••• xxx") && line.ends_with('…'),
            "{line}"
        );
        assert!(line.chars().count() <= LONGEST + 1);
        assert_eq!(said_without("bad token abc", &message, &["abc"]), "bad token ••••••");
        assert_eq!(said("", &message), "");
    }

    #[test]
    fn no_way_of_writing_them_keeps_code_destination_and_secret_in() {
        let sms = message("+15208782491");
        let secret = "s3 cret/\"ü";
        let encoded = percent_encode(secret);
        for shown in [
            "1 2 3 4 5 6",
            "1-2-3-4-5-6",
            "123 456",
            "1%2C%202%2c%203%2C%204%2C%205%2C%206",
            "1%2C+2%2C+3%2C+4%2C+5%2C+6",
            "%31%32%33%34%35%36",
            "&#49;&#x32;3456",
            "\\u0031\\u002c2\\u002c3456",
            "1</b>, <b>2</b>, <b>3</b>, <b>4</b>, <b>5</b>, <b>6",
            "1 (520) 878-2491",
            "1.520.878.24.91",
            "1%20520%20878%202491",
            &encoded,
            &encoded.to_lowercase(),
            &encoded.replace("%20", "+"),
            "s3 cret\\/\\\"ü",
            "s3 cret/&quot;ü",
            "S3 CRET/\"ü",
        ] {
            assert_eq!(said_without(&format!("«{shown}»"), &sms, &[secret]), "«••••••»", "{shown}");
        }
        assert_eq!(said("to=%2B15208782491&x", &sms), "to=••••••&x");
        let mail = message("ann+x@example.net");
        for shown in ["ann+x@example.net", "ann%2Bx%40example.net", "Ann+X@Example.NET"] {
            assert_eq!(said(&format!("<{shown}>"), &mail), "<••••••>", "{shown}");
        }
    }

    #[test]
    fn other_answers_stay_as_they_are() {
        let message = message("+15208782491");
        for text in
            ["100% of 12345 & more; 1234 5", "%", "&#;", "\\u12", "é%zz ü", "200 OK, id 15208782490", "&#55;"]
        {
            assert_eq!(said_without(text, &message, &["", "secret"]), text);
        }
    }
}
