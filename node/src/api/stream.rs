//! The client's side of the stream of events.

use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::Response;

use super::events::KEEP_ALIVE;
use super::sse::{RawEvent, SseParser};
use super::types::{Alarm, ErrorDocument, Message, Problem};

/// What a stream of events says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// A message became visible.
    Message(Box<Message>),
    /// The state of a visible message changed.
    MessageState(Box<Message>),
    /// Units, agents, rooms, permissions or admins changed.
    Control,
    /// Something needs attention that did not before.
    Alarm(Alarm),
    /// Events were lost: read again, then open a new stream.
    Lagged,
    /// The room is no longer open.
    Ended(Problem),
    /// Another event, by its name.
    Other(String),
}

/// An open stream of events.
pub struct Events {
    bytes: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    parser: SseParser,
    ready: std::vec::IntoIter<RawEvent>,
}

impl Events {
    pub(super) fn new(response: Response) -> Self {
        let bytes = response.bytes_stream().map(|piece| piece.map(|bytes| bytes.to_vec())).boxed();
        Self { bytes, parser: SseParser::default(), ready: Vec::new().into_iter() }
    }

    /// The next event, or `None` once the connection is lost or silent for too long.
    pub async fn next(&mut self) -> Option<StreamEvent> {
        loop {
            if let Some(event) = self.ready.next() {
                return read_event(event);
            }
            let piece = tokio::time::timeout(KEEP_ALIVE * 3, self.bytes.next()).await;
            let bytes = piece.ok()??.ok()?;
            self.ready = self.parser.feed(&bytes).ok()?.into_iter();
        }
    }
}

fn read_event(event: RawEvent) -> Option<StreamEvent> {
    Some(match event.name.as_str() {
        "message" => StreamEvent::Message(serde_json::from_str(&event.data).ok()?),
        "message_state" => StreamEvent::MessageState(serde_json::from_str(&event.data).ok()?),
        "control" => StreamEvent::Control,
        "alarm" => StreamEvent::Alarm(serde_json::from_str(&event.data).ok()?),
        "lagged" => StreamEvent::Lagged,
        "error" => {
            let document: ErrorDocument = serde_json::from_str(&event.data).ok()?;
            StreamEvent::Ended(document.error)
        }
        _ => StreamEvent::Other(event.name),
    })
}
