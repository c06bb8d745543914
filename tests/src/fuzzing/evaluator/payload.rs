//! From bytes to a payload that refers to what is there.

use conclave_protocol::id::{DeviceId, ObjectId, UnitId};
use conclave_protocol::object::{
    AdminGrant, AgentCert, Capabilities, ControlCut, Countersignature, DeviceCert, FieldValue,
    HistoryPolicy, Keep, MemberGrant, ObjectType, Payload, Permit, Principal, Ratify, Revoke,
    RevokeMode, RoomCreate, RoomCut, RootRotate, SetField, SignatureBytes, UnitCreate, UnitKind,
};

use super::writer::{Written, commitment, device, root, root_number};
use crate::fuzzing::reader::Reader;

/// Few, so that some collide; two are the same to the eye, one is reserved among Roles.
const NAMES: [&str; 5] = ["a", "b", "Agent", "\u{e9}", "e\u{301}"];

fn name(byte: u8) -> String {
    NAMES[usize::from(byte) % NAMES.len()].to_owned()
}

impl Written {
    /// A payload, for the authority that was chosen; for a rotation also the one key that can
    /// sign it.
    pub(super) fn payload_of(
        &self,
        kind: u8,
        (cited, holder): (ObjectId, DeviceId),
        reader: &mut Reader<'_>,
    ) -> Option<(Payload, Option<DeviceId>)> {
        let payload = match kind {
            0 | 1 => self.admin_grant(reader)?,
            2 => self.unit(reader)?,
            3 => Payload::AgentCert(AgentCert { name: name(reader.byte()) }),
            4 | 5 => self.device_cert(reader)?,
            6 => self.member_grant(reader)?,
            7 => {
                let (name, history) = (name(reader.byte()), HistoryPolicy::Full);
                Payload::RoomCreate(RoomCreate { name, history })
            }
            8 => self.permit(reader)?,
            9..=11 => self.revoke(cited, reader)?,
            12 | 13 => self.ratify(reader)?,
            14 => self.set_field(reader)?,
            _ if reader.byte() & 1 == 0 => self.room_cut(reader)?,
            _ => return self.root_rotate(holder, reader),
        };
        Some((payload, None))
    }

    fn pick(&self, wanted: ObjectType, reader: &mut Reader<'_>) -> Option<ObjectId> {
        reader.pick(self.of_type(wanted))
    }

    /// Any object but `Genesis`; now and then one that is not in the log.
    fn any(&self, reader: &mut Reader<'_>) -> Option<ObjectId> {
        reader.place(self.objects.len()).map(|place| self.objects[place].id())
    }

    /// Some of the `Revoke`s, if a bit says so.
    fn overrides(&self, wanted: bool, reader: &mut Reader<'_>) -> Vec<ObjectId> {
        let mut revokes = Vec::new();
        if wanted {
            revokes = reader.some(self.of_type(ObjectType::Revoke));
            revokes.sort_unstable();
        }
        revokes
    }

    fn admin_grant(&self, reader: &mut Reader<'_>) -> Option<Payload> {
        let (who, what) = (reader.byte(), reader.byte());
        let device = device(who % 6);
        let home = self.of_type(ObjectType::DeviceCert).iter().find_map(|id| {
            let Some(Payload::DeviceCert(cert)) = self.payload(*id) else { return None };
            (cert.device == device).then_some(cert.agent)
        });
        let agent = match home.filter(|_| what & 0x20 == 0) {
            Some(agent) => agent,
            None => self.pick(ObjectType::AgentCert, reader)?.into(),
        };
        let bit = |n: u8| what & n != 0;
        let may = match what & 15 {
            0 => Capabilities::ALL,
            _ => Capabilities { units: bit(1), agents: bit(2), rooms: bit(4), admins: bit(8) },
        };
        let scope = if bit(0x10) { self.department(reader) } else { None };
        let rank = 1 + u32::from(who / 6) % 4;
        let overrides = self.overrides(bit(0x40), reader);
        Some(Payload::AdminGrant(AdminGrant { device, agent, rank, may, scope, overrides }))
    }

    fn department(&self, reader: &mut Reader<'_>) -> Option<UnitId> {
        let units = self.of_type(ObjectType::UnitCreate).iter().copied();
        let departments: Vec<ObjectId> = units
            .filter(|id| {
                matches!(self.payload(*id), Some(Payload::UnitCreate(u))
                    if u.kind == UnitKind::Department)
            })
            .collect();
        reader.pick(&departments).map(UnitId::from)
    }

    fn unit(&self, reader: &mut Reader<'_>) -> Option<Payload> {
        let kind = match reader.byte() % 4 {
            0 => UnitKind::Department,
            1 | 2 => UnitKind::Group,
            _ => UnitKind::Role,
        };
        let parent = match kind {
            UnitKind::Group => Some(self.department(reader)?),
            UnitKind::Department | UnitKind::Role => None,
        };
        Some(Payload::UnitCreate(UnitCreate { kind, parent, name: name(reader.byte()) }))
    }

    fn device_cert(&self, reader: &mut Reader<'_>) -> Option<Payload> {
        let agent = self.pick(ObjectType::AgentCert, reader)?.into();
        let (who, by) = (reader.byte(), reader.byte());
        let (own, other) = (device(who), device(by));
        let countersignature = (by != 0 && own != other)
            .then_some(Countersignature { device: other, signature: SignatureBytes([0; 64]) });
        let (sealing, proof) = (ObjectId([who; 32]), SignatureBytes([0; 64]));
        Some(Payload::DeviceCert(DeviceCert {
            agent,
            device: own,
            sealing,
            countersignature,
            proof,
        }))
    }

    fn member_grant(&self, reader: &mut Reader<'_>) -> Option<Payload> {
        let agent = self.pick(ObjectType::AgentCert, reader)?.into();
        let unit = self.pick(ObjectType::UnitCreate, reader)?.into();
        let wanted = reader.byte() & 1 != 0;
        let overrides = self.overrides(wanted, reader);
        Some(Payload::MemberGrant(MemberGrant { agent, unit, overrides }))
    }

    fn permit(&self, reader: &mut Reader<'_>) -> Option<Payload> {
        let room = self.pick(ObjectType::RoomCreate, reader)?.into();
        let byte = reader.byte();
        let principal = match byte % 8 {
            7 => Principal::Unit(UnitId::ROLE_AGENT),
            4..=6 => Principal::Agent(self.pick(ObjectType::AgentCert, reader)?.into()),
            _ => Principal::Unit(self.pick(ObjectType::UnitCreate, reader)?.into()),
        };
        let overrides = self.overrides(byte & 8 != 0, reader);
        Some(Payload::Permit(Permit { room, principal, overrides }))
    }

    fn revoke(&self, cited: ObjectId, reader: &mut Reader<'_>) -> Option<Payload> {
        use ObjectType::{AdminGrant, AgentCert, DeviceCert, MemberGrant, RoomCreate, UnitCreate};
        let how = reader.byte();
        let of = match how & 7 {
            0 | 1 => AdminGrant,
            2 => AgentCert,
            3 => DeviceCert,
            4 => MemberGrant,
            5 => ObjectType::Permit,
            6 if how & 8 == 0 => UnitCreate,
            6 => RoomCreate,
            // A resignation, if the authority is a grant.
            _ => ObjectType::Genesis,
        };
        let target = if of == ObjectType::Genesis { cited } else { self.pick(of, reader)? };
        let struck = match self.payload(target) {
            Some(Payload::AdminGrant(grant)) => Some(grant.device),
            Some(Payload::DeviceCert(cert)) => Some(cert.device),
            _ => None,
        };
        let mut cuts: Vec<ControlCut> = Vec::new();
        if how & 0x10 != 0 {
            let chain = struck.and_then(|device| self.chains.get(&device));
            cuts.extend(
                chain.and_then(|c| c.last()).zip(struck).map(|((seq, id), device)| ControlCut {
                    device,
                    seq: *seq,
                    id: *id,
                }),
            );
        }
        for _ in 0..(how >> 5) & 3 {
            cuts.extend(self.cut(reader));
        }
        cuts.sort_by_key(|cut| cut.device);
        cuts.dedup_by_key(|cut| cut.device);
        let mode = if how & 0x80 != 0 { RevokeMode::Strict } else { RevokeMode::Depart };
        let mut keep = Vec::new();
        if how & 0x80 != 0 && how & 8 != 0 {
            let room = self.pick(ObjectType::RoomCreate, reader);
            keep.extend(room.map(|room| Keep { room: room.into(), messages: messages(reader) }));
        }
        Some(Payload::Revoke(Revoke { target, control_cuts: cuts, keep, mode }))
    }

    /// At any object: its author's chain ends there.
    fn cut(&self, reader: &mut Reader<'_>) -> Option<ControlCut> {
        let object = self.log.get(self.any(reader)?)?;
        let (device, seq) = (object.header.author, object.header.seq);
        let id = self.chains.get(&device)?.iter().rev().find(|(s, _)| *s == seq)?.1;
        Some(ControlCut { device, seq, id })
    }

    fn ratify(&self, reader: &mut Reader<'_>) -> Option<Payload> {
        let how = reader.byte();
        // Mostly of what somebody tried to end.
        let revokes: Vec<ObjectId> = self
            .of_type(ObjectType::Revoke)
            .iter()
            .filter_map(|id| match self.payload(*id) {
                Some(Payload::Revoke(revoke)) => Some(revoke.target),
                _ => None,
            })
            .collect();
        let target = if how & 1 == 0 { self.any(reader)? } else { reader.pick(&revokes)? };
        let overrides = self.overrides(how & 2 != 0, reader);
        Some(Payload::Ratify(Ratify { target, overrides }))
    }

    fn set_field(&self, reader: &mut Reader<'_>) -> Option<Payload> {
        let how = reader.byte();
        let of = [ObjectType::AgentCert, ObjectType::UnitCreate, ObjectType::RoomCreate]
            [usize::from(how) % 3];
        let target = self.pick(of, reader)?;
        let value = match (how >> 2) & 3 {
            0 | 1 => FieldValue::Name(name(reader.byte())),
            2 => FieldValue::Topic(name(reader.byte())),
            _ => FieldValue::Active(reader.byte() & 1 == 0),
        };
        let older = self.of_type(ObjectType::SetField).iter().copied().filter(|id| {
            matches!(self.payload(*id), Some(Payload::SetField(f))
                if f.target == target && f.value.field() == value.field())
        });
        let older: Vec<ObjectId> = older.collect();
        let mut supersedes = if how & 0x10 != 0 { reader.some(&older) } else { Vec::new() };
        supersedes.sort_unstable();
        Some(Payload::SetField(SetField { target, value, supersedes }))
    }

    fn room_cut(&self, reader: &mut Reader<'_>) -> Option<Payload> {
        let room = self.pick(ObjectType::RoomCreate, reader)?.into();
        let revoke = self.pick(ObjectType::Revoke, reader)?;
        Some(Payload::RoomCut(RoomCut { room, revoke, keep: messages(reader) }))
    }

    /// By the only key that can open what a root key committed to, with any cut in its chain.
    fn root_rotate(
        &self,
        holder: DeviceId,
        reader: &mut Reader<'_>,
    ) -> Option<(Payload, Option<DeviceId>)> {
        let number = root_number(holder)?;
        let author = root(number + 1)?;
        let (seq, id) = reader.pick(self.chains.get(&holder)?)?;
        let cut = ControlCut { device: holder, seq, id };
        Some((Payload::RootRotate(RootRotate { next: commitment(number + 2), cut }), Some(author)))
    }
}

/// Up to two messages that nobody ever sees here.
fn messages(reader: &mut Reader<'_>) -> Vec<ObjectId> {
    reader.some(&[ObjectId([1; 32]), ObjectId([2; 32])])
}
