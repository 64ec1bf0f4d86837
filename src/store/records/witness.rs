//! Tells, without asking SQLite, whether another process has written to the database since our last commit.
//!
//! SQLite counts commits in the header of its WAL index (`-shm`, <https://sqlite.org/walformat.html>, "iChange"). One
//! read of four bytes is some hundred times cheaper than a statement. The count is read while we hold the write lock;
//! our commit makes it one more; any other number means that somebody else has written. Where the file is not as
//! expected, nothing is ever trusted and every account is read from the database.

use crate::base::ticks;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// The version of the WAL index whose form is known here; SQLite refuses any other.
const VERSION: u32 = 3_007_000;
/// Where the count of commits stands.
const COUNT_AT: u64 = 8;

/// Tests write as another program does and ask at once.
const LOOKS_ALWAYS: bool = cfg!(test);

/// No count is trusted.
const DISTRUST: u64 = u64::MAX;

/// What the count of commits must be for memory to be as good as the database.
pub(super) struct Witness {
    index: Option<&'static File>,
    /// The count when our last transaction began.
    begun: AtomicU64,
    /// When memory was last found to be as good: the count that was begun with, and the kernel's tick.
    seen: AtomicU64,
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
        Self { index, ..Self::blind() }
    }

    /// For a database that others write to all the time: nothing is ever trusted.
    pub(super) fn blind() -> Self {
        let [begun, seen] = [DISTRUST; 2].map(AtomicU64::new);
        Self { index: None, begun, seen }
    }

    /// Whether anything may ever be trusted.
    pub(super) const fn sees(&self) -> bool {
        self.index.is_some()
    }

    /// Whether nobody but us has written since our last transaction began. It is not looked for twice between two ticks of the kernel:
    /// what another program writes may be seen as much later, 10 ms at most.
    pub(super) fn trusts(&self) -> bool {
        let Ok(begun) = u32::try_from(self.begun.load(Ordering::Acquire)) else { return false };
        let now = ticks().map(|tick| u64::from(begun) << 32 | u64::from(tick as u32));
        if !LOOKS_ALWAYS && now.is_some_and(|now| self.seen.load(Ordering::Relaxed) == now) {
            return true;
        }
        let trusts = self.counts_from(begun);
        if trusts && let Some(now) = now {
            self.seen.store(now, Ordering::Relaxed);
        }
        trusts
    }

    fn counts_from(&self, begun: u32) -> bool {
        // Either our commit has not happened yet or it has; a commit of somebody else before ours is impossible.
        self.count().is_some_and(|count| count == begun || count == begun.wrapping_add(1))
    }

    /// Our transaction has the write lock, and memory was brought up to date.
    pub(super) fn begun(&self) {
        self.set(self.count().map_or(DISTRUST, u64::from));
    }

    /// Nothing is known any more. To be called before the write lock is given up without a commit that writes.
    pub(super) fn distrust(&self) {
        self.set(DISTRUST);
    }

    fn set(&self, begun: u64) {
        self.begun.store(begun, Ordering::Release);
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
