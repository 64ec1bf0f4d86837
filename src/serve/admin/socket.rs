//! The socket itself: made safely, bounded in connections and time, stopped in order.

use super::access::Peer;
use super::{State, router};
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// Connections at the same time.
const CONNECTIONS: usize = 64;
/// A request's head must have come by then; also the longest pause between two requests.
const HEAD: Duration = Duration::from_secs(10);
/// A connection ends by then, whatever it does: exports and imports take seconds.
const WHOLE: Duration = Duration::from_secs(300);

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
    path: PathBuf,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Handle {
    /// Takes no more connections, lets those that are open finish what they are at, and removes the file.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes the socket and serves it.
pub async fn serve(path: &Path, mode: u32, state: State) -> Result<Handle, SocketError> {
    let failed = |source| SocketError { path: path.to_owned(), source };
    let listener = listen(path, mode).await.map_err(failed)?;
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, state, stopped));
    tracing::info!(path = %path.display(), "the admin socket is served");
    Ok(Handle { path: path.to_owned(), stop, task })
}

/// A file left behind is taken away only if nobody answers there. Until the mode is set, only the owner can connect.
async fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
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

async fn accept(listener: UnixListener, state: State, mut stopped: watch::Receiver<bool>) {
    let router = router(state);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection to the admin socket failed");
                    tokio::task::yield_now().await;
                    continue;
                }
            },
            _ = stopped.changed() => break,
        };
        let Ok(peer) = stream.peer_cred() else { continue };
        let peer = Peer { uid: peer.uid(), gid: peer.gid() };
        let service = router.clone().layer(axum::Extension(ConnectInfo(peer)));
        let mut stopped = stopped.clone();
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            tokio::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => {}
                () = tokio::time::sleep(WHOLE) => {}
                _ = stopped.changed() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
            drop(place);
        });
    }
    // Every place back means that every connection has ended.
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(HEAD, places.acquire_many(all)).await;
}
