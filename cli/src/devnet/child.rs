//! The nodes of a devnet: child processes, each with a home of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use conclave_node::api::client::Client;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::state::NodeEntry;
use crate::commands::up::ReadyLine;
use crate::error::CliError;

/// How long a node may take to be ready; a busy computer is slow.
const READY_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a node may take to end before it is ended.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);
/// How often conditions are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A node that runs.
pub(crate) struct DevNode {
    /// Its agent.
    pub(crate) agent: String,
    /// Its home.
    pub(crate) home: PathBuf,
    /// Calls it.
    pub(crate) client: Client,
    /// An address at which the others reach it.
    pub(crate) listen: Option<String>,
    process: Child,
    /// The node ends when this is closed, also if this process is killed.
    stdin: Option<ChildStdin>,
}

impl DevNode {
    /// The node, for files and reports.
    pub(crate) fn entry(&self) -> NodeEntry {
        NodeEntry {
            agent: self.agent.clone(),
            home: self.home.clone(),
            api: self.client.address().to_owned(),
        }
    }
}

/// All nodes of a devnet. Dropping it kills what still runs.
pub(crate) struct Network {
    dir: PathBuf,
    nodes: Vec<DevNode>,
    complete: bool,
}

impl Network {
    /// No node yet.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, nodes: Vec::new(), complete: false }
    }

    /// The folder with the homes.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The home of an agent.
    pub(crate) fn home(&self, agent: &str) -> PathBuf {
        self.dir.join(agent)
    }

    /// Whether the demonstration is over.
    pub(crate) fn complete(&self) -> bool {
        self.complete
    }

    /// Notes that the demonstration is over.
    pub(crate) fn set_complete(&mut self) {
        self.complete = true;
    }

    /// The nodes, for files and reports.
    pub(crate) fn entries(&self) -> Vec<NodeEntry> {
        self.nodes.iter().map(DevNode::entry).collect()
    }

    /// All nodes that run.
    pub(crate) fn nodes(&self) -> &[DevNode] {
        &self.nodes
    }

    /// The node of an agent.
    pub(crate) fn node(&self, agent: &str) -> Result<&DevNode, CliError> {
        self.nodes.iter().find(|node| node.agent == agent).ok_or_else(|| {
            CliError::failed(format!("the node of {agent} was not started"), "report this")
        })
    }

    /// Starts the node of an agent on its home, which must be prepared, and waits until it
    /// is ready.
    pub(crate) async fn start(&mut self, agent: &str, peer: Option<&str>) -> Result<(), CliError> {
        let failed = |what: String| {
            let log = self.log(agent);
            CliError::failed(
                format!("the node of {agent} {what}"),
                format!("see its log: {}", log.display()),
            )
        };
        let mut process = self
            .command(agent, peer)
            .and_then(|mut command| command.spawn())
            .map_err(|error| failed(format!("cannot be started: {error}")))?;
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().ok_or_else(|| failed("has no output".to_owned()))?;
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        let read = tokio::time::timeout(READY_TIME_MAX, stdout.read_line(&mut line)).await;
        match read {
            Ok(Ok(1..)) => {}
            Ok(_) => return Err(failed("ended before it was ready".to_owned())),
            Err(_) => return Err(failed("was not ready in time".to_owned())),
        }
        let ready: ReadyLine = serde_json::from_str(&line)
            .map_err(|_| failed("said something unexpected when it was ready".to_owned()))?;
        let home = self.home(agent);
        let client = Client::open(&home)?;
        let listen = ready.listen.into_iter().next();
        let agent = agent.to_owned();
        self.nodes.push(DevNode { agent, home, client, listen, process, stdin });
        Ok(())
    }

    /// Waits until `look` finds what it looks for, in at most `limit`; `what` names it.
    pub(crate) async fn wait<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut look: impl AsyncFnMut(&Self) -> Result<Option<T>, CliError>,
    ) -> Result<T, CliError> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            if let Some(found) = look(self).await? {
                return Ok(found);
            }
            self.check_alive()?;
            if tokio::time::Instant::now() >= deadline {
                return Err(CliError::failed(
                    format!("not within {} s: {what}", limit.as_secs()),
                    format!("see the logs in {}", self.dir.display()),
                ));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Resolves when a node ends that should not.
    pub(crate) async fn first_end(&mut self) -> CliError {
        loop {
            if let Err(error) = self.check_alive() {
                return error;
            }
            tokio::time::sleep(LOOK_EVERY * 10).await;
        }
    }

    /// Ends all nodes, cleanly where they let themselves be ended.
    pub(crate) async fn stop(&mut self) {
        stop_all(&mut self.nodes).await;
        self.nodes.clear();
    }

    /// Ends the node of one agent; it can be started again.
    pub(crate) async fn stop_node(&mut self, agent: &str) {
        let (mut ending, others) =
            std::mem::take(&mut self.nodes).into_iter().partition(|node| node.agent == agent);
        self.nodes = others;
        stop_all(&mut ending).await;
    }

    fn command(&self, agent: &str, peer: Option<&str>) -> std::io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("up")
            .arg("--home")
            .arg(self.home(agent))
            .args(["--no-mdns", "--with-parent", "--quiet"])
            .args(["--listen", "/ip4/127.0.0.1/tcp/0"])
            .env_remove("CONCLAVE_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(self.log(agent))?)
            .kill_on_drop(true);
        if let Some(peer) = peer {
            command.args(["--peer", peer]);
        }
        // Ctrl-C reaches this process alone, which then ends its nodes in good order.
        #[cfg(unix)]
        command.process_group(0);
        Ok(command)
    }

    fn log(&self, agent: &str) -> PathBuf {
        self.dir.join(format!("{agent}.log"))
    }

    fn check_alive(&mut self) -> Result<(), CliError> {
        for node in &mut self.nodes {
            if let Ok(Some(status)) = node.process.try_wait() {
                let log = self.dir.join(format!("{}.log", node.agent));
                return Err(CliError::failed(
                    format!("the node of {} ended by itself: {status}", node.agent),
                    format!("see its log: {}", log.display()),
                ));
            }
        }
        Ok(())
    }
}

/// Asks all to end before it waits for any.
async fn stop_all(nodes: &mut [DevNode]) {
    for node in nodes.iter_mut() {
        node.stdin = None;
    }
    let deadline = tokio::time::Instant::now() + STOP_TIME_MAX;
    for node in nodes {
        if tokio::time::timeout_at(deadline, node.process.wait()).await.is_err() {
            // It may have ended this very moment, which is as good.
            let _ = node.process.kill().await;
        }
    }
}
