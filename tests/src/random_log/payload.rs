//! What to write next.

use conclave_protocol::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use conclave_protocol::keys::{DeviceKeys, device_statement};
use conclave_protocol::object::{
    AdminGrant, AgentCert, Capabilities, ControlCut, Countersignature, DeviceCert, Field,
    FieldValue, HistoryPolicy, Keep, MemberGrant, ObjectType, Payload, Permit, Principal, Ratify,
    Revoke, RevokeMode, RoomCreate, RoomCut, RootRotate, SetField, SignatureBytes, UnitCreate,
    UnitKind,
};

use super::{RandomLog, Theme};

impl RandomLog {
    /// A company with a few people, admins and rooms, so that there is something to quarrel
    /// about; `None` once it stands.
    pub(super) fn opening_payload(&mut self) -> Option<Payload> {
        self.opening += 1;
        let step = self.opening;
        let skipped = self.rng.chance(15);
        match step {
            1..=3 => Some(self.agent_cert()),
            4..=6 => self.certified(step - 3, step - 3),
            7..=9 => self.appointed(step - 6),
            10 => Some(self.unit(UnitKind::Department, None)),
            11..=12 => self.unit_of_some_kind(),
            13 => self.member_grant(),
            14 => Some(self.room_create()),
            15..=16 => self.permit(),
            17 => self.member_grant(),
            _ => None,
        }
        .filter(|_| !skipped)
    }

    pub(super) fn payload(&mut self) -> Option<Payload> {
        if let Some(payload) = self.payload_of_the_theme() {
            return Some(payload);
        }
        match self.rng.below(104) {
            0..=6 => self.admin_grant(),
            7..=10 => self.unit_of_some_kind(),
            11..=13 => Some(self.agent_cert()),
            14..=20 => self.device_cert(),
            21..=26 => self.member_grant(),
            27..=34 => self.again(ObjectType::MemberGrant),
            35..=37 => Some(self.room_create()),
            38..=42 => self.permit(),
            43..=48 => self.again(ObjectType::Permit),
            49..=56 => self.revoke(ObjectType::AdminGrant),
            57..=59 => self.revoke(ObjectType::AgentCert),
            60..=65 => self.revoke(ObjectType::DeviceCert),
            66..=69 => self.revoke(ObjectType::MemberGrant),
            70..=72 => self.revoke(ObjectType::Permit),
            73 => self.revoke(ObjectType::UnitCreate),
            74 => self.revoke(ObjectType::RoomCreate),
            75..=76 => self.resignation(),
            77..=78 => self.room_cut(),
            79..=84 => self.ratify_of_attacked(),
            85..=90 => self.ratify_of_revoked(),
            91..=92 => self.ratify(None),
            93..=101 => self.set_field(),
            _ => self.root_rotate(),
        }
    }

    fn payload_of_the_theme(&mut self) -> Option<Payload> {
        if self.theme == Theme::Any || self.rng.chance(60) {
            return None;
        }
        let dice = self.rng.below(8);
        match (self.theme, dice) {
            (Theme::Roots, 0..=4) => self.root_rotate(),
            (Theme::Roots, 5) => self.agent_cert().into(),
            (Theme::Roots, _) => self.admin_grant(),
            (Theme::Devices, 0..=2) => self.device_cert(),
            (Theme::Devices, 3) => self.mask(),
            (Theme::Devices, 4..=5) => self.revoke(ObjectType::DeviceCert),
            (Theme::Devices, 6) => self.revoke(ObjectType::AdminGrant),
            (Theme::Devices, _) => self.ratify_of_revoked(),
            (Theme::Offices, 0..=1) => self.resignation(),
            (Theme::Offices, 2..=3) => self.ratify_of_attacked(),
            (Theme::Offices, 4) => self.admin_grant(),
            (Theme::Offices, 5) => self.ratify_of_a(ObjectType::Revoke),
            (Theme::Offices, 6) => self.ratify_of_a(ObjectType::Ratify),
            (Theme::Offices, _) => self.revoke(ObjectType::AdminGrant),
            (Theme::Any, _) => None,
        }
    }

    fn ratify_of_a(&mut self, wanted: ObjectType) -> Option<Payload> {
        let target = self.some(wanted)?;
        self.ratify(Some(target))
    }

    /// A grant for somebody's key that names an agent who holds an office.
    fn mask(&mut self) -> Option<Payload> {
        let grant = self.some(ObjectType::AdminGrant)?;
        let agent = self.log.grant(grant)?.agent;
        let n = self.rng.below(self.cast.devices().len());
        let device = self.cast.devices()[n].device();
        let (rank, may) = (self.rng.below(3) + 2, self.capabilities());
        let rank = u32::try_from(rank).unwrap_or(2);
        let grant = AdminGrant { device, agent, rank, may, scope: None, overrides: Vec::new() };
        Some(Payload::AdminGrant(grant))
    }

    /// An object of a type; now and then one of any type, or one that nobody has.
    fn some(&mut self, wanted: ObjectType) -> Option<ObjectId> {
        match self.rng.below(250) {
            0 => return Some(ObjectId([77; 32])),
            1 => return self.anything(),
            _ => {}
        }
        let ids = self.of_type(wanted).to_vec();
        // The older, the likelier: so that the same few meet again and again.
        let most = self.rng.below(ids.len()) + 1;
        ids.get(self.rng.below(most)).copied()
    }

    fn anything(&mut self) -> Option<ObjectId> {
        let n = self.rng.below(self.objects.len());
        self.objects.get(n).map(|(id, _, _)| *id)
    }

    /// All, some or none.
    fn part_of(&mut self, ids: &[ObjectId]) -> Vec<ObjectId> {
        let percent = [100, 100, 50, 0][self.rng.below(4)];
        let mut chosen = self.rng.some(ids, percent);
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    fn revokes_of(&self, aims: impl Fn(&Revoke) -> bool) -> Vec<ObjectId> {
        let ids = self.of_type(ObjectType::Revoke).iter().copied();
        ids.filter(|id| matches!(self.log.payload(*id), Some(Payload::Revoke(r)) if aims(r)))
            .collect()
    }

    fn agent_cert(&mut self) -> Payload {
        let name = self.name("agent", 6);
        Payload::AgentCert(AgentCert { name })
    }

    /// One of few names, so that some collide; one of them in two forms that look the same.
    fn name(&mut self, kind: &str, names: usize) -> String {
        match self.rng.below(names + 1) {
            0 if self.rng.chance(50) => format!("{kind} \u{e9}"),
            0 => format!("{kind} e\u{301}"),
            n => format!("{kind} {n}"),
        }
    }

    fn certified(&mut self, admin: usize, agent: usize) -> Option<Payload> {
        let agent = *self.of_type(ObjectType::AgentCert).get(agent)?;
        let keys = self.cast.admins()[admin].clone();
        Some(self.device_cert_of(&keys, agent.into(), None))
    }

    fn device_cert(&mut self) -> Option<Payload> {
        let agent = AgentId::from(self.some(ObjectType::AgentCert)?);
        // Few devices for many certificates: some keys end up certified twice.
        let n = self.rng.below(self.cast.devices().len());
        let keys = self.cast.devices()[n].clone();
        let owner = self.homes.get(&keys.device()).copied();
        let agent = owner.filter(|_| self.rng.chance(25)).unwrap_or(agent);
        let devices: Vec<DeviceId> =
            self.homes.iter().filter(|(_, a)| **a == agent).map(|(d, _)| *d).collect();
        // Impostors confirm each other.
        let any = self.rng.below(self.cast.devices().len());
        let any = Some(self.cast.devices()[any].device()).filter(|_| self.rng.chance(25));
        let by = any.or(self.rng.pick(&devices));
        let by = by.filter(|by| *by != keys.device() && self.rng.chance(60));
        Some(self.device_cert_of(&keys, agent, by))
    }

    fn device_cert_of(&self, keys: &DeviceKeys, agent: AgentId, by: Option<DeviceId>) -> Payload {
        let (device, sealing) = (keys.device(), keys.sealing());
        let statement = device_statement(self.company, agent, device, sealing);
        let proof = SignatureBytes(keys.sign(&statement));
        let confirming = self.cast.keys.iter().find(|k| Some(k.device()) == by);
        let countersignature = confirming.map(|by| Countersignature {
            device: by.device(),
            signature: SignatureBytes(by.sign(&statement)),
        });
        Payload::DeviceCert(DeviceCert { agent, device, sealing, countersignature, proof })
    }

    fn appointed(&mut self, admin: usize) -> Option<Payload> {
        let agent = AgentId::from(*self.of_type(ObjectType::AgentCert).get(admin)?);
        let device = self.cast.admins()[admin].device();
        let rank = [1, 2, 3][self.rng.below(2) + usize::from(admin > 1)];
        let may = self.capabilities();
        let grant = AdminGrant { device, agent, rank, may, scope: None, overrides: Vec::new() };
        Some(Payload::AdminGrant(grant))
    }

    fn capabilities(&mut self) -> Capabilities {
        if self.rng.chance(60) {
            return Capabilities::ALL;
        }
        let [units, agents, rooms, admins] = [0; 4].map(|_| self.rng.chance(65));
        Capabilities { units, agents, rooms, admins }
    }

    fn admin_grant(&mut self) -> Option<Payload> {
        let all = if self.rng.chance(85) { self.cast.admins() } else { self.cast.devices() };
        let device = all[self.rng.below(all.len())].device();
        let home = self.homes.get(&device).copied().filter(|_| self.rng.chance(80));
        let agent = match home {
            Some(agent) => agent,
            None => self.some(ObjectType::AgentCert)?.into(),
        };
        let department = self.department().filter(|_| self.rng.chance(35));
        let revokes = self.revokes_of(|r| {
            let cert = self.log.device_cert(r.target);
            r.target == agent.into() || cert.is_some_and(|c| c.device == device)
        });
        Some(Payload::AdminGrant(AdminGrant {
            device,
            agent,
            rank: [1, 2, 2, 3, 3, 4][self.rng.below(6)],
            may: self.capabilities(),
            scope: department,
            overrides: self.part_of(&revokes),
        }))
    }

    fn department(&mut self) -> Option<UnitId> {
        let unit = UnitId::from(self.some(ObjectType::UnitCreate)?);
        self.log.department(unit)
    }

    fn unit(&mut self, kind: UnitKind, parent: Option<UnitId>) -> Payload {
        let reserved = self.rng.chance(2);
        let name = if reserved { "Agent".to_owned() } else { self.name("unit", 4) };
        Payload::UnitCreate(UnitCreate { kind, parent, name })
    }

    fn unit_of_some_kind(&mut self) -> Option<Payload> {
        let kind = [UnitKind::Department, UnitKind::Group, UnitKind::Group, UnitKind::Role]
            [self.rng.below(4)];
        let parent = if kind == UnitKind::Group { Some(self.department()?) } else { None };
        Some(self.unit(kind, parent))
    }

    fn member_grant(&mut self) -> Option<Payload> {
        let agent = AgentId::from(self.some(ObjectType::AgentCert)?);
        let unit = UnitId::from(self.some(ObjectType::UnitCreate)?);
        Some(self.member_grant_of(agent, unit))
    }

    fn member_grant_of(&mut self, agent: AgentId, unit: UnitId) -> Payload {
        let parent = self.log.unit(unit).and_then(|u| u.parent);
        let revokes = self.revokes_of(|r| {
            matches!(self.log.payload(r.target), Some(Payload::MemberGrant(g))
                if g.agent == agent && (g.unit == unit || Some(g.unit) == parent))
        });
        let overrides = self.part_of(&revokes);
        Payload::MemberGrant(MemberGrant { agent, unit, overrides })
    }

    fn room_create(&mut self) -> Payload {
        let name = self.name("room", 3);
        Payload::RoomCreate(RoomCreate { name, history: HistoryPolicy::Full })
    }

    fn permit(&mut self) -> Option<Payload> {
        let room = RoomId::from(self.some(ObjectType::RoomCreate)?);
        let principal = match self.rng.below(7) {
            0 => Principal::Unit(UnitId::ROLE_AGENT),
            1..=2 => Principal::Agent(self.some(ObjectType::AgentCert)?.into()),
            _ => Principal::Unit(self.some(ObjectType::UnitCreate)?.into()),
        };
        Some(self.permit_of(room, principal))
    }

    fn permit_of(&mut self, room: RoomId, principal: Principal) -> Payload {
        let revokes = self.revokes_of(|r| {
            matches!(self.log.payload(r.target), Some(Payload::Permit(p))
                if p.room == room && p.principal == principal)
        });
        let overrides = self.part_of(&revokes);
        Payload::Permit(Permit { room, principal, overrides })
    }

    /// A grant of a pair that was struck.
    fn again(&mut self, of: ObjectType) -> Option<Payload> {
        let struck = self
            .revokes_of(|r| self.log.get(r.target).is_some_and(|o| o.payload.object_type() == of));
        let revoke = self.rng.pick(&struck)?;
        let Some(Payload::Revoke(revoke)) = self.log.payload(revoke).cloned() else { return None };
        match self.log.payload(revoke.target).cloned()? {
            Payload::MemberGrant(g) => Some(self.member_grant_of(g.agent, g.unit)),
            Payload::Permit(p) => Some(self.permit_of(p.room, p.principal)),
            _ => None,
        }
    }

    fn revoke(&mut self, of: ObjectType) -> Option<Payload> {
        let target = self.some(of)?;
        Some(self.revoke_of(target))
    }

    /// With a cut that is good, early, missing or on a fork.
    fn revoke_of(&mut self, target: ObjectId) -> Payload {
        let struck: Vec<DeviceId> = match self.log.payload(target) {
            Some(Payload::AdminGrant(g)) => vec![g.device],
            Some(Payload::DeviceCert(c)) => vec![c.device],
            Some(Payload::AgentCert(_)) => {
                self.homes.iter().filter(|(_, a)| **a == target.into()).map(|(d, _)| *d).collect()
            }
            _ => Vec::new(),
        };
        let mut cuts = Vec::new();
        for device in struck {
            cuts.extend(self.cut(device));
        }
        cuts.sort_by_key(|cut| cut.device);
        cuts.dedup_by_key(|cut| cut.device);
        let mode = if self.rng.chance(40) { RevokeMode::Strict } else { RevokeMode::Depart };
        let room = self.of_type(ObjectType::RoomCreate).first().copied();
        let room = room.filter(|_| self.rng.chance(10));
        let keep = room.map(|room| Keep { room: room.into(), messages: vec![ObjectId([5; 32])] });
        Payload::Revoke(Revoke {
            target,
            control_cuts: cuts,
            keep: keep.into_iter().collect(),
            mode,
        })
    }

    fn cut(&mut self, device: DeviceId) -> Option<ControlCut> {
        let chain = self.chains.get(&device)?.clone();
        let (seq, id) = match self.rng.below(100) {
            0..=11 => return None,
            12..=64 => *chain.last()?,
            // Anywhere, also on a branch that was left.
            _ => self.rng.pick(&chain)?,
        };
        let wrong = self.rng.chance(1);
        Some(ControlCut { device, seq: seq + u64::from(wrong), id })
    }

    fn resignation(&mut self) -> Option<Payload> {
        let grant = self.some(ObjectType::AdminGrant)?;
        let mut payload = self.revoke_of(grant);
        if let Payload::Revoke(revoke) = &mut payload {
            // Without cuts it is mostly signed under the very grant: see `choose`.
            revoke.control_cuts.clear();
            revoke.mode = RevokeMode::Depart;
        }
        Some(payload)
    }

    fn room_cut(&mut self) -> Option<Payload> {
        let room = RoomId::from(self.some(ObjectType::RoomCreate)?);
        let revoke = self.some(ObjectType::Revoke)?;
        Some(Payload::RoomCut(RoomCut { room, revoke, keep: Vec::new() }))
    }

    fn ratify(&mut self, target: Option<ObjectId>) -> Option<Payload> {
        let target = match target {
            Some(target) => target,
            None => self.anything()?,
        };
        let pair = self.log.device_cert(target).map(|c| (c.device, c.agent));
        let revokes = self.revokes_of(|r| {
            let same = self.log.device_cert(r.target).map(|c| (c.device, c.agent)) == pair;
            r.target == target || (pair.is_some() && same)
        });
        let overrides = self.part_of(&revokes);
        Some(Payload::Ratify(Ratify { target, overrides }))
    }

    /// Of something that may well be void.
    fn ratify_of_attacked(&mut self) -> Option<Payload> {
        let issued: Vec<ObjectId> = self
            .log
            .all()
            .filter(|(_, o)| self.attacked.contains(&o.header.authority))
            .map(|(id, _)| id)
            .collect();
        let target = self.rng.pick(&issued)?;
        self.ratify(Some(target))
    }

    fn ratify_of_revoked(&mut self) -> Option<Payload> {
        let revoked = self.revokes_of(|r| {
            let of = self.log.payload(r.target).map(Payload::object_type);
            use ObjectType::{AgentCert, DeviceCert, RoomCreate, UnitCreate};
            matches!(of, Some(AgentCert | DeviceCert | RoomCreate | UnitCreate))
        });
        let revoke = self.rng.pick(&revoked)?;
        let Some(Payload::Revoke(revoke)) = self.log.payload(revoke) else { return None };
        let target = revoke.target;
        self.ratify(Some(target))
    }

    fn set_field(&mut self) -> Option<Payload> {
        use ObjectType::{AgentCert, RoomCreate, UnitCreate};
        let of = [AgentCert, UnitCreate, RoomCreate, RoomCreate][self.rng.below(4)];
        let target = self.some(of)?;
        let value = match (of, self.rng.below(3)) {
            (RoomCreate, 0) => FieldValue::Topic(format!("topic {}", self.rng.below(9))),
            (RoomCreate, 1) => FieldValue::Active(self.rng.chance(50)),
            (RoomCreate, _) => FieldValue::Name(self.name("room", 3)),
            (AgentCert, _) => FieldValue::Name(self.name("agent", 6)),
            _ => FieldValue::Name(self.name("unit", 4)),
        };
        let older = self.fields(target, value.field());
        let supersedes = self.part_of(&older);
        Some(Payload::SetField(SetField { target, value, supersedes }))
    }

    fn fields(&self, target: ObjectId, field: Field) -> Vec<ObjectId> {
        let ids = self.of_type(ObjectType::SetField).iter().copied();
        ids.filter(|id| {
            matches!(self.log.payload(*id), Some(Payload::SetField(f))
                if f.target == target && f.value.field() == field)
        })
        .collect()
    }

    fn root_rotate(&mut self) -> Option<Payload> {
        let mut roots = vec![self.root];
        let rotations = self.of_type(ObjectType::RootRotate).iter();
        roots.extend(rotations.filter_map(|id| self.log.get(*id)).map(|o| o.header.author));
        // Rare, since everything hangs on it; where the root has rotated, more may follow.
        if roots.len() == 1 && self.theme != Theme::Roots && self.rng.chance(82) {
            return None;
        }
        roots.sort_by_key(|key| self.cast.root_number(*key));
        roots.dedup();
        // Either the newest key is replaced, or a commitment is opened again.
        let newest = roots.pop()?;
        let again = self.rng.pick(&roots).filter(|_| self.rng.chance(60));
        let number = self.cast.root_number(again.unwrap_or(newest))?;
        let replaced = again.unwrap_or(newest);
        // To another next hash: that is not sound.
        let other = self.rng.chance(4);
        let next = if other { ObjectId([8; 32]) } else { self.cast.commitment(number + 2) };
        let chain = self.chains.get(&replaced)?.clone();
        let (seq, id) = if self.rng.chance(75) { *chain.last()? } else { self.rng.pick(&chain)? };
        Some(Payload::RootRotate(RootRotate {
            next,
            cut: ControlCut { device: replaced, seq, id },
        }))
    }
}
