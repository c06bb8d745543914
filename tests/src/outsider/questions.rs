//! What an outsider asks for: everything, by every name that anybody could have told it.

use std::collections::{BTreeMap, BTreeSet};

use conclave_node::api::client::Client;
use conclave_node::api::types::ControlEntry;
use conclave_protocol::envelope::EnvelopeKind;
use conclave_protocol::id::{AgentId, CompanyId, MessageId, ObjectId, RoomId, Topic};
use conclave_protocol::instant::InstantAgents;
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::limits::{EPOCH_KEYS_ASKED_MAX, IDS_FRAME_MAX};
use conclave_protocol::object::{ControlObject, Genesis, Payload};
use conclave_protocol::signed::{Trust, Verified, peek_id};
use conclave_protocol::sync::{Blob, Bound, Request, Scope};
use conclave_protocol::topic::TopicSecret;

use crate::forge;
use crate::found::envelopes;
use crate::process::{Node, text};

/// A company and what is in it, as somebody knows it who has seen a member's whole disk.
#[derive(Clone, Debug)]
pub struct Prey {
    /// The company.
    pub company: CompanyId,
    /// Its rooms, those of instant messages among them.
    pub rooms: Vec<RoomId>,
    topics: TopicSecret,
    /// For each certified device, its certificate and the authorities above it.
    chains: Vec<Vec<Blob>>,
    instants: Vec<InstantAgents>,
    control: Vec<ObjectId>,
    messages: Vec<(RoomId, MessageId)>,
    epochs: Vec<(RoomId, MessageId)>,
}

impl Prey {
    /// All that a node holds: nobody knows better what to ask for.
    #[must_use]
    #[track_caller]
    pub fn of(node: &Node) -> Self {
        let company: CompanyId = text(&node.status()["company"]["id"]).parse().expect("an id");
        let signed = signed_objects(node);
        let log = node.ok(&["log"]);
        let objects = log["objects"].as_array().expect("objects").iter();
        let control = objects.map(|line| text(&line["id"]).parse().expect("an id"));
        let lines = node.ok(&["im"]);
        let conversations = lines["instants"].as_array().expect("a list").iter();
        let instants = conversations.filter_map(|line| {
            let agents = line["agents"].as_array().expect("agents").iter();
            let ids = agents.map(|agent| text(&agent["id"]).parse::<AgentId>().expect("an id"));
            InstantAgents::new(ids)
        });
        let held = envelopes(node);
        let rooms: BTreeSet<RoomId> = held.values().map(|message| message.room).collect();
        let of_kind = |wanted: Option<EnvelopeKind>| {
            let some = held.iter().filter(move |(_, m)| wanted.is_none_or(|kind| m.kind == kind));
            some.map(|(id, message)| (message.room, *id)).collect()
        };
        Self {
            company,
            rooms: rooms.into_iter().collect(),
            topics: TopicSecret::of(&genesis(&signed, company)),
            chains: chains(&signed, company),
            instants: instants.collect(),
            control: control.collect(),
            messages: of_kind(None),
            epochs: of_kind(Some(EnvelopeKind::EpochStart)),
        }
    }

    /// Every topic of the company.
    #[must_use]
    pub fn topics(&self) -> Vec<Topic> {
        let rooms = self.rooms.iter().map(|room| self.topic(*room));
        rooms.chain([self.control_topic()]).collect()
    }

    /// The topic of a room.
    #[must_use]
    pub fn topic(&self, room: RoomId) -> Topic {
        self.topics.room(room)
    }

    /// The topic of the control log.
    #[must_use]
    pub fn control_topic(&self) -> Topic {
        self.topics.control()
    }

    /// The rooms of which an outsider claims to have nothing.
    pub(super) fn lies(&self) -> Vec<RoomId> {
        self.rooms.clone()
    }

    /// Every request of the protocol that a member may ask, about the control log.
    #[must_use]
    pub fn about_control(&self) -> Vec<Request> {
        let mut requests = vec![
            Request::Summary,
            Request::Instants { from: RoomId([0; 32]) },
            Request::Presence { beacons: Vec::new() },
            Request::Reports { records: Vec::new() },
            Request::Addresses { records: Vec::new() },
        ];
        // Messages may lie where they do not belong.
        let all = self.control.iter().chain(self.messages.iter().map(|(_, id)| id)).copied();
        requests.extend(about(Scope::Control, &all.collect::<Vec<_>>()));
        let chains = self.chains.iter().cloned();
        requests.extend(chains.map(|objects| Request::Introduce { objects }));
        requests
    }

    /// Every request of the protocol that has to do with one of the rooms, with objects that a
    /// device of these keys has made up.
    #[must_use]
    pub fn about_rooms(&self, keys: &DeviceKeys) -> Vec<Request> {
        let mut requests = Vec::new();
        let all: Vec<ObjectId> = self.messages.iter().map(|(_, id)| *id).collect();
        let all = [&all[..], &self.control].concat();
        for room in &self.rooms {
            let made_up = self.made_up(*room, keys);
            for scope in [Scope::Room(*room), Scope::Waiting(*room)] {
                requests.extend(about(scope, &all));
                requests.push(Request::Push { scope, objects: made_up.clone() });
            }
            requests.push(Request::Heads { room: *room });
            for ids in all.chunks(IDS_FRAME_MAX) {
                requests.push(Request::Held { room: *room, ids: ids.to_vec() });
            }
            // Those of other rooms too.
            let epochs: Vec<MessageId> = self.epochs.iter().map(|(_, epoch)| *epoch).collect();
            for epochs in epochs.chunks(EPOCH_KEYS_ASKED_MAX) {
                requests.push(Request::EpochKeys { room: *room, epochs: epochs.to_vec() });
            }
        }
        let instants = self.instants.iter();
        requests.extend(instants.map(|agents| {
            let objects = self.made_up(agents.room(self.company), keys);
            Request::Instant { agents: agents.clone(), objects }
        }));
        requests
    }

    /// A message that claims to stand on one of others, and one that is none.
    fn made_up(&self, room: RoomId, keys: &DeviceKeys) -> Vec<Blob> {
        let mut envelope = forge::envelope(self.company, room, keys.device(), &[]);
        envelope.standing = self.messages.iter().find(|(of, _)| *of == room).map(|(_, id)| *id);
        forge::say(&mut envelope, "let me in");
        vec![Blob(forge::signed(keys, &envelope).bytes), Blob(b"rubbish".to_vec())]
    }
}

fn about(scope: Scope, ids: &[ObjectId]) -> Vec<Request> {
    let (lower, upper) = (Bound::MIN, Bound::MAX);
    let mut requests = vec![
        Request::Ranges { scope, lower, upper },
        Request::List { scope, lower, upper },
        Request::Newest { scope },
    ];
    let asked = ids.chunks(IDS_FRAME_MAX);
    requests.extend(asked.map(|ids| Request::Get { scope, ids: ids.to_vec() }));
    requests
}

/// The control log as a node holds it, in signed bytes.
#[track_caller]
fn signed_objects(node: &Node) -> Vec<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let client = Client::open(node.home()).expect("it runs");
    let log = runtime.expect("a runtime").block_on(client.control()).expect("a log");
    log.objects.iter().filter_map(ControlEntry::signed_bytes).collect()
}

/// What a member holds and a stranger is never shown: it names the topics.
#[track_caller]
fn genesis(signed: &[Vec<u8>], company: CompanyId) -> Genesis {
    let found = signed.iter().find(|bytes| peek_id(bytes) == Some(company.into()));
    let genesis = Verified::<Genesis>::genesis(found.expect("a Genesis"), Trust::Nothing);
    genesis.expect("it is one").value().clone()
}

/// What devices show that want to be taken for members.
fn chains(signed: &[Vec<u8>], company: CompanyId) -> Vec<Vec<Blob>> {
    let objects = signed.iter().filter_map(|bytes| {
        let object = Verified::<ControlObject>::control(bytes, company, Trust::Nothing).ok()?;
        Some((object.id(), (object.value().clone(), Blob(bytes.clone()))))
    });
    let objects: BTreeMap<ObjectId, (ControlObject, Blob)> = objects.collect();
    let certificates = objects.values().filter(|o| matches!(o.0.payload, Payload::DeviceCert(_)));
    let chain = |(certificate, bytes): &(ControlObject, Blob)| {
        let mut chain = vec![bytes.clone()];
        let mut next = certificate.header.authority;
        while let Some((object, bytes)) = objects.get(&next) {
            chain.push(bytes.clone());
            next = object.header.authority;
        }
        chain
    };
    certificates.map(chain).collect()
}
