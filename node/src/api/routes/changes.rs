//! Changes of the control log that can be looked at before they are made.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use conclave_protocol::engine::{Command, Engine, Failure, FailureKind, Outcome, Signer};
use conclave_protocol::id::DeviceId;
use conclave_protocol::object::Capabilities;
use conclave_protocol::view::{AgentRef, RoomView, UnitView};
use utoipa_axum::routes;
use zeroize::Zeroizing;

use super::{Answer, unexpected};
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::secret::Purpose;
use crate::api::server::{ApiRouter, App};
use crate::api::types::{
    Change, ChangeRequest, Changed, DryRun, Named, Recovered, RecoveryRequest, Room, Unit,
};
use crate::identity::{RootKey, recovery_commitment, recovery_index, recovery_keys};

pub(super) fn router() -> ApiRouter {
    ApiRouter::new().routes(routes!(change)).routes(routes!(preview)).routes(routes!(recover))
}

/// What a change would mean for people; nothing is changed.
#[utoipa::path(
    post,
    path = "/v1/changes/preview",
    request_body = ChangeRequest,
    responses((status = 200, description = "Done.", body = DryRun))
)]
async fn preview(State(app): State<App>, body: Body<ChangeRequest>) -> Answer<DryRun> {
    let command = command(&app, body.0).await?;
    let (subject, preview) = app.handle.query(move |engine| engine.preview(&command)).await??;
    Ok(Json(DryRun { dry_run: true, subject, effects: preview.into() }))
}

/// Change admins, agents, units, rooms and their permissions.
#[utoipa::path(
    post,
    path = "/v1/changes",
    request_body = ChangeRequest,
    responses((status = 200, description = "Done.", body = Changed))
)]
async fn change(State(app): State<App>, body: Body<ChangeRequest>) -> Answer<Changed> {
    let command = command(&app, body.0).await?;
    let look = command.clone();
    let About { agent, unit, room } =
        app.handle.query(move |engine| about(engine, &look)).await??;
    let renamed = matches!(command, Command::RenameUnit { .. });
    // What only adds is signed without being worked out; that costs, and is wanted here.
    let added = match &command {
        Command::AddMember { .. } | Command::Permit { .. } => {
            let look = command.clone();
            Some(app.handle.query(move |engine| engine.preview(&look)).await??.1)
        }
        _ => None,
    };
    let mut changed = match app.handle.command(command).await? {
        Outcome::Signed { subject, objects, preview } => Changed {
            subject,
            objects,
            effects: preview.into(),
            agent: agent.map(Named::from),
            unit: unit.map(Unit::from),
            room: room.map(Room::from),
        },
        Outcome::Member { agent, unit, object, preview } => Changed {
            subject: unit,
            objects: vec![object],
            effects: preview.into(),
            agent: Some(agent.into()),
            unit: None,
            room: None,
        },
        Outcome::Room(room, preview) => Changed {
            subject: room.room.name.clone(),
            objects: Vec::new(),
            effects: preview.into(),
            agent: None,
            unit: None,
            room: Some(room.into()),
        },
        other => return Err(unexpected(&other)),
    };
    if let Some(preview) = added {
        changed.effects = preview.into();
    }
    if let Some(unit) = changed.unit.take() {
        let id = unit.id.to_string();
        // Under its new name.
        let now = app.handle.query(move |engine| engine.unit(&id)).await?;
        changed.unit = Some(now.ok().filter(|_| renamed).map_or(unit, Unit::from));
    }
    Ok(Json(changed))
}

/// What a command is about.
#[derive(Default)]
struct About {
    agent: Option<AgentRef>,
    unit: Option<UnitView>,
    room: Option<RoomView>,
}

/// Looked up before it is carried out: afterwards it may be there no longer.
fn about(engine: &Engine, command: &Command) -> Result<About, Failure> {
    let mut about = About::default();
    match command {
        Command::GrantAdmin { agent, .. }
        | Command::RevokeAdmin { agent, .. }
        | Command::MoveMember { agent, .. }
        | Command::RevokeAgent { agent, .. } => about.agent = Some(engine.agent(agent)?.agent),
        Command::RemoveDevice { device, .. } => about.agent = engine.owner_of_device(device)?,
        Command::RenameUnit { unit, .. } | Command::DeleteUnit { unit } => {
            about.unit = Some(engine.unit(unit)?);
        }
        // Who may not see the room may not delete it either, and is told so by the command.
        Command::DeleteRoom { room } => about.room = engine.room(room).ok(),
        _ => {}
    }
    Ok(about)
}

async fn command(app: &App, request: ChangeRequest) -> Result<Command, ApiError> {
    let root = request.root.map(|sealed| open(app, Purpose::RootKey, &sealed)).transpose()?;
    let root = root.map(|seed| Signer::new(RootKey::from_seed(&seed).keys()));
    Ok(match request.change {
        Change::GrantAdmin { agent, device, rank, may, scope } => {
            let may = capabilities(may, scope.is_some())?;
            Command::GrantAdmin { agent, device, rank, may, scope, root }
        }
        Change::RevokeAdmin { agent, device, last_good } => {
            Command::RevokeAdmin { agent, device, last_good, root }
        }
        Change::RevokeAgent { agent, device, strict, keep, last_good } => {
            Command::RevokeAgent { agent, device, strict, keep, last_good, root }
        }
        Change::RemoveDevice { device, strict, keep } => {
            Command::RemoveDevice { device, strict, keep }
        }
        Change::RemoveMember { agent, unit } => Command::RemoveMember { agent, unit },
        Change::AddMember { agent, unit } => Command::AddMember { agent, unit },
        Change::MoveMember { agent, from, to } => Command::MoveMember { agent, from, to },
        Change::Permit { room, unit } => Command::Permit { room, unit },
        Change::SetTopic { room, topic } => Command::SetTopic { room, topic },
        Change::RenameUnit { unit, name } => Command::RenameUnit { unit, name },
        Change::DeleteUnit { unit } => Command::DeleteUnit { unit },
        Change::Unpermit { room, unit } => Command::Unpermit { room, unit },
        Change::RenameRoom { room, name } => Command::RenameRoom { room, name },
        Change::SetRoomActive { room, active } => Command::SetRoomActive { room, active },
        Change::DeleteRoom { room } => Command::DeleteRoom { room },
        Change::Ratify { target } => {
            let target = app.handle.query(move |engine| returning(engine, target)).await?;
            Command::Ratify { target, root }
        }
    })
}

/// What is deleted shows its name no longer; to bring it back, the name may be used all the same.
fn returning(engine: &Engine, target: String) -> String {
    let ratify = Command::Ratify { target: target.clone(), root: None };
    let unknown = engine.preview(&ratify).is_err_and(|f| f.kind == FailureKind::NotFound);
    let deleted = unknown.then(|| engine.deleted(&target)).flatten();
    deleted.map_or(target, |id| id.to_string())
}

/// What an admin may do, from the words; with a Department as scope only what that allows.
fn capabilities(words: Option<Vec<String>>, scoped: bool) -> Result<Capabilities, ApiError> {
    let mut may = Capabilities { units: false, agents: false, rooms: false, admins: false };
    let Some(words) = words else {
        return Ok(Capabilities { units: true, agents: !scoped, rooms: true, admins: !scoped });
    };
    for word in words {
        match word.as_str() {
            "units" => may.units = true,
            "agents" => may.agents = true,
            "rooms" => may.rooms = true,
            "admins" => may.admins = true,
            _ => return Err(ApiError::usage("may lists units, agents, rooms and admins")),
        }
    }
    Ok(may)
}

fn open(app: &App, purpose: Purpose, sealed: &str) -> Result<Zeroizing<[u8; 32]>, ApiError> {
    let opened = app.seal.open(purpose, sealed);
    opened.ok_or_else(|| ApiError::usage("a secret is not sealed for this node"))
}

/// Replace the root key with the recovery phrase.
#[utoipa::path(
    post,
    path = "/v1/recover",
    request_body = RecoveryRequest,
    responses((status = 200, description = "Done.", body = Recovered))
)]
async fn recover(State(app): State<App>, body: Body<RecoveryRequest>) -> Answer<Recovered> {
    let RecoveryRequest { phrase, last_good, dry_run } = body.0;
    let entropy = open(&app, Purpose::Recovery, &phrase)?;
    let (old_root, commitment) = app.handle.query(Engine::root_line).await??.ok_or_else(used_up)?;
    let index = recovery_index(&entropy, commitment).ok_or_else(|| wrong_phrase(old_root))?;
    let key = recovery_keys(&entropy, index);
    let new_root = key.device();
    let next = recovery_commitment(&entropy, index + 1);
    let command = Command::Recover { key: Signer::new(key), next, last_good };
    let (objects, preview) = if dry_run {
        let (_, preview) = app.handle.query(move |engine| engine.preview(&command)).await??;
        (Vec::new(), preview)
    } else {
        match app.handle.command(command).await? {
            Outcome::Signed { objects, preview, .. } => (objects, preview),
            other => return Err(unexpected(&other)),
        }
    };
    let effects = preview.into();
    Ok(Json(Recovered { dry_run, index, old_root, new_root, objects, effects }))
}

fn used_up() -> ApiError {
    let failure = Failure::new(
        FailureKind::Conflict,
        "the recovery phrase has served as often as it can: no other key may replace the root key",
        "keep the root key well, or found a new company",
    );
    failure.into()
}

fn wrong_phrase(root: DeviceId) -> ApiError {
    tracing::debug!(%root, "a recovery phrase does not fit");
    ApiError::new(
        StatusCode::FORBIDDEN,
        "refused",
        "this recovery phrase does not belong to this company's root key",
        "use the 24 words that `conclave init` showed when the company was founded; if it was \
         recovered elsewhere a moment ago, wait until this node has heard of that",
    )
}
