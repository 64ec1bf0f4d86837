//! Moves what SQLite's log holds into the file, beside the thread that commits: a commit that had to do it as well would keep
//! everybody waiting who logs in meanwhile.

use super::failure;
use super::sqlite::{Lite, Place};
use crate::store::Result;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often; and how often while so many pages and more are in the log, 4 MiB.
const EVERY: Duration = Duration::from_millis(250);
const SOON: Duration = Duration::from_millis(50);
const MANY: i64 = 1024;
/// Pages in the log at which whoever commits does it after all, so that it begins anew also where commits follow each other without
/// a pause: 32 MiB. While the log's file grows a commit takes longer, so it is not to grow for long.
pub(super) const AT_LAST: i32 = 8192;
/// Octets of the file of the log that stay when it begins anew. Tests are not to write so much.
pub(super) const LONGEST: i64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// The thread that does it; none for PostgreSQL, which has its own.
#[derive(Default)]
pub(super) struct Checkpoints(Mutex<Option<(Sender<()>, JoinHandle<()>)>>);

/// Passive: waits for nobody and keeps nobody waiting. The pages in the log.
fn checkpoint(kept: Option<Lite>, place: &Place) -> Result<(Lite, i64)> {
    let lite = kept.map_or_else(|| place.plain(), Ok)?;
    let checkpointed = lite.raw().query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1));
    let pages = checkpointed.map_err(failure)?;
    Ok((lite, pages))
}

impl Checkpoints {
    pub(super) fn start(place: Place) -> io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let work = move || {
            // Whoever serves logins goes first. On Linux it is the nice value of the calling thread; without it, this works as well.
            let _ = rustix::process::nice(5);
            let (mut kept, mut failed, mut pause) = (None, false, EVERY);
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                match checkpoint(kept.take(), &place) {
                    Ok((lite, pages)) => {
                        (kept, failed) = (Some(lite), false);
                        pause = if pages < MANY { EVERY } else { SOON };
                    }
                    // Those who commit may not notice before the log has filled the disk. It is tried again on a new connection.
                    Err(error) => {
                        if !failed {
                            tracing::error!(
                                "the log of the database (`-wal`) cannot be brought into the file, and grows: {error}"
                            );
                        }
                        failed = true;
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("checkpoint".to_owned()).spawn(work)?;
        Ok(Self(Mutex::new(Some((stop, thread)))))
    }

    /// Ends the thread and waits for it, so that the last connection to close is the one that writes.
    pub(super) fn stop(&self) {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = taken {
            drop(stop);
            // A thread that panicked has nothing left to do.
            let _ = thread.join();
        }
    }
}
