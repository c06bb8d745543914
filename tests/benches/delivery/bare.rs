//! Bare gossipsub: what the transport itself costs, signed as by default, and without signatures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, Event, IdentTopic, MessageAuthenticity, MessageId, ValidationMode,
};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, Swarm, noise, tcp, yamux};
use tokio::sync::{mpsc, oneshot};

use crate::{Figures, PACED_PER_SECOND, PATIENCE, Plan, age_ms, cpu, text};

/// A way to run gossipsub.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// All of libp2p's defaults: every message signed, a mesh of 6.
    Signed,
    /// Nothing signed or verified, a mesh of so many.
    Anonymous(usize),
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Signed => "gossipsub, signed, defaults",
            Self::Anonymous(3) => "gossipsub, anonymous, mesh 3",
            Self::Anonymous(_) => "gossipsub, anonymous, mesh 6",
        }
    }
}

struct Peer {
    publish: mpsc::Sender<String>,
    received: Arc<AtomicU64>,
    latencies: mpsc::UnboundedReceiver<f64>,
}

pub(crate) async fn run(kind: Kind, plan: &Plan) -> Figures {
    let Plan { nodes, messages, paced_seconds } = *plan;
    let mut peers = Vec::new();
    let mut addresses: Vec<Multiaddr> = Vec::new();
    for _ in 0..nodes {
        let (peer, address) = start(&addresses, kind).await;
        peers.push(peer);
        addresses.push(address);
    }
    // Meshes form at heartbeats.
    wait_for_mesh(&mut peers).await;

    let receivers = nodes as u64 - 1;
    let (started, cpu_before) = (Instant::now(), cpu::seconds());
    let base: Vec<u64> = counts(&peers);
    for number in 0..messages {
        peers[0].publish.send(text(number)).await.expect("the publisher runs");
    }
    let expected = messages * receivers;
    let delivered = wait_for(&peers, &base, expected).await;
    let seconds = delivered.1.duration_since(started).as_secs_f64();
    let cpu_seconds = cpu::seconds() - cpu_before;

    for peer in &mut peers {
        while peer.latencies.try_recv().is_ok() {}
    }
    let base = counts(&peers);
    let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / PACED_PER_SECOND));
    let paced = PACED_PER_SECOND * paced_seconds;
    for number in 0..paced {
        tick.tick().await;
        peers[0].publish.send(text(number)).await.expect("the publisher runs");
    }
    let (paced_delivered, _) = wait_for(&peers, &base, paced * receivers).await;
    let mut latencies_ms = Vec::new();
    for peer in &mut peers[1..] {
        while let Ok(ms) = peer.latencies.try_recv() {
            latencies_ms.push(ms);
        }
    }
    latencies_ms.sort_by(f64::total_cmp);
    Figures {
        name: kind.name(),
        sent: messages,
        expected,
        delivered: delivered.0,
        seconds,
        cpu_seconds,
        latencies_ms,
        paced_lost: paced * receivers - paced_delivered,
    }
}

fn counts(peers: &[Peer]) -> Vec<u64> {
    peers.iter().map(|p| p.received.load(Ordering::Relaxed)).collect()
}

/// Waits for deliveries beyond `base`; gives up when none has come for two seconds.
async fn wait_for(peers: &[Peer], base: &[u64], expected: u64) -> (u64, Instant) {
    let deadline = Instant::now() + PATIENCE;
    let (mut newest, mut last) = (0, Instant::now());
    loop {
        let now: u64 = counts(peers).iter().zip(base).skip(1).map(|(n, b)| n - b).sum();
        if now > newest {
            (newest, last) = (now, Instant::now());
        }
        let silent = last.elapsed() > Duration::from_secs(2);
        if now >= expected || silent || Instant::now() > deadline {
            return (newest, last);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn wait_for_mesh(peers: &mut [Peer]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let base = counts(peers);
        peers[0].publish.send(text(0)).await.expect("the publisher runs");
        let expected = peers.len() as u64 - 1;
        if wait_for(peers, &base, expected).await.0 == expected {
            return;
        }
        assert!(Instant::now() < deadline, "the mesh did not form");
    }
}

async fn start(known: &[Multiaddr], kind: Kind) -> (Peer, Multiaddr) {
    let mut swarm = swarm(kind);
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("listens");
    for address in known {
        swarm.dial(address.clone()).expect("dials");
    }
    let topic = IdentTopic::new("bench");
    swarm.behaviour_mut().subscribe(&topic).expect("subscribes");
    let (publish, mut texts) = mpsc::channel::<String>(64);
    let (latency, latencies) = mpsc::unbounded_channel();
    let received = Arc::new(AtomicU64::new(0));
    let counter = received.clone();
    let (listening, listens) = oneshot::channel();
    tokio::spawn(async move {
        let mut listening = Some(listening);
        loop {
            tokio::select! {
                event = swarm.select_next_some() => match event {
                    SwarmEvent::NewListenAddr { address, .. } => {
                        if let Some(listening) = listening.take() {
                            let _ = listening.send(address);
                        }
                    }
                    SwarmEvent::Behaviour(Event::Message { message, .. }) => {
                        counter.fetch_add(1, Ordering::Relaxed);
                        let age = std::str::from_utf8(&message.data).ok().and_then(age_ms);
                        if let Some(ms) = age {
                            let _ = latency.send(ms);
                        }
                    }
                    _ => {}
                },
                text = texts.recv() => match text {
                    // What its queues do not take is lost: that is what is measured.
                    Some(text) => {
                        let _ = swarm.behaviour_mut().publish(topic.clone(), text);
                    }
                    None => return,
                },
            }
        }
    });
    let address = listens.await.expect("listens");
    (Peer { publish, received, latencies }, address)
}

fn swarm(kind: Kind) -> Swarm<Behaviour> {
    libp2p::SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|key| {
            let mut config = ConfigBuilder::default();
            let authenticity = match kind {
                Kind::Signed => {
                    config.validation_mode(ValidationMode::Strict);
                    MessageAuthenticity::Signed(key.clone())
                }
                Kind::Anonymous(mesh) => {
                    config.validation_mode(ValidationMode::Anonymous);
                    // Without a source all ids would be equal.
                    config.message_id_fn(|message| {
                        MessageId::from(message.data.iter().take(40).copied().collect::<Vec<u8>>())
                    });
                    if mesh < 6 {
                        config.mesh_n(mesh).mesh_n_low(mesh - 1).mesh_n_high(8);
                        config.mesh_outbound_min(1);
                    }
                    MessageAuthenticity::Anonymous
                }
            };
            let config = config.build().expect("a configuration");
            Behaviour::new(authenticity, config).expect("a behaviour")
        })
        .expect("a behaviour")
        .with_swarm_config(|c| c.with_idle_connection_timeout(Duration::from_secs(600)))
        .build()
}
