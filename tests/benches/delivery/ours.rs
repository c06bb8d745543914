//! Conclave with everything on: grants, our signature, checks, a durable store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use conclave_node::handle::Handle;
use conclave_node::node::{Node, NodeConfig, found, request_join};
use conclave_protocol::engine::{Command, Event};
use conclave_protocol::object::HistoryPolicy;
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};

use crate::{Figures, PACED_PER_SECOND, PATIENCE, Plan, age_ms, cpu, text};

/// Messages that are not durable yet, at most: as a program that posts many would do.
const WINDOW: usize = 256;

struct Company {
    nodes: Vec<Node>,
    _homes: Vec<TempDir>,
}

struct Receiver {
    received: Arc<AtomicU64>,
    latencies: mpsc::UnboundedReceiver<f64>,
}

pub(crate) async fn run(plan: &Plan) -> Figures {
    let Plan { nodes, messages, paced_seconds } = *plan;
    let company = start(nodes).await;
    let mut receivers: Vec<Receiver> =
        company.nodes[1..].iter().map(|node| listen(&node.handle())).collect();
    let sender = company.nodes[0].handle();
    let expected_each = receivers.len() as u64;

    send(&sender, text(0)).await;
    wait_for(&receivers, 0, expected_each).await;

    let base = total(&receivers);
    let (started, cpu_before) = (Instant::now(), cpu::seconds());
    send_many(&sender, messages).await;
    let expected = messages * expected_each;
    let (delivered, last) = wait_for(&receivers, base, expected).await;
    let seconds = last.duration_since(started).as_secs_f64();
    let cpu_seconds = cpu::seconds() - cpu_before;

    for receiver in &mut receivers {
        while receiver.latencies.try_recv().is_ok() {}
    }
    let base = total(&receivers);
    let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / PACED_PER_SECOND));
    let paced = PACED_PER_SECOND * paced_seconds;
    for number in 0..paced {
        tick.tick().await;
        let sender = sender.clone();
        tokio::spawn(async move { send(&sender, text(number)).await });
    }
    let (paced_delivered, _) = wait_for(&receivers, base, paced * expected_each).await;
    let mut latencies_ms = Vec::new();
    for receiver in &mut receivers {
        while let Ok(ms) = receiver.latencies.try_recv() {
            latencies_ms.push(ms);
        }
    }
    latencies_ms.sort_by(f64::total_cmp);
    for node in company.nodes {
        node.stop().await;
    }
    Figures {
        name: "Conclave",
        sent: messages,
        expected,
        delivered,
        seconds,
        cpu_seconds,
        latencies_ms,
        paced_lost: paced * expected_each - paced_delivered,
    }
}

/// Sends as fast as the node takes messages; returns when the last has been handed in.
pub(crate) async fn send_many(sender: &Handle, messages: u64) {
    let window = Arc::new(Semaphore::new(WINDOW));
    for number in 0..messages {
        let permit = window.clone().acquire_owned().await.expect("the window is open");
        let sender = sender.clone();
        tokio::spawn(async move {
            send(&sender, text(number)).await;
            drop(permit);
        });
    }
}

async fn send(handle: &Handle, text: String) {
    let command = Command::Send { room: "Bench".to_owned(), text };
    handle.command(command).await.expect("the message is durable");
}

fn total(receivers: &[Receiver]) -> u64 {
    receivers.iter().map(|r| r.received.load(Ordering::Relaxed)).sum()
}

async fn wait_for(receivers: &[Receiver], base: u64, expected: u64) -> (u64, Instant) {
    let deadline = Instant::now() + PATIENCE;
    let (mut newest, mut last) = (0, Instant::now());
    loop {
        let now = total(receivers) - base;
        if now > newest {
            (newest, last) = (now, Instant::now());
        }
        if now >= expected || Instant::now() > deadline {
            return (newest, last);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn listen(handle: &Handle) -> Receiver {
    let mut events = handle.events();
    let received = Arc::new(AtomicU64::new(0));
    let (latency, latencies) = mpsc::unbounded_channel();
    let counter = received.clone();
    tokio::spawn(async move {
        loop {
            match events.recv().await {
                Ok(Event::Message(message, _)) => {
                    counter.fetch_add(1, Ordering::Relaxed);
                    if let Some(ms) = age_ms(&message.text) {
                        let _ = latency.send(ms);
                    }
                }
                Ok(_) => {}
                Err(tokio::sync::broadcast::error::RecvError::Lagged(missed)) => {
                    // Shows as loss, which it is not: better to end here.
                    eprintln!("the benchmark's reader missed {missed} events");
                    std::process::exit(1);
                }
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            }
        }
    });
    Receiver { received, latencies }
}

/// A company of connected nodes with one room for all.
async fn start(count: usize) -> Company {
    let homes: Vec<TempDir> = (0..count).map(|_| TempDir::new().expect("a folder")).collect();
    let path = |n: usize| homes[n].path().join("home");
    found(&path(0), "Bench", "agent 0", None, None).expect("founds");
    let mut nodes = vec![up(path(0), Vec::new()).await];
    let admin = nodes[0].handle();
    let address = admin.net().listen.first().cloned().expect("listens");
    for n in 1..count {
        let peers = [address.clone()];
        request_join(&path(n), &format!("agent {n}"), None, &peers, None).expect("asks to join");
        nodes.push(up(path(n), Vec::new()).await);
        approve_one(&admin).await;
    }
    make_room(&admin).await;
    for node in &nodes {
        wait_for_all(&node.handle(), count).await;
    }
    Company { nodes, _homes: homes }
}

pub(crate) async fn approve_one(admin: &Handle) {
    let request = until(async || {
        let requests = admin.query(conclave_protocol::engine::Engine::join_requests).await;
        requests.ok()?.ok()?.into_iter().next()
    })
    .await;
    let units = Vec::new();
    let approve = Command::Approve { name: request.name, code: request.code, units };
    admin.command(approve).await.expect("approves");
}

pub(crate) async fn make_room(admin: &Handle) {
    let room = Command::NewRoom {
        name: "Bench".to_owned(),
        permits: vec!["role:Agent".to_owned()],
        history: HistoryPolicy::Full,
    };
    admin.command(room).await.expect("makes the room");
}

/// Waits until a node sees all nodes in the room.
pub(crate) async fn wait_for_all(handle: &Handle, count: usize) {
    until(async || {
        let present = handle.query(|engine| engine.participants("Bench")).await;
        present.ok()?.ok().filter(|(_, agents)| agents.len() == count)
    })
    .await;
}

pub(crate) async fn up(home: std::path::PathBuf, peers: Vec<String>) -> Node {
    let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    let config = NodeConfig { home, listen, peers, mdns: false, api: None, passphrase: None };
    Node::start(config).await.expect("starts")
}

/// Waits, for as long as it is reasonable, until `look` finds something.
async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "the company did not come together");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
