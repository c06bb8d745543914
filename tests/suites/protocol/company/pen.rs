//! Signing by hand what no honest node would, and looking at a node's control log as a whole.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::control::{Added, ControlLog};
use conclave_protocol::engine::{GossipVerdict, Table};
use conclave_protocol::id::{AgentId, DeviceId, MessageId, ObjectId, RoomId};
use conclave_protocol::keys::{DeviceKeys, device_statement};
use conclave_protocol::object::{
    CONTROL_VERSION, ControlCut, ControlObject, Countersignature, DeviceCert, Genesis, Header,
    ObjectType, Payload, Revoke, RevokeMode, SignatureBytes,
};
use conclave_protocol::signed::{Trust, Verified, peek_id, peek_type};
use conclave_protocol::view::Preview;
use conclave_tests::forge::Forged;
use conclave_tests::world::{NodeId, World};

/// A copy of a node's control log, to sign against with any key.
pub struct Pen {
    pub log: ControlLog,
}

impl Pen {
    /// Of all that a node's disk holds durably, void objects included.
    pub fn of(w: &World, id: NodeId) -> Self {
        let company = w.ledger().company;
        let mut log = ControlLog::new(company);
        let mut objects = Vec::new();
        for ((table, _), bytes) in w.disk(id).durable() {
            if table != Table::Control {
                continue;
            }
            if peek_type(&bytes) == Some(ObjectType::Genesis) {
                log.add_genesis(Verified::<Genesis>::genesis(&bytes, Trust::Nothing).expect("ok"));
            } else {
                objects.push(
                    Verified::control(
                        &bytes,
                        company,
                        Trust::StoredAs(peek_id(&bytes).unwrap_or_default()),
                    )
                    .expect("stored"),
                );
            }
        }
        assert_eq!(log.load(objects), 0, "a store holds what is not sound");
        Self { log }
    }

    /// Signs at the end of a key's chain, under the authority that the key has.
    pub fn sign(&mut self, keys: &DeviceKeys, payload: Payload) -> Forged {
        let author = keys.device();
        let root = self.log.root().filter(|(root, _)| *root == author).map(|(_, id)| id);
        let authority = self.log.authority_for(author, &payload).or(root);
        self.sign_under(keys, authority.expect("an authority"), payload)
    }

    /// Signs at the end of a key's chain.
    pub fn sign_under(
        &mut self,
        keys: &DeviceKeys,
        authority: ObjectId,
        payload: Payload,
    ) -> Forged {
        let tail = self.log.tail(keys.device());
        let forged = self.sign_after(keys, tail, authority, payload);
        let company = self.log.company();
        let object = Verified::<ControlObject>::control(&forged.bytes, company, Trust::Nothing);
        let added = self.log.add(object.expect("well formed"));
        assert!(matches!(added, Added::Taken(_)), "{added:?}");
        self.log.refresh();
        forged
    }

    /// Signs behind any object of a key's chain; the log does not get it.
    pub fn sign_after(
        &self,
        keys: &DeviceKeys,
        tail: Option<(u64, ObjectId)>,
        authority: ObjectId,
        payload: Payload,
    ) -> Forged {
        let header = Header {
            version: CONTROL_VERSION,
            company: self.log.company(),
            author: keys.device(),
            seq: tail.map_or(1, |(seq, _)| seq + 1),
            prev: tail.map(|(_, id)| id),
            authority,
            height: 0,
        };
        let mut object = ControlObject { header, payload };
        object.header.height = self.log.height_over(&object.references()).expect("all is here");
        let (id, bytes) = object.sign(keys);
        Forged { id, bytes }
    }

    /// An agent by name, dismissed ones too.
    pub fn agent(&self, name: &str) -> AgentId {
        let mut all = self.log.access().agents().iter();
        *all.find(|(_, info)| info.name == name).unwrap_or_else(|| panic!("no {name}")).0
    }

    /// The grants in force of an agent.
    pub fn grants(&self, name: &str) -> Vec<ObjectId> {
        let agent = self.agent(name);
        let all = self.log.admin_grants().filter(|(_, grant)| grant.agent == agent);
        all.map(|(id, _)| id).filter(|id| self.log.in_force(*id)).collect()
    }

    /// A `Depart` of something, with cuts at the end of these devices' chains.
    pub fn revoke(&self, target: impl Into<ObjectId>, devices: &[DeviceId]) -> Payload {
        let mut devices = devices.to_vec();
        devices.sort_unstable();
        let tails = devices.into_iter().filter_map(|d| Some((d, self.log.tail(d)?)));
        let control_cuts = tails.map(|(device, (seq, id))| ControlCut { device, seq, id });
        Payload::Revoke(Revoke {
            target: target.into(),
            control_cuts: control_cuts.collect(),
            keep: Vec::new(),
            mode: RevokeMode::Depart,
        })
    }

    /// A certificate of a device for an agent, as the device itself wants it.
    pub fn device_cert(
        &self,
        agent: AgentId,
        keys: &DeviceKeys,
        confirmed_by: Option<&DeviceKeys>,
    ) -> Payload {
        let (device, sealing) = (keys.device(), keys.sealing());
        let statement = device_statement(self.log.company(), agent, device, sealing);
        let countersign = |own: &DeviceKeys| Countersignature {
            device: own.device(),
            signature: SignatureBytes(own.sign(&statement)),
        };
        Payload::DeviceCert(DeviceCert {
            agent,
            device,
            sealing,
            countersignature: confirmed_by.map(countersign),
            proof: SignatureBytes(keys.sign(&statement)),
        })
    }
}

/// Hands a node control objects by gossip, as if a peer had passed them on; gives the verdicts.
pub fn gossip(w: &mut World, to: NodeId, from: DeviceId, objects: &[Forged]) -> Vec<GossipVerdict> {
    let topic = w.control_topic();
    let mut verdicts = Vec::new();
    for object in objects {
        let token = w.inject_gossip(to, from, topic, &object.bytes);
        w.until("a verdict", 5_000, |w| w.node(to).verdicts.contains_key(&token));
        verdicts.push(w.node(to).verdicts[&token]);
    }
    verdicts
}

/// Makes a second device of an agent, confirmed by the first; an admin certifies it, and it
/// starts with what the admin's disk holds.
pub fn second_device(w: &mut World, admin: NodeId, first: NodeId, name: &str) -> NodeId {
    let id = w.add(name);
    let mut pen = Pen::of(w, admin);
    let agent = pen.log.access().agent_of(w.node(first).device()).expect("it is live");
    let (new, old, by) = (w.node(id).keys(), w.node(first).keys(), w.node(admin).keys());
    let cert = pen.device_cert(agent, &new, Some(&old));
    let cert = pen.sign(&by, cert);
    let from = w.node(first).device();
    assert_eq!(gossip(w, admin, from, &[cert]), [GossipVerdict::Accept]);
    w.settle();
    for ((table, key), value) in w.disk(admin).durable() {
        if table == Table::Control {
            w.disk(id).put(table, &key, &value);
        }
    }
    let company = w.ledger().company;
    w.disk(id).put(Table::State, b"company", &company.0);
    w.start(id);
    w.connect_all();
    w.agree();
    id
}

/// What a preview speaks about.
pub struct State {
    access: BTreeMap<RoomId, BTreeSet<AgentId>>,
    texts: BTreeMap<RoomId, BTreeSet<MessageId>>,
    live: BTreeSet<AgentId>,
    in_force: BTreeSet<ObjectId>,
    counting: BTreeSet<ObjectId>,
    all: BTreeSet<ObjectId>,
}

impl State {
    pub fn of(w: &World, id: NodeId) -> Self {
        let log = Pen::of(w, id).log;
        let access = log.access();
        let texts = w.engine(id).status().rooms.into_iter().map(|status| {
            let room = status.room.id;
            let shown = w.messages(id, &room.to_string());
            (room, shown.into_iter().map(|m| m.id).collect())
        });
        let rooms = access.rooms().keys().map(|room| (*room, access.with_access(*room)));
        let admins = log.admin_grants().map(|(id, _)| id);
        Self {
            access: rooms.collect(),
            texts: texts.collect(),
            live: access.agents().iter().filter(|(_, a)| a.live).map(|(id, _)| *id).collect(),
            in_force: admins.filter(|id| log.in_force(*id)).collect(),
            counting: log.ids().filter(|id| log.counts(*id)).collect(),
            all: log.ids().collect(),
        }
    }

    /// Checks that a preview said what has happened since `before`.
    pub fn follows(&self, before: &Self, preview: &Preview, command: &str) {
        let none = BTreeSet::new();
        let rooms: BTreeSet<RoomId> =
            before.access.keys().chain(self.access.keys()).copied().collect();
        for room in rooms {
            let said = preview.rooms.iter().find(|r| r.room.id == room);
            let (had, have) = (
                before.access.get(&room).unwrap_or(&none),
                self.access.get(&room).unwrap_or(&none),
            );
            let ids = |agents: &[conclave_protocol::view::AgentRef]| -> BTreeSet<AgentId> {
                agents.iter().map(|agent| agent.id).collect()
            };
            let lose = said.map(|r| ids(&r.lose)).unwrap_or_default();
            let gain = said.map(|r| ids(&r.gain)).unwrap_or_default();
            assert_eq!(lose, had - have, "{command}: who loses access");
            assert_eq!(gain, have - had, "{command}: who gets access");
            let nobody_left = said.is_some_and(|r| r.nobody_left);
            assert_eq!(nobody_left, have.is_empty() && !had.is_empty(), "{command}");
            // What is lost can be counted only by who goes on reading.
            if let (Some(had), Some(have)) = (before.texts.get(&room), self.texts.get(&room)) {
                let lost = had.difference(have).count() as u64;
                let foretold = said.map_or(Some(0), |r| r.messages_lost);
                assert_eq!(foretold, Some(lost), "{command}: messages lost");
            }
        }
        let named = |agents: &[conclave_protocol::view::AgentRef]| -> BTreeSet<AgentId> {
            agents.iter().map(|agent| agent.id).collect()
        };
        assert_eq!(named(&preview.dismissed), &before.live - &self.live, "{command}: dismissed");
        assert_eq!(named(&preview.returned), &self.live - &before.live, "{command}: returned");
        let ended: BTreeSet<ObjectId> = preview.admins_ended.iter().map(|a| a.grant).collect();
        assert_eq!(ended, &before.in_force - &self.in_force, "{command}: admins");
        let voided: BTreeSet<ObjectId> = preview.voided.iter().copied().collect();
        assert_eq!(voided, &before.counting - &self.counting, "{command}: void now");
        let restored: BTreeSet<ObjectId> = preview.restored.iter().copied().collect();
        let back = (&self.counting - &before.counting).intersection(&before.all).copied().collect();
        assert_eq!(restored, back, "{command}: counts again");
    }
}
