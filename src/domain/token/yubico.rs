//! Files of YubiKeys, in the forms in which Yubico's programs write them; they may be mixed in one file:
//!
//! - `serial,public id,private id,AES key,access code,time,…`: "Yubico format" of the Personalization Tool, the key server's
//!   provisioning format (`# ykksm 1`), and `ykman otp yubiotp --config-output`;
//! - `Yubico OTP,time,slot,public id,private id,AES key,…`: "Traditional format" of the Personalization Tool;
//! - other lines of the Personalization Tool's log ([`personalization`]): OATH-HOTP, and what is no token;
//! - a line of column names, and then lines with the columns in that order;
//! - what `ykman otp yubiotp` tells on a terminal: `… public ID: vv…`, `… private ID: …`, `… secret key: …`.

use super::file::{File, fields, lines, separator};
use super::personalization;
use super::pieces::{key, public_id};
use crate::domain::factor::Material;
use zeroize::Zeroizing;

/// Where in a line each value stands.
#[derive(Debug, Clone, Copy, Default)]
struct Columns {
    serial: Option<usize>,
    public_id: Option<usize>,
    private_id: Option<usize>,
    aes: Option<usize>,
}

/// "Yubico format".
const YUBICO: Columns = Columns { serial: Some(0), public_id: Some(1), private_id: Some(2), aes: Some(3) };
/// "Traditional format": it has no serial number.
const TRADITIONAL: Columns = Columns { serial: None, public_id: Some(3), private_id: Some(4), aes: Some(5) };

impl Columns {
    /// From a line of names, if it is one.
    fn named(fields: &[Zeroizing<String>]) -> Option<Self> {
        let mut columns = Self::default();
        for (at, name) in fields.iter().enumerate() {
            let name: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
            let place = match name.as_str() {
                "serial" | "serialnumber" | "serialno" | "serialnr" => &mut columns.serial,
                "publicid" | "publicidentity" | "publicname" | "identity" => &mut columns.public_id,
                "privateid" | "privateidentity" | "internalname" | "uid" => &mut columns.private_id,
                "aeskey" | "secretkey" | "key" | "aes" => &mut columns.aes,
                _ => continue,
            };
            place.get_or_insert(at);
        }
        (columns.public_id.is_some() && columns.aes.is_some()).then_some(columns)
    }

    fn read(self, fields: &[Zeroizing<String>]) -> Result<(String, Material, u64), String> {
        let at = |place: Option<usize>| place.and_then(|at| fields.get(at)).map(|field| field.as_str());
        let wanted = |place, what: &str| {
            at(place).filter(|text| !text.is_empty()).ok_or_else(|| format!("the {what} is missing"))
        };
        let public_id = public_id(wanted(self.public_id, "public id")?)?;
        let key = key(wanted(self.private_id, "private id")?, wanted(self.aes, "AES key")?)?;
        let serial = at(self.serial).unwrap_or_default();
        // Keys that do not tell their number have 0 there.
        let serial = if serial == "0" { "" } else { serial };
        Ok((serial.to_owned(), Material::Yubikey { public_id, key: Some(key) }, 0))
    }
}

/// What a program told on a terminal about one key, as far as it was read.
#[derive(Debug, Default)]
struct Told {
    line: usize,
    serial: String,
    public_id: Option<String>,
    private_id: Option<Zeroizing<String>>,
    aes: Option<Zeroizing<String>>,
}

impl Told {
    fn is_empty(&self) -> bool {
        self.public_id.is_none() && self.private_id.is_none() && self.aes.is_none()
    }

    fn is_whole(&self) -> bool {
        self.public_id.is_some() && self.private_id.is_some() && self.aes.is_some()
    }

    /// Ends what was told about a key.
    fn end(self, file: &mut File) {
        if self.is_empty() {
            return;
        }
        let missing = |what: &str| format!("the {what} of this key is missing");
        let read = || {
            let id = self.public_id.as_deref().ok_or_else(|| missing("public id"))?;
            let private_id = self.private_id.as_deref().ok_or_else(|| missing("private id"))?;
            let aes = self.aes.as_deref().ok_or_else(|| missing("secret key"))?;
            let material = Material::Yubikey { public_id: public_id(id)?, key: Some(key(private_id, aes)?) };
            Ok((self.serial.clone(), material, 0))
        };
        file.take(self.line, read());
    }
}

const UNKNOWN: &str = "this is no line of a YubiKey with Yubico OTP (serial,public id,private id,AES key)";

/// Reads a file.
pub(crate) fn read(text: &str) -> File {
    let (mut file, mut columns, mut told) = (File::default(), None, Told::default());
    for (line, content) in lines(text) {
        if let Some((what, value)) = content
            .split_once(':')
            .filter(|(what, _)| !what.contains([',', ';', '\t']) && !personalization::is_event(what))
        {
            let (what, value) = (what.to_lowercase(), value.trim());
            let again = match () {
                () if what.ends_with("public id") => told.public_id.is_some(),
                () if what.ends_with("private id") => told.private_id.is_some(),
                () if what.ends_with("secret key") || what.ends_with("aes key") => told.aes.is_some(),
                () if what.ends_with("serial number") => told.is_whole(),
                () if what.starts_with("using ") || what.starts_with("program ") => continue,
                () => {
                    file.reject(line, UNKNOWN);
                    continue;
                }
            };
            if again || told.is_whole() {
                std::mem::take(&mut told).end(&mut file);
            }
            if told.is_empty() {
                told.line = line;
            }
            match () {
                () if what.ends_with("public id") => told.public_id = Some(value.to_owned()),
                () if what.ends_with("private id") => {
                    told.private_id = Some(Zeroizing::new(value.to_owned()))
                }
                () if what.ends_with("serial number") => value.clone_into(&mut told.serial),
                () => told.aes = Some(Zeroizing::new(value.to_owned())),
            }
            continue;
        }
        let fields = fields(content, separator(content));
        let first = fields.first().map(|field| field.to_lowercase()).unwrap_or_default();
        if let Some(named) = Columns::named(&fields) {
            columns = Some(named);
        } else if first.starts_with("logging start") {
        } else if first == "yubico otp" {
            file.take(line, TRADITIONAL.read(&fields));
        } else if let Some(read) = personalization::traditional(&first, &fields) {
            file.take(line, read);
        } else if first.chars().next().is_some_and(char::is_alphabetic) && columns.is_none() {
            file.reject(line, UNKNOWN);
        } else if let Some(read) = personalization::yubico(&fields).filter(|_| columns.is_none()) {
            file.take(line, read);
        } else {
            file.take(line, columns.unwrap_or(YUBICO).read(&fields));
        }
    }
    told.end(&mut file);
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::super::file::{BadLine, Found};
    use super::*;

    const PRIVATE: &str = "8792ebfe26cc";
    const AES: &str = "ecde18dbe76fbd0c33330f1c354871db";

    fn whole(found: &Found) -> (usize, &str, &str) {
        let Material::Yubikey { key: Some(key), .. } = &found.material else { panic!() };
        assert_eq!(data_encoding::HEXLOWER.encode(key.aes.expose()), AES);
        assert_eq!(data_encoding::HEXLOWER.encode(key.private_id.expose()), PRIVATE);
        (found.line, &found.name, &found.serial)
    }

    fn good(text: &str) -> Vec<(usize, String, String)> {
        let file = read(text);
        assert_eq!(file.bad, []);
        let owned = |found: &Found| {
            let (line, name, serial) = whole(found);
            (line, name.to_owned(), serial.to_owned())
        };
        file.found.iter().map(owned).collect()
    }

    fn one(line: usize, name: &str, serial: &str) -> (usize, String, String) {
        (line, name.to_owned(), serial.to_owned())
    }

    #[test]
    fn yubico_format_and_that_of_the_key_server_are_read() {
        let text = format!(
            "# ykksm 1\r\n4711,dlcfffckrcde,{PRIVATE},{AES},be70aeca62ba,2009-01-22 00:25:11,\r\n\
             5012345,vvccccbcdefg,{PRIVATE},{},,2026-05-01T10:00:00, # the new one\r\n0,vvcc,{PRIVATE},{AES}\r\n",
            AES.to_uppercase()
        );
        let wanted = [one(2, "dlcfffckrcde", "4711"), one(3, "vvccccbcdefg", "5012345"), one(4, "vvcc", "")];
        assert_eq!(good(&text), wanted);
    }

    #[test]
    fn traditional_format_is_read() {
        let text = format!(
            "LOGGING START,7/9/2013 1:10 PM\nYubico OTP,7/9/2013 1:10 PM,1,vvccccbcdefg,{PRIVATE},{AES},,,0,0,0,0,0\n"
        );
        assert_eq!(good(&text), [one(2, "vvccccbcdefg", "")]);
    }

    #[test]
    fn columns_come_in_the_order_that_the_first_line_says() {
        let text = format!(
            "\u{feff}Public ID;AES Key;Serial Number;Private ID\nvvccccbcdefg;{AES};17;\"{PRIVATE}\"\n"
        );
        assert_eq!(good(&text), [one(2, "vvccccbcdefg", "17")]);
        let text = format!(
            "Public ID;AES Key;Private ID;Time\nvvccccbcdefg;{AES};{PRIVATE};2026-05-01T10:00:00\n\
             vvccccbcdefh\t{AES}\t{PRIVATE}\t10:00\n"
        );
        assert_eq!(good(&text), [one(2, "vvccccbcdefg", ""), one(3, "vvccccbcdefh", "")]);
    }

    #[test]
    fn what_ykman_tells_is_read() {
        let key = |id: &str| {
            format!(
                "Using YubiKey serial as public ID: {id}\nUsing a randomly generated private ID: {PRIVATE}\n\
                 Using a randomly generated secret key: {AES}\nProgram a YubiOTP credential in slot 1? [y/N]: y\n"
            )
        };
        let text = format!("{}Serial number: 77\n{}", key("vvccccbcdefg"), key("vvccccbcdefh"));
        assert_eq!(good(&text), [one(1, "vvccccbcdefg", ""), one(6, "vvccccbcdefh", "77")]);
    }

    #[test]
    fn each_bad_line_is_told_with_its_number_and_no_secret() {
        let text = format!(
            "1,vvccccbcdefg,{PRIVATE},{AES}\n2,vvccccbcdefz,{PRIVATE},{AES}\n3,vvccccbcdefh,{PRIVATE}00,{AES}\n\
             4,vvccccbcdefi,{PRIVATE},{AES}00\n5,,{PRIVATE},{AES}\n6,vvccccbcdefj,{PRIVATE}\n7,vvccccbcdefg,{PRIVATE},{AES}\n\
             Something else,1/1/2013,1,,,{AES}\n9,vvccccccccccccccccdefg,{PRIVATE},{AES}\n501:vvccccbcdefk:{PRIVATE}:{AES}"
        );
        let file = read(&text);
        assert_eq!(file.found.len(), 1);
        let bad: Vec<_> =
            file.bad.iter().map(|BadLine { line, problem }| (*line, problem.as_str())).collect();
        for ((line, problem), (wanted, part)) in bad.iter().zip([
            (2, "modhex"),
            (3, "private id must be 12 hex"),
            (4, "AES key must be 32 hex"),
            (5, "public id is missing"),
            (6, "AES key is missing"),
            (7, "in line 1 already"),
            (8, "no line of a YubiKey"),
            (9, "2 to 16 letters"),
            (10, "no line of a YubiKey"),
        ]) {
            assert!(*line == wanted && problem.contains(part), "{line} {problem} {part}");
            assert!(!problem.contains(AES) && !problem.contains(PRIVATE));
        }
        assert_eq!(bad.len(), 9, "{bad:?}");
        assert!(read("").bad[0].problem.contains("no token"));
        let half = format!("public ID: vvccccbcdefg\nprivate ID: {PRIVATE}\n");
        assert!(read(&half).bad[0].problem.contains("secret key of this key is missing"));
    }
}
