//! The stream of server-sent events.
//!
//! `message` carries a message that became visible, `message_state` one whose state changed,
//! both in the shape that every other answer has; `control`, `join`, `join_requests` and
//! `presence` say what to read again. The stream ends with `lagged` when its reader was too
//! slow and has lost events, with `error` when the room is no longer open to this agent, and
//! without a word when the node stops.

use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use conclave_protocol::engine::{Event, Failure};
use conclave_protocol::id::RoomId;
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::error::ApiError;
use super::routes::Params;
use super::server::App;
use super::types::{ErrorDocument, Join, Message};

/// How often an idle stream shows that it is alive. The client gives up after three times as
/// long.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which events to stream.
#[derive(Serialize, Deserialize)]
pub(super) struct EventsQuery {
    /// Only the messages of this room, by name or id.
    #[serde(default)]
    room: Option<String>,
}

pub(super) async fn events(
    State(app): State<App>,
    params: Params<EventsQuery>,
) -> Result<Response, ApiError> {
    // Subscribed first, so that nothing falls between the check and the stream.
    let events = app.handle.events();
    let room = match params.0.room {
        Some(selector) => {
            let look = app.handle.query(move |engine| engine.readable_room(&selector));
            Some(look.await??.id)
        }
        None => None,
    };
    let follower = Follower { app, events, room, ended: false };
    let stream = stream::unfold(follower, Follower::next);
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(stream).keep_alive(keep_alive).into_response())
}

struct Follower {
    app: App,
    events: broadcast::Receiver<Event>,
    room: Option<RoomId>,
    ended: bool,
}

impl Follower {
    /// The next event to write, or `None` at the end of the stream.
    async fn next(mut self) -> Option<(Result<SseEvent, axum::Error>, Self)> {
        if self.ended {
            return None;
        }
        loop {
            let received = tokio::select! {
                // Also resolves when the sender is gone: then the node has stopped.
                _ = self.app.closing.wait_for(|closing| *closing) => return None,
                received = self.events.recv() => received,
            };
            let event = match received {
                Ok(event) => self.shown(event).await,
                Err(RecvError::Lagged(lost)) => {
                    tracing::debug!(lost, "a reader of events was too slow");
                    self.ended = true;
                    Some(named("lagged", json!({ "lost": lost })))
                }
                Err(RecvError::Closed) => return None,
            };
            if let Some(event) = event {
                return Some((event, self));
            }
        }
    }

    /// How an event of the node is written to this stream, if at all.
    async fn shown(&mut self, event: Event) -> Option<Result<SseEvent, axum::Error>> {
        if let Some(room) = self.room {
            return match event {
                Event::Message(message) if message.room.id == room => {
                    Some(named("message", Message::from(message)))
                }
                Event::MessageState(message) if message.room.id == room => {
                    Some(named("message_state", Message::from(message)))
                }
                Event::Control => self.check_access(room).await.err().map(|failure| {
                    self.ended = true;
                    named("error", ErrorDocument { error: failure.into() })
                }),
                _ => None,
            };
        }
        Some(match event {
            Event::Message(message) => named("message", Message::from(message)),
            Event::MessageState(message) => named("message_state", Message::from(message)),
            Event::Control => named("control", json!({})),
            Event::Join(join) => named("join", Join::from(join)),
            Event::JoinRequests => named("join_requests", json!({})),
            Event::Presence(room) => named("presence", json!({ "room": room })),
        })
    }

    /// Someone who is removed from a room stops hearing it, open streams included.
    async fn check_access(&self, room: RoomId) -> Result<(), Failure> {
        let look = self.app.handle.query(move |engine| engine.readable_room(&room.to_string()));
        look.await?.map(|_| ())
    }
}

fn named(name: &str, data: impl Serialize) -> Result<SseEvent, axum::Error> {
    SseEvent::default().event(name).json_data(data)
}
