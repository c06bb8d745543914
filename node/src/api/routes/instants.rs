//! Instant messages: with whom there are any, and a new one. Their messages are read and written by
//! the routes of rooms.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use conclave_protocol::engine::{Command, Engine, Outcome};
use serde::{Deserialize, Serialize};

use super::{Answer, unexpected};
use crate::api::extract::Body;
use crate::api::server::{ApiRouter, App};
use crate::api::types::{Instant, Instants};

pub(super) fn router() -> ApiRouter {
    ApiRouter::new().route("/v1/instants", get(instants).post(open))
}

async fn instants(State(app): State<App>) -> Answer<Instants> {
    let instants = app.handle.query(Engine::instants).await??;
    Ok(Json(Instants { instants: instants.into_iter().map(Instant::from).collect() }))
}

/// Whom to write to; oneself is added.
#[derive(Serialize, Deserialize)]
pub(in crate::api) struct NewInstant {
    pub(in crate::api) agents: Vec<String>,
}

async fn open(State(app): State<App>, body: Body<NewInstant>) -> Answer<Instant> {
    match app.handle.command(Command::OpenInstant { agents: body.0.agents }).await? {
        Outcome::Instant(instant) => Ok(Json(instant.into())),
        other => Err(unexpected(&other)),
    }
}
