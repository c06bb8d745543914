//! `conclave history`: reads a room.

use clap::Args;
use conclave_node::api::client::Client;
use conclave_node::api::types::Page;
use conclave_protocol::limits::HISTORY_PAGE_MAX;

use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::marks::Marks;

/// Read the newest messages of a room, oldest first
///
/// Marks as read what it shows, and all before that. To read further back, give the id of the
/// oldest message that you have as `--before`; that marks nothing.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The room, by name or id
    room: String,
    /// How many messages at most
    #[arg(long, value_name = "N", default_value = "50", value_parser = at_least_one)]
    limit: usize,
    /// Only messages before this one
    #[arg(long, value_name = "ID")]
    before: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &HistoryArgs) -> Result<(), CliError> {
    show(context, &context.client()?, &args.room, args.limit, args.before.as_deref()).await
}

/// Shows the newest `limit` messages before `before`; to the end, and the room is read.
pub(crate) async fn show(
    context: &Context,
    client: &Client,
    room: &str,
    limit: usize,
    before: Option<&str>,
) -> Result<(), CliError> {
    let page = newest(client, room, limit, before).await?;
    let marks = Marks::ask(context, client).await;
    context.out.show(&page, |page| {
        if page.messages.is_empty() {
            return "No messages.".to_owned();
        }
        let mut lines = Vec::new();
        if page.more && !context.out.quiet() {
            lines.push(context.out.dim("(there are older messages)"));
        }
        let line = |message| context.out.marked_message(message, &marks);
        lines.extend(page.messages.iter().map(line));
        lines.join("\n")
    })?;
    // What was asked for has been shown; a node whose disk is full can only read.
    if before.is_none()
        && let Some(newest) = page.messages.last()
        && let Err(problem) = client.mark_read(room, Some(&newest.id.to_string())).await
    {
        let why = escape::line(&problem.message).into_owned();
        context.out.note(&format!("The room is not marked as read: {why}."));
    }
    Ok(())
}

/// The newest `limit` messages before `before`, oldest first, in as many answers as needed.
pub(crate) async fn newest(
    client: &Client,
    room: &str,
    limit: usize,
    before: Option<&str>,
) -> Result<Page, CliError> {
    let mut before = before.map(str::to_owned);
    let mut pages = Vec::new();
    let mut wanted = limit;
    let (mut more, mut newer) = (true, false);
    while wanted > 0 && more {
        let page = client.history(room, wanted.min(HISTORY_PAGE_MAX), before.as_deref()).await?;
        let Some(oldest) = page.messages.first() else {
            more = page.more;
            break;
        };
        before = Some(oldest.id.to_string());
        wanted = wanted.saturating_sub(page.messages.len());
        more = page.more;
        if pages.is_empty() {
            newer = page.newer;
        }
        pages.push(page.messages);
    }
    Ok(Page { messages: pages.into_iter().rev().flatten().collect(), more, newer })
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("not a number".to_owned()),
    }
}
