//! Letting browsers in.

use axum::Json;
use axum::extract::State;
use axum::routing::{any, post};
use conclave_protocol::engine::{Failure, FailureKind};

use super::Answer;
use crate::api::page;
use crate::api::server::{ApiRouter, App};
use crate::api::types::OpenLink;

pub(super) fn router() -> ApiRouter {
    ApiRouter::new().route("/v1/links", post(new_link)).route("/open/{*code}", any(page::open))
}

async fn new_link(State(app): State<App>) -> Answer<OpenLink> {
    let link = app.sessions.new_link().map_err(|error| {
        let hint = "this cannot be repaired from here; restart the computer";
        Failure::new(FailureKind::Failed, error.to_string(), hint)
    })?;
    Ok(Json(link))
}
