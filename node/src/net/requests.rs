//! Requests of ours until they are answered, and requests of peers until we answer them.
//!
//! Each request of ours ends exactly once: with an answer, or with the news that there will be
//! none. libp2p may drop a request without a word when a connection is closing, so each has a
//! deadline of its own.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use conclave_protocol::engine::{RequestId, ResponseToken};
use conclave_protocol::limits::REQUEST_MS_MAX;
use libp2p::PeerId;
use libp2p::request_response::{InboundRequestId, OutboundRequestId, ResponseChannel};

/// Most requests of ours that one peer works on at once; the others wait here.
const OPEN_PER_PEER_MAX: usize = 4;
/// Most requests of ours that wait for one peer.
const WAITING_PER_PEER_MAX: usize = 256;
/// Most requests of peers that wait for our answer.
const ASKED_MAX: usize = 256;
/// Most of those by one peer.
const ASKED_PER_PEER_MAX: usize = 16;
/// A little more than libp2p's own timeout, which is the usual way to end.
const DEADLINE: Duration = Duration::from_millis(REQUEST_MS_MAX + 2_000);

struct Waiting {
    request: RequestId,
    frame: Vec<u8>,
    deadline: Instant,
}

struct Open {
    peer: PeerId,
    request: RequestId,
    deadline: Instant,
}

struct Asked {
    peer: PeerId,
    id: InboundRequestId,
    channel: ResponseChannel<Vec<u8>>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Requests {
    waiting: HashMap<PeerId, VecDeque<Waiting>>,
    open: HashMap<OutboundRequestId, Open>,
    asked: BTreeMap<ResponseToken, Asked>,
    last_token: u64,
}

impl Requests {
    /// Takes a request of ours; false if too many wait for the peer.
    pub(super) fn push(
        &mut self,
        peer: PeerId,
        request: RequestId,
        frame: Vec<u8>,
        now: Instant,
    ) -> bool {
        let queue = self.waiting.entry(peer).or_default();
        let room = queue.len() < WAITING_PER_PEER_MAX;
        if room {
            queue.push_back(Waiting { request, frame, deadline: now + DEADLINE });
        }
        room
    }

    /// Sends what may be sent to a peer now.
    pub(super) fn pump(
        &mut self,
        peer: PeerId,
        mut send: impl FnMut(Vec<u8>) -> OutboundRequestId,
    ) {
        let Some(queue) = self.waiting.get_mut(&peer) else { return };
        let busy = self.open.values().filter(|open| open.peer == peer).count();
        for _ in busy..OPEN_PER_PEER_MAX {
            let Some(Waiting { request, frame, deadline }) = queue.pop_front() else { break };
            self.open.insert(send(frame), Open { peer, request, deadline });
        }
        if queue.is_empty() {
            self.waiting.remove(&peer);
        }
    }

    /// A request of ours has ended; `None` if it was given up before.
    pub(super) fn ended(&mut self, id: OutboundRequestId) -> Option<RequestId> {
        self.open.remove(&id).map(|open| open.request)
    }

    /// Gives up everything between us and a peer that is gone. Returns our requests.
    pub(super) fn lost(&mut self, peer: &PeerId) -> Vec<RequestId> {
        self.asked.retain(|_, asked| asked.peer != *peer);
        let waiting = self.waiting.remove(peer).unwrap_or_default();
        let open = self.open.extract_if(|_, open| open.peer == *peer);
        let open = open.map(|(_, open)| open.request).collect::<Vec<_>>();
        open.into_iter().chain(waiting.into_iter().map(|waiting| waiting.request)).collect()
    }

    /// Gives up what has waited too long. Returns our requests, with their peers.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(PeerId, RequestId)> {
        let late = self.open.extract_if(|_, open| open.deadline <= now);
        let mut expired: Vec<_> = late.map(|(_, open)| (open.peer, open.request)).collect();
        for (peer, queue) in &mut self.waiting {
            while queue.front().is_some_and(|waiting| waiting.deadline <= now) {
                expired.extend(queue.pop_front().map(|waiting| (*peer, waiting.request)));
            }
        }
        self.waiting.retain(|_, queue| !queue.is_empty());
        expired
    }

    /// Keeps a peer's request until it is answered. `None` if too many wait; the channel is
    /// dropped then, which tells the peer.
    pub(super) fn asked(
        &mut self,
        peer: PeerId,
        id: InboundRequestId,
        channel: ResponseChannel<Vec<u8>>,
    ) -> Option<ResponseToken> {
        let by_peer = self.asked.values().filter(|asked| asked.peer == peer).count();
        if self.asked.len() >= ASKED_MAX || by_peer >= ASKED_PER_PEER_MAX {
            return None;
        }
        self.last_token += 1;
        let token = ResponseToken(self.last_token);
        self.asked.insert(token, Asked { peer, id, channel });
        Some(token)
    }

    /// The way back to the peer that asked, once.
    pub(super) fn take(&mut self, token: ResponseToken) -> Option<ResponseChannel<Vec<u8>>> {
        self.asked.remove(&token).map(|asked| asked.channel)
    }

    /// A peer no longer waits for our answer.
    pub(super) fn abandoned(&mut self, id: InboundRequestId) {
        self.asked.retain(|_, asked| asked.id != id);
    }
}
