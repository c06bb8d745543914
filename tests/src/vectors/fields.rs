//! The fields of an object in words, in the order of the encoding.

use conclave_protocol::address::AddressRecord;
use conclave_protocol::envelope::Envelope;
use conclave_protocol::id::ObjectId;
use conclave_protocol::object::{ControlObject, Genesis, ObjectType, Payload, Principal};
use serde_json::{Value, json};

use super::hex;

type Fields = Vec<(String, Value)>;

fn field(fields: &mut Fields, name: &str, value: impl Into<Value>) {
    fields.push((name.to_owned(), value.into()));
}

fn ids(ids: &[ObjectId]) -> Value {
    json!(ids.iter().map(ToString::to_string).collect::<Vec<_>>())
}

fn option<T: ToString>(id: Option<T>) -> Value {
    id.map_or(Value::Null, |id| json!(id.to_string()))
}

/// The fields of a body.
pub(super) fn of(object_type: ObjectType, body: &[u8]) -> Fields {
    let mut f = Fields::new();
    match object_type {
        ObjectType::Genesis => {
            let Ok(g) = Genesis::decode(body) else { return f };
            field(&mut f, "version", g.version);
            field(&mut f, "name", g.name);
            field(&mut f, "root", g.root.to_string());
            field(&mut f, "recovery", g.recovery.to_string());
            field(&mut f, "salt", g.salt.to_string());
        }
        ObjectType::Envelope => {
            if let Ok(envelope) = Envelope::decode(body) {
                envelope_fields(&mut f, &envelope);
            }
        }
        ObjectType::AddressRecord => {
            let Ok(record) = AddressRecord::decode(body) else { return f };
            field(&mut f, "version", record.version);
            field(&mut f, "company", record.company.to_string());
            field(&mut f, "device", record.device.to_string());
            field(&mut f, "issued", record.issued.0);
            field(&mut f, "addresses", json!(record.addresses));
        }
        _ => {
            if let Ok(object) = ControlObject::decode(object_type, body) {
                header_fields(&mut f, &object);
                payload_fields(&mut f, &object.payload);
            }
        }
    }
    f
}

fn envelope_fields(f: &mut Fields, envelope: &Envelope) {
    field(f, "version", envelope.version);
    field(f, "company", envelope.company.to_string());
    field(f, "room", envelope.room.to_string());
    field(f, "device", envelope.device.to_string());
    field(f, "seq", envelope.seq);
    field(f, "prev", option(envelope.prev));
    field(f, "parents", ids(&envelope.parents));
    field(f, "height", envelope.height);
    field(f, "kind", format!("{:?}", envelope.kind).to_lowercase());
    field(f, "standing", option(envelope.standing));
    field(f, "epoch", option(envelope.epoch));
    field(f, "nonce", hex(&envelope.nonce));
    match (envelope.text(), envelope.enter_body()) {
        (Some(text), _) => field(f, "body (text)", text),
        (None, Ok(body)) => {
            field(f, "body (device_cert)", body.device_cert.to_string());
            field(f, "body (member_grants)", ids(&body.member_grants));
            field(f, "body (permit)", body.permit.to_string());
        }
        (None, Err(_)) => field(f, "body", ""),
    }
    field(f, "claimed_time", envelope.claimed_time.0);
}

fn header_fields(f: &mut Fields, object: &ControlObject) {
    let header = &object.header;
    field(f, "header.version", header.version);
    field(f, "header.company", header.company.to_string());
    field(f, "header.author", header.author.to_string());
    field(f, "header.seq", header.seq);
    field(f, "header.prev", option(header.prev));
    field(f, "header.authority", header.authority.to_string());
    field(f, "header.height", header.height);
}

fn payload_fields(f: &mut Fields, payload: &Payload) {
    match payload {
        Payload::AdminGrant(g) => {
            field(f, "device", g.device.to_string());
            field(f, "agent", g.agent.to_string());
            field(f, "rank", g.rank);
            let may = g.may;
            field(
                f,
                "may [units, agents, rooms, admins]",
                json!([may.units, may.agents, may.rooms, may.admins]),
            );
            field(f, "scope", option(g.scope));
            field(f, "overrides", ids(&g.overrides));
        }
        Payload::UnitCreate(u) => {
            field(f, "kind", u.kind.word());
            field(f, "parent", option(u.parent));
            field(f, "name", u.name.as_str());
        }
        Payload::AgentCert(c) => field(f, "name", c.name.as_str()),
        Payload::DeviceCert(c) => {
            field(f, "agent", c.agent.to_string());
            field(f, "device", c.device.to_string());
            field(f, "sealing", c.sealing.to_string());
            field(f, "countersignature", Value::Null);
            field(f, "proof", hex(&c.proof.0));
        }
        Payload::MemberGrant(g) => {
            field(f, "agent", g.agent.to_string());
            field(f, "unit", g.unit.to_string());
            field(f, "overrides", ids(&g.overrides));
        }
        Payload::RoomCreate(r) => {
            field(f, "name", r.name.as_str());
            field(f, "history", r.history.word());
        }
        Payload::Permit(p) => {
            field(f, "room", p.room.to_string());
            match p.principal {
                Principal::Unit(unit) => field(f, "principal (unit)", unit.to_string()),
                Principal::Agent(agent) => field(f, "principal (agent)", agent.to_string()),
            }
            field(f, "overrides", ids(&p.overrides));
        }
        Payload::Revoke(r) => {
            field(f, "target", r.target.to_string());
            field(f, "control_cuts", json!([]));
            field(f, "keep", json!([]));
            field(f, "mode", format!("{:?}", r.mode).to_lowercase());
        }
    }
}
