//! Which database, and how to connect to it.

use super::connection::Connection;
use super::failure;
use super::postgres::Server;
use crate::store::Result;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use std::sync::Arc;
use std::time::Duration;

/// Makes connections that write.
pub(super) enum Database {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Arc<Server>),
}

impl Database {
    pub(super) async fn connect(&self) -> Result<Connection> {
        match self {
            Database::Sqlite(options) => options.connect().await.map(Connection::Sqlite).map_err(failure),
            Database::Postgres(server) => server.connect(false).await,
        }
    }

    /// How long a question may take; none: SQLite waits for locks only, which has its own limit.
    pub(super) fn timeout(&self) -> Option<Duration> {
        match self {
            Database::Sqlite(_) => None,
            Database::Postgres(server) => Some(server.timeout()),
        }
    }
}
