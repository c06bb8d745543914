//! A peer without our manners: it has the network layer and a key, asks for everything that the
//! protocol knows, subscribes to topics that are not its own, and sees what it gets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use conclave_node::identity::Home;
use conclave_node::net::{NetCommand, NetConfig, Network};
use conclave_protocol::engine::{Input, PeerPolicy, RequestId};
use conclave_protocol::id::{DeviceId, ObjectId, RoomId, Topic};
use conclave_protocol::sync::{Blob, Bound, Request, Response, Scope};
use conclave_protocol::topic::TopicSecret;
use conclave_tests::process::{Company, Node, TIME_MAX, text, wait_until};

use crate::company;
use crate::hostile_peer::Pen;

const ROOM: &str = Company::SUPPORT;

/// The network layer alone, with the key of some home.
pub(crate) struct Peer {
    network: Network,
    /// Whom it asks.
    target: DeviceId,
    requests: u64,
    /// Where the gossip was published that reached it.
    heard: Vec<Topic>,
}

/// What there is to ask for.
struct Prey {
    topics: TopicSecret,
    room: RoomId,
    control: Vec<ObjectId>,
    messages: Vec<ObjectId>,
}

impl Prey {
    /// Everything that alice's node holds: nobody knows better what to ask for.
    fn of(alice: &Node, message: &str) -> Self {
        let status = alice.status();
        let id = |value: &serde_json::Value| text(value);
        // No stranger could name these; whoever was a member once can.
        let topics = runtime().block_on(Pen::of(alice)).log.topics().expect("a Genesis");
        let room = alice.ok(&["room", "show", ROOM]);
        let agent = alice.ok(&["agent", "show", "bob"]);
        let control = [id(&status["company"]["id"]), id(&room["id"]), id(&agent["id"])];
        Self {
            topics,
            room: id(&room["id"]).parse().expect("an id"),
            control: control.iter().map(|id| id.parse().expect("an id")).collect(),
            messages: vec![message.parse().expect("an id")],
        }
    }

    /// Every request of the protocol that has to do with content.
    fn requests(&self) -> Vec<(&'static str, Request)> {
        let mut requests = vec![("summary", Request::Summary)];
        for scope in [Scope::Control, Scope::Room(self.room), Scope::Waiting(self.room)] {
            let (lower, upper) = (Bound::MIN, Bound::MAX);
            let ids = match scope {
                Scope::Control => self.control.clone(),
                Scope::Room(_) | Scope::Waiting(_) => self.messages.clone(),
            };
            requests.extend([
                ("ranges", Request::Ranges { scope, lower, upper }),
                ("list", Request::List { scope, lower, upper }),
                ("get", Request::Get { scope, ids }),
                ("push", Request::Push { scope, objects: vec![Blob(b"rubbish".to_vec())] }),
            ]);
        }
        requests
    }
}

impl Peer {
    /// Connects to a node with the key of a home, and subscribes to these topics.
    pub(crate) async fn connect(home: &Path, to: &Node, topics: &[Topic]) -> Self {
        let home = Home::open(home).expect("a home");
        let secrets = match home.device_secrets(None).expect("its keys") {
            Some(secrets) => secrets,
            None => home.create_device_secrets(None).expect("new keys"),
        };
        let config = NetConfig {
            seed: secrets.seed(),
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            peers: vec![to.address()],
            mdns: false,
        };
        let network = Network::start(config).await.expect("a network");
        let target: DeviceId = text(&to.status()["device"]).parse().expect("an id");
        let members = BTreeSet::from([target]);
        let topics: BTreeMap<_, _> = topics.iter().map(|topic| (*topic, members.clone())).collect();
        let policy = NetCommand::Policy(PeerPolicy { members, topics });
        network.commands.send(policy).await.expect("it runs");
        let mut peer = Self { network, target, requests: 0, heard: Vec::new() };
        loop {
            match peer.next().await {
                Input::Connected { peer: who } if who == target => return peer,
                _ => {}
            }
        }
    }

    async fn next(&mut self) -> Input {
        let input = tokio::time::timeout(TIME_MAX, self.network.inputs.recv()).await;
        let input = input.expect("something happens").expect("the network runs");
        if let Input::Gossip { topic, .. } = &input {
            self.heard.push(*topic);
        }
        input
    }

    /// Asks and gives the answer; `None` if there is none.
    pub(crate) async fn ask(&mut self, request: &Request) -> Option<Response> {
        self.requests += 1;
        let (id, frame) = (RequestId(self.requests), request.encode());
        let send = NetCommand::Send { peer: self.target, request: id, frame };
        self.network.commands.send(send).await.expect("it runs");
        loop {
            match self.next().await {
                Input::Response { request, frame } if request == id => {
                    return frame.map(|bytes| Response::decode(&bytes).expect("a known answer"));
                }
                _ => {}
            }
        }
    }

    pub(crate) async fn leave(self) {
        self.network.commands.send(NetCommand::Stop).await.expect("it runs");
        self.network.task.await.expect("it ends");
    }
}

/// Whether a node is connected with the node of an agent.
fn sees(node: &Node, agent: &str) -> bool {
    let status = node.status();
    let peers = status["peers"].as_array().expect("peers");
    peers.iter().any(|peer| peer["agent"]["name"] == agent)
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
}

#[test]
fn a_stranger_gets_no_object_and_hears_no_gossip() {
    let company = company();
    company.open_support();
    let Company { alice, bob, carol: _carol, lab } = company;
    let message = alice.send(ROOM, "not for strangers");
    let prey = Prey::of(&alice, &message);
    let topics = [prey.topics.control(), prey.topics.room(prey.room)];
    runtime().block_on(async {
        let mut peer = Peer::connect(&lab.path().join("mallory"), &alice, &topics).await;
        for (what, request) in prey.requests() {
            let answer = peer.ask(&request).await;
            // Cut off is as good as refused.
            assert!(matches!(answer, None | Some(Response::Refused)), "{what}: {answer:?}");
        }
        // Members talk, and the admin changes the company, while it listens.
        alice.ok(&["role", "new", "Auditor"]);
        for number in 0..10 {
            alice.send(ROOM, &format!("still not for strangers {number}"));
        }
        wait_until("bob has it all", || (bob.texts(ROOM).len() == 11).then_some(()));
        let answer = peer.ask(&Request::Summary).await;
        assert!(matches!(answer, None | Some(Response::Refused)), "{answer:?}");
        assert_eq!(peer.heard, [], "gossip reaches members only");
        peer.leave().await;
    });
    assert!(alice.status()["verdicts"]["unknown_peer"].as_u64() > Some(0));
}

#[test]
fn a_member_without_access_gets_the_control_log_and_nothing_of_the_room() {
    let company = company();
    company.open_support();
    let Company { alice, bob, mut carol, lab: _lab } = company;
    let message = alice.send(ROOM, "not for Sales");
    let prey = Prey::of(&alice, &message);
    carol.stop();
    let topics = [prey.topics.control(), prey.topics.room(prey.room)];
    runtime().block_on(async {
        let mut peer = Peer::connect(carol.home(), &alice, &topics).await;
        for (what, request) in prey.requests() {
            let answer = peer.ask(&request).await;
            let about_room = match &request {
                Request::Ranges { scope, .. }
                | Request::List { scope, .. }
                | Request::Get { scope, .. }
                | Request::Push { scope, .. } => *scope != Scope::Control,
                _ => false,
            };
            match answer {
                Some(Response::Refused) => assert!(about_room, "{what} of the control log"),
                Some(Response::Summary { rooms, .. }) => assert_eq!(rooms, [], "{what}"),
                answer => assert!(!about_room && answer.is_some(), "{what}: {answer:?}"),
            }
        }
        alice.send(ROOM, "still not for Sales");
        wait_until("bob has it", || (bob.texts(ROOM).len() == 2).then_some(()));
        // The order of answers says that what came before has been dealt with.
        assert!(matches!(peer.ask(&Request::Summary).await, Some(Response::Summary { .. })));
        // As a member she hears changes of the control log, and where it is applied.
        let room = prey.topics.room(prey.room);
        assert!(!peer.heard.contains(&room), "a room's gossip reaches those with access only");
        peer.leave().await;
    });
    // That was counted, and she is not punished for it: she comes back as ever.
    carol.up();
    alice.ok(&["agent", "add", "carol", "group:Support/Escalation"]);
    wait_until("carol reads the room now", || {
        (carol.lists(ROOM) && carol.texts(ROOM).len() == 2).then_some(())
    });
}

#[test]
fn strangers_who_take_all_places_keep_no_member_out() {
    let company = company();
    company.open_support();
    let Company { alice, mut bob, carol: _carol, lab } = company;
    bob.stop();
    wait_until("bob has gone", || (!sees(&alice, "bob")).then_some(()));
    let runtime = runtime();
    let mut crowd = Vec::new();
    runtime.block_on(async {
        for number in 0..60 {
            let home = Home::open(lab.path().join(format!("stranger-{number}"))).expect("a home");
            let config = NetConfig {
                seed: home.create_device_secrets(None).expect("new keys").seed(),
                listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
                peers: vec![alice.address()],
                mdns: false,
            };
            crowd.push(Network::start(config).await.expect("a network"));
        }
    });
    let mut most = 0;
    wait_until("the places are taken", || {
        let status = alice.status();
        let peers = status["peers"].as_array().expect("peers");
        let now = peers.iter().filter(|peer| peer["agent"].is_null()).count();
        // No more come: that is how many there are.
        let full = now > 10 && now == most;
        most = now;
        full.then_some(())
    });
    println!("{most} of 60 strangers got a place");
    assert!(most < 60, "strangers are bounded");
    let begin = Instant::now();
    bob.up();
    wait_until("bob is connected", || sees(&alice, "bob").then_some(()));
    println!("a member got in after {:?}", begin.elapsed());
    bob.send(ROOM, "let me through");
    wait_until("alice has it", || (alice.texts(ROOM).len() == 1).then_some(()));
    drop(crowd);
}
