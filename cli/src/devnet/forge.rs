//! Forged messages, and the proof that they are refused.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use conclave_node::api::client::Client;
use conclave_node::api::types::ControlEntry;
use conclave_node::forge::{ForgeConfig, ForgeKind, forge};
use conclave_protocol::id::RoomId;
use conclave_protocol::limits::HISTORY_PAGE_MAX;

use super::child::Network;
use super::state::{Devnet, NodeEntry};
use super::{ForgeArgs, Progress, Refusal, Report};
use crate::error::CliError;
use crate::escape;
use crate::output::Output;

/// How long a refusal may take to show up in the counters.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Reads the word of a kind on the command line.
pub(crate) fn kind_parser() -> impl TypedValueParser<Value = ForgeKind> {
    PossibleValuesParser::new(ForgeKind::ALL.map(ForgeKind::word)).try_map(|word| {
        let kind = ForgeKind::ALL.into_iter().find(|kind| kind.word() == word);
        kind.ok_or("not a kind of forgery")
    })
}

/// What is wrong with a message of this kind, for people.
fn described(kind: ForgeKind) -> &'static str {
    match kind {
        ForgeKind::NoMembership => "rightly signed, but the room is not open to its author",
        ForgeKind::BadSignature => "with a broken signature",
        ForgeKind::UnknownKey => "rightly signed, but by a key that no admin has certified",
        ForgeKind::OtherRoom => "made for another room",
    }
}

/// What was sent.
struct Forged {
    /// The room it claims to belong to.
    room: String,
    /// Its text, by which it would be found if it were accepted.
    text: String,
}

/// Forges a message with the keys of one home and sends it to the node of another.
async fn forge_step(
    kind: ForgeKind,
    author: &NodeEntry,
    target: &NodeEntry,
) -> Result<Forged, CliError> {
    let to = Client::open(&target.home)?;
    let (id, room) = closed_room(author, target).await?;
    let status = to.status().await?;
    let address = status.listen.into_iter().next().ok_or_else(|| {
        CliError::failed(format!("{} listens nowhere", target.agent), "start the devnet again")
    })?;
    // The forger is a node that knows the company: only its message is wrong.
    let entries = to.control().await?.objects;
    let control = entries.iter().filter_map(ControlEntry::signed_bytes).collect();
    // Its own text each time, so that it can be looked for.
    let text = format!("forged: {} ({})", kind.word(), std::process::id());
    let home = author.home.clone();
    let config =
        ForgeConfig { home, control, target: status.device, address, room: id, text: text.clone() };
    forge(kind, config).await.map_err(|error| {
        CliError::failed(
            format!("the forged message could not be sent: {error}"),
            "see that both nodes run",
        )
    })?;
    Ok(Forged { room, text })
}

/// A room that is open to the target and not to the author, as the target sees it: the
/// author's node need not run.
async fn closed_room(author: &NodeEntry, target: &NodeEntry) -> Result<(RoomId, String), CliError> {
    let to = Client::open(&target.home)?;
    for room in to.rooms(false).await?.rooms {
        let agents = to.access(&room.id.to_string()).await?.agents;
        if agents.iter().all(|agent| agent.name != author.agent) {
            return Ok((room.id, room.name));
        }
    }
    Err(CliError::usage(
        format!("every room of {} is open to {} as well", target.agent, author.agent),
        "choose two agents such as `--as carol --to bob`",
    ))
}

/// Carries out `devnet forge` on a devnet that runs.
pub(crate) async fn run(out: &Output, args: ForgeArgs) -> Result<(), CliError> {
    let devnet = Devnet::load(args.dir)?;
    let author = devnet.node(&args.author)?;
    let target = devnet.node(&args.to)?;
    let client = Client::open(&target.home)?;
    let attempt = Attempt { kind: args.kind, author, target, client: &client };
    let (refusal, text) = attempt.run().await?;
    if out.json() { out.document(&refusal) } else { out.print(&text) }
}

/// The forgeries of the demonstration. Meanwhile carol's own node is off: two nodes with one
/// key would keep taking each other's connections.
pub(crate) async fn demonstrate(
    progress: &Progress,
    network: &mut Network,
    report: &mut Report,
) -> Result<(), CliError> {
    progress.heading("Forgeries")?;
    progress.say("carol's node ends; a program without its checks takes its place and key.")?;
    let author = network.node("carol")?.entry();
    let targets = [network.node("bob")?.entry(), network.node("alice")?.entry()];
    network.stop_node("carol").await;
    let forged = forge_all(progress, &author, &targets, report).await;
    let peer = network.node("bob")?.listen.clone();
    network.start("carol", peer.as_deref()).await?;
    forged
}

async fn forge_all(
    progress: &Progress,
    author: &NodeEntry,
    targets: &[NodeEntry],
    report: &mut Report,
) -> Result<(), CliError> {
    for target in targets {
        let client = &Client::open(&target.home)?;
        for kind in [ForgeKind::NoMembership, ForgeKind::BadSignature] {
            let attempt = Attempt { kind, author, target, client };
            let (refusal, text) = attempt.run().await?;
            report.refused.push(refusal);
            progress.say(&text)?;
        }
    }
    Ok(())
}

/// One forged message from one agent to another.
struct Attempt<'a> {
    kind: ForgeKind,
    author: &'a NodeEntry,
    target: &'a NodeEntry,
    client: &'a Client,
}

impl Attempt<'_> {
    /// Sends it and waits for the refusal; gives it with a description for people.
    async fn run(&self) -> Result<(Refusal, String), CliError> {
        let before = self.count().await?;
        let forged = forge_step(self.kind, self.author, self.target).await?;
        let after = self.wait_beyond(before).await?;
        self.check_absent(&forged).await?;
        let reason = self.kind.reason();
        let text = format!(
            "{} sent {} a message for {}, {}.\n  {} refused it: {reason} {before} → {after}; \
             its history does not hold it.",
            escape::line(&self.author.agent),
            escape::line(&self.target.agent),
            escape::line(&forged.room),
            described(self.kind),
            escape::line(&self.target.agent),
        );
        Ok((Refusal { by: self.target.agent.clone(), reason: reason.to_owned() }, text))
    }

    /// How many messages the target has refused for this reason.
    async fn count(&self) -> Result<u64, CliError> {
        let verdicts = self.client.status().await?.verdicts;
        Ok(verdicts.get(self.kind.reason()).copied().unwrap_or(0))
    }

    async fn wait_beyond(&self, before: u64) -> Result<u64, CliError> {
        let deadline = tokio::time::Instant::now() + REFUSAL_TIME_MAX;
        loop {
            let now = self.count().await?;
            if now > before {
                return Ok(now);
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(CliError::failed(
                    format!(
                        "{} did not count a refusal for {} within {} s",
                        self.target.agent,
                        self.kind.reason(),
                        REFUSAL_TIME_MAX.as_secs()
                    ),
                    "see `verdicts` in its status",
                ));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn check_absent(&self, forged: &Forged) -> Result<(), CliError> {
        let page = self.client.history(&forged.room, HISTORY_PAGE_MAX, None).await?;
        if page.messages.iter().any(|message| message.text == forged.text) {
            return Err(CliError::failed(
                format!("{} shows a forged message", self.target.agent),
                "report this: it is a fault in the acceptance of messages",
            ));
        }
        Ok(())
    }
}
