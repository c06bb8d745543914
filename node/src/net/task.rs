//! The task that owns the swarm.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use conclave_protocol::engine::{GossipToken, GossipVerdict, Input};
use conclave_protocol::signed::SIGNED_BYTES_MAX;
use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::gossipsub::{self, MessageId};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, mdns, ping, request_response};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::behaviour::{NodeBehaviour, NodeBehaviourEvent, TICK};
use super::dial::{Dialler, Target};
use super::gate::GateEvent;
use super::names::{device_id_of_peer, is_dialable, split_peer, topic_of_hash};
use super::requests::Requests;
use super::{NetCommand, NetError, failed};
use crate::handle::NetInfo;

/// Most gossip messages that wait for their verdict. Older ones have expired in gossipsub.
const VERDICTS_MAX: usize = 10_000;

/// Commands that are carried out before the swarm is polled again.
const COMMANDS_AT_ONCE: usize = 32;

type RequestEvent = request_response::Event<Vec<u8>, Vec<u8>>;

/// See the module.
pub(super) struct Task {
    pub(super) swarm: Swarm<NodeBehaviour>,
    me: PeerId,
    inputs: mpsc::Sender<Input>,
    commands: mpsc::Receiver<NetCommand>,
    info: Arc<RwLock<NetInfo>>,
    /// Inputs for which the channel had no room yet. While there are any, the swarm rests.
    pub(super) pending: VecDeque<Input>,
    pub(super) dialler: Dialler,
    pub(super) dials: HashMap<ConnectionId, Target>,
    pub(super) requests: Requests,
    pub(super) verdicts: BTreeMap<GossipToken, (MessageId, PeerId)>,
    last_token: u64,
    listen: BTreeSet<Multiaddr>,
}

impl Task {
    /// A task that does nothing yet.
    pub(super) fn new(
        swarm: Swarm<NodeBehaviour>,
        peers: &[Multiaddr],
        inputs: mpsc::Sender<Input>,
        commands: mpsc::Receiver<NetCommand>,
        info: Arc<RwLock<NetInfo>>,
    ) -> Self {
        let me = *swarm.local_peer_id();
        let task = Self {
            swarm,
            me,
            inputs,
            commands,
            info,
            pending: VecDeque::new(),
            dialler: Dialler::new(me, peers, Instant::now()),
            dials: HashMap::new(),
            requests: Requests::default(),
            verdicts: BTreeMap::new(),
            last_token: 0,
            listen: BTreeSet::new(),
        };
        task.with_info(|info| info.peer_id = me.to_string());
        task
    }

    /// Waits until every listener has an address.
    pub(super) async fn bind(
        &mut self,
        mut unbound: Vec<(ListenerId, Multiaddr)>,
    ) -> Result<(), NetError> {
        while !unbound.is_empty() {
            let event = self.swarm.select_next_some().await;
            match event {
                SwarmEvent::NewListenAddr { listener_id, .. } => {
                    unbound.retain(|(waiting, _)| *waiting != listener_id);
                    self.on_swarm_event(event);
                }
                SwarmEvent::ListenerClosed { listener_id, reason: Err(source), .. } => {
                    let address = unbound.iter().find(|(waiting, _)| *waiting == listener_id);
                    if let Some((_, address)) = address {
                        return Err(failed(address, source));
                    }
                }
                event => self.on_swarm_event(event),
            }
        }
        // A listener on all interfaces reports one after the other; take what is known by now.
        while let Some(Some(event)) = futures::FutureExt::now_or_never(self.swarm.next()) {
            self.on_swarm_event(event);
        }
        Ok(())
    }

    /// Runs until it is told to stop or nobody listens any more.
    pub(super) async fn run(mut self) {
        // A permit borrows its sender.
        let inputs = self.inputs.clone();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                permit = inputs.reserve(), if !self.pending.is_empty() => {
                    let Ok(permit) = permit else { return };
                    if let Some(input) = self.pending.pop_front() {
                        permit.send(input);
                    }
                }
                event = self.swarm.select_next_some(), if self.pending.is_empty() => {
                    self.on_swarm_event(event);
                    self.hand_over();
                }
                command = self.commands.recv() => {
                    if !self.on_commands(command) {
                        return;
                    }
                }
                () = inputs.closed() => return,
                _ = tick.tick() => self.on_tick(),
            }
        }
    }

    /// Hands over what happened, as far as there is room; the rest waits for its turn.
    fn hand_over(&mut self) {
        while let Some(input) = self.pending.pop_front() {
            if let Err(error) = self.inputs.try_send(input) {
                self.pending.push_front(error.into_inner());
                return;
            }
        }
    }

    /// Carries out a command and some that wait behind it; false if the task is to end.
    fn on_commands(&mut self, first: Option<NetCommand>) -> bool {
        let mut next = first;
        for left in (0..COMMANDS_AT_ONCE).rev() {
            match next {
                None | Some(NetCommand::Stop) => return false,
                Some(command) => self.on_command(command),
            }
            // The end of the channel shows when it is waited for.
            next = if left > 0 { self.commands.try_recv().ok() } else { None };
            if next.is_none() {
                break;
            }
        }
        true
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        if self.pending.is_empty() {
            self.swarm.behaviour_mut().gate.sweep(now);
        }
        for (peer, request) in self.requests.expire(now) {
            self.no_answer(request);
            self.pump(peer);
        }
        self.dial();
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<NodeBehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::Behaviour(NodeBehaviourEvent::Gate(event)) => self.on_gate(event, now),
            SwarmEvent::Behaviour(NodeBehaviourEvent::Requests(event)) => {
                self.on_request(event, now);
            }
            SwarmEvent::Behaviour(NodeBehaviourEvent::Ping(event)) => self.on_ping(&event),
            SwarmEvent::Behaviour(NodeBehaviourEvent::Mdns(event)) => self.on_mdns(event, now),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                if let Some(target) = self.dials.remove(&connection_id) {
                    self.dialler.reached(&target, peer_id);
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id, connection_id, error } => {
                self.on_dial_error(connection_id, peer_id, &error, now);
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "an incoming connection failed");
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                self.listen.insert(address);
                self.report_listening();
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.listen.remove(&address);
                self.report_listening();
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::warn!(?addresses, ?reason, "no longer listening");
                self.listen.retain(|address| !addresses.contains(address));
                self.report_listening();
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::debug!(%error, "a listener has trouble");
            }
            _ => {}
        }
    }

    fn on_dial_error(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        error: &DialError,
        now: Instant,
    ) {
        let Some(target) = self.dials.remove(&connection) else { return };
        tracing::debug!(?target, %error, "a dial failed");
        match error {
            DialError::LocalPeerId { .. } => self.dialler.reached_self(&target),
            DialError::Denied { .. } => self.dialler.failed(&target, peer, now),
            _ => self.dialler.failed(&target, None, now),
        }
    }

    fn on_gate(&mut self, event: GateEvent, now: Instant) {
        match event {
            GateEvent::Connected { peer, address, outbound } => {
                self.dialler.connected(peer, outbound, now);
                if let Some(device) = device_id_of_peer(&peer) {
                    let known = (peer.to_string(), split_peer(address).0.to_string());
                    self.with_info(|info| info.peers.insert(device, known));
                    self.pending.push_back(Input::Connected { peer: device });
                }
            }
            GateEvent::Disconnected { peer } => {
                self.dialler.disconnected(peer, now);
                if let Some(device) = device_id_of_peer(&peer) {
                    self.with_info(|info| info.peers.remove(&device));
                    self.pending.push_back(Input::Disconnected { peer: device });
                }
                for request in self.requests.lost(&peer) {
                    self.no_answer(request);
                }
                self.dial();
            }
            GateEvent::Gossip(event) => self.on_gossip(event),
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                let peer = device_id_of_peer(&propagation_source);
                let (Some(peer), Some(topic)) = (peer, topic_of_hash(&message.topic)) else {
                    return;
                };
                self.last_token += 1;
                let token = GossipToken(self.last_token);
                self.verdicts.insert(token, (message_id, propagation_source));
                // What no object can be is not worth the memory of the queue.
                if message.data.len() > SIGNED_BYTES_MAX {
                    return self.verdict(token, GossipVerdict::Reject);
                }
                if self.verdicts.len() > VERDICTS_MAX {
                    self.verdicts.pop_first();
                }
                let bytes = message.data;
                self.pending.push_back(Input::Gossip { peer, token, topic, bytes });
            }
            gossipsub::Event::Subscribed { peer_id, topic } => {
                self.topic_peer(&peer_id, &topic, true);
            }
            gossipsub::Event::Unsubscribed { peer_id, topic } => {
                self.topic_peer(&peer_id, &topic, false);
            }
            gossipsub::Event::SlowPeer { peer_id, failed_messages } => {
                tracing::debug!(peer = %peer_id, ?failed_messages, "gossip to a slow peer is lost");
                self.fell_behind(&peer_id);
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                // The other side does not know yet that we are a member; when it does, it
                // ends this connection and the next one has gossip.
                tracing::debug!(peer = %peer_id, "a member speaks no gossip with us yet");
            }
        }
    }

    /// Gossip to a peer was lost.
    pub(super) fn fell_behind(&mut self, peer: &PeerId) {
        if let Some(peer) = device_id_of_peer(peer) {
            let known = |input: &Input| matches!(input, Input::Behind { peer: p } if *p == peer);
            if !self.pending.iter().any(known) {
                self.pending.push_back(Input::Behind { peer });
            }
        }
    }

    fn topic_peer(&mut self, peer: &PeerId, topic: &gossipsub::TopicHash, joined: bool) {
        if let (Some(peer), Some(topic)) = (device_id_of_peer(peer), topic_of_hash(topic)) {
            self.pending.push_back(Input::TopicPeer { peer, topic, joined });
        }
    }

    fn on_request(&mut self, event: RequestEvent, now: Instant) {
        use request_response::Message;
        match event {
            RequestEvent::Message {
                peer,
                connection_id,
                message: Message::Request { request_id, request, channel },
            } => {
                let gate = &mut self.swarm.behaviour_mut().gate;
                gate.heard(&peer, connection_id);
                gate.asked(&peer, now);
                // The engine thinks of the peer by the connection that counts.
                let current = gate.is_current(&peer, connection_id);
                let Some(device) = device_id_of_peer(&peer).filter(|_| current) else { return };
                if let Some(token) = self.requests.asked(peer, request_id, channel) {
                    let input = Input::Request { peer: device, token, frame: request };
                    self.pending.push_back(input);
                } else {
                    tracing::debug!(%peer, "too many requests; one is dropped");
                }
            }
            RequestEvent::Message {
                peer,
                connection_id,
                message: Message::Response { request_id, response },
            } => {
                self.swarm.behaviour_mut().gate.heard(&peer, connection_id);
                if let Some(request) = self.requests.ended(request_id) {
                    let frame = Some(response);
                    self.pending.push_back(Input::Response { request, frame });
                }
                self.pump(peer);
            }
            RequestEvent::OutboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, %error, "a request failed");
                if let Some(request) = self.requests.ended(request_id) {
                    self.no_answer(request);
                }
                self.pump(peer);
            }
            RequestEvent::InboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, %error, "a peer's request failed");
                self.requests.abandoned(request_id);
            }
            RequestEvent::ResponseSent { .. } => {}
        }
    }

    /// Libp2p's ping passes over the first failure, so that a dead link would stand for half a
    /// minute. Only answers count here; the gate closes what stays silent.
    fn on_ping(&mut self, event: &ping::Event) {
        match &event.result {
            Ok(_) => self.swarm.behaviour_mut().gate.heard(&event.peer, event.connection),
            Err(failure) => tracing::debug!(peer = %event.peer, %failure, "no answer to a ping"),
        }
    }

    fn on_mdns(&mut self, event: mdns::Event, now: Instant) {
        match event {
            mdns::Event::Discovered(found) => {
                for (peer, address) in found {
                    self.dialler.discovered(peer, address, now);
                }
                self.dial();
            }
            mdns::Event::Expired(gone) => {
                for (peer, address) in gone {
                    self.dialler.expired(peer, address);
                }
            }
        }
    }

    fn report_listening(&mut self) {
        let listen: Vec<&Multiaddr> =
            self.listen.iter().filter(|address| is_dialable(address)).collect();
        let addresses = listen.iter().map(ToString::to_string).collect();
        let with_peer = listen
            .into_iter()
            .map(|address| address.clone().with(Protocol::P2p(self.me)).to_string());
        let with_peer = with_peer.collect();
        self.with_info(|info| info.listen = with_peer);
        // Only the last list matters.
        self.pending.retain(|input| !matches!(input, Input::Listening { .. }));
        self.pending.push_back(Input::Listening { addresses });
    }

    fn with_info<T>(&self, change: impl FnOnce(&mut NetInfo) -> T) {
        change(&mut self.info.write().unwrap_or_else(PoisonError::into_inner));
    }
}
