//! Envelopes, address records, state reports and beacons of the vectors, all by the device with seed 3.

use conclave_protocol::address::AddressRecord;
use conclave_protocol::codec;
use conclave_protocol::envelope::{EnterBody, Envelope, EnvelopeKind};
use conclave_protocol::id::{AgentId, ObjectId};
use conclave_protocol::instant::InstantAgents;
use conclave_protocol::limits::HEIGHT_MAX;
use conclave_protocol::object::ObjectType;
use conclave_protocol::presence::PresenceBeacon;
use conclave_protocol::report::StateReport;
use conclave_protocol::signed::sign;
use conclave_protocol::time::Timestamp;

use super::{foundation, keys, log};
use crate::forge;

/// All envelopes. The first three are one device's first in a room of the control log's; the
/// others stand alone.
pub(super) fn envelopes() -> Vec<(String, Envelope)> {
    let log = log::log();
    let company = log.company;
    let room = log.id("a room").into();
    let device = keys(3).device();
    let body = EnterBody::Permitted {
        device_cert: log.id("a device"),
        member_grants: vec![log.id("a membership that overrides two")],
        permit: log.id("a permission for a unit"),
    };
    let mut enter = forge::entering(forge::envelope(company, room, device, &[]), &body);
    enter.claimed_time = Timestamp(1_700_000_000_000);
    let enter_id = forge::signed(&keys(3), &enter).id;
    let mut text = forge::envelope(company, room, device, &[(enter_id, 1)]);
    (text.seq, text.prev, text.standing) = (2, Some(enter_id), Some(enter_id));
    text.body = "Gr\u{fc}\u{df} Gott,\nworld".as_bytes().to_vec();
    text.claimed_time = Timestamp(1_700_000_000_001);
    let text_id = forge::signed(&keys(3), &text).id;
    let mut seal = forge::envelope(company, room, device, &[(enter_id, 1), (text_id, 2)]);
    (seal.seq, seal.prev, seal.standing) = (3, Some(text_id), Some(enter_id));
    seal.kind = EnvelopeKind::Seal;
    seal.body = Vec::new();
    seal.claimed_time = Timestamp(0);

    let listing = |grants: Vec<ObjectId>, permit: &str| {
        let member_grants = grants;
        let device_cert = log.id("a device");
        let body = EnterBody::Permitted { device_cert, member_grants, permit: log.id(permit) };
        forge::entering(forge::envelope(company, room, device, &[(text_id, 2)]), &body)
    };
    let mut two = vec![log.id("a membership"), log.id("a membership again")];
    two.sort_unstable();
    let plain = |text: &str| Envelope { body: text.as_bytes().to_vec(), ..text_of(&enter_id) };
    fn text_of(enter: &ObjectId) -> Envelope {
        let company = foundation().company;
        let room = conclave_protocol::id::RoomId([0x33; 32]);
        let mut envelope = forge::envelope(company, room, keys(3).device(), &[(*enter, 1)]);
        (envelope.seq, envelope.prev, envelope.standing) = (2, Some(*enter), Some(*enter));
        envelope
    }
    let parents = (1..=8).map(|n| ObjectId([n; 32])).collect();
    let instant = |agents: &[u8]| {
        let listed = agents.iter().map(|n| AgentId([*n; 32])).chain([log.id("an agent").into()]);
        let agents = InstantAgents::new(listed).unwrap_or_else(|| unreachable!("within bounds"));
        let draft = forge::envelope(company, agents.room(company), device, &[]);
        let device_cert = log.id("a device");
        forge::entering(draft, &EnterBody::Instant { device_cert, agents })
    };
    let mut made: Vec<(String, Envelope)> = vec![
        ("an enter".into(), enter),
        ("a text".into(), text.clone()),
        ("a seal".into(), seal.clone()),
        ("an enter by the agent's own permission".into(), {
            listing(Vec::new(), "a permission that overrides")
        }),
        ("an enter with two memberships".into(), listing(two, "a permission for a unit")),
        ("an enter of an instant room".into(), instant(&[1])),
        ("an enter of an instant room of the most agents".into(), {
            instant(&(1..=31).collect::<Vec<u8>>())
        }),
        ("a text without parents".into(), {
            Envelope { parents: Vec::new(), height: 1, ..plain("first") }
        }),
        ("a text of one character".into(), plain("x")),
        ("a text with tab, line feed and white space at its ends".into(), plain(" a\tb\n")),
        ("a text of many planes, with joiners and marks".into(), {
            plain("\u{1f469}\u{200d}\u{1f680} e\u{301} \u{202e}abc")
        }),
        ("a text with eight parents".into(), Envelope { parents, height: 9, ..text }),
        ("a seal without parents".into(), Envelope { parents: Vec::new(), height: 1, ..seal }),
    ];
    // Integers change their length at these values.
    let edges = [
        23,
        24,
        255,
        256,
        65_535,
        65_536,
        u64::from(u32::MAX),
        u64::from(u32::MAX) + 1,
        HEIGHT_MAX,
    ];
    made.extend(edges.map(|edge| {
        let envelope = Envelope { seq: edge, height: edge, ..plain("edge") };
        (format!("integers of {edge}"), Envelope { claimed_time: Timestamp(edge), ..envelope })
    }));
    let latest = Envelope { seq: u64::MAX, ..plain("edge") };
    let latest = Envelope { claimed_time: Timestamp(u64::MAX), ..latest };
    made.push(("the largest integers".into(), latest));
    made
}

/// All address records, signed.
pub(super) fn address_records() -> Vec<(&'static str, Vec<u8>)> {
    let record = |name, issued, addresses: Vec<String>| {
        let company = foundation().company;
        let issued = Timestamp(issued);
        let device = keys(3).device();
        let body = codec::encode(&AddressRecord { version: 1, company, device, issued, addresses });
        (name, sign(&keys(3), ObjectType::AddressRecord, company, &body).1)
    };
    let two = vec!["/ip4/192.0.2.1/tcp/4001".into(), "/ip6/2001:db8::1/tcp/4001".into()];
    let most = (0..16).map(|n| format!("/dns/host-{n}.example/tcp/4001")).collect();
    vec![
        record("where a device listens", 1_700_000_000_000, two),
        record("nowhere to listen", 0, Vec::new()),
        record("the most addresses", 1, most),
        record("the longest address", 2, vec![format!("/dns/{}", "x".repeat(251))]),
    ]
}

/// All state reports, signed.
pub(super) fn state_reports() -> Vec<(&'static str, Vec<u8>)> {
    let report = |name, issued, digest, objects| {
        let company = foundation().company;
        let issued = Timestamp(issued);
        let device = keys(3).device();
        let report = StateReport { version: 1, company, device, issued, digest, objects };
        let body = codec::encode(&report);
        (name, sign(&keys(3), ObjectType::StateReport, company, &body).1)
    };
    vec![
        report("what a device has applied", 1_700_000_000_000, ObjectId([0xd1; 32]), 24),
        report("a report of nothing", 0, ObjectId::default(), 0),
        report("the largest report", u64::MAX, ObjectId([0xff; 32]), u64::MAX),
    ]
}

/// All beacons, signed.
pub(super) fn beacons() -> Vec<(&'static str, Vec<u8>)> {
    let beacon = |name, issued, online| {
        let company = foundation().company;
        let issued = Timestamp(issued);
        let device = keys(3).device();
        let beacon = PresenceBeacon { version: 1, company, device, issued, online };
        let body = codec::encode(&beacon);
        (name, sign(&keys(3), ObjectType::Presence, company, &body).1)
    };
    vec![
        beacon("a device that is there", 1_700_000_000_000, true),
        beacon("a device that goes", 1_700_000_000_001, false),
        beacon("the first beacon", 0, true),
        beacon("the last beacon", u64::MAX, false),
    ]
}
