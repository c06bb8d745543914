//! The golden vectors: one of each object, from fixed seeds, and bytes that must be refused.
//!
//! The files in `tests/vectors/` are the contract; this module makes them again, and a test
//! compares. See the README there.

mod bad;
mod fields;

use conclave_protocol::address::AddressRecord;
use conclave_protocol::codec;
use conclave_protocol::envelope::{EnterBody, Envelope};
use conclave_protocol::found::{Foundation, Founding, found};
use conclave_protocol::id::{CompanyId, DeviceId, ObjectId};
use conclave_protocol::keys::{DeviceKeys, device_statement, public_key, recovery_hash};
use conclave_protocol::object::{
    AgentCert, ControlObject, DeviceCert, Genesis, HistoryPolicy, MemberGrant, ObjectType, Payload,
    Permit, Principal, Revoke, RevokeMode, RoomCreate, SignatureBytes, UnitCreate, UnitKind,
};
use conclave_protocol::signed::{Trust, Verified, peek_type, sign};
use conclave_protocol::sync::{
    Blob, Bound, JoinAnswer, Part, Request, Response, RoomSummary, Scope,
};
use conclave_protocol::time::Timestamp;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::forge::{self, Forged};

pub use bad::{BadVector, bad};

/// A good object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vector {
    /// What it is an example of.
    pub name: String,
    /// The name of its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The number of its type.
    pub type_number: u8,
    /// The key that signs.
    pub author: String,
    /// The seed of that key, so that the signature can be made again.
    pub author_seed: String,
    /// The fields in the order of the encoding.
    pub fields: Vec<(String, Value)>,
    /// The canonical body.
    pub body: String,
    /// `BLAKE3-derive-key("conclave v1 <type>", body)`.
    pub id: String,
    /// What the signature covers.
    pub statement: String,
    /// The signature.
    pub signature: String,
    /// `[type number, body, signature]`, as it is sent and stored.
    pub bytes: String,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameVector {
    /// What it is.
    pub name: String,
    /// Its bytes.
    pub bytes: String,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn seed(n: u8) -> [u8; 32] {
    [n; 32]
}

/// Keys from a seed of 32 equal bytes.
fn keys(n: u8) -> DeviceKeys {
    DeviceKeys::new(&seed(n), ObjectId([0x50 + n; 32]))
}

/// The company of all vectors.
#[must_use]
pub fn foundation() -> Foundation {
    found(&Founding {
        company: "Acme",
        agent: "alice",
        root: &keys(1),
        recovery: recovery_hash(public_key(&seed(9))),
        salt: ObjectId([0x77; 32]),
        device: &keys(2),
    })
}

fn vector(name: &str, author: u8, bytes: &[u8]) -> Vector {
    let (number, body, signature) = forge::split(bytes);
    let object_type = peek_type(bytes).unwrap_or(ObjectType::Genesis);
    let id = conclave_protocol::signed::object_id(object_type, &body);
    let company = if object_type == ObjectType::Genesis {
        CompanyId::default()
    } else {
        foundation().company
    };
    Vector {
        name: name.to_owned(),
        type_name: object_type.name().to_owned(),
        type_number: number,
        author: keys(author).device().to_string(),
        author_seed: hex(&seed(author)),
        fields: fields::of(object_type, &body),
        body: hex(&body),
        id: id.to_string(),
        statement: hex(&conclave_protocol::signed::signed_statement(object_type, company, id)),
        signature: hex(&signature.0),
        bytes: hex(bytes),
    }
}

/// The admin's chain, object after object.
struct Chain {
    company: CompanyId,
    grant: ObjectId,
    seq: u64,
    prev: ObjectId,
    heights: Vec<(ObjectId, u64)>,
    made: Vec<(&'static str, Forged)>,
}

impl Chain {
    fn add(&mut self, name: &'static str, payload: Payload) -> ObjectId {
        self.seq += 1;
        let mut refs = payload.references();
        refs.extend([self.prev, self.grant]);
        let height = |id: &ObjectId| {
            self.heights.iter().find(|(other, _)| other == id).map_or(0, |(_, height)| *height)
        };
        let height = refs.iter().map(height).max().unwrap_or(0) + 1;
        let place = (self.seq, Some(self.prev));
        let forged = forge::control(&keys(2), self.company, place, self.grant, height, payload);
        self.prev = forged.id;
        self.heights.push((forged.id, height));
        self.made.push((name, forged.clone()));
        forged.id
    }
}

fn chain() -> Chain {
    let founded = foundation();
    let heights = founded.objects.iter().map(|(id, _)| *id).zip(1..).collect();
    let (grant, cert) = (founded.objects[2].0, founded.objects[3].0);
    let mut chain =
        Chain { company: founded.company, grant, seq: 1, prev: cert, heights, made: Vec::new() };
    let unit = |kind, parent, name: &str| {
        Payload::UnitCreate(UnitCreate { kind, parent, name: name.to_owned() })
    };
    let support = chain.add("a Department", unit(UnitKind::Department, None, "Support"));
    let front = chain.add("a Group", unit(UnitKind::Group, Some(support.into()), "Front Line"));
    chain.add("a Role", unit(UnitKind::Role, None, "M\u{fc}ller \u{6f22}"));
    let bob = chain.add("an agent", Payload::AgentCert(AgentCert { name: "bob".into() }));
    let (device, sealing) = (keys(3).device(), keys(3).sealing());
    let statement = device_statement(founded.company, bob.into(), device, sealing);
    let proof = SignatureBytes(keys(3).sign(&statement));
    chain.add(
        "a device",
        Payload::DeviceCert(DeviceCert {
            agent: bob.into(),
            device,
            sealing,
            countersignature: None,
            proof,
        }),
    );
    let member = |overrides| {
        Payload::MemberGrant(MemberGrant { agent: bob.into(), unit: front.into(), overrides })
    };
    let granted = chain.add("a membership", member(Vec::new()));
    let room = chain.add(
        "a room",
        Payload::RoomCreate(RoomCreate { name: "help".into(), history: HistoryPolicy::Full }),
    );
    let permit =
        |principal| Payload::Permit(Permit { room: room.into(), principal, overrides: Vec::new() });
    chain.add("a permission for a unit", permit(Principal::Unit(support.into())));
    chain.add("a permission for an agent", permit(Principal::Agent(bob.into())));
    let everybody = conclave_protocol::id::UnitId::ROLE_AGENT;
    chain.add("a permission for all agents", permit(Principal::Unit(everybody)));
    let revoke = chain.add(
        "a removal",
        Payload::Revoke(Revoke {
            target: granted,
            control_cuts: Vec::new(),
            keep: Vec::new(),
            mode: RevokeMode::Depart,
        }),
    );
    chain.add("a membership again", member(vec![revoke]));
    chain
}

/// Vectors of control objects.
#[must_use]
pub fn control() -> Vec<Vector> {
    let founded = foundation();
    let names = ["a founding", "the founder", "the founder's grant", "the founder's device"];
    let founding = names.into_iter().zip([1, 1, 1, 2]).zip(&founded.objects);
    let mut vectors: Vec<Vector> =
        founding.map(|((name, author), (_, bytes))| vector(name, author, bytes)).collect();
    vectors.extend(chain().made.iter().map(|(name, forged)| vector(name, 2, &forged.bytes)));
    vectors
}

pub(crate) fn envelopes() -> Vec<(&'static str, Envelope)> {
    let chain = chain();
    let of = |name: &str| {
        chain.made.iter().find(|(n, _)| *n == name).map(|(_, forged)| forged.id).unwrap_or_default()
    };
    let company = chain.company;
    let room = of("a room").into();
    let device: DeviceId = keys(3).device();
    let body = EnterBody {
        device_cert: of("a device"),
        member_grants: vec![of("a membership again")],
        permit: of("a permission for a unit"),
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
    seal.kind = conclave_protocol::envelope::EnvelopeKind::Seal;
    seal.body = Vec::new();
    seal.claimed_time = Timestamp(0);
    vec![("an enter", enter), ("a text", text), ("a seal", seal)]
}

/// Vectors of envelopes and address records.
#[must_use]
pub fn envelope() -> Vec<Vector> {
    let mut vectors: Vec<Vector> = envelopes()
        .iter()
        .map(|(name, envelope)| vector(name, 3, &forge::signed(&keys(3), envelope).bytes))
        .collect();
    let record = AddressRecord {
        version: 1,
        company: foundation().company,
        device: keys(3).device(),
        issued: Timestamp(1_700_000_000_000),
        addresses: vec!["/ip4/192.0.2.1/tcp/4001".into(), "/ip6/2001:db8::1/tcp/4001".into()],
    };
    let body = codec::encode(&record);
    let (_, bytes) = sign(&keys(3), ObjectType::AddressRecord, foundation().company, &body);
    vectors.push(vector("where a device listens", 3, &bytes));
    vectors
}

/// Vectors of frames.
#[must_use]
pub fn frames() -> Vec<FrameVector> {
    let room = conclave_protocol::id::RoomId([3; 32]);
    let (id, company) = (ObjectId([4; 32]), CompanyId([5; 32]));
    let (lower, upper) = (Bound::MIN, Bound { height: 70_000, id });
    let blob = Blob(vec![1, 2, 3]);
    let signature = SignatureBytes([6; 64]);
    let summary = RoomSummary { room, count: 300, fingerprint: id };
    let mut frames = Vec::new();
    for request in [
        Request::Summary,
        Request::Ranges { scope: Scope::Control, lower, upper },
        Request::List { scope: Scope::Room(room), lower, upper: Bound::MAX },
        Request::Get { scope: Scope::Control, ids: vec![id] },
        Request::Push { scope: Scope::Room(room), objects: vec![blob.clone()] },
        Request::Addresses { records: vec![blob.clone()] },
        Request::Held { room, ids: vec![id] },
        Request::JoinHello { name: "bob".into(), sealing: id, commitment: id },
        Request::JoinReveal { nonce: id },
        Request::JoinPoll,
        Request::JoinSign { company, agent: conclave_protocol::id::AgentId([7; 32]) },
    ] {
        let name = format!("request {request:?}");
        frames.push(FrameVector { name, bytes: hex(&request.encode()) });
    }
    let part = Part { upper, count: 1, fingerprint: id };
    for response in [
        Response::Refused,
        Response::Summary { control: summary, rooms: vec![summary] },
        Response::Parts { parts: vec![part] },
        Response::Ids { ids: vec![upper], more: true },
        Response::Objects { objects: vec![blob], done: 2 },
        Response::Ack,
        Response::JoinOffer { company, name: "Acme".into(), nonce: id },
        Response::JoinReferral { company, name: "Acme".into(), admins: Vec::new() },
        Response::Join { answer: JoinAnswer::Waiting },
        Response::JoinProof { signature },
    ] {
        let name = format!("response {response:?}");
        frames.push(FrameVector { name, bytes: hex(&response.encode()) });
    }
    frames
}

/// What verifying signed bytes of the vectors' company says: `ok`, or the sort of refusal.
#[must_use]
pub fn verdict(bytes: &[u8]) -> &'static str {
    use conclave_protocol::signed::VerifyError;
    let company = foundation().company;
    let result = match peek_type(bytes) {
        Some(ObjectType::Genesis) => {
            Verified::<Genesis>::genesis(bytes, Trust::Nothing).map(|_| ())
        }
        Some(ObjectType::Envelope) => {
            Verified::<Envelope>::envelope(bytes, company, Trust::Nothing).map(|_| ())
        }
        Some(ObjectType::AddressRecord) => {
            Verified::<AddressRecord>::address(bytes, company).map(|_| ())
        }
        _ => Verified::<ControlObject>::control(bytes, company, Trust::Nothing).map(|_| ()),
    };
    match result {
        Ok(()) => "ok",
        Err(VerifyError::Malformed(_)) => "malformed",
        Err(VerifyError::BadSignature) => "bad_signature",
        Err(VerifyError::WrongCompany) => "wrong_company",
    }
}

/// Each file with what belongs in it.
#[must_use]
pub fn files() -> Vec<(&'static str, String)> {
    fn json<T: Serialize>(vectors: &[T]) -> String {
        let lines: Vec<String> =
            vectors.iter().filter_map(|v| serde_json::to_string_pretty(v).ok()).collect();
        format!("[\n{}\n]\n", lines.join(",\n"))
    }
    vec![
        ("control.json", json(&control())),
        ("envelope.json", json(&envelope())),
        ("frames.json", json(&frames())),
        ("bad.json", json(&bad())),
    ]
}
