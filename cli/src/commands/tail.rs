//! `conclave tail`: follows a room.

use std::collections::BTreeSet;

use clap::Args;
use conclave_node::api::client::Client;
use conclave_node::api::stream::StreamEvent;
use conclave_node::api::types::Message;
use conclave_protocol::id::MessageId;
use conclave_protocol::limits::HISTORY_PAGE_MAX;

use crate::args::Context;
use crate::error::CliError;
use crate::marks::Marks;

/// Follow a room: print messages as they are accepted
///
/// Begins with the first message after the command was started; `conclave history` shows
/// what was there before. Ends with 3 when the node ends.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// The room, by name or id
    room: String,
}

pub(crate) async fn run(context: &Context, args: &TailArgs) -> Result<(), CliError> {
    let mut client = context.client()?;
    let start = client.history(&args.room, HISTORY_PAGE_MAX, None).await?;
    let mut seen = Seen::before(&start.messages, start.more);
    let marks = Marks::ask(context, &client).await;
    loop {
        follow(context, &client, &args.room, (&mut seen, &marks)).await?;
        // The stream has ended without a reason of its own. The node may have been started
        // again and listen elsewhere; if it is gone, this says so.
        client = context.client()?;
    }
}

/// Prints what is new until the stream of events ends.
async fn follow(
    context: &Context,
    client: &Client,
    room: &str,
    (seen, marks): (&mut Seen, &Marks),
) -> Result<(), CliError> {
    let mut events = client.events(Some(room)).await?;
    // What was accepted before the stream began, or was lost by the one before.
    for message in missed(client, room, seen).await? {
        print_new(context, &message, seen, marks)?;
    }
    loop {
        match events.next().await {
            Some(StreamEvent::Message(message)) => print_new(context, &message, seen, marks)?,
            Some(StreamEvent::Ended(problem)) => return Err(problem.into()),
            Some(StreamEvent::Lagged) | None => return Ok(()),
            Some(_) => {}
        }
    }
}

fn print_new(
    context: &Context,
    message: &Message,
    seen: &mut Seen,
    marks: &Marks,
) -> Result<(), CliError> {
    if !seen.is_new(message) {
        return Ok(());
    }
    context.out.show(message, |message| context.out.marked_message(message, marks))
}

/// The messages back to the edge of what is known, oldest first.
async fn missed(client: &Client, room: &str, seen: &Seen) -> Result<Vec<Message>, CliError> {
    let mut pages = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let page = client.history(room, HISTORY_PAGE_MAX, before.as_deref()).await?;
        let Some(oldest) = page.messages.first() else { break };
        let reached = seen.edge.is_some_and(|edge| position(oldest) <= edge);
        before = Some(oldest.id.to_string());
        let more = page.more;
        pages.push(page.messages);
        if reached || !more {
            break;
        }
    }
    let messages = pages.into_iter().rev().flatten();
    Ok(messages.filter(|message| seen.edge.is_none_or(|edge| position(message) > edge)).collect())
}

/// The place of a message in the order that all nodes show.
type Position = (u64, MessageId);

fn position(message: &Message) -> Position {
    (message.height, message.id)
}

/// Most messages remembered one by one.
const SEEN_MAX: usize = 20_000;

/// Which messages were there before, or are printed already.
///
/// A message of a colleague who was offline takes its place among older ones, so the newest
/// are remembered one by one. Of what is older, only an event says that it is new.
#[derive(Default)]
struct Seen {
    newest: BTreeSet<Position>,
    edge: Option<Position>,
}

impl Seen {
    /// What was there before; `more` if that is not the whole history.
    fn before(messages: &[Message], more: bool) -> Self {
        let newest: BTreeSet<_> = messages.iter().map(position).collect();
        let edge = if more { newest.first().copied() } else { None };
        Self { newest, edge }
    }

    /// Whether a message that is visible now was not there before; from then on it is.
    fn is_new(&mut self, message: &Message) -> bool {
        let position = position(message);
        if self.edge.is_some_and(|edge| position <= edge) {
            return true;
        }
        let new = self.newest.insert(position);
        if self.newest.len() > SEEN_MAX {
            self.edge = self.newest.pop_first();
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_node::api::time::Time;
    use conclave_node::api::types::Named;
    use conclave_protocol::id::{AgentId, DeviceId, ObjectId, RoomId};
    use conclave_protocol::time::Timestamp;

    fn message(height: u64, id: u8) -> Message {
        Message {
            id: ObjectId([id; 32]),
            room: Named { id: RoomId([0; 32]), name: "Support".into() },
            author: Named { id: AgentId([0; 32]), name: "alice".into() },
            device: DeviceId([0; 32]),
            height,
            time: Time(Timestamp(0)),
            text: "hello".into(),
            state: "accepted".into(),
            incomplete: false,
            late: false,
            clock: None,
        }
    }

    #[test]
    fn each_message_is_new_once() {
        let mut seen = Seen::before(&[message(5, 5)], false);
        assert!(!seen.is_new(&message(5, 5)), "was there before");
        assert!(seen.is_new(&message(6, 6)));
        assert!(!seen.is_new(&message(6, 6)), "in the stream and in the history");
        assert!(seen.is_new(&message(2, 9)), "late, among older ones");
        assert!(!seen.is_new(&message(2, 9)));
    }

    #[test]
    fn late_messages_beyond_the_edge_are_shown() {
        let mut seen = Seen::before(&[message(50, 1)], true);
        assert!(seen.is_new(&message(7, 8)));
        assert!(seen.is_new(&message(50, 2)));
        assert!(!seen.is_new(&message(50, 2)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut seen = Seen::default();
        for height in 0..SEEN_MAX as u64 + 10 {
            assert!(seen.is_new(&message(height, 1)));
        }
        assert_eq!(seen.newest.len(), SEEN_MAX);
        assert!(seen.edge.is_some());
    }
}
