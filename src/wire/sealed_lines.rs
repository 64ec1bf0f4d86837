//! Lines under a passphrase: what `doorward export` writes and `doorward import sealed` reads.
//!
//! The first line is JSON that says so, with the salt; the key comes of the passphrase by Argon2id. Each further line is one record in
//! base64 under XChaCha20-Poly1305. Its nonce is its number, so a line that was changed, moved or left out does not open; the last one
//! is marked, so a file that was cut off is told.

use crate::base::Secret;
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What stands in `format`.
const FORMAT: &str = "doorward-tokens";
/// Present version.
const VERSION: u32 = 1;
/// Fewest characters of a passphrase.
pub const SHORTEST: usize = 12;
/// KiB, rounds and lanes of Argon2id; at most four times as much is read.
const WORK: [u32; 3] = [65_536, 3, 1];

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: String,
    version: u32,
    salt: String,
    argon2id: [u32; 3],
}

/// What is wrong, with its line from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// A sentence without full stop.
    pub what: &'static str,
}

/// Writes and opens the lines of one file.
pub struct Lines {
    cipher: XChaCha20Poly1305,
    head: String,
    number: u64,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lines")
    }
}

impl Lines {
    /// A new file. The salt must be random: no two files may have the same key. `None`: the passphrase cannot be used.
    pub fn begin(passphrase: &Secret<String>, salt: [u8; 16]) -> Option<Self> {
        let head =
            Head { format: FORMAT.to_owned(), version: VERSION, salt: BASE64.encode(&salt), argon2id: WORK };
        Self::new(passphrase, &salt, WORK, serde_json::to_string(&head).ok()?)
    }

    fn new(
        passphrase: &Secret<String>,
        salt: &[u8],
        [kib, rounds, lanes]: [u32; 3],
        head: String,
    ) -> Option<Self> {
        let params = Params::new(kib, rounds, lanes, Some(32)).ok()?;
        let mut key = Zeroizing::new([0; 32]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(passphrase.expose().as_bytes(), salt, key.as_mut_slice()).ok()?;
        let cipher = XChaCha20Poly1305::new_from_slice(key.as_slice()).ok()?;
        Some(Self { cipher, head, number: 0 })
    }

    /// The first line.
    pub fn head(&self) -> &str {
        &self.head
    }

    fn nonce(&mut self, last: bool) -> XNonce {
        let mut nonce = XNonce::default();
        let (mark, number) = nonce.split_at_mut(16);
        mark.fill(u8::from(last));
        number.copy_from_slice(&self.number.to_be_bytes());
        self.number += 1;
        nonce
    }

    fn seal(&mut self, record: &[u8], last: bool) -> String {
        let nonce = self.nonce(last);
        let sealed = self.cipher.encrypt(&nonce, Payload { msg: record, aad: self.head.as_bytes() });
        // Fails only beyond 256 GiB.
        BASE64.encode(&sealed.unwrap_or_default())
    }

    /// The next line.
    pub fn line(&mut self, record: &[u8]) -> String {
        self.seal(record, false)
    }

    /// The last line.
    pub fn end(mut self) -> String {
        self.seal(&[], true)
    }

    fn open(&mut self, text: &str, last: bool) -> Option<Secret<Vec<u8>>> {
        let sealed = BASE64.decode(text.as_bytes()).ok()?;
        let nonce = self.nonce(last);
        let payload = Payload { msg: &sealed, aad: self.head.as_bytes() };
        self.cipher.decrypt(&nonce, payload).ok().map(Secret::new)
    }
}

/// The records of a file, from line 2 on.
///
/// # Errors
/// It is none, the passphrase is wrong, or a line is not the one that was written there.
pub fn read(text: &str, passphrase: &Secret<String>) -> Result<Vec<Secret<Vec<u8>>>, Problem> {
    let problem = |line, what| Problem { line, what };
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let head: Option<Head> = serde_json::from_str(first).ok();
    let Some(head) = head.filter(|head| head.format == FORMAT) else {
        return Err(problem(1, "this is no file that `doorward export` wrote"));
    };
    if head.version != VERSION {
        return Err(problem(1, "the file is of a newer Doorward; import it there"));
    }
    let bounded = head.argon2id.iter().zip(WORK).all(|(wanted, usual)| (1..=4 * usual).contains(wanted));
    let salt = BASE64.decode(head.salt.as_bytes()).unwrap_or_default();
    let opened = Some(()).filter(|()| bounded && salt.len() == 16);
    let opened = opened.and_then(|()| Lines::new(passphrase, &salt, head.argon2id, first.to_owned()));
    let mut opened = opened.ok_or_else(|| problem(1, "the first line was changed"))?;
    let mut lines = lines.enumerate().map(|(at, line)| (at + 2, line)).peekable();
    let mut records = Vec::new();
    let mut end = 2;
    while let Some((number, line)) = lines.next() {
        end = number + 1;
        let last = lines.peek().is_none();
        let Some(record) = opened.open(line, last) else {
            return Err(problem(
                number,
                match number {
                    2 => "the passphrase is wrong, or the file was changed",
                    _ if last => "the file ends too early: it was cut off here, or changed",
                    _ => "this line was changed, or one before it is missing",
                },
            ));
        };
        if last {
            return Ok(records);
        }
        records.push(record);
    }
    Err(problem(end, "the file ends too early: it was cut off here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn file(records: &[&str]) -> String {
        let mut lines = Lines::begin(&passphrase("correct horse"), [7; 16]).unwrap();
        let mut text = format!("{}\n", lines.head());
        for record in records {
            text.push_str(&format!("{}\n", lines.line(record.as_bytes())));
        }
        text + &lines.end() + "\n"
    }

    fn opened(text: &str) -> Result<Vec<String>, Problem> {
        let records = read(text, &passphrase("correct horse"))?;
        Ok(records.iter().map(|record| String::from_utf8(record.expose().clone()).unwrap()).collect())
    }

    #[test]
    fn records_come_back_and_another_passphrase_opens_nothing() {
        let text = file(&["one", "two"]);
        assert!(!text.contains("one") && text.lines().count() == 4);
        assert_eq!(opened(&text).unwrap(), ["one", "two"]);
        assert_eq!(opened(&file(&[])).unwrap(), Vec::<String>::new());
        let wrong = read(&text, &passphrase("correct hors")).unwrap_err();
        assert!(wrong.line == 2 && wrong.what.contains("passphrase is wrong"));
    }

    #[test]
    fn line_that_was_changed_moved_left_out_or_cut_off_is_told() {
        let text = file(&["one", "two", "six"]);
        let lines: Vec<_> = text.lines().collect();
        let join = |at: &[usize]| at.iter().map(|at| format!("{}\n", lines[*at])).collect::<String>();
        let line = |text: &str| opened(text).unwrap_err().line;
        assert_eq!(line(&join(&[0, 1, 3, 2, 4])), 3, "moved");
        assert_eq!(line(&join(&[0, 1, 3, 4])), 3, "left out");
        assert_eq!(line(&join(&[0, 1, 2])), 3, "cut off");
        assert_eq!(line(&join(&[0])), 2, "nothing but a head");
        assert_eq!(line(&join(&[0, 1, 2, 3, 4, 4])), 5, "goes on behind its end");
        let other = text.replacen("\"version\":1", "\"version\": 1", 1);
        assert_eq!(line(&other), 2, "the head is bound to each line");
        let work = text.replacen("65536", "4000000000", 1);
        assert!(opened(&work).unwrap_err().what.contains("first line was changed"));
        assert!(opened("{}").unwrap_err().what.contains("doorward export"));
        assert!(opened(&text.replacen("version\":1", "version\":2", 1)).unwrap_err().what.contains("newer"));
    }
}
