//! The swarm of an outsider: libp2p as it comes, with nothing of our network layer.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use conclave_protocol::id::{RoomId, Topic};
use conclave_protocol::sync::{Part, Request, Response, RoomSummary};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, MessageAuthenticity, MessageId, ValidationMode,
};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, Codec, Message, OutboundRequestId, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, noise, ping, tcp, yamux};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{AGAIN, Loot, Order};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/conclave/sync/1");
const FRAME_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The name of a topic in gossip.
pub(super) fn gossip_name(topic: Topic) -> String {
    format!("conclave/1/{topic}")
}

#[derive(NetworkBehaviour)]
struct Wild {
    gossip: gossipsub::Behaviour,
    requests: request_response::Behaviour<Frames>,
    ping: ping::Behaviour,
}

/// A length of four bytes, then the frame.
#[derive(Clone, Default)]
struct Frames;

impl Codec for Frames {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        frame: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &frame).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        frame: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &frame).await
    }
}

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let mut frame = Vec::new();
    io.take(u64::from(u32::from_be_bytes(length)).min(FRAME_BYTES_MAX))
        .read_to_end(&mut frame)
        .await?;
    Ok(frame)
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(frame).await
}

/// Runs until the orders end.
pub(super) fn run(
    seed: [u8; 32],
    addresses: &[String],
    lies: Vec<RoomId>,
    loot: &Mutex<Loot>,
    orders: UnboundedReceiver<Order>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let addresses: Vec<Multiaddr> =
        addresses.iter().map(|address| address.parse().expect("an address")).collect();
    runtime.expect("a runtime").block_on(async {
        let running =
            Running { swarm: swarm(seed), addresses, lies, loot, answers: HashMap::new() };
        running.run(orders).await;
    });
}

struct Running<'a> {
    swarm: Swarm<Wild>,
    addresses: Vec<Multiaddr>,
    /// Rooms that it claims to be in, and to have nothing of.
    lies: Vec<RoomId>,
    loot: &'a Mutex<Loot>,
    answers: HashMap<OutboundRequestId, mpsc::Sender<Option<Vec<u8>>>>,
}

impl Running<'_> {
    async fn run(mut self, mut orders: UnboundedReceiver<Order>) {
        let mut again = tokio::time::interval(AGAIN);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.follow(event),
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                _ = again.tick() => self.dial(),
            }
        }
    }

    /// Whoever has hung up is called again.
    fn dial(&mut self) {
        if self.swarm.network_info().num_peers() >= self.addresses.len() {
            return;
        }
        for address in self.addresses.clone() {
            // A dial that fails is made again.
            let _ = self.swarm.dial(address);
        }
    }

    fn obey(&mut self, order: Order) {
        let behaviour = self.swarm.behaviour_mut();
        match order {
            Order::Subscribe(topic) => {
                behaviour.gossip.subscribe(&IdentTopic::new(topic)).expect("it may try");
            }
            Order::Publish(topic, bytes) => {
                // Without a neighbour in the topic nobody hears it.
                let _ = behaviour.gossip.publish(IdentTopic::new(topic), bytes);
            }
            Order::Ask { peer, frame, answer } => {
                let request = behaviour.requests.send_request(&peer, frame);
                self.answers.insert(request, answer);
            }
        }
    }

    fn take(&self, change: impl FnOnce(&mut Loot)) {
        change(&mut self.loot.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn follow(&mut self, event: SwarmEvent<WildEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                self.take(|loot| {
                    loot.connected.insert(peer_id);
                });
            }
            SwarmEvent::Behaviour(WildEvent::Gossip(event)) => self.follow_gossip(event),
            SwarmEvent::Behaviour(WildEvent::Requests(event)) => self.follow_request(event),
            _ => {}
        }
    }

    fn follow_gossip(&self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { message, .. } => self.take(|loot| {
                loot.heard.insert(message.topic.into_string());
                loot.received.push(message.data);
            }),
            gossipsub::Event::Subscribed { peer_id, topic } => {
                self.take(|loot| {
                    loot.announced.insert((peer_id, topic.into_string()));
                });
            }
            _ => {}
        }
    }

    fn follow_request(&mut self, event: request_response::Event<Vec<u8>, Vec<u8>>) {
        match event {
            request_response::Event::Message { message, .. } => match message {
                Message::Request { request, channel, .. } => {
                    let answer = self.lie(&request).encode();
                    self.take(|loot| loot.received.push(request));
                    // It may have hung up.
                    let _ = self.swarm.behaviour_mut().requests.send_response(channel, answer);
                }
                Message::Response { request_id, response } => {
                    self.take(|loot| loot.received.push(response.clone()));
                    self.answer(request_id, Some(response));
                }
            },
            request_response::Event::OutboundFailure { request_id, .. } => {
                self.answer(request_id, None);
            }
            _ => {}
        }
    }

    fn answer(&mut self, request: OutboundRequestId, frame: Option<Vec<u8>>) {
        if let Some(answer) = self.answers.remove(&request) {
            // The test waits no longer.
            let _ = answer.send(frame);
        }
    }

    /// To be in all rooms and to have nothing of them: an honest node would bring it.
    fn lie(&self, request: &[u8]) -> Response {
        let nothing = |room| RoomSummary { room, ..none() };
        match Request::decode(request) {
            Ok(Request::Summary) => Response::Summary {
                control: none(),
                rooms: self.lies.iter().copied().map(nothing).collect(),
                waiting: self.lies.iter().copied().map(nothing).collect(),
            },
            Ok(Request::Ranges { upper, .. }) => Response::Parts {
                parts: vec![Part { upper, count: 0, fingerprint: none().fingerprint }],
            },
            Ok(Request::List { .. } | Request::Newest { .. } | Request::Heads { .. }) => {
                Response::Ids { ids: Vec::new(), more: false }
            }
            Ok(Request::Get { ids, .. }) => {
                Response::Objects { objects: Vec::new(), done: ids.len() as u64 }
            }
            Ok(Request::Instants { .. }) => Response::Instants { next: None, rooms: Vec::new() },
            Ok(Request::EpochKeys { .. }) => Response::EpochKeys { keys: Vec::new() },
            _ => Response::Ack,
        }
    }
}

fn none() -> RoomSummary {
    RoomSummary { room: RoomId::default(), count: 0, fingerprint: Default::default() }
}

fn swarm(seed: [u8; 32]) -> Swarm<Wild> {
    let keypair = Keypair::ed25519_from_bytes(seed).expect("a key");
    let config = ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(|message| MessageId::from(blake3::hash(&message.data).as_bytes().to_vec()))
        .max_transmit_size(4 * 1024 * 1024)
        .build()
        .expect("a configuration");
    SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|_| Wild {
            gossip: gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config)
                .expect("gossip"),
            requests: request_response::Behaviour::with_codec(
                Frames,
                [(PROTOCOL, ProtocolSupport::Full)],
                request_response::Config::default(),
            ),
            ping: ping::Behaviour::default(),
        })
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_hours(1)))
        .build()
}
