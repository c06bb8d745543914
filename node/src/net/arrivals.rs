//! Connections that have arrived and not finished their handshakes: few for each address.
//!
//! A connection that says nothing holds its place until the handshake times out. Without a
//! share for each address one computer could hold all places and keep members out.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

/// Handshakes under way from one address (for IPv6, from one network of 64 bits).
const PER_ADDRESS_MAX: usize = 16;
/// On this computer many nodes share one address.
const LOOPBACK_MAX: usize = 128;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    pending: HashMap<ConnectionId, IpAddr>,
}

#[derive(Debug, thiserror::Error)]
#[error("too many handshakes are under way with this address")]
struct TooMany;

impl Arrivals {
    fn arrive(&mut self, connection: ConnectionId, remote: &Multiaddr) -> Result<(), TooMany> {
        let Some(source) = source(remote) else { return Ok(()) };
        let most = if source.is_loopback() { LOOPBACK_MAX } else { PER_ADDRESS_MAX };
        if self.pending.values().filter(|other| **other == source).count() >= most {
            return Err(TooMany);
        }
        self.pending.insert(connection, source);
        Ok(())
    }
}

/// Whose share a connection is charged to.
fn source(remote: &Multiaddr) -> Option<IpAddr> {
    match remote.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) if ip.is_loopback() => Some(IpAddr::V6(ip)),
        Protocol::Ip6(ip) => {
            let network = u128::from(ip) & !u128::from(u64::MAX);
            Some(IpAddr::V6(network.into()))
        }
        _ => None,
    }
}

impl NetworkBehaviour for Arrivals {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.arrive(connection, remote).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _peer: PeerId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&connection);
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _connection: ConnectionId,
        _peer: PeerId,
        _address: &Multiaddr,
        _role: Endpoint,
        _port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ListenFailure(failure) = event {
            self.pending.remove(&failure.connection_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _peer: PeerId,
        _connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_a_share_of_its_own() {
        let mut arrivals = Arrivals::default();
        let from = |text: &str| text.parse::<Multiaddr>().unwrap();
        let mut next = 0;
        let mut arrive = |arrivals: &mut Arrivals, text: &str| {
            next += 1;
            arrivals.arrive(ConnectionId::new_unchecked(next), &from(text)).is_ok()
        };
        for port in 1..=PER_ADDRESS_MAX {
            assert!(arrive(&mut arrivals, &format!("/ip4/10.0.0.1/tcp/{port}")));
        }
        assert!(!arrive(&mut arrivals, "/ip4/10.0.0.1/tcp/99"));
        assert!(arrive(&mut arrivals, "/ip4/10.0.0.2/tcp/99"));
        for host in 1..=PER_ADDRESS_MAX {
            assert!(arrive(&mut arrivals, &format!("/ip6/fd00::{host:x}/tcp/1")));
        }
        assert!(!arrive(&mut arrivals, "/ip6/fd00::ffff/tcp/1"), "one network, one share");
        // A handshake that fails gives its place back.
        arrivals.pending.remove(&ConnectionId::new_unchecked(1));
        assert!(arrive(&mut arrivals, "/ip4/10.0.0.1/tcp/99"));
    }
}
