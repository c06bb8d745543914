//! Envelopes, address records, state reports and beacons of the vectors, all by the device with seed 3.

use conclave_protocol::address::AddressRecord;
use conclave_protocol::codec;
use conclave_protocol::envelope::{EnterBody, Envelope, EnvelopeKind};
use conclave_protocol::id::{AgentId, ObjectId, RoomId};
use conclave_protocol::instant::InstantAgents;
use conclave_protocol::limits::HEIGHT_MAX;
use conclave_protocol::object::ObjectType;
use conclave_protocol::presence::PresenceBeacon;
use conclave_protocol::report::StateReport;
use conclave_protocol::signed::sign;
use conclave_protocol::time::Timestamp;
use serde_json::Value;

use super::{epochs, foundation, keys, log};
use crate::forge;

/// An envelope of the vectors, and what those know who have its key.
pub(super) struct Made {
    pub name: String,
    pub envelope: Envelope,
    pub secrets: Value,
}

impl Made {
    fn plain(name: &str, envelope: Envelope) -> Self {
        Self { name: name.to_owned(), envelope, secrets: Value::Null }
    }

    /// The signed bytes.
    pub fn signed(&self) -> forge::Forged {
        forge::signed(&keys(3), &self.envelope)
    }
}

/// The text that others bend.
pub(super) fn text() -> Made {
    let found = envelopes().into_iter().find(|made| made.name == "a text");
    found.unwrap_or_else(|| unreachable!("it is there"))
}

/// All envelopes. The first five are one device's first in a room of the control log's; the
/// others stand alone.
pub(super) fn envelopes() -> Vec<Made> {
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
    // Every envelope here that is no Enter stands on it.
    let next = |seq, prev: ObjectId, parents: &[(ObjectId, u64)]| {
        let mut draft = forge::envelope(company, room, device, parents);
        (draft.seq, draft.prev, draft.standing) = (seq, Some(prev), Some(enter_id));
        draft.claimed_time = Timestamp(1_700_000_000_000 + seq);
        draft
    };
    let start = epochs::first(next(2, enter_id, &[(enter_id, 1)]));
    let start_id = start.signed().id;
    let given = epochs::keys(next(3, start_id, &[(start_id, 2)]), start_id, 0);
    let given_id = given.signed().id;
    let mut draft = next(4, given_id, &[(given_id, 3)]);
    draft.epoch = Some(start_id);
    let said = |draft: &Envelope, text: &str| epochs::text(draft.clone(), text.as_bytes());
    let text = Made { name: "a text".into(), ..said(&draft, "Gr\u{fc}\u{df} Gott,\nworld") };
    let text_id = text.signed().id;
    let mut seal = next(5, text_id, &[(given_id, 3), (text_id, 4)]);
    (seal.kind, seal.body, seal.claimed_time) = (EnvelopeKind::Seal, Vec::new(), Timestamp(0));

    let listing = |grants: Vec<ObjectId>, permit: &str| {
        let member_grants = grants;
        let device_cert = log.id("a device");
        let body = EnterBody::Permitted { device_cert, member_grants, permit: log.id(permit) };
        forge::entering(forge::envelope(company, room, device, &[(text_id, 2)]), &body)
    };
    let mut two = vec![log.id("a membership"), log.id("a membership again")];
    two.sort_unstable();
    let plain = Envelope { room: RoomId([0x33; 32]), epoch: Some(ObjectId([0x44; 32])), ..draft };
    let parents: Vec<ObjectId> = (1..=8).map(|n| ObjectId([n; 32])).collect();
    let instant = |agents: &[u8]| {
        let listed = agents.iter().map(|n| AgentId([*n; 32])).chain([log.id("an agent").into()]);
        let agents = InstantAgents::new(listed).unwrap_or_else(|| unreachable!("within bounds"));
        let draft = forge::envelope(company, agents.room(company), device, &[]);
        let device_cert = log.id("a device");
        forge::entering(draft, &EnterBody::Instant { device_cert, agents })
    };
    let named = |name: &str, made: Made| Made { name: name.to_owned(), ..made };
    let alone =
        |envelope: &Envelope| Envelope { parents: Vec::new(), height: 1, ..envelope.clone() };
    let mut made = vec![
        Made::plain("an enter", enter),
        start,
        given,
        text,
        Made::plain("a seal", seal.clone()),
        Made::plain("an enter by the agent's own permission", {
            listing(Vec::new(), "a permission that overrides")
        }),
        Made::plain("an enter with two memberships", listing(two, "a permission for a unit")),
        Made::plain("an enter of an instant room", instant(&[1])),
        Made::plain("an enter of an instant room of the most agents", {
            instant(&(1..=31).collect::<Vec<u8>>())
        }),
        named("a text without parents", said(&alone(&plain), "first")),
        named("a text of one character", said(&plain, "x")),
        named("the same, a moment later", {
            said(&Envelope { claimed_time: Timestamp(7), ..plain.clone() }, "x")
        }),
        named("a text with tab, line feed and white space at its ends", said(&plain, " a\tb\n")),
        named("a text of many planes, with joiners and marks", {
            said(&plain, "\u{1f469}\u{200d}\u{1f680} e\u{301} \u{202e}abc")
        }),
        named("a text with eight parents", {
            said(&Envelope { parents, height: 9, ..plain.clone() }, "many before it")
        }),
        Made::plain("a seal without parents", alone(&seal)),
    ];
    made.extend(epochs::others(&alone(&seal)));
    made.extend(epochs::unreadable(&plain));
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
        let envelope = Envelope { seq: edge, height: edge, ..plain.clone() };
        let envelope = Envelope { claimed_time: Timestamp(edge), ..envelope };
        named(&format!("integers of {edge}"), said(&envelope, "edge"))
    }));
    let latest = Envelope { seq: u64::MAX, claimed_time: Timestamp(u64::MAX), ..plain };
    made.push(named("the largest integers", said(&latest, "edge")));
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
