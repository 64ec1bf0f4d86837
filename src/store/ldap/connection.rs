//! One connection to one server: opened and protected, then one operation after another.

use super::{LdapError, Result};
use crate::base::Secret;
use crate::config::{Endpoint, LdapServer, Protection, ServiceBind};
use crate::wire::ldap::{
    self, Answer, BindResult, Control, MAX_MESSAGE, Message, Modification, Outcome, Request, Response,
    Search, oid,
};
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

/// Octets read at once.
const CHUNK: usize = 16 << 10;

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// See the module.
pub(super) struct Connection {
    server: Arc<str>,
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// Octets of the buffer that a message has been made of.
    used: usize,
    id: i32,
    timeout: Duration,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({})", self.server)
    }
}

/// The end of an operation, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) code: u32,
    pub(super) diagnostic: String,
    pub(super) policy: Option<Vec<u8>>,
}

impl Ended {
    pub(super) fn answer(&self) -> Answer<'_> {
        Answer { code: self.code, diagnostic: &self.diagnostic, policy: self.policy.as_deref() }
    }

    fn of(outcome: Outcome<'_>, message: &Message<'_>) -> Self {
        let policy = message.control(oid::PASSWORD_POLICY).map(<[u8]>::to_vec);
        Self { code: outcome.code, diagnostic: outcome.diagnostic.to_owned(), policy }
    }
}

impl Connection {
    /// Opens a connection; TLS, where it is asked for, before anything else is said.
    pub(super) async fn open(
        server: &LdapServer,
        tls: &Arc<ClientConfig>,
        timeout: Duration,
    ) -> Result<Self> {
        let name: Arc<str> = server.url.as_str().into();
        let deadline = Instant::now() + timeout;
        match timeout_at(deadline, Self::connect(server, Arc::clone(&name), tls, timeout)).await {
            Ok(opened) => opened,
            Err(_) => Err(LdapError::TimedOut { server: name.to_string() }),
        }
    }

    async fn connect(
        server: &LdapServer,
        name: Arc<str>,
        tls: &Arc<ClientConfig>,
        timeout: Duration,
    ) -> Result<Self> {
        let unreachable = |error: std::io::Error| LdapError::Unreachable {
            server: server.url.clone(),
            why: error.to_string(),
        };
        let (host, port) = match &server.endpoint {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(unreachable)?;
                return Ok(Self::over(name, Box::new(stream), timeout));
            }
            Endpoint::Tcp(host, port) => (host.as_str(), *port),
        };
        let stream = TcpStream::connect((host, port)).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let (stream, wanted) = match &server.protection {
            Protection::None => return Ok(Self::over(name, Box::new(stream), timeout)),
            Protection::Tls(wanted) => (stream, wanted),
            Protection::StartTls(wanted) => (start_tls(&name, stream).await?, wanted),
        };
        let secured = TlsConnector::from(Arc::clone(tls)).connect(wanted.clone(), stream).await;
        let secured =
            secured.map_err(|error| LdapError::Tls { server: server.url.clone(), why: error.to_string() })?;
        Ok(Self::over(name, Box::new(secured), timeout))
    }

    fn over(server: Arc<str>, stream: Box<dyn Stream>, timeout: Duration) -> Self {
        Self { server, stream, buffer: Vec::new(), used: 0, id: 0, timeout }
    }

    /// Which server it leads to.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// The next message id; ids are 1 to 2³¹-1.
    fn next_id(&mut self) -> i32 {
        self.id = self.id.checked_add(1).unwrap_or(1);
        self.id
    }

    async fn send(&mut self, request: &Request) -> Result<()> {
        let sent = async {
            self.stream.write_all(request).await?;
            self.stream.flush().await
        };
        sent.await
            .map_err(|error| LdapError::Closed { server: self.server.to_string(), why: format!(": {error}") })
    }

    /// The next message, whole, as the range of the buffer that holds it.
    async fn receive(&mut self) -> Result<std::ops::Range<usize>> {
        self.buffer.drain(..self.used);
        self.used = 0;
        loop {
            let length = ldap::length(&self.buffer).map_err(|why| LdapError::malformed(&self.server, why))?;
            if let Some(length) = length
                && self.buffer.len() >= length
            {
                self.used = length;
                return Ok(0..length);
            }
            // The buffer grows with what has come, not with what was announced.
            if self.buffer.len() > MAX_MESSAGE {
                return Err(LdapError::malformed(&self.server, ldap::Malformed::TooLong));
            }
            self.buffer.reserve(CHUNK);
            let read = self.stream.read_buf(&mut self.buffer).await;
            match read {
                Ok(0) => {
                    return Err(LdapError::Closed { server: self.server.to_string(), why: String::new() });
                }
                Ok(_) => {}
                Err(error) => {
                    let why = format!(": {error}");
                    return Err(LdapError::Closed { server: self.server.to_string(), why });
                }
            }
        }
    }

    /// The next message; the server's notice that it ends the connection is an error.
    async fn message(&mut self) -> Result<Message<'_>> {
        let range = self.receive().await?;
        let server = &self.server;
        let bytes = self.buffer.get(range).unwrap_or_default();
        let message = Message::parse(bytes).map_err(|why| LdapError::malformed(server, why))?;
        match &message.response {
            Response::Extended(outcome) if message.id == 0 => {
                let words = ldap::name_of(outcome.code);
                Err(LdapError::Closed {
                    server: server.to_string(),
                    why: format!(": {words} {}", outcome.diagnostic),
                })
            }
            _ => Ok(message),
        }
    }

    async fn by_deadline<T>(&mut self, work: impl AsyncFnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + self.timeout;
        let server = Arc::clone(&self.server);
        match timeout_at(deadline, work(self)).await {
            Ok(done) => done,
            Err(_) => Err(LdapError::TimedOut { server: server.to_string() }),
        }
    }

    /// Sends a request that has one answer.
    async fn ask(&mut self, id: i32, request: &Request, what: &str) -> Result<Ended> {
        self.by_deadline(async |connection| {
            connection.send(request).await?;
            let server = Arc::clone(&connection.server);
            let message = connection.message().await?;
            match message.response {
                Response::Bind(outcome) | Response::Modify(outcome) | Response::Extended(outcome)
                    if message.id == id =>
                {
                    Ok(Ended::of(outcome, &message))
                }
                _ => Err(LdapError::unexpected(&server, what)),
            }
        })
        .await
    }

    /// Checks a password. An empty one is wrong without asking: it would be an unauthenticated bind.
    pub(super) async fn check(&mut self, dn: &str, password: &[u8]) -> Result<BindResult> {
        let id = self.next_id();
        let Some(request) = ldap::bind(id, ldap::Bind::Simple(dn, password)) else {
            return Ok(BindResult::Wrong);
        };
        let ended = self.ask(id, &request, "the answer to a bind").await?;
        match ldap::bind_result(ended.answer()) {
            BindResult::Undecided(words) => Err(self.refused("a check of a password", ended.code, words)),
            decided => Ok(decided),
        }
    }

    /// Binds as the service account.
    pub(super) async fn bind(&mut self, service: &ServiceBind) -> Result<()> {
        let id = self.next_id();
        let request = match service {
            ServiceBind::Simple(dn, password) => ldap::bind(id, ldap::Bind::Simple(dn, password.expose())),
            ServiceBind::External => ldap::bind(id, ldap::Bind::External),
        };
        let Some(request) = request else {
            return Err(self.refused("an anonymous bind", 0, "it is never tried".to_owned()));
        };
        let ended = self.ask(id, &request, "the answer to a bind").await?;
        match ended.code {
            0 => Ok(()),
            code => {
                let words = format!("{} ({code}) {}", ldap::name_of(code), ended.diagnostic);
                Err(self.refused("the bind of the service account", code, words))
            }
        }
    }

    /// Changes an entry.
    pub(super) async fn modify(&mut self, dn: &str, changes: &[Modification<'_>]) -> Result<Ended> {
        let id = self.next_id();
        let request = ldap::modify(id, dn, changes, &[Control::PASSWORD_POLICY]);
        self.ask(id, &request, "the answer to a modification").await
    }

    /// Changes a password (RFC 3062).
    pub(super) async fn password_modify(
        &mut self,
        dn: &str,
        old: Option<&[u8]>,
        new: &Secret<String>,
    ) -> Result<Ended> {
        let id = self.next_id();
        let request = ldap::password_modify(id, dn, old, new.expose().as_bytes());
        self.ask(id, &request, "the answer to a change of password").await
    }

    /// Begins a search; its answers come from [`Self::found`] under this id.
    pub(super) async fn search(&mut self, search: Search<'_>, controls: &[Control]) -> Result<i32> {
        let id = self.next_id();
        let request = ldap::search(id, search, controls);
        self.by_deadline(async |connection| connection.send(&request).await).await?;
        Ok(id)
    }

    /// The next message of any search, waiting until `deadline`; `None`: nothing came.
    pub(super) async fn found(&mut self, deadline: Instant) -> Result<Option<Message<'_>>> {
        let server = Arc::clone(&self.server);
        // A message that is half here is kept in the buffer, so that giving up loses nothing.
        match timeout_at(deadline, self.message()).await {
            Ok(Ok(message)) => match &message.response {
                Response::Bind(_) | Response::Modify(_) | Response::Extended(_) => {
                    Err(LdapError::unexpected(&server, "the answer to a search"))
                }
                _ => Ok(Some(message)),
            },
            Ok(Err(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// An error that names this server.
    pub(super) fn refused(&self, what: &str, code: u32, words: String) -> LdapError {
        LdapError::Refused { server: self.server.to_string(), what: what.to_owned(), words, code }
    }

    /// The deadline of an operation that begins now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Says good-bye; whether it is heard does not matter.
    pub(super) async fn close(mut self) {
        let id = self.next_id();
        let _ = self.by_deadline(async |connection| connection.send(&ldap::unbind(id)).await).await;
    }
}

/// Asks for TLS. Octets that came with the answer would be read as if they had come protected (CVE-2011-0411 and its kin):
/// they end the connection.
async fn start_tls(name: &Arc<str>, stream: TcpStream) -> Result<TcpStream> {
    let mut stream = stream;
    let request = ldap::extended(1, oid::START_TLS);
    let closed =
        |error: std::io::Error| LdapError::Closed { server: name.to_string(), why: format!(": {error}") };
    stream.write_all(&request).await.map_err(closed)?;
    let mut buffer = Vec::new();
    loop {
        let length = ldap::length(&buffer).map_err(|why| LdapError::malformed(name, why))?;
        match length {
            Some(length) if buffer.len() == length => break,
            Some(length) if buffer.len() > length => {
                return Err(LdapError::unexpected(name, "the beginning of TLS: octets came before it"));
            }
            _ => {}
        }
        if stream.read_buf(&mut buffer).await.map_err(closed)? == 0 {
            return Err(LdapError::Closed {
                server: name.to_string(),
                why: " instead of beginning TLS".to_owned(),
            });
        }
    }
    let message = Message::parse(&buffer).map_err(|why| LdapError::malformed(name, why))?;
    match message.response {
        Response::Extended(outcome) if message.id == 1 && outcome.code == 0 => Ok(stream),
        Response::Extended(outcome) => {
            let why = format!(
                "the server refuses StartTLS: {} {}",
                ldap::name_of(outcome.code),
                outcome.diagnostic
            );
            Err(LdapError::Tls { server: name.to_string(), why })
        }
        _ => Err(LdapError::unexpected(name, "the answer to StartTLS")),
    }
}
