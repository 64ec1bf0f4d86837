//! The admin socket: HTTP/JSON over a Unix socket, for the command line and for scripts.
//!
//! Who connects is known from the kernel (uid, gid), never from what is sent. Every call is audited: changes in the
//! transaction that makes them, everything else — reads, refusals, failures — by an entry of its own. A call whose
//! entry cannot be written fails.

mod access;
mod backups;
mod clients;
mod error;
mod factors;
mod keys;
mod mailboxes;
mod outbox;
mod people;
mod reload;
mod socket;
mod sync;
mod tokens;
mod trail;
mod turn;
mod types;
mod watch;

pub use reload::{Order, Reloaded};
pub use socket::{Handle as Running, SocketError, folder, serve};

use crate::config::Config;
use crate::engine::applications::Applications;
use crate::engine::desk::Desk;
use crate::engine::health::Observe;
use crate::engine::keys::KeyRoom;
use crate::engine::sync::Handle;
use crate::store::Outbox;
use crate::store::mailbox::MailboxProvider;
use arc_swap::ArcSwap;
use axum::Router;
use axum::routing::{get, post, put};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use utoipa::OpenApi;

/// What every call can reach.
#[derive(Clone)]
pub struct State {
    /// The desk.
    pub desk: Arc<Desk>,
    /// Keys of applications.
    pub applications: Arc<Applications>,
    /// The settings.
    pub config: Arc<ArcSwap<Config>>,
    /// The directories that are followed.
    pub sync: Vec<Handle>,
    /// Messages on their way out.
    pub outbox: Arc<dyn Outbox>,
    /// Where the mailboxes of alumni are.
    pub mailboxes: Arc<MailboxProvider>,
    /// The master keys.
    pub keys: Arc<KeyRoom>,
    /// One place, for whoever imports.
    pub imports: Arc<Semaphore>,
    /// To whoever runs the daemon.
    pub reload: mpsc::Sender<Order>,
    /// Looks at everything.
    pub observer: Arc<dyn Observe>,
}

/// The document of the socket's calls, checked in as `docs/openapi.json`.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Doorward admin socket",
        description = "HTTP/JSON over the Unix socket of `admin.socket`. The caller is known by its uid and gid.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    paths(
        people::list,
        people::add,
        people::import,
        people::show,
        people::logins,
        people::password,
        people::lock,
        people::unlock,
        factors::list,
        factors::totp,
        factors::hotp,
        factors::recovery,
        factors::pin,
        factors::device_password,
        factors::issue,
        factors::confirm,
        factors::revoke,
        factors::resync,
        factors::rename,
        tokens::list,
        tokens::import,
        tokens::assign,
        tokens::revoke,
        tokens::remove,
        tokens::export,
        tokens::enroll,
        sync::status,
        sync::once,
        outbox::list,
        mailboxes::find,
        clients::list,
        clients::add,
        clients::rotate,
        clients::revoke,
        backups::begin,
        keys::list,
        keys::rotate,
        reload::reload,
        trail::list,
        trail::verify,
        trail::export,
        trail::status,
        watch::watch,
        trail::document,
    ),
    components(schemas(error::Body))
)]
struct Document;

/// The document as JSON, with a line end.
pub fn document() -> String {
    let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Longest body; a file of people may be larger, and one of tokens: a hundred thousand in a container.
const BODY: usize = 1 << 20;
const IMPORT: usize = 64 << 20;
const TOKENS: usize = 160 << 20;

/// The calls without the socket, as if everybody were this user with this group: for tests that make requests up.
pub fn offline(state: State, (uid, gid): (u32, u32)) -> Router {
    use crate::serve::http::LocalPeer;
    router(state).layer(axum::Extension(axum::extract::ConnectInfo(LocalPeer { uid, gid })))
}

fn router(state: State) -> Router {
    use axum::extract::DefaultBodyLimit;
    Router::new()
        .route("/v1/people", get(people::list).post(people::add))
        .route("/v1/people/import", post(people::import).layer(DefaultBodyLimit::max(IMPORT)))
        .route("/v1/people/{username}", get(people::show))
        .route("/v1/people/{username}/logins", get(people::logins))
        .route("/v1/people/{username}/password", put(people::password))
        .route("/v1/people/{username}/lock", post(people::lock))
        .route("/v1/people/{username}/unlock", post(people::unlock))
        .route("/v1/people/{username}/factors", get(factors::list))
        .route("/v1/people/{username}/mailbox", get(mailboxes::find))
        .route("/v1/people/{username}/factors/totp", post(factors::totp))
        .route("/v1/people/{username}/factors/hotp", post(factors::hotp))
        .route("/v1/people/{username}/factors/recovery", post(factors::recovery))
        .route("/v1/people/{username}/factors/pin", post(factors::pin))
        .route("/v1/people/{username}/factors/device-password", post(factors::device_password))
        .route("/v1/people/{username}/codes", post(factors::issue))
        .route("/v1/factors/{id}", axum::routing::delete(factors::revoke))
        .route("/v1/factors/{id}/confirm", post(factors::confirm))
        .route("/v1/factors/{id}/resync", post(factors::resync))
        .route("/v1/factors/{id}/label", put(factors::rename))
        .route("/v1/people/{username}/factors/yubikey", post(tokens::enroll))
        .route("/v1/tokens", get(tokens::list))
        .route("/v1/tokens/import", post(tokens::import).layer(DefaultBodyLimit::max(TOKENS)))
        .route("/v1/tokens/export", post(tokens::export))
        .route("/v1/tokens/remove", post(tokens::remove))
        .route("/v1/tokens/{token}", axum::routing::delete(tokens::revoke))
        .route("/v1/tokens/{token}/assign", post(tokens::assign))
        .route("/v1/sync", get(sync::status).post(sync::once))
        .route("/v1/clients", get(clients::list))
        .route("/v1/clients/{name}/keys", post(clients::add))
        .route("/v1/clients/{name}/rotate", post(clients::rotate))
        .route("/v1/client-keys/{id}", axum::routing::delete(clients::revoke))
        .route("/v1/backups", post(backups::begin))
        .route("/v1/keys", get(keys::list))
        .route("/v1/keys/rotate", post(keys::rotate))
        .route("/v1/reload", post(reload::reload))
        .route("/v1/outbox", get(outbox::list))
        .route("/v1/audit", get(trail::list))
        .route("/v1/audit/verify", get(trail::verify))
        .route("/v1/audit/export", get(trail::export))
        .route("/v1/status", get(trail::status))
        .route("/v1/watch", get(watch::watch))
        .route("/v1/openapi.json", get(trail::document))
        .fallback(error::no_route)
        .method_not_allowed_fallback(error::no_method)
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(state)
}
