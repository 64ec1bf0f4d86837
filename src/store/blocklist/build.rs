//! Makes a blocklist of lists of passwords, in memory that does not grow with them: keys go into 256 temporary files by their first
//! bits, and then each shard is sorted and made on its own.

use super::{BODY_AT, SHARD_HEAD, head};
use crate::domain::password::MAX_BYTES;
use crate::domain::password::blocklist::{Line, MOST_SHARD_BITS, Shard, shard_of};
use sha2::{Digest, Sha256};
use std::fs::{File, Permissions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Keys of one shard at most, as far as there are shards: making it takes some 35 octets each.
const SHARD_KEYS: u64 = if cfg!(test) { 1 << 12 } else { 1 << 20 };

/// A longer line is no password.
const LONGEST_LINE: u64 = MAX_BYTES as u64 + 2;

/// Progress is told after so many lines.
const LINES_BETWEEN: u64 = 1 << 14;

/// What a list is made of.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Lists, one password or hash a line; `-` is standard input.
    pub inputs: Vec<PathBuf>,
    /// Hashes with a smaller count are left out.
    pub least: u64,
}

/// Where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// So many octets of so many are read; the second is 0 where nobody knows.
    Reading(u64, u64),
    /// So many shards of so many are made.
    Making(u64, u64),
}

/// What has come of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Built {
    /// Lines read.
    pub lines: u64,
    /// Different passwords in the list.
    pub passwords: u64,
    /// Left out: too short to be allowed anyway.
    pub short: u64,
    /// Left out: hashes seen too seldom.
    pub rare: u64,
    /// Left out: no text in UTF-8, or characters that no password can have.
    pub unusable: u64,
    /// Size of the file.
    pub bytes: u64,
}

/// Why no list was made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An input.
    #[error("{} cannot be read: {}", .0.display(), .1)]
    Read(PathBuf, io::Error),
    /// An input that must be unpacked.
    #[error("{} is compressed. Unpack it first, or pipe it in: zcat FILE | doorward blocklist build -", .0.display())]
    Compressed(PathBuf),
    /// No line was of use.
    #[error("There is no password of at least 8 characters and no hash in it. The list was not made.")]
    Empty,
    /// The output, or a temporary file beside it.
    #[error("{} cannot be written: {}. Temporary files are made beside it, 8 bytes for each password.", .0.display(), .1)]
    Write(PathBuf, io::Error),
    /// The keys of a shard did not fit its filter at a thousand tries.
    #[error(
        "The list could not be made: the passwords did not fit the filter. Add a line to it and try again."
    )]
    Filter,
}

/// Makes the list and puts it in the place of `output` in one step.
pub fn build(sources: &Sources, output: &Path, mut progress: impl FnMut(Stage)) -> Result<Built, BuildError> {
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unwritten = |error| BuildError::Write(output.to_owned(), error);
    let mut buckets = Buckets::beside(folder).map_err(unwritten)?;
    let mut built = Built::default();
    let (mut read, total) = (0, total(&sources.inputs)?);
    for path in &sources.inputs {
        let mut lines = Lines::open(path)?;
        while lines.next().map_err(|error| BuildError::Read(path.clone(), error))? {
            built.lines += 1;
            match if lines.whole { Line::read(&lines.line, sources.least) } else { Line::Unusable } {
                Line::Key(key) => buckets.put(key).map_err(unwritten)?,
                Line::Rare => built.rare += 1,
                Line::Short => built.short += 1,
                Line::Unusable => built.unusable += 1,
                Line::Blank => {}
            }
            if built.lines.is_multiple_of(LINES_BETWEEN) {
                progress(Stage::Reading(read + lines.read, total));
            }
        }
        read += lines.read;
    }
    if buckets.keys == 0 {
        return Err(BuildError::Empty);
    }
    // A daemon with another user reads it; what is in it is no secret.
    let mode = Permissions::from_mode(0o644);
    let file = tempfile::Builder::new().permissions(mode).tempfile_in(folder).map_err(unwritten)?;
    let mut writer = BufWriter::with_capacity(1 << 18, file);
    (built.passwords, built.bytes) =
        write(&mut writer, buckets, progress).map_err(|error| error.unwrap_or_filter(output))?;
    let file = writer.into_inner().map_err(|error| unwritten(error.into_error()))?;
    file.as_file().sync_all().map_err(unwritten)?;
    file.persist(output).map_err(|error| unwritten(error.error))?;
    Ok(built)
}

/// Octets of all inputs; 0 with standard input among them.
fn total(inputs: &[PathBuf]) -> Result<u64, BuildError> {
    let mut total = 0;
    for path in inputs {
        if is_standard(path) {
            return Ok(0);
        }
        total += std::fs::metadata(path).map_err(|error| BuildError::Read(path.clone(), error))?.len();
    }
    Ok(total)
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Lines of an input, in one buffer.
struct Lines {
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    /// The line is in the buffer whole.
    whole: bool,
    /// Octets so far.
    read: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, BuildError> {
        let failed = |error| BuildError::Read(path.to_owned(), error);
        let input: Box<dyn Read> = if is_standard(path) {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(failed)?)
        };
        let mut reader: Box<dyn BufRead> = Box::new(BufReader::with_capacity(1 << 18, input));
        let start = reader.fill_buf().map_err(failed)?;
        if [&b"\x1f\x8b"[..], b"PK\x03\x04", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ"]
            .iter()
            .any(|magic| start.starts_with(magic))
        {
            return Err(BuildError::Compressed(path.to_owned()));
        }
        Ok(Self { reader, line: Vec::new(), whole: true, read: 0 })
    }

    /// The next one, without its end; `false` after the last.
    fn next(&mut self) -> io::Result<bool> {
        self.line.clear();
        let read = self.reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line)?;
        self.read += read as u64;
        self.whole = self.line.ends_with(b"\n") || (read as u64) < LONGEST_LINE;
        while !self.whole {
            // What is too long is left out, but not kept.
            let buffer = self.reader.fill_buf()?;
            let end = buffer.iter().position(|octet| *octet == b'\n');
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(used);
            self.read += used as u64;
            if end.is_some() || used == 0 {
                break;
            }
        }
        while self.line.last().is_some_and(|octet| matches!(octet, b'\n' | b'\r')) {
            self.line.pop();
        }
        Ok(read > 0)
    }
}

/// Keys by their first bits, in temporary files.
struct Buckets {
    files: Vec<BufWriter<File>>,
    keys: u64,
}

impl Buckets {
    fn beside(folder: &Path) -> io::Result<Self> {
        let file = |_| Ok(BufWriter::with_capacity(1 << 14, tempfile::tempfile_in(folder)?));
        Ok(Self { files: (0..1 << MOST_SHARD_BITS).map(file).collect::<io::Result<_>>()?, keys: 0 })
    }

    fn put(&mut self, key: u64) -> io::Result<()> {
        self.keys += 1;
        let at = usize::try_from(shard_of(key, MOST_SHARD_BITS)).unwrap_or(0);
        self.files.get_mut(at).map_or(Ok(()), |file| file.write_all(&key.to_le_bytes()))
    }

    /// Shards that are not too large.
    fn shard_bits(&self) -> u32 {
        (0..MOST_SHARD_BITS).find(|bits| self.keys >> bits <= SHARD_KEYS).unwrap_or(MOST_SHARD_BITS)
    }
}

/// Why nothing was written; `None` inside: a filter could not be made.
struct Unwritten(Option<io::Error>);

impl Unwritten {
    fn unwrap_or_filter(self, output: &Path) -> BuildError {
        self.0.map_or(BuildError::Filter, |error| BuildError::Write(output.to_owned(), error))
    }
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        Self(Some(error))
    }
}

/// All shards and the head; how many keys there are, and octets.
fn write<W: Write + Seek>(
    out: &mut W,
    buckets: Buckets,
    mut progress: impl FnMut(Stage),
) -> Result<(u64, u64), Unwritten> {
    let shards: u32 = 1 << buckets.shard_bits();
    let mut files = buckets.files.into_iter();
    let each = files.len() / shards as usize;
    let (mut sum, mut keys, mut bytes) = (Sha256::new(), 0, BODY_AT);
    out.seek(SeekFrom::Start(BODY_AT))?;
    for done in 0..shards {
        let own = sorted(files.by_ref().take(each))?;
        keys += own.len() as u64;
        let octets = octets(&Shard::build(&own).ok_or(Unwritten(None))?);
        sum.update(&octets);
        bytes += octets.len() as u64;
        out.write_all(&octets)?;
        progress(Stage::Making(u64::from(done) + 1, shards.into()));
    }
    let head = head(shards, keys);
    out.rewind()?;
    out.write_all(&head)?;
    out.write_all(&sum.chain_update(head).finalize())?;
    out.flush()?;
    Ok((keys, bytes))
}

/// The keys of some buckets, each once.
fn sorted(buckets: impl Iterator<Item = BufWriter<File>>) -> io::Result<Vec<u64>> {
    let mut keys = Vec::new();
    for bucket in buckets {
        let mut file = bucket.into_inner().map_err(io::IntoInnerError::into_error)?;
        let count = file.stream_position()? / 8;
        keys.reserve_exact(usize::try_from(count).map_err(io::Error::other)?);
        file.rewind()?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut key = [0; 8];
        for _ in 0..count {
            reader.read_exact(&mut key)?;
            keys.push(u64::from_le_bytes(key));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

fn octets(shard: &Shard) -> Vec<u8> {
    let (shape, slots) = shard.parts();
    let mut octets = Vec::with_capacity(SHARD_HEAD + slots.len() * 2);
    octets.extend(shape.seed.to_le_bytes());
    octets.extend(shape.segment.to_le_bytes());
    octets.extend(shape.first_places.to_le_bytes());
    octets.extend(u32::try_from(slots.len()).unwrap_or(u32::MAX).to_le_bytes());
    slots.iter().for_each(|slot| octets.extend(slot.to_le_bytes()));
    octets
}
