//! Everything that is hashed or stated and is no object: topics, digests, codes, seeds.

use conclave_protocol::envelope::Envelope;
use conclave_protocol::id::{AgentId, ObjectId, RoomId, Topic, UnitId};
use conclave_protocol::instant::InstantAgents;
use conclave_protocol::join::{Newcomer, commitment, safety_code};
use conclave_protocol::keys::{
    RECOVERY_KEYS, device_statement, public_key, recovery_commitment, recovery_hash, recovery_seed,
};
use conclave_protocol::sync::Items;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{envelopes, epochs, foundation, founded, hex, keys, log, seed};
use crate::forge;

/// Inputs, and what they give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashVector {
    /// What it is an example of.
    pub name: String,
    /// Which rule of the document.
    pub rule: String,
    /// What goes in.
    pub inputs: Value,
    /// What comes out: hexadecimal, or a safety code.
    pub output: String,
}

fn hash(rule: &str, name: &str, inputs: Value, output: impl ToString) -> HashVector {
    let (rule, name) = (rule.to_owned(), name.to_owned());
    HashVector { name, rule, inputs, output: output.to_string() }
}

/// Computed here and not by the node's own log, which a test compares with these.
fn digest(context: &str, items: &[(u64, ObjectId)]) -> ObjectId {
    let mut sorted = items.to_vec();
    sorted.sort_unstable();
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for (_, id) in sorted {
        hasher.update(&id.0);
    }
    ObjectId(hasher.finalize().into())
}

fn items(items: &[(u64, ObjectId)]) -> Value {
    let item = |(height, id): &(u64, ObjectId)| json!({ "height": height, "id": id.to_string() });
    json!(items.iter().map(item).collect::<Vec<_>>())
}

fn joining() -> Vec<HashVector> {
    let company = foundation().company;
    let (nonce, other) = (ObjectId([0xa1; 32]), ObjectId([0xa2; 32]));
    let admin = keys(2).device();
    let mut made = Vec::new();
    for name in ["bob", "J\u{f6}rg \u{1f600}"] {
        let (device, sealing) = (keys(3).device(), keys(3).sealing());
        let newcomer = Newcomer { device, sealing, name: name.to_owned() };
        let inputs = json!({
            "nonce": nonce.to_string(),
            "device": device.to_string(),
            "sealing": sealing.to_string(),
            "name": name,
        });
        made.push(hash("join commitment", name, inputs, commitment(&newcomer, nonce)));
        let inputs = json!({
            "company": company.to_string(),
            "device": device.to_string(),
            "admin": admin.to_string(),
            "nonce": nonce.to_string(),
            "admin_nonce": other.to_string(),
            "sealing": sealing.to_string(),
            "name": name,
        });
        let code = safety_code(company, &newcomer, admin, nonce, other);
        made.push(hash("join code", name, inputs, code));
    }
    made
}

fn key_rules() -> Vec<HashVector> {
    let company = foundation().company;
    let mut made = Vec::new();
    for n in [1, 2, 3, 9] {
        let key = public_key(&seed(n));
        let inputs = json!({ "seed": hex(&seed(n)) });
        made.push(hash("public key", "the key of a seed", inputs, key));
    }
    made.extend(recovery());
    let (agent, device, sealing) = (ObjectId([0xb1; 32]), keys(3).device(), keys(3).sealing());
    let inputs = json!({
        "company": company.to_string(),
        "agent": agent.to_string(),
        "device": device.to_string(),
        "sealing": sealing.to_string(),
    });
    let statement = hex(&device_statement(company, agent.into(), device, sealing));
    made.push(hash("device statement", "what a new device signs", inputs, statement));
    made.push(hash("role:Agent", "the built-in unit", json!({}), UnitId::ROLE_AGENT));
    made
}

/// The keys of a phrase, and the hashes that fix them.
fn recovery() -> Vec<HashVector> {
    let mut made = Vec::new();
    for (name, next) in [("the last key", ObjectId::default()), ("a key", ObjectId([0x51; 32]))] {
        let key = public_key(&seed(9));
        let inputs = json!({ "key": key.to_string(), "next": next.to_string() });
        made.push(hash("recovery hash", name, inputs, recovery_hash(key, next)));
    }
    let entropy: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap_or_default());
    for index in [0, 1, 2, RECOVERY_KEYS, 0x0102_0304, u32::MAX] {
        let inputs = json!({ "entropy": hex(&entropy), "index": index });
        let out = hex(&recovery_seed(&entropy, index));
        made.push(hash("recovery seed", "a key of a phrase", inputs, out));
    }
    // All of one phrase: what `Genesis` names, what each rotation names, and zeros at the end.
    for index in 1..=RECOVERY_KEYS + 1 {
        let inputs = json!({ "entropy": hex(&entropy), "index": index });
        let out = recovery_commitment(&entropy, index);
        made.push(hash("recovery line", "the hash for a key of a phrase", inputs, out));
    }
    made
}

/// Vectors of hashes.
#[must_use]
pub fn hashes() -> Vec<HashVector> {
    let founded = foundation();
    let company = founded.company;
    let room: RoomId = log::log().id("a room").into();
    let mut made = key_rules();
    made.extend(joining());
    made.extend(topics(room));
    let rules = epochs::rules().into_iter();
    made.extend(rules.map(|(rule, name, inputs, output)| hash(rule, name, inputs, output)));
    for (name, most) in [("two agents", 2_u8), ("the most agents", 32)] {
        let agents = InstantAgents::new((1..=most).rev().map(|n| AgentId([n; 32])));
        let agents = agents.unwrap_or_else(|| unreachable!("within the bounds"));
        let listed: Vec<String> = agents.iter().map(|agent| agent.to_string()).collect();
        let inputs = json!({ "company": company.to_string(), "agents": listed });
        made.push(hash("instant room", name, inputs, agents.room(company)));
    }
    let texts = envelopes::envelopes();
    let written: Vec<(ObjectId, &Envelope)> =
        texts[..3].iter().map(|made| (made.signed().id, &made.envelope)).collect();
    let bytes = envelopes::text().signed().bytes;
    for (name, bytes) in [("a text", bytes.as_slice()), ("a founding", &founded.objects[0].1)] {
        let inputs = json!({ "signed": hex(bytes) });
        let id = hex(&blake3::derive_key("conclave v1 gossip", bytes)[..20]);
        made.push(hash("gossip id", name, inputs, id));
    }

    let heights = founded.objects.iter().zip(1..).map(|((id, _), height)| (height, *id));
    let of_founding: Vec<(u64, ObjectId)> = heights.collect();
    // Listed the wrong way round: the order is by height.
    let of_room: Vec<(u64, ObjectId)> =
        written.iter().rev().map(|(id, e)| (e.height, *id)).collect();
    let equal = [(7, ObjectId([9; 32])), (7, ObjectId([8; 32])), (6, ObjectId([10; 32]))];
    for (rule, context) in [
        ("control digest", "conclave v1 control digest"),
        ("room digest", "conclave v1 room digest"),
    ] {
        for (name, set) in [
            ("nothing", &[][..]),
            ("a founding", &of_founding),
            ("three messages", &of_room),
            ("equal heights", &equal),
        ] {
            made.push(hash(rule, name, json!({ "items": items(set) }), digest(context, set)));
        }
    }
    for (name, count, per_height) in [
        ("nothing", 0, 1),
        ("one", 1, 1),
        ("as many as are hashed one by one", 64, 1),
        ("one more, at one height", 65, 65),
        ("many, three to a height", 100, 3),
    ] {
        let place = |n: u16| (u64::from(n / per_height) + 1, id_of(n));
        let set: Vec<(u64, ObjectId)> = (0..count).map(place).collect();
        let (_, print) = set.iter().copied().collect::<Items>().summary();
        made.push(hash("range fingerprint", name, json!({ "items": items(&set) }), print));
    }
    made
}

fn id_of(n: u16) -> ObjectId {
    ObjectId(blake3::hash(&n.to_be_bytes()).into())
}

/// The body of `Genesis` is what they depend on, and in it the salt.
fn topics(room: RoomId) -> Vec<HashVector> {
    let mut made = Vec::new();
    for (name, salt) in [("", ObjectId([0x77; 32])), (", with another salt", ObjectId([0x78; 32]))]
    {
        let founded = founded(salt);
        let (_, genesis, _) = forge::split(&founded.objects[0].1);
        let control = topic_name(founded.topics.control());
        let inputs = json!({ "genesis": hex(&genesis), "room": null });
        made.push(hash("topic", &format!("the control log{name}"), inputs, control));
        for (what, room) in [("a room", room), ("another room", RoomId([3; 32]))] {
            let inputs = json!({ "genesis": hex(&genesis), "room": room.to_string() });
            let topic = topic_name(founded.topics.room(room));
            made.push(hash("topic", &format!("{what}{name}"), inputs, topic));
        }
    }
    made
}

fn topic_name(topic: Topic) -> String {
    format!("conclave/1/{topic}")
}
