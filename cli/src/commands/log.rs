//! `conclave log`: the control log as an audit trail.

use std::collections::{BTreeSet, VecDeque};

use clap::Args;
use conclave_node::api::client::Client;
use conclave_node::api::stream::StreamEvent;
use conclave_node::api::types::{Alarm, LogEntry, LogFilter};
use conclave_protocol::limits::HISTORY_PAGE_MAX;
use serde::Serialize;

use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::output::{Output, list, moment, short};

/// Show the control log: who changed what, and what counts
///
/// In the order in which this computer heard of it; the time is when it did, by its own clock, or
/// for what was signed here when it was signed. An object is void when the authority that
/// it rests on was cut off; its line says by what, and how to restore it.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Only the newest N objects [default: all, with --follow none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Go on: print objects as they come, and alarms as they appear
    #[arg(long)]
    follow: bool,
    /// Only objects of this kind, such as member-grant or revoke
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only what this agent signed, by name or id
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Only objects that count, or such as are void
    #[arg(long, value_parser = ["counts", "void"])]
    state: Option<String>,
    /// Only objects that say this, are signed by somebody whose name holds it, or whose id begins
    /// with it
    #[arg(long)]
    text: Option<String>,
    /// Begin with the newest
    #[arg(long, conflicts_with = "follow")]
    newest_first: bool,
}

impl LogArgs {
    fn filter(&self) -> LogFilter {
        LogFilter {
            kind: self.kind.clone(),
            agent: self.agent.clone(),
            state: self.state.clone(),
            text: self.text.clone(),
            newest_first: self.newest_first,
        }
    }
}

#[derive(Serialize)]
struct Log {
    objects: VecDeque<LogEntry>,
    alarms: Vec<Alarm>,
}

#[derive(Serialize)]
struct AlarmLine<'a> {
    alarm: &'a Alarm,
}

pub(crate) async fn run(context: &Context, args: &LogArgs) -> Result<(), CliError> {
    let client = context.client()?;
    let out = &context.out;
    let filter = args.filter();
    if !args.follow {
        let (objects, _) = newest(&client, 0, args.limit, &filter).await?;
        let alarms = client.status().await?.alarms;
        return out.show(&Log { objects, alarms }, |log| log_text(out, log));
    }
    // Before the log is read: what appears while it is must not be taken for old.
    let mut alarms = BTreeSet::new();
    let known = client.status().await?.alarms;
    alarms.extend(known.iter().map(key));
    let (objects, mut next) = newest(&client, 0, Some(args.limit.unwrap_or(0)), &filter).await?;
    for entry in &objects {
        out.show(entry, |entry| entry_text(out, entry))?;
    }
    let mut client = client;
    loop {
        follow(context, &client, &filter, &mut next, &mut alarms).await?;
        // The stream has ended without a reason of its own; if the node is gone, this says so.
        client = context.client()?;
    }
}

/// Prints what is new until the stream of events ends.
async fn follow(
    context: &Context,
    client: &Client,
    filter: &LogFilter,
    next: &mut u64,
    alarms: &mut BTreeSet<String>,
) -> Result<(), CliError> {
    let mut events = client.events(None).await?;
    let mut missed = client.status().await?.alarms;
    loop {
        for alarm in missed.drain(..) {
            print_alarm(&context.out, &alarm, alarms)?;
        }
        let (objects, after) = newest(client, *next, None, filter).await?;
        for entry in &objects {
            context.out.show(entry, |entry| entry_text(&context.out, entry))?;
        }
        *next = after;
        loop {
            match events.next().await {
                Some(StreamEvent::Control) => break,
                Some(StreamEvent::Alarm(alarm)) => print_alarm(&context.out, &alarm, alarms)?,
                Some(StreamEvent::Ended(problem)) => return Err(problem.into()),
                Some(StreamEvent::Lagged) | None => return Ok(()),
                Some(_) => {}
            }
        }
    }
}

fn print_alarm(out: &Output, alarm: &Alarm, known: &mut BTreeSet<String>) -> Result<(), CliError> {
    if !known.insert(key(alarm)) {
        return Ok(());
    }
    out.show(&AlarmLine { alarm }, |line| alarm_text(out, line.alarm))
}

/// What tells an alarm from others; its words may follow a rename.
fn key(alarm: &Alarm) -> String {
    let objects: Vec<String> = alarm.objects.iter().map(ToString::to_string).collect();
    let about = if objects.is_empty() { alarm.message.clone() } else { objects.join(" ") };
    format!("{} {about}", alarm.kind)
}

/// An alarm as text: what is the matter, and what to do.
pub(super) fn alarm_text(out: &Output, alarm: &Alarm) -> String {
    let kind = out.bold(format!("ALARM {}", escape::line(&alarm.kind)));
    let mut text = format!("{kind}: {}", escape::line(&alarm.message));
    for object in &alarm.objects {
        text += &format!("\n    see: conclave why {object}");
    }
    text
}

/// The newest objects from number `from` on that a filter lets through, all or so many, and the
/// number to go on from. They come in the order that the filter wants.
async fn newest(
    client: &Client,
    mut from: u64,
    limit: Option<u64>,
    filter: &LogFilter,
) -> Result<(VecDeque<LogEntry>, u64), CliError> {
    let limit = limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let mut objects = VecDeque::new();
    loop {
        // From the newest on, no more is read than is shown.
        let left = if filter.newest_first { limit - objects.len() } else { usize::MAX };
        let page = client.log(from, left.min(HISTORY_PAGE_MAX), filter).await?;
        from = page.next;
        objects.extend(page.objects);
        if filter.newest_first && objects.len() >= limit {
            objects.truncate(limit);
            return Ok((objects, from));
        }
        let surplus = objects.len().saturating_sub(limit);
        objects.drain(..surplus);
        if !page.more {
            return Ok((objects, from));
        }
    }
}

fn log_text(out: &Output, log: &Log) -> String {
    let entries = log.objects.iter().map(|entry| entry_text(out, entry));
    let alarms = log.alarms.iter().map(|alarm| alarm_text(out, alarm));
    let lines: Vec<String> = entries.chain(alarms).collect();
    if lines.is_empty() { "The control log is empty.".to_owned() } else { lines.join("\n") }
}

fn entry_text(out: &Output, entry: &LogEntry) -> String {
    let who = entry.agent.as_ref().map_or("the root key".into(), |a| escape::line(&a.name));
    // Of what came before times were kept none is known.
    let heard = entry.heard.map_or_else(|| "-".to_owned(), moment);
    let mut text = format!(
        "{:>5}  {heard:<16}  {}  {}  {}",
        entry.height,
        out.dim(short(entry.id)),
        out.bold(who),
        escape::line(&entry.text)
    );
    if entry.state == "counts" {
        return text;
    }
    let by: Vec<String> = entry.cut_by.iter().map(ToString::to_string).collect();
    let by = if by.is_empty() { String::new() } else { format!(", cut off by {}", list(&by)) };
    text += &format!("\n       {}{by}", out.bold(escape::line(&entry.state).to_uppercase()));
    if let Some(id) = entry.ratify {
        text += &format!("\n       to restore it: conclave ratify {id}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_node::api::time::Time;
    use conclave_node::api::types::Named;
    use conclave_protocol::id::{AgentId, DeviceId, ObjectId};
    use conclave_protocol::time::Timestamp;

    #[test]
    fn a_void_line_says_what_cut_it_and_how_to_restore_it() {
        let mut entry = LogEntry {
            id: ObjectId([1; 32]),
            kind: "room-create".to_owned(),
            height: 7,
            seq: 2,
            author: DeviceId([2; 32]),
            agent: Some(Named { id: AgentId([3; 32]), name: "bob\u{1b}".to_owned() }),
            authority: None,
            rank: None,
            state: "void".to_owned(),
            text: "makes the room \u{202e}Hall".to_owned(),
            cut_by: vec![ObjectId([4; 32])],
            ratify: Some(ObjectId([1; 32])),
            heard: None,
        };
        let out = Output::new(false, false);
        let text = entry_text(&out, &entry);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1].ends_with(&format!("cut off by {}", "04".repeat(32))), "{text}");
        assert!(lines[2].ends_with(&format!("conclave ratify {}", "01".repeat(32))), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']) || text.contains("\u{1b}[1m"), "{text}");
        entry.state = "counts".to_owned();
        assert_eq!(entry_text(&out, &entry).lines().count(), 1);
        assert!(text.starts_with("    7  -  "), "{text}");
        let heard = Time(Timestamp(1_700_000_000_000));
        entry.heard = Some(heard);
        let text = entry_text(&out, &entry);
        assert!(text.starts_with(&format!("    7  {}  ", moment(heard))), "{text}");
    }
}
