//! The network: a libp2p swarm in a task of its own.
//!
//! The task knows bytes, peers, topics and connections. What they mean, and what to do about
//! it, is the engine's business: the task turns what happens into its [`Input`]s and carries
//! out [`NetCommand`]s. It never waits for the one while the other could move: commands are
//! taken even while the inputs' channel is full, and only the swarm has to wait.

mod arrivals;
mod behaviour;
mod dial;
mod framing;
mod gate;
mod names;
mod orders;
mod requests;
mod rivals;
mod subscriptions;
mod task;
#[cfg(test)]
mod tests;

use std::io;
use std::net::TcpListener;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use conclave_protocol::engine::{
    GossipToken, GossipVerdict, Input, PeerPolicy, RequestId, ResponseToken,
};
use conclave_protocol::id::{DeviceId, ObjectId, Topic};
use libp2p::Multiaddr;
use libp2p::core::transport::TransportError;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

pub use self::names::{device_id_of_peer, peer_id_of_device};
use self::task::Task;
use crate::handle::NetInfo;

const INPUTS_MAX: usize = 1024;
const COMMANDS_MAX: usize = 1024;
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);
const LISTEN_DEFAULT: &str = "/ip4/0.0.0.0/tcp/0";

/// How the network is started.
pub struct NetConfig {
    /// The device's Ed25519 seed; libp2p gets the same identity.
    pub seed: Zeroizing<[u8; 32]>,
    /// Multiaddrs to listen on; empty means all interfaces, any port.
    pub listen: Vec<String>,
    /// Multiaddrs of peers to dial, with or without `/p2p/…`.
    pub peers: Vec<String>,
    /// Whether to find peers on the LAN.
    pub mdns: bool,
}

/// Something for the network to do.
#[derive(Debug)]
pub enum NetCommand {
    /// Answer gossip validation.
    Verdict {
        /// Which message.
        token: GossipToken,
        /// What to do with it.
        verdict: GossipVerdict,
    },
    /// Publish on a topic.
    Publish {
        /// Where.
        topic: Topic,
        /// The object's id.
        id: ObjectId,
        /// What.
        bytes: Vec<u8>,
    },
    /// Send a request; it ends with exactly one [`Input::Response`].
    Send {
        /// To whom.
        peer: DeviceId,
        /// For the answer.
        request: RequestId,
        /// What.
        frame: Vec<u8>,
    },
    /// Answer a peer's request.
    Respond {
        /// Which.
        token: ResponseToken,
        /// With what.
        frame: Vec<u8>,
    },
    /// Replace the policy.
    Policy(PeerPolicy),
    /// Replace the known addresses of a member.
    Addresses {
        /// Whose.
        peer: DeviceId,
        /// Multiaddrs without `/p2p`.
        addresses: Vec<String>,
    },
    /// Dial an admin, though not a member, to ask to be let in.
    Referral {
        /// Whom.
        peer: DeviceId,
        /// Multiaddrs without `/p2p`.
        addresses: Vec<String>,
    },
    /// End the task.
    Stop,
}

/// Why the network cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The user's input is at fault.
    #[error("`{address}` is not an address that can be used here; write /ip4/IP/tcp/PORT")]
    BadAddress {
        /// What was given.
        address: String,
    },
    /// The operating system refuses.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The network stack could not be set up.
    #[error("cannot set up the network: {0}")]
    Setup(String),
}

impl NetError {
    /// Whether the user's input is at fault, not the system.
    #[must_use]
    pub fn is_bad_input(&self) -> bool {
        matches!(self, Self::BadAddress { .. })
    }
}

/// A running network.
pub struct Network {
    /// What to do.
    pub commands: mpsc::Sender<NetCommand>,
    /// What has happened.
    pub inputs: mpsc::Receiver<Input>,
    /// Identity, addresses and connections, always current.
    pub info: Arc<RwLock<NetInfo>>,
    /// Ends after [`NetCommand::Stop`], or when either channel is dropped.
    pub task: JoinHandle<()>,
}

impl Network {
    /// Starts the network; returns once every listen address is bound.
    ///
    /// # Errors
    /// [`NetError`]; nothing is left running.
    pub async fn start(config: NetConfig) -> Result<Self, NetError> {
        let listen = parse_listen(&config.listen)?;
        let peers = parse_peers(&config.peers)?;
        // It overwrites the bytes that it is given.
        let keypair = Keypair::ed25519_from_bytes(*config.seed)
            .map_err(|error| NetError::Setup(error.to_string()))?;

        let (inputs_in, inputs) = mpsc::channel(INPUTS_MAX);
        let (commands, commands_out) = mpsc::channel(COMMANDS_MAX);
        let info = Arc::new(RwLock::new(NetInfo::default()));
        let mut swarm = behaviour::build_swarm(keypair, config.mdns)?;
        let mut unbound = Vec::new();
        for address in listen {
            check_free(&address)?;
            let listener = swarm.listen_on(address.clone()).map_err(|error| match error {
                TransportError::MultiaddrNotSupported(address) => bad_address(&address),
                TransportError::Other(source) => failed(&address, source),
            })?;
            unbound.push((listener, address));
        }
        let mut task = Task::new(swarm, &peers, inputs_in, commands_out, Arc::clone(&info));
        let bound = tokio::time::timeout(LISTEN_TIMEOUT, task.bind(unbound)).await;
        bound.map_err(|_| NetError::Setup("no listen address in time".to_owned()))??;
        let task = tokio::spawn(task.run());
        Ok(Self { commands, inputs, info, task })
    }
}

fn parse_listen(texts: &[String]) -> Result<Vec<Multiaddr>, NetError> {
    let default = [LISTEN_DEFAULT.to_owned()];
    let texts = if texts.is_empty() { &default } else { texts };
    texts.iter().map(|text| parse(text, false)).collect()
}

/// Checks addresses of peers without dialling them.
///
/// # Errors
/// [`NetError::BadAddress`] names the first that cannot be used.
pub fn check_peers(texts: &[String]) -> Result<(), NetError> {
    parse_peers(texts).map(drop)
}

fn parse_peers(texts: &[String]) -> Result<Vec<Multiaddr>, NetError> {
    texts.iter().map(|text| parse(text, true)).collect()
}

/// `/ip4/…/tcp/…` or `/ip6/…/tcp/…`; for a peer also with `/p2p/…` and never with zeros.
fn parse(text: &str, for_peer: bool) -> Result<Multiaddr, NetError> {
    let bad = || NetError::BadAddress { address: text.to_owned() };
    let address: Multiaddr = text.parse().map_err(|_| bad())?;
    let (plain, peer) = names::split_peer(address.clone());
    let parts: Vec<_> = plain.iter().collect();
    let shape = matches!(parts[..], [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Tcp(_)]);
    let fits = if for_peer { names::is_dialable(&plain) } else { peer.is_none() };
    if shape && fits { Ok(address) } else { Err(bad()) }
}

/// libp2p's listener shares its port with any other of the same user, so that a second node on
/// a taken port would start and get half of the connections. A plain bind tells.
fn check_free(address: &Multiaddr) -> Result<(), NetError> {
    let parts: Vec<_> = address.iter().collect();
    let probe = match parts[..] {
        [_, Protocol::Tcp(0)] => return Ok(()),
        [Protocol::Ip4(ip), Protocol::Tcp(port)] => TcpListener::bind((ip, port)),
        [Protocol::Ip6(ip), Protocol::Tcp(port)] => TcpListener::bind((ip, port)),
        _ => return Err(bad_address(address)),
    };
    probe.map(drop).map_err(|source| failed(address, source))
}

fn bad_address(address: &Multiaddr) -> NetError {
    NetError::BadAddress { address: address.to_string() }
}

fn failed(address: &Multiaddr, source: io::Error) -> NetError {
    NetError::Listen { address: address.to_string(), source }
}
