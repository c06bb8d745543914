//! Bounds and rules of single objects once more, written from `docs/src/wire.md` and not from the
//! decoder: what was decoded has to keep to them.

use conclave_protocol::address::AddressRecord;
use conclave_protocol::envelope::{EnterBody, Envelope, EnvelopeKind};
use conclave_protocol::epoch::{EpochKeys, EpochStart};
use conclave_protocol::id::{ObjectId, UnitId};
use conclave_protocol::limits::{
    ADDRESS_BYTES_MAX, ADDRESS_RECORDS_FRAME_MAX, ADDRESSES_MAX, BEACONS_FRAME_MAX,
    ENTER_GRANTS_MAX, EPOCH_AFTER_MAX, EPOCH_KEYS_ASKED_MAX, EPOCH_KEYS_PART_MAX,
    EPOCH_PREVIOUS_MAX, EPOCH_RECIPIENTS_MAX, HEIGHT_MAX, IDS_FRAME_MAX,
    INSTANTS_TOLD_PER_PEER_MAX, INTRODUCTION_OBJECTS_MAX, NAME_CHARS_MAX, OVERRIDES_MAX,
    PARENTS_MAX, RANGE_PARTS, SAFETY_CODE_BYTES, SUMMARY_ROOMS_MAX, TEXT_BYTES_MAX,
    TOPIC_CHARS_MAX,
};
use conclave_protocol::object::{ControlObject, FieldValue, Payload, UnitKind};
use conclave_protocol::sync::{Request, Response};

fn ascending<T: Ord>(list: &[T]) -> bool {
    list.windows(2).all(|pair| pair[0] < pair[1])
}

fn overrides(ids: &[ObjectId]) {
    assert!(ascending(ids), "overrides that are not ascending");
    assert!(ids.len() <= OVERRIDES_MAX, "{} overrides", ids.len());
}

pub(super) fn name(name: &str) {
    let length = name.chars().count();
    assert!((1..=NAME_CHARS_MAX).contains(&length), "a name of {length} characters");
    assert!(!name.contains(['/', ':']), "a name with a separator");
    assert!(!name.chars().any(char::is_control), "a name with control characters");
    assert!(name.trim() == name, "a name with white space at its ends");
}

pub(super) fn control(object: &ControlObject) {
    let header = &object.header;
    assert_eq!(header.version, 1);
    assert!(header.seq > 0 && (header.seq == 1) == header.prev.is_none());
    assert!((2..=HEIGHT_MAX).contains(&header.height));
    match &object.payload {
        Payload::AdminGrant(g) => {
            assert!(g.rank > 0);
            overrides(&g.overrides);
        }
        Payload::UnitCreate(u) => {
            name(&u.name);
            assert_eq!(u.kind == UnitKind::Group, u.parent.is_some());
        }
        Payload::AgentCert(c) => name(&c.name),
        Payload::DeviceCert(c) => {
            assert!(c.countersignature.as_ref().is_none_or(|by| by.device != c.device));
        }
        Payload::MemberGrant(g) => {
            assert!(g.unit != UnitId::ROLE_AGENT);
            overrides(&g.overrides);
        }
        Payload::RoomCreate(r) => name(&r.name),
        Payload::Permit(p) => overrides(&p.overrides),
        Payload::Revoke(r) => {
            let devices: Vec<_> = r.control_cuts.iter().map(|cut| cut.device).collect();
            let rooms: Vec<_> = r.keep.iter().map(|keep| keep.room).collect();
            assert!(ascending(&devices) && ascending(&rooms));
            assert!(r.keep.iter().all(|keep| ascending(&keep.messages)));
        }
        Payload::RootRotate(_) => {}
        Payload::RoomCut(c) => assert!(ascending(&c.keep)),
        Payload::Ratify(r) => overrides(&r.overrides),
        Payload::SetField(f) => {
            overrides(&f.supersedes);
            match &f.value {
                FieldValue::Name(new) => name(new),
                FieldValue::Topic(topic) => {
                    assert!(topic.chars().count() <= TOPIC_CHARS_MAX);
                    assert!(!topic.chars().any(char::is_control));
                }
                FieldValue::Active(_) => {}
            }
        }
    }
}

pub(super) fn epoch_start(start: &EpochStart) {
    let previous: Vec<_> = start.previous.iter().map(|previous| previous.epoch).collect();
    assert!(previous.len() <= EPOCH_PREVIOUS_MAX && ascending(&previous));
    assert!(start.after.len() <= EPOCH_AFTER_MAX && ascending(&start.after));
    assert!(start.recipients as usize <= EPOCH_RECIPIENTS_MAX);
}

pub(super) fn epoch_keys(keys: &EpochKeys) {
    let devices: Vec<_> = keys.keys.iter().map(|key| key.device).collect();
    assert!((1..=EPOCH_KEYS_PART_MAX).contains(&devices.len()) && ascending(&devices));
    assert!((keys.part as usize) < EPOCH_RECIPIENTS_MAX / EPOCH_KEYS_PART_MAX);
}

pub(super) fn envelope(envelope: &Envelope) {
    assert_eq!(envelope.version, 1);
    assert!(envelope.seq > 0 && (envelope.seq == 1) == envelope.prev.is_none());
    assert!((1..=HEIGHT_MAX).contains(&envelope.height));
    assert!(envelope.parents.len() <= PARENTS_MAX && ascending(&envelope.parents));
    assert_eq!(envelope.parents.is_empty(), envelope.height == 1);
    assert_eq!(envelope.kind == EnvelopeKind::Enter, envelope.standing.is_none());
    assert_eq!(envelope.kind == EnvelopeKind::Enter, envelope.enter_body().is_ok());
    assert_eq!(envelope.kind == EnvelopeKind::Text, envelope.epoch.is_some());
    assert_eq!(envelope.nonce.len(), if envelope.epoch.is_some() { 24 } else { 0 });
    match envelope.kind {
        EnvelopeKind::Text => assert!((17..=TEXT_BYTES_MAX + 16).contains(&envelope.body.len())),
        EnvelopeKind::Seal => assert!(envelope.body.is_empty()),
        EnvelopeKind::EpochStart => {
            epoch_start(&envelope.epoch_start().expect("a body that was checked"));
        }
        EnvelopeKind::EpochKeys => {
            epoch_keys(&envelope.epoch_keys().expect("a body that was checked"));
        }
        EnvelopeKind::Enter => {
            let body = envelope.enter_body().expect("asserted above");
            match &body {
                EnterBody::Permitted { member_grants, .. } => {
                    assert!(member_grants.len() <= ENTER_GRANTS_MAX);
                    assert!(ascending(member_grants));
                    assert_eq!(body.references().count(), member_grants.len() + 2);
                }
                EnterBody::Instant { agents, .. } => {
                    let listed: Vec<_> = agents.iter().collect();
                    assert!((2..=32).contains(&listed.len()) && ascending(&listed));
                    let text = [
                        &envelope.company.0[..],
                        &listed.iter().flat_map(|id| id.0).collect::<Vec<_>>(),
                    ]
                    .concat();
                    let room = blake3::derive_key("conclave v1 instant room", &text);
                    assert_eq!(room, envelope.room.0);
                }
            }
        }
    }
}

pub(super) fn address(record: &AddressRecord) {
    assert_eq!(record.version, 1);
    assert!(record.addresses.len() <= ADDRESSES_MAX);
    assert!(record.addresses.iter().all(|address| address.len() <= ADDRESS_BYTES_MAX));
}

pub(super) fn request(request: &Request) {
    match request {
        Request::Get { ids, .. } | Request::Held { ids, .. } => {
            assert!(ids.len() <= IDS_FRAME_MAX);
        }
        Request::Push { objects, .. } | Request::Instant { objects, .. } => {
            assert!(objects.len() <= IDS_FRAME_MAX)
        }
        Request::Addresses { records } | Request::Reports { records } => {
            assert!(records.len() <= ADDRESS_RECORDS_FRAME_MAX);
        }
        Request::EpochKeys { epochs, .. } => assert!(epochs.len() <= EPOCH_KEYS_ASKED_MAX),
        Request::Presence { beacons } => assert!(beacons.len() <= BEACONS_FRAME_MAX),
        Request::Introduce { objects } => assert!(objects.len() <= INTRODUCTION_OBJECTS_MAX),
        Request::JoinHello { name, .. } => assert!(name.chars().count() <= NAME_CHARS_MAX),
        Request::Confirmed { device } => assert!(device.code.len() <= SAFETY_CODE_BYTES),
        Request::Summary
        | Request::Ranges { .. }
        | Request::List { .. }
        | Request::Newest { .. }
        | Request::Heads { .. }
        | Request::Instants { .. }
        | Request::JoinReveal { .. }
        | Request::JoinPoll
        | Request::JoinSign { .. } => {}
    }
}

pub(super) fn response(response: &Response) {
    match response {
        Response::Summary { rooms, waiting, .. } => {
            assert!(rooms.len() <= SUMMARY_ROOMS_MAX && waiting.len() <= SUMMARY_ROOMS_MAX);
        }
        Response::EpochKeys { keys } => assert!(keys.len() <= EPOCH_KEYS_ASKED_MAX),
        Response::Instants { rooms, .. } => assert!(rooms.len() <= INSTANTS_TOLD_PER_PEER_MAX),
        Response::Parts { parts } => assert!(parts.len() <= RANGE_PARTS),
        Response::Ids { ids, .. } => assert!(ids.len() <= IDS_FRAME_MAX),
        Response::Objects { objects, .. } => assert!(objects.len() <= IDS_FRAME_MAX),
        Response::JoinReferral { admins, .. } => {
            assert!(admins.len() <= ADDRESSES_MAX);
            assert!(admins.iter().all(|admin| admin.addresses.len() <= ADDRESSES_MAX));
        }
        Response::Refused
        | Response::Ack
        | Response::JoinOffer { .. }
        | Response::JoinTaken { .. }
        | Response::Join { .. }
        | Response::JoinProof { .. } => {}
    }
}
