//! The stream of server-sent events.
//!
//! It begins with `hello`. `message` carries a message that became visible, `message_state` one
//! whose state changed, both in the shape that every other answer has, `message_gone` names one
//! that is shown no longer; `alarm` carries an alarm that was not there before; `read` says how
//! much of a room is unread; `control`, `join`, `join_requests` and `presence` say what to read
//! again. Each has an id with which a later stream goes on behind it; if that cannot be done
//! exactly, the stream says `reset`. It ends with `lagged` when its reader was too slow and has
//! lost events, with `error` when the room is no longer open to this agent, and without a word
//! when the node stops or the reader's session is ended.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use conclave_protocol::engine::Failure;
use conclave_protocol::id::RoomId;
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;
use utoipa::IntoParams;

use super::auth::Caller;
use super::error::ApiError;
use super::extract::Params;
use super::journal::{Entry, Next};
use super::server::App;
use super::streams::Place;
use super::types::ErrorDocument;

/// How often an idle stream shows that it is alive. The client gives up after three times as
/// long.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What a browser sends when it opens a stream again.
const LAST_EVENT_ID: &str = "last-event-id";

/// Which events to stream.
#[derive(Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Only the messages of this room, by name or id.
    #[serde(default)]
    room: Option<String>,
    /// The id of the last event that is known; the header `Last-Event-ID` goes before it.
    #[serde(default)]
    after: Option<String>,
}

/// The stream of server-sent events.
///
/// Begins with `hello`; then what happens, each event with an id to go on from.
#[utoipa::path(
    get,
    path = "/v1/events",
    params(
        EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "Goes before `after`."),
    ),
    responses((
        status = 200,
        description = "Events, until the node stops or the reader is too slow.",
        content_type = "text/event-stream",
        body = String,
    ))
)]
pub(super) async fn events(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    params: Params<EventsQuery>,
) -> Result<Response, ApiError> {
    // Before the caller is looked at again, so that no end is missed.
    let sessions = app.sessions.ended();
    let place = app.streams.open(caller).ok_or_else(too_many)?;
    let header = headers.get(LAST_EVENT_ID).map(HeaderValue::to_str);
    let known = match header {
        Some(id) => Some(id.unwrap_or_default().to_owned()),
        None => params.0.after,
    };
    // Decided first, so that nothing falls between the check and the stream.
    let resumed = known.as_deref().map(|id| app.journal.number_in(id));
    let number = resumed.flatten().unwrap_or_else(|| app.journal.last());
    let room = match params.0.room {
        Some(selector) => {
            let look = app.handle.query(move |engine| engine.readable_room(&selector));
            Some(look.await??.id)
        }
        None => None,
    };
    let mut follower = Follower {
        app,
        number,
        room,
        readable: BTreeMap::new(),
        readable_since: 0,
        ready: VecDeque::new(),
        ended: false,
        caller,
        sessions,
        _place: place,
    };
    let hello = json!({ "boot": follower.app.journal.boot() });
    follower.say("hello", &hello);
    if resumed == Some(None) {
        follower.say("reset", &json!({}));
    }
    let stream = stream::unfold(follower, Follower::next);
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(stream).keep_alive(keep_alive).into_response())
}

struct Follower {
    app: App,
    /// Of the last entry of the journal that was looked at.
    number: u64,
    room: Option<RoomId>,
    /// Which rooms may be read, as found out after the change of this number.
    readable: BTreeMap<RoomId, bool>,
    readable_since: u64,
    /// More to write, before anything else is looked at.
    ready: VecDeque<SseEvent>,
    ended: bool,
    caller: Caller,
    /// Changes when sessions are ended.
    sessions: watch::Receiver<()>,
    _place: Place,
}

type Written = Result<SseEvent, axum::Error>;

impl Follower {
    /// The next event to write, or `None` at the end of the stream.
    async fn next(mut self) -> Option<(Written, Self)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some((Ok(event), self));
            }
            if self.ended || *self.app.closing.borrow() || !self.is_let_in() {
                return None;
            }
            match self.app.journal.after(self.number) {
                Next::Entry(number, entry) => {
                    self.number = number;
                    self.look_at(&entry).await;
                }
                Next::Nothing => {
                    tokio::select! {
                        // Also resolves when the sender is gone: then the node has stopped.
                        _ = self.app.closing.wait_for(|closing| *closing) => return None,
                        () = self.app.journal.wait_after(self.number) => {}
                        // The sender is in reach of this stream.
                        _ = self.sessions.changed() => {}
                    }
                }
                Next::Lost(lost) => {
                    tracing::debug!(lost, "a reader of events was too slow");
                    self.ended = true;
                    self.say("lagged", &json!({ "lost": lost }));
                }
            }
        }
    }

    /// Whether the browser that reads was not signed out since.
    fn is_let_in(&self) -> bool {
        match &self.caller {
            Caller::Token => true,
            Caller::Session(session) => self.app.sessions.is_open(session),
        }
    }

    /// Writes an entry of the journal to this stream, if it belongs there.
    async fn look_at(&mut self, entry: &Entry) {
        if let Some(room) = self.room {
            if entry.is_control()
                && let Err(failure) = self.check_access(room).await
            {
                self.ended = true;
                return self.say("error", &ErrorDocument::from(failure));
            }
            if entry.room != Some(room) || !entry.is_of_messages() {
                return;
            }
        }
        // What was kept for a reader who comes again is for those who may read it now.
        if let Some(room) = entry.room
            && !self.may_read(room).await
        {
            return;
        }
        self.write(entry.name, entry.data.clone());
    }

    /// Whether this agent may read a room now.
    async fn may_read(&mut self, room: RoomId) -> bool {
        let changed = self.app.journal.last_control();
        if self.readable_since != changed {
            self.readable_since = changed;
            self.readable.clear();
        }
        if let Some(known) = self.readable.get(&room) {
            return *known;
        }
        let may = self.check_access(room).await.is_ok();
        self.readable.insert(room, may);
        may
    }

    /// Someone who is removed from a room stops hearing it, open streams included.
    async fn check_access(&self, room: RoomId) -> Result<(), Failure> {
        let look = self.app.handle.query(move |engine| engine.readable_room(&room.to_string()));
        look.await?.map(|_| ())
    }

    fn say(&mut self, name: &'static str, data: &impl Serialize) {
        self.write(name, Entry::new(name, None, data).data);
    }

    fn write(&mut self, name: &str, data: String) {
        let id = self.app.journal.id(self.number);
        self.ready.push_back(SseEvent::default().event(name).id(id).data(data));
    }
}

fn too_many() -> ApiError {
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "failed",
        "this caller has too many streams of events open",
        "close some; one stream tells of everything",
    )
}
