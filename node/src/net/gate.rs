//! Who takes part in gossip. A wrapper round gossipsub that decides three things:
//!
//! 1. Strangers get a handler that speaks no gossip at all. The inner behaviour never hears of
//!    their connections, so no topic is announced to them.
//! 2. A member's subscription to a topic that the policy does not give it is held back. For
//!    gossipsub the member is not in that topic; it neither publishes to it nor meshes with it.
//! 3. Each peer has one connection that counts. Gossipsub announces its topics on the first
//!    connection of a peer only, so a peer that comes back while its old connection still seems
//!    to stand would hear nothing. When a connection replaces another, the inner behaviour is
//!    told that the old one has closed before it hears of the new one.

use std::collections::{HashMap, HashSet, VecDeque};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::gossipsub::{self, IdentTopic, TopicHash};
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::derive_prelude::Either;
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

use super::names::device_id_of_peer;
use super::rivals::replaces;
use super::subscriptions::{FromHandler, Gossip, Subscriptions};

/// Most strangers that may be connected by a dial of their own.
const STRANGERS_MAX: usize = 32;
/// For how many ticks a connection may bring nothing, not even an answer to a ping. Ticks and
/// not time: after this process has been stopped for a minute, its peers have done no wrong.
const SILENT_TICKS_MAX: u32 = 15 * 2;
/// A stranger that has asked nothing for this long is disconnected.
const STRANGER_IDLE_MAX: Duration = Duration::from_secs(60);

type Action = ToSwarm<GateEvent, THandlerInEvent<Gate>>;

/// What the gate reports.
#[derive(Debug)]
pub(super) enum GateEvent {
    /// A peer has a connection that counts.
    Connected {
        /// Which peer.
        peer: PeerId,
        /// Where it is.
        address: Multiaddr,
        /// Whether we dialled.
        outbound: bool,
    },
    /// A peer has none any more.
    Disconnected {
        /// Which peer.
        peer: PeerId,
    },
    /// Something about gossip with a member.
    Gossip(gossipsub::Event),
}

/// Why a connection is refused right after its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("the key of the peer is not Ed25519")]
    NotADevice,
    #[error("another connection with the peer is kept")]
    Duplicate,
    #[error("too many strangers are connected")]
    TooManyStrangers,
}

/// The connection of a peer that counts.
struct Link {
    connection: ConnectionId,
    endpoint: ConnectedPoint,
    since: Instant,
    /// Whether the swarm has said that it stands, and we have reported it.
    up: bool,
    /// Decides the kind of its handler, so it never changes during a connection.
    member: bool,
    /// When a stranger last asked something.
    asked: Instant,
    /// Ticks since anything came in.
    silent_ticks: u32,
    subscriptions: Subscriptions,
}

/// See the module.
pub(super) struct Gate {
    me: PeerId,
    inner: Gossip,
    members: HashSet<PeerId>,
    topics: HashMap<TopicHash, HashSet<PeerId>>,
    links: HashMap<PeerId, Link>,
    actions: VecDeque<Action>,
}

impl Gate {
    /// A gate with an empty policy: everyone is a stranger.
    pub(super) fn new(me: PeerId, inner: Gossip) -> Self {
        Self {
            me,
            inner,
            members: HashSet::new(),
            topics: HashMap::new(),
            links: HashMap::new(),
            actions: VecDeque::new(),
        }
    }

    /// For publishing and verdicts.
    pub(super) fn gossip(&mut self) -> &mut Gossip {
        &mut self.inner
    }

    /// Whether the peer has a connection that counts.
    pub(super) fn is_connected(&self, peer: &PeerId) -> bool {
        self.links.get(peer).is_some_and(|link| link.up)
    }

    /// Whether this is the connection of the peer that counts.
    pub(super) fn is_current(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        self.links.get(peer).is_some_and(|link| link.connection == connection)
    }

    /// Notes that a stranger is not idle.
    pub(super) fn asked(&mut self, peer: &PeerId, now: Instant) {
        if let Some(link) = self.links.get_mut(peer) {
            link.asked = now;
        }
    }

    /// Notes that something has come in on a connection.
    pub(super) fn heard(&mut self, peer: &PeerId, connection: ConnectionId) {
        if let Some(link) = self.links.get_mut(peer).filter(|link| link.connection == connection) {
            link.silent_ticks = 0;
        }
    }

    /// Disconnects peers that are silent, and strangers that came by themselves and ask nothing.
    /// To be called on each tick on which the swarm was free to report what came in.
    pub(super) fn sweep(&mut self, now: Instant) {
        let mut peers = Vec::new();
        for (peer, link) in &mut self.links {
            link.silent_ticks += 1;
            let idle = !link.member
                && link.endpoint.is_listener()
                && now.saturating_duration_since(link.asked) > STRANGER_IDLE_MAX;
            if idle || link.silent_ticks > SILENT_TICKS_MAX {
                tracing::debug!(%peer, idle, "closing a connection on which nothing comes");
                peers.push(*peer);
            }
        }
        for peer in peers {
            self.close(&peer);
        }
    }

    /// Ends the connection with a peer. It is reported at once, however long the transport
    /// takes to close: on a dead link that may be minutes.
    pub(super) fn close(&mut self, peer: &PeerId) -> bool {
        self.drain_inner();
        let Some(link) = self.links.remove(peer) else { return false };
        self.forget(*peer, &link);
        self.actions.push_back(ToSwarm::CloseConnection {
            peer_id: *peer,
            connection: CloseConnection::One(link.connection),
        });
        true
    }

    /// Replaces the policy. Returns the members whose connection had to be closed because it
    /// does not fit the new policy, and who should be dialled again.
    pub(super) fn set_policy(
        &mut self,
        members: HashSet<PeerId>,
        topics: HashMap<TopicHash, HashSet<PeerId>>,
    ) -> Vec<PeerId> {
        self.members = members;
        self.topics = topics;
        let misfits: Vec<PeerId> = self
            .links
            .iter()
            .filter(|(peer, link)| !self.fits(peer, link))
            .map(|(peer, _)| *peer)
            .collect();
        for peer in &misfits {
            self.close(peer);
        }
        self.follow_topics();
        self.release();
        misfits.into_iter().filter(|peer| self.members.contains(peer)).collect()
    }

    /// A connection must have the handler that its peer's standing asks for, and must not be
    /// in a topic that the peer has lost. Gossipsub cannot throw a peer out of a topic; a new
    /// connection starts with none.
    fn fits(&self, peer: &PeerId, link: &Link) -> bool {
        let lost = |topic| self.topics.get(topic).is_some_and(|allowed| !allowed.contains(peer));
        link.member == self.members.contains(peer) && !link.subscriptions.passed().any(lost)
    }

    /// Subscribes to exactly the topics of the policy.
    fn follow_topics(&mut self) {
        let left: Vec<TopicHash> =
            self.inner.topics().filter(|topic| !self.topics.contains_key(topic)).cloned().collect();
        for topic in left {
            self.inner.unsubscribe(&IdentTopic::new(topic.into_string()));
        }
        for topic in self.topics.keys() {
            if let Err(error) = self.inner.subscribe(&IdentTopic::new(topic.as_str())) {
                tracing::debug!(%topic, %error, "cannot subscribe");
            }
        }
    }

    /// Lets through the subscriptions that were held back and are allowed now.
    fn release(&mut self) {
        let topics = &self.topics;
        for (peer, link) in &mut self.links {
            let allowed =
                |topic: &TopicHash| topics.get(topic).is_some_and(|allowed| allowed.contains(peer));
            for event in link.subscriptions.release(allowed) {
                self.inner.on_connection_handler_event(*peer, link.connection, event);
            }
        }
    }

    /// Takes out of what a member sent the subscriptions that the policy does not allow.
    fn sift(&mut self, peer: &PeerId, event: FromHandler) -> FromHandler {
        let topics = &self.topics;
        let allowed =
            |topic: &TopicHash| topics.get(topic).is_some_and(|allowed| allowed.contains(peer));
        match self.links.get_mut(peer) {
            Some(link) => link.subscriptions.sift(event, allowed),
            None => event,
        }
    }

    /// Decides whether a new connection counts; if so, any older one of the peer is closed.
    /// Returns whether the peer is a member.
    fn admit(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        endpoint: ConnectedPoint,
    ) -> Result<bool, ConnectionDenied> {
        let now = Instant::now();
        let outbound = endpoint.is_dialer();
        let member = self.members.contains(&peer);
        if device_id_of_peer(&peer).is_none() {
            return Err(ConnectionDenied::new(Refusal::NotADevice));
        }
        if let Some(old) = self.links.get(&peer) {
            let age = now.saturating_duration_since(old.since);
            if !replaces(self.me < peer, old.endpoint.is_dialer(), outbound, age) {
                return Err(ConnectionDenied::new(Refusal::Duplicate));
            }
            self.close(&peer);
        } else if !member && !outbound {
            let strangers = |link: &&Link| !link.member && link.endpoint.is_listener();
            if self.links.values().filter(strangers).count() >= STRANGERS_MAX {
                return Err(ConnectionDenied::new(Refusal::TooManyStrangers));
            }
        }
        let link = Link {
            connection,
            endpoint,
            since: now,
            up: false,
            member,
            asked: now,
            silent_ticks: 0,
            subscriptions: Subscriptions::default(),
        };
        self.links.insert(peer, link);
        Ok(member)
    }

    fn established(&mut self, event: &ConnectionEstablished<'_>) {
        let Some(link) = self.links.get_mut(&event.peer_id) else { return };
        if link.connection != event.connection_id {
            return;
        }
        link.up = true;
        self.actions.push_back(ToSwarm::GenerateEvent(GateEvent::Connected {
            peer: event.peer_id,
            address: event.endpoint.get_remote_address().clone(),
            outbound: event.endpoint.is_dialer(),
        }));
        if link.member {
            let first =
                ConnectionEstablished { failed_addresses: &[], other_established: 0, ..*event };
            self.inner.on_swarm_event(FromSwarm::ConnectionEstablished(first));
        }
    }

    fn closed(&mut self, event: &ConnectionClosed<'_>) {
        self.drain_inner();
        // One that has been replaced or closed by us has been reported already.
        if self.is_current(&event.peer_id, event.connection_id)
            && let Some(link) = self.links.remove(&event.peer_id)
        {
            self.forget(event.peer_id, &link);
        }
    }

    fn forget(&mut self, peer: PeerId, link: &Link) {
        if link.member {
            self.inner.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id: peer,
                connection_id: link.connection,
                endpoint: &link.endpoint,
                cause: None,
                remaining_established: 0,
            }));
        }
        if link.up {
            let event = GateEvent::Disconnected { peer };
            self.actions.push_back(ToSwarm::GenerateEvent(event));
        }
    }

    /// Takes what the inner behaviour has to say, so that news of an old connection cannot be
    /// taken for news of the next one.
    fn drain_inner(&mut self) {
        // The waker is lost; the tick of the task polls again in time.
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(action) = self.poll_inner(&mut context) {
            self.actions.push_back(action);
        }
    }

    fn poll_inner(&mut self, context: &mut Context<'_>) -> Poll<Action> {
        loop {
            match self.inner.poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(ToSwarm::GenerateEvent(event)) => {
                    return Poll::Ready(ToSwarm::GenerateEvent(GateEvent::Gossip(event)));
                }
                Poll::Ready(ToSwarm::NotifyHandler { peer_id, event, .. }) => {
                    // Only a connection that counts has a handler that understands this.
                    if let Some(link) = self.links.get(&peer_id).filter(|link| link.member) {
                        return Poll::Ready(ToSwarm::NotifyHandler {
                            peer_id,
                            handler: NotifyHandler::One(link.connection),
                            event: Either::Left(event),
                        });
                    }
                }
                // It dials or closes only with features that are off.
                Poll::Ready(other) => {
                    return Poll::Ready(other.map_out(GateEvent::Gossip).map_in(Either::Left));
                }
            }
        }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = Either<THandler<Gossip>, dummy::ConnectionHandler>;
    type ToSwarm = GateEvent;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let endpoint =
            ConnectedPoint::Listener { local_addr: local.clone(), send_back_addr: remote.clone() };
        if !self.admit(connection, peer, endpoint)? {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let inner = &mut self.inner;
        inner
            .handle_established_inbound_connection(connection, peer, local, remote)
            .map(Either::Left)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role_override: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let endpoint = ConnectedPoint::Dialer { address: address.clone(), role_override, port_use };
        if !self.admit(connection, peer, endpoint)? {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let inner = &mut self.inner;
        inner
            .handle_established_outbound_connection(
                connection,
                peer,
                address,
                role_override,
                port_use,
            )
            .map(Either::Left)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        // Gossipsub uses nothing else.
        match event {
            FromSwarm::ConnectionEstablished(event) => self.established(&event),
            FromSwarm::ConnectionClosed(event) => self.closed(&event),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if !self.is_current(&peer, connection) {
            return;
        }
        self.heard(&peer, connection);
        match event {
            Either::Left(event) => {
                let event = self.sift(&peer, event);
                self.inner.on_connection_handler_event(peer, connection, event);
            }
            Either::Right(never) => match never {},
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Action> {
        match self.actions.pop_front() {
            Some(action) => Poll::Ready(action),
            None => self.poll_inner(context),
        }
    }
}
