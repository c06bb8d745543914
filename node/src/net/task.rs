//! The task that owns the swarm.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use conclave_protocol::engine::{GossipToken, GossipVerdict, Input, PeerPolicy, RequestId};
use conclave_protocol::id::{DeviceId, ObjectId, Topic};
use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId, PublishError};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, mdns, ping, request_response};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::behaviour::{NodeBehaviour, NodeBehaviourEvent, TICK};
use super::dial::{Dial, Dialler, Target};
use super::gate::GateEvent;
use super::names::{
    device_id_of_peer, gossip_topic, is_dialable, peer_id_of_device, split_peer, topic_of_hash,
};
use super::requests::Requests;
use super::{NetCommand, NetError, failed};
use crate::handle::NetInfo;

/// Most gossip messages that wait for their verdict. Older ones have expired in gossipsub.
const VERDICTS_MAX: usize = 10_000;

type RequestEvent = request_response::Event<Vec<u8>, Vec<u8>>;

/// See the module.
pub(super) struct Task {
    swarm: Swarm<NodeBehaviour>,
    me: PeerId,
    inputs: mpsc::Sender<Input>,
    commands: mpsc::Receiver<NetCommand>,
    info: Arc<RwLock<NetInfo>>,
    /// Inputs for which the channel had no room yet. While there are any, the swarm rests.
    pending: VecDeque<Input>,
    dialler: Dialler,
    dials: HashMap<ConnectionId, Target>,
    requests: Requests,
    verdicts: BTreeMap<GossipToken, (MessageId, PeerId)>,
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
                }
                command = self.commands.recv() => match command {
                    None | Some(NetCommand::Stop) => return,
                    Some(command) => self.on_command(command),
                },
                () = inputs.closed() => return,
                _ = tick.tick() => self.on_tick(),
            }
        }
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        self.swarm.behaviour_mut().gate.sweep(now);
        for (peer, request) in self.requests.expire(now) {
            self.no_answer(request);
            self.pump(peer);
        }
        self.dial();
    }

    fn on_command(&mut self, command: NetCommand) {
        let now = Instant::now();
        match command {
            NetCommand::Verdict { token, verdict } => self.verdict(token, verdict),
            NetCommand::Publish { topic, id, bytes } => self.publish(topic, id, bytes),
            NetCommand::Send { peer, request, frame } => self.send(peer, request, frame, now),
            NetCommand::Respond { token, frame } => {
                let channel = self.requests.take(token);
                let requests = &mut self.swarm.behaviour_mut().requests;
                if channel.is_none_or(|channel| requests.send_response(channel, frame).is_err()) {
                    tracing::debug!(?token, "the peer no longer waits for this answer");
                }
            }
            NetCommand::Policy(policy) => self.policy(&policy, now),
            NetCommand::Addresses { peer, addresses } => {
                if let Some(peer) = peer_id_of_device(peer) {
                    self.dialler.exchanged(peer, parse_all(&addresses), now);
                    self.dial();
                }
            }
            NetCommand::Referral { peer, addresses } => {
                if let Some(peer) = peer_id_of_device(peer) {
                    self.dialler.referred(peer, parse_all(&addresses), now);
                    self.dial();
                }
            }
            NetCommand::Disconnect { peer } => {
                if let Some(peer) = peer_id_of_device(peer) {
                    self.swarm.behaviour_mut().gate.close(&peer);
                }
            }
            NetCommand::Stop => {}
        }
    }

    fn verdict(&mut self, token: GossipToken, verdict: GossipVerdict) {
        let Some((message, source)) = self.verdicts.remove(&token) else { return };
        let acceptance = match verdict {
            GossipVerdict::Accept => MessageAcceptance::Accept,
            GossipVerdict::Reject => MessageAcceptance::Reject,
            GossipVerdict::Ignore => MessageAcceptance::Ignore,
        };
        let gossip = self.swarm.behaviour_mut().gate.gossip();
        if !gossip.report_message_validation_result(&message, &source, acceptance) {
            tracing::debug!(%message, "the verdict came too late");
        }
    }

    fn publish(&mut self, topic: Topic, id: ObjectId, bytes: Vec<u8>) {
        let gossip = self.swarm.behaviour_mut().gate.gossip();
        match gossip.publish(gossip_topic(topic), bytes) {
            Ok(_) => {}
            // Gossip is a hint; whoever is not there now gets it by reconciliation.
            Err(error @ (PublishError::Duplicate | PublishError::NoPeersSubscribedToTopic)) => {
                tracing::debug!(?id, %error, "not published");
            }
            Err(error) => tracing::warn!(?id, %error, "not published"),
        }
    }

    fn send(&mut self, device: DeviceId, request: RequestId, frame: Vec<u8>, now: Instant) {
        let peer = peer_id_of_device(device);
        let connected = |peer: &PeerId| self.swarm.behaviour().gate.is_connected(peer);
        match peer.filter(connected) {
            Some(peer) if self.requests.push(peer, request, frame, now) => self.pump(peer),
            _ => self.no_answer(request),
        }
    }

    /// Sends the requests that wait for a peer, as far as there is room.
    fn pump(&mut self, peer: PeerId) {
        let requests = &mut self.swarm.behaviour_mut().requests;
        self.requests.pump(peer, |frame| requests.send_request(&peer, frame));
    }

    fn no_answer(&mut self, request: RequestId) {
        self.pending.push_back(Input::Response { request, frame: None });
    }

    fn policy(&mut self, policy: &PeerPolicy, now: Instant) {
        let members: HashSet<PeerId> = peers(&policy.members);
        let topics = policy.topics.iter();
        let topics =
            topics.map(|(topic, devices)| (gossip_topic(*topic).hash(), peers(devices))).collect();
        self.dialler.set_members(members.clone());
        for peer in self.swarm.behaviour_mut().gate.set_policy(members, topics) {
            // The gate's report of this is still to come, and must not delay the next dial.
            self.dialler.disconnected(peer, now);
            self.dialler.again(peer, now);
        }
        self.dial();
    }

    fn dial(&mut self) {
        let now = Instant::now();
        for Dial { target, addresses } in self.dialler.poll(now) {
            let options = match (&target, addresses.first()) {
                (Target::Peer(peer), _) => DialOpts::peer_id(*peer)
                    // Whether there is a connection is decided by the gate, not the swarm.
                    .condition(PeerCondition::Always)
                    .addresses(addresses)
                    // Both sides dialling from their listen ports would meet in one TCP
                    // connection on which nobody is the listener.
                    .allocate_new_port()
                    .build(),
                (Target::Address(_), Some(address)) => DialOpts::unknown_peer_id()
                    .address(address.clone())
                    .allocate_new_port()
                    .build(),
                (Target::Address(_), None) => continue,
            };
            let connection = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => {
                    self.dials.insert(connection, target);
                }
                Err(error) => {
                    tracing::debug!(?target, %error, "cannot dial");
                    self.dialler.failed(&target, None, now);
                }
            }
        }
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
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                // The other side does not know yet that we are a member; when it does, it
                // ends this connection and the next one has gossip.
                tracing::debug!(peer = %peer_id, "a member speaks no gossip with us yet");
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
            RequestEvent::Message { peer, connection_id, message } => match message {
                Message::Request { request_id, request, channel } => {
                    let gate = &mut self.swarm.behaviour_mut().gate;
                    gate.asked(&peer, now);
                    // The engine thinks of the peer by the connection that counts.
                    let current = gate.is_current(&peer, connection_id);
                    let Some(device) = device_id_of_peer(&peer).filter(|_| current) else { return };
                    match self.requests.asked(peer, request_id, channel) {
                        Some(token) => self.pending.push_back(Input::Request {
                            peer: device,
                            token,
                            frame: request,
                        }),
                        None => tracing::debug!(%peer, "too many requests; one is dropped"),
                    }
                }
                Message::Response { request_id, response } => {
                    if let Some(request) = self.requests.ended(request_id) {
                        let frame = Some(response);
                        self.pending.push_back(Input::Response { request, frame });
                    }
                    self.pump(peer);
                }
            },
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

    fn on_ping(&mut self, event: &ping::Event) {
        // Whoever speaks no ping is no node of ours; how long strangers may stay is another rule.
        let Err(failure @ (ping::Failure::Timeout | ping::Failure::Other { .. })) = &event.result
        else {
            return;
        };
        tracing::debug!(peer = %event.peer, %failure, "a peer does not answer");
        let gate = &mut self.swarm.behaviour_mut().gate;
        if gate.is_current(&event.peer, event.connection) {
            gate.close(&event.peer);
        } else {
            self.swarm.close_connection(event.connection);
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
        let with_peer = listen.into_iter().map(|address| {
            address.clone().with(Protocol::P2p(self.me)).to_string()
        });
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

fn peers(devices: &BTreeSet<DeviceId>) -> HashSet<PeerId> {
    devices.iter().filter_map(|device| peer_id_of_device(*device)).collect()
}

/// Addresses come from other members; what cannot be read is left out.
fn parse_all(addresses: &[String]) -> Vec<Multiaddr> {
    addresses.iter().filter_map(|address| address.parse().ok()).collect()
}
