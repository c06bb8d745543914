//! Vectors of the frames of the request-response protocol.

use conclave_protocol::crypt::SealedKey;
use conclave_protocol::id::{AgentId, CompanyId, DeviceId, ObjectId, RoomId};
use conclave_protocol::instant::InstantAgents;
use conclave_protocol::object::SignatureBytes;
use conclave_protocol::sync::{
    AgedBeacon, Blob, Bound, GivenKey, InstantSummary, JoinAnswer, NewDevice, Part, Referred,
    Request, Response, RoomSummary, Scope,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fields::ids;
use super::{hex, keys};

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameVector {
    /// What it is an example of.
    pub name: String,
    /// `request` or `response`.
    pub direction: String,
    /// Which frame, as in the document.
    pub frame: String,
    /// Its fields by name.
    pub fields: Value,
    /// Its bytes, without the four bytes of length.
    pub bytes: String,
}

fn scope(scope: Scope) -> Value {
    match scope {
        Scope::Control => json!("control"),
        Scope::Room(room) => json!({ "room": room.to_string() }),
        Scope::Waiting(room) => json!({ "waiting": room.to_string() }),
    }
}

fn bound(bound: &Bound) -> Value {
    json!({ "height": bound.height, "id": bound.id.to_string() })
}

fn blobs(blobs: &[Blob]) -> Value {
    json!(blobs.iter().map(|blob| hex(&blob.0)).collect::<Vec<_>>())
}

fn aged(beacons: &[AgedBeacon]) -> Value {
    let one = |beacon: &AgedBeacon| json!({ "bytes": hex(&beacon.bytes.0), "age": beacon.age });
    json!(beacons.iter().map(one).collect::<Vec<_>>())
}

fn summary(summary: &RoomSummary) -> Value {
    json!({
        "room": summary.room.to_string(),
        "count": summary.count,
        "fingerprint": summary.fingerprint.to_string(),
    })
}

fn request_fields(request: &Request) -> (&'static str, Value) {
    let range = |of: Scope, lower: &Bound, upper: &Bound| json!({ "scope": scope(of), "lower": bound(lower), "upper": bound(upper) });
    match request {
        Request::Summary => ("summary", json!({})),
        Request::Ranges { scope, lower, upper } => ("ranges", range(*scope, lower, upper)),
        Request::List { scope, lower, upper } => ("list", range(*scope, lower, upper)),
        Request::Get { scope: of, ids: wanted } => {
            ("get", json!({ "scope": scope(*of), "ids": ids(wanted) }))
        }
        Request::Push { scope: of, objects } => {
            ("push", json!({ "scope": scope(*of), "objects": blobs(objects) }))
        }
        Request::Addresses { records } => ("addresses", json!({ "records": blobs(records) })),
        Request::Reports { records } => ("reports", json!({ "records": blobs(records) })),
        Request::EpochKeys { room, epochs } => {
            ("epoch keys", json!({ "room": room.to_string(), "epochs": ids(epochs) }))
        }
        Request::Presence { beacons } => ("presence", json!({ "beacons": aged(beacons) })),
        Request::Introduce { objects } => ("introduce", json!({ "objects": blobs(objects) })),
        Request::Newest { scope: of } => ("newest", json!({ "scope": scope(*of) })),
        Request::Heads { room } => ("heads", json!({ "room": room.to_string() })),
        Request::Instants { from } => ("instants", json!({ "from": from.to_string() })),
        Request::Instant { agents: of, objects } => {
            ("instant", json!({ "agents": agents(of), "objects": blobs(objects) }))
        }
        Request::Held { room, ids: held } => {
            ("held", json!({ "room": room.to_string(), "ids": ids(held) }))
        }
        Request::JoinHello { name, sealing, commitment, lost } => (
            "join hello",
            json!({
                "name": name,
                "sealing": sealing.to_string(),
                "commitment": commitment.to_string(),
                "lost": lost,
            }),
        ),
        Request::JoinReveal { nonce } => ("join reveal", json!({ "nonce": nonce.to_string() })),
        Request::JoinPoll => ("join poll", json!({})),
        Request::JoinSign { company, agent } => {
            ("join sign", json!({ "company": company.to_string(), "agent": agent.to_string() }))
        }
        Request::Confirmed { device } => (
            "confirmed",
            json!({ "device": {
                "agent": device.agent.to_string(),
                "device": device.device.to_string(),
                "sealing": device.sealing.to_string(),
                "proof": hex(&device.proof.0),
                "countersignature": hex(&device.countersignature.0),
                "code": device.code,
            } }),
        ),
    }
}

fn response_fields(response: &Response) -> (&'static str, Value) {
    match response {
        Response::Refused => ("refused", json!({})),
        Response::Summary { control, rooms, waiting } => (
            "summary",
            json!({
                "control": summary(control),
                "rooms": rooms.iter().map(summary).collect::<Vec<_>>(),
                "waiting": waiting.iter().map(summary).collect::<Vec<_>>(),
            }),
        ),
        Response::Parts { parts } => {
            let part = |p: &Part| {
                json!({
                    "upper": bound(&p.upper),
                    "count": p.count,
                    "fingerprint": p.fingerprint.to_string(),
                })
            };
            ("parts", json!({ "parts": parts.iter().map(part).collect::<Vec<_>>() }))
        }
        Response::EpochKeys { keys } => {
            let given = keys
                .iter()
                .map(|key| json!({ "start": hex(&key.start.0), "sealed": hex(&key.sealed.0) }));
            ("epoch keys", json!({ "keys": given.collect::<Vec<_>>() }))
        }
        Response::Ids { ids, more } => {
            ("ids", json!({ "ids": ids.iter().map(bound).collect::<Vec<_>>(), "more": more }))
        }
        Response::Objects { objects, done } => {
            ("objects", json!({ "objects": blobs(objects), "done": done }))
        }
        Response::Ack => ("ack", json!({})),
        Response::JoinOffer { company, name, nonce } => (
            "join offer",
            json!({ "company": company.to_string(), "name": name, "nonce": nonce.to_string() }),
        ),
        Response::JoinReferral { company, name, admins } => {
            let admin = |admin: &Referred| json!({ "device": admin.device.to_string(), "addresses": admin.addresses });
            let admins: Vec<Value> = admins.iter().map(admin).collect();
            let company = company.to_string();
            ("join referral", json!({ "company": company, "name": name, "admins": admins }))
        }
        Response::JoinTaken { company, name } => {
            ("join taken", json!({ "company": company.to_string(), "name": name }))
        }
        Response::Join { answer } => {
            ("join", json!({ "answer": format!("{answer:?}").to_lowercase() }))
        }
        Response::Instants { rooms, next } => {
            let room = |room: &InstantSummary| {
                json!({
                    "agents": agents(&room.agents),
                    "summary": summary(&room.summary),
                    "waiting": room.waiting.as_ref().map(summary),
                })
            };
            let rooms: Vec<Value> = rooms.iter().map(room).collect();
            ("instants", json!({ "rooms": rooms, "next": next.map(|id| id.to_string()) }))
        }
        Response::JoinProof { signature } => {
            ("join proof", json!({ "signature": hex(&signature.0) }))
        }
    }
}

const ROOM: RoomId = RoomId([3; 32]);
const ID: ObjectId = ObjectId([4; 32]);
const COMPANY: CompanyId = CompanyId([5; 32]);
const UPPER: Bound = Bound { height: 70_000, id: ID };

/// The fewest agents of an instant room, and the most.
fn two_and_most() -> (InstantAgents, InstantAgents) {
    let of = |n: u8| InstantAgents::new((1..=n).map(|n| AgentId([n; 32])));
    of(2).zip(of(32)).unwrap_or_else(|| unreachable!("within the bounds"))
}

fn agents(agents: &InstantAgents) -> Vec<String> {
    agents.iter().map(|agent| agent.to_string()).collect()
}

fn requests() -> Vec<(&'static str, Request)> {
    let (lower, upper) = (Bound::MIN, UPPER);
    let (control, room) = (Scope::Control, Scope::Room(ROOM));
    let blob = |n: usize| Blob((0..=255).cycle().take(n).collect());
    let many = |n: u8| (0..n).map(|n| ObjectId([n; 32])).collect::<Vec<_>>();
    vec![
        ("a summary asked", Request::Summary),
        ("ranges of the control log", Request::Ranges { scope: control, lower, upper }),
        ("ranges of a room", Request::Ranges { scope: room, lower, upper: Bound::MAX }),
        ("a list of what waits in a room", {
            Request::List { scope: Scope::Waiting(ROOM), lower, upper: Bound::MAX }
        }),
        ("a list of a room", Request::List { scope: room, lower, upper: Bound::MAX }),
        ("a list of the control log", Request::List { scope: control, lower: upper, upper }),
        ("the newest of a room", Request::Newest { scope: room }),
        ("the heads of a room", Request::Heads { room: ROOM }),
        ("nothing fetched", Request::Get { scope: control, ids: Vec::new() }),
        ("an object fetched", Request::Get { scope: control, ids: vec![ID] }),
        ("objects in no order, one twice", {
            let ids = vec![ID, ObjectId([9; 32]), ObjectId([1; 32]), ID];
            Request::Get { scope: room, ids }
        }),
        ("many fetched", Request::Get { scope: room, ids: many(30) }),
        ("a push to a room", Request::Push { scope: room, objects: vec![blob(3), blob(300)] }),
        ("a push of control objects", Request::Push { scope: control, objects: vec![blob(24)] }),
        ("address records", Request::Addresses { records: vec![blob(23), blob(256)] }),
        ("state reports", Request::Reports { records: vec![blob(23), blob(24)] }),
        ("no state reports", Request::Reports { records: Vec::new() }),
        ("beacons", {
            let beacon = |age| AgedBeacon { bytes: blob(23), age };
            Request::Presence { beacons: vec![beacon(0), beacon(60_000), beacon(u64::MAX)] }
        }),
        ("no beacons", Request::Presence { beacons: Vec::new() }),
        ("an introduction", Request::Introduce { objects: vec![blob(300), blob(24)] }),
        ("instant rooms asked", Request::Instants { from: ROOM }),
        ("an instant room with its first messages", {
            let agents = two_and_most().0;
            Request::Instant { agents, objects: vec![blob(300), blob(24)] }
        }),
        ("an instant room of the most agents", {
            Request::Instant { agents: two_and_most().1, objects: Vec::new() }
        }),
        ("a key of an epoch", Request::EpochKeys { room: ROOM, epochs: vec![ID] }),
        ("the most keys of epochs", Request::EpochKeys { room: ROOM, epochs: many(16) }),
        ("what is held", Request::Held { room: ROOM, ids: vec![ID] }),
        ("a newcomer", {
            let name = "J\u{f6}rg \u{1f600}".into();
            Request::JoinHello { name, sealing: ID, commitment: ID, lost: false }
        }),
        ("a newcomer whose other devices are lost", {
            let name = "alice".into();
            Request::JoinHello { name, sealing: ID, commitment: ID, lost: true }
        }),
        ("a device confirmed", {
            let device = NewDevice {
                agent: AgentId([7; 32]),
                device: keys(2).device(),
                sealing: ID,
                proof: SignatureBytes([6; 64]),
                countersignature: SignatureBytes([5; 64]),
                code: "AB2C-DEF7".into(),
            };
            Request::Confirmed { device: Box::new(device) }
        }),
        ("a nonce revealed", Request::JoinReveal { nonce: ID }),
        ("how it stands", Request::JoinPoll),
        ("a proof asked", Request::JoinSign { company: COMPANY, agent: AgentId([7; 32]) }),
    ]
}

fn responses() -> Vec<(&'static str, Response)> {
    let blob = Blob(vec![1, 2, 3]);
    let of_room = RoomSummary { room: ROOM, count: 300, fingerprint: ID };
    let control = RoomSummary { room: RoomId::default(), count: 24, fingerprint: ID };
    let part = |upper, count| Part { upper, count, fingerprint: ID };
    let name = || "Acme".to_owned();
    let admin = Referred {
        device: keys(2).device(),
        addresses: vec!["/ip4/192.0.2.1/tcp/4001".into(), "/ip6/2001:db8::1/tcp/4001".into()],
    };
    let silent = Referred { device: DeviceId([8; 32]), addresses: Vec::new() };
    let mut responses = vec![
        ("refused", Response::Refused),
        ("a summary", { Response::Summary { control, rooms: vec![of_room], waiting: Vec::new() } }),
        ("a summary of what waits", {
            Response::Summary { control, rooms: vec![of_room], waiting: vec![of_room] }
        }),
        ("a summary without rooms", {
            Response::Summary { control, rooms: Vec::new(), waiting: Vec::new() }
        }),
        ("one part", Response::Parts { parts: vec![part(UPPER, 1)] }),
        ("two parts", {
            Response::Parts { parts: vec![part(UPPER, 70_000), part(Bound::MAX, 1 << 32)] }
        }),
        ("a list", Response::Ids { ids: vec![UPPER], more: true }),
        ("an empty list", Response::Ids { ids: Vec::new(), more: false }),
        ("objects", Response::Objects { objects: vec![blob], done: 2 }),
        ("no objects", Response::Objects { objects: Vec::new(), done: 1 }),
        ("received", Response::Ack),
        ("an admin's nonce", { Response::JoinOffer { company: COMPANY, name: name(), nonce: ID } }),
        ("a referral to nobody", {
            Response::JoinReferral { company: COMPANY, name: name(), admins: Vec::new() }
        }),
        ("a referral", {
            Response::JoinReferral { company: COMPANY, name: name(), admins: vec![admin, silent] }
        }),
        ("a name that is taken", Response::JoinTaken { company: COMPANY, name: name() }),
        ("a proof", Response::JoinProof { signature: SignatureBytes([6; 64]) }),
    ];
    let (two, most) = two_and_most();
    let of = |agents, waiting| InstantSummary { agents, summary: of_room, waiting };
    responses.extend([
        ("no keys", Response::EpochKeys { keys: Vec::new() }),
        ("keys of epochs", {
            let given = |n| GivenKey { start: Blob(vec![n; 300]), sealed: SealedKey([n; 80]) };
            Response::EpochKeys { keys: vec![given(1), given(2)] }
        }),
        ("no instant rooms", Response::Instants { rooms: Vec::new(), next: None }),
        ("instant rooms", {
            let rooms = vec![of(two, None), of(most, Some(of_room))];
            Response::Instants { rooms, next: Some(ROOM) }
        }),
    ]);
    for answer in [
        JoinAnswer::Waiting,
        JoinAnswer::Admitted,
        JoinAnswer::Refused,
        JoinAnswer::Unknown,
        JoinAnswer::Busy,
    ] {
        responses.push(("the state of a request", Response::Join { answer }));
    }
    responses
}

/// Vectors of frames.
#[must_use]
pub fn frames() -> Vec<FrameVector> {
    let vector = |name: &str, direction: &str, (frame, fields): (&str, Value), bytes: Vec<u8>| {
        let (name, direction, frame) = (name.to_owned(), direction.to_owned(), frame.to_owned());
        FrameVector { name, direction, frame, fields, bytes: hex(&bytes) }
    };
    let requests = requests()
        .into_iter()
        .map(|(name, request)| vector(name, "request", request_fields(&request), request.encode()));
    let responses = responses().into_iter().map(|(name, response)| {
        vector(name, "response", response_fields(&response), response.encode())
    });
    requests.chain(responses).collect()
}
