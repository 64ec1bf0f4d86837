//! Tables of OATH tokens: comma-separated values with a line of column names.
//!
//! `serial,type,seed` and, where they are not as usual, `digits`, `counter` (HOTP), `period` and `algorithm` (TOTP). A `seed` is in
//! hex if it can be, otherwise in base32; where that is not clear enough, the column is called `seed_hex` or `seed_base32`.

use super::file::{BadLine, File, fields, lines, seed, separator};
use crate::base::Secret;
use crate::domain::factor::{Algorithm, Material};
use data_encoding::{BASE32_NOPAD, HEXUPPER};
use zeroize::Zeroizing;

const COLUMNS: [&str; 9] =
    ["serial", "type", "seed", "seed_hex", "seed_base32", "digits", "counter", "period", "algorithm"];

/// How a seed is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    Either,
    Hex,
    Base32,
}

fn bytes(text: &str, writing: Writing) -> Result<Secret<Vec<u8>>, String> {
    let letters = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '='));
    let text = Zeroizing::new(letters.collect::<String>().to_ascii_uppercase());
    let hex = || HEXUPPER.decode(text.as_bytes()).ok();
    let base32 = || BASE32_NOPAD.decode(text.as_bytes()).ok();
    let bytes = match writing {
        Writing::Hex => hex(),
        Writing::Base32 => base32(),
        Writing::Either => hex().filter(|bytes| bytes.len() >= 16).or_else(base32),
    };
    seed(bytes.ok_or("the seed is neither hex nor base32")?)
}

fn number<T: std::str::FromStr>(text: Option<&str>, usual: T, what: &str) -> Result<T, String> {
    match text.filter(|text| !text.is_empty()) {
        None => Ok(usual),
        Some(text) => text.parse().map_err(|_| format!("the {what} must be a number")),
    }
}

fn row(columns: &[String], fields: &[Zeroizing<String>]) -> Result<(String, Material, u64), String> {
    if fields.len() > columns.len() {
        return Err(format!("{} fields where the first line has {}", fields.len(), columns.len()));
    }
    let value = |name: &str| {
        let at = columns.iter().position(|column| column == name)?;
        fields.get(at).map(|field| field.as_str()).filter(|text| !text.is_empty())
    };
    let wanted = |name: &str| value(name).ok_or_else(|| format!("the {name} is missing"));
    let (text, writing) = match (value("seed"), value("seed_hex"), value("seed_base32")) {
        (Some(text), None, None) => (text, Writing::Either),
        (None, Some(text), None) => (text, Writing::Hex),
        (None, None, Some(text)) => (text, Writing::Base32),
        (None, None, None) => return Err("the seed is missing".to_owned()),
        _ => return Err("there is more than one seed".to_owned()),
    };
    let serial = wanted("serial")?.to_owned();
    let kind = wanted("type")?.to_ascii_lowercase();
    let digits = number(value("digits"), 6, "digits")?;
    let (material, next) = material(
        &kind,
        bytes(text, writing)?,
        digits,
        &Details {
            counter: number(value("counter"), 0, "counter")?,
            period: number(value("period"), 30, "period")?,
            algorithm: value("algorithm"),
        },
    )?;
    Ok((serial, material, next))
}

/// What an OATH token says beside its seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Details<'a> {
    pub(super) counter: u64,
    pub(super) period: u32,
    pub(super) algorithm: Option<&'a str>,
}

/// The material of an OATH token, if it is one that can be checked.
pub(super) fn material(
    kind: &str,
    seed: Secret<Vec<u8>>,
    digits: u8,
    details: &Details<'_>,
) -> Result<(Material, u64), String> {
    if !(6..=8).contains(&digits) {
        return Err(format!("{digits} digits are not possible; 6 to 8 are"));
    }
    let algorithm = match details.algorithm.map(|name| name.to_ascii_lowercase().replace(['-', '_'], "")) {
        None => Algorithm::Sha1,
        Some(name) => {
            let name = name.strip_prefix("hmac").unwrap_or(&name).to_owned();
            name.parse().map_err(|()| "the algorithm must be sha1, sha256 or sha512")?
        }
    };
    match kind {
        "hotp" | "oath-hotp" if algorithm != Algorithm::Sha1 => {
            Err("HOTP has no algorithm but sha1".to_owned())
        }
        "hotp" | "oath-hotp" => Ok((Material::Hotp { seed, digits }, details.counter)),
        "totp" | "oath-totp" if !(10..=300).contains(&details.period) => {
            Err("the period must be from 10 to 300 seconds".to_owned())
        }
        "totp" | "oath-totp" => Ok((Material::Totp { seed, algorithm, digits, period: details.period }, 0)),
        _ => Err("the type must be hotp or totp".to_owned()),
    }
}

/// Reads a file.
pub(crate) fn read(text: &str) -> File {
    let mut file = File::default();
    let mut lines = lines(text);
    let Some((line, header)) = lines.next() else { return file.finish() };
    let separator = separator(header);
    let columns: Vec<_> = fields(header, separator).iter().map(|name| name.to_lowercase()).collect();
    let has = |name: &str| columns.iter().any(|column| column == name);
    let unknown = columns.iter().any(|column| !COLUMNS.contains(&column.as_str()));
    if unknown || !has("serial") || !has("type") {
        // The line may be a token, so it is not repeated here.
        let problem = format!("the first line must name the columns; they are {}", COLUMNS.join(", "));
        file.bad.push(BadLine { line, problem });
        return file;
    }
    for (line, content) in lines {
        file.take(line, row(&columns, &fields(content, separator)));
    }
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_base32_seeds_and_the_usual_numbers_are_read() {
        let hex = "3132333435363738393031323334353637383930";
        let text = format!(
            "serial,type,seed,digits,counter,period,algorithm\nA1,hotp,{hex},8,7,,\nA2,TOTP,GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ,,,60,SHA-256\n"
        );
        let file = read(&text);
        assert_eq!(file.bad, []);
        let Material::Hotp { seed, digits: 8 } = &file.found[0].material else { panic!() };
        assert_eq!((seed.expose().as_slice(), file.found[0].next), (&b"12345678901234567890"[..], 7));
        let Material::Totp { seed, algorithm, digits: 6, period: 60 } = &file.found[1].material else {
            panic!()
        };
        assert_eq!((seed.expose().as_slice(), *algorithm), (&b"12345678901234567890"[..], Algorithm::Sha256));
        assert_eq!((file.found[1].line, file.found[1].name.as_str()), (3, "A2"));
    }

    #[test]
    fn each_bad_line_has_its_error() {
        let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let text = format!(
            "serial,type,seed_base32,digits,algorithm\n,hotp,{seed},,\nA2,motp,{seed},,\nA3,hotp,00,,\nA4,hotp,GEZDGNBV,,\n\
             A5,totp,{seed},9,\nA6,totp,{seed},x,\nA7,totp,{seed},6,md5\nA8,hotp,{seed},6,sha256\nA9,hotp,,6,\nA9,hotp,{seed},6,,,,\n"
        );
        let file = read(&text);
        assert!(file.found.is_empty());
        let parts = [
            "serial is missing",
            "hotp or totp",
            "neither hex",
            "5 bytes",
            "9 digits",
            "must be a number",
            "sha1, sha256",
            "no algorithm but",
            "seed is missing",
            "8 fields where",
        ];
        for (bad, (at, part)) in file.bad.iter().zip(parts.iter().enumerate()) {
            assert!(bad.line == at + 2 && bad.problem.contains(part), "{bad:?} {part}");
            assert!(!bad.problem.contains(seed));
        }
        assert_eq!(file.bad.len(), parts.len());
    }

    #[test]
    fn missing_header_is_told_without_repeating_the_line() {
        let file = read("A1,hotp,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n");
        assert!(file.bad[0].problem.contains("name the columns") && !file.bad[0].problem.contains("GEZD"));
        assert_eq!(file.bad.len(), 1);
    }
}
