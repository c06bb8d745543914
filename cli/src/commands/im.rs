//! `conclave im`: instant messages.

use std::ffi::OsString;

use clap::Args;
use conclave_node::api::types::{Instant, Instants};

use crate::args::Context;
use crate::commands::{history, send};
use crate::error::CliError;
use crate::escape;
use crate::output::moment;

/// How many messages of a conversation are shown.
const SHOWN: usize = 50;

/// Write to agents without a room, and read what they wrote
///
/// Without arguments it lists the conversations. With one agent it shows what was written with
/// them. With more, the last argument is the text and those before it are the agents; `-` reads
/// standard input, each line one message. Nobody else reads it, admins neither; no admin has to
/// allow it. `history`, `tail` and `send` take the id of a conversation, also one with several
/// agents.
///
/// Example: conclave im bob "are you there?"
/// Example: conclave im bob carol "lunch?"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ImArgs {
    /// Agents, and then the text; one that begins with a hyphen stands behind `--`
    #[arg(value_name = "AGENT… TEXT")]
    pub(crate) words: Vec<OsString>,
}

pub(crate) async fn run(context: &Context, args: &ImArgs) -> Result<(), CliError> {
    let Some((last, before)) = args.words.split_last() else {
        return list(context).await;
    };
    let (agents, text) =
        if before.is_empty() { (std::slice::from_ref(last), None) } else { (before, Some(last)) };
    let agents = agents.iter().map(named).collect::<Result<Vec<_>, _>>()?;
    if let Some(text) = text {
        // What cannot be sent opens nothing.
        send::check(text)?;
    }
    let client = context.client()?;
    let room = client.open_instant(&agents).await?.id.to_string();
    match text {
        Some(text) => send::send(context, &client, &room, text).await,
        None => history::show(context, &client, &room, SHOWN, None).await,
    }
}

fn named(agent: &OsString) -> Result<String, CliError> {
    agent.to_str().map(str::to_owned).ok_or_else(|| {
        CliError::usage("the name of an agent is not valid UTF-8", "see `conclave agent list`")
    })
}

async fn list(context: &Context) -> Result<(), CliError> {
    let instants = context.client()?.instants().await?;
    context.out.show(&instants, |Instants { instants }| {
        let row = |instant: &Instant| {
            vec![
                escape::line(&instant.name).into_owned(),
                instant.unread.to_string(),
                instant.newest.map(moment).unwrap_or_default(),
                instant.id.to_string(),
            ]
        };
        let rows: Vec<_> = instants.iter().map(row).collect();
        context.out.table(&["WITH", "UNREAD", "NEWEST", "ID"], &rows, "No instant messages.")
    })
}
