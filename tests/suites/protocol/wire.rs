//! Case 24: bytes that no honest node sends are rejected.

use conclave_protocol::engine::{GossipVerdict, UNREADABLE};
use conclave_protocol::envelope::{Envelope, EnvelopeKind};
use conclave_protocol::id::{DeviceId, RoomId, Topic};
use conclave_protocol::object::{ObjectType, SignatureBytes};
use conclave_protocol::signed::{object_id, sign, signed_statement};
use conclave_tests::forge;
use conclave_tests::world::{NodeId, Options, World};

struct Wire {
    w: World,
    bob: NodeId,
    alice: NodeId,
    from: DeviceId,
    room: RoomId,
    other: RoomId,
    /// A valid message of alice's that bob does not hold.
    bytes: Vec<u8>,
    envelope: Envelope,
}

fn wire(seed: u64) -> Wire {
    let mut w = World::new(seed, Options::CALM);
    let alice = w.found("Acme", "alice");
    let room = w.room(alice, "all", &["role:Agent"]);
    let other = w.room(alice, "other", &["role:Agent"]);
    let bob = w.join(alice, "bob", &[]);
    w.agree();
    let from = w.node(alice).device();
    w.isolate(alice);
    let id = w.post(alice, "all", "the real one");
    let stored = forge::all_stored(&w, alice, room).into_iter().find(|m| m.value().height == 1);
    let enter = stored.expect("the enter");
    assert!(w.disk(alice).holds(id));
    let (bytes, envelope) = (enter.bytes().to_vec(), enter.value().clone());
    Wire { w, bob, alice, from, room, other, bytes, envelope }
}

impl Wire {
    fn verdict(&mut self, topic: Topic, bytes: &[u8]) -> GossipVerdict {
        let token = self.w.inject_gossip(self.bob, self.from, topic, bytes);
        self.w.run(50);
        let verdict = self.w.node(self.bob).verdicts.get(&token);
        *verdict.expect("a verdict at once")
    }

    fn rejected(&mut self, what: &str, bytes: &[u8]) {
        let topic = self.w.topic(self.room);
        assert_eq!(self.verdict(topic, bytes), GossipVerdict::Reject, "{what}");
    }

    /// A newer version may have made it: no offence of whoever passes it on.
    fn ignored(&mut self, what: &str, bytes: &[u8]) {
        let topic = self.w.topic(self.room);
        let before = self.w.refusals(self.bob, "unsupported");
        assert_eq!(self.verdict(topic, bytes), GossipVerdict::Ignore, "{what}");
        assert_eq!(self.w.refusals(self.bob, "unsupported"), before + 1, "{what}");
    }
}

#[test]
fn wire_bytes_that_are_not_canonical_are_rejected() {
    let mut t = wire(1);
    let keys = t.w.node(t.alice).keys();
    let (number, body, signature) = forge::split(&t.bytes);
    assert_eq!(forge::parts(number, &body, &signature), t.bytes, "the parts are understood");
    let trailing = [t.bytes.as_slice(), &[0]].concat();
    t.rejected("a trailing byte", &trailing);
    t.rejected("nothing", &[]);
    let cut = t.bytes[..t.bytes.len() - 1].to_vec();
    t.rejected("a byte short", &cut);
    // Over-long type number: 0x18 0x20 (32) as 0x19 0x00 0x20.
    let long = [&[0x83, 0x19, 0, 0x20], &t.bytes[3..]].concat();
    t.rejected("an over-long integer outside the body", &long);
    let indefinite = [&[0x9f][..], &t.bytes[1..], &[0xff]].concat();
    t.rejected("an array of indefinite length", &indefinite);

    // Inside the body, with a signature that fits those bytes: only the encoding is wrong.
    let resign = |body: &[u8]| {
        let id = object_id(ObjectType::Envelope, body);
        let company = t.envelope.company;
        let statement = signed_statement(ObjectType::Envelope, company, id);
        forge::parts(number, body, &SignatureBytes(keys.sign(&statement)))
    };
    assert_eq!(resign(&body), t.bytes);
    // The body's first field is the version: 8e 01 …
    assert_eq!(&body[..2], &[0x8e, 0x01]);
    let long_version = [&[0x8e, 0x18, 0x01], &body[2..]].concat();
    let long_again = [&[0x8e, 0x1b, 0, 0, 0, 0, 0, 0, 0, 1], &body[2..]].concat();
    let body_trailing = [&body[..], &[0xf6]].concat();
    let body_indefinite = [&[0x9f], &body[1..], &[0xff]].concat();
    let extra_field = [&[0x8f], &body[1..], &[0xf6]].concat();
    let cases = [
        ("an over-long integer", resign(&long_version)),
        ("a nine-byte integer", resign(&long_again)),
        ("a trailing byte in the body", resign(&body_trailing)),
        ("an indefinite body", resign(&body_indefinite)),
        ("a field too many", resign(&extra_field)),
    ];
    for (what, bytes) in cases {
        t.rejected(what, &bytes);
    }
    // Nothing of this kept the real one out.
    let (topic, bytes) = (t.w.topic(t.room), t.bytes.clone());
    assert_eq!(t.verdict(topic, &bytes), GossipVerdict::Accept);
}

#[test]
fn wire_bad_signatures_and_small_order_keys_are_rejected() {
    let mut t = wire(2);
    let (number, body, signature) = forge::split(&t.bytes);
    let mut bent = signature;
    bent.0[40] ^= 1;
    t.rejected("a bent signature", &forge::parts(number, &body, &bent));
    // s + L: the same signature to a lax verifier.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut malleable = signature;
    let mut carry = 0u16;
    for (byte, add) in malleable.0[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    t.rejected("a signature with s + L", &forge::parts(number, &body, &malleable));
    // Points of small order sign everything with R = identity and s = 0.
    let mut identity = [0; 32];
    identity[0] = 1;
    for key in [identity, [0; 32], {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    }] {
        let mut envelope = t.envelope.clone();
        envelope.device = DeviceId(key);
        let mut forged = [0; 64];
        forged[..32].copy_from_slice(&identity);
        let bytes = forge::parts(number, &envelope.encode(), &SignatureBytes(forged));
        t.rejected("a key of small order", &bytes);
    }
    // Another's name over our signature.
    let mut envelope = t.envelope.clone();
    envelope.device = t.from;
    let mallory = t.w.outsider("mallory");
    t.rejected("signed by another key", &forge::signed(&mallory, &envelope).bytes);
}

#[test]
fn wire_replay_into_another_company_room_or_type_is_rejected() {
    let mut t = wire(3);
    let keys = t.w.node(t.alice).keys();
    let other = t.w.topic(t.other);
    let bytes = t.bytes.clone();
    assert_eq!(t.verdict(other, &bytes), GossipVerdict::Reject, "into another room");
    let control = t.w.control_topic();
    assert_eq!(t.verdict(control, &bytes), GossipVerdict::Reject, "into the control log");
    // A control object into a room.
    let entries = t.w.engine(t.alice).control_log();
    for entry in &entries {
        let room = t.w.topic(t.room);
        assert_eq!(t.verdict(room, &entry.bytes), GossipVerdict::Reject, "{}", entry.kind);
    }
    // The same body as another type, old signature and new.
    let (_, body, signature) = forge::split(&t.bytes);
    for object_type in ObjectType::ALL.into_iter().filter(|t| *t != ObjectType::Envelope) {
        t.rejected("another type", &forge::parts(object_type.number(), &body, &signature));
    }
    for unknown in [13, 33, 255] {
        t.ignored("an unknown type", &forge::parts(unknown, &body, &signature));
    }
    // Signed for another company by a member of both.
    let mut foreign = t.envelope.clone();
    foreign.company.0[0] ^= 1;
    t.rejected("another company", &forge::signed(&keys, &foreign).bytes);
    // The company in the body is ours, the signature was made for another.
    let id = object_id(ObjectType::Envelope, &body);
    let statement = signed_statement(ObjectType::Envelope, foreign.company, id);
    let bytes = forge::parts(32, &body, &SignatureBytes(keys.sign(&statement)));
    t.rejected("a signature for another company", &bytes);
    // A control object of another company on our control topic.
    let mut w = World::new(99, Options::CALM);
    let stranger = w.found("Other", "zed");
    for entry in w.engine(stranger).control_log() {
        let verdict = t.verdict(control, &entry.bytes);
        assert_eq!(verdict, GossipVerdict::Reject, "{} of another company", entry.kind);
    }
}

#[test]
fn wire_envelopes_whose_fields_contradict_each_other_are_rejected() {
    let mut t = wire(4);
    let keys = t.w.node(t.alice).keys();
    let mut plain = forge::envelope(t.envelope.company, t.room, t.from, &[]);
    plain.seq = 2;
    plain.prev = Some(forge::signed(&keys, &t.envelope).id);
    let plain = forge::encrypted(&plain);
    let text = || plain.clone();
    // Signed as it is: what encrypts would mend it.
    let signed = |e: &Envelope| sign(&keys, ObjectType::Envelope, e.company, &e.encode()).1;
    type Bend = fn(&mut Envelope);
    let bends: [(&str, Bend); 21] = [
        ("no parents and height 2", |e| e.height = 2),
        ("height 0", |e| e.height = 0),
        ("height 2^63", |e| e.height = 1 << 63),
        ("parents and height 1", |e| e.parents = vec![e.prev.unwrap_or_default()]),
        ("seq 0", |e| e.seq = 0),
        ("seq 1 with a predecessor", |e| e.seq = 1),
        ("seq 2 without", |e| e.prev = None),
        ("nine parents", |e| {
            e.height = 2;
            e.parents = (0..9).map(|n| conclave_protocol::id::ObjectId([n; 32])).collect();
        }),
        ("parents twice", |e| {
            e.height = 2;
            e.parents = vec![e.prev.unwrap_or_default(); 2];
        }),
        ("no standing", |e| e.standing = None),
        ("content without an epoch", |e| e.epoch = None),
        ("content without a nonce", |e| e.nonce.clear()),
        ("a nonce of 23 bytes", |e| e.nonce.truncate(23)),
        ("a nonce of 25 bytes", |e| e.nonce.push(0)),
        ("an empty text", |e| e.body.truncate(16)),
        ("no body", |e| e.body.clear()),
        ("a long text", |e| e.body = vec![0; 16 * 1024 + 17]),
        ("an epoch without content", |e| {
            (e.kind, e.nonce, e.body) = (EnvelopeKind::Seal, Vec::new(), Vec::new());
        }),
        ("a nonce without content", |e| {
            (e.kind, e.epoch, e.body) = (EnvelopeKind::Seal, None, Vec::new());
        }),
        ("a seal with a body", |e| {
            (e.kind, e.epoch, e.nonce) = (EnvelopeKind::Seal, None, Vec::new());
        }),
        ("an epoch's start that is none", |e| {
            (e.kind, e.epoch, e.nonce) = (EnvelopeKind::EpochStart, None, Vec::new());
        }),
    ];
    for (what, bend) in bends {
        let mut envelope = text();
        bend(&mut envelope);
        t.rejected(what, &signed(&envelope));
    }
    // Version 0 carried its content in plain.
    for version in [0, 2] {
        t.ignored("another version", &signed(&Envelope { version, ..text() }));
    }
    // Unbent it is fine: the test can fail.
    let (topic, bytes) = (t.w.topic(t.room), signed(&text()));
    assert_eq!(t.verdict(topic, &bytes), GossipVerdict::Accept);
}

#[test]
fn wire_what_is_encrypted_decides_nothing() {
    let mut t = wire(6);
    let keys = t.w.node(t.alice).keys();
    for (n, said) in [(1, " "), (2, "\u{1b}[31m"), (3, "a\r\nb")] {
        let mut envelope = forge::envelope(t.envelope.company, t.room, t.from, &[]);
        envelope.seq = n + 1;
        envelope.prev = Some(forge::signed(&keys, &t.envelope).id);
        envelope.body = said.as_bytes().to_vec();
        let (topic, bytes) = (t.w.topic(t.room), forge::signed(&keys, &envelope).bytes);
        // Who has no key could not tell either, and all have to agree on what counts.
        assert_eq!(t.verdict(topic, &bytes), GossipVerdict::Accept);
    }
    t.w.connect_all();
    t.w.agree();
    let texts = t.w.texts(t.bob, "all");
    let real: Vec<&str> =
        texts.iter().map(String::as_str).filter(|text| *text != UNREADABLE).collect();
    assert_eq!((real, texts.len()), (vec!["the real one"], 4), "{texts:?}");
}

#[test]
fn wire_a_height_that_contradicts_the_parents_is_ignored() {
    let mut t = wire(5);
    let keys = t.w.node(t.alice).keys();
    let topic = t.w.topic(t.room);
    let bytes = t.bytes.clone();
    assert_eq!(t.verdict(topic, &bytes), GossipVerdict::Accept);
    let parent = forge::signed(&keys, &t.envelope).id;
    let mut envelope = forge::envelope(t.envelope.company, t.room, t.from, &[(parent, 1)]);
    envelope.height = 1 << 40;
    let before = t.w.refusals(t.bob, "height_mismatch");
    assert_eq!(t.verdict(topic, &forge::signed(&keys, &envelope).bytes), GossipVerdict::Ignore);
    assert_eq!(t.w.refusals(t.bob, "height_mismatch"), before + 1);
}
