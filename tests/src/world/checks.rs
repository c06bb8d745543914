//! What must hold of every effect of every node, whatever happens.

use std::collections::BTreeMap;

use conclave_protocol::engine::{Effect, Event, GossipVerdict, Outcome};
use conclave_protocol::envelope::EnvelopeKind;
use conclave_protocol::id::{CompanyId, DeviceId, ObjectId};
use conclave_protocol::limits::HOLD_MS_MAX;
use conclave_protocol::object::ObjectType;
use conclave_protocol::signed::{Trust, Verified, peek_id, peek_type};
use conclave_protocol::sync::Request;
use conclave_protocol::topic::TopicSecret;

use super::{NodeId, World};

/// What left a node: bound to a place in a chain for good.
#[derive(Debug, Default)]
pub struct Ledger {
    /// (signer, room or control, seq) → id.
    places: BTreeMap<(DeviceId, ObjectId, u64), ObjectId>,
    /// Objects that nodes published, with their bytes.
    pub published: BTreeMap<ObjectId, Vec<u8>>,
    /// Ids of published seals.
    pub seals: Vec<ObjectId>,
    /// The company that envelopes are read as of.
    pub company: CompanyId,
    /// What its topics are made of.
    pub topics: Option<TopicSecret>,
    /// The random bytes in its `Genesis`, which no stranger may ever see.
    pub salt: Option<ObjectId>,
}

/// What nobody stores.
fn is_soft(bytes: &[u8]) -> bool {
    matches!(peek_type(bytes), Some(ObjectType::StateReport | ObjectType::Presence))
}

impl World {
    pub(crate) fn check_effect(&mut self, id: NodeId, effect: &Effect) {
        self.watch_effect(id, effect);
        let node = &self.nodes[id.0];
        let (name, disk) = (&node.name, &node.disk);
        let durable = |what: &str, object: ObjectId| {
            assert!(disk.holds(object), "{name} made {what} of {object:?} visible before durable");
        };
        match effect {
            // Soft state: nobody stores it.
            Effect::Publish { bytes, .. } if is_soft(bytes) => {}
            Effect::Publish { id: object, bytes, .. } => {
                durable("a publication", *object);
                assert_eq!(peek_id(bytes), Some(*object), "{name} published under a wrong id");
                let bytes = bytes.clone();
                let (device, object) = (node.device(), *object);
                self.note_published(device, object, &bytes);
            }
            Effect::Verdict { token, verdict } => {
                let arrived = node.gossip.get(token);
                assert!(arrived.is_some(), "{name} gave a second verdict, or one for nothing");
                let Some(arrived) = arrived else { return };
                let held = self.now.ms_since(arrived.at);
                // The disk may take its time before an Accept comes out.
                let most =
                    HOLD_MS_MAX * (u64::from(node.clock.1) + 1) + self.options.disk_ms_max + 1;
                assert!(held <= most, "{name} held a verdict for {held} ms");
                let soft = is_soft(&arrived.bytes);
                if *verdict == GossipVerdict::Accept && !soft {
                    durable("acceptance", arrived.id);
                }
            }
            Effect::Answer { result: Ok(outcome), .. } => match outcome {
                Outcome::Message(view) => durable("an answer", view.id),
                Outcome::Member { object, .. } => durable("an answer", *object),
                Outcome::Unit(view) => durable("an answer", view.id.into()),
                Outcome::Room(view, _) => durable("an answer", view.room.id.into()),
                Outcome::Signed { objects, .. } => {
                    objects.iter().for_each(|id| durable("an answer", *id));
                }
                Outcome::Approved { agent, .. } => durable("an answer", agent.id.into()),
                // What is open and empty is nothing that could be lost.
                Outcome::Device { .. }
                | Outcome::Instant(_)
                | Outcome::Refused { .. }
                | Outcome::Done => {}
            },
            Effect::Event(Event::Message(view, _) | Event::MessageState(view)) => {
                durable("an event", view.id);
            }
            Effect::Send { frame, .. } => {
                if let Ok(Request::Held { ids, .. }) = Request::decode(frame) {
                    for id in ids {
                        durable("a receipt", id);
                    }
                }
            }
            Effect::Respond { token, .. } => {
                let open = node.serving.contains_key(token) || !node.responses.contains_key(token);
                assert!(open, "{name} answered a request twice");
            }
            _ => {}
        }
    }

    /// An honest node never uses a place in its chain twice, crashes or not.
    fn note_published(&mut self, device: DeviceId, id: ObjectId, bytes: &[u8]) {
        let devices: Vec<DeviceId> = self.nodes.iter().map(super::Node::device).collect();
        let ledger = &mut self.ledger;
        ledger.published.insert(id, bytes.to_vec());
        let trust = Trust::StoredAs(id);
        let (author, scope, seq) = if peek_type(bytes) == Some(ObjectType::Envelope) {
            let Ok(envelope) = Verified::envelope(bytes, ledger.company, trust) else {
                panic!("a node published a malformed envelope");
            };
            let envelope = envelope.value();
            if envelope.kind == EnvelopeKind::Seal && !ledger.seals.contains(&id) {
                ledger.seals.push(id);
            }
            (envelope.device, envelope.room.into(), envelope.seq)
        } else {
            let Ok(object) = Verified::control(bytes, ledger.company, trust) else {
                panic!("a node published a malformed control object");
            };
            (object.value().header.author, ObjectId::default(), object.value().header.seq)
        };
        let control = scope == ObjectId::default();
        if control && author != device && !devices.contains(&author) {
            // A root key, typed in by a user; it may be in many hands.
            return;
        }
        assert_eq!(author, device, "a node published what another signed");
        let before = ledger.places.insert((author, scope, seq), id);
        assert!(before.is_none_or(|b| b == id), "{author:?} used place {seq} twice");
    }
}
