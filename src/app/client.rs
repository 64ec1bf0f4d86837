//! The command line's side of the admin socket: one HTTP request on a Unix stream.

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::path::{Path, PathBuf};
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

    /// One call; the answer as it is.
    pub async fn bytes(&self, method: Method, path: &str, body: Send<'_>) -> Result<Bytes> {
        let answer = self.answer(method, path, body).await?;
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
        let mut answer = self.answer(method, path, body).await?;
        let mut pending = Vec::new();
        while let Some(frame) = answer.frame().await {
            let frame = frame.map_err(|error| ClientError::Broken(error.to_string()))?;
            pending.extend_from_slice(frame.data_ref().map(Bytes::as_ref).unwrap_or_default());
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = pending.drain(..=end).collect();
                each(&serde_json::from_slice(&line).context("the daemon's answer is no JSON")?)?;
            }
        }
        Ok(())
    }

    /// One call; the body of an answer that is a success.
    async fn answer(&self, method: Method, path: &str, body: Send<'_>) -> Result<Incoming> {
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
        let answer =
            sender.send_request(request.body(Full::new(Bytes::from(bytes)))?).await.map_err(broken)?;
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
