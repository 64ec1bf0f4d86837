//! A reload that somebody waits for. It is done by whoever runs the daemon, the same way as after SIGHUP.

use super::State;
use super::access::Caller;
use super::error::{Body, Failure};
use super::types::Reload;
use axum::Json;
use axum::extract::State as With;
use axum::http::StatusCode;
use tokio::sync::oneshot;

/// What came of a reload, in sentences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// The old configuration stays, for these errors.
    pub refused: Vec<String>,
    /// The new configuration serves, but for these parts of it, which stay as they were.
    pub left: Vec<String>,
    /// It all serves, and this is worth knowing.
    pub warnings: Vec<String>,
}

/// Asks for a reload, and is told what came of it.
pub type Order = oneshot::Sender<Reloaded>;

/// Has the daemon read its configuration anew, and waits until the new one serves. One that has errors is refused (422), and the old
/// one stays; one that is taken over but for a part is told as well (409).
#[utoipa::path(post, path = "/v1/reload", responses((status = 200, body = Reload), (status = "default", body = Body)))]
pub(super) async fn reload(With(state): With<State>, caller: Caller) -> Result<Json<Reload>, Failure> {
    const ACTION: &str = "reload";
    caller.must_or_signal(&state, ACTION).await?;
    let came = caller.audited(&state, ACTION, "", order(&state).await).await?;
    let Reloaded { refused, left, warnings } = came;
    let failure = if !refused.is_empty() {
        let message = "The configuration has errors; the old one stays.";
        Some(
            Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "configuration-refused", message).because(refused),
        )
    } else if !left.is_empty() {
        let message = "The new configuration serves, but for a part of it.";
        Some(Failure::new(StatusCode::CONFLICT, "configuration-in-part", message).because(left))
    } else {
        None
    };
    let noted = match &failure {
        Some(failure) => caller.note(&state, ACTION, "", "failed", failure.code()).await,
        None => caller.note(&state, ACTION, "", "done", "").await,
    };
    // What is done is done, and a store that is down must not keep a new certificate out.
    if let Err(error) = noted {
        tracing::error!(id = %caller.actor.request, "a reload could not be written into the audit trail: {error}");
    }
    failure.map_or(Ok(Json(Reload { warnings })), Err)
}

async fn order(state: &State) -> Result<Reloaded, Failure> {
    let stops = "The daemon stops, and takes no configuration over.";
    let stops = || Failure::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", stops);
    let (order, came) = oneshot::channel();
    state.reload.send(order).await.map_err(|_| stops())?;
    came.await.map_err(|_| stops())
}
