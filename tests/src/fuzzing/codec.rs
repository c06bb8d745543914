//! Bytes from a peer, as everything that a peer may send: no panic; what decodes is what arrived,
//! byte by byte, and keeps to every bound.

use conclave_protocol::address::AddressRecord;
use conclave_protocol::codec;
use conclave_protocol::control::{Added, ControlLog};
use conclave_protocol::crypt::{EpochKey, SealingContext, SealingSecret};
use conclave_protocol::envelope::{EnterBody, Envelope, check_text};
use conclave_protocol::epoch::{DeviceKey, EpochKeys, EpochStart};
use conclave_protocol::id::{CompanyId, ObjectId};
use conclave_protocol::limits::{FRAME_BYTES_MAX, OBJECT_BYTES_MAX};
use conclave_protocol::name::{check_name, normal_form, normalize_name};
use conclave_protocol::object::{ControlObject, Genesis, ObjectType, SignatureBytes};
use conclave_protocol::presence::PresenceBeacon;
use conclave_protocol::report::StateReport;
use conclave_protocol::signed::{
    SIGNED_BYTES_MAX, Trust, Verified, VerifyError, object_id, peek_id, peek_presence, peek_type,
};
use conclave_protocol::sync::{Blob, Request, Response};

use super::bounds;

/// Runs every decoder over the bytes.
pub fn run(data: &[u8]) {
    bodies(data);
    frames(data);
    if let Ok(text) = std::str::from_utf8(data) {
        names(text);
    }
    match codec::decode::<(u8, Blob, SignatureBytes)>(data, SIGNED_BYTES_MAX) {
        Ok((number, body, _)) => signed(data, number, &body.0),
        Err(_) => {
            assert_eq!((peek_id(data), peek_type(data)), (None, None));
            nothing_verifies(data);
        }
    }
}

/// The bytes as a body of each type.
fn bodies(data: &[u8]) {
    for object_type in ObjectType::ALL {
        if let Ok(object) = ControlObject::decode(object_type, data) {
            assert_eq!(object.encode(), data);
            assert_eq!(object.payload.object_type(), object_type);
            assert!(data.len() <= OBJECT_BYTES_MAX);
            bounds::control(&object);
            let references = object.references();
            assert!(references.contains(&object.header.authority));
            assert!(object.header.prev.is_none_or(|prev| references.contains(&prev)));
        }
    }
    if let Ok(genesis) = Genesis::decode(data) {
        assert_eq!(codec::encode(&genesis), data);
        bounds::name(&genesis.name);
    }
    if let Ok(envelope) = Envelope::decode(data) {
        assert_eq!(envelope.encode(), data);
        bounds::envelope(&envelope);
        secrets(&envelope);
    }
    if let Ok(start) = EpochStart::decode(data) {
        assert_eq!(start.encode(), data);
        bounds::epoch_start(&start);
    }
    if let Ok(keys) = EpochKeys::decode(data) {
        assert_eq!(keys.encode(), data);
        bounds::epoch_keys(&keys);
    }
    if let Ok(record) = AddressRecord::decode(data) {
        assert_eq!(codec::encode(&record), data);
        bounds::address(&record);
    }
    if let Ok(report) = StateReport::decode(data) {
        assert_eq!(codec::encode(&report), data);
    }
    if let Ok(beacon) = PresenceBeacon::decode(data) {
        assert_eq!(codec::encode(&beacon), data);
    }
    if let Ok(body) = codec::decode::<EnterBody>(data, OBJECT_BYTES_MAX) {
        assert_eq!(codec::encode(&body), data);
    }
}

/// Whoever has a key looks at what others have written; nobody here has made this for it.
fn secrets(envelope: &Envelope) {
    let (company, room) = (envelope.company, envelope.room);
    let key = EpochKey::new([0x0f; 32]);
    let text = envelope.text(&key);
    assert!(text.as_deref().is_none_or(|text| check_text(text).is_ok()));
    for previous in envelope.epoch_start().into_iter().flat_map(|start| start.previous) {
        let wrapped = previous.wrapped;
        assert!(wrapped.is_none_or(|w| key.unwrap_key(room, previous.epoch, &w).is_none()));
    }
    let Some(keys) = envelope.epoch_keys() else { return };
    let secret = SealingSecret::new(&[0x0e; 32]);
    for DeviceKey { device, sealed } in keys.keys.iter().take(2) {
        let context = SealingContext { company, room, epoch: keys.epoch, device: *device };
        assert!(secret.open(&context, sealed).is_none());
    }
}

fn frames(data: &[u8]) {
    if let Ok(request) = Request::decode(data) {
        assert_eq!(request.encode(), data);
        assert!(data.len() <= FRAME_BYTES_MAX);
        bounds::request(&request);
        // What is inside comes from the same peer.
        if let Request::Push { objects, .. } | Request::Introduce { objects } = &request {
            objects.iter().for_each(|object| bodies_of(&object.0));
        }
    }
    if let Ok(response) = Response::decode(data) {
        assert_eq!(response.encode(), data);
        bounds::response(&response);
        if let Response::Objects { objects, .. } = &response {
            objects.iter().for_each(|object| bodies_of(&object.0));
        }
    }
}

fn bodies_of(data: &[u8]) {
    if let Ok((number, body, _)) =
        codec::decode::<(u8, Blob, SignatureBytes)>(data, SIGNED_BYTES_MAX)
    {
        signed(data, number, &body.0);
    }
}

/// Three parts of the right shape: what the type and the body say decides.
fn signed(data: &[u8], number: u8, body: &[u8]) {
    let Some(object_type) = ObjectType::from_number(number) else {
        assert_eq!((peek_id(data), peek_type(data)), (None, None));
        return nothing_verifies(data);
    };
    let id = object_id(object_type, body);
    assert_eq!((peek_id(data), peek_type(data)), (Some(id), Some(object_type)));
    match object_type {
        ObjectType::Genesis => genesis(data, id, body),
        ObjectType::Envelope => envelope(data, id, body),
        ObjectType::AddressRecord => {
            if let Ok(record) = AddressRecord::decode(body) {
                bounds::address(&record);
                refused_elsewhere(Verified::address(data, other(record.company)));
                let verified = Verified::address(data, record.company);
                signature_decides(verified, id, &record);
            }
        }
        ObjectType::StateReport => {
            if let Ok(report) = StateReport::decode(body) {
                refused_elsewhere(Verified::report(data, other(report.company)));
                signature_decides(Verified::report(data, report.company), id, &report);
            }
        }
        ObjectType::Presence => {
            let peeked = peek_presence(data);
            if let Ok(beacon) = PresenceBeacon::decode(body) {
                assert_eq!(peeked.as_ref(), Ok(&beacon));
                refused_elsewhere(Verified::presence(data, other(beacon.company)));
                signature_decides(Verified::presence(data, beacon.company), id, &beacon);
            } else {
                assert!(peeked.is_err());
            }
        }
        _ => control(data, id, object_type, body),
    }
    one_kind_only(data, object_type);
}

fn control(data: &[u8], id: ObjectId, object_type: ObjectType, body: &[u8]) {
    let Ok(object) = ControlObject::decode(object_type, body) else {
        let company = CompanyId::default();
        assert!(Verified::control(data, company, Trust::StoredAs(id)).is_err());
        return;
    };
    assert_eq!(object.encode(), body);
    bounds::control(&object);
    let company = object.header.company;
    refused_elsewhere(Verified::control(data, other(company), Trust::Nothing));
    signature_decides(Verified::control(data, company, Trust::Nothing), id, &object);
    let stored = Verified::control(data, company, Trust::StoredAs(id)).expect("it decodes");
    assert_eq!((stored.id(), stored.bytes()), (id, data));
    assert!(Verified::control(data, company, Trust::StoredAs(ObjectId::default())).is_err());
    // It refers to its authority, which is not here.
    let mut log = ControlLog::new(company);
    assert!(matches!(log.add(stored.clone()), Added::Parked { .. }));
    assert_eq!(log.add(stored), Added::Duplicate);
    assert_eq!(log.explain(id).object, id);
}

fn genesis(data: &[u8], id: ObjectId, body: &[u8]) {
    let Ok(genesis) = Genesis::decode(body) else {
        assert!(Verified::genesis(data, Trust::StoredAs(id)).is_err());
        return;
    };
    bounds::name(&genesis.name);
    signature_decides(Verified::genesis(data, Trust::Nothing), id, &genesis);
    let stored = Verified::genesis(data, Trust::StoredAs(id)).expect("it decodes");
    let mut log = ControlLog::new(id.into());
    assert_eq!(log.add_genesis(stored), Added::Taken(vec![id]));
    log.refresh();
    assert!(log.counts(id) && log.alarms().is_empty());
    assert_eq!(log.explain(id).object, id);
}

fn envelope(data: &[u8], id: ObjectId, body: &[u8]) {
    let Ok(envelope) = Envelope::decode(body) else {
        assert!(Verified::envelope(data, CompanyId::default(), Trust::StoredAs(id)).is_err());
        return;
    };
    assert_eq!(envelope.encode(), body);
    bounds::envelope(&envelope);
    let company = envelope.company;
    refused_elsewhere(Verified::envelope(data, other(company), Trust::Nothing));
    signature_decides(Verified::envelope(data, company, Trust::Nothing), id, &envelope);
    let stored = Verified::envelope(data, company, Trust::StoredAs(id)).expect("it decodes");
    assert_eq!((stored.id(), stored.bytes()), (id, data));
}

/// Whether it verifies or not is up to the signature alone.
fn signature_decides<T: PartialEq + std::fmt::Debug>(
    verified: Result<Verified<T>, VerifyError>,
    id: ObjectId,
    value: &T,
) {
    match verified {
        Ok(verified) => assert_eq!((verified.id(), verified.value()), (id, value)),
        Err(error) => assert_eq!(error, VerifyError::BadSignature),
    }
}

fn refused_elsewhere<T: std::fmt::Debug>(verified: Result<Verified<T>, VerifyError>) {
    assert_eq!(verified.err(), Some(VerifyError::WrongCompany));
}

fn other(company: CompanyId) -> CompanyId {
    let mut id = company.0;
    id[0] ^= 1;
    CompanyId(id)
}

/// No bytes are two kinds of object.
fn one_kind_only(data: &[u8], object_type: ObjectType) {
    let company = CompanyId::default();
    let malformed = |error: Option<VerifyError>| matches!(error, Some(VerifyError::Malformed(_)));
    if object_type != ObjectType::Genesis {
        assert!(malformed(Verified::genesis(data, Trust::Nothing).err()));
    }
    if object_type != ObjectType::Envelope {
        assert!(malformed(Verified::envelope(data, company, Trust::Nothing).err()));
    }
    if object_type != ObjectType::AddressRecord {
        assert!(malformed(Verified::address(data, company).err()));
    }
    if object_type != ObjectType::StateReport {
        assert!(malformed(Verified::report(data, company).err()));
    }
    if object_type != ObjectType::Presence {
        assert!(malformed(Verified::presence(data, company).err()));
        assert!(peek_presence(data).is_err());
    }
    if object_type.number() == 0 || object_type.number() >= 32 {
        assert!(malformed(Verified::control(data, company, Trust::Nothing).err()));
    }
}

fn nothing_verifies(data: &[u8]) {
    let company = CompanyId::default();
    assert!(Verified::genesis(data, Trust::Nothing).is_err());
    assert!(Verified::control(data, company, Trust::Nothing).is_err());
    assert!(Verified::envelope(data, company, Trust::Nothing).is_err());
    assert!(Verified::address(data, company).is_err());
    assert!(Verified::report(data, company).is_err());
    assert!(Verified::presence(data, company).is_err());
}

fn names(text: &str) {
    let _ = check_text(text);
    if let Ok(id) = text.parse::<ObjectId>() {
        assert_eq!(id.to_string(), text);
    }
    if check_name(text).is_ok() {
        bounds::name(text);
        assert_eq!(normal_form(&normal_form(text)), normal_form(text));
    }
    if let Ok(name) = normalize_name(text) {
        bounds::name(&name);
        assert_eq!(check_name(&name), Ok(()));
        assert_eq!(normalize_name(&name).as_ref(), Ok(&name), "what is shown can be typed");
        assert_eq!(normal_form(&name), name);
    }
}
