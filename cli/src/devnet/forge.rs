//! Forged messages, and the proof that they are refused.

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use conclave_node::api::client::Client;
use conclave_protocol::limits::HISTORY_PAGE_MAX;

use super::child::Network;
use super::state::Devnet;
use super::{ForgeArgs, Progress, Refusal, Report};
use crate::error::CliError;
use crate::escape;
use crate::output::Output;

/// How long a refusal may take to show up in the counters.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is wrong with a forged message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ForgeKind {
    /// Signed with the author's real key, for a room that is not open to the author
    NoMembership,
    /// The signature does not belong to the content
    BadSignature,
}

impl ForgeKind {
    /// The reason with which a node must refuse it, as its counters name it.
    fn reason(self) -> &'static str {
        match self {
            Self::NoMembership => "no_membership",
            Self::BadSignature => "bad_signature",
        }
    }

    fn described(self) -> &'static str {
        match self {
            Self::NoMembership => "correctly signed, but the room is not open to its author",
            Self::BadSignature => "with a broken signature",
        }
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
    author_home: &Path,
    target_home: &Path,
) -> Result<Forged, CliError> {
    let _ = (kind, author_home, target_home);
    Err(CliError::failed(
        "forging messages is not available in this build",
        "everything else of the devnet works",
    ))
}

/// Carries out `devnet forge` on a devnet that runs.
pub(crate) async fn run(out: &Output, args: ForgeArgs) -> Result<(), CliError> {
    let devnet = Devnet::load(args.dir)?;
    let author = devnet.node(&args.author)?;
    let target = devnet.node(&args.to)?;
    let client = Client::open(&target.home)?;
    let attempt = Attempt {
        kind: args.kind,
        author: &author.agent,
        author_home: &author.home,
        target: &target.agent,
        target_home: &target.home,
        client: &client,
    };
    let (refusal, text) = attempt.run().await?;
    if out.json() { out.document(&refusal) } else { out.print(&text) }
}

/// The forgeries of the demonstration.
pub(crate) async fn demonstrate(
    progress: &Progress,
    network: &Network,
    report: &mut Report,
) -> Result<(), CliError> {
    progress.heading("Forgeries")?;
    let author = network.node("carol")?;
    let target = network.node("bob")?;
    for kind in [ForgeKind::NoMembership, ForgeKind::BadSignature] {
        let attempt = Attempt {
            kind,
            author: &author.agent,
            author_home: &author.home,
            target: &target.agent,
            target_home: &target.home,
            client: &target.client,
        };
        let (refusal, text) = attempt.run().await?;
        report.refused.push(refusal);
        progress.say(&text)?;
    }
    Ok(())
}

/// One forged message from one agent to another.
struct Attempt<'a> {
    kind: ForgeKind,
    author: &'a str,
    author_home: &'a Path,
    target: &'a str,
    target_home: &'a Path,
    client: &'a Client,
}

impl Attempt<'_> {
    /// Sends it and waits for the refusal; gives it with a description for people.
    async fn run(&self) -> Result<(Refusal, String), CliError> {
        let before = self.count().await?;
        let forged = forge_step(self.kind, self.author_home, self.target_home).await?;
        let after = self.wait_beyond(before).await?;
        self.check_absent(&forged).await?;
        let reason = self.kind.reason();
        let text = format!(
            "{} sent {} a message for {}, {}.\n  {} refused it: {reason} {before} → {after}; \
             its history does not hold it.",
            escape::line(self.author),
            escape::line(self.target),
            escape::line(&forged.room),
            self.kind.described(),
            escape::line(self.target),
        );
        Ok((Refusal { by: self.target.to_owned(), reason: reason.to_owned() }, text))
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
                        self.target,
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
                format!("{} shows a forged message", self.target),
                "report this: it is a fault in the acceptance of messages",
            ));
        }
        Ok(())
    }
}
