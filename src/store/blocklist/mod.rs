//! The list of passwords that are refused, as a file: made once, read whole at start and reload.
//!
//! ```text
//!  0  "DWBLKLST"
//!  8  version (4 octets), shards (4), passwords (8)
//! 24  SHA-256 of what follows, and then of the octets before
//! 56  each shard: seed (8), segment (4), first places (4), slots (4), then the slots (2 each)
//! ```
//!
//! Numbers are little-endian. What a shard is, and which key is in which, is in `domain::password::blocklist`.

mod build;

pub use build::{BuildError, Built, Sources, Stage, build};

use crate::domain::password::Blocklist;
use crate::domain::password::blocklist::{MOST_SHARD_BITS, Shard, ShardShape};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"DWBLKLST";
const VERSION: u32 = 1;
const CHECKSUM_AT: usize = 24;
const BODY_AT: u64 = 56;
const SHARD_HEAD: usize = 20;

/// Slots read at once.
const SLOTS: usize = 16 * 1024;

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BlocklistError {
    /// Not there, not to be read, or not a file.
    #[error("{} cannot be read: {}. Does it exist, and may the daemon's user read it?", .0.display(), .1)]
    Read(PathBuf, io::Error),
    /// Something else.
    #[error("{} is no blocklist. `doorward blocklist build` makes one of a list of passwords.", .0.display())]
    Foreign(PathBuf),
    /// Made by another version.
    #[error(
        "{} is a blocklist of version {}, and this Doorward reads version {VERSION}. Make it anew: doorward blocklist build.", .0.display(), .1
    )]
    Version(PathBuf, u32),
    /// Cut off or changed.
    #[error("{} is damaged. Copy it again, or make it anew: doorward blocklist build.", .0.display())]
    Damaged(PathBuf),
}

/// The octets before the checksum.
fn head(shards: u32, keys: u64) -> [u8; CHECKSUM_AT] {
    let mut head = [0; CHECKSUM_AT];
    let parts = [&MAGIC[..], &VERSION.to_le_bytes(), &shards.to_le_bytes(), &keys.to_le_bytes()];
    for (to, from) in head.iter_mut().zip(parts.concat()) {
        *to = from;
    }
    head
}

/// Reads a list; its memory is the file's size.
pub fn load(path: &Path) -> Result<Blocklist, BlocklistError> {
    let failed = |error| BlocklistError::Read(path.to_owned(), error);
    // Looked at before it is opened: to open a pipe would wait for its other end.
    let found = std::fs::metadata(path).map_err(failed)?;
    if !found.is_file() {
        return Err(failed(io::Error::other("it is not a file")));
    }
    let file = File::open(path).map_err(failed)?;
    let mut reader =
        Reader { inner: BufReader::with_capacity(1 << 18, file), left: found.len(), sum: Sha256::new() };
    reader.list(path).map_err(|error| match error {
        Fault::Read(error) if error.kind() != ErrorKind::UnexpectedEof => failed(error),
        Fault::Read(_) | Fault::Wrong => BlocklistError::Damaged(path.to_owned()),
        Fault::Told(error) => error,
    })
}

enum Fault {
    Read(io::Error),
    Wrong,
    Told(BlocklistError),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

struct Reader {
    inner: BufReader<File>,
    left: u64,
    sum: Sha256,
}

impl Reader {
    fn list(&mut self, path: &Path) -> Result<Blocklist, Fault> {
        let (mut start, mut checksum) = ([0; CHECKSUM_AT], [0; 32]);
        let foreign = || Fault::Told(BlocklistError::Foreign(path.to_owned()));
        if self.left < MAGIC.len() as u64 {
            return Err(foreign());
        }
        self.inner.read_exact(&mut start)?;
        let mut fields = Fields(&start);
        if fields.take::<8>() != MAGIC {
            return Err(foreign());
        }
        let (version, shards) = (u32::from_le_bytes(fields.take()), u32::from_le_bytes(fields.take()));
        let keys = u64::from_le_bytes(fields.take());
        if version != VERSION {
            return Err(Fault::Told(BlocklistError::Version(path.to_owned(), version)));
        }
        if shards > 1 << MOST_SHARD_BITS {
            return Err(Fault::Wrong);
        }
        self.inner.read_exact(&mut checksum)?;
        self.left = self.left.saturating_sub(BODY_AT);
        let shards = (0..shards).map(|_| self.shard()).collect::<Result<Vec<Shard>, Fault>>()?;
        let sum: [u8; 32] = self.sum.clone().chain_update(start).finalize().into();
        if sum != checksum || self.left != 0 {
            return Err(Fault::Wrong);
        }
        Blocklist::of_shards(shards, keys).ok_or(Fault::Wrong)
    }

    fn fill(&mut self, octets: &mut [u8]) -> Result<(), Fault> {
        self.inner.read_exact(octets)?;
        self.sum.update(&*octets);
        self.left = self.left.checked_sub(octets.len() as u64).ok_or(Fault::Wrong)?;
        Ok(())
    }

    fn shard(&mut self) -> Result<Shard, Fault> {
        let mut head = [0; SHARD_HEAD];
        self.fill(&mut head)?;
        let mut fields = Fields(&head);
        let seed = u64::from_le_bytes(fields.take());
        let (segment, first_places) = (u32::from_le_bytes(fields.take()), u32::from_le_bytes(fields.take()));
        let count = u32::from_le_bytes(fields.take());
        // Nothing is allocated for slots that the file does not have.
        if u64::from(count) * 2 > self.left {
            return Err(Fault::Wrong);
        }
        let count = usize::try_from(count).map_err(|_| Fault::Wrong)?;
        let mut slots = Vec::with_capacity(count);
        let mut octets = vec![0; SLOTS * 2];
        while slots.len() < count {
            let wanted = (count - slots.len()).min(SLOTS) * 2;
            let part = octets.get_mut(..wanted).ok_or(Fault::Wrong)?;
            self.fill(part)?;
            slots.extend(part.as_chunks().0.iter().copied().map(u16::from_le_bytes));
        }
        Shard::of_parts(ShardShape { seed, segment, first_places }, slots).ok_or(Fault::Wrong)
    }
}

/// Fields of a head, one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// Zeros where there is nothing more.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk() else { return [0; N] };
        self.0 = rest;
        *field
    }
}

#[cfg(test)]
mod tests;
