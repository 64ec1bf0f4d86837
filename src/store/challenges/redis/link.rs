//! The way to Redis: one connection that is looked after, in all three modes.
//!
//! ```text
//!            ┌──────── failed: wait, longer each time ───────┐
//!            ▼                                               │
//!       Connecting ──────── connected ──────▶ Up ── lost ────┘
//! ```
//!
//! A task of its own connects, so that an attempt may take longer than any call waits for it (a Sentinel that is
//! switched off is asked before the next one). It asks Redis every second whether it is still there, so that the first
//! login after a restart of Redis finds a connection that works. A call waits for a connection and for its answer, both
//! together for `timeout`, and is never repeated by us: what timed out may have been done.

use super::super::Result;
use super::dial::{Connection, Dialer};
use crate::config;
use crate::store::StoreError;
use ::redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// How often Redis is asked whether it is there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Between two attempts to connect, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Whether Redis can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisState {
    /// It is.
    Up,
    /// Not yet, or not any more.
    Down(Arc<str>),
}

/// A Lua script and the digest that a server knows it by.
pub(super) struct Script {
    text: &'static str,
    digest: String,
}

impl Script {
    pub(super) fn new(text: &'static str) -> Self {
        Self { text, digest: ::redis::Script::new(text).get_hash().to_owned() }
    }
}

/// `up`, or why not.
impl std::fmt::Display for RedisState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Up => f.write_str("up"),
            Self::Down(why) => f.write_str(why),
        }
    }
}

#[derive(Clone)]
enum Stand {
    /// With its number.
    Up(u64, Connection),
    /// The reason, a sentence.
    Down(Arc<str>),
}

/// One connection, looked after by a task that ends with this.
pub(super) struct Link {
    stand: watch::Receiver<Stand>,
    /// Number of the last connection that turned out to be lost.
    lost: Arc<watch::Sender<u64>>,
    task: AbortHandle,
    timeout: Duration,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    pub(super) fn start(settings: &config::Redis) -> Result<Self> {
        let dialer = Dialer::new(settings).map_err(|error| unavailable(&error))?;
        let (stand, receiver) = watch::channel(Stand::Down("Redis is not connected yet".into()));
        let lost = Arc::new(watch::Sender::new(0));
        let task = tokio::spawn(look_after(dialer, stand, lost.subscribe())).abort_handle();
        Ok(Self { stand: receiver, lost, task, timeout: settings.timeout })
    }

    pub(super) fn state(&self) -> RedisState {
        match &*self.stand.borrow() {
            Stand::Up(..) => RedisState::Up,
            Stand::Down(why) => RedisState::Down(Arc::clone(why)),
        }
    }

    /// Runs a script on a key, in one round trip unless the server does not have it yet.
    pub(super) async fn run(&self, script: &Script, key: &str, arguments: &[String]) -> Result<Value> {
        let attempt = async {
            let (number, mut connection) = self.connection().await?;
            let by_digest = command("EVALSHA", &script.digest, key, arguments);
            let mut done = connection.run(&by_digest).await;
            if is(&done, ServerErrorKind::NoScript) {
                // EVAL keeps the script too, at the node that needs it.
                done = connection.run(&command("EVAL", script.text, key, arguments)).await;
            }
            done.map_err(|error| self.failed(number, &connection, &error))
        };
        match tokio::time::timeout(self.timeout, attempt).await {
            Ok(done) => done,
            Err(_) => Err(StoreError::Unavailable(match self.state() {
                RedisState::Up => self.late(),
                RedisState::Down(why) => why.to_string(),
            })),
        }
    }

    fn late(&self) -> String {
        format!("Redis gave no answer within {} ms", self.timeout.as_millis())
    }

    async fn connection(&self) -> Result<(u64, Connection)> {
        let mut stand = self.stand.clone();
        let up = stand.wait_for(|stand| matches!(stand, Stand::Up(..))).await;
        match up.as_deref() {
            Ok(Stand::Up(number, connection)) => Ok((*number, connection.clone())),
            _ => Err(StoreError::Unavailable("Redis is no longer used: Doorward stops".to_owned())),
        }
    }

    /// What an error means; a connection that is of no more use is given up.
    fn failed(&self, number: u64, connection: &Connection, error: &RedisError) -> StoreError {
        if connection.is_lost_by(error) {
            self.lost.send_modify(|lost| *lost = number.max(*lost));
        }
        if error.is_timeout() {
            return StoreError::Unavailable(self.late());
        }
        unavailable(error)
    }
}

fn command(name: &str, script: &str, key: &str, arguments: &[String]) -> Cmd {
    let mut command = ::redis::cmd(name);
    command.arg(script).arg(1).arg(key).arg(arguments);
    command
}

fn is(done: &::redis::RedisResult<Value>, kind: ServerErrorKind) -> bool {
    done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Server(kind))
}

const FORBIDDEN: &str = "Redis forbids it to this user: docs/redis.md has the ACL rule that is needed";

/// A sentence about an error that says what to do where that is known.
pub(super) fn unavailable(error: &RedisError) -> StoreError {
    let hint = match (error.kind(), error.code()) {
        (_, Some("OOM")) => {
            "Redis has no memory left: raise its `maxmemory`, with `maxmemory-policy noeviction`"
        }
        // What a script may not do is an error without a code of its own.
        (ErrorKind::Server(ServerErrorKind::NoPerm), _) => FORBIDDEN,
        _ if error.detail().is_some_and(|text| text.starts_with("The user executing the script")) => {
            FORBIDDEN
        }
        (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH")) => {
            "Redis takes neither user nor password: see `user` and `secret` in [redis]"
        }
        (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => {
            "this Redis is a replica, which takes no changes: `urls` in [redis] must name the master, or the Sentinels with `mode = \"sentinel\"`"
        }
        (_, Some("MISCONF")) => {
            "Redis refuses changes because it cannot save: switch saving off (`save \"\"`), Doorward does not need it"
        }
        _ => "Redis cannot be used",
    };
    StoreError::Unavailable(format!("{hint} ({error})"))
}

/// Keeps `stand` up as long as anybody looks at it.
async fn look_after(dialer: Dialer, stand: watch::Sender<Stand>, mut lost: watch::Receiver<u64>) {
    let mut pause = PAUSES.0;
    for number in 1.. {
        let why = match dialer.connect().await {
            Ok(connection) => {
                tracing::info!("Redis is connected");
                stand.send_replace(Stand::Up(number, connection.clone()));
                pause = PAUSES.0;
                until_lost(&dialer, connection, &mut lost, number).await
            }
            Err(error) => unavailable(&error).to_string(),
        };
        let why: Arc<str> = why.trim_start_matches("the store is not available: ").into();
        let before = stand.send_replace(Stand::Down(Arc::clone(&why)));
        if !matches!(before, Stand::Down(before) if before == why) {
            tracing::warn!("{why}");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Why it is lost.
async fn until_lost(
    dialer: &Dialer,
    mut connection: Connection,
    lost: &mut watch::Receiver<u64>,
    number: u64,
) -> String {
    loop {
        tokio::select! {
            _ = lost.wait_for(|lost| *lost >= number) => {
                return "the connection to Redis is lost".to_owned();
            }
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
        if let Err(error) = dialer.check(&mut connection).await {
            return format!("the connection to Redis is lost ({error})");
        }
    }
}
