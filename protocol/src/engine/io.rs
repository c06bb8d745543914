//! The border of the engine: everything that enters and everything that leaves.

use std::collections::{BTreeMap, BTreeSet};

use super::command::{Command, Failure, Outcome};
use super::epochs::SealJob;
use crate::id::{DeviceId, MessageId, ObjectId, RoomId, Topic};
use crate::signed::Checked;
use crate::sync::{Request, Response};
use crate::view::{JoinView, MessageView};

/// Names a command until it is answered; chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandId(pub u64);

/// Names a request of ours until it is answered; chosen by the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Names a request of a peer until we answer it; chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResponseToken(pub u64);

/// Names a gossip message until its verdict is given; chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GossipToken(pub u64);

/// Numbers the batches in the order in which they must become durable, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchId(pub u64);

/// Something that happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// The first connection with a peer stands; its key is proved.
    Connected {
        /// Its device.
        peer: DeviceId,
    },
    /// The last connection with a peer is gone.
    Disconnected {
        /// Its device.
        peer: DeviceId,
    },
    /// A peer has joined or left a gossip topic.
    TopicPeer {
        /// Its device.
        peer: DeviceId,
        /// The topic.
        topic: Topic,
        /// Joined, or left.
        joined: bool,
    },
    /// A gossip message; the engine answers with exactly one [`Effect::Verdict`].
    Gossip {
        /// Who passed it on.
        peer: DeviceId,
        /// For the verdict.
        token: GossipToken,
        /// Where it was published.
        topic: Topic,
        /// What arrived.
        bytes: Vec<u8>,
    },
    /// A request; the engine answers with exactly one [`Effect::Respond`].
    Request {
        /// Who asks.
        peer: DeviceId,
        /// For the answer.
        token: ResponseToken,
        /// What arrived.
        frame: Vec<u8>,
    },
    /// The answer to a request of ours, or `None` if there will be none.
    Response {
        /// Which request.
        request: RequestId,
        /// What arrived.
        frame: Option<Vec<u8>>,
    },
    /// The addresses at which this node can be reached now, complete.
    Listening {
        /// Multiaddrs without the `/p2p` part.
        addresses: Vec<String>,
    },
    /// The user asks for a change.
    Command {
        /// For the answer.
        id: CommandId,
        /// What.
        command: Command,
    },
    /// A batch, and all before it, will survive a crash from now on.
    Persisted {
        /// Which.
        batch: BatchId,
    },
    /// The work of [`Effect::Seal`] is done; see [`SealJob::run`].
    Sealed {
        /// In which room.
        room: RoomId,
        /// Which epoch.
        epoch: MessageId,
        /// The bodies of its `EpochKeys`.
        parts: Vec<Vec<u8>>,
    },
    /// Gossip to a peer was lost: it has to be compared with.
    Behind {
        /// Its device.
        peer: DeviceId,
    },
    /// Another input, whose objects, or some of them, the caller has checked; see
    /// [`Input::objects`].
    Checked {
        /// In the order in which they are in the input.
        objects: Vec<Checked>,
        /// Not another one of this kind.
        input: Box<Input>,
    },
    /// The process is about to end: see [`super::Engine::is_leaving`].
    Stopping,
    /// Time has passed; see [`super::Engine::next_timeout`].
    Tick,
}

impl Input {
    /// The signed objects in it that can be checked before it is handed in, wherever and by
    /// whatever thread. What is not checked before, the engine checks itself.
    #[must_use]
    pub fn objects(&self) -> Vec<Vec<u8>> {
        // The second byte tells the kind of a frame; most hold no objects.
        const PUSH: &[u8] = &[0x82, 4];
        const OBJECTS: &[u8] = &[0x82, 4];
        let blobs = match self {
            Self::Gossip { bytes, .. } => return vec![bytes.clone()],
            Self::Request { frame, .. } if frame.starts_with(PUSH) => {
                match Request::decode(frame) {
                    Ok(Request::Push { objects, .. }) => objects,
                    _ => Vec::new(),
                }
            }
            Self::Response { frame: Some(frame), .. } if frame.starts_with(OBJECTS) => {
                match Response::decode(frame) {
                    Ok(Response::Objects { objects, .. }) => objects,
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        };
        blobs.into_iter().map(|blob| blob.0).collect()
    }
}

/// A table of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Signed control objects by id.
    Control,
    /// Signed envelopes by room, height, id.
    Messages,
    /// What this node knows of a message, by room and id.
    Marks,
    /// Small state of this node by name.
    State,
    /// What can be worked out again from [`Table::Messages`], written down so that a start need
    /// not read them all.
    Index,
    /// Messages that are shown although they wait for their parents, by room and id.
    Waiting,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 6] =
        [Self::Control, Self::Messages, Self::Marks, Self::State, Self::Index, Self::Waiting];

    /// Its name in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Messages => "messages",
            Self::Marks => "marks",
            Self::State => "state",
            Self::Index => "index",
            Self::Waiting => "waiting",
        }
    }
}

/// One write. `None` removes the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where.
    pub table: Table,
    /// The key.
    pub key: Vec<u8>,
    /// The new value.
    pub value: Option<Vec<u8>>,
}

/// Writes that become durable together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub id: BatchId,
    /// In order.
    pub writes: Vec<Write>,
}

/// What the store already holds. Implementations check nothing; the engine verifies hashes.
pub trait Reader: Send + Sync {
    /// The value of a key.
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>>;
    /// Visits every key that begins with `prefix`, in order of the keys.
    fn scan(&self, table: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) {
        self.scan_from(table, prefix, prefix, &mut |key, value| {
            visit(key, value);
            true
        });
    }
    /// As [`Reader::scan`], from key `from` on (which begins with `prefix`), until `visit` says
    /// false.
    fn scan_from(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    );
    /// The keys of rows that were found damaged since this was last asked. They have been set
    /// aside; a write to such a key mends it.
    fn take_damaged(&self) -> Vec<(Table, Vec<u8>)> {
        Vec::new()
    }
}

/// What gossip does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GossipVerdict {
    /// Pass it on.
    Accept,
    /// Drop it; the forwarder should have known better.
    Reject,
    /// Drop it; the forwarder is not to blame.
    Ignore,
}

/// Who may take part in which gossip; replaces the policy before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerPolicy {
    /// Devices that the control log certifies. Others get join frames only.
    pub members: BTreeSet<DeviceId>,
    /// For each topic that this node is in, the devices that may be in it too.
    pub topics: BTreeMap<Topic, BTreeSet<DeviceId>>,
}

/// Something worth telling the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message became visible. With `true` it was just written: it came straight from its
    /// author, or claims to be new. Otherwise history fills in, of which nobody is told.
    Message(MessageView, bool),
    /// The state of a visible message changed.
    MessageState(MessageView),
    /// A message that was shown although something before it was on its way is shown no longer:
    /// it does not hang together with what is here. Should it count one day, that is news.
    MessageGone {
        /// Its room.
        room: RoomId,
        /// Which.
        id: MessageId,
    },
    /// The user has read something, in this window or another.
    Read {
        /// In which room.
        room: RoomId,
        /// Messages of others there that are unread now.
        unread: u64,
    },
    /// Units, agents, rooms or permissions changed.
    Control,
    /// Our own request to join changed.
    Join(JoinView),
    /// A device asks to be let in, or has stopped asking.
    JoinRequests,
    /// The list of instant messages changed.
    Instants,
    /// Who is there changed: in one room, or anywhere.
    Presence {
        /// Which room, if it is only one.
        room: Option<RoomId>,
    },
}

/// Something to be done outside. Effects come in the order in which they must happen; what
/// follows a [`Effect::Persist`] comes out only after its [`Input::Persisted`], the questions of a
/// running pull excepted.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Make these writes durable.
    Persist(Batch),
    /// Answer gossip validation.
    Verdict {
        /// Which message.
        token: GossipToken,
        /// What to do.
        verdict: GossipVerdict,
    },
    /// Publish on a topic.
    Publish {
        /// Where.
        topic: Topic,
        /// The object's id; gossip de-duplicates by it.
        id: ObjectId,
        /// What.
        bytes: Vec<u8>,
    },
    /// Send a request to a connected peer.
    Send {
        /// To whom.
        peer: DeviceId,
        /// For the answer.
        request: RequestId,
        /// What.
        frame: Vec<u8>,
    },
    /// Answer a peer's request.
    Respond {
        /// Which.
        token: ResponseToken,
        /// What.
        frame: Vec<u8>,
    },
    /// Be in exactly these topics, with exactly these peers. A peer that was in a topic and
    /// no longer may must hear nothing more of it.
    Policy(PeerPolicy),
    /// Addresses of a member, to be dialled when there is no connection.
    Addresses {
        /// Whose.
        peer: DeviceId,
        /// Multiaddrs without the `/p2p` part; replaces what was known from this source.
        addresses: Vec<String>,
    },
    /// Addresses of an admin who can answer our request to join.
    Referral {
        /// Whose.
        peer: DeviceId,
        /// Multiaddrs without the `/p2p` part.
        addresses: Vec<String>,
    },
    /// Seal a new key for the devices of a room, which takes a while if they are many; whatever
    /// thread does it hands in what [`SealJob::run`] gives.
    Seal(SealJob),
    /// This home was a copy and has learned what it had signed before: it is no copy any more.
    TailKnown,
    /// Answer a command.
    Answer {
        /// Which.
        id: CommandId,
        /// With what.
        result: Result<Outcome, Failure>,
    },
    /// Tell the user.
    Event(Event),
}
