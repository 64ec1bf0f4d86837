//! Tells, without asking SQLite, whether another process has written to the database since our last commit.
//!
//! SQLite counts commits in the header of its WAL index (`-shm`, <https://sqlite.org/walformat.html>, "iChange"). One
//! read of four bytes is some hundred times cheaper than a statement. The count is read while we hold the write lock;
//! our commit makes it one more; any other number means that somebody else has written. Where the file is not as
//! expected, nothing is ever trusted and every account is read from the database.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// The version of the WAL index whose form is known here; SQLite refuses any other.
const VERSION: u32 = 3_007_000;
/// Where the count of commits stands.
const COUNT_AT: u64 = 8;

/// No number is trusted.
const DISTRUST: u64 = u64::MAX;
/// A transaction of ours is open: the number and the next one are trusted.
const OPEN: u64 = 1 << 32;

/// What the count of commits must be for memory to be as good as the database.
pub(super) struct Witness {
    index: Option<&'static File>,
    trusted: AtomicU64,
}

impl Witness {
    /// For the database at `path`, which is open already.
    pub(super) fn new(path: &Path) -> Self {
        let index = std::fs::canonicalize(path).ok().and_then(|path| {
            let mut name = path.into_os_string();
            name.push("-shm");
            File::open(name).ok()
        });
        // Never closed: closing any handle of the file would release the locks that SQLite holds on it (POSIX).
        let index = index.map(|file| &*Box::leak(Box::new(file)));
        let index = index.filter(|file| number(file, 0) == Some(VERSION));
        Self { index, trusted: AtomicU64::new(DISTRUST) }
    }

    /// Whether nobody but us has written since our last transaction began.
    pub(super) fn trusts(&self) -> bool {
        let trusted = self.trusted.load(Ordering::Acquire);
        let Some(count) = self.count().filter(|_| trusted != DISTRUST) else { return false };
        let known = u32::try_from(trusted & u64::from(u32::MAX)).unwrap_or_default();
        count == known || (trusted & OPEN != 0 && count == known.wrapping_add(1))
    }

    /// Our transaction has the write lock, and memory was brought up to date.
    pub(super) fn begun(&self) {
        self.set(self.count().map_or(DISTRUST, |count| u64::from(count) | OPEN));
    }

    /// It is committed and has written.
    pub(super) fn committed(&self) {
        let known = self.trusted.load(Ordering::Acquire);
        if known != DISTRUST {
            let known = u32::try_from(known & u64::from(u32::MAX)).unwrap_or_default();
            self.set(u64::from(known.wrapping_add(1)));
        }
    }

    /// Nothing is known any more. To be called before the write lock is given up without a commit that writes.
    pub(super) fn distrust(&self) {
        self.set(DISTRUST);
    }

    fn set(&self, trusted: u64) {
        self.trusted.store(trusted, Ordering::Release);
    }

    fn count(&self) -> Option<u32> {
        number(self.index?, COUNT_AT)
    }
}

/// The index is in the byte order of the machine.
fn number(file: &File, at: u64) -> Option<u32> {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(u32::from_ne_bytes(bytes))
}
