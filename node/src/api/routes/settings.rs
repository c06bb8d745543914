//! Settings, drafts, and who is there.

use axum::Json;
use axum::extract::State;
use conclave_protocol::engine::{Command, Engine};
use utoipa_axum::routes;

use super::{Answer, Nothing};
use crate::api::extract::Body;
use crate::api::server::{ApiRouter, App};
use crate::api::types::{Draft, Drafts, Present, Settings, SettingsChange};

pub(super) fn router() -> ApiRouter {
    ApiRouter::new()
        .routes(routes!(settings, change_settings))
        .routes(routes!(drafts, set_draft))
        .routes(routes!(present))
}

/// What the user of this node has chosen.
#[utoipa::path(
    get,
    path = "/v1/settings",
    responses((status = 200, description = "Done.", body = Settings))
)]
async fn settings(State(app): State<App>) -> Answer<Settings> {
    Ok(Json(app.handle.query(Engine::settings).await?.into()))
}

/// Changes settings; what is left out stays.
#[utoipa::path(
    put,
    path = "/v1/settings",
    request_body = SettingsChange,
    responses((status = 200, description = "Done.", body = Settings))
)]
async fn change_settings(State(app): State<App>, body: Body<SettingsChange>) -> Answer<Settings> {
    let SettingsChange { presence, notifications } = body.0;
    app.handle.command(Command::ChangeSettings { presence, notifications }).await?;
    settings(State(app)).await
}

/// Texts that are not sent yet.
#[utoipa::path(
    get,
    path = "/v1/drafts",
    responses((status = 200, description = "Done.", body = Drafts))
)]
async fn drafts(State(app): State<App>) -> Answer<Drafts> {
    let drafts = app.handle.query(Engine::drafts).await?.into_iter();
    Ok(Json(Drafts { drafts: drafts.map(|draft| Draft::kept(draft.room, draft.text)).collect() }))
}

/// Keeps a text that is not sent yet; an empty one ends the draft.
#[utoipa::path(
    put,
    path = "/v1/drafts",
    request_body = Draft,
    responses((status = 200, description = "Done.", body = Nothing))
)]
async fn set_draft(State(app): State<App>, body: Body<Draft>) -> Answer<Nothing> {
    let Draft { room, text } = body.0;
    app.handle.command(Command::SetDraft { room, text }).await?;
    Ok(Json(Nothing {}))
}

/// Who is there now.
#[utoipa::path(
    get,
    path = "/v1/presence",
    responses((status = 200, description = "Done.", body = Present))
)]
async fn present(State(app): State<App>) -> Answer<Present> {
    let agents = app.handle.query(Engine::present_agents).await?;
    Ok(Json(Present { agents: agents.into_iter().collect() }))
}
