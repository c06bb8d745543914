//! The routes under `/v1`, one short function each.

mod audit;
mod changes;
pub(in crate::api) mod instants;

use std::path::PathBuf;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use conclave_protocol::engine::{Command, Engine, Failure, FailureKind, Outcome};
use conclave_protocol::limits::HISTORY_PAGE_MAX;
use conclave_protocol::object::{HistoryPolicy, UnitKind};
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::extract::{Body, Params, PathText};
use super::server::{ApiRouter, App};
use super::text::check_text;
use super::types::{
    Access, AccessLine, Agent, Agents, Approved, Backup, ControlEntry, ControlLog, JoinRequest,
    JoinRequests, Member, Message, Named, Page, Participants, Room, RoomLine, Rooms, Status, Unit,
    Units,
};
use super::{convert, events};

/// Messages in a page when the caller names no number.
const PAGE_DEFAULT: usize = 50;

/// The one route that may take long.
pub(super) const BACKUP_ROUTE: &str = "/v1/backup";

type Answer<T> = Result<Json<T>, ApiError>;

/// All routes.
pub(super) fn router() -> ApiRouter {
    ApiRouter::new()
        .route("/v1/status", get(status))
        .route("/v1/units", get(units).post(new_unit))
        .route("/v1/agents", get(agents))
        .route("/v1/agents/{selector}", get(agent))
        .route("/v1/agent-requests", get(agent_requests))
        .route("/v1/agent-requests/approve", post(approve))
        .route("/v1/memberships", post(add_member))
        .route("/v1/memberships/remove", post(remove_member))
        .route("/v1/rooms", get(rooms).post(new_room))
        .route("/v1/room", get(room))
        .route("/v1/room/permit", post(permit))
        .route("/v1/room/unpermit", post(unpermit))
        .route("/v1/room/access", get(access))
        .route("/v1/room/participants", get(participants))
        .route("/v1/messages", get(messages).post(send))
        .route("/v1/read", post(read))
        .route("/v1/events", get(events::events))
        .route("/v1/control", get(control))
        .route(BACKUP_ROUTE, post(backup))
        .merge(changes::router())
        .merge(audit::router())
        .merge(instants::router())
        .fallback(async || {
            let hint = "see the description of the local API";
            ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is no such route", hint)
        })
        .method_not_allowed_fallback(async || {
            let hint = "see the description of the local API";
            let status = StatusCode::METHOD_NOT_ALLOWED;
            ApiError::new(status, "usage", "the route does not know this method", hint)
        })
}

async fn status(State(app): State<App>) -> Answer<Status> {
    let view = app.handle.query(Engine::status).await?;
    let mut status = convert::status(view, app.handle.net());
    status.troubles.extend(app.handle.stalled());
    Ok(Json(status))
}

/// Where a backup goes.
#[derive(Serialize, Deserialize)]
pub(super) struct NewBackup {
    /// A new file, by its whole path.
    pub(super) file: PathBuf,
}

async fn backup(State(app): State<App>, body: Body<NewBackup>) -> Answer<Backup> {
    let file = body.0.file;
    if !file.is_absolute() {
        return Err(ApiError::usage("the file of a backup is named by its whole path"));
    }
    app.handle.backup(file.clone()).await?;
    let bytes = std::fs::metadata(&file).map(|meta| meta.len()).unwrap_or_default();
    Ok(Json(Backup { file, bytes }))
}

/// Selects units.
#[derive(Serialize, Deserialize)]
pub(super) struct UnitsQuery {
    pub(super) kind: String,
}

async fn units(State(app): State<App>, params: Params<UnitsQuery>) -> Answer<Units> {
    let kind = unit_kind(&params.0.kind)?;
    let units = app.handle.query(move |engine| engine.units(kind)).await??;
    Ok(Json(Units { units: units.into_iter().map(Unit::from).collect() }))
}

/// A unit to be made.
#[derive(Serialize, Deserialize)]
pub(super) struct NewUnit {
    pub(super) kind: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) department: Option<String>,
}

async fn new_unit(State(app): State<App>, body: Body<NewUnit>) -> Answer<Unit> {
    let NewUnit { kind, name, department } = body.0;
    let command = Command::NewUnit { kind: unit_kind(&kind)?, name, department };
    match app.handle.command(command).await? {
        Outcome::Unit(unit) => Ok(Json(unit.into())),
        other => Err(unexpected(&other)),
    }
}

async fn agents(State(app): State<App>) -> Answer<Agents> {
    let agents = app.handle.query(Engine::agents).await??;
    Ok(Json(Agents { agents: agents.into_iter().map(Agent::from).collect() }))
}

async fn agent(State(app): State<App>, selector: PathText) -> Answer<Agent> {
    let agent = app.handle.query(move |engine| engine.agent(&selector.0)).await??;
    Ok(Json(agent.into()))
}

async fn agent_requests(State(app): State<App>) -> Answer<JoinRequests> {
    let requests = app.handle.query(Engine::join_requests).await??;
    Ok(Json(JoinRequests { requests: requests.into_iter().map(JoinRequest::from).collect() }))
}

/// A request to be approved.
#[derive(Serialize, Deserialize)]
pub(super) struct Approval {
    pub(super) name: String,
    pub(super) code: String,
    #[serde(default)]
    pub(super) units: Vec<String>,
}

async fn approve(State(app): State<App>, body: Body<Approval>) -> Answer<Approved> {
    let Approval { name, code, units } = body.0;
    match app.handle.command(Command::Approve { name, code, units }).await? {
        Outcome::Approved { agent, device, units } => {
            Ok(Json(Approved { agent: agent.into(), device, units }))
        }
        other => Err(unexpected(&other)),
    }
}

/// A membership to begin or to end.
#[derive(Serialize, Deserialize)]
pub(super) struct Membership {
    pub(super) agent: String,
    pub(super) unit: String,
}

async fn add_member(State(app): State<App>, body: Body<Membership>) -> Answer<Member> {
    let Membership { agent, unit } = body.0;
    member(&app, Command::AddMember { agent, unit }).await
}

async fn remove_member(State(app): State<App>, body: Body<Membership>) -> Answer<Member> {
    let Membership { agent, unit } = body.0;
    member(&app, Command::RemoveMember { agent, unit }).await
}

async fn member(app: &App, command: Command) -> Answer<Member> {
    match app.handle.command(command).await? {
        Outcome::Member { agent, unit, object, .. } => {
            Ok(Json(Member { agent: agent.into(), unit, object }))
        }
        other => Err(unexpected(&other)),
    }
}

/// Which rooms to list.
#[derive(Serialize, Deserialize)]
pub(super) struct RoomsQuery {
    #[serde(default)]
    pub(super) all: bool,
}

async fn rooms(State(app): State<App>, params: Params<RoomsQuery>) -> Answer<Rooms> {
    let all = params.0.all;
    let rooms = app.handle.query(move |engine| engine.rooms(all)).await??;
    Ok(Json(Rooms { rooms: rooms.into_iter().map(RoomLine::from).collect() }))
}

/// A room to be made.
#[derive(Serialize, Deserialize)]
pub(super) struct NewRoom {
    pub(super) name: String,
    pub(super) permits: Vec<String>,
    #[serde(default)]
    pub(super) history: Option<String>,
}

async fn new_room(State(app): State<App>, body: Body<NewRoom>) -> Answer<Room> {
    let NewRoom { name, permits, history } = body.0;
    if permits.is_empty() {
        return Err(ApiError::usage("a room needs at least one permission"));
    }
    let history = history_policy(history.as_deref())?;
    changed_room(&app, Command::NewRoom { name, permits, history }).await
}

/// Selects a room by name or id. A query parameter, since names may hold anything.
#[derive(Serialize, Deserialize)]
pub(super) struct RoomQuery {
    pub(super) room: String,
}

async fn room(State(app): State<App>, params: Params<RoomQuery>) -> Answer<Room> {
    let room = app.handle.query(move |engine| engine.room(&params.0.room)).await??;
    Ok(Json(room.into()))
}

/// A permission to be given or taken.
#[derive(Serialize, Deserialize)]
pub(super) struct Permission {
    pub(super) unit: String,
}

async fn permit(
    State(app): State<App>,
    params: Params<RoomQuery>,
    body: Body<Permission>,
) -> Answer<Room> {
    let command = Command::Permit { room: params.0.room, unit: body.0.unit };
    changed_room(&app, command).await
}

async fn unpermit(
    State(app): State<App>,
    params: Params<RoomQuery>,
    body: Body<Permission>,
) -> Answer<Room> {
    let command = Command::Unpermit { room: params.0.room, unit: body.0.unit };
    changed_room(&app, command).await
}

async fn changed_room(app: &App, command: Command) -> Answer<Room> {
    match app.handle.command(command).await? {
        Outcome::Room(room, _) => Ok(Json(room.into())),
        other => Err(unexpected(&other)),
    }
}

async fn access(State(app): State<App>, params: Params<RoomQuery>) -> Answer<Access> {
    let look = app.handle.query(move |engine| engine.room_access(&params.0.room));
    let (room, agents) = look.await??;
    let agents = agents.into_iter().map(AccessLine::from).collect();
    Ok(Json(Access { room: room.into(), agents }))
}

async fn participants(State(app): State<App>, params: Params<RoomQuery>) -> Answer<Participants> {
    let look = app.handle.query(move |engine| engine.participants(&params.0.room));
    let (room, agents) = look.await??;
    let agents = agents.into_iter().map(Named::from).collect();
    Ok(Json(Participants { room: room.into(), agents }))
}

/// Selects a page of messages.
#[derive(Serialize, Deserialize)]
pub(super) struct MessagesQuery {
    pub(super) room: String,
    #[serde(default)]
    pub(super) limit: Option<usize>,
    #[serde(default)]
    pub(super) before: Option<String>,
}

async fn messages(State(app): State<App>, params: Params<MessagesQuery>) -> Answer<Page> {
    let MessagesQuery { room, limit, before } = params.0;
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=HISTORY_PAGE_MAX).contains(&limit) {
        return Err(ApiError::usage(format!("limit is a number from 1 to {HISTORY_PAGE_MAX}")));
    }
    let look = move |engine: &Engine| engine.history(&room, limit, before.as_deref());
    let page = app.handle.query(look).await??;
    Ok(Json(page.into()))
}

/// A text to be posted.
#[derive(Serialize, Deserialize)]
pub(super) struct Post {
    pub(super) room: String,
    pub(super) text: String,
}

async fn send(State(app): State<App>, body: Body<Post>) -> Answer<Message> {
    let Post { room, text } = body.0;
    check_text(&text)?;
    match app.handle.command(Command::Send { room, text }).await? {
        Outcome::Message(message) => Ok(Json(message.into())),
        other => Err(unexpected(&other)),
    }
}

/// Nothing to show.
#[derive(Serialize, Deserialize)]
pub(super) struct Nothing {}

async fn read(State(app): State<App>, body: Body<RoomQuery>) -> Answer<Nothing> {
    app.handle.command(Command::MarkRead { room: body.0.room }).await?;
    Ok(Json(Nothing {}))
}

async fn control(State(app): State<App>) -> Answer<ControlLog> {
    let entries = app.handle.query(Engine::control_log).await?;
    Ok(Json(ControlLog { objects: entries.into_iter().map(ControlEntry::from).collect() }))
}

fn unit_kind(word: &str) -> Result<UnitKind, ApiError> {
    [UnitKind::Department, UnitKind::Group, UnitKind::Role]
        .into_iter()
        .find(|kind| kind.word() == word)
        .ok_or_else(|| ApiError::usage("kind is department, group or role"))
}

fn history_policy(word: Option<&str>) -> Result<HistoryPolicy, ApiError> {
    match word {
        None | Some("full") => Ok(HistoryPolicy::Full),
        // Without encryption every device that syncs a room holds its whole history, so the
        // promise could not be kept.
        Some("from-join") => Err(Failure::new(
            FailureKind::Failed,
            "history from-join is not available yet: it rests on end-to-end encryption and \
             comes with it",
            "make the room with `--history full`, which shows newcomers everything",
        )
        .into()),
        Some(_) => Err(ApiError::usage("history is full or from-join")),
    }
}

/// A command was answered by the outcome of another: a fault of this program.
fn unexpected(outcome: &Outcome) -> ApiError {
    tracing::error!(?outcome, "a command had the outcome of another");
    let failure = Failure::new(
        FailureKind::Failed,
        "the node answered something unexpected",
        "look at what was done before you repeat it, and report this",
    );
    failure.into()
}
