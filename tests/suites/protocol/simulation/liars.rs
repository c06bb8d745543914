//! Members' keys in hostile hands.

use std::collections::BTreeMap;

use conclave_protocol::engine::Table;
use conclave_protocol::id::{DeviceId, MessageId, RoomId};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::object::{
    AdminGrant, Capabilities, MemberGrant, Payload, UnitCreate, UnitKind,
};
use conclave_protocol::signed::peek_id;
use conclave_protocol::sync::{Blob, Request, Scope};
use conclave_tests::forge::Forged;
use conclave_tests::world::NodeId;
use conclave_tests::world::hostile::{Claim, envelopes_in};
use conclave_tests::world::lies::Lie;

use super::scenario::Scenario;
use crate::company::pen::Pen;

/// A member that stopped being honest. It may have lost its access before, or lose it later.
#[derive(Clone)]
pub struct Liar {
    pub node: NodeId,
    pub device: DeviceId,
    pub name: String,
    keys: DeviceKeys,
    /// The end of its chain in each room.
    tails: BTreeMap<RoomId, (u64, MessageId)>,
}

impl Scenario {
    /// A liar does something; sometimes one appears.
    pub fn lie(&mut self) {
        if self.liars.len() < 2 && self.draw(4) == 0 && self.honest.len() > 3 {
            return self.turn();
        }
        let n = self.draw(self.liars.len());
        if self.liars.get(n).is_none() {
            return;
        }
        let up = self.up();
        let Some(victim) = self.one_of(&up) else { return };
        let rooms = self.rooms.clone();
        let Some(room) = self.one_of(&rooms) else { return };
        let device = self.liars[n].device;
        self.w.connect_device(device, victim);
        match self.draw(20) {
            0..6 => self.posts(n, victim, room),
            6..9 => self.equivocates(n, victim, room),
            9 | 10 => self.signs_badly(n, victim, room),
            11 | 12 => self.takes_elsewhere(n, victim, room),
            13 => self.builds_a_tower(n, victim, room),
            14 => self.builds_on_nothing(n, victim, room),
            15 | 16 => self.bends_answers(n),
            17 => self.asks(n, victim, room),
            _ => self.governs(n, victim),
        }
    }

    /// A member's node is replaced by a puppet that has all that it had.
    fn turn(&mut self) {
        let others: Vec<NodeId> = self.up().into_iter().filter(|id| *id != self.alice).collect();
        let Some(node) = self.one_of(&others) else { return };
        if !self.w.engine(node).status().member {
            return;
        }
        let name = self.name(node);
        self.say(format!("{name} turns into a liar"));
        self.count("liar: appears");
        self.w.crash(node);
        self.w.turned(node);
        self.honest.retain(|id| *id != node);
        let mut puppet = self.w.empty_puppet(node);
        let (keys, device) = (puppet.keys.clone(), puppet.keys.device());
        let mut tails: BTreeMap<RoomId, (u64, MessageId)> = BTreeMap::new();
        let log = Pen::of(&self.w, node).log;
        for ((table, _), value) in self.w.disk(node).durable() {
            if table == Table::Control {
                let object = peek_id(&value).and_then(|id| log.get(id));
                let height = object.map_or(1, |object| object.header.height);
                puppet.hold(Scope::Control, height, &value);
            }
            for sighted in envelopes_in(&value).into_iter().filter(|_| table == Table::Messages) {
                let Some(made) = self.w.checker().made(sighted.id) else { continue };
                let envelope = &made.envelope;
                puppet.hold(Scope::Room(sighted.room), envelope.height, sighted.bytes);
                let tail = tails.entry(sighted.room).or_default();
                if sighted.device == device && envelope.seq > tail.0 {
                    *tail = (envelope.seq, sighted.id);
                }
            }
        }
        tails.retain(|_, tail| tail.0 > 0);
        self.w.replace_by_puppet(node, puppet);
        for id in self.up() {
            self.w.connect_device(device, id);
        }
        self.liars.push(Liar { node, device, name, keys, tails });
    }

    /// What a liar says in a room, on top of something that a node holds, or of something old.
    fn claim(&mut self, n: usize, from: NodeId, room: RoomId) -> Claim {
        let held: Vec<(MessageId, u64)> = forge_held(self, from, room);
        let old = self.draw(3) == 0;
        let mut parents = Vec::new();
        for _ in 0..self.draw(3) + 1 {
            let at =
                if old { self.draw(held.len()) } else { held.len() - self.draw(held.len().min(3)) };
            parents.extend(held.get(at.min(held.len().saturating_sub(1))));
        }
        parents.sort_unstable();
        parents.dedup();
        self.made += 1;
        let liar = &self.liars[n];
        let tail = liar.tails.get(&room).copied();
        Claim {
            company: self.w.ledger().company,
            room,
            device: liar.device,
            seq: tail.map_or(1, |(seq, _)| seq + 1),
            prev: tail.map(|(_, id)| id),
            parents,
            lift: 0,
            kind: 0,
            standing: Some(tail.map_or(MessageId::default(), |(_, id)| id)),
            body: format!("lie {} by {}", self.made, liar.name).into_bytes(),
            claimed_time: 1_600_000_000_000,
        }
    }

    /// Hands something over by gossip, as a push, or when it is asked for.
    fn hand(&mut self, n: usize, victim: NodeId, room: RoomId, forged: &Forged, height: u64) {
        let device = self.liars[n].device;
        match self.draw(3) {
            0 => {
                let topic = self.w.topic(room);
                self.w.inject_gossip(victim, device, topic, &forged.bytes);
            }
            1 => {
                let objects = vec![Blob(forged.bytes.clone())];
                let push = Request::Push { scope: Scope::Room(room), objects };
                self.w.inject_request(victim, device, push.encode());
            }
            _ => {}
        }
        self.w.puppet_mut(device).hold(Scope::Room(room), height, &forged.bytes);
    }

    /// As any member would, with or without access, or back-dated.
    fn posts(&mut self, n: usize, victim: NodeId, room: RoomId) {
        let mut claim = self.claim(n, victim, room);
        let back_dated = self.draw(3) == 0;
        if back_dated {
            (claim.seq, claim.prev) = (1, None);
        }
        let forged = claim.sign(&self.liars[n].keys);
        self.w.checker().note_lie(&forged, None);
        if !back_dated {
            self.liars[n].tails.insert(room, (claim.seq, forged.id));
        }
        self.say(format!("{} posts {:?} at {}", self.liars[n].name, forged.id, self.name(victim)));
        self.count("liar: posts");
        self.hand(n, victim, room, &forged, claim.height());
    }

    /// Two envelopes with one place, to two nodes.
    fn equivocates(&mut self, n: usize, victim: NodeId, room: RoomId) {
        let up = self.up();
        let Some(other) = self.one_of(&up) else { return };
        let one = self.claim(n, victim, room);
        let mut two = one.clone();
        two.body = [one.body.clone(), b" or not".to_vec()].concat();
        for (claim, to) in [(one, victim), (two, other)] {
            let forged = claim.sign(&self.liars[n].keys);
            self.w.checker().note_lie(&forged, None);
            self.liars[n].tails.insert(room, (claim.seq, forged.id));
            self.hand(n, to, room, &forged, claim.height());
        }
        self.say(format!("{} equivocates", self.liars[n].name));
        self.count("liar: equivocates");
    }

    /// In another's name, or with a signature that is none.
    fn signs_badly(&mut self, n: usize, victim: NodeId, room: RoomId) {
        let mut claim = self.claim(n, victim, room);
        let own = self.draw(2) == 0;
        if !own {
            claim.device = self.w.node(self.alice).device();
        }
        let mut forged = claim.sign(&self.liars[n].keys);
        if own && let Some(last) = forged.bytes.last_mut() {
            *last ^= 1;
        }
        self.w.checker().note_lie(&forged, Some("its signature is bad"));
        self.say(format!("{} signs badly", self.liars[n].name));
        self.count("liar: bad signature");
        self.hand(n, victim, room, &forged, claim.height());
    }

    /// What is in one room is brought into another.
    fn takes_elsewhere(&mut self, n: usize, victim: NodeId, room: RoomId) {
        let rooms = self.rooms.clone();
        let Some(elsewhere) = self.one_of(&rooms).filter(|other| *other != room) else { return };
        let held = forge_held(self, victim, room);
        let Some((id, height)) = self.one_of(&held) else { return };
        let Some(made) = self.w.checker().made(id) else { return };
        let forged = Forged { id, bytes: made.bytes.clone() };
        self.say(format!("{} brings {id:?} elsewhere", self.liars[n].name));
        self.count("liar: other room");
        self.hand(n, victim, elsewhere, &forged, height);
    }

    /// A height that its parents do not bear.
    fn builds_a_tower(&mut self, n: usize, victim: NodeId, room: RoomId) {
        let mut claim = self.claim(n, victim, room);
        if claim.parents.is_empty() {
            return;
        }
        claim.lift = 1 + self.w.random(1 << 40);
        let forged = claim.sign(&self.liars[n].keys);
        self.w.checker().note_rootless(&forged, "its height is wrong");
        self.say(format!("{} builds a tower", self.liars[n].name));
        self.count("liar: tower");
        self.hand(n, victim, room, &forged, claim.height());
    }

    /// A chain on parents that do not exist.
    fn builds_on_nothing(&mut self, n: usize, victim: NodeId, room: RoomId) {
        let mut claim = self.claim(n, victim, room);
        claim.parents = vec![(MessageId::from(conclave_protocol::id::ObjectId([7; 32])), 40)];
        for _ in 0..1 + self.draw(20) {
            let forged = claim.sign(&self.liars[n].keys);
            self.w.checker().note_rootless(&forged, "its ancestors do not exist");
            self.hand(n, victim, room, &forged, claim.height());
            claim.parents = vec![(forged.id, claim.height())];
            (claim.seq, claim.prev) = (claim.seq + 1, Some(forged.id));
        }
        self.say(format!("{} builds on nothing", self.liars[n].name));
        self.count("liar: invented parents");
    }

    fn bends_answers(&mut self, n: usize) {
        let Some(lie) = self.one_of(&Lie::ALL) else { return };
        self.say(format!("{} answers with {lie:?}", self.liars[n].name));
        self.count("liar: bends answers");
        let device = self.liars[n].device;
        self.w.puppet_mut(device).lie = lie;
    }

    /// It asks for all that a room holds, whether it has access or not.
    fn asks(&mut self, n: usize, victim: NodeId, room: RoomId) {
        let ids = forge_held(self, victim, room).into_iter().map(|(id, _)| id).take(1_000);
        let request = Request::Get { scope: Scope::Room(room), ids: ids.collect() };
        self.say(format!("{} asks {} for a room", self.liars[n].name, self.name(victim)));
        self.count("liar: asks for a room");
        let device = self.liars[n].device;
        self.w.inject_request(victim, device, request.encode());
    }

    /// Control objects, with or without an authority: grants for itself, or two with one place.
    fn governs(&mut self, n: usize, victim: NodeId) {
        let keys = self.liars[n].keys.clone();
        let pen = Pen::of(&self.w, victim);
        let Some(agent) = pen.log.agents_of_device(keys.device()).next() else { return };
        let grants: Vec<_> = pen.log.admin_grants().map(|(id, grant)| (id, grant.device)).collect();
        let own = grants.iter().rev().find(|(_, device)| *device == keys.device());
        let Some((authority, _)) = own.or(grants.first()).copied() else { return };
        let unit = pen.log.access().units().keys().next().copied();
        let tail = pen.log.tail(keys.device());
        let mut payloads = vec![Payload::AdminGrant(AdminGrant {
            device: keys.device(),
            agent,
            rank: 1 + u32::try_from(self.draw(4)).unwrap_or(0),
            may: Capabilities::ALL,
            scope: None,
            overrides: Vec::new(),
        })];
        if let Some(unit) = unit {
            payloads.push(Payload::MemberGrant(MemberGrant { agent, unit, overrides: Vec::new() }));
        }
        for name in ["here", "there"] {
            let name = format!("{name} {}", self.made);
            let (kind, parent) = (UnitKind::Role, None);
            payloads.push(Payload::UnitCreate(UnitCreate { kind, parent, name }));
        }
        let up = self.up();
        let topic = self.w.control_topic();
        for payload in payloads {
            let Some(to) = self.one_of(&up) else { return };
            let forged = pen.sign_after(&keys, tail, authority, payload);
            self.w.inject_gossip(to, keys.device(), topic, &forged.bytes);
        }
        self.say(format!("{} signs control objects", self.liars[n].name));
        self.count("liar: control objects");
    }
}

/// What a node's disk holds of a room, by height.
fn forge_held(scenario: &mut Scenario, node: NodeId, room: RoomId) -> Vec<(MessageId, u64)> {
    let mut held = Vec::new();
    for ((table, _), value) in scenario.w.disk(node).durable() {
        for sighted in envelopes_in(&value).into_iter().filter(|_| table == Table::Messages) {
            if sighted.room == room
                && let Some(made) = scenario.w.checker().made(sighted.id)
            {
                held.push((sighted.id, made.envelope.height));
            }
        }
    }
    held.sort_by_key(|(id, height)| (*height, *id));
    held
}
