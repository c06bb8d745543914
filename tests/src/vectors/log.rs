//! The control log of the vectors: a small company in which every object is sound and carried.

use std::collections::BTreeMap;

use conclave_protocol::id::{AgentId, CompanyId, ObjectId, UnitId};
use conclave_protocol::keys::{device_statement, recovery_hash};
use conclave_protocol::object::{
    AdminGrant, AgentCert, Capabilities, ControlCut, Countersignature, DeviceCert, FieldValue,
    HistoryPolicy, Keep, MemberGrant, Payload, Permit, Principal, Ratify, Revoke, RevokeMode,
    RoomCreate, RoomCut, RootRotate, SetField, SignatureBytes, UnitCreate, UnitKind,
};

use super::{foundation, keys};
use crate::forge::{self, Forged};

/// An object with what is needed to make it again.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub name: &'static str,
    /// The seed of the author.
    pub author: u8,
    pub forged: Forged,
    /// The seeds of a certified device and of its countersigner.
    pub device: Option<u8>,
    pub countersigner: Option<u8>,
}

/// Writes objects one after the other and keeps heights and chains right.
pub(super) struct Log {
    pub company: CompanyId,
    heights: BTreeMap<ObjectId, u64>,
    tails: BTreeMap<u8, (u64, ObjectId)>,
    pub made: Vec<Made>,
}

impl Log {
    /// The founding: by the root (seed 1) and alice's device (seed 2).
    pub fn founded() -> Self {
        let founded = foundation();
        let names = ["a founding", "the founder", "the founder's grant", "the founder's device"];
        let mut log = Self {
            company: founded.company,
            heights: BTreeMap::new(),
            tails: BTreeMap::new(),
            made: Vec::new(),
        };
        let places = [(1, 1), (1, 2), (1, 3), (2, 1)];
        for (n, (id, bytes)) in founded.objects.into_iter().enumerate() {
            let (author, seq) = places[n];
            log.heights.insert(id, n as u64 + 1);
            log.tails.insert(author, (seq, id));
            let device = (n == 3).then_some(2);
            let forged = Forged { id, bytes };
            log.made.push(Made { name: names[n], author, forged, device, countersigner: None });
        }
        log
    }

    /// The id of an object by the name of its vector; all zeros if there is none.
    pub fn id(&self, name: &str) -> ObjectId {
        self.made.iter().find(|m| m.name == name).map(|m| m.forged.id).unwrap_or_default()
    }

    /// Place and id of an author's newest object.
    pub fn tail(&self, author: u8) -> ControlCut {
        let (seq, id) = self.tails.get(&author).copied().unwrap_or_default();
        ControlCut { device: keys(author).device(), seq, id }
    }

    pub fn add(
        &mut self,
        author: u8,
        authority: ObjectId,
        name: &'static str,
        payload: Payload,
    ) -> ObjectId {
        let prev = self.tails.get(&author).copied();
        let mut refs = payload.references();
        refs.push(authority);
        refs.extend(prev.map(|(_, id)| id));
        let highest = refs.iter().filter_map(|id| self.heights.get(id)).max();
        let height = highest.copied().unwrap_or_default() + 1;
        let seq = prev.map_or(1, |(seq, _)| seq + 1);
        let place = (seq, prev.map(|(_, id)| id));
        let forged = forge::control(&keys(author), self.company, place, authority, height, payload);
        let id = forged.id;
        self.heights.insert(id, height);
        self.tails.insert(author, (seq, id));
        self.made.push(Made { name, author, forged, device: None, countersigner: None });
        id
    }

    /// What the author writes next comes after this, or is its first.
    pub fn rewind(&mut self, author: u8, to: Option<ControlCut>) {
        match to {
            Some(cut) => self.tails.insert(author, (cut.seq, cut.id)),
            None => self.tails.remove(&author),
        };
    }

    pub fn device(
        &mut self,
        (author, authority): (u8, ObjectId),
        name: &'static str,
        agent: ObjectId,
        (device, countersigner): (u8, Option<u8>),
    ) -> ObjectId {
        let (key, sealing) = (keys(device).device(), keys(device).sealing());
        let statement = device_statement(self.company, agent.into(), key, sealing);
        let signature = |seed| SignatureBytes(keys(seed).sign(&statement));
        let countersignature = countersigner.map(|seed| Countersignature {
            device: keys(seed).device(),
            signature: signature(seed),
        });
        let cert = DeviceCert {
            agent: agent.into(),
            device: key,
            sealing,
            countersignature,
            proof: signature(device),
        };
        let id = self.add(author, authority, name, Payload::DeviceCert(cert));
        if let Some(made) = self.made.last_mut() {
            (made.device, made.countersigner) = (Some(device), countersigner);
        }
        id
    }
}

pub(super) fn unit(kind: UnitKind, parent: Option<ObjectId>, name: &str) -> Payload {
    let parent = parent.map(UnitId::from);
    Payload::UnitCreate(UnitCreate { kind, parent, name: name.to_owned() })
}

pub(super) fn agent(name: &str) -> Payload {
    Payload::AgentCert(AgentCert { name: name.to_owned() })
}

pub(super) fn room(name: &str) -> Payload {
    Payload::RoomCreate(RoomCreate { name: name.to_owned(), history: HistoryPolicy::Full })
}

pub(super) fn member(agent: ObjectId, unit: ObjectId, overrides: Vec<ObjectId>) -> Payload {
    Payload::MemberGrant(MemberGrant { agent: agent.into(), unit: unit.into(), overrides })
}

pub(super) fn permit(room: ObjectId, principal: Principal, overrides: Vec<ObjectId>) -> Payload {
    Payload::Permit(Permit { room: room.into(), principal, overrides })
}

pub(super) fn removal(target: ObjectId) -> Revoke {
    Revoke { target, control_cuts: Vec::new(), keep: Vec::new(), mode: RevokeMode::Depart }
}

pub(super) fn sorted(mut ids: Vec<ObjectId>) -> Vec<ObjectId> {
    ids.sort_unstable();
    ids
}

pub(super) fn field(target: ObjectId, value: FieldValue, supersedes: Vec<ObjectId>) -> Payload {
    Payload::SetField(SetField { target, value, supersedes: sorted(supersedes) })
}

fn keep(room: ObjectId, messages: &[u8]) -> Keep {
    Keep { room: room.into(), messages: messages.iter().map(|n| ObjectId([*n; 32])).collect() }
}

/// All of the log.
pub(super) fn log() -> Log {
    let mut log = Log::founded();
    simple(&mut log);
    people(&mut log);
    junior(&mut log);
    dismissals(&mut log);
    root(&mut log);
    log
}

/// A unit, an agent, a room: what one admin does on the first day.
fn simple(log: &mut Log) {
    let a = log.id("the founder's grant");
    let support = log.add(2, a, "a Department", unit(UnitKind::Department, None, "Support"));
    let group = unit(UnitKind::Group, Some(support), "Front Line");
    let front = log.add(2, a, "a Group", group);
    log.add(2, a, "a Role", unit(UnitKind::Role, None, "M\u{fc}ller \u{6f22}"));
    let bob = log.add(2, a, "an agent", agent("bob"));
    log.device((2, a), "a device", bob, (3, None));
    let granted = log.add(2, a, "a membership", member(bob, front, Vec::new()));
    let help = log.add(2, a, "a room", room("help"));
    let open = |principal| permit(help, principal, Vec::new());
    log.add(2, a, "a permission for a unit", open(Principal::Unit(support.into())));
    let single = log.add(2, a, "a permission for an agent", open(Principal::Agent(bob.into())));
    log.add(2, a, "a permission for all agents", open(Principal::Unit(UnitId::ROLE_AGENT)));
    let removed = log.add(2, a, "a removal", Payload::Revoke(removal(granted)));
    log.add(2, a, "a membership again", member(bob, front, vec![removed]));
    // One more removal, so that a grant can name two.
    let again = log.id("a membership again");
    let kept = Revoke {
        keep: vec![keep(help, &[0x10, 0x20])],
        mode: RevokeMode::Strict,
        ..removal(again)
    };
    let strict = log.add(2, a, "a strict removal that keeps history", Payload::Revoke(kept));
    let both = sorted(vec![removed, strict]);
    log.add(2, a, "a membership that overrides two", member(bob, front, both));
    let ended = log.add(2, a, "a permission ended", Payload::Revoke(removal(single)));
    let reopened = permit(help, Principal::Agent(AgentId::from(bob)), vec![ended]);
    log.add(2, a, "a permission that overrides", reopened);
    let cut = |keep: &[u8]| {
        let keep = keep.iter().map(|n| ObjectId([*n; 32])).collect();
        Payload::RoomCut(RoomCut { room: help.into(), revoke: removed, keep })
    };
    log.add(2, a, "a cut of a room", cut(&[0x11, 0x12]));
    log.add(2, a, "a cut that keeps nothing", cut(&[]));
}

/// A second device, and fields.
fn people(log: &mut Log) {
    let a = log.id("the founder's grant");
    let (bob, help, front) = (log.id("an agent"), log.id("a room"), log.id("a Group"));
    log.device((2, a), "a device with a countersignature", bob, (4, Some(3)));
    let name = |name: &str| FieldValue::Name(name.to_owned());
    let first = log.add(2, a, "an agent's name", field(bob, name("robert"), Vec::new()));
    let second = log.add(2, a, "another name beside it", field(bob, name("rob"), Vec::new()));
    let both = vec![first, second];
    log.add(2, a, "a name that supersedes two", field(bob, name("Bob B."), both));
    log.add(2, a, "a unit's name", field(front, name("First Line"), Vec::new()));
    log.add(2, a, "a room's name", field(help, name("help desk"), Vec::new()));
    let topic = |topic: &str| FieldValue::Topic(topic.to_owned());
    let about = field(help, topic("ask: anything / \u{202b}any time"), Vec::new());
    let about = log.add(2, a, "a room's topic", about);
    log.add(2, a, "an empty topic", field(help, topic(""), vec![about]));
    let off = log.add(2, a, "a room not in use", field(help, FieldValue::Active(false), vec![]));
    log.add(2, a, "a room in use", field(help, FieldValue::Active(true), vec![off]));
}

/// A junior admin with a Department as scope.
fn junior(log: &mut Log) {
    let a = log.id("the founder's grant");
    let support = log.id("a Department");
    let carol = log.add(2, a, "a second agent", agent("carol"));
    log.device((2, a), "the second agent's device", carol, (5, None));
    let scoped = Payload::AdminGrant(AdminGrant {
        device: keys(5).device(),
        agent: carol.into(),
        rank: 2,
        may: Capabilities { units: true, agents: false, rooms: true, admins: false },
        scope: Some(support.into()),
        overrides: Vec::new(),
    });
    let g = log.add(2, a, "a grant with a scope", scoped);
    let night = log.add(5, g, "a junior's Group", unit(UnitKind::Group, Some(support), "Night"));
    let owls = log.add(5, g, "a junior's room", room("owls"));
    let open = permit(owls, Principal::Unit(night.into()), Vec::new());
    log.add(5, g, "a junior's permission", open);
    log.add(5, g, "a junior's membership, cut and ratified", member(carol, night, Vec::new()));
}

/// An admin is dismissed, and what is worth keeping ratified; a device and a room are revoked.
fn dismissals(log: &mut Log) {
    let a = log.id("the founder's grant");
    let (carol, owls) = (log.id("a second agent"), log.id("a junior's room"));
    let help = log.id("a room");
    let g = log.id("a grant with a scope");
    // Up to the permission; the membership after it is void, until it is ratified.
    let cut = ControlCut { device: keys(5).device(), seq: 3, id: log.id("a junior's permission") };
    let mut keeps = vec![keep(help, &[0x01]), keep(owls, &[0x02, 0x03])];
    keeps.sort_by_key(|keep| keep.room);
    let dismissed = Payload::Revoke(Revoke {
        target: g,
        control_cuts: vec![cut],
        keep: keeps,
        mode: RevokeMode::Strict,
    });
    let dismissed = log.add(2, a, "an admin dismissed, with a cut", dismissed);
    let target = log.id("a junior's membership, cut and ratified");
    let ratify = Payload::Ratify(Ratify { target, overrides: Vec::new() });
    log.add(2, a, "a ratification of a void object", ratify);
    let regrant = AdminGrant {
        device: keys(5).device(),
        agent: carol.into(),
        rank: 3,
        may: Capabilities::ALL,
        scope: None,
        overrides: vec![dismissed],
    };
    let again = log.add(2, a, "a grant that overrides", Payload::AdminGrant(regrant));
    let closed = log.add(2, a, "a room revoked", Payload::Revoke(removal(owls)));
    let reopened = Payload::Ratify(Ratify { target: owls, overrides: vec![closed] });
    log.add(2, a, "a ratification of a revoked room", reopened);
    let role = unit(UnitKind::Role, None, "Auditor");
    log.add(5, again, "an object of the second grant", role);
    log.add(5, again, "a resignation", Payload::Revoke(removal(again)));
    // Two devices of one agent, each with a place at which it is cut.
    let grant = |device| {
        Payload::AdminGrant(AdminGrant {
            device: keys(device).device(),
            agent: carol.into(),
            rank: u32::MAX,
            may: Capabilities { units: false, agents: false, rooms: true, admins: false },
            scope: None,
            overrides: Vec::new(),
        })
    };
    let sixth = log.device((2, a), "a third device", carol, (6, Some(5)));
    let last = log.add(2, a, "a grant of the lowest rank", grant(6));
    log.add(6, last, "a room of the lowest rank", room("attic"));
    let mut cuts = vec![log.tail(6), log.tail(5)];
    cuts.sort_by_key(|cut| cut.device);
    let left = Payload::Revoke(Revoke { control_cuts: cuts, ..removal(carol) });
    let left = log.add(2, a, "an agent dismissed, with two cuts", left);
    let back = Payload::Ratify(Ratify { target: carol, overrides: vec![left] });
    log.add(2, a, "an agent's return", back);
    let cuts = vec![log.tail(6)];
    let stolen = Revoke { control_cuts: cuts, mode: RevokeMode::Strict, ..removal(sixth) };
    log.add(2, a, "a device revoked", Payload::Revoke(stolen));
    let role = log.id("an object of the second grant");
    log.add(2, a, "a unit revoked", Payload::Revoke(removal(role)));
}

/// The root appoints another admin, and is replaced by the recovery key (seed 9).
fn root(log: &mut Log) {
    let genesis = log.id("a founding");
    let rotate = Payload::RootRotate(RootRotate {
        next: recovery_hash(keys(10).device(), ObjectId::default()),
        cut: log.tail(1),
    });
    let rotated = log.add(9, genesis, "a new root", rotate);
    let appointed = Payload::AdminGrant(AdminGrant {
        device: keys(3).device(),
        agent: log.id("an agent").into(),
        rank: 1,
        may: Capabilities::ALL,
        scope: None,
        overrides: Vec::new(),
    });
    log.add(9, rotated, "a grant of the new root", appointed);
    let next = Payload::RootRotate(RootRotate { next: ObjectId::default(), cut: log.tail(9) });
    log.add(10, rotated, "the root after that", next);
}
