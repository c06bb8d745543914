//! `conclave why`: why an object or a message counts, or does not.

use clap::Args;
use conclave_node::api::types::{Why, WhyAccess, WhyLink};
use conclave_protocol::id::ObjectId;

use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::output::{Output, list, moment, short};

/// Say why an object of the control log, or a message, was accepted, parked or is void
///
/// Shows the chain of authority up to the root, when this computer heard of each link, the first
/// one that fails, and what to do.
/// For an agent's access to a room there is `conclave room access ROOM --why AGENT`.
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// An id of `conclave log` or of a message
    id: String,
}

pub(crate) async fn run(context: &Context, args: &WhyArgs) -> Result<(), CliError> {
    let why = context.client()?.why(&args.id).await?;
    context.out.show(&why, |why| text(&context.out, why))
}

fn text(out: &Output, why: &Why) -> String {
    let mut lines = vec![
        format!("{}  {}", out.bold(escape::line(&why.state)), out.dim(why.id)),
        escape::line(&why.summary).into_owned(),
    ];
    lines.extend(chain(out, &why.chain, why.failing));
    let ids = |what: &str, ids: &[ObjectId]| {
        (!ids.is_empty()).then(|| format!("{what}: {}", list(&full(ids))))
    };
    lines.extend(ids("cut off by", &why.cut_by));
    lines.extend(ids("ended by", &why.ended_by));
    lines.extend(ids("waits for", &why.missing));
    if let Some(id) = why.ratify {
        lines.push(format!("to make it count again: conclave ratify {id}"));
    }
    lines.join("\n")
}

/// Why an agent has access to a room or not, as text.
pub(super) fn access_text(out: &Output, why: &WhyAccess) -> String {
    let mut lines = vec![out.bold(escape::line(&why.summary))];
    lines.extend(chain(out, &why.chain, None));
    if !why.ended_by.is_empty() {
        lines.push(format!("ended by: {}", list(&full(&why.ended_by))));
    }
    if !why.access {
        lines.push(
            "to let the agent in: `conclave agent add` to a unit that the room is open to, or \
             `conclave room permit`"
                .to_owned(),
        );
    }
    lines.join("\n")
}

fn chain(out: &Output, links: &[WhyLink], failing: Option<ObjectId>) -> Vec<String> {
    let line = |link: &WhyLink| {
        let mark = if link.holds { "ok   " } else { "FAILS" };
        let first = if failing == Some(link.id) { "  <- here it fails first" } else { "" };
        format!(
            "  {mark}  {}  {}: {}{}{}",
            out.dim(short(link.id)),
            escape::line(&link.author),
            escape::line(&link.text),
            out.dim(link.heard.map(|at| format!(" ({})", moment(at))).unwrap_or_default()),
            out.bold(first)
        )
    };
    links.iter().map(line).collect()
}

fn full(ids: &[ObjectId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
