//! The routes under `/v1`, one short function each.

mod audit;
mod changes;
pub(super) mod devices;
pub(in crate::api) mod instants;
pub(super) mod links;
pub(super) mod marks;
mod people;
mod protection;
pub(super) mod reading;
mod settings;
mod transcript;

use std::path::PathBuf;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use axum::routing::any;
use axum::{Json, Router};
use conclave_protocol::engine::{Command, Engine, Failure, FailureKind, Outcome};
use conclave_protocol::object::{HistoryPolicy, UnitKind};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::error::ApiError;
use super::extract::{Body, Params, PathText};
use super::server::{ApiRouter, App};
use super::text::check_text;
use super::types::{
    Access, AccessLine, Agent, Agents, Approved, Backup, ControlEntry, ControlLog, JoinRequest,
    JoinRequests, Member, Message, Named, Participants, Refused, Room, RoomLine, Rooms, Status,
    Unit, Units,
};
use super::{convert, describe, events, metrics, page};

/// The one route that may take long.
pub(super) const BACKUP_ROUTE: &str = "/v1/backup";

type Answer<T> = Result<Json<T>, ApiError>;

/// All routes under `/v1` with their descriptions, and `/metrics`. A route that is not described
/// cannot be added: it is made from its description.
pub(super) fn described() -> ApiRouter {
    ApiRouter::with_openapi(describe::head())
        .routes(routes!(status))
        .routes(routes!(units, new_unit))
        .routes(routes!(agents))
        .routes(routes!(agent))
        .routes(routes!(agent_requests))
        .routes(routes!(approve))
        .routes(routes!(refuse))
        .routes(routes!(add_member))
        .routes(routes!(remove_member))
        .routes(routes!(rooms, new_room))
        .routes(routes!(room))
        .routes(routes!(permit))
        .routes(routes!(unpermit))
        .routes(routes!(access))
        .routes(routes!(participants))
        .routes(routes!(reading::messages, send))
        .routes(routes!(events::events))
        .routes(routes!(control))
        .routes(routes!(backup))
        .routes(routes!(describe::openapi))
        .routes(routes!(metrics::metrics))
        .merge(changes::router())
        .merge(audit::router())
        .merge(devices::router())
        .merge(instants::router())
        .merge(links::router())
        .merge(marks::router())
        .merge(people::router())
        .merge(protection::router())
        .merge(reading::router())
        .merge(settings::router())
        .merge(transcript::router())
}

/// Everything that is served.
pub(super) fn router() -> Router<App> {
    let (router, _) = described().split_for_parts();
    router.route("/open/{*code}", any(page::open)).fallback(page::file).method_not_allowed_fallback(
        async |method: Method| {
            if method == Method::OPTIONS {
                return StatusCode::NO_CONTENT.into_response();
            }
            super::error::wrong_method()
        },
    )
}

/// The state of this node: who it is, its peers, how far its rooms are in sync.
#[utoipa::path(
    get,
    path = "/v1/status",
    responses((status = 200, description = "Done.", body = Status))
)]
async fn status(State(app): State<App>) -> Answer<Status> {
    let view = app.handle.query(Engine::status).await?;
    let mut status = convert::status(view, app.handle.net());
    status.troubles.extend(app.handle.stalled());
    Ok(Json(status))
}

/// Where a backup goes.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct NewBackup {
    /// A new file, by its whole path.
    #[schema(value_type = String)]
    pub(super) file: PathBuf,
}

/// Write this home, keys and all, to a new file on this computer.
#[utoipa::path(
    post,
    path = "/v1/backup",
    request_body = NewBackup,
    responses((status = 200, description = "Done.", body = Backup))
)]
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
#[derive(Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UnitsQuery {
    /// `department`, `group` or `role`.
    pub(super) kind: String,
}

/// The units of one kind.
#[utoipa::path(
    get,
    path = "/v1/units",
    params(UnitsQuery),
    responses((status = 200, description = "Done.", body = Units))
)]
async fn units(State(app): State<App>, params: Params<UnitsQuery>) -> Answer<Units> {
    let kind = unit_kind(&params.0.kind)?;
    let units = app.handle.query(move |engine| engine.units(kind)).await??;
    Ok(Json(Units { units: units.into_iter().map(Unit::from).collect() }))
}

/// A unit to be made.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct NewUnit {
    /// `department`, `group` or `role`.
    pub(super) kind: String,
    /// Its name.
    pub(super) name: String,
    /// The Department of a Group, by name or id.
    #[serde(default)]
    pub(super) department: Option<String>,
}

/// Make a Department, a Group in a Department, or a Role.
#[utoipa::path(
    post,
    path = "/v1/units",
    request_body = NewUnit,
    responses((status = 200, description = "Done.", body = Unit))
)]
async fn new_unit(State(app): State<App>, body: Body<NewUnit>) -> Answer<Unit> {
    let NewUnit { kind, name, department } = body.0;
    let command = Command::NewUnit { kind: unit_kind(&kind)?, name, department };
    match app.handle.command(command).await? {
        Outcome::Unit(unit) => Ok(Json(unit.into())),
        other => Err(unexpected(&other)),
    }
}

/// All agents.
#[utoipa::path(
    get,
    path = "/v1/agents",
    responses((status = 200, description = "Done.", body = Agents))
)]
async fn agents(State(app): State<App>) -> Answer<Agents> {
    let agents = app.handle.query(Engine::agents).await??;
    Ok(Json(Agents { agents: agents.into_iter().map(Agent::from).collect() }))
}

/// One agent, by name or id.
#[utoipa::path(
    get,
    path = "/v1/agents/{selector}",
    params(("selector" = String, Path, description = "Name or id.")),
    responses((status = 200, description = "Done.", body = Agent))
)]
async fn agent(State(app): State<App>, selector: PathText) -> Answer<Agent> {
    let agent = app.handle.query(move |engine| engine.agent(&selector.0)).await??;
    Ok(Json(agent.into()))
}

/// Devices that ask to be let in; for admins.
#[utoipa::path(
    get,
    path = "/v1/agent-requests",
    responses((status = 200, description = "Done.", body = JoinRequests))
)]
async fn agent_requests(State(app): State<App>) -> Answer<JoinRequests> {
    let requests = app.handle.query(Engine::join_requests).await??;
    let looked = app.looked_at.now(&app.handle).await?;
    let noted = |view| {
        let mut request = JoinRequest::from(view);
        request.name_note = match &request.device_of {
            Some(_) => Some(note_for_device(request.countersigned)),
            None => looked.names.note_for_newcomer(&request.name),
        };
        request
    };
    Ok(Json(JoinRequests { requests: requests.into_iter().map(noted).collect() }))
}

/// What is to be known of a request in the name of an agent that exists.
fn note_for_device(countersigned: bool) -> String {
    if countersigned {
        "this is another device of that agent, and one of the agent's devices has confirmed it"
    } else {
        "an agent bears it already; no device of that agent has confirmed this one"
    }
    .to_owned()
}

/// A request to be approved.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Approval {
    /// Its name.
    pub(super) name: String,
    /// The safety code on the newcomer's screen.
    pub(super) code: String,
    /// The units to put it into.
    #[serde(default)]
    pub(super) units: Vec<String>,
    /// It becomes another device of the agent that bears the name, without that one of the
    /// agent's devices has confirmed it: all are lost. Everybody is warned of it.
    #[serde(default)]
    pub(super) another_device: bool,
}

/// Let a device in whose screen shows the safety code.
#[utoipa::path(
    post,
    path = "/v1/agent-requests/approve",
    request_body = Approval,
    responses((status = 200, description = "Done.", body = Approved))
)]
async fn approve(State(app): State<App>, body: Body<Approval>) -> Answer<Approved> {
    let Approval { name, code, units, another_device } = body.0;
    if another_device && !units.is_empty() {
        return Err(ApiError::usage("another device of an agent belongs where the agent does"));
    }
    let command = if another_device {
        Command::ApproveDevice { name, code }
    } else {
        Command::Approve { name, code, units }
    };
    match app.handle.command(command).await? {
        Outcome::Approved { agent, device, units } => {
            Ok(Json(Approved { agent: agent.into(), device, units }))
        }
        other => Err(unexpected(&other)),
    }
}

/// A request to be refused.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Refusal {
    /// Its name, or its device.
    pub(super) name: String,
    /// Its safety code, if several ask under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
}

/// Refuse a device: it asks no more before its user runs `conclave join` again.
#[utoipa::path(
    post,
    path = "/v1/agent-requests/refuse",
    request_body = Refusal,
    responses((status = 200, description = "Done.", body = Refused))
)]
async fn refuse(State(app): State<App>, body: Body<Refusal>) -> Answer<Refused> {
    let Refusal { name, code } = body.0;
    match app.handle.command(Command::Refuse { name, code }).await? {
        Outcome::Refused { name, device } => Ok(Json(Refused { name, device })),
        other => Err(unexpected(&other)),
    }
}

/// A membership to begin or to end.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Membership {
    /// The agent, by name or id.
    pub(super) agent: String,
    /// The unit or agent, such as `department:Support`, or its id.
    pub(super) unit: String,
}

/// Put an agent into a unit.
#[utoipa::path(
    post,
    path = "/v1/memberships",
    request_body = Membership,
    responses((status = 200, description = "Done.", body = Member))
)]
async fn add_member(State(app): State<App>, body: Body<Membership>) -> Answer<Member> {
    let Membership { agent, unit } = body.0;
    member(&app, Command::AddMember { agent, unit }).await
}

/// Take an agent out of a unit.
#[utoipa::path(
    post,
    path = "/v1/memberships/remove",
    request_body = Membership,
    responses((status = 200, description = "Done.", body = Member))
)]
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
#[derive(Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RoomsQuery {
    /// Every room, for admins.
    #[serde(default)]
    pub(super) all: bool,
}

/// The Chat Rooms that this agent may access; with `all`, for admins, every one.
#[utoipa::path(
    get,
    path = "/v1/rooms",
    params(RoomsQuery),
    responses((status = 200, description = "Done.", body = Rooms))
)]
async fn rooms(State(app): State<App>, params: Params<RoomsQuery>) -> Answer<Rooms> {
    let all = params.0.all;
    let rooms = app.handle.query(move |engine| engine.rooms(all)).await??;
    Ok(Json(Rooms { rooms: rooms.into_iter().map(RoomLine::from).collect() }))
}

/// A room to be made.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct NewRoom {
    /// Its name.
    pub(super) name: String,
    /// Whom it is open to; at least one.
    pub(super) permits: Vec<String>,
    /// `full`.
    #[serde(default)]
    pub(super) history: Option<String>,
}

/// Make a Chat Room and open it to units and agents.
#[utoipa::path(
    post,
    path = "/v1/rooms",
    request_body = NewRoom,
    responses((status = 200, description = "Done.", body = Room))
)]
async fn new_room(State(app): State<App>, body: Body<NewRoom>) -> Answer<Room> {
    let NewRoom { name, permits, history } = body.0;
    if permits.is_empty() {
        return Err(ApiError::usage("a room needs at least one permission"));
    }
    let history = history_policy(history.as_deref())?;
    changed_room(&app, Command::NewRoom { name, permits, history }).await
}

/// Selects a room by name or id. A query parameter, since names may hold anything.
#[derive(Serialize, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
pub(super) struct RoomQuery {
    /// The room, by name or id.
    pub(super) room: String,
}

/// One Chat Room with its permissions.
#[utoipa::path(
    get,
    path = "/v1/room",
    params(RoomQuery),
    responses((status = 200, description = "Done.", body = Room))
)]
async fn room(State(app): State<App>, params: Params<RoomQuery>) -> Answer<Room> {
    let room = app.handle.query(move |engine| engine.room(&params.0.room)).await??;
    Ok(Json(room.into()))
}

/// A permission to be given or taken.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Permission {
    /// The unit or agent, such as `department:Support`, or its id.
    pub(super) unit: String,
}

/// Open a Chat Room to one more unit or agent.
#[utoipa::path(
    post,
    path = "/v1/room/permit",
    params(RoomQuery),
    request_body = Permission,
    responses((status = 200, description = "Done.", body = Room))
)]
async fn permit(
    State(app): State<App>,
    params: Params<RoomQuery>,
    body: Body<Permission>,
) -> Answer<Room> {
    let command = Command::Permit { room: params.0.room, unit: body.0.unit };
    changed_room(&app, command).await
}

/// Take a permission of a Chat Room away.
#[utoipa::path(
    post,
    path = "/v1/room/unpermit",
    params(RoomQuery),
    request_body = Permission,
    responses((status = 200, description = "Done.", body = Room))
)]
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

/// With Access: who may read and write in a room, and by which permissions.
#[utoipa::path(
    get,
    path = "/v1/room/access",
    params(RoomQuery),
    responses((status = 200, description = "Done.", body = Access))
)]
async fn access(State(app): State<App>, params: Params<RoomQuery>) -> Answer<Access> {
    let look = app.handle.query(move |engine| engine.room_access(&params.0.room));
    let (room, agents) = look.await??;
    let agents = agents.into_iter().map(AccessLine::from).collect();
    Ok(Json(Access { room: room.into(), agents }))
}

/// Participants: who is in a room now.
#[utoipa::path(
    get,
    path = "/v1/room/participants",
    params(RoomQuery),
    responses((status = 200, description = "Done.", body = Participants))
)]
async fn participants(State(app): State<App>, params: Params<RoomQuery>) -> Answer<Participants> {
    let look = app.handle.query(move |engine| engine.participants(&params.0.room));
    let (room, agents) = look.await??;
    let agents = agents.into_iter().map(Named::from).collect();
    Ok(Json(Participants { room: room.into(), agents }))
}

/// A text to be posted.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Post {
    /// The room, by name or id.
    pub(super) room: String,
    /// The text.
    pub(super) text: String,
}

/// Post a text in a room.
#[utoipa::path(
    post,
    path = "/v1/messages",
    request_body = Post,
    responses((status = 200, description = "Done.", body = Message))
)]
async fn send(State(app): State<App>, body: Body<Post>) -> Answer<Message> {
    let Post { room, text } = body.0;
    check_text(&text)?;
    match app.handle.command(Command::Send { room, text }).await? {
        Outcome::Message(message) => Ok(Json(message.into())),
        other => Err(unexpected(&other)),
    }
}

/// Nothing to show.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Nothing {}

/// The control log: all signed grants, revocations and changes that count.
#[utoipa::path(
    get,
    path = "/v1/control",
    responses((status = 200, description = "Done.", body = ControlLog))
)]
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
        Some("from-join") => Ok(HistoryPolicy::FromJoin),
        Some(_) => Err(ApiError::usage("history is full or from-join")),
    }
}

/// A command was answered by the outcome of another: a fault of this program.
fn unexpected(outcome: &Outcome) -> ApiError {
    let kind = outcome_kind(outcome);
    tracing::error!(kind, "a command had the outcome of another");
    let failure = Failure::new(
        FailureKind::Failed,
        "the node answered something unexpected",
        "look at what was done before you repeat it, and report this",
    );
    failure.into()
}

/// What an outcome is of. What is in it, texts and names, is not for the log.
fn outcome_kind(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Unit(_) => "unit",
        Outcome::Approved { .. } => "approved",
        Outcome::Device { .. } => "device",
        Outcome::Member { .. } => "member",
        Outcome::Refused { .. } => "refused",
        Outcome::Room(..) => "room",
        Outcome::Instant(_) => "instant",
        Outcome::Message(_) => "message",
        Outcome::Signed { .. } => "signed",
        Outcome::Done => "done",
    }
}
