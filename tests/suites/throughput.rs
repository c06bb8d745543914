//! Real nodes in this process, over TCP on loopback, under more load than they can carry: nothing
//! is lost, whoever sends too fast waits, and all end with the same messages in the same order.

use std::time::{Duration, Instant};

use conclave_node::handle::Handle;
use conclave_node::node::{Node, NodeConfig, found, request_join};
use conclave_protocol::engine::{Command, Engine, Outcome};
use conclave_protocol::object::HistoryPolicy;
use futures::StreamExt;
use tempfile::TempDir;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// Calls that a sender has open at once; more than the send window.
const CALLS: usize = 800;

struct Company {
    nodes: Vec<Node>,
    _homes: Vec<TempDir>,
}

impl Company {
    /// Connected nodes with one room for all.
    async fn start(count: usize) -> Self {
        let homes: Vec<TempDir> = (0..count).map(|_| TempDir::new().unwrap()).collect();
        let path = |n: usize| homes[n].path().join("home");
        found(&path(0), "Load", "agent 0", None, None).unwrap();
        let mut nodes = vec![up(path(0), Vec::new()).await];
        let admin = nodes[0].handle();
        for n in 1..count {
            let peers = [admin.net().listen[0].clone()];
            request_join(&path(n), &format!("agent {n}"), None, &peers, None).unwrap();
            nodes.push(up(path(n), Vec::new()).await);
            let request = until(async || {
                admin.query(Engine::join_requests).await.ok()?.ok()?.into_iter().next()
            })
            .await;
            let (name, code) = (request.name, request.code);
            admin.command(Command::Approve { name, code, units: Vec::new() }).await.unwrap();
        }
        let room = Command::NewRoom {
            name: "Load".to_owned(),
            permits: vec!["role:Agent".to_owned()],
            history: HistoryPolicy::Full,
        };
        admin.command(room).await.unwrap();
        for node in &nodes {
            let handle = node.handle();
            until(async || {
                let present = handle.query(|engine| engine.participants("Load")).await;
                present.ok()?.ok().filter(|(_, agents)| agents.len() == count)
            })
            .await;
        }
        Self { nodes, _homes: homes }
    }

    /// Waits until every node has so many messages; checks that the order is the same.
    async fn agree_on(&self, count: usize) -> Vec<String> {
        let mut all: Option<Vec<String>> = None;
        for node in &self.nodes {
            let handle = node.handle();
            let texts = until(async || {
                let texts = history(&handle).await;
                (texts.len() >= count).then_some(texts)
            })
            .await;
            assert_eq!(texts.len(), count, "each message is there once");
            assert!(all.as_ref().is_none_or(|all| *all == texts), "the order differs");
            all = Some(texts);
        }
        all.unwrap_or_default()
    }

    async fn stop(self) {
        for node in self.nodes {
            node.stop().await;
        }
    }
}

async fn up(home: std::path::PathBuf, peers: Vec<String>) -> Node {
    let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    Node::start(NodeConfig { home, listen, peers, mdns: false, api: None, passphrase: None })
        .await
        .unwrap()
}

async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "it does not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The texts of the room, oldest first.
async fn history(handle: &Handle) -> Vec<String> {
    let mut pages = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let from = before.clone();
        let page = handle.query(move |engine| engine.history("Load", 1000, from.as_deref())).await;
        let page = page.unwrap().unwrap();
        before = page.messages.first().map(|message| message.id.to_string());
        pages.push(page.messages.into_iter().map(|message| message.text).collect::<Vec<_>>());
        if !page.more {
            return pages.into_iter().rev().flatten().collect();
        }
    }
}

/// Posts messages, many at once, each until it is acknowledged.
async fn post(handle: Handle, name: &'static str, count: usize, at_once: usize) {
    let calls = futures::stream::iter(0..count).map(|n| {
        let handle = handle.clone();
        async move {
            let text = format!("{name} {n:05}");
            let command = Command::Send { room: "Load".to_owned(), text };
            let outcome = handle.command(command).await.unwrap();
            assert!(matches!(outcome, Outcome::Message(_)));
        }
    });
    calls.buffered(at_once).collect::<Vec<()>>().await;
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kb.unwrap_or_default() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_messages_at_once_reach_three_nodes_and_none_is_lost() {
    let company = Company::start(4).await;
    let before = resident_mb();
    post(company.nodes[0].handle(), "one", 5000, CALLS).await;
    // In the order in which the node took them, which calls made at once leave open.
    let mut texts = company.agree_on(5000).await;
    texts.sort_unstable();
    let expected: Vec<String> = (0..5000).map(|n| format!("one {n:05}")).collect();
    assert!(texts == expected, "each message once");
    // Four stores with their caches, and everything that was ever queued.
    let grown = resident_mb().saturating_sub(before);
    assert!(grown < 400, "{grown} MB more than before");
    company.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_floods_keeps_nobody_elses_messages_away() {
    let company = Company::start(3).await;
    let flood = tokio::spawn(post(company.nodes[1].handle(), "flood", 2000, CALLS));
    // One after the other, each acknowledged before the next, while the flood goes on.
    post(company.nodes[2].handle(), "quiet", 40, 1).await;
    flood.await.unwrap();
    let texts = company.agree_on(2040).await;
    let quiet: Vec<&String> = texts.iter().filter(|text| text.starts_with("quiet")).collect();
    assert!(quiet.len() == 40 && quiet.is_sorted());
    company.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_readers_that_are_gone() {
    let mut company = Company::start(2).await;
    if let Some(reader) = company.nodes.pop() {
        reader.stop().await;
    }
    post(company.nodes[0].handle(), "alone", 1500, CALLS).await;
    assert_eq!(company.agree_on(1500).await.len(), 1500);
    company.stop().await;
}
