//! What happened since the node started, numbered, the newest of it kept: a stream of events
//! that begins again goes on where it broke off.
//!
//! Streams read from here at their own pace, so a slow reader costs no memory of its own. One
//! that is further behind than what is kept is told so.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_protocol::engine::{Engine, Event};
use conclave_protocol::id::RoomId;
use conclave_protocol::view::AlarmView;
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::types::{Alarm, Join, Message, NewMessage};
use crate::handle::Handle;

/// Most entries kept.
pub(super) const ENTRIES_MAX: usize = 4096;
/// Most bytes of data kept, whatever the number of entries.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// The event that says that the control log has changed, and with it perhaps who may read what.
const CONTROL: &str = "control";

/// Something that happened, as it is written to a stream.
#[derive(Debug)]
pub(super) struct Entry {
    /// The event's name.
    pub(super) name: &'static str,
    /// The room that it tells something of; it is for those only who may read that room.
    pub(super) room: Option<RoomId>,
    /// JSON.
    pub(super) data: String,
}

impl Entry {
    /// An event of this name; what it says of a room is for its readers only.
    pub(super) fn new(name: &'static str, room: Option<RoomId>, data: &impl Serialize) -> Self {
        // Our own types always have JSON.
        Self { name, room, data: serde_json::to_string(data).unwrap_or_default() }
    }

    /// Whether it says that the control log has changed.
    pub(super) fn is_control(&self) -> bool {
        self.name == CONTROL
    }

    /// Whether it is about the messages of a room.
    pub(super) fn is_of_messages(&self) -> bool {
        matches!(self.name, "message" | "message_state" | "message_gone")
    }
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        match event {
            Event::Message(message, live) => {
                let room = Some(message.room.id);
                Self::new("message", room, &NewMessage { message: message.into(), live })
            }
            Event::MessageState(message) => {
                let room = Some(message.room.id);
                Self::new("message_state", room, &Message::from(message))
            }
            Event::MessageGone { room, id } => {
                Self::new("message_gone", Some(room), &json!({ "room": room, "id": id }))
            }
            Event::Read { room, unread } => {
                Self::new("read", Some(room), &json!({ "room": room, "unread": unread }))
            }
            Event::Control => Self::new(CONTROL, None, &json!({})),
            Event::Join(join) => Self::new("join", None, &Join::from(join)),
            Event::Instants => Self::new("instants", None, &json!({})),
            Event::JoinRequests => Self::new("join_requests", None, &json!({})),
            Event::Presence { room } => Self::new("presence", room, &json!({ "room": room })),
        }
    }
}

/// What comes after a place in the journal.
pub(super) enum Next {
    /// This, with its number.
    Entry(u64, Arc<Entry>),
    /// Nothing yet.
    Nothing,
    /// So many entries that are kept no longer.
    Lost(u64),
}

/// The journal of one run of a node.
pub(super) struct Journal {
    /// Tells this run from others.
    boot: String,
    kept: Mutex<Kept>,
    last: watch::Sender<u64>,
}

struct Kept {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// The number of the last entry; the first has 1.
    last: u64,
    /// The number of the last change of the control log.
    control: u64,
}

impl Kept {
    /// The number before that of the oldest entry.
    fn before_first(&self) -> u64 {
        self.last - u64::try_from(self.entries.len()).unwrap_or(u64::MAX)
    }
}

impl Journal {
    /// An empty one. Without random numbers its runs cannot be told apart, so nothing is resumed.
    pub(super) fn new() -> Self {
        let mut boot = [0; 8];
        let known = getrandom::fill(&mut boot).is_ok();
        let boot = if known { HEXLOWER.encode(&boot) } else { String::new() };
        let kept = Kept { entries: VecDeque::new(), bytes: 0, last: 0, control: 0 };
        Self { boot, kept: Mutex::new(kept), last: watch::Sender::new(0) }
    }

    /// What tells this run of the node from others.
    pub(super) fn boot(&self) -> &str {
        &self.boot
    }

    /// Adds something that happened; all streams hear of it.
    pub(super) fn add(&self, entry: Entry) {
        let mut kept = self.lock();
        kept.last += 1;
        if entry.is_control() {
            kept.control = kept.last;
        }
        kept.bytes += entry.data.len();
        kept.entries.push_back(Arc::new(entry));
        while kept.entries.len() > ENTRIES_MAX || kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.entries.pop_front() else { break };
            kept.bytes -= oldest.data.len();
        }
        self.last.send_replace(kept.last);
    }

    /// Something is missing here: whoever is behind cannot go on.
    fn add_gap(&self) {
        let mut kept = self.lock();
        kept.last += 1;
        kept.control = kept.last;
        kept.entries.clear();
        kept.bytes = 0;
        self.last.send_replace(kept.last);
    }

    /// The number of the last entry, to begin after it.
    pub(super) fn last(&self) -> u64 {
        self.lock().last
    }

    /// The number of the last change of the control log: what was found out about access before
    /// it may hold no longer.
    pub(super) fn last_control(&self) -> u64 {
        self.lock().control
    }

    /// What comes after the entry of this number.
    pub(super) fn after(&self, number: u64) -> Next {
        let kept = self.lock();
        let before_first = kept.before_first();
        if number < before_first {
            return Next::Lost(before_first - number);
        }
        let place = usize::try_from(number - before_first).unwrap_or(usize::MAX);
        kept.entries
            .get(place)
            .map_or(Next::Nothing, |entry| Next::Entry(number + 1, Arc::clone(entry)))
    }

    /// Resolves once there is something after the entry of this number.
    pub(super) async fn wait_after(&self, number: u64) {
        // The sender is ours: it cannot be gone.
        let _ = self.last.subscribe().wait_for(|last| *last > number).await;
    }

    /// The id of the event of this number.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.boot)
    }

    /// The number in an id, if everything after it is still here.
    pub(super) fn number_in(&self, id: &str) -> Option<u64> {
        let (boot, number) = id.rsplit_once('-')?;
        let number: u64 = number.parse().ok()?;
        let kept = self.lock();
        let here = boot == self.boot && !boot.is_empty();
        (here && (kept.before_first()..=kept.last).contains(&number)).then_some(number)
    }

    /// Writes down what the node does. Never resolves while the node runs.
    pub(super) async fn follow(&self, handle: &Handle, mut events: Receiver<Event>) {
        let mut alarms = handle.query(Engine::alarms).await.unwrap_or_default();
        loop {
            match events.recv().await {
                Ok(event) => {
                    let entry = Entry::from(event);
                    let control = entry.is_control();
                    self.add(entry);
                    // An alarm can only come with a change of the control log.
                    if control && let Ok(now) = handle.query(Engine::alarms).await {
                        for new in now.iter().filter(|alarm| !is_known(&alarms, alarm)) {
                            self.add(Entry::new("alarm", None, &Alarm::from(new.clone())));
                        }
                        alarms = now;
                    }
                }
                Err(RecvError::Lagged(lost)) => {
                    tracing::warn!(lost, "the journal of events was too slow");
                    self.add_gap();
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_known(alarms: &[AlarmView], alarm: &AlarmView) -> bool {
    let same = |a: &AlarmView| a.kind == alarm.kind && a.objects == alarm.objects;
    // Only the words tell apart what is about no object; else they may follow a rename.
    let words = |a: &AlarmView| !a.objects.is_empty() || a.message == alarm.message;
    alarms.iter().any(|a| same(a) && words(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: usize) -> Entry {
        Entry::new("join_requests", None, &number)
    }

    fn data(next: Next) -> Option<String> {
        match next {
            Next::Entry(_, entry) => Some(entry.data.clone()),
            Next::Nothing | Next::Lost(_) => None,
        }
    }

    #[test]
    fn whoever_knows_an_id_goes_on_behind_it() {
        let journal = Journal::new();
        assert_eq!(journal.number_in(&journal.id(0)), Some(0), "from the beginning");
        for number in 1..=10 {
            journal.add(entry(number));
        }
        let place = journal.number_in(&journal.id(7)).expect("it is kept");
        assert_eq!(data(journal.after(place)).as_deref(), Some("8"));
        let last = journal.number_in(&journal.id(10)).expect("it is the last");
        assert!(matches!(journal.after(last), Next::Nothing));
        let other = Journal::new();
        for id in [&journal.id(11), "", "-", "7", "x-7", "-7", &other.id(7), &journal.id(7)[1..]] {
            assert_eq!(journal.number_in(id), None, "{id}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let journal = Journal::new();
        for number in 1..=ENTRIES_MAX + 5 {
            journal.add(entry(number));
        }
        assert!(matches!(journal.after(2), Next::Lost(3)));
        assert_eq!(journal.number_in(&journal.id(4)), None);
        assert_eq!(data(journal.after(5)).as_deref(), Some("6"));
        let large = "x".repeat(BYTES_MAX / 2);
        for _ in 0..3 {
            journal.add(Entry::new("join_requests", None, &large));
        }
        let kept = journal.lock();
        assert!(kept.entries.len() == 1 && kept.bytes <= BYTES_MAX);
    }

    #[test]
    fn nobody_goes_on_over_a_gap() {
        let journal = Journal::new();
        journal.add(entry(1));
        let (last, control) = (journal.last(), journal.last_control());
        journal.add_gap();
        assert!(matches!(journal.after(last), Next::Lost(1)));
        assert_eq!(journal.number_in(&journal.id(last)), None);
        assert!(journal.last_control() > control, "access is looked up again");
        journal.add(entry(2));
        assert_eq!(data(journal.after(journal.last() - 1)).as_deref(), Some("2"));
    }
}
