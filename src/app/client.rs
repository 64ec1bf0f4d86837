//! The command line's side of the admin socket: one HTTP request on a Unix stream.

use anyhow::{Context, Result};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context as Asking, Poll};
use tokio::net::UnixStream;

/// The daemon does not answer (EX_UNAVAILABLE of sysexits.h).
pub const EX_UNAVAILABLE: u8 = 69;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "Doorward is not running, or its admin socket is not at {path}. Start it with `systemctl start doorward`, \
         or name the socket with --socket"
    )]
    NotRunning {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// This user may not connect.
    #[error("You may not open {path}; run this as root, or as a user of the group that owns it.")]
    NotAllowed {
        /// The socket.
        path: PathBuf,
    },
    /// The daemon says no.
    #[error("{message}")]
    Refused {
        /// Stable name.
        code: String,
        /// A sentence.
        message: String,
        /// The whole answer.
        body: Value,
    },
    /// The connection broke.
    #[error("the daemon's answer did not come through: {0}")]
    Broken(String),
}

/// A body to send.
#[derive(Debug)]
pub enum Send<'a> {
    /// None.
    Nothing,
    /// JSON.
    Json(Value),
    /// A file of this type.
    File(&'a str, Vec<u8>),
}

/// Told how many more bytes have gone.
type Sent = Box<dyn Fn(u64) + std::marker::Send + Sync>;

/// A body that goes piece by piece.
struct Upload {
    left: Bytes,
    sent: Sent,
}

/// Bytes of a piece.
const PIECE: usize = 64 << 10;

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Asking<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let length = PIECE.min(self.left.len());
        let piece = self.left.split_to(length);
        (self.sent)(length as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

/// Where the daemon is.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// Will call the daemon at `socket`.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// One call; the answer's JSON, or `null` where there is none.
    pub async fn call(&self, method: Method, path: &str, body: Send<'_>) -> Result<Value> {
        let bytes = self.bytes(method, path, body).await?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).context("the daemon's answer is no JSON")
    }

    /// One call with a file; how it goes is told piece by piece.
    pub async fn upload(
        &self,
        path: &str,
        (kind, file): (&str, Vec<u8>),
        sent: impl Fn(u64) + std::marker::Send + Sync + 'static,
    ) -> Result<Value> {
        let answer = self.answer(Method::POST, path, Send::File(kind, file), Box::new(sent)).await?;
        let bytes =
            answer.collect().await.map_err(|error| ClientError::Broken(error.to_string()))?.to_bytes();
        serde_json::from_slice(&bytes).context("the daemon's answer is no JSON")
    }

    /// One call; the answer piece by piece, as it comes.
    pub async fn pieces(
        &self,
        method: Method,
        path: &str,
        body: Send<'_>,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut answer = self.answer(method, path, body, Box::new(|_| {})).await?;
        while let Some(frame) = answer.frame().await {
            let frame = frame.map_err(|error| ClientError::Broken(error.to_string()))?;
            each(frame.data_ref().map(Bytes::as_ref).unwrap_or_default())?;
        }
        Ok(())
    }

    /// One call; the answer as it is.
    pub async fn bytes(&self, method: Method, path: &str, body: Send<'_>) -> Result<Bytes> {
        let answer = self.answer(method, path, body, Box::new(|_| {})).await?;
        Ok(answer.collect().await.map_err(|error| ClientError::Broken(error.to_string()))?.to_bytes())
    }

    /// One call whose answer is JSON objects, a line each, taken as they come.
    pub async fn lines(
        &self,
        method: Method,
        path: &str,
        body: Send<'_>,
        mut each: impl FnMut(&Value) -> Result<()>,
    ) -> Result<()> {
        let mut pending = Vec::new();
        self.pieces(method, path, body, |piece| {
            pending.extend_from_slice(piece);
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                each(&serde_json::from_slice(&line).context("the daemon's answer is no JSON")?)?;
            }
            Ok(())
        })
        .await
    }

    /// One call; the body of an answer that is a success.
    async fn answer(&self, method: Method, path: &str, body: Send<'_>, sent: Sent) -> Result<Incoming> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|source| self.no_connection(source))?;
        let broken = |error: hyper::Error| ClientError::Broken(error.to_string());
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        let (kind, bytes) = match body {
            Send::Nothing => ("", Vec::new()),
            Send::Json(value) => ("application/json", serde_json::to_vec(&value)?),
            Send::File(kind, bytes) => (kind, bytes),
        };
        let mut request =
            Request::builder().method(method).uri(format!("/v1/{path}")).header("host", "doorward");
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let body = Upload { left: Bytes::from(bytes), sent };
        let answer = sender.send_request(request.body(body)?).await.map_err(broken)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.into_body());
        }
        let bytes = answer.into_body().collect().await.map_err(broken)?.to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let text = |name: &str| body.pointer(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (code, mut message) = (text("/error/code"), text("/error/message"));
        if message.is_empty() {
            message = format!("The daemon answered {status}.");
        }
        Err(ClientError::Refused { code, message, body }.into())
    }

    fn no_connection(&self, source: std::io::Error) -> ClientError {
        let path = self.socket.clone();
        match source.kind() {
            std::io::ErrorKind::PermissionDenied => ClientError::NotAllowed { path },
            _ => ClientError::NotRunning { path, source },
        }
    }
}
