//! Letting browsers in, and out again.

use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::{Extension, Json};
use conclave_protocol::engine::{Failure, FailureKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Answer;
use crate::api::auth::Caller;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::server::{ApiRouter, App};
use crate::api::types::{EndedSessions, OpenLink};

pub(super) fn router() -> ApiRouter {
    ApiRouter::new().routes(routes!(new_link)).routes(routes!(end_sessions))
}

/// A new link that lets one browser in.
#[utoipa::path(
    post,
    path = "/v1/links",
    responses((status = 200, description = "Done.", body = OpenLink))
)]
async fn new_link(State(app): State<App>) -> Answer<OpenLink> {
    let link = app.sessions.new_link().map_err(|error| {
        let hint = "this cannot be repaired from here; restart the computer";
        Failure::new(FailureKind::Failed, error.to_string(), hint)
    })?;
    Ok(Json(link))
}

/// Which sessions to end.
#[derive(Serialize, Deserialize, ToSchema)]
pub(in crate::api) struct EndSessions {
    /// Those of all browsers. Otherwise the one that asks.
    #[serde(default)]
    pub(in crate::api) all: bool,
}

/// End the session of the browser that asks, or those of all browsers.
#[utoipa::path(
    post,
    path = "/v1/sessions/end",
    request_body = EndSessions,
    responses((status = 200, description = "Done.", body = EndedSessions))
)]
async fn end_sessions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Body<EndSessions>,
) -> Result<Response, ApiError> {
    let session = match (&caller, body.0.all) {
        (_, true) => None,
        (Caller::Session(session), false) => Some(session),
        (Caller::Token, false) => {
            return Err(ApiError::usage("a program has no session to end, only `all` of them"));
        }
    };
    let ended = app.sessions.end(session).map_err(|error| {
        let hint = "see that there is room in the home; until the node starts again they are over";
        Failure::new(FailureKind::Failed, error.to_string(), hint)
    })?;
    let forget = matches!(caller, Caller::Session(_)).then(|| app.guard.clear_cookie());
    let forget = AppendHeaders(forget.map(|cookie| (SET_COOKIE, cookie)));
    Ok((forget, Json(EndedSessions { ended })).into_response())
}
