//! What admins look at: the admins, the audit trail, and why something counts or not.

use axum::Json;
use axum::extract::State;
use conclave_protocol::engine::{AuditFilter, AuditPage, Engine, Failure};
use conclave_protocol::limits::HISTORY_PAGE_MAX;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::Answer;
use crate::api::error::ApiError;
use crate::api::extract::Params;
use crate::api::server::{ApiRouter, App};
use crate::api::types::{Admin, Admins, LogEntry, LogPage, Named, Why, WhyAccess, WhyLink};

pub(super) fn router() -> ApiRouter {
    ApiRouter::new()
        .routes(routes!(admins))
        .routes(routes!(log))
        .routes(routes!(why))
        .routes(routes!(why_access))
}

/// All admins, those in force first.
#[utoipa::path(
    get,
    path = "/v1/admins",
    responses((status = 200, description = "Done.", body = Admins))
)]
async fn admins(State(app): State<App>) -> Answer<Admins> {
    let admins = app.handle.query(Engine::admins).await??;
    Ok(Json(Admins { admins: admins.into_iter().map(Admin::from).collect() }))
}

/// Selects a part of the audit trail.
#[derive(Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct LogQuery {
    /// The number of the first object, as `next` told it.
    #[serde(default)]
    pub(in crate::api) from: u64,
    /// How many at most.
    #[serde(default)]
    pub(in crate::api) limit: Option<usize>,
    /// Only objects of this type, such as `member-grant`.
    #[serde(default)]
    pub(in crate::api) kind: Option<String>,
    /// Only what devices of this agent signed; by name or id.
    #[serde(default)]
    pub(in crate::api) agent: Option<String>,
    /// `counts` or `void`.
    #[serde(default)]
    pub(in crate::api) state: Option<String>,
    /// Only what says this, in words.
    #[serde(default)]
    pub(in crate::api) text: Option<String>,
    /// The newest first; `from` then means below this number, 0 from the newest.
    #[serde(default)]
    pub(in crate::api) newest_first: bool,
}

/// The audit trail: the control log with who did what, and whether it counts.
#[utoipa::path(
    get,
    path = "/v1/log",
    params(LogQuery),
    responses((status = 200, description = "Done.", body = LogPage))
)]
async fn log(State(app): State<App>, params: Params<LogQuery>) -> Answer<LogPage> {
    let LogQuery { from, limit, kind, agent, state, text, newest_first } = params.0;
    let limit = limit.unwrap_or(HISTORY_PAGE_MAX);
    if !(1..=HISTORY_PAGE_MAX).contains(&limit) {
        return Err(ApiError::usage(format!("limit is a number from 1 to {HISTORY_PAGE_MAX}")));
    }
    // A form that is left empty asks for nothing.
    let named = |word: Option<String>| word.filter(|word| !word.is_empty());
    let (kind, agent, state) = (named(kind), named(agent), named(state));
    let filter = AuditFilter { kind, agent, state, text: named(text), newest_first };
    let look = move |engine: &Engine| engine.audit_page(from, limit, &filter);
    let AuditPage { lines, next, more, total, matching } = app.handle.query(look).await??;
    let objects = lines.into_iter().map(LogEntry::from).collect();
    Ok(Json(LogPage { objects, next, more, total, matching }))
}

/// Selects an object or a message.
#[derive(Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct WhyQuery {
    /// The id of an object or a message.
    pub(in crate::api) id: String,
}

/// Why an object or a message counts or not.
#[utoipa::path(
    get,
    path = "/v1/why",
    params(WhyQuery),
    responses((status = 200, description = "Done.", body = Why))
)]
async fn why(State(app): State<App>, params: Params<WhyQuery>) -> Answer<Why> {
    let why = app.handle.query(move |engine| engine.why(&params.0.id)).await??;
    Ok(Json(why.into()))
}

/// Selects a room and an agent.
#[derive(Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct WhyAccessQuery {
    /// The room, by name or id.
    pub(in crate::api) room: String,
    /// The agent, by name or id.
    pub(in crate::api) agent: String,
}

/// Why an agent has access to a room, or has not.
#[utoipa::path(
    get,
    path = "/v1/room/why",
    params(WhyAccessQuery),
    responses((status = 200, description = "Done.", body = WhyAccess))
)]
async fn why_access(State(app): State<App>, params: Params<WhyAccessQuery>) -> Answer<WhyAccess> {
    let WhyAccessQuery { room, agent } = params.0;
    let look = move |engine: &Engine| -> Result<_, Failure> {
        let why = engine.why_access(&room, &agent)?;
        Ok((engine.room(&room)?.room, engine.agent(&agent)?.agent, why))
    };
    let (room, agent, why) = app.handle.query(look).await??;
    Ok(Json(WhyAccess {
        room: room.into(),
        agent: Named::from(agent),
        access: why.state == "counts",
        summary: why.summary,
        chain: why.chain.into_iter().map(WhyLink::from).collect(),
        ended_by: why.ended_by,
    }))
}
