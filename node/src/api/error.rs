//! Errors as HTTP answers.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use conclave_protocol::engine::{Failure, FailureKind};

use super::types::{ErrorDocument, Problem, ProblemDetails};
use crate::backup::BackupError;
use crate::error::{StartError, StartErrorKind};

/// The media type of problem details (RFC 9457).
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// A problem with its HTTP status.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    problem: Problem,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, kind: &str, message: &str, hint: &str) -> Self {
        Self { status, problem: Problem::new(kind, message, hint) }
    }

    /// The request itself is not valid.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        let hint = "see the description of the local API";
        let problem = Problem::new("usage", message, hint);
        Self { status: StatusCode::BAD_REQUEST, problem }
    }

    /// Its status.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong and what to do next, in one line for people.
    pub(super) fn text(&self) -> String {
        format!("{}; {}", self.problem.message, self.problem.hint)
    }

    /// The node took too long. What was asked may still happen.
    pub(super) fn timeout() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "failed",
            "the node did not answer in time",
            "what you asked for may still happen: look before you repeat it",
        )
    }
}

impl From<Failure> for ErrorDocument {
    fn from(failure: Failure) -> Self {
        Self { error: failure.into() }
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        let status = match failure.kind {
            FailureKind::Usage => StatusCode::BAD_REQUEST,
            FailureKind::NotMember
            | FailureKind::NoAccess
            | FailureKind::NotAdmin
            | FailureKind::WrongCode => StatusCode::FORBIDDEN,
            FailureKind::NotFound => StatusCode::NOT_FOUND,
            FailureKind::Conflict => StatusCode::CONFLICT,
            FailureKind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, problem: failure.into() }
    }
}

impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        let (status, kind) = match error.kind {
            StartErrorKind::Usage => (StatusCode::BAD_REQUEST, "usage"),
            StartErrorKind::Refused => (StatusCode::FORBIDDEN, "refused"),
            StartErrorKind::EmptyHome => (StatusCode::NOT_FOUND, "not_found"),
            StartErrorKind::Conflict => (StatusCode::CONFLICT, "conflict"),
            StartErrorKind::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        Self::new(status, kind, &error.message, &error.hint)
    }
}

impl From<BackupError> for ApiError {
    fn from(error: BackupError) -> Self {
        let status = match error {
            BackupError::Exists(_) => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, problem: error.into() }
    }
}

impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Self {
        let (kind, hint) = match &error {
            BackupError::Exists(_) => ("conflict", "choose a name that is not taken"),
            BackupError::NotFound(_) => ("not_found", "name a file that `conclave backup` wrote"),
            BackupError::Damaged { .. } => {
                ("failed", "use another backup; nothing was changed by this one")
            }
            BackupError::NewerVersion { .. } => ("failed", "use a newer version of this program"),
            BackupError::Home(_) | BackupError::Store(_) | BackupError::Io { .. } => {
                ("failed", "see that there is room and that the folder may be written to")
            }
        };
        Self::new(kind, error.to_string(), hint)
    }
}

/// The route exists, for other methods, which the router names.
pub(super) fn wrong_method() -> Response {
    let hint = "see the description of the local API";
    let status = StatusCode::METHOD_NOT_ALLOWED;
    ApiError::new(status, "usage", "the route does not know this method", hint).into_response()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = self.problem;
        let document = ProblemDetails {
            type_uri: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or_default().to_owned(),
            status: self.status.as_u16(),
            detail: error.message.clone(),
            kind: error.kind.clone(),
            hint: error.hint.clone(),
            error,
        };
        let kind = [(CONTENT_TYPE, PROBLEM_JSON)];
        (self.status, kind, Json(document)).into_response()
    }
}
