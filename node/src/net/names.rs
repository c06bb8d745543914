//! How Conclave's names and libp2p's map to each other.

use conclave_protocol::id::{DeviceId, Topic};
use libp2p::gossipsub::{IdentTopic, TopicHash};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

/// What stands before the Ed25519 key in a `PeerId`: an identity multihash (0x00) of 36 bytes
/// that hold a protobuf with the key type Ed25519 (1) and 32 bytes of key.
const PEER_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
const TOPIC_PREFIX: &str = "conclave/1/";

/// The device behind a libp2p identity; `None` if its key is not Ed25519.
#[must_use]
pub fn device_id_of_peer(peer: &PeerId) -> Option<DeviceId> {
    let bytes = peer.to_bytes();
    let key = bytes.strip_prefix(&PEER_PREFIX)?;
    Some(DeviceId(key.try_into().ok()?))
}

/// The libp2p identity of a device.
#[must_use]
pub fn peer_id_of_device(device: DeviceId) -> Option<PeerId> {
    let mut bytes = PEER_PREFIX.to_vec();
    bytes.extend_from_slice(&device.0);
    PeerId::from_bytes(&bytes).ok()
}

/// The gossipsub topic of a topic.
pub(super) fn gossip_topic(topic: Topic) -> IdentTopic {
    IdentTopic::new(format!("{TOPIC_PREFIX}{topic}"))
}

/// The topic behind a gossipsub topic, if it is one of ours.
pub(super) fn topic_of_hash(hash: &TopicHash) -> Option<Topic> {
    hash.as_str().strip_prefix(TOPIC_PREFIX)?.parse().ok()
}

/// Splits `/p2p/…` off the end of an address.
pub(super) fn split_peer(mut address: Multiaddr) -> (Multiaddr, Option<PeerId>) {
    match address.pop() {
        Some(Protocol::P2p(peer)) => (address, Some(peer)),
        Some(last) => (address.with(last), None),
        None => (address, None),
    }
}

/// Whether TCP can dial this: an IP address and a port, both given.
pub(super) fn is_dialable(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    let specified = match parts.next() {
        Some(Protocol::Ip4(ip)) => !ip.is_unspecified(),
        Some(Protocol::Ip6(ip)) => !ip.is_unspecified(),
        _ => false,
    };
    specified && matches!(parts.next(), Some(Protocol::Tcp(1..))) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;

    use super::*;

    #[test]
    fn devices_and_peers_map_both_ways() {
        let pair = Keypair::ed25519_from_bytes([3; 32]).unwrap();
        let peer = pair.public().to_peer_id();
        let device = device_id_of_peer(&peer).unwrap();
        assert_eq!(device, conclave_protocol::keys::public_key(&[3; 32]));
        assert_eq!(peer_id_of_device(device), Some(peer));
    }

    #[test]
    fn topics_map_both_ways() {
        let topic = Topic([9; 32]);
        assert_eq!(topic_of_hash(&gossip_topic(topic).hash()), Some(topic));
        assert_eq!(topic_of_hash(&TopicHash::from_raw("other")), None);
    }

    #[test]
    fn addresses_are_split_and_checked() {
        let peer = peer_id_of_device(DeviceId([1; 32])).unwrap();
        let plain: Multiaddr = "/ip4/10.0.0.1/tcp/4000".parse().unwrap();
        let full = plain.clone().with(Protocol::P2p(peer));
        assert_eq!(split_peer(full), (plain.clone(), Some(peer)));
        assert_eq!(split_peer(plain.clone()), (plain.clone(), None));
        assert!(is_dialable(&plain));
        for bad in ["/ip4/0.0.0.0/tcp/1", "/ip4/10.0.0.1/tcp/0", "/ip4/10.0.0.1/udp/1", "/tcp/1"] {
            assert!(!is_dialable(&bad.parse().unwrap()), "{bad}");
        }
    }
}
