//! A large company: many admins who certify agents, fill units and open rooms.

use conclave_protocol::found::{Founding, found};
use conclave_protocol::id::{AgentId, CompanyId, DeviceId, ObjectId, RoomId, UnitId};
use conclave_protocol::keys::{DeviceKeys, device_statement};
use conclave_protocol::object::{
    AdminGrant, AgentCert, CONTROL_VERSION, Capabilities, ControlCut, ControlObject, DeviceCert,
    FieldValue, Header, HistoryPolicy, MemberGrant, Payload, Permit, Principal, Revoke, RevokeMode,
    RoomCreate, SetField, SignatureBytes, UnitCreate, UnitKind,
};
use conclave_tests::world::node::{keys_of, seed_of};

struct Author {
    keys: DeviceKeys,
    authority: ObjectId,
    rank: u32,
    /// Newest object: sequence number, id, height.
    last: Option<(u64, ObjectId, u64)>,
}

/// Signed objects of a company.
pub(crate) struct Company {
    pub(crate) id: CompanyId,
    pub(crate) genesis: Vec<u8>,
    /// In the order of writing; references point back.
    pub(crate) objects: Vec<(ObjectId, Vec<u8>)>,
    authors: Vec<Author>,
    heights: std::collections::BTreeMap<ObjectId, u64>,
    agents: Vec<AgentId>,
    units: Vec<UnitId>,
    rooms: Vec<RoomId>,
    members: Vec<ObjectId>,
}

impl Company {
    pub(crate) fn new(objects: usize, admins: usize, revocations: usize) -> Self {
        let key = |name: &str| keys_of(&seed_of(name, 1));
        let (root, founder) = (key("root"), key("admin 0"));
        let foundation = found(&Founding {
            company: "Large",
            agent: "admin 0",
            root: &root,
            recovery: ObjectId([1; 32]),
            salt: ObjectId([2; 32]),
            device: &founder,
        });
        let ids: Vec<ObjectId> = foundation.objects.iter().map(|(id, _)| *id).collect();
        let mut company = Self {
            id: foundation.company,
            genesis: foundation.objects[0].1.clone(),
            objects: foundation.objects[1..].to_vec(),
            authors: vec![Author {
                keys: founder,
                authority: ids[2],
                rank: 1,
                last: Some((1, ids[3], 4)),
            }],
            heights: ids.iter().zip([1, 2, 3, 4]).map(|(id, height)| (*id, height)).collect(),
            agents: vec![AgentId::from(ids[1])],
            units: Vec::new(),
            rooms: Vec::new(),
            members: Vec::new(),
        };
        for n in 1..admins {
            company.appoint(n);
        }
        let ordinary = objects.saturating_sub(revocations);
        let mut n = 0;
        while company.objects.len() < ordinary {
            company.write(n);
            n += 1;
        }
        for n in 0..revocations {
            company.revoke(n);
        }
        company
    }

    /// The founder appoints an eighth of all, and each of these seven of the others.
    fn appoint(&mut self, n: usize) {
        let by = if n % 8 == 1 { 0 } else { n - (n - 1) % 8 };
        let agent = self.sign(0, Payload::AgentCert(AgentCert { name: format!("admin {n}") }));
        let agent = AgentId::from(agent);
        let keys = keys_of(&seed_of(&format!("admin {n}"), 1));
        let rank = self.authors[by].rank + 1;
        let grant = AdminGrant {
            device: keys.device(),
            agent,
            rank,
            may: Capabilities::ALL,
            scope: None,
            overrides: Vec::new(),
        };
        let authority = self.sign(by, Payload::AdminGrant(grant));
        let cert = self.device_cert(agent, &keys);
        self.sign(0, cert);
        self.authors.push(Author { keys, authority, rank, last: None });
        self.agents.push(agent);
    }

    fn write(&mut self, n: usize) {
        let by = n % self.authors.len();
        let pick = |n: usize, len: usize| (n.wrapping_mul(7919) + n / 97) % len.max(1);
        match n % 20 {
            0 if n.is_multiple_of(400) => {
                let kind = UnitKind::Department;
                let unit = UnitCreate { kind, parent: None, name: format!("unit {n}") };
                let id = self.sign(by, Payload::UnitCreate(unit));
                self.units.push(id.into());
            }
            0 => {
                let kind = UnitKind::Role;
                let unit = UnitCreate { kind, parent: None, name: format!("role {n}") };
                let id = self.sign(by, Payload::UnitCreate(unit));
                self.units.push(id.into());
            }
            1..=4 => {
                let id =
                    self.sign(by, Payload::AgentCert(AgentCert { name: format!("agent {n}") }));
                let agent = AgentId::from(id);
                let keys = keys_of(&seed_of(&format!("device {n}"), 1));
                let cert = self.device_cert(agent, &keys);
                self.sign(by, cert);
                self.agents.push(agent);
            }
            5 => {
                let name = format!("room {n}");
                let room = RoomCreate { name, history: HistoryPolicy::Full };
                let id = self.sign(by, Payload::RoomCreate(room));
                self.rooms.push(id.into());
            }
            6 | 7 => {
                let room = self.rooms[pick(n, self.rooms.len())];
                let principal = Principal::Unit(self.units[pick(n + 1, self.units.len())]);
                self.sign(by, Payload::Permit(Permit { room, principal, overrides: Vec::new() }));
            }
            8 if !self.rooms.is_empty() => {
                let target = self.rooms[pick(n, self.rooms.len())].into();
                let value = FieldValue::Topic(format!("topic {n}"));
                let field = SetField { target, value, supersedes: Vec::new() };
                self.sign(by, Payload::SetField(field));
            }
            9 if self.members.len() > 10 => {
                let target = self.members[pick(n, self.members.len())];
                self.sign(by, Payload::Revoke(plain(target)));
            }
            _ => {
                let agent = self.agents[pick(n, self.agents.len())];
                let unit = self.units[pick(n + 3, self.units.len())];
                let grant = MemberGrant { agent, unit, overrides: Vec::new() };
                let id = self.sign(by, Payload::MemberGrant(grant));
                self.members.push(id);
            }
        }
    }

    /// The founder ends an admin's authority, half of what it signed left.
    fn revoke(&mut self, n: usize) {
        let last = self.authors.len() - 1 - n * 3;
        let author = &self.authors[last];
        let (device, target) = (author.keys.device(), author.authority);
        let half = author.last.map(|(seq, _, _)| seq / 2).unwrap_or_default();
        let cut = self.place(device, half);
        let control_cuts = cut.into_iter().collect();
        let revoke = Revoke { control_cuts, ..plain(target) };
        self.sign(0, Payload::Revoke(revoke));
    }

    fn place(&self, device: DeviceId, wanted: u64) -> Option<ControlCut> {
        self.objects.iter().find_map(|(id, bytes)| {
            let object = conclave_protocol::signed::Verified::<ControlObject>::control(
                bytes,
                self.id,
                conclave_protocol::signed::Trust::StoredAs(*id),
            )
            .ok()?;
            let header = &object.value().header;
            (header.author == device && header.seq == wanted).then_some(ControlCut {
                device,
                seq: wanted,
                id: *id,
            })
        })
    }

    fn device_cert(&self, agent: AgentId, keys: &DeviceKeys) -> Payload {
        let (device, sealing) = (keys.device(), keys.sealing());
        let statement = device_statement(self.id, agent, device, sealing);
        let proof = SignatureBytes(keys.sign(&statement));
        Payload::DeviceCert(DeviceCert { agent, device, sealing, countersignature: None, proof })
    }

    fn sign(&mut self, by: usize, payload: Payload) -> ObjectId {
        let (id, bytes) = self.signed(by, payload);
        self.objects.push((id, bytes));
        id
    }

    fn signed(&mut self, by: usize, payload: Payload) -> (ObjectId, Vec<u8>) {
        let author = &self.authors[by];
        let mut object = ControlObject {
            header: Header {
                version: CONTROL_VERSION,
                company: self.id,
                author: author.keys.device(),
                seq: author.last.map_or(1, |(seq, _, _)| seq + 1),
                prev: author.last.map(|(_, id, _)| id),
                authority: author.authority,
                height: 0,
            },
            payload,
        };
        let heights = object.references().into_iter().map(|id| self.heights[&id]);
        object.header.height = 1 + heights.max().unwrap_or(0);
        let (id, bytes) = object.sign(&author.keys);
        self.heights.insert(id, object.header.height);
        self.authors[by].last = Some((object.header.seq, id, object.header.height));
        (id, bytes)
    }

    /// Further objects by kind, each to be added to the full log.
    pub(crate) fn more(mut self) -> Vec<(&'static str, Vec<Vec<u8>>)> {
        let mut kinds = Vec::new();
        let (agents, units, rooms) = (self.agents.clone(), self.units.clone(), self.rooms.clone());
        let mut several = |what, payload: &dyn Fn(&Self, usize) -> Payload| {
            // Each kind begins at the same end of the chain.
            let last = self.authors[0].last;
            let signed = (0..500)
                .map(|n| {
                    let payload = payload(&self, n);
                    self.signed(0, payload).1
                })
                .collect();
            self.authors[0].last = last;
            kinds.push((what, signed));
        };
        several("membership", &|_, n| {
            let (agent, unit) = (agents[n * 7], units[n % units.len()]);
            Payload::MemberGrant(MemberGrant { agent, unit, overrides: Vec::new() })
        });
        several("agent", &|_, n| Payload::AgentCert(AgentCert { name: format!("new {n}") }));
        several("permission", &|_, n| {
            let (room, principal) =
                (rooms[n % rooms.len()], Principal::Unit(units[n % units.len()]));
            Payload::Permit(Permit { room, principal, overrides: Vec::new() })
        });
        several("end of a membership", &|company, n| {
            Payload::Revoke(plain(company.members[n * 11]))
        });
        several("dismissal of an agent", &|_, n| {
            Payload::Revoke(plain(agents[agents.len() - 1 - n].into()))
        });
        several("admin", &|_, n| {
            let keys = keys_of(&seed_of(&format!("late {n}"), 1));
            let agent = agents[300 + n];
            Payload::AdminGrant(AdminGrant {
                device: keys.device(),
                agent,
                rank: 2,
                may: Capabilities::ALL,
                scope: None,
                overrides: Vec::new(),
            })
        });
        kinds
    }
}

fn plain(target: ObjectId) -> Revoke {
    Revoke { target, control_cuts: Vec::new(), keep: Vec::new(), mode: RevokeMode::Depart }
}
