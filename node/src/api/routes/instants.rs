//! Instant messages: with whom there are any, and a new one. Their messages are read and written by
//! the routes of rooms.

use axum::Json;
use axum::extract::State;
use conclave_protocol::engine::{Command, Engine, Outcome};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{Answer, unexpected};
use crate::api::extract::Body;
use crate::api::server::{ApiRouter, App};
use crate::api::types::{Instant, Instants};

pub(super) fn router() -> ApiRouter {
    ApiRouter::new().routes(routes!(instants, open))
}

/// The instant messages of this agent, the newest first.
#[utoipa::path(
    get,
    path = "/v1/instants",
    responses((status = 200, description = "Done.", body = Instants))
)]
async fn instants(State(app): State<App>) -> Answer<Instants> {
    let instants = app.handle.query(Engine::instants).await??;
    Ok(Json(Instants { instants: instants.into_iter().map(Instant::from).collect() }))
}

/// Whom to write to; oneself is added.
#[derive(Serialize, Deserialize, ToSchema)]
pub(in crate::api) struct NewInstant {
    /// By name or id.
    pub(in crate::api) agents: Vec<String>,
}

/// Opens a conversation with one or several agents. Nobody is told before its first message; its id
/// stands wherever that of a room does.
#[utoipa::path(
    post,
    path = "/v1/instants",
    request_body = NewInstant,
    responses((status = 200, description = "Done.", body = Instant))
)]
async fn open(State(app): State<App>, body: Body<NewInstant>) -> Answer<Instant> {
    match app.handle.command(Command::OpenInstant { agents: body.0.agents }).await? {
        Outcome::Instant(instant) => Ok(Json(instant.into())),
        other => Err(unexpected(&other)),
    }
}
