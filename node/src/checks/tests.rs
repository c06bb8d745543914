use conclave_protocol::engine::{GossipToken, Input};
use conclave_protocol::envelope::{ENVELOPE_VERSION, Envelope, EnvelopeKind};
use conclave_protocol::id::{CompanyId, DeviceId, ObjectId, RoomId, Topic};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::object::ObjectType;
use conclave_protocol::signed::sign;
use conclave_protocol::sync::{Blob, Response};
use conclave_protocol::time::Timestamp;
use tokio::sync::mpsc;

use super::*;

const COMPANY: CompanyId = CompanyId([1; 32]);

fn keys(seed: u8) -> DeviceKeys {
    DeviceKeys::new(&[seed; 32], &[seed; 32])
}

pub(super) fn author(seed: u8) -> DeviceId {
    keys(seed).device()
}

/// A message by the device of a seed, at a height.
pub(super) fn message(seed: u8, height: u64) -> Vec<u8> {
    let envelope = Envelope {
        version: ENVELOPE_VERSION,
        company: COMPANY,
        room: RoomId([2; 32]),
        device: author(seed),
        seq: 2,
        prev: Some(ObjectId([3; 32])),
        parents: vec![ObjectId([3; 32])],
        height: height + 1,
        kind: EnvelopeKind::Text,
        standing: Some(ObjectId([4; 32])),
        epoch: Some(ObjectId([6; 32])),
        nonce: vec![7; 24],
        body: b"whatever is encrypted".to_vec(),
        claimed_time: Timestamp(5),
    };
    sign(&keys(seed), ObjectType::Envelope, COMPANY, &envelope.encode()).1
}

pub(super) fn gossip(peer: DeviceId, token: u64, bytes: Vec<u8>) -> Input {
    let topic = Topic([2; 32]);
    Input::Gossip { peer, token: GossipToken(token), topic, bytes }
}

fn objects(input: &Input) -> usize {
    match input {
        Input::Checked { objects, input } => {
            let bytes = input.objects();
            assert!(objects.iter().zip(&bytes).all(|(checked, bytes)| checked.is_of(bytes)));
            assert_eq!(objects.len(), bytes.len());
            objects.len()
        }
        _ => 0,
    }
}

#[tokio::test]
async fn each_object_is_checked_once_whatever_way_it_comes() {
    let (send, inputs) = mpsc::channel(1000);
    let checker = Arc::new(Checker::default());
    let mut checks = Checks::new(inputs, checker.clone());
    let messages: Vec<Vec<u8>> = (1..=50).map(|n| message(1, n)).collect();
    for (n, bytes) in messages.iter().enumerate() {
        send.send(gossip(author(9), n as u64, bytes.clone())).await.unwrap();
    }
    send.send(Input::Connected { peer: author(9) }).await.unwrap();
    let mut next = async || objects(&checks.next().await.unwrap());
    assert_eq!(next().await, 0, "the connection");
    for _ in 0..50 {
        assert_eq!(next().await, 1);
    }
    assert_eq!(checker.checks(), 50);

    // The same again, and one that is new, in an answer.
    let blobs: Vec<Blob> = messages.into_iter().chain([message(1, 51)]).map(Blob).collect();
    let frame = Response::Objects { objects: blobs, done: 51 }.encode();
    let request = conclave_protocol::engine::RequestId(1);
    send.send(Input::Response { request, frame: Some(frame) }).await.unwrap();
    assert_eq!(next().await, 51);
    assert_eq!(checker.checks(), 51);

    drop(send);
    assert!(checks.next().await.is_none());
}

#[tokio::test]
async fn bad_signatures_are_told_and_their_peer_is_known() {
    let (send, inputs) = mpsc::channel(1000);
    let mut checks = Checks::new(inputs, Arc::new(Checker::default()));
    for n in 1..=100 {
        let mut bytes = message(1, n);
        if n % 2 == 0 {
            *bytes.last_mut().unwrap() ^= 1;
        }
        let peer = author(if n % 2 == 0 { 8 } else { 9 });
        send.send(gossip(peer, n, bytes)).await.unwrap();
    }
    for n in 1..=100 {
        let Some(Input::Checked { objects, input }) = checks.next().await else { panic!("{n}") };
        let Input::Gossip { token, .. } = *input else { panic!("no gossip") };
        assert_eq!(token.0, n, "in the order of arrival");
        assert_eq!(objects[0].is_refused(), n % 2 == 0);
    }
    assert!(checks.queue.is_distrusted(author(8)) && !checks.queue.is_distrusted(author(9)));
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let (send, inputs) = mpsc::channel(WAITING_MAX * 2);
    let mut checks = Checks::new(inputs, Arc::new(Checker::default()));
    let bytes = message(1, 1);
    for n in 0..WAITING_MAX * 2 {
        send.send(gossip(author(9), n as u64, bytes.clone())).await.unwrap();
    }
    assert!(checks.next().await.is_some());
    assert!(checks.queue.len() <= WAITING_MAX);
    assert!(send.capacity() < WAITING_MAX * 2, "the rest waits outside");
    for _ in 1..WAITING_MAX * 2 {
        assert!(checks.next().await.is_some(), "nothing is lost");
    }
}
