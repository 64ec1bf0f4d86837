//! The guides, and the files that stand in them.

use crate::support::{self, DOORWARD};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The shared secret of the guides.
pub(crate) const SECRET: &str = "a-long-random-text";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients")
}

/// A page of `docs/clients`.
pub(crate) struct Guide {
    name: String,
    text: String,
}

impl Guide {
    pub(crate) fn open(name: &str) -> Self {
        Self { name: name.to_owned(), text: support::read(&folder().join(name)) }
    }

    /// Every block of the page that is a file: its first line is a comment with the path, `# /etc/…`.
    pub(crate) fn files(&self) -> Vec<File> {
        let begins: Vec<usize> = self.text.match_indices("\n```").map(|(at, _)| at).collect();
        let (blocks, rest) = begins.as_chunks::<2>();
        assert!(rest.is_empty(), "{}: a block does not end", self.name);
        blocks.iter().filter_map(|[begin, end]| self.block(*begin, *end)).collect()
    }

    fn block(&self, begin: usize, end: usize) -> Option<File> {
        let (_language, text) = self.text[begin + 1..end].split_once('\n')?;
        let path = text.lines().next()?.strip_prefix("# ").filter(|path| path.starts_with('/'))?;
        let place = if path.starts_with(OURS) {
            Place::Doorward
        } else if self.text[..begin].contains("\n## People\n") {
            Place::Person
        } else {
            Place::Nas
        };
        Some(File { path: path.to_owned(), text: format!("{text}\n"), place })
    }
}

/// Where a file belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Doorward,
    Nas,
    /// What stands below *People*.
    Person,
}

/// A file of a guide.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) place: Place,
}

impl File {
    /// The path below Doorward's own folder.
    pub(crate) fn ours(&self) -> &str {
        self.path.strip_prefix(OURS).unwrap()
    }
}

/// All pages.
fn guides() -> Vec<Guide> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".md")).map(|name| Guide::open(&name)).collect()
}

/// What a guide says of Doorward itself stands in `/etc/doorward`.
const OURS: &str = "/etc/doorward/";

#[test]
fn every_configuration_of_doorward_in_a_guide_passes_its_check() {
    let mut checked = 0;
    for guide in guides() {
        let ours = guide.files().into_iter().filter(|file| file.place == Place::Doorward);
        for file in ours {
            let dir = tempfile::tempdir().unwrap();
            let at = dir.path().join(file.ours());
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::fs::create_dir_all(dir.path().join("keys")).unwrap();
            write_secret(&dir.path().join("keys/k1.key"), &"00".repeat(32));
            let main = dir.path().join("doorward.toml");
            std::fs::write(&main, "[keys]\nfiles = [\"keys/k1.key\"]\n").unwrap();
            for secret in secrets(&file.text) {
                write_secret(&dir.path().join(secret), SECRET);
            }
            std::fs::write(&at, &file.text).unwrap();
            let output = Command::new(DOORWARD).arg("check").arg(&main).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{} {}\n{said}", guide.name, file.path);
            checked += 1;
        }
    }
    assert!(checked > 5, "{checked}");
}

/// Files of shared secrets that a configuration names.
pub(crate) fn secrets(text: &str) -> Vec<String> {
    let value = |line: &str| line.strip_prefix("secret_file = \"")?.strip_suffix('"').map(str::to_owned);
    text.lines().filter_map(value).collect()
}

/// A file that only its owner can read.
pub(crate) fn write_secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
