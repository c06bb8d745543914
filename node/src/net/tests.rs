//! Real swarms over loopback. Tests wait for conditions, never for a time.

mod gossip;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::TcpStream;

use conclave_protocol::id::CompanyId;
use conclave_protocol::keys::{DeviceKeys, public_key};
use conclave_protocol::limits::FRAME_BYTES_MAX;
use conclave_protocol::object::ObjectType;
use conclave_protocol::signed::{SIGNED_BYTES_MAX, sign};
use futures::StreamExt;
use libp2p::gossipsub::{self, MessageAuthenticity};
use libp2p::swarm::SwarmEvent;
use libp2p::{PeerId, SwarmBuilder, noise, tcp, yamux};

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: Topic = Topic([42; 32]);

struct Node {
    device: DeviceId,
    network: Network,
    last_request: u64,
}

impl Node {
    async fn start(n: u8, peers: &[String]) -> Self {
        let network = Network::start(config(n, &["/ip4/127.0.0.1/tcp/0"], peers)).await.unwrap();
        Self { device: device(n), network, last_request: 0 }
    }

    fn info(&self) -> NetInfo {
        self.network.info.read().unwrap().clone()
    }

    fn address(&self) -> String {
        self.info().listen[0].clone()
    }

    fn plain_address(&self) -> String {
        self.address().split("/p2p/").next().unwrap().to_owned()
    }

    async fn order(&self, command: NetCommand) {
        self.network.commands.send(command).await.unwrap();
    }

    /// `members` are devices; each may be in the topic if it is in `allowed` too.
    async fn policy(&self, members: &[u8], allowed: &[u8]) {
        let allowed: BTreeSet<DeviceId> = allowed.iter().copied().map(device).collect();
        self.order(NetCommand::Policy(PeerPolicy {
            members: members.iter().copied().map(device).collect(),
            topics: BTreeMap::from([(TOPIC, allowed)]),
        }))
        .await;
    }

    async fn next(&mut self) -> Input {
        let input = tokio::time::timeout(PATIENCE, self.network.inputs.recv()).await;
        input.expect("in time").expect("a running network")
    }

    /// Drops inputs up to one that fits.
    async fn wait<T>(&mut self, fits: impl Fn(Input) -> Option<T>) -> T {
        loop {
            if let Some(found) = fits(self.next().await) {
                return found;
            }
        }
    }

    async fn connected(&mut self, other: DeviceId) {
        self.wait(|input| {
            matches!(input, Input::Connected { peer } if peer == other).then_some(())
        })
        .await;
    }

    async fn disconnected(&mut self, other: DeviceId) {
        self.wait(|input| {
            matches!(input, Input::Disconnected { peer } if peer == other).then_some(())
        })
        .await;
    }

    async fn joined(&mut self, other: DeviceId) {
        self.wait(|input| {
            matches!(input, Input::TopicPeer { peer, joined: true, .. } if peer == other)
                .then_some(())
        })
        .await;
    }

    async fn publish(&self, text: &str) {
        self.publish_bytes(text.as_bytes().to_vec()).await;
    }

    async fn publish_bytes(&self, bytes: Vec<u8>) {
        self.order(NetCommand::Publish { topic: TOPIC, id: ObjectId([0; 32]), bytes }).await;
    }

    async fn hear(&mut self, text: &str) -> GossipToken {
        self.hear_bytes(text.as_bytes()).await
    }

    async fn hear_bytes(&mut self, expected: &[u8]) -> GossipToken {
        self.wait(|input| match input {
            Input::Gossip { token, topic, bytes, .. } if bytes == expected => {
                assert_eq!(topic, TOPIC);
                Some(token)
            }
            _ => None,
        })
        .await
    }

    /// Hands over what has come in by now.
    fn heard_so_far(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Ok(input) = self.network.inputs.try_recv() {
            if let Input::Gossip { bytes, .. } = input {
                heard.push(String::from_utf8(bytes).unwrap());
            }
        }
        heard
    }

    async fn accept(&self, token: GossipToken) {
        self.order(NetCommand::Verdict { token, verdict: GossipVerdict::Accept }).await;
    }

    async fn send(&mut self, peer: DeviceId, frame: Vec<u8>) -> RequestId {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.order(NetCommand::Send { peer, request, frame }).await;
        request
    }

    async fn answer(&mut self, expected: RequestId) -> Option<Vec<u8>> {
        self.wait(|input| match input {
            Input::Response { request, frame } if request == expected => Some(frame),
            _ => None,
        })
        .await
    }

    /// Answers the next request with its own bytes turned round.
    async fn serve(&mut self) {
        let (token, mut frame) = self
            .wait(|input| match input {
                Input::Request { token, frame, .. } => Some((token, frame)),
                _ => None,
            })
            .await;
        frame.reverse();
        self.order(NetCommand::Respond { token, frame }).await;
    }
}

fn config(n: u8, listen: &[&str], peers: &[String]) -> NetConfig {
    NetConfig {
        seed: Zeroizing::new([n; 32]),
        listen: listen.iter().map(ToString::to_string).collect(),
        peers: peers.to_vec(),
        mdns: false,
    }
}

fn device(n: u8) -> DeviceId {
    public_key(&[n; 32])
}

/// One request in each direction.
async fn exchange(a: &mut Node, b: &mut Node) {
    let request = a.send(b.device, b"abc".to_vec()).await;
    b.serve().await;
    assert_eq!(a.answer(request).await.as_deref(), Some(&b"cba"[..]));
    let request = b.send(a.device, b"xyz".to_vec()).await;
    a.serve().await;
    assert_eq!(b.answer(request).await.as_deref(), Some(&b"zyx"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_exchange_requests_and_pass_gossip_on() {
    let mut hub = Node::start(1, &[]).await;
    hub.policy(&[1, 2, 3], &[1, 2, 3]).await;
    let mut left = Node::start(2, &[hub.address()]).await;
    let mut right = Node::start(3, &[hub.plain_address()]).await;
    for node in [&left, &right] {
        node.policy(&[1, 2, 3], &[1, 2, 3]).await;
    }
    left.joined(hub.device).await;
    right.joined(hub.device).await;
    exchange(&mut hub, &mut left).await;
    exchange(&mut right, &mut hub).await;
    assert_eq!(hub.info().peers.len(), 2);

    left.publish("hello").await;
    let token = hub.hear("hello").await;
    assert_eq!(right.heard_so_far(), Vec::<String>::new(), "not before the verdict");
    hub.accept(token).await;
    right.hear("hello").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_nobody_and_one_too_large_end_without_answer() {
    let mut a = Node::start(1, &[]).await;
    let request = a.send(device(9), vec![1]).await;
    assert_eq!(a.answer(request).await, None);

    let mut b = Node::start(2, &[a.address()]).await;
    a.connected(b.device).await;
    b.connected(a.device).await;
    let request = b.send(a.device, vec![0; FRAME_BYTES_MAX + 1]).await;
    assert_eq!(b.answer(request).await, None);
    let request = b.send(a.device, vec![0; FRAME_BYTES_MAX]).await;
    a.serve().await;
    assert_eq!(b.answer(request).await, Some(vec![0; FRAME_BYTES_MAX]));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_at_once_are_all_answered() {
    let mut a = Node::start(1, &[]).await;
    let mut b = Node::start(2, &[a.address()]).await;
    b.connected(a.device).await;
    let mut open = BTreeSet::new();
    for _ in 0..100 {
        open.insert(b.send(a.device, vec![7; 1000]).await);
    }
    for _ in 0..100 {
        a.serve().await;
    }
    while !open.is_empty() {
        let request = b
            .wait(|input| match input {
                Input::Response { request, frame: Some(_) } => Some(request),
                Input::Response { .. } => panic!("a request failed"),
                _ => None,
            })
            .await;
        assert!(open.remove(&request), "each once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_become_members_and_cease_to_be() {
    let mut a = Node::start(1, &[]).await;
    let mut b = Node::start(2, &[a.plain_address()]).await;
    a.connected(b.device).await;
    b.connected(a.device).await;
    exchange(&mut a, &mut b).await;

    a.policy(&[1, 2], &[1, 2]).await;
    a.disconnected(b.device).await;
    b.disconnected(a.device).await;
    b.policy(&[1, 2], &[1, 2]).await;
    a.joined(b.device).await;
    b.joined(a.device).await;
    b.publish("in").await;
    a.hear("in").await;

    a.policy(&[1], &[1]).await;
    a.disconnected(b.device).await;
    a.connected(b.device).await;
    b.connected(a.device).await;
    exchange(&mut a, &mut b).await;
    b.publish("out").await;
    exchange(&mut a, &mut b).await;
    assert_eq!(a.heard_so_far(), Vec::<String>::new());
}

/// Lets two nodes exchange requests until many in a row are answered. A connection that loses
/// against another takes its requests with it. Returns how often each was disconnected.
async fn settle(a: &mut Node, b: &mut Node) -> [u32; 2] {
    let mut lost = [0; 2];
    let mut up = [false; 2];
    let mut answered = 0;
    let mut open = None;
    while answered < 50 {
        if open.is_none() && up == [true; 2] {
            open = Some(a.send(b.device, b"ab".to_vec()).await);
        }
        let (side, input) = tokio::select! {
            input = a.next() => (0, input),
            input = b.next() => (1, input),
        };
        match input {
            Input::Connected { .. } => {
                assert!(!std::mem::replace(&mut up[side], true), "connected twice");
            }
            Input::Disconnected { .. } => {
                assert!(std::mem::replace(&mut up[side], false), "disconnected twice");
                lost[side] += 1;
                answered = 0;
            }
            Input::Request { token, frame, .. } => {
                b.order(NetCommand::Respond { token, frame }).await;
            }
            Input::Response { request, frame } => {
                assert_eq!(open.take(), Some(request), "each ends once");
                answered = if frame.is_some() { answered + 1 } else { 0 };
            }
            _ => {}
        }
    }
    lost
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_dial_at_once_keep_one_connection() {
    for n in 1..=5 {
        let mut a = Node::start(2 * n, &[]).await;
        let mut b = Node::start(2 * n + 1, &[]).await;
        let (at_a, at_b) = (vec![a.plain_address()], vec![b.plain_address()]);
        let to_b = NetCommand::Referral { peer: b.device, addresses: at_b };
        let to_a = NetCommand::Referral { peer: a.device, addresses: at_a };
        tokio::join!(a.order(to_b), b.order(to_a));
        let lost = settle(&mut a, &mut b).await;
        assert!(lost.iter().all(|times| *times <= 1), "disconnected {lost:?} times");
    }
}

#[test]
fn a_peer_that_comes_back_replaces_its_frozen_self() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let frozen = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut a = runtime.block_on(Node::start(1, &[]));
    runtime.block_on(a.policy(&[1, 2], &[1, 2]));
    // A runtime of one thread rests when nobody blocks on it, its connections stand.
    let before = frozen.block_on(async {
        let mut before = Node::start(2, &[a.address()]).await;
        before.policy(&[1, 2], &[1, 2]).await;
        before.joined(a.device).await;
        before
    });
    runtime.block_on(async {
        a.joined(device(2)).await;
        let mut after = Node::start(2, &[a.address()]).await;
        after.policy(&[1, 2], &[1, 2]).await;
        a.disconnected(device(2)).await;
        a.joined(device(2)).await;
        after.joined(a.device).await;
        a.publish("welcome back").await;
        after.hear("welcome back").await;
        after.publish("thanks").await;
        a.hear("thanks").await;
    });
    drop(before);
}

#[test]
fn a_frozen_peer_is_disconnected_and_its_requests_end() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let frozen = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut a = runtime.block_on(Node::start(1, &[]));
    let peer = frozen.block_on(async {
        let mut peer = Node::start(2, &[a.address()]).await;
        peer.connected(a.device).await;
        peer
    });
    runtime.block_on(async {
        a.connected(device(2)).await;
        let request = a.send(device(2), vec![1]).await;
        assert_eq!(a.answer(request).await, None);
        a.disconnected(device(2)).await;
    });
    drop(peer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_of_inputs_stops_no_command() {
    let a = Node::start(1, &[]).await;
    // Each is refused at once, which makes an input; nobody reads any.
    for n in 0..3 * INPUTS_MAX as u64 {
        let command =
            NetCommand::Send { peer: device(9), request: RequestId(n), frame: Vec::new() };
        let sent = a.network.commands.send(command);
        tokio::time::timeout(PATIENCE, sent).await.unwrap().unwrap();
    }
    let mut a = a;
    for n in 0..3 * INPUTS_MAX as u64 {
        a.answer(RequestId(n)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_port_does_no_harm() {
    let mut a = Node::start(1, &[]).await;
    let port = a.plain_address().rsplit('/').next().unwrap().to_owned();
    let mut open = Vec::new();
    for round in 0..20_u8 {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let _ = stream.write_all(&[round; 5000]);
        let _ = stream.write_all(b"\x13/multistream/1.0.0\n\xff\xff\xff\xff");
        open.push(stream);
    }
    let mut b = Node::start(2, &[a.address()]).await;
    b.connected(a.device).await;
    a.connected(b.device).await;
    exchange(&mut a, &mut b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_strangers_and_members_still_get_in() {
    let mut a = Node::start(1, &[]).await;
    a.policy(&[1, 200], &[1, 200]).await;
    let mut strangers = Vec::new();
    for n in 2..42 {
        strangers.push(Node::start(n, &[a.address()]).await);
    }
    let mut inside = 0;
    while inside < 32 {
        a.wait(|input| matches!(input, Input::Connected { .. }).then_some(())).await;
        inside += 1;
    }
    let mut member = Node::start(200, &[a.address()]).await;
    member.policy(&[1, 200], &[1, 200]).await;
    a.joined(member.device).await;
    exchange(&mut a, &mut member).await;
    assert_eq!(a.info().peers.len(), 33);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_and_a_bad_address_are_told_apart() {
    let a = Node::start(1, &[]).await;
    let taken = a.plain_address();
    let error = Network::start(config(2, &[&taken], &[])).await.err().unwrap();
    assert!(matches!(&error, NetError::Listen { address, .. } if *address == taken), "{error}");
    assert!(!error.is_bad_input());
    for bad in ["nonsense", "/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/1", "/dns4/a.example/tcp/1"] {
        let error = Network::start(config(2, &[bad], &[])).await.err().unwrap();
        assert!(error.is_bad_input(), "{error}");
        let peers = [bad.to_owned()];
        let error = Network::start(config(2, &[], &peers)).await.err().unwrap();
        assert!(error.is_bad_input(), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listens_everywhere_by_default_and_says_where() {
    let network = Network::start(config(1, &[], &[])).await.unwrap();
    let mut node = Node { device: device(1), network, last_request: 0 };
    let addresses = node
        .wait(|input| match input {
            Input::Listening { addresses } => Some(addresses),
            _ => None,
        })
        .await;
    assert!(addresses.iter().any(|address| address.starts_with("/ip4/127.0.0.1/tcp/")));
    assert!(addresses.iter().all(|address| !address.contains("/p2p/")));
    let info = node.info();
    let peer: PeerId = info.peer_id.parse().unwrap();
    assert_eq!(device_id_of_peer(&peer), Some(node.device));
    let with_peer: Vec<String> =
        addresses.iter().map(|address| format!("{address}/p2p/{peer}")).collect();
    assert_eq!(info.listen, with_peer);
    node.order(NetCommand::Stop).await;
    tokio::time::timeout(PATIENCE, node.network.task).await.unwrap().unwrap();
}
