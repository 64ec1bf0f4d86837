//! Imports take turns: a file is in memory whole, so there is one at a time.

use super::State;
use super::access::{Caller, Permission};
use super::error::Failure;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Whoever may import and whose turn it is. Taken before the body, so that nobody else's file is read at all.
pub(super) struct Turn {
    pub(super) caller: Caller,
    /// Kept by all that works on the file.
    pub(super) place: Arc<OwnedSemaphorePermit>,
}

impl FromRequestParts<State> for Turn {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Failure> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let of_people = parts.uri.path().starts_with("/v1/people/");
        let action = if of_people { "person.import" } else { "token.import" };
        caller.must(state, Permission::Manage, action, "").await?;
        let place = Arc::clone(&state.imports).try_acquire_owned();
        let place = place.map_err(|_| Failure::import_running());
        let place = caller.audited(state, action, "", place).await?;
        Ok(Self { caller, place: Arc::new(place) })
    }
}
