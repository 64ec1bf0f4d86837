//! Connections that only read.

use super::connection::{Connection, Row};
use super::postgres::Server;
use super::query::Value;
use super::sqlite;
use crate::store::{Result, StoreError};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// A few of them.
pub(super) enum Pool {
    Sqlite(sqlite::Readers),
    Postgres(Readers),
}

impl Pool {
    pub(super) const fn is_postgres(&self) -> bool {
        matches!(self, Pool::Postgres(_))
    }

    pub(super) async fn close(&self) {
        match self {
            Pool::Sqlite(readers) => readers.close(),
            Pool::Postgres(readers) => readers.close().await,
        }
    }
}

/// Those to PostgreSQL. Our own, because that of the library asks the server after each use whether it is still there, and
/// after a restart of the server gives each of the dead ones out once.
pub(super) struct Readers {
    server: Arc<Server>,
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(server: Arc<Server>, count: u32) -> Self {
        let permits = Semaphore::new(usize::try_from(count.max(1)).unwrap_or(1));
        Self { server, permits, idle: Mutex::default() }
    }

    /// Asks one that is free. Where the connection turns out to be dead, all that are kept are taken for dead, and a new one
    /// is asked: reading twice does no harm.
    pub(super) async fn rows(&self, text: &str, values: &[Value]) -> Result<Vec<Row>> {
        let permit = tokio::time::timeout(self.server.timeout(), self.permits.acquire()).await;
        let permit =
            permit.map_err(|_| StoreError::Unavailable("all reading connections are busy".into()))?;
        let _permit = permit.map_err(|_| StoreError::Unavailable("it is being closed".into()))?;
        let kept = self.idle().pop();
        if let Some(kept) = kept {
            let (connection, rows) = ask(kept, text, values).await;
            match connection {
                Some(connection) => {
                    self.idle().push(connection);
                    return rows;
                }
                None => self.idle().clear(),
            }
        }
        let (connection, rows) = ask(self.server.connect(true).await?, text, values).await;
        self.idle().extend(connection);
        rows
    }

    async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            connection.close().await;
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the connection back unless it is in doubt.
async fn ask(
    mut connection: Connection,
    text: &str,
    values: &[Value],
) -> (Option<Connection>, Result<Vec<Row>>) {
    let rows = match &mut connection {
        Connection::Postgres(session) => session.rows(text, values).await,
        Connection::Sqlite(_) => Err(StoreError::Unavailable("no connection to PostgreSQL".into())),
    };
    (Some(connection).filter(|connection| !connection.is_doubtful()), rows)
}
