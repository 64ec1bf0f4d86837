//! Errors as the caller reads them: a stable code, and a sentence that says what to do.

use crate::config::AdminRole;
use crate::engine::desk::DeskError;
use crate::store::StoreError;
use crate::store::directory::import::ImportError;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Body of every answer that is no success.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Body {
    error: Detail,
}

/// What went wrong.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Detail {
    /// Stable name, such as `person-not-found`.
    code: &'static str,
    /// A sentence.
    message: String,
    /// Errors of an imported file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<Line>,
    /// What is wrong with a configuration, each as `doorward check` prints it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

/// One error of an imported file.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Line {
    /// Line, from 1.
    line: usize,
    /// What is wrong.
    what: String,
}

impl From<ImportError> for Line {
    fn from(error: ImportError) -> Self {
        Self { line: error.line, what: error.problem }
    }
}

/// An answer that is no success.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    status: StatusCode,
    detail: Detail,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail.message)
    }
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            detail: Detail { code, message: message.into(), lines: Vec::new(), problems: Vec::new() },
        }
    }

    /// With each thing that is wrong.
    pub(super) fn because(mut self, problems: Vec<String>) -> Self {
        self.detail.problems = problems;
        self
    }

    pub(super) const fn code(&self) -> &'static str {
        self.detail.code
    }

    pub(super) fn is_unavailable(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    pub(super) fn unknown_peer() -> Self {
        Self::new(StatusCode::FORBIDDEN, "unknown-caller", "The kernel does not say who is calling.")
    }

    pub(super) fn forbidden(name: &str, role: Option<AdminRole>) -> Self {
        let message = match role {
            None => format!(
                "{name} has no role here. An administrator can add one as [[admin.role]] in the configuration."
            ),
            Some(role) => {
                format!("{name} is {role:?} here, which does not allow this. Ask an administrator.")
            }
        };
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(super) fn import_running() -> Self {
        let message = "Another import is under way. Wait until it has ended, and import again.";
        Self::new(StatusCode::CONFLICT, "import-running", message)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        let (status, code) = match &error {
            DeskError::NoPerson(_) => (StatusCode::NOT_FOUND, "person-not-found"),
            DeskError::NoFactor(_) => (StatusCode::NOT_FOUND, "factor-not-found"),
            DeskError::Username(..) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-username"),
            DeskError::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            DeskError::Password(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-password"),
            DeskError::HalfUnlocked(..) => (StatusCode::BAD_GATEWAY, "half-unlocked"),
            DeskError::WrongOld => (StatusCode::UNPROCESSABLE_ENTITY, "wrong-password"),
            DeskError::ManyDevices(_) => (StatusCode::CONFLICT, "too-many-devices"),
            DeskError::DeviceNamed(_) => (StatusCode::CONFLICT, "device-named"),
            DeskError::DevicesOff => (StatusCode::CONFLICT, "devices-off"),
            DeskError::Pin(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-pin"),
            DeskError::Seed | DeskError::Counter => (StatusCode::UNPROCESSABLE_ENTITY, "bad-key"),
            DeskError::WrongCode => (StatusCode::UNPROCESSABLE_ENTITY, "wrong-code"),
            DeskError::NotPending => (StatusCode::CONFLICT, "not-pending"),
            DeskError::NoCodes => (StatusCode::CONFLICT, "no-codes"),
            DeskError::Label => (StatusCode::UNPROCESSABLE_ENTITY, "bad-name"),
            DeskError::Passphrase(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-passphrase"),
            DeskError::NoResync => (StatusCode::UNPROCESSABLE_ENTITY, "no-resync"),
            DeskError::Lifetime(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-lifetime"),
            DeskError::NoToken(_) => (StatusCode::NOT_FOUND, "token-not-found"),
            DeskError::ManyTokens(_) => (StatusCode::CONFLICT, "several-tokens"),
            DeskError::Otp(_) | DeskError::Touch(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-touch"),
            DeskError::Import(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-file"),
            DeskError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        let mut failure = Self::new(status, code, error.to_string());
        if let DeskError::Import(errors) = error {
            failure.detail.lines = errors.into_iter().map(Line::from).collect();
        }
        failure
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        DeskError::from(error).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(Body { error: self.detail })).into_response()
    }
}

/// Any path that is none of ours.
pub(super) async fn no_route() -> Failure {
    let message = "There is no such call; GET /v1/openapi.json lists them.";
    Failure::new(StatusCode::NOT_FOUND, "no-such-call", message)
}

/// A path of ours, asked in another way. Which ways there are stands in `Allow`.
pub(super) async fn no_method() -> Failure {
    let message = "This call is not made by that method; GET /v1/openapi.json says by which.";
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", message)
}
