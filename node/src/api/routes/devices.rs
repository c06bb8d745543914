//! The devices of an agent, and new ones of one's own.

use axum::Json;
use axum::extract::State;
use conclave_protocol::engine::{Command, Outcome};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::{Answer, unexpected};
use crate::api::extract::{Body, Params};
use crate::api::server::{ApiRouter, App};
use crate::api::time::Time;
use crate::api::types::{DeviceAdded, Devices};

pub(super) fn router() -> ApiRouter {
    ApiRouter::new().routes(routes!(devices)).routes(routes!(add_device))
}

/// Selects whose devices.
#[derive(Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DevicesQuery {
    /// The agent, by name or id; the own one if there is none.
    #[serde(default)]
    agent: Option<String>,
}

/// The devices of an agent, and what asks to become one of the own agent.
#[utoipa::path(
    get,
    path = "/v1/devices",
    params(DevicesQuery),
    responses((status = 200, description = "Done.", body = Devices))
)]
async fn devices(State(app): State<App>, params: Params<DevicesQuery>) -> Answer<Devices> {
    let found = app.handle.query(move |engine| engine.devices(params.0.agent.as_deref())).await??;
    Ok(Json(found.into()))
}

/// A device to be confirmed.
#[derive(Serialize, Deserialize, ToSchema)]
pub(in crate::api) struct NewDevice {
    /// The safety code on its screen.
    pub(in crate::api) code: String,
}

/// Confirm another device of this agent. If this device may not let it in, an admin has to.
#[utoipa::path(
    post,
    path = "/v1/devices",
    request_body = NewDevice,
    responses((status = 200, description = "Done.", body = DeviceAdded))
)]
async fn add_device(State(app): State<App>, body: Body<NewDevice>) -> Answer<DeviceAdded> {
    let NewDevice { code } = body.0;
    match app.handle.command(Command::AddDevice { code }).await? {
        Outcome::Device { agent, device, waits_until, admins } => Ok(Json(DeviceAdded {
            agent: agent.into(),
            device,
            state: if waits_until.is_some() { "waiting" } else { "admitted" }.to_owned(),
            expires: waits_until.map(Time),
            admins: admins as u64,
        })),
        other => Err(unexpected(&other)),
    }
}
