//! A whole room as text, page by page, so that its length costs no memory.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use conclave_protocol::engine::{Engine, PageAt};
use conclave_protocol::view::MessageView;
use futures::stream;
use jiff::tz::TimeZone;
use utoipa_axum::routes;

use super::RoomQuery;
use crate::api::error::ApiError;
use crate::api::escape;
use crate::api::extract::Params;
use crate::api::server::{ApiRouter, App};
use crate::api::time::Time;

/// Messages that are read at once: of the largest some megabytes.
const PAGE: usize = 200;
/// How far the lines of a message after the first are moved in.
const INDENT: usize = 4;

pub(super) fn router() -> ApiRouter {
    ApiRouter::new().routes(routes!(transcript))
}

/// The whole room as text, a message a line; what is after the first line break is indented.
#[utoipa::path(
    get,
    path = "/v1/room/transcript",
    params(RoomQuery),
    responses((status = 200, description = "Done.", body = String, content_type = "text/plain"))
)]
async fn transcript(
    State(app): State<App>,
    params: Params<RoomQuery>,
) -> Result<Response, ApiError> {
    let look = app.handle.query(move |engine| engine.readable_room(&params.0.room));
    let room = look.await??.id.to_string();
    let writer = Writer { app, room, after: None, zone: TimeZone::system(), ended: false };
    let body = Body::from_stream(stream::unfold(writer, Writer::next));
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

struct Writer {
    app: App,
    room: String,
    /// The last message that was written.
    after: Option<String>,
    zone: TimeZone,
    ended: bool,
}

impl Writer {
    /// The next part of the text. If the room is open no longer, or the node stops, the answer
    /// breaks off, so that nobody takes a part for the whole.
    async fn next(mut self) -> Option<(io::Result<String>, Self)> {
        if self.ended {
            return None;
        }
        let (room, after) = (self.room.clone(), self.after.take());
        let look = self.app.handle.query(move |engine: &Engine| {
            engine.page(&room, PAGE, after.as_deref().map_or(PageAt::Oldest, PageAt::After))
        });
        let closing = *self.app.closing.borrow();
        let page = match look.await {
            Ok(Ok(page)) if !closing => page,
            Ok(Err(failure)) | Err(failure) => {
                self.ended = true;
                return Some((Err(io::Error::other(failure)), self));
            }
            Ok(Ok(_)) => {
                self.ended = true;
                return Some((Err(io::Error::other("the node is stopping")), self));
            }
        };
        self.after = page.messages.last().map(|message| message.id.to_string());
        self.ended = !page.newer || self.after.is_none();
        let text = page.messages.iter().map(|message| line(message, &self.zone)).collect();
        Some((Ok(text), self))
    }
}

/// A message as text, in the time zone of this computer.
fn line(message: &MessageView, zone: &TimeZone) -> String {
    let moment = Time(message.time).moment().to_zoned(zone.clone());
    let time = moment.strftime("%Y-%m-%d %H:%M:%S");
    let (author, text) = (escape::line(&message.author.name), escape::block(&message.text, INDENT));
    format!("{time} {author}: {text}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_protocol::id::{AgentId, DeviceId, ObjectId, RoomId};
    use conclave_protocol::time::Timestamp;
    use conclave_protocol::view::{AgentRef, MessageState, RoomRef};

    #[test]
    fn no_text_passes_for_another_message() {
        let message = MessageView {
            id: ObjectId([1; 32]),
            room: RoomRef { id: RoomId([2; 32]), name: "Hall".into() },
            author: AgentRef { id: AgentId([3; 32]), name: "bob\u{202e}\n".into() },
            device: DeviceId([4; 32]),
            height: 1,
            time: Timestamp(1_795_442_531_000),
            text: "one\n2026-11-23 14:02:11 alice: I quit\u{1b}[2J".into(),
            state: MessageState::Accepted,
            incomplete: false,
            late: false,
            clock: None,
        };
        assert_eq!(
            line(&message, &TimeZone::UTC),
            "2026-11-23 14:02:11 bob\\u{202e}\\u{a}: one\n    2026-11-23 14:02:11 alice: I \
             quit\\u{1b}[2J\n"
        );
    }
}
