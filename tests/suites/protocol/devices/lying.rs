//! Who claims another's name, or confirms what is not its own.

use conclave_protocol::engine::FailureKind;
use conclave_protocol::id::{AgentId, DeviceId, ObjectId};
use conclave_protocol::join::{Newcomer, commitment};
use conclave_protocol::keys::{DeviceKeys, device_statement};
use conclave_protocol::limits::{CONFIRMED_PER_AGENT_MAX, JOIN_FRAMES_PER_MINUTE_MAX};
use conclave_protocol::object::SignatureBytes;
use conclave_protocol::sync::{JoinAnswer, NewDevice, Request, Response};

use super::*;

const NONCE: ObjectId = ObjectId([7; 32]);

fn hello(w: &mut World, at: NodeId, keys: &DeviceKeys, name: &str) -> Response {
    let device = w.puppet(keys, at);
    let (name, sealing) = (name.to_owned(), keys.sealing());
    let newcomer = Newcomer { device, sealing, name: name.clone() };
    let commitment = commitment(&newcomer, NONCE);
    w.ask_as(at, device, &Request::JoinHello { name, sealing, commitment, lost: false })
}

fn agent(w: &World, id: NodeId) -> AgentId {
    w.engine(id).status().agent.expect("a member").id
}

/// What a device says that has confirmed another one.
struct Word {
    agent: AgentId,
    device: DeviceKeys,
    /// What the device was asked for, if not for this agent.
    proof_for: Option<AgentId>,
    by: DeviceKeys,
    code: &'static str,
}

fn say(w: &mut World, admin: NodeId, from: DeviceId, word: &Word) -> Response {
    let company = w.ledger().company;
    let (device, sealing) = (word.device.device(), word.device.sealing());
    let statement = |agent| device_statement(company, agent, device, sealing);
    let proof = word.device.sign(&statement(word.proof_for.unwrap_or(word.agent)));
    let said = NewDevice {
        agent: word.agent,
        device,
        sealing,
        proof: SignatureBytes(proof),
        countersignature: SignatureBytes(word.by.sign(&statement(word.agent))),
        code: word.code.to_owned(),
    };
    w.ask_as(admin, from, &Request::Confirmed { device: Box::new(said) })
}

#[test]
fn a_stranger_in_anothers_name_is_shown_to_the_owner_and_learns_no_address() {
    let (mut w, alice, others) = team(21, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    let mallory = w.outsider("mallory");
    // An admin says that the name is taken, and no more.
    let answer = hello(&mut w, alice, &mallory, "bob");
    assert!(matches!(answer, Response::JoinTaken { .. }), "{answer:?}");
    assert!(requests(&w, alice).is_empty());
    // A member who is neither knows admins only, whatever the name.
    for name in ["bob", "nobody"] {
        let Response::JoinReferral { admins, .. } = hello(&mut w, carol, &mallory, name) else {
            panic!("no referral");
        };
        assert!(admins.iter().all(|admin| admin.device == w.node(alice).device()));
    }
    // Bob sees it, and unless he types its code nothing comes of it.
    let answer = hello(&mut w, bob, &mallory, "bob");
    assert!(matches!(answer, Response::JoinOffer { .. }), "{answer:?}");
    let digest = w.engine(alice).status().control_digest;
    let answer = w.ask_as(bob, mallory.device(), &Request::JoinReveal { nonce: NONCE });
    assert_eq!(answer, Response::Join { answer: JoinAnswer::Waiting });
    assert_eq!(devices(&w, bob).requests.len(), 1);
    let failed = w.command(bob, add("AAAA-AAAA")).unwrap_err();
    assert_eq!(failed.kind, FailureKind::WrongCode);
    // For others bob is no desk.
    let eve = w.outsider("eve");
    let answer = hello(&mut w, bob, &eve, "eve");
    assert!(matches!(answer, Response::JoinReferral { .. }), "{answer:?}");
    // Names cannot be tried out without end.
    let mut last = Response::Ack;
    for n in 0..=JOIN_FRAMES_PER_MINUTE_MAX {
        last = hello(&mut w, alice, &mallory, if n % 2 == 0 { "bob" } else { "carol" });
    }
    assert_eq!(last, Response::Join { answer: JoinAnswer::Busy });
    assert_eq!(w.engine(alice).status().control_digest, digest);
}

#[test]
fn only_a_device_of_the_agent_itself_confirms_one() {
    let (mut w, alice, others) = team(22, &["bob", "carol"]);
    let (bob, carol) = (others[0], others[1]);
    let (bobs, carols) = (w.node(bob).keys(), w.node(carol).keys());
    let agents = [alice, bob, carol].map(|id| agent(&w, id));
    let new = w.outsider("new");
    let good = || Word {
        agent: agents[1],
        device: w_keys(&new),
        proof_for: None,
        by: w_keys(&bobs),
        code: "ABCD-EFGH",
    };
    let lies = [
        // Carol for bob, in either's name.
        (carols.device(), Word { by: w_keys(&carols), ..good() }),
        (carols.device(), good()),
        // Nobody of the company at all.
        (new.device(), good()),
        // Forged by bob's own device: for the CEO, with another's signature, a proof for another.
        (bobs.device(), Word { agent: agents[0], ..good() }),
        (bobs.device(), Word { by: w_keys(&carols), ..good() }),
        (bobs.device(), Word { proof_for: Some(agents[2]), ..good() }),
        (bobs.device(), Word { code: "no code", ..good() }),
        // Who is somebody's already, and does not know of it.
        (bobs.device(), Word { device: w_keys(&carols), ..good() }),
    ];
    w.puppet(&new, alice);
    for (n, (from, word)) in lies.iter().enumerate() {
        assert_eq!(say(&mut w, alice, *from, word), Response::Refused, "lie {n}");
    }
    // Who is no admin takes nothing.
    assert_eq!(say(&mut w, carol, bobs.device(), &good()), Response::Refused);
    assert!(requests(&w, alice).is_empty());
    let waiting = Response::Join { answer: JoinAnswer::Waiting };
    assert_eq!(say(&mut w, alice, bobs.device(), &good()), waiting);
    assert_eq!(requests(&w, alice).len(), 1);
    // He fills his own share only.
    for n in 1..CONFIRMED_PER_AGENT_MAX {
        let word = Word { device: w.outsider(&format!("more {n}")), ..good() };
        assert_eq!(say(&mut w, alice, bobs.device(), &word), waiting);
    }
    let word = Word { device: w.outsider("too many"), ..good() };
    let busy = Response::Join { answer: JoinAnswer::Busy };
    assert_eq!(say(&mut w, alice, bobs.device(), &word), busy);
    let word = Word { agent: agents[2], device: w.outsider("hers"), by: carols, ..good() };
    let from = w.node(carol).device();
    assert_eq!(say(&mut w, alice, from, &word), waiting);
    assert_eq!(requests(&w, alice).len(), CONFIRMED_PER_AGENT_MAX + 1);
}

fn w_keys(keys: &DeviceKeys) -> DeviceKeys {
    keys.clone()
}

#[test]
fn what_a_device_confirmed_goes_with_it() {
    let (mut w, alice, bob, second) = bob_has_two(23);
    // The second is stolen, and confirms one of the thief's.
    let thief = w.newcomer("bob");
    w.connect(second, thief);
    let code = code_of(&mut w, second, thief);
    assert_eq!(confirm(&mut w, second, &code), Ok(1));
    w.until("the request at the admin", 10_000, |w| requests(w, alice).len() == 1);
    let device = w.node(second).device().to_string();
    let keep = vec!["none".into()];
    w.must(alice, Command::RemoveDevice { device, strict: true, keep });
    assert!(requests(&w, alice).is_empty());
    assert_eq!(w.command(alice, approve("bob", &code)).unwrap_err().kind, FailureKind::NotFound);
    w.run(60_000);
    assert!(!w.engine(thief).status().member);
    assert_eq!(devices(&w, bob).devices.iter().filter(|one| one.active).count(), 1);
}

#[test]
fn a_removed_device_does_not_come_back_by_asking_anew() {
    let (mut w, alice, bob, second) = bob_has_two(24);
    let (keys, bobs) = (w.node(second).keys(), w.node(bob).keys());
    let device = keys.device().to_string();
    w.must(alice, Command::RemoveDevice { device, strict: false, keep: Vec::new() });
    w.agree();
    let stolen = crate::scene::stand_in(&mut w, second);
    w.connect_device(stolen, bob);
    let answer = hello(&mut w, bob, &keys, "bob");
    assert!(matches!(answer, Response::JoinOffer { .. }), "{answer:?}");
    w.ask_as(bob, stolen, &Request::JoinReveal { nonce: NONCE });
    let code = devices(&w, bob).requests[0].code.clone();
    let failed = w.command(bob, add(&code)).unwrap_err();
    assert_eq!(failed.kind, FailureKind::Conflict);
    assert!(failed.hint.contains("ratify"), "{}", failed.hint);
    // Nor if bob's device says it all the same.
    let agent = agent(&w, bob);
    let by = bobs.clone();
    let word = Word { agent, device: keys, proof_for: None, by, code: "ABCD-EFGH" };
    assert_eq!(say(&mut w, alice, bobs.device(), &word), Response::Refused);
    assert!(requests(&w, alice).is_empty());
}
