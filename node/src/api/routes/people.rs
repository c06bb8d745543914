//! Whom rooms can be opened to, who would get in, and who may go where.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::Answer;
use crate::api::extract::{Body, Params, PathText};
use crate::api::server::{ApiRouter, App};
use crate::api::types::{
    AccessPreview, AgentRoom, AgentRooms, Principal, Principals, ProposedAccess,
};

pub(super) fn router() -> ApiRouter {
    ApiRouter::new()
        .route("/v1/access/preview", post(access_preview))
        .route("/v1/principals", get(principals))
        .route("/v1/agents/{selector}/rooms", get(agent_rooms))
}

async fn access_preview(
    State(app): State<App>,
    body: Body<ProposedAccess>,
) -> Answer<AccessPreview> {
    let permits = body.0.permits;
    let preview = app.handle.query(move |engine| engine.access_preview(&permits)).await??;
    Ok(Json(preview.into()))
}

/// Selects principals.
#[derive(Serialize, Deserialize)]
pub(super) struct PrincipalsQuery {
    /// A part of their full names; all if it is empty.
    #[serde(default)]
    text: String,
}

async fn principals(State(app): State<App>, params: Params<PrincipalsQuery>) -> Answer<Principals> {
    let found = app.handle.query(move |engine| engine.principals(&params.0.text)).await??;
    Ok(Json(Principals { principals: found.into_iter().map(Principal::from).collect() }))
}

async fn agent_rooms(State(app): State<App>, selector: PathText) -> Answer<AgentRooms> {
    let look = app.handle.query(move |engine| engine.agent_rooms(&selector.0));
    let (agent, rooms) = look.await??;
    let rooms = rooms.into_iter().map(AgentRoom::from).collect();
    Ok(Json(AgentRooms { agent: agent.into(), rooms }))
}
