//! Random control logs: mostly sound, some void, from one seed.

use conclave_protocol::control::ControlLog;
use conclave_protocol::found::{Founding, found};
use conclave_protocol::id::{AgentId, CompanyId, DeviceId, ObjectId, RoomId, UnitId};
use conclave_protocol::keys::{DeviceKeys, device_statement};
use conclave_protocol::object::{
    AdminGrant, AgentCert, CONTROL_VERSION, Capabilities, ControlObject, DeviceCert, Genesis,
    Header, HistoryPolicy, MemberGrant, ObjectType, Payload, Permit, Principal, Revoke, RevokeMode,
    RoomCreate, SignatureBytes, UnitCreate, UnitKind,
};
use conclave_protocol::signed::{Trust, Verified};

use crate::world::node::{keys_of, seed_of};

/// A company's log and the hand that writes it.
pub struct RandomLog {
    /// The company.
    pub company: CompanyId,
    /// Its root key.
    pub root: DeviceId,
    /// `Genesis`.
    pub genesis: Vec<u8>,
    /// The rest in the order of writing, with signed bytes.
    pub objects: Vec<(ObjectId, ControlObject, Vec<u8>)>,
    keys: Vec<DeviceKeys>,
    /// Only to know what to refer to, so that most of the log counts.
    guide: ControlLog,
    seed: u64,
    drawn: u64,
}

impl RandomLog {
    /// A log of `length` objects beyond the founding.
    #[must_use]
    pub fn new(seed: u64, length: usize) -> Self {
        let key = |name: &str| keys_of(&seed_of(name, seed));
        // The root, the founder, three more admins to be, one who never is.
        let keys: Vec<DeviceKeys> = ["root", "a", "b", "c", "d", "e"].map(key).to_vec();
        let foundation = found(&Founding {
            company: "Random",
            agent: "founder",
            root: &keys[0],
            recovery: ObjectId([1; 32]),
            salt: ObjectId([2; 32]),
            device: &keys[1],
        });
        let mut log = Self {
            company: foundation.company,
            root: keys[0].device(),
            genesis: foundation.objects[0].1.clone(),
            objects: Vec::new(),
            keys,
            guide: ControlLog::new(foundation.company),
            seed,
            drawn: 0,
        };
        if let Ok(genesis) = Verified::<Genesis>::genesis(&log.genesis, Trust::Nothing) {
            log.guide.add_genesis(genesis);
        }
        for (_, bytes) in &foundation.objects[1..] {
            log.keep(bytes);
        }
        while log.objects.len() < length + 3 {
            log.write();
        }
        log
    }

    fn keep(&mut self, bytes: &[u8]) {
        // What cannot be decoded does not enter the log of any node.
        if let Ok(object) = Verified::<ControlObject>::control(bytes, self.company, Trust::Nothing)
            && self.objects.iter().all(|(id, _, _)| *id != object.id())
        {
            self.objects.push((object.id(), object.value().clone(), bytes.to_vec()));
            self.guide.add(object);
            self.guide.refresh();
        }
    }

    fn random(&mut self, bound: usize) -> usize {
        self.drawn += 1;
        let mut material = self.seed.to_be_bytes().to_vec();
        material.extend_from_slice(&self.drawn.to_be_bytes());
        let hash: [u8; 32] = blake3::hash(&material).into();
        let number =
            u64::from_be_bytes([0, 0, hash[0], hash[1], hash[2], hash[3], hash[4], hash[5]]);
        usize::try_from(number).unwrap_or_default() % bound.max(1)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.random(100) < percent
    }

    /// Any object of a type; now and then one of any type, or one that nobody has.
    fn some(&mut self, wanted: ObjectType) -> ObjectId {
        let flaw = self.random(100);
        if flaw == 0 {
            return ObjectId([77; 32]);
        }
        let fits: Vec<ObjectId> = self
            .objects
            .iter()
            .filter(|(id, o, _)| {
                let fits = self.guide.counts(*id) && o.payload.object_type() == wanted;
                flaw == 1 || fits
            })
            .map(|(id, _, _)| *id)
            .collect();
        // The older, the likelier: so that the same few meet again and again.
        let most = self.random(fits.len()) + 1;
        let n = self.random(most);
        fits.get(n).copied().unwrap_or_default()
    }

    fn revokes(&self) -> Vec<(ObjectId, ObjectId)> {
        self.objects
            .iter()
            .filter(|(id, _, _)| self.guide.counts(*id))
            .filter_map(|(id, o, _)| match &o.payload {
                Payload::Revoke(r) => Some((*id, r.target)),
                _ => None,
            })
            .collect()
    }

    /// Revocations for a grant to name: none, a few, or most.
    fn overrides(&mut self) -> Vec<ObjectId> {
        let percent = [0, 0, 30, 95][self.random(4)];
        let mut chosen = Vec::new();
        for (id, _) in self.revokes() {
            if self.chance(percent) {
                chosen.push(id);
            }
        }
        chosen.sort_unstable();
        chosen.truncate(60);
        chosen
    }

    fn payload(&mut self) -> Payload {
        let n = self.objects.len();
        match self.random(100) {
            0..=4 => {
                let keys = 1 + self.random(self.keys.len() - 2);
                let bits = self.random(16);
                let flawed = self.chance(10);
                Payload::AdminGrant(AdminGrant {
                    device: self.keys[keys].device(),
                    agent: AgentId::from(self.some(ObjectType::AgentCert)),
                    rank: if flawed { 2 } else { 1 },
                    may: Capabilities {
                        units: bits & 1 == 0,
                        agents: bits & 2 == 0,
                        rooms: bits & 4 == 0,
                        admins: bits & 8 == 0,
                    },
                    scope: None,
                    overrides: Vec::new(),
                })
            }
            5..=14 => {
                let kind = [UnitKind::Department, UnitKind::Group, UnitKind::Group, UnitKind::Role]
                    [self.random(4)];
                let group = kind == UnitKind::Group;
                let parent = group.then(|| UnitId::from(self.some(ObjectType::UnitCreate)));
                let reserved = self.chance(10);
                let name = if reserved { "Agent".to_owned() } else { format!("unit {n}") };
                Payload::UnitCreate(UnitCreate { kind, parent, name })
            }
            15..=22 => Payload::AgentCert(AgentCert { name: format!("agent {n}") }),
            23..=30 => self.device_cert(),
            31..=40 => self.add_again(ObjectType::MemberGrant),
            61..=68 => self.add_again(ObjectType::Permit),
            41..=54 => Payload::MemberGrant(MemberGrant {
                agent: AgentId::from(self.some(ObjectType::AgentCert)),
                unit: UnitId::from(self.some(ObjectType::UnitCreate)),
                overrides: self.overrides(),
            }),
            55..=60 => {
                let name = format!("room {n}");
                Payload::RoomCreate(RoomCreate { name, history: HistoryPolicy::Full })
            }
            69..=78 => {
                let principal = match self.random(6) {
                    0 => Principal::Unit(UnitId::ROLE_AGENT),
                    1 => Principal::Agent(AgentId::from(self.some(ObjectType::AgentCert))),
                    _ => Principal::Unit(UnitId::from(self.some(ObjectType::UnitCreate))),
                };
                Payload::Permit(Permit {
                    room: RoomId::from(self.some(ObjectType::RoomCreate)),
                    principal,
                    overrides: self.overrides(),
                })
            }
            _ => {
                let of = [ObjectType::MemberGrant, ObjectType::Permit][self.random(2)];
                Payload::Revoke(Revoke {
                    target: self.some(of),
                    control_cuts: Vec::new(),
                    keep: Vec::new(),
                    mode: RevokeMode::Depart,
                })
            }
        }
    }

    /// A grant of a pair that was struck, as an honest admin signs it; now and then one that
    /// misses a revocation.
    fn add_again(&mut self, of: ObjectType) -> Payload {
        let struck: Vec<ObjectId> = self
            .revokes()
            .into_iter()
            .map(|(_, target)| target)
            .filter(|t| self.guide.get(*t).is_some_and(|o| o.payload.object_type() == of))
            .collect();
        let n = self.random(struck.len());
        let grant = struck.get(n).copied().unwrap_or_else(|| self.some(of));
        let access = self.guide.access();
        let (mut payload, mut overrides) = match self.guide.get(grant).map(|o| &o.payload) {
            Some(Payload::MemberGrant(g)) => {
                (Payload::MemberGrant(g.clone()), access.member_revokes(g.agent, g.unit))
            }
            Some(Payload::Permit(p)) => {
                (Payload::Permit(p.clone()), access.permit_revokes(p.room, p.principal))
            }
            _ => (Payload::AgentCert(AgentCert { name: "again".into() }), Default::default()),
        };
        if self.chance(20) {
            overrides.pop_first();
        }
        match &mut payload {
            Payload::MemberGrant(g) => g.overrides = overrides.into_iter().collect(),
            Payload::Permit(p) => p.overrides = overrides.into_iter().collect(),
            _ => {}
        }
        payload
    }

    fn device_cert(&mut self) -> Payload {
        let agent = AgentId::from(self.some(ObjectType::AgentCert));
        // Few devices for many certificates: some keys end up certified twice.
        let n = self.random(12);
        let keys = keys_of(&seed_of(&format!("device {n}"), self.seed));
        let (device, sealing) = (keys.device(), keys.sealing());
        let statement = device_statement(self.company, agent, device, sealing);
        let proof = SignatureBytes(keys.sign(&statement));
        Payload::DeviceCert(DeviceCert { agent, device, sealing, countersignature: None, proof })
    }

    fn write(&mut self) {
        let payload = self.payload();
        // Mostly the founder and those who are admins by now, for things that they may do.
        let root_writes = matches!(payload, Payload::AdminGrant(_));
        let n = match self.random(10) {
            0 => self.random(self.keys.len()),
            _ if root_writes => 0,
            1..=5 => 1,
            _ => 1 + self.random(4),
        };
        let author = self.keys[n].device();
        let company = ObjectId::from(self.company);
        let own_grants: Vec<ObjectId> = self
            .objects
            .iter()
            .filter(|(id, _, _)| self.guide.counts(*id))
            .filter(|(_, o, _)| matches!(&o.payload, Payload::AdminGrant(g) if g.device == author))
            .map(|(id, _, _)| *id)
            .collect();
        let authority = match (n, self.random(20)) {
            (_, 0) => self.some(ObjectType::AdminGrant),
            (0, _) => company,
            _ => own_grants.get(self.random(own_grants.len())).copied().unwrap_or(company),
        };
        let mut chain: Vec<(u64, ObjectId)> = self
            .objects
            .iter()
            .filter(|(id, o, _)| o.header.author == author && self.guide.counts(*id))
            .map(|(id, o, _)| (o.header.seq, *id))
            .collect();
        chain.sort_unstable();
        if n == 0 && chain.is_empty() {
            chain.push((1, company));
        }
        let mut before = chain.last().copied();
        if self.chance(4) {
            // A fork: both branches count.
            before = chain.get(self.random(chain.len())).copied();
        }
        let mut seq = before.map_or(1, |(seq, _)| seq + 1);
        if self.chance(2) && seq > 1 {
            seq += 1;
        }
        let mut object = ControlObject {
            header: Header {
                version: CONTROL_VERSION,
                company: self.company,
                author,
                seq,
                prev: before.map(|(_, id)| id),
                authority,
                height: 0,
            },
            payload,
        };
        let height = |id: ObjectId| {
            let known = self.objects.iter().find(|(other, _, _)| *other == id);
            known.map_or(1, |(_, o, _)| o.header.height)
        };
        let highest = object.references().into_iter().map(height).max().unwrap_or(0);
        object.header.height = highest + 1 + u64::from(self.chance(2));
        let (_, bytes) = object.sign(&self.keys[n]);
        self.keep(&bytes);
    }
}
