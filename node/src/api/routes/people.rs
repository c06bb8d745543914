//! Whom rooms can be opened to, who would get in, and who may go where.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::Answer;
use crate::api::extract::{Body, Params, PathText};
use crate::api::server::{ApiRouter, App};
use crate::api::types::{
    AccessPreview, AgentRoom, AgentRooms, Principal, Principals, ProposedAccess,
};

pub(super) fn router() -> ApiRouter {
    ApiRouter::new()
        .routes(routes!(access_preview))
        .routes(routes!(principals))
        .routes(routes!(agent_rooms))
}

/// Who would get into a room with these permissions.
#[utoipa::path(
    post,
    path = "/v1/access/preview",
    request_body = ProposedAccess,
    responses((status = 200, description = "Done.", body = AccessPreview))
)]
async fn access_preview(
    State(app): State<App>,
    body: Body<ProposedAccess>,
) -> Answer<AccessPreview> {
    let permits = body.0.permits;
    let preview = app.handle.query(move |engine| engine.access_preview(&permits)).await??;
    Ok(Json(preview.into()))
}

/// Selects principals.
#[derive(Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PrincipalsQuery {
    /// A part of their full names; all if it is empty.
    #[serde(default)]
    text: String,
}

/// Whom a room can be opened to.
#[utoipa::path(
    get,
    path = "/v1/principals",
    params(PrincipalsQuery),
    responses((status = 200, description = "Done.", body = Principals))
)]
async fn principals(State(app): State<App>, params: Params<PrincipalsQuery>) -> Answer<Principals> {
    let found = app.handle.query(move |engine| engine.principals(&params.0.text)).await??;
    Ok(Json(Principals { principals: found.into_iter().map(Principal::from).collect() }))
}

/// The rooms that an agent may read and write in; for admins, and of oneself.
#[utoipa::path(
    get,
    path = "/v1/agents/{selector}/rooms",
    params(("selector" = String, Path, description = "Name or id.")),
    responses((status = 200, description = "Done.", body = AgentRooms))
)]
async fn agent_rooms(State(app): State<App>, selector: PathText) -> Answer<AgentRooms> {
    let look = app.handle.query(move |engine| engine.agent_rooms(&selector.0));
    let (agent, rooms) = look.await??;
    let rooms = rooms.into_iter().map(AgentRoom::from).collect();
    Ok(Json(AgentRooms { agent: agent.into(), rooms }))
}
