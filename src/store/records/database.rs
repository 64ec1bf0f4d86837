//! Which database, and how to connect to it.

use super::connection::Connection;
use super::postgres::Server;
use super::sqlite::Place;
use crate::store::Result;
use std::sync::Arc;
use std::time::Duration;

/// Makes connections that write.
pub(super) enum Database {
    Sqlite(Place),
    Postgres(Arc<Server>),
}

impl Database {
    pub(super) async fn connect(&self) -> Result<Connection> {
        match self {
            Database::Sqlite(place) => place.connect().map(Connection::Sqlite),
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
