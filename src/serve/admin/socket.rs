//! The socket itself: made safely, stopped in order.

use super::{State, router};
use crate::serve::handed::Handed;
use crate::serve::http::{Limits, Places, Protection, Service};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Exports and imports take seconds. Nobody of a group holds all of it, and nobody root's.
const LIMITS: Limits = Limits {
    connections: 64,
    per_peer: 32,
    head: Duration::from_secs(10),
    request: Duration::from_secs(300),
    whole: Duration::from_secs(300),
    longest_head: 64 * 1024,
};

/// Why the socket cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("the admin socket {path} cannot be served: {source}")]
pub struct SocketError {
    /// The socket.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// The running socket.
pub struct Handle {
    /// What to remove in the end; nothing where the socket was handed over.
    path: Option<PathBuf>,
    service: Arc<Service>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Handle {
    /// How many connections it holds.
    pub fn places(&self) -> Places {
        self.service.held()
    }

    /// Takes no more connections, lets those that are open finish what they are at, and removes the file.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
        let _ = self.path.map(std::fs::remove_file);
    }
}

/// Makes the socket, unless it was handed over, and serves it.
pub async fn serve(path: &Path, mode: u32, handed: &Handed, state: State) -> Result<Handle, SocketError> {
    let failed = |source| SocketError { path: path.to_owned(), source };
    let (listener, ours) = match handed.unix(path) {
        Some(given) => {
            warn_of_mode(path, mode);
            (given.set_nonblocking(true).and_then(|()| UnixListener::from_std(given)).map_err(failed)?, None)
        }
        None => {
            folder(path)?;
            (listen(path, mode).await.map_err(failed)?, Some(path.to_owned()))
        }
    };
    let (stop, stopped) = watch::channel(false);
    let service = Arc::new(Service::new("the admin socket", router(state), LIMITS));
    let task = tokio::spawn(Arc::clone(&service).run(listener, |_| Protection::Plain, stopped));
    tracing::info!(path = %path.display(), "the admin socket is served");
    Ok(Handle { path: ours, service, stop, task })
}

/// The mode of one that was handed over is for whoever has made it to set; systemd lets everybody in unless it is told.
fn warn_of_mode(path: &Path, mode: u32) {
    let is = std::fs::metadata(path).map_or(0, |file| file.permissions().mode() & 0o777);
    if is & !mode != 0 {
        tracing::warn!(
            path = %path.display(),
            "the admin socket that was handed over has mode {is:04o}, and admin.mode is {mode:04o}: set SocketMode={mode:04o} \
             in the socket unit, with SocketUser and SocketGroup"
        );
    }
}

/// Makes the folder of a socket, if it is missing; which it is.
///
/// # Errors
/// It cannot be made.
pub fn folder(path: &Path) -> Result<Option<&Path>, SocketError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let made =
        folder.map_or(Ok(()), |folder| std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder));
    made.map_err(|source| SocketError { path: path.to_owned(), source })?;
    Ok(folder)
}

/// A file left behind is taken away only if nobody answers there. Until the mode is set, only the owner can connect.
async fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(file) if !file.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "a file that is no socket is in the way",
            ));
        }
        Ok(_) if UnixStream::connect(path).await.is_ok() => {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another Doorward serves it"));
        }
        Ok(_) => std::fs::remove_file(path)?,
        Err(_) => {}
    }
    let before = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(path);
    nix::sys::stat::umask(before);
    let listener = listener?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}
