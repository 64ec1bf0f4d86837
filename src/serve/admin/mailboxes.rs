//! Calls about the mailboxes of alumni: looked up, never changed.

use super::State;
use super::access::{Caller, Permission};
use super::error::{Body, Failure};
use crate::store::mailbox::MailboxError;
use axum::Json;
use axum::extract::{Path, State as With};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Mailbox {
    /// Its address, by `mailbox.account`.
    address: String,
    /// What the provider calls it: an object id, or the name of an entry.
    entry: String,
}

impl From<MailboxError> for Failure {
    fn from(error: MailboxError) -> Self {
        let status = match error {
            MailboxError::NoMailbox(_) => StatusCode::NOT_FOUND,
            MailboxError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            // Ours is in order, and so is the store: only the provider is not.
            MailboxError::Later { .. }
            | MailboxError::Misconfigured(_)
            | MailboxError::Unreachable(_)
            | MailboxError::Unknown(_) => StatusCode::BAD_GATEWAY,
        };
        let text = error.to_string();
        let mut letters = text.chars();
        let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
        let message = format!("{first}{}.", letters.as_str().trim_end_matches('.'));
        Failure::new(status, error.code(), message)
    }
}

/// Looks a person's mailbox up at the mail provider, with the credentials that set passwords. Nothing is changed.
#[utoipa::path(get, path = "/v1/people/{username}/mailbox", params(("username" = String, Path)), responses((status = 200, body = Mailbox), (status = "default", body = Body)))]
pub(super) async fn find(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
) -> Result<Json<Mailbox>, Failure> {
    const ACTION: &str = "mailbox.test";
    caller.must(&state, Permission::Manage, ACTION, &username).await?;
    let found = found(&state, &username).await;
    let mailbox = caller.audited(&state, ACTION, &username, found).await?;
    caller.note(&state, ACTION, &username, "done", "").await?;
    Ok(Json(mailbox))
}

async fn found(state: &State, username: &str) -> Result<Mailbox, Failure> {
    let Some(mailboxes) = state.mailboxes.current() else {
        let message = "There is no mail provider: set `kind` in [mailbox] and reload.";
        return Err(Failure::new(StatusCode::CONFLICT, "no-mail-provider", message));
    };
    let person = state.desk.person(username).await?;
    let account = mailboxes.account(&person)?;
    let found = mailboxes.find(&account).await?;
    Ok(Mailbox { address: account.address().to_owned(), entry: found.entry })
}
