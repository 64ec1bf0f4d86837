//! Errors as applications read them: the envelope with a code that plug-ins know, and a sentence that says what to do.

use super::State;
use crate::engine::applications::Failed;
use crate::engine::desk::DeskError;
use crate::wire::privacyidea::answer::{self, code};
use axum::Json;
use axum::extract::State as With;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// An answer that is none about a person.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) code: i32,
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: i32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code::UNAUTHORIZED, message)
    }

    pub(super) fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code::FORBIDDEN, message)
    }

    pub(super) fn parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code::PARAMETER, message)
    }

    pub(super) fn no_user() -> Self {
        Self::new(StatusCode::BAD_REQUEST, code::NO_USER, "ERR904: nobody here has this username")
    }

    pub(super) fn too_often() -> Self {
        let message = "This application asks more often than its `rate` allows. Ask again in a second.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, code::TOO_OFTEN, message)
    }

    /// The same for whoever has not shown which application it is.
    pub(super) fn stranger_too_often() -> Self {
        let message =
            "Too much is asked from this address by who shows no key that counts. Ask again in a second.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, code::TOO_OFTEN, message)
    }

    pub(super) fn unavailable() -> Self {
        let message =
            "It cannot be decided at present: the store or the directory does not answer. Try again.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE, message)
    }

    /// What could not be done; `request` is for the log.
    pub(super) fn of(failed: &Failed, request: &str) -> Self {
        match failed {
            Failed::Undecided(_) | Failed::Desk(DeskError::Unavailable(_)) => {
                log(failed, request);
                Self::unavailable()
            }
            Failed::Desk(DeskError::NoPerson(_)) => Self::no_user(),
            Failed::Desk(error @ DeskError::NoFactor(_)) => {
                Self::new(StatusCode::NOT_FOUND, code::NOT_FOUND, error.to_string())
            }
            Failed::Right(_) => Self::forbidden(&failed.to_string()),
            Failed::Desk(error) => Self::parameter(error.to_string()),
        }
    }

    pub(super) fn render(&self, state: &State) -> Response {
        (self.status, Json(answer::error(state.now(), self.code, &self.message))).into_response()
    }
}

/// Says why there is no answer.
pub(super) fn log(error: &Failed, request: &str) {
    tracing::error!(request, %error, "an application's request could not be decided");
}

/// Any path that is none of ours.
pub(super) async fn no_route(With(state): With<State>) -> Response {
    let message = "There is no such call; GET /openapi.json lists them.";
    Failure::new(StatusCode::NOT_FOUND, code::NOT_FOUND, message).render(&state)
}

/// A path of ours, asked in another way. Which ways there are stands in `Allow`.
pub(super) async fn no_method(With(state): With<State>) -> Response {
    let message = "This call is not made by that method; GET /openapi.json says by which.";
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, code::NOT_FOUND, message).render(&state)
}
