//! Secret files and credentials: where they are, who may read them, what they hold.

use super::report::At;
use super::section::Section;
use crate::base::Secret;
use std::cell::RefCell;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// More than any secret or key needs.
const LARGEST: u64 = 64 * 1024;
/// More than certificates, lists of revoked ones, or texts need.
pub(super) const LONGEST: u64 = 64 << 20;

/// Where files and credentials are, and what is unwise about what was found.
pub(super) struct Files<'a> {
    pub(super) base: &'a Path,
    pub(super) credentials: Option<&'a str>,
    pub(super) warnings: RefCell<Vec<String>>,
}

impl Files<'_> {
    /// Adds a warning, once.
    pub(super) fn warn(&self, warning: String) {
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// A secret file relative to the configuration, without the line end; readable by everyone is an error.
    pub(super) fn secret_file(&self, section: &Section<'_>, name: &str, at: At) -> Option<Secret<Vec<u8>>> {
        let path = self.base.join(name);
        let mode = std::fs::metadata(&path).map(|file| file.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o007 != 0) {
            let hint = format!("chmod o= {}", path.display());
            section.error(at, format!("{} can be read by everyone on this machine", path.display()), hint);
            return None;
        }
        read(section, &path, at)
    }

    /// A systemd credential by name.
    pub(super) fn credential(&self, section: &Section<'_>, name: &str, at: At) -> Option<Secret<Vec<u8>>> {
        let Some(folder) = self.credentials else {
            let hint = "systemd sets it for units with LoadCredential=";
            section.error(at, "there are no credentials: CREDENTIALS_DIRECTORY is not set", hint);
            return None;
        };
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            section.error(at, format!("`{name}` is no name of a credential"), "a plain file name");
            return None;
        }
        read(section, &Path::new(folder).join(name), at)
    }
}

/// What stands in a file of at most so many octets; or what is wrong with it, as the end of a sentence.
pub(super) fn contents(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let unread = |error: std::io::Error| format!("cannot be read: {error}");
    // Looked at before it is opened: to open a pipe would wait for its other end, and some devices never come to theirs.
    let found = std::fs::metadata(path).map_err(unread)?;
    if !found.is_file() {
        return Err("is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(unread)?;
    match bytes.len() as u64 > most {
        true => Err(format!("has more than {most} bytes")),
        false => Ok(bytes),
    }
}

fn read(section: &Section<'_>, path: &Path, at: At) -> Option<Secret<Vec<u8>>> {
    let fail = |what: String, hint: &str| {
        section.error(at, format!("{} {what}", path.display()), hint);
        None
    };
    // Looked at before it is opened: to open a pipe would wait for its other end.
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => return fail("is not a file".to_owned(), "the path of a file"),
        Ok(found) if found.len() > LARGEST => {
            return fail("is too large for a secret".to_owned(), "at most 64 KiB");
        }
        _ => {}
    }
    // One allocation, so that no copy is left behind where the vector grew.
    let mut bytes = Vec::with_capacity(LARGEST as usize);
    let file = std::fs::File::open(path);
    if let Err(error) = file.and_then(|file| file.take(LARGEST).read_to_end(&mut bytes)) {
        return fail(format!("cannot be read: {error}"), "does it exist, and may the daemon's user read it?");
    }
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    Some(Secret::new(bytes))
}

/// What stands in one of the three keys for a secret, and where; `owner` is whose, for messages.
pub(super) fn secret(section: &Section<'_>, files: &Files<'_>, owner: &str) -> Option<(Secret<Vec<u8>>, At)> {
    let given: Vec<_> = ["secret", "secret_file", "secret_credential"]
        .into_iter()
        .filter(|key| section.written(key).is_some())
        .collect();
    let [key] = given.as_slice() else {
        let message = "exactly one of `secret`, `secret_file` and `secret_credential` is needed here";
        let (at, hint) = match given.iter().max_by_key(|key| section.place(key).start) {
            Some(last) => (section.place(last), "keep one of them"),
            None => (section.at, "add `secret_file`"),
        };
        section.error(at, message, hint);
        return None;
    };
    let (text, at) = section.text(key)?;
    let secret = match *key {
        "secret" => Secret::new(text.into_bytes()),
        "secret_file" => files.secret_file(section, &text, at)?,
        _ => files.credential(section, &text, at)?,
    };
    if *key == "secret"
        && let Some(file) = section.sink.borrow().readable_by_everyone(at)
    {
        files.warn(format!("{file} holds the secret of {owner} and can be read by everyone"));
    }
    Some((secret, at))
}
