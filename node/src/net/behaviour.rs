//! What the swarm is made of, and every setting of it.

use std::time::Duration;

use conclave_protocol::limits::REQUEST_MS_MAX;
use libp2p::gossipsub::{
    self, AllowAllSubscriptionFilter, MaxCountSubscriptionFilter, MessageAuthenticity, MessageId,
    ValidationMode,
};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{PeerId, Swarm, SwarmBuilder, connection_limits, mdns, noise, ping, tcp, yamux};

use super::NetError;
use super::arrivals::Arrivals;
use super::framing::{FrameCodec, PROTOCOL};
use super::gate::Gate;
use super::rivals::DIAL_TIMEOUT;
use super::subscriptions::{Gossip, TOPICS_MAX};

/// How often the task polls the swarm at least. Gossipsub re-arms its heartbeat only when it
/// is polled again, so an idle swarm would stop beating.
pub(super) const TICK: Duration = Duration::from_millis(500);

const CONNECTIONS_MAX: u32 = 256;
const CONNECTIONS_PENDING_MAX: u32 = 256;
/// One that counts, one that replaces it, and some that still close on a dead link.
const CONNECTIONS_PER_PEER_MAX: u32 = 4;
/// Streams with one peer, both directions; `requests` opens at most a quarter of them.
const STREAMS_MAX: usize = 16;
/// Members stay connected, whether or not gossipsub has them in a mesh.
const IDLE_MAX: Duration = Duration::from_hours(365 * 24);
/// Of the object id, how much names a message in gossip.
const MESSAGE_ID_BYTES: usize = 20;

/// All that runs on a connection. A refusal by an earlier field leaves no trace in a later one,
/// so what can refuse comes first.
#[derive(NetworkBehaviour)]
pub(super) struct NodeBehaviour {
    limits: connection_limits::Behaviour,
    arrivals: Arrivals,
    /// Before all others that keep state or report, so that nobody hears of a peer before it
    /// is reported as connected.
    pub(super) gate: Gate,
    ping: ping::Behaviour,
    pub(super) requests: request_response::Behaviour<FrameCodec>,
    mdns: Toggle<mdns::tokio::Behaviour>,
}

/// A swarm that listens nowhere yet.
pub(super) fn build_swarm(
    keypair: Keypair,
    with_mdns: bool,
) -> Result<Swarm<NodeBehaviour>, NetError> {
    let me = keypair.public().to_peer_id();
    let behaviour = NodeBehaviour {
        limits: connection_limits::Behaviour::new(
            connection_limits::ConnectionLimits::default()
                .with_max_pending_incoming(Some(CONNECTIONS_PENDING_MAX))
                .with_max_pending_outgoing(Some(CONNECTIONS_PENDING_MAX))
                .with_max_established(Some(CONNECTIONS_MAX))
                .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX)),
        ),
        arrivals: Arrivals::default(),
        gate: Gate::new(me, gossip()?),
        ping: ping::Behaviour::new(
            ping::Config::new()
                .with_interval(Duration::from_secs(5))
                .with_timeout(Duration::from_secs(10)),
        ),
        requests: request_response::Behaviour::with_codec(
            FrameCodec,
            [(PROTOCOL, ProtocolSupport::Full)],
            request_response::Config::default()
                .with_request_timeout(Duration::from_millis(REQUEST_MS_MAX))
                .with_max_concurrent_streams(STREAMS_MAX),
        ),
        mdns: Toggle::from(if with_mdns { local_discovery(me) } else { None }),
    };
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| NetError::Setup(error.to_string()))?
        .with_behaviour(|_| behaviour)
        .map_err(|error| NetError::Setup(error.to_string()))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_MAX))
        .with_connection_timeout(DIAL_TIMEOUT)
        .build();
    Ok(swarm)
}

/// Discovery on the LAN, or `None` where it cannot be had: multicast is often blocked, and
/// typed and remembered addresses must do then.
fn local_discovery(me: PeerId) -> Option<mdns::tokio::Behaviour> {
    let config = mdns::Config {
        ttl: Duration::from_secs(60),
        query_interval: Duration::from_secs(5),
        enable_ipv6: false,
    };
    mdns::tokio::Behaviour::new(config, me)
        .inspect_err(|error| tracing::warn!(%error, "no discovery on the local network"))
        .ok()
}

fn gossip() -> Result<Gossip, NetError> {
    let config = gossipsub::ConfigBuilder::default()
        // Our objects are signed already, and verified once, after de-duplication.
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| message_id(&message.data))
        // One message over the size limit silences a link for good, and so does a list of
        // control messages over its limit; several small ones travel together.
        .max_transmit_size(4 * 1024 * 1024)
        .max_control_message_size(1024 * 1024)
        .max_control_messages_sent(700)
        // A small mesh costs least per delivery; flooding one's own messages makes up for it.
        .mesh_n(3)
        .mesh_n_low(2)
        .mesh_n_high(8)
        .mesh_outbound_min(1)
        .flood_publish(true)
        // Leaving and rejoining a topic takes over a minute with the defaults.
        .prune_backoff(Duration::from_secs(5))
        .unsubscribe_backoff(Duration::from_secs(2))
        .heartbeat_initial_delay(Duration::from_millis(500))
        .heartbeat_interval(Duration::from_secs(1))
        .duplicate_cache_time(Duration::from_secs(60))
        // A verdict that comes later than this many heartbeats forwards nothing.
        .history_length(12)
        .history_gossip(4)
        .connection_handler_queue_len(10_000)
        .publish_queue_duration(Duration::from_secs(5))
        .forward_queue_duration(Duration::from_secs(5))
        .build()
        .map_err(|error| NetError::Setup(error.to_string()))?;
    // The default filter drops all topics of a peer that is in more than a hundred.
    let filter = MaxCountSubscriptionFilter {
        filter: AllowAllSubscriptionFilter::default(),
        max_subscribed_topics: TOPICS_MAX,
        max_subscriptions_per_request: TOPICS_MAX,
    };
    Gossip::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
        .map_err(|error| NetError::Setup(error.to_owned()))
}

/// Over all bytes, signature included: over the object's id, which leaves the signature out,
/// whoever sends a message first with a broken signature would make the real one a duplicate.
/// And only who has the bytes can ask for them.
fn message_id(bytes: &[u8]) -> MessageId {
    let hash = blake3::derive_key("conclave v1 gossip", bytes);
    MessageId::from(hash[..MESSAGE_ID_BYTES].to_vec())
}
