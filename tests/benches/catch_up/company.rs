//! Companies of nodes in this process, and logs that are written without a network.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use conclave_node::handle::Handle;
use conclave_node::identity::Home;
use conclave_node::node::{Node, NodeConfig, found, request_join};
use conclave_protocol::engine::{Command, Engine};
use conclave_protocol::id::MessageId;
use conclave_protocol::object::HistoryPolicy;
use conclave_tests::bulk;
use tempfile::TempDir;

/// Bytes of a message's text.
pub(crate) const TEXT_BYTES: usize = 256;
/// The name of the room.
pub(crate) const ROOM: &str = "Bench";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// The homes of a company whose nodes are all off.
pub(crate) struct Homes {
    folder: TempDir,
    count: usize,
}

impl Homes {
    /// A company with so many nodes, and one room that all of them have access to.
    pub(crate) async fn found(count: usize) -> Self {
        let folder = tempfile::tempdir_in(".").expect("a folder");
        let homes = Self { folder, count };
        found(&homes.path(0), "Bench", "agent 0", None, None).expect("founds");
        let mut nodes = vec![up(homes.path(0), Vec::new()).await];
        let admin = nodes[0].handle();
        for n in 1..count {
            let peers = addresses(&nodes[..1]);
            request_join(&homes.path(n), &format!("agent {n}"), None, &peers, None).expect("asks");
            nodes.push(up(homes.path(n), Vec::new()).await);
            approve(&admin).await;
        }
        let (name, permits) = (ROOM.to_owned(), vec!["role:Agent".to_owned()]);
        let room = Command::NewRoom { name, permits, history: HistoryPolicy::Full };
        admin.command(room).await.expect("makes the room");
        for node in &nodes {
            wait_for_all(&node.handle(), count).await;
        }
        for node in nodes {
            node.stop().await;
        }
        homes
    }

    pub(crate) fn path(&self, n: usize) -> PathBuf {
        self.folder.path().join(n.to_string())
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Writes messages as the first device of the company, while its node is off. Gives some of
    /// them, from all over.
    pub(crate) fn write(&self, messages: u64) -> Vec<MessageId> {
        bulk::write(&self.path(0), ROOM, messages, text)
    }

    /// Bytes of the store of a home.
    pub(crate) fn store_bytes(&self, n: usize) -> u64 {
        bytes_in(&Home::open(self.path(n)).expect("a home").db_path())
    }
}

/// The text of a message.
pub(crate) fn text(number: u64) -> String {
    let mut text = format!("{number} ");
    while text.len() < TEXT_BYTES {
        text.push('x');
    }
    text
}

pub(crate) async fn up(home: PathBuf, peers: Vec<String>) -> Node {
    let listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    let config = NodeConfig { home, listen, peers, mdns: false, api: None, passphrase: None };
    Node::start(config).await.expect("starts")
}

/// Where nodes can be dialled.
pub(crate) fn addresses(nodes: &[Node]) -> Vec<String> {
    nodes.iter().flat_map(|node| node.ready().listen).collect()
}

async fn approve(admin: &Handle) {
    let requests = async || admin.query(Engine::join_requests).await.ok()?.ok()?.into_iter().next();
    let request = until(requests).await.1;
    let command = Command::Approve { name: request.name, code: request.code, units: Vec::new() };
    admin.command(command).await.expect("approves");
}

/// Waits until a node sees all nodes in the room.
pub(crate) async fn wait_for_all(handle: &Handle, count: usize) {
    until(async || {
        let present = handle.query(|engine| engine.participants(ROOM)).await;
        present.ok()?.ok().filter(|(_, agents)| agents.len() == count)
    })
    .await;
}

/// Waits until `look` finds something; says when that was.
pub(crate) async fn until<T>(look: impl AsyncFnMut() -> Option<T>) -> (Instant, T) {
    until_every(Duration::from_millis(5), look).await
}

/// The same for a look that costs something.
pub(crate) async fn until_every<T>(
    rest: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> (Instant, T) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return (Instant::now(), found);
        }
        assert!(Instant::now() < deadline, "it did not come to an end");
        tokio::time::sleep(rest).await;
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_in(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
