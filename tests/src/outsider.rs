//! A libp2p peer that is not our node: it takes part in gossip and requests as libp2p comes, keeps
//! every byte that reaches it, and lies when it is asked.
//!
//! [`Outsider`] is the peer; [`open_all`] is what somebody makes of messages with the keys of a
//! device.

mod opening;
mod questions;
mod swarm;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use conclave_node::identity::{DeviceSecrets, Home};
use conclave_node::net::peer_id_of_device;
use conclave_protocol::id::{DeviceId, Topic};
use conclave_protocol::sync::{GivenKey, Request, Response};
use libp2p::PeerId;
use tokio::sync::mpsc::UnboundedSender;

pub use self::opening::{Opened, open_all};
pub use self::questions::Prey;
use crate::process::{Node, TIME_MAX, text, wait_until};

/// Everything that has reached it.
#[derive(Debug, Default)]
struct Loot {
    /// Frames of requests and answers, and what gossip brought.
    received: Vec<Vec<u8>>,
    /// Topics of gossip that brought something.
    heard: BTreeSet<String>,
    /// Who says to be in which topic.
    announced: BTreeSet<(PeerId, String)>,
    connected: BTreeSet<PeerId>,
}

/// What the thread of the swarm is told.
enum Order {
    Subscribe(String),
    Publish(String, Vec<u8>),
    Ask { peer: PeerId, frame: Vec<u8>, answer: mpsc::Sender<Option<Vec<u8>>> },
}

/// See the module. Dropping it ends it.
pub struct Outsider {
    orders: Option<UnboundedSender<Order>>,
    loot: Arc<Mutex<Loot>>,
    thread: Option<JoinHandle<()>>,
    targets: Vec<PeerId>,
}

/// The keys of a home without a passphrase; new ones if it has none.
#[must_use]
pub fn secrets_of(home: &Path) -> DeviceSecrets {
    let home = Home::open(home).expect("a home");
    match home.device_secrets(None).expect("its keys") {
        Some(secrets) => secrets,
        None => home.create_device_secrets(None).expect("new keys"),
    }
}

impl Outsider {
    /// Connects to these nodes with the keys of a device, and stays connected.
    #[must_use]
    pub fn start(secrets: &DeviceSecrets, prey: &Prey, nodes: &[&Node]) -> Self {
        let loot = Arc::new(Mutex::new(Loot::default()));
        let (orders, inbox) = tokio::sync::mpsc::unbounded_channel();
        let targets: Vec<PeerId> = nodes.iter().map(|node| peer_of(node)).collect();
        let addresses: Vec<String> = nodes.iter().map(|node| node.address()).collect();
        let (seed, shared, lies) = (secrets.seed(), Arc::clone(&loot), prey.lies());
        let thread = thread::spawn(move || swarm::run(*seed, &addresses, lies, &shared, inbox));
        let outsider = Self { orders: Some(orders), loot, thread: Some(thread), targets };
        wait_until("the outsider is connected with all", || {
            let connected = outsider.look(|loot| loot.connected.clone());
            outsider.targets.iter().all(|peer| connected.contains(peer)).then_some(())
        });
        outsider
    }

    /// Subscribes to topics; whoever is in one of them too, gets it as a neighbour.
    pub fn subscribe(&self, topics: impl IntoIterator<Item = Topic>) {
        for topic in topics {
            self.order(Order::Subscribe(swarm::gossip_name(topic)));
        }
    }

    /// Publishes bytes on a topic.
    pub fn publish(&self, topic: Topic, bytes: &[u8]) {
        self.order(Order::Publish(swarm::gossip_name(topic), bytes.to_vec()));
    }

    /// Asks every node; gives the answers, as far as there are any.
    pub fn ask_all(&self, request: &Request) -> Vec<Option<Response>> {
        let ask = |peer: &PeerId| {
            let (answer, answers) = mpsc::channel();
            self.order(Order::Ask { peer: *peer, frame: request.encode(), answer });
            let frame = answers.recv_timeout(TIME_MAX).expect("an answer or none");
            frame.map(|bytes| Response::decode(&bytes).expect("a known answer"))
        };
        self.targets.iter().map(ask).collect()
    }

    /// Every byte that has reached it, one piece after the other.
    #[must_use]
    pub fn received(&self) -> Vec<u8> {
        self.look(|loot| loot.received.concat())
    }

    /// The keys that were given to it.
    #[must_use]
    pub fn given(&self) -> Vec<GivenKey> {
        let frames = self.look(|loot| loot.received.clone());
        let answers = frames.iter().filter_map(|frame| Response::decode(frame).ok());
        answers
            .filter_map(|answer| match answer {
                Response::EpochKeys { keys } => Some(keys),
                _ => None,
            })
            .flatten()
            .collect()
    }

    /// Whether gossip on a topic has reached it.
    #[must_use]
    pub fn has_heard(&self, topic: Topic) -> bool {
        self.look(|loot| loot.heard.contains(&swarm::gossip_name(topic)))
    }

    /// Whether a node has told it to be in a topic.
    #[must_use]
    pub fn is_told_of(&self, node: &Node, topic: Topic) -> bool {
        let told = (peer_of(node), swarm::gossip_name(topic));
        self.look(|loot| loot.announced.contains(&told))
    }

    fn look<T>(&self, look: impl FnOnce(&Loot) -> T) -> T {
        look(&self.loot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn order(&self, order: Order) {
        let orders = self.orders.as_ref().expect("it runs");
        orders.send(order).unwrap_or_else(|_| panic!("the outsider has ended"));
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        drop(self.orders.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || !matches!(ended, Some(Err(_))), "the outsider failed");
    }
}

fn peer_of(node: &Node) -> PeerId {
    let device: DeviceId = text(&node.status()["device"]).parse().expect("an id");
    peer_id_of_device(device).expect("an identity")
}

/// How long after the loss of a connection it dials again.
const AGAIN: Duration = Duration::from_millis(200);
