//! Reading rooms: pages of messages, and marks of what has been read.

use axum::Json;
use axum::extract::State;
use conclave_protocol::engine::{Command, Engine, PageAt};
use conclave_protocol::limits::HISTORY_PAGE_MAX;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::{Answer, Nothing};
use crate::api::error::ApiError;
use crate::api::extract::{Body, Params};
use crate::api::server::{ApiRouter, App};
use crate::api::types::Page;

/// Messages in a page when the caller names no number.
const PAGE_DEFAULT: usize = 50;

pub(super) fn router() -> ApiRouter {
    ApiRouter::new().routes(routes!(read))
}

/// Selects a page of messages: the newest, or those at one other.
#[derive(Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MessagesQuery {
    /// The room, by name or id.
    room: String,
    /// How many at most, from 1 to 1,000; 50 if it is left out.
    #[serde(default)]
    limit: Option<usize>,
    /// Only what stands before this message, by id.
    #[serde(default)]
    before: Option<String>,
    /// Only what stands after this message, by id; the nearest first.
    #[serde(default)]
    after: Option<String>,
    /// This message, by id, and what stands round it.
    #[serde(default)]
    around: Option<String>,
}

/// A page of the messages of a room, oldest first: the newest, or those before, after or around one.
#[utoipa::path(
    get,
    path = "/v1/messages",
    params(MessagesQuery),
    responses((status = 200, description = "Done.", body = Page))
)]
pub(super) async fn messages(
    State(app): State<App>,
    params: Params<MessagesQuery>,
) -> Answer<Page> {
    let MessagesQuery { room, limit, before, after, around } = params.0;
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=HISTORY_PAGE_MAX).contains(&limit) {
        return Err(ApiError::usage(format!("limit is a number from 1 to {HISTORY_PAGE_MAX}")));
    }
    if [&before, &after, &around].into_iter().flatten().count() > 1 {
        return Err(ApiError::usage("name only one of before, after and around"));
    }
    let look = move |engine: &Engine| {
        let at = match (&before, &after, &around) {
            (Some(id), _, _) => PageAt::Before(id),
            (_, Some(id), _) => PageAt::After(id),
            (_, _, Some(id)) => PageAt::Around(id),
            _ => PageAt::Newest,
        };
        engine.page(&room, limit, at)
    };
    let page = app.handle.query(look).await??;
    Ok(Json(page.into()))
}

/// What has been read of a room.
#[derive(Serialize, Deserialize, ToSchema)]
pub(in crate::api) struct ReadMark {
    /// The room, by name or id.
    pub(in crate::api) room: String,
    /// Only what stands at or before this message on the screen; everything if null.
    #[serde(default)]
    pub(in crate::api) up_to: Option<String>,
}

/// What has been read of a room.
#[utoipa::path(
    post,
    path = "/v1/read",
    request_body = ReadMark,
    responses((status = 200, description = "Done.", body = Nothing))
)]
async fn read(State(app): State<App>, body: Body<ReadMark>) -> Answer<Nothing> {
    let ReadMark { room, up_to } = body.0;
    app.handle.command(Command::MarkRead { room, up_to }).await?;
    Ok(Json(Nothing {}))
}
