//! Hostile text that no honest program would sign, from a peer that signs it all the same.

use conclave_node::api::client::Client;
use conclave_node::api::types::ControlEntry;
use conclave_node::identity::Home;
use conclave_protocol::control::{Added, ControlLog};
use conclave_protocol::envelope::EnterBody;
use conclave_protocol::id::{CompanyId, RoomId, UnitId};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::name::check_name;
use conclave_protocol::object::{
    AgentCert, ControlObject, FieldValue, Genesis, HistoryPolicy, Payload, Permit, Principal,
    RoomCreate, SetField, UnitCreate, UnitKind,
};
use conclave_protocol::signed::{Trust, Verified, peek_id};
use conclave_protocol::sync::{Blob, Request, Scope};
use conclave_tests::forge::{self, Forged};
use conclave_tests::hostile_text::{acting, corpus};
use conclave_tests::process::{Node, admit, text, wait_until};

use crate::hostile_text::{look_at_everything, loud_company};
use crate::lab;
use crate::stranger::{Peer, runtime};

const ROOM: &str = "Canteen";
/// Objects in one push.
const PUSH: usize = 16;

/// A control log to sign against with the key of its admin.
pub(crate) struct Pen {
    pub(crate) log: ControlLog,
    keys: DeviceKeys,
}

impl Pen {
    pub(crate) async fn of(admin: &Node) -> Self {
        let objects = Client::open(admin.home()).expect("it runs").control().await;
        let objects = objects.expect("a log").objects;
        let bytes: Vec<Vec<u8>> = objects.iter().filter_map(ControlEntry::signed_bytes).collect();
        let company = CompanyId::from(peek_id(&bytes[0]).expect("a Genesis"));
        let mut log = ControlLog::new(company);
        for bytes in &bytes {
            if peek_id(bytes) == Some(company.into()) {
                log.add_genesis(Verified::<Genesis>::genesis(bytes, Trust::Nothing).expect("ok"));
            } else {
                log.add(Verified::control(bytes, company, Trust::Nothing).expect("ok"));
            }
        }
        log.refresh();
        Self { log, keys: keys_of(admin) }
    }

    /// Signs at the end of the admin's chain; an object that is well formed becomes its end.
    fn sign(&mut self, payload: Payload) -> Forged {
        let author = self.keys.device();
        let authority = self.log.authority_for(author, &payload).expect("an authority");
        let (seq, prev) = self.log.tail(author).map_or((1, None), |(s, id)| (s + 1, Some(id)));
        let mut references = payload.references();
        references.extend(prev);
        references.push(authority);
        let height = self.log.height_over(&references).expect("all is here");
        let company = self.log.company();
        let forged = forge::control(&self.keys, company, (seq, prev), authority, height, payload);
        if let Ok(object) =
            Verified::<ControlObject>::control(&forged.bytes, company, Trust::Nothing)
        {
            assert!(matches!(self.log.add(object), Added::Taken(_)));
            self.log.refresh();
        }
        forged
    }
}

fn keys_of(node: &Node) -> DeviceKeys {
    let home = Home::open(node.home()).expect("a home");
    home.device_secrets(None).expect("its keys").expect("it has keys").keys()
}

async fn push(peer: &mut Peer, scope: Scope, objects: &[Forged]) {
    for part in objects.chunks(PUSH) {
        let objects = part.iter().map(|forged| Blob(forged.bytes.clone())).collect();
        // What is refused may also cut the connection; the node's state says what it took.
        let _ = peer.ask(&Request::Push { scope, objects }).await;
    }
}

/// A text as a name: no longer than a name may be.
fn as_name(text: &str) -> String {
    text.chars().take(64).collect()
}

/// Objects with a name that some node takes, and with one that none does.
fn named(pen: &mut Pen) -> (Vec<Forged>, Vec<Forged>, Vec<String>) {
    let (mut good, mut bad, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for text in corpus().iter().filter_map(|hostile| hostile.text()) {
        let name = as_name(text);
        let unit =
            |kind| Payload::UnitCreate(UnitCreate { kind, parent: None, name: name.clone() });
        let agent = Payload::AgentCert(AgentCert { name: name.clone() });
        let room = RoomCreate { name: name.clone(), history: HistoryPolicy::Full };
        let payloads = [unit(UnitKind::Role), agent, Payload::RoomCreate(room)];
        if check_name(&name).is_err() {
            bad.extend(payloads.map(|payload| pen.sign(payload)));
            continue;
        }
        let signed = payloads.map(|payload| pen.sign(payload));
        let room = RoomId::from(signed[2].id);
        let everyone = Principal::Unit(UnitId::ROLE_AGENT);
        let permit = Permit { room, principal: everyone, overrides: Vec::new() };
        good.extend(signed);
        good.push(pen.sign(Payload::Permit(permit)));
        // Topics may hold what names may not.
        let value = FieldValue::Topic(as_name(text));
        let topic = SetField { target: room.into(), value, supersedes: Vec::new() };
        good.push(pen.sign(Payload::SetField(topic)));
        names.push(name);
    }
    (good, bad, names)
}

/// Messages of a member for a room that is open to everyone, in one chain: first those that are
/// well formed.
fn messages(pen: &Pen, keys: &DeviceKeys, room: RoomId) -> (Vec<Forged>, Vec<Forged>) {
    let company = pen.log.company();
    let device = keys.device();
    let everyone = Principal::Unit(UnitId::ROLE_AGENT);
    let body = EnterBody::Permitted {
        device_cert: pen.log.access().devices()[&device].cert,
        member_grants: Vec::new(),
        permit: *pen.log.permits(room, everyone).first().expect("a permit"),
    };
    let enter = forge::envelope(company, room, device, &[]);
    let enter = forge::signed(keys, &forge::entering(enter, &body));
    let (mut good, mut bad) = (vec![enter.clone()], Vec::new());
    for hostile in corpus() {
        let last = good.last().expect("the Enter").id;
        let seq = good.len() as u64;
        let mut envelope = forge::envelope(company, room, device, &[(last, seq)]);
        envelope.seq = seq + 1;
        envelope.prev = Some(last);
        envelope.standing = Some(enter.id);
        envelope.body.clone_from(&hostile.bytes);
        let well_formed = conclave_protocol::envelope::Envelope::decode(&envelope.encode()).is_ok();
        let signed = forge::signed(keys, &envelope);
        if well_formed { good.push(signed) } else { bad.push(signed) }
    }
    (good, bad)
}

#[test]
fn what_a_peer_signs_is_refused_or_shown_and_never_acts() {
    let lab = lab();
    let (alice, bob) = loud_company(&lab);
    let mut carol = lab.node("carol");
    admit(&alice, &mut carol, &alice.address(), "group:Sales/Front Line");
    wait_until("bob knows carol", || {
        (bob.control_digest() == alice.control_digest()).then_some(())
    });
    carol.stop();
    let room: RoomId = text(&bob.ok(&["room", "show", ROOM])["id"]).parse().expect("an id");
    let names = runtime().block_on(async {
        let mut pen = Pen::of(&alice).await;
        let topics = pen.log.topics().expect("a Genesis");
        let topics = [topics.control(), topics.room(room)];
        let mut peer = Peer::connect(carol.home(), &bob, &topics).await;
        let (said, said_badly) = messages(&pen, &keys_of(&carol), room);
        let (good, bad, names) = named(&mut pen);
        assert!(said_badly.len() > 20 && bad.len() > 60 && names.len() > 40);
        push(&mut peer, Scope::Control, &good).await;
        push(&mut peer, Scope::Room(room), &said).await;
        let count = said.len() - 1;
        let last = names.last().expect("names").clone();
        wait_until("bob has it all", || {
            let agents = bob.ok(&["agent", "list"]);
            let mut agents = agents["agents"].as_array().expect("agents").iter();
            (bob.texts(ROOM).len() == count && agents.any(|a| a["name"] == last.as_str()))
                .then_some(())
        });
        let before = (bob.control_digest(), bob.texts(ROOM).len());
        push(&mut peer, Scope::Room(room), &said_badly).await;
        push(&mut peer, Scope::Control, &bad).await;
        assert_eq!((bob.control_digest(), bob.texts(ROOM).len()), before, "refused");
        peer.leave().await;
        names
    });
    marked(&bob, &names);
    look_at_everything(&bob);
    // An honest member passes on what was accepted.
    wait_until("alice has it all", || {
        (alice.control_digest() == bob.control_digest()
            && alice.texts(ROOM).len() == bob.texts(ROOM).len())
        .then_some(())
    });
    look_at_everything(&alice);
    shown_beside_names(&bob);
}

/// The names that deceive are marked, and honest ones are not.
#[track_caller]
fn marked(node: &Node, names: &[String]) {
    let client = Client::open(node.home()).expect("it runs");
    let marks = runtime().block_on(client.marks()).expect("marks").marks;
    let note = |name: &str| {
        let found: Vec<&str> =
            marks.iter().filter(|m| m.name == name).map(|m| m.note.as_str()).collect();
        found.join("; ")
    };
    for (name, words) in [
        ("\u{430}lice", "looks like \"alice\" (agent)"),
        ("\u{430}lice", "mixes Cyrillic and Latin"),
        ("AIice", "looks like \"alice\" (agent)"),
        ("alice", "looks like"),
        ("b\u{200d}ob", "holds hidden characters"),
        ("bob", "looks like"),
        ("Help\u{a0}Desk", "holds unusual spaces"),
        ("\u{430}dmin", "could be taken for a word of the program"),
    ] {
        assert!(note(name).contains(words), "{name:?}: {:?}", note(name));
    }
    for name in ["carol", "Canteen", "Support", "Sales/Front Line"] {
        assert_eq!(note(name), "", "{name}");
    }
    assert!(names.iter().any(|name| name.contains('\u{200d}')));
}

/// People see the notes.
#[track_caller]
fn shown_beside_names(node: &Node) {
    for (args, words) in [
        (&["agent", "list"][..], "[looks like \"alice\" (agent)"),
        (&["agent", "show", "alice"], "alice [looks like \""),
        (&["admin", "list"], "alice [looks like \""),
        (&["role", "list"], "holds hidden characters"),
        (&["room", "list"], "holds unusual spaces"),
        (&["room", "access", ROOM], "bob [looks like \""),
    ] {
        let shown = node.say(args).stdout;
        assert!(shown.contains(words), "{args:?}: {shown}");
        assert_eq!(acting(&shown), None);
    }
}
