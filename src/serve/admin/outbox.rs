//! Calls about messages on their way out. Nobody sees a code or a whole destination here.

use super::State;
use super::access::{Caller, Permission};
use super::error::{Body, Failure};
use super::people::query;
use crate::domain::message::MessageState;
use crate::domain::sent::CodeId;
use crate::store::{MessageStatus, OutboxQuery};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as With};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct MessagesQuery {
    /// Only in this state: `waiting`, `sending`, `sent`, `dead`.
    state: Option<String>,
    /// Only of this person.
    username: Option<String>,
    /// Only older ones than the one with this id.
    before: Option<String>,
    /// At most so many, up to 1000; 100 if it is missing.
    #[param(value_type = Option<u64>, maximum = 4_294_967_295u64)]
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Message {
    id: String,
    /// Username, or the id of a person who is gone.
    person: String,
    /// What its code is for: `login`.
    purpose: String,
    /// `sms`, `voice`, `email`.
    channel: String,
    /// Masked.
    destination: String,
    /// `waiting`, `sending`, `sent`, `dead`.
    state: String,
    /// RFC 3339, like the next two.
    created: String,
    due: String,
    ended: Option<String>,
    attempts: u32,
    /// Asked last.
    provider: String,
    /// What it said, or what went wrong.
    detail: String,
    /// In hundredths of the currency.
    cost: u32,
}

impl From<MessageStatus> for Message {
    fn from(status: MessageStatus) -> Self {
        Self {
            id: status.id,
            person: status.person,
            purpose: status.purpose,
            channel: status.channel,
            destination: status.destination,
            state: status.state.as_str().to_owned(),
            created: status.created.to_string(),
            due: status.due.to_string(),
            ended: status.ended.map(|ended| ended.to_string()),
            attempts: status.attempts,
            provider: status.provider,
            detail: status.detail,
            cost: status.cost,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Messages {
    /// Newest first.
    messages: Vec<Message>,
    /// How many are in each state, of everyone.
    counts: BTreeMap<String, u64>,
}

/// Messages, newest first.
#[utoipa::path(get, path = "/v1/outbox", params(MessagesQuery), responses((status = 200, body = Messages), (status = "default", body = Body)))]
pub(super) async fn list(
    With(state): With<State>,
    caller: Caller,
    wanted: Result<Query<MessagesQuery>, QueryRejection>,
) -> Result<Json<Messages>, Failure> {
    caller.must(&state, Permission::Look, "outbox.list", "").await?;
    let wanted = caller.audited(&state, "outbox.list", "", query(wanted)).await?;
    let subject = wanted.username.clone().unwrap_or_default();
    let listed = listed(&state, wanted).await;
    let (messages, counts) = caller.audited(&state, "outbox.list", &subject, listed).await?;
    caller.note(&state, "outbox.list", &subject, "done", "").await?;
    let messages = messages.into_iter().map(Message::from).collect();
    let counts = counts.into_iter().map(|(state, count)| (state.as_str().to_owned(), count)).collect();
    Ok(Json(Messages { messages, counts }))
}

async fn listed(
    state: &State,
    wanted: MessagesQuery,
) -> Result<(Vec<MessageStatus>, Vec<(MessageState, u64)>), Failure> {
    let MessagesQuery { state: wanted_state, username, before, limit } = wanted;
    let parsed = wanted_state.map(|text| text.parse::<MessageState>());
    let only = parsed
        .transpose()
        .map_err(|()| Failure::bad_request("`state` is `waiting`, `sending`, `sent` or `dead`."))?;
    let before = before.map(|text| text.parse::<CodeId>()).transpose();
    let before = before.map_err(|_| Failure::bad_request("`before` is the id of a message."))?;
    let person = match username {
        Some(username) => Some(state.desk.person(&username).await?.id),
        None => None,
    };
    let query = OutboxQuery { state: only, person, before, limit: limit.unwrap_or_default().min(1000) };
    Ok((state.outbox.list(&query).await?, state.outbox.counts().await?))
}
