//! The stream of server-sent events.
//!
//! `message` carries a message that became visible, `message_state` one whose state changed,
//! both in the shape that every other answer has; `alarm` carries an alarm that was not there
//! before; `control`, `join`, `join_requests` and `presence` say what to read again. The stream ends with `lagged` when its reader was too
//! slow and has lost events, with `error` when the room is no longer open to this agent, and
//! without a word when the node stops.

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use conclave_protocol::engine::{Engine, Event, Failure};
use conclave_protocol::id::RoomId;
use conclave_protocol::view::AlarmView;
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::error::ApiError;
use super::extract::Params;
use super::server::App;
use super::types::{Alarm, ErrorDocument, Join, Message};

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
    let alarms = app.handle.query(Engine::alarms).await?;
    let follower = Follower { app, events, room, alarms, ready: VecDeque::new(), ended: false };
    let stream = stream::unfold(follower, Follower::next);
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(stream).keep_alive(keep_alive).into_response())
}

struct Follower {
    app: App,
    events: broadcast::Receiver<Event>,
    room: Option<RoomId>,
    /// Alarms that the reader can know of.
    alarms: Vec<AlarmView>,
    /// More to write, before anything else is awaited.
    ready: VecDeque<Written>,
    ended: bool,
}

type Written = Result<SseEvent, axum::Error>;

impl Follower {
    /// The next event to write, or `None` at the end of the stream.
    async fn next(mut self) -> Option<(Written, Self)> {
        if let Some(event) = self.ready.pop_front() {
            return Some((event, self));
        }
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
    async fn shown(&mut self, event: Event) -> Option<Written> {
        if let Some(room) = self.room {
            return match event {
                Event::Message(message) if message.room.id == room => {
                    Some(named("message", Message::from(message)))
                }
                Event::MessageState(message) if message.room.id == room => {
                    Some(named("message_state", Message::from(message)))
                }
                Event::MessageGone { room: of, id } if of == room => {
                    Some(named("message_gone", json!({ "room": of, "id": id })))
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
            Event::MessageGone { room, id } => {
                named("message_gone", json!({ "room": room, "id": id }))
            }
            Event::Control => {
                self.look_for_alarms().await;
                named("control", json!({}))
            }
            Event::Join(join) => named("join", Join::from(join)),
            Event::JoinRequests => named("join_requests", json!({})),
            Event::Instants => named("instants", json!({})),
            Event::Presence(room) => named("presence", json!({ "room": room })),
        })
    }

    /// An alarm can only come with a change of the control log.
    async fn look_for_alarms(&mut self) {
        // A node that is stopping ends the stream by itself.
        let Ok(alarms) = self.app.handle.query(Engine::alarms).await else { return };
        let known = |alarm: &AlarmView| {
            let same = |a: &AlarmView| a.kind == alarm.kind && a.objects == alarm.objects;
            // Only the words tell apart what is about no object; else they may follow a rename.
            let words = |a: &AlarmView| !a.objects.is_empty() || a.message == alarm.message;
            self.alarms.iter().any(|a| same(a) && words(a))
        };
        let new = alarms.iter().filter(|alarm| !known(alarm));
        self.ready.extend(new.map(|alarm| named("alarm", Alarm::from(alarm.clone()))));
        self.alarms = alarms;
    }

    /// Someone who is removed from a room stops hearing it, open streams included.
    async fn check_access(&self, room: RoomId) -> Result<(), Failure> {
        let look = self.app.handle.query(move |engine| engine.readable_room(&room.to_string()));
        look.await?.map(|_| ())
    }
}

fn named(name: &str, data: impl Serialize) -> Written {
    SseEvent::default().event(name).json_data(data)
}
