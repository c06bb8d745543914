//! The fields of an object in words. Their names are those of `docs/src/wire.md`; in what order
//! they are encoded stands there and not here, so that a reader of the vectors has to know it.

use conclave_protocol::address::AddressRecord;
use conclave_protocol::envelope::{EnterBody, Envelope, EnvelopeKind};
use conclave_protocol::epoch::{EpochKeys, EpochStart};
use conclave_protocol::id::ObjectId;
use conclave_protocol::object::{
    ControlCut, ControlObject, FieldValue, Genesis, Keep, ObjectType, Payload, Principal,
    RevokeMode,
};
use conclave_protocol::presence::PresenceBeacon;
use conclave_protocol::report::StateReport;
use serde_json::{Value, json};

use super::hex;

pub(super) fn ids(ids: &[ObjectId]) -> Value {
    json!(ids.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn option<T: ToString>(id: Option<T>) -> Value {
    id.map_or(Value::Null, |id| json!(id.to_string()))
}

/// The fields of a body.
pub(super) fn of(object_type: ObjectType, body: &[u8]) -> Value {
    let fields = match object_type {
        ObjectType::Genesis => Genesis::decode(body).ok().map(|g| {
            json!({
                "version": g.version,
                "name": g.name,
                "root": g.root.to_string(),
                "recovery": g.recovery.to_string(),
                "salt": g.salt.to_string(),
            })
        }),
        ObjectType::Envelope => Envelope::decode(body).ok().map(|e| envelope(&e)),
        ObjectType::AddressRecord => AddressRecord::decode(body).ok().map(|record| {
            json!({
                "version": record.version,
                "company": record.company.to_string(),
                "device": record.device.to_string(),
                "issued": record.issued.0,
                "addresses": record.addresses,
            })
        }),
        ObjectType::StateReport => StateReport::decode(body).ok().map(|report| {
            json!({
                "version": report.version,
                "company": report.company.to_string(),
                "device": report.device.to_string(),
                "issued": report.issued.0,
                "digest": report.digest.to_string(),
                "objects": report.objects,
            })
        }),
        ObjectType::Presence => PresenceBeacon::decode(body).ok().map(|beacon| {
            json!({
                "version": beacon.version,
                "company": beacon.company.to_string(),
                "device": beacon.device.to_string(),
                "issued": beacon.issued.0,
                "online": beacon.online,
            })
        }),
        _ => ControlObject::decode(object_type, body)
            .ok()
            .map(|o| json!({ "header": header(&o), "payload": payload(&o.payload) })),
    };
    fields.unwrap_or_default()
}

fn envelope(envelope: &Envelope) -> Value {
    let body = match envelope.kind {
        EnvelopeKind::Text => json!(hex(&envelope.body)),
        EnvelopeKind::Enter => enter_fields(envelope),
        EnvelopeKind::Seal => Value::Null,
        EnvelopeKind::EpochStart => envelope.epoch_start().map(start_fields).unwrap_or_default(),
        EnvelopeKind::EpochKeys => envelope.epoch_keys().map(keys_fields).unwrap_or_default(),
    };
    let kind = match envelope.kind {
        EnvelopeKind::Text => "text",
        EnvelopeKind::Enter => "enter",
        EnvelopeKind::Seal => "seal",
        EnvelopeKind::EpochStart => "epoch start",
        EnvelopeKind::EpochKeys => "epoch keys",
    };
    json!({
        "version": envelope.version,
        "company": envelope.company.to_string(),
        "room": envelope.room.to_string(),
        "device": envelope.device.to_string(),
        "seq": envelope.seq,
        "prev": option(envelope.prev),
        "parents": ids(&envelope.parents),
        "height": envelope.height,
        "kind": kind,
        "standing": option(envelope.standing),
        "epoch": option(envelope.epoch),
        "nonce": hex(&envelope.nonce),
        "body": body,
        "claimed_time": envelope.claimed_time.0,
    })
}

fn enter_fields(envelope: &Envelope) -> Value {
    match envelope.enter_body() {
        Ok(EnterBody::Permitted { device_cert, member_grants, permit }) => json!({
            "device_cert": device_cert.to_string(),
            "member_grants": ids(&member_grants),
            "permit": permit.to_string(),
        }),
        Ok(EnterBody::Instant { device_cert, agents }) => json!({
            "device_cert": device_cert.to_string(),
            "agents": agents.iter().map(|agent| agent.to_string()).collect::<Vec<_>>(),
        }),
        Err(_) => Value::Null,
    }
}

fn start_fields(start: EpochStart) -> Value {
    let previous = start.previous.iter().map(|previous| {
        let wrapped = previous.wrapped.map(|wrapped| hex(&wrapped.0));
        json!({ "wrapped": wrapped, "epoch": previous.epoch.to_string() })
    });
    json!({
        "previous": previous.collect::<Vec<_>>(),
        "after": ids(&start.after),
        "key_hash": start.key_hash.to_string(),
        "recipients": start.recipients,
        "recipients_digest": start.recipients_digest.to_string(),
    })
}

fn keys_fields(keys: EpochKeys) -> Value {
    let sealed = keys
        .keys
        .iter()
        .map(|key| json!({ "device": key.device.to_string(), "sealed": hex(&key.sealed.0) }));
    json!({
        "epoch": keys.epoch.to_string(),
        "part": keys.part,
        "keys": sealed.collect::<Vec<_>>(),
    })
}

fn header(object: &ControlObject) -> Value {
    let header = &object.header;
    json!({
        "version": header.version,
        "company": header.company.to_string(),
        "author": header.author.to_string(),
        "seq": header.seq,
        "prev": option(header.prev),
        "authority": header.authority.to_string(),
        "height": header.height,
    })
}

fn cut(cut: &ControlCut) -> Value {
    json!({ "device": cut.device.to_string(), "seq": cut.seq, "id": cut.id.to_string() })
}

fn keep(keep: &Keep) -> Value {
    json!({ "room": keep.room.to_string(), "messages": ids(&keep.messages) })
}

fn payload(payload: &Payload) -> Value {
    match payload {
        Payload::AdminGrant(g) => json!({
            "device": g.device.to_string(),
            "agent": g.agent.to_string(),
            "rank": g.rank,
            "may": {
                "units": g.may.units,
                "agents": g.may.agents,
                "rooms": g.may.rooms,
                "admins": g.may.admins,
            },
            "scope": option(g.scope),
            "overrides": ids(&g.overrides),
        }),
        Payload::UnitCreate(u) => json!({
            "kind": u.kind.word(),
            "parent": option(u.parent),
            "name": u.name,
        }),
        Payload::AgentCert(c) => json!({ "name": c.name }),
        Payload::DeviceCert(c) => json!({
            "agent": c.agent.to_string(),
            "device": c.device.to_string(),
            "sealing": c.sealing.to_string(),
            "countersignature": c.countersignature.as_ref().map(|own| json!({
                "device": own.device.to_string(),
                "signature": hex(&own.signature.0),
            })),
            "proof": hex(&c.proof.0),
        }),
        Payload::MemberGrant(g) => json!({
            "agent": g.agent.to_string(),
            "unit": g.unit.to_string(),
            "overrides": ids(&g.overrides),
        }),
        Payload::RoomCreate(r) => json!({ "name": r.name, "history": r.history.word() }),
        Payload::Permit(p) => json!({
            "room": p.room.to_string(),
            "principal": match p.principal {
                Principal::Unit(unit) => json!({ "unit": unit.to_string() }),
                Principal::Agent(agent) => json!({ "agent": agent.to_string() }),
            },
            "overrides": ids(&p.overrides),
        }),
        Payload::Revoke(r) => json!({
            "target": r.target.to_string(),
            "control_cuts": r.control_cuts.iter().map(cut).collect::<Vec<_>>(),
            "keep": r.keep.iter().map(keep).collect::<Vec<_>>(),
            "mode": match r.mode { RevokeMode::Depart => "depart", RevokeMode::Strict => "strict" },
        }),
        Payload::RootRotate(r) => json!({ "next": r.next.to_string(), "cut": cut(&r.cut) }),
        Payload::RoomCut(c) => json!({
            "room": c.room.to_string(),
            "revoke": c.revoke.to_string(),
            "keep": ids(&c.keep),
        }),
        Payload::Ratify(r) => json!({
            "target": r.target.to_string(),
            "overrides": ids(&r.overrides),
        }),
        Payload::SetField(f) => json!({
            "target": f.target.to_string(),
            "value": match &f.value {
                FieldValue::Name(name) => json!({ "name": name }),
                FieldValue::Topic(topic) => json!({ "topic": topic }),
                FieldValue::Active(active) => json!({ "active": active }),
            },
            "supersedes": ids(&f.supersedes),
        }),
    }
}
