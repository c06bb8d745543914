//! What the task is told to do.

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use conclave_protocol::engine::{GossipToken, GossipVerdict, Input, PeerPolicy, RequestId};
use conclave_protocol::id::{DeviceId, ObjectId, Topic};
use libp2p::gossipsub::{MessageAcceptance, PublishError};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};

use super::NetCommand;
use super::dial::{Dial, Target};
use super::names::{gossip_topic, peer_id_of_device};
use super::task::Task;

impl Task {
    pub(super) fn on_command(&mut self, command: NetCommand) {
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
            NetCommand::Stop => {}
        }
    }

    pub(super) fn verdict(&mut self, token: GossipToken, verdict: GossipVerdict) {
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
            // Publishing again would only be called a duplicate: they get it by reconciliation.
            Err(error @ PublishError::AllQueuesFull(_)) => {
                tracing::debug!(?id, %error, "not published");
                let hash = gossip_topic(topic).hash();
                let present = gossip.all_peers().filter(|(_, topics)| topics.contains(&&hash));
                let present: Vec<PeerId> = present.map(|(peer, _)| *peer).collect();
                for peer in present {
                    self.fell_behind(&peer);
                }
            }
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
    pub(super) fn pump(&mut self, peer: PeerId) {
        let requests = &mut self.swarm.behaviour_mut().requests;
        self.requests.pump(peer, |frame| requests.send_request(&peer, frame));
    }

    pub(super) fn no_answer(&mut self, request: RequestId) {
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

    pub(super) fn dial(&mut self) {
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
                (Target::Address(_), Some(address)) => {
                    DialOpts::unknown_peer_id().address(address.clone()).allocate_new_port().build()
                }
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
}

fn peers(devices: &BTreeSet<DeviceId>) -> HashSet<PeerId> {
    devices.iter().filter_map(|device| peer_id_of_device(*device)).collect()
}

/// Addresses come from other members; what cannot be read is left out.
fn parse_all(addresses: &[String]) -> Vec<Multiaddr> {
    addresses.iter().filter_map(|address| address.parse().ok()).collect()
}
