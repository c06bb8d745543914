//! Letting browsers in.

use axum::Json;
use axum::extract::State;
use conclave_protocol::engine::{Failure, FailureKind};
use utoipa_axum::routes;

use super::Answer;
use crate::api::server::{ApiRouter, App};
use crate::api::types::OpenLink;

pub(super) fn router() -> ApiRouter {
    ApiRouter::new().routes(routes!(new_link))
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
