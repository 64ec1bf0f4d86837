//! Lines of the log that Yubico's Personalization Tool writes, which may be about any use of a slot.
//!
//! - Traditional format: `event,time,slot,public id,private id,key,access code,new access code,modhex 1,modhex 2,modhex,digits,moving
//!   factor,…`. Where the clock is written with a comma, what stands behind it is one place further.
//! - Yubico format: `serial,public id,private id,key,access code,time,`; of OATH-HOTP `serial,token identifier,moving factor,key,…`.

use super::file::{Described, seed};
use crate::domain::factor::Material;
use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

/// Hexadecimal digits of an OATH key.
const OATH_KEY: usize = 40;
/// Fields of the newest traditional format.
const FIELDS: usize = 18;
/// Largest moving factor that a key can begin with.
const MOST: u64 = 0xffff * 16;

type Fields = [Zeroizing<String>];

fn at(fields: &Fields, place: usize) -> &str {
    fields.get(place).map(|field| field.as_str()).unwrap_or_default()
}

/// Whether a line that begins so, with a colon behind it, is one of the log.
pub(super) fn is_event(what: &str) -> bool {
    ["static password", "challenge-response"].iter().any(|event| what.eq_ignore_ascii_case(event))
}

/// What the event of a line in traditional format is, if it is none of Yubico OTP.
pub(super) fn traditional(event: &str, fields: &Fields) -> Option<Result<Described, String>> {
    let why = match event {
        "oath-hotp" => return Some(oath(fields)),
        _ if event.starts_with("static password") => "a static password is no token: it is always the same",
        _ if event.starts_with("challenge-response") => {
            "this slot answers challenges of programs; nobody can log in here with it"
        }
        "configuration update" | "configuration swap" => {
            "this slot was only changed; the line in which its key was written is what is needed"
        }
        "unknown programming mode" => "the Personalization Tool did not know what this slot is for",
        _ => return None,
    };
    Some(Err(why.to_owned()))
}

fn oath(fields: &Fields) -> Result<Described, String> {
    let moved = fields.len().saturating_sub(FIELDS);
    let field = |place: usize| at(fields, place + moved);
    let digits = field(11).parse().map_err(|_| "the number of digits is missing (6 or 8)")?;
    let identifier = field(3).trim();
    if identifier.is_empty() {
        return Err("nothing in this line tells the key from others; write the log in Yubico format, which has the serial \
                    number, or import it as csv"
            .to_owned());
    }
    hotp(("", identifier), field(5), field(12), digits)
}

/// A line in Yubico format that is none of Yubico OTP.
pub(super) fn yubico(fields: &Fields) -> Option<Result<Described, String>> {
    let (serial, identifier, factor, key) = (at(fields, 0), at(fields, 1), at(fields, 2), at(fields, 3));
    let number = factor.len() <= 7 && factor.bytes().all(|byte| byte.is_ascii_digit());
    if key.len() != OATH_KEY || !number {
        return None;
    }
    if identifier.is_empty() && matches!(factor, "0" | "") {
        return Some(Err("this may be OATH-HOTP or a slot that answers challenges, which this format writes alike; write the log in \
                         traditional format, or import it as csv"
            .to_owned()));
    }
    let serial = if serial == "0" { "" } else { serial };
    let mut read = hotp((serial, identifier), key, factor, 6);
    if let Ok(described) = &mut read {
        described
            .notes
            .push("the line does not say how many digits a code has; it is taken to be 6".to_owned());
    }
    Some(read)
}

fn hotp(
    (serial, identifier): (&str, &str),
    key: &str,
    factor: &str,
    digits: u8,
) -> Result<Described, String> {
    let bytes = HEXLOWER_PERMISSIVE.decode(key.as_bytes()).ok().filter(|_| key.len() == OATH_KEY);
    let seed = seed(bytes.ok_or_else(|| format!("the key must be {OATH_KEY} hexadecimal digits"))?)?;
    if !matches!(digits, 6 | 8) {
        return Err("a code must have 6 or 8 digits".to_owned());
    }
    let factor = if factor.is_empty() { "0" } else { factor };
    let next = factor.parse().ok().filter(|factor| *factor <= MOST);
    let next = next.ok_or_else(|| format!("the moving factor must be a number up to {MOST}"))?;
    let mut notes = Vec::new();
    if !identifier.is_empty() {
        notes.push(
            "it types its token identifier before each code, and is refused at a login until that is switched off".to_owned(),
        );
    }
    let name = if serial.is_empty() { identifier } else { serial };
    let described = Described::from((serial.to_owned(), Material::Hotp { seed, digits }, next));
    Ok(Described { name: Some(name.to_owned()), notes, ..described })
}

#[cfg(test)]
mod tests {
    use super::super::file::BadLine;
    use super::super::yubico::read;
    use super::*;

    const KEY: &str = "3132333435363738393031323334353637383930";

    fn line(event: &str, time: &str, identifier: &str, digits: &str) -> String {
        format!("{event},{time},2,{identifier},,{KEY},,,0,0,0,{digits},32,0,0,0,0,0\n")
    }

    #[test]
    fn oath_keys_of_both_formats_are_read_and_what_is_not_certain_is_told() {
        let text = format!(
            "LOGGING START,7/9/2013 1:10 PM\n{}{}5012345,,16,{KEY},,2013-07-09T13:10:00,\n5012346,ubnu02368154,0,{KEY},,2013-07-09T13:10:00,\n",
            line("OATH-HOTP", "7/9/2013 1:10 PM", "ubnu02368152", "8"),
            line("OATH-HOTP", "09.07.2013, 13:10", "ubnu02368153", "6"),
        );
        let file = read(&text);
        assert_eq!(file.bad, []);
        let read: Vec<_> = file
            .found
            .iter()
            .map(|found| {
                let Material::Hotp { seed, digits } = &found.material else { panic!() };
                assert_eq!(seed.expose(), b"12345678901234567890");
                (found.line, found.name.as_str(), *digits, found.next)
            })
            .collect();
        let wanted = [
            (2, "ubnu02368152", 8, 32),
            (3, "ubnu02368153", 6, 32),
            (4, "5012345", 6, 16),
            (5, "5012346", 6, 0),
        ];
        assert_eq!(read, wanted);
        let notes: Vec<_> = file.notes.iter().map(|note| note.line).collect();
        assert_eq!(notes, [2, 3, 4, 5, 5], "{:?}", file.notes);
    }

    #[test]
    fn other_uses_of_a_slot_have_their_reasons() {
        let events = [
            ("Static Password: Short", "static password"),
            ("Challenge-Response: HMAC-SHA1", "answers challenges"),
            ("Challenge-Response: Yubico OTP", "answers challenges"),
            ("Configuration Update", "only changed"),
            ("Configuration Swap", "only changed"),
            ("Unknown programming mode", "did not know"),
        ];
        let mut text: String =
            events.iter().map(|(event, _)| line(event, "1/1/2013 1:00", "x", "0")).collect();
        text.push_str(&line("OATH-HOTP", "1/1/2013 1:00", "", "6"));
        text.push_str(&line("OATH-HOTP", "1/1/2013 1:00", "ubnu02368152", "7"));
        text.push_str(&format!("5012347,,0,{KEY},,2013-07-09T13:10:00,\n"));
        text.push_str("OATH-HOTP,1/1/2013 1:00,2,ubnu02368152,,3132,,,0,0,0,6,0,0,0,0,0,0\n");
        let file = read(&text);
        let parts = events.iter().map(|(_, part)| *part);
        let parts: Vec<_> = parts
            .chain(["nothing in this line", "6 or 8 digits", "which this format writes alike", "40 hex"])
            .collect();
        assert_eq!(file.bad.len(), parts.len(), "{:?}", file.bad);
        for (BadLine { line, problem }, (at, part)) in file.bad.iter().zip(parts.iter().enumerate()) {
            assert!(
                *line == at + 1 && problem.contains(part) && !problem.contains("3132"),
                "{line} {problem}"
            );
        }
    }
}
