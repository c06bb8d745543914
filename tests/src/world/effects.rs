//! Carrying out what engines want done.

use conclave_protocol::engine::{Effect, GossipVerdict};
use conclave_protocol::id::{DeviceId, ObjectId, Topic};

use super::{Due, NodeId, World};

impl World {
    /// Carries out all effects of a node, in order.
    pub(crate) fn carry_out(&mut self, id: NodeId) {
        while let Some(effect) = self.nodes[id.0].engine.as_mut().and_then(|e| e.poll()) {
            self.check_effect(id, &effect);
            self.carry_out_one(id, effect);
        }
    }

    fn carry_out_one(&mut self, id: NodeId, effect: Effect) {
        let device = self.node(id).device();
        let life = self.node(id).life;
        match effect {
            Effect::Persist(batch) => {
                let number = batch.id;
                self.node(id).disk.write(batch);
                self.send_later(Due::Persisted { node: id, life, batch: number });
            }
            Effect::Verdict { token, verdict } => {
                self.nodes[id.0].verdicts.insert(token, verdict);
                let arrived = self.nodes[id.0].gossip.remove(&token);
                if let Some(arrived) = arrived.filter(|_| verdict == GossipVerdict::Accept) {
                    self.spread(id, Some(arrived.from), arrived.topic, arrived.id, &arrived.bytes);
                }
            }
            Effect::Publish { topic, id: object, bytes } => {
                self.nodes[id.0].seen.insert(object);
                self.spread(id, None, topic, object, &bytes);
            }
            Effect::Send { peer, request, frame } => {
                self.check_leaving(id, peer, &frame);
                if self.linked(device, peer) {
                    self.nodes[id.0].asked.insert(request, peer);
                    if self.loses_frame(device, peer) {
                        return self.give_up_later(id, life, request);
                    }
                    self.send_later(Due::Request { from: device, to: peer, request, frame });
                } else {
                    self.send_later(Due::Response { to: id, life, request, frame: None });
                }
            }
            Effect::Respond { token, frame } => self.respond(id, token, frame),
            Effect::Policy(policy) => {
                self.nodes[id.0].policy = policy;
                self.update_presence();
            }
            Effect::Answer { id: command, result } => {
                drop(self.nodes[id.0].answers.insert(command, result));
            }
            Effect::Event(event) => self.nodes[id.0].events.push(event),
            // Nodes of the world are connected by hand; tests look at what was learnt.
            Effect::Addresses { peer, addresses } => {
                drop(self.nodes[id.0].addresses.insert(peer, addresses));
            }
            Effect::Seal(job) => {
                let (room, epoch) = job.epoch();
                crate::forge::learn_epoch(room, epoch, job.key());
                let (life, input) = (self.node(id).life, Box::new(job.run()));
                self.send_later(Due::Sealed { to: id, life, input });
            }
            Effect::TailKnown => self.nodes[id.0].copied = false,
            Effect::Referral { .. } => {}
        }
    }

    fn respond(
        &mut self,
        id: NodeId,
        token: conclave_protocol::engine::ResponseToken,
        frame: Vec<u8>,
    ) {
        let Some((peer, request)) = self.nodes[id.0].serving.remove(&token) else {
            if let Some(peer) = self.node(id).asked_by.get(&token).copied() {
                self.check_leaving(id, peer, &frame);
                self.check_answer(id, peer, &frame);
            }
            self.nodes[id.0].responses.insert(token, frame);
            return;
        };
        self.check_leaving(id, peer, &frame);
        self.check_answer(id, peer, &frame);
        let Some(asker) = self.by_device(peer) else { return };
        // The connection that asked may be gone; then the asker has been told so.
        if self.node(asker).asked.contains_key(&request) {
            let life = self.node(asker).life;
            if self.loses_frame(self.node(id).device(), peer) {
                return self.give_up_later(asker, life, request);
            }
            self.send_later(Due::Response { to: asker, life, request, frame: Some(frame) });
        }
    }

    fn spread(
        &mut self,
        id: NodeId,
        from: Option<DeviceId>,
        topic: Topic,
        object: ObjectId,
        bytes: &[u8],
    ) {
        let device = self.node(id).device();
        for peer in self.ids().collect::<Vec<_>>() {
            let to = self.node(peer).device();
            if Some(to) != from && self.in_topic(id, to, topic) {
                self.check_leaving(id, to, bytes);
                let bytes = bytes.to_vec();
                self.send_gossip(Due::Gossip { from: device, to: peer, topic, id: object, bytes });
            }
        }
    }
}
