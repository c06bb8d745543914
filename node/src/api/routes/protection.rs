//! The passphrase of this home.

use axum::Json;
use axum::extract::State;
use utoipa_axum::routes;

use super::Answer;
use crate::api::error::ApiError;
use crate::api::extract::Body;
use crate::api::secret::Purpose;
use crate::api::server::{ApiRouter, App};
use crate::api::types::{PassphraseRemoval, Protection, SetPassphrase};
use crate::identity::Passphrase;

pub(super) fn router() -> ApiRouter {
    ApiRouter::new().routes(routes!(set_passphrase)).routes(routes!(remove_passphrase))
}

/// Protect the keys of this home with a passphrase, or with another one.
#[utoipa::path(
    post,
    path = "/v1/passphrase/set",
    request_body = SetPassphrase,
    responses((status = 200, description = "Done.", body = Protection))
)]
async fn set_passphrase(State(app): State<App>, body: Body<SetPassphrase>) -> Answer<Protection> {
    let SetPassphrase { current, new } = body.0;
    let current = current.map(|text| open(&app, Purpose::CurrentPassphrase, &text)).transpose()?;
    let new = open(&app, Purpose::NewPassphrase, &new)?;
    change(&app, current, Some(new)).await
}

/// Let the keys of this home open without a passphrase.
#[utoipa::path(
    post,
    path = "/v1/passphrase/remove",
    request_body = PassphraseRemoval,
    responses((status = 200, description = "Done.", body = Protection))
)]
async fn remove_passphrase(
    State(app): State<App>,
    body: Body<PassphraseRemoval>,
) -> Answer<Protection> {
    let current = body.0.current;
    let current = current.map(|text| open(&app, Purpose::CurrentPassphrase, &text)).transpose()?;
    change(&app, current, None).await
}

async fn change(
    app: &App,
    current: Option<Passphrase>,
    new: Option<Passphrase>,
) -> Answer<Protection> {
    let protected = new.is_some();
    app.handle.change_passphrase(current, new).await?;
    Ok(Json(Protection { protected }))
}

fn open(app: &App, purpose: Purpose, sealed: &str) -> Result<Passphrase, ApiError> {
    let opened = app.seal.open_passphrase(purpose, sealed);
    opened.ok_or_else(|| ApiError::usage("a passphrase is not sealed for this node"))
}
