//! `conclave devnet`: a local test network of real processes.

mod child;
mod demo;
mod forge;
mod state;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use conclave_node::api::types::Message;
use conclave_node::forge::ForgeKind;
use serde::Serialize;

use crate::args::Context;
use crate::commands::open::open_on_desktop;
use crate::devnet::child::Network;
use crate::devnet::state::{Devnet, NodeEntry};
use crate::error::CliError;
use crate::escape;
use crate::output::{Output, shell_word};
use crate::signals::Signals;

/// Start a local test network of three nodes
///
/// Founds "Devnet Company" with the agents alice (admin), bob and carol, each a real process
/// with a home of its own; lets bob and carol join with safety codes; makes Departments,
/// Groups, a Role and three Chat Rooms; sends messages and shows who sees what; then sends
/// forged messages and shows that they are refused. The nodes keep running until Ctrl-C; the
/// links to their web pages are printed, and alice's is opened on a desktop.
///
/// Example: conclave devnet --exit
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DevnetArgs {
    #[command(flatten)]
    start: StartArgs,
    #[command(subcommand)]
    command: Option<DevnetCommand>,
}

#[derive(Debug, Args)]
struct StartArgs {
    /// Folder for the homes of the nodes [default: a fresh one in the temporary folder]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// End after the demonstration: with 0 if everything went as it should
    #[arg(long)]
    exit: bool,
    /// Only print the links of the web pages; without this, alice's is opened on a desktop
    #[arg(long)]
    no_browser: bool,
}

#[derive(Debug, Subcommand)]
enum DevnetCommand {
    /// Send a forged message on a devnet that runs, and show that it is refused
    ///
    /// Example: conclave devnet forge no-membership --as carol --to bob
    Forge(ForgeArgs),
}

#[derive(Debug, Args)]
struct ForgeArgs {
    /// What is wrong with the message
    #[arg(value_parser = forge::kind_parser())]
    kind: ForgeKind,
    /// Whose keys sign it
    #[arg(long = "as", value_name = "A")]
    author: String,
    /// To whom it is sent
    #[arg(long, value_name = "B")]
    to: String,
    /// Folder of the devnet [default: the one started last]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What `devnet --exit --json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    ok: bool,
    nodes: Vec<ReportedNode>,
    accepted: Vec<Message>,
    refused: Vec<Refusal>,
}

/// A node, and how to look at its page if it stays up.
#[derive(Debug, Serialize)]
pub(crate) struct ReportedNode {
    #[serde(flatten)]
    entry: NodeEntry,
    /// A link that lets one browser in. Not kept in the folder: it opens the page to its reader.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<String>,
}

impl From<NodeEntry> for ReportedNode {
    fn from(entry: NodeEntry) -> Self {
        Self { entry, open: None }
    }
}

/// A forged message that a node has refused.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    by: String,
    reason: String,
}

pub(crate) async fn run(context: &Context, args: DevnetArgs) -> Result<(), CliError> {
    match args.command {
        Some(DevnetCommand::Forge(args)) => forge::run(&context.out, args).await,
        None => start(&context.out, args.start).await,
    }
}

/// Starts the network, shows what it does, and ends it, whatever happens in between.
async fn start(out: &Output, args: StartArgs) -> Result<(), CliError> {
    let mut signals = Signals::listen()?;
    let dir = state::make_folder(args.dir)?;
    let mut network = Network::new(dir);
    let result = tokio::select! {
        result = show(out, &mut network, args.exit, args.no_browser) => result,
        () = signals.ended() => {
            out.note("\nEnding the nodes…");
            // To end a network that stays up is what Ctrl-C is for; to break off a
            // demonstration is not success.
            if network.complete() { Ok(()) } else { Err(interrupted()) }
        }
    };
    network.stop().await;
    result
}

async fn show(
    out: &Output,
    network: &mut Network,
    exit: bool,
    no_browser: bool,
) -> Result<(), CliError> {
    let progress = Progress { out: *out, stdout: !out.json() };
    let mut report = demo::run(&progress, network).await?;
    let forged = forge::demonstrate(&progress, network, &mut report).await;
    report.ok = forged.is_ok();
    report.nodes = network.entries().into_iter().map(ReportedNode::from).collect();
    let devnet = Devnet { pid: std::process::id(), nodes: network.entries() };
    devnet.store(network.dir())?;
    network.set_complete();
    if exit {
        if out.json() {
            out.document(&report)?;
        }
        forged?;
        let dir = escape::line(&network.dir().to_string_lossy()).to_string();
        return progress.say(&format!(
            "Everything went as it should. The nodes end now; their homes stay in {dir}."
        ));
    }
    if let Err(CliError::Problem(problem)) = &forged {
        progress.say(&format!("The forgeries failed: {}", escape::line(&problem.message)))?;
    }
    for (reported, node) in report.nodes.iter_mut().zip(network.nodes()) {
        reported.open = Some(node.client.new_link().await?.open);
    }
    if out.json() {
        out.document(&report)?;
    }
    progress.say(&usage_text(&devnet.nodes))?;
    progress.say(&page_text(&report.nodes))?;
    if let Some(link) = report.nodes.first().and_then(|node| node.open.as_deref())
        && !no_browser
    {
        open_on_desktop(out, link).await;
    }
    Err(network.first_end().await)
}

/// How to use the nodes from another terminal, with this very program: it need not be on the
/// path.
fn usage_text(nodes: &[NodeEntry]) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("conclave"));
    let program = shell_word(&program.to_string_lossy());
    let mut text = "\nThe network stays up until Ctrl-C. From another terminal:\n".to_owned();
    for node in nodes {
        let home = shell_word(&node.home.to_string_lossy());
        let room = if node.agent == "carol" { "Sales" } else { "Support" };
        text += &format!("  {program} --home {home} send {room} \"hello\"\n");
        text += &format!("  {program} --home {home} tail {room}\n");
    }
    text + &format!("  {program} devnet forge no-membership --as carol --to bob")
}

/// The links to the pages; last, so that they are what is seen.
fn page_text(nodes: &[ReportedNode]) -> String {
    let links = nodes.iter().filter_map(|node| {
        let agent = escape::line(&node.entry.agent);
        node.open.as_ref().map(|link| format!("Web page of {agent}: {link}"))
    });
    let links: Vec<String> = links.collect();
    format!("\nEach link lets one browser in, within ten minutes:\n  {}", links.join("\n  "))
}

fn interrupted() -> CliError {
    CliError::failed("interrupted before the demonstration was complete", "run it again")
}

/// Tells what happens, for people.
pub(crate) struct Progress {
    out: Output,
    stdout: bool,
}

impl Progress {
    pub(crate) fn say(&self, text: &str) -> Result<(), CliError> {
        if self.stdout && !self.out.quiet() { self.out.print(text) } else { Ok(()) }
    }

    pub(crate) fn heading(&self, text: &str) -> Result<(), CliError> {
        self.say(&format!("\n{}", self.out.bold(text)))
    }

    pub(crate) fn out(&self) -> &Output {
        &self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_as_documented() {
        let report = Report {
            ok: true,
            nodes: vec![ReportedNode::from(NodeEntry {
                agent: "alice".into(),
                home: "/d/alice".into(),
                api: "http://127.0.0.1:1".into(),
            })],
            accepted: Vec::new(),
            refused: vec![Refusal { by: "bob".into(), reason: "no_membership".into() }],
        };
        let expected = serde_json::json!({
            "ok": true,
            "nodes": [{ "agent": "alice", "home": "/d/alice", "api": "http://127.0.0.1:1" }],
            "accepted": [],
            "refused": [{ "by": "bob", "reason": "no_membership" }],
        });
        assert_eq!(serde_json::to_value(report).expect("JSON"), expected);
    }
}
