//! Settings, drafts, and who is there.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use conclave_protocol::engine::{Command, Engine};

use super::{Answer, Nothing};
use crate::api::extract::Body;
use crate::api::server::{ApiRouter, App};
use crate::api::types::{Draft, Drafts, Present, Settings, SettingsChange};

pub(super) fn router() -> ApiRouter {
    ApiRouter::new()
        .route("/v1/settings", get(settings).put(change_settings))
        .route("/v1/drafts", get(drafts).put(set_draft))
        .route("/v1/presence", get(present))
}

async fn settings(State(app): State<App>) -> Answer<Settings> {
    Ok(Json(app.handle.query(Engine::settings).await?.into()))
}

async fn change_settings(State(app): State<App>, body: Body<SettingsChange>) -> Answer<Settings> {
    let SettingsChange { presence, notifications } = body.0;
    app.handle.command(Command::ChangeSettings { presence, notifications }).await?;
    settings(State(app)).await
}

async fn drafts(State(app): State<App>) -> Answer<Drafts> {
    let drafts = app.handle.query(Engine::drafts).await?.into_iter();
    Ok(Json(Drafts { drafts: drafts.map(|draft| Draft::kept(draft.room, draft.text)).collect() }))
}

async fn set_draft(State(app): State<App>, body: Body<Draft>) -> Answer<Nothing> {
    let Draft { room, text } = body.0;
    app.handle.command(Command::SetDraft { room, text }).await?;
    Ok(Json(Nothing {}))
}

async fn present(State(app): State<App>) -> Answer<Present> {
    let agents = app.handle.query(Engine::present_agents).await?;
    Ok(Json(Present { agents: agents.into_iter().collect() }))
}
