//! `conclave verify`: checks a transcript without a node, a home or a key.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use conclave_node::api::time::Time;
use conclave_node::transcript::{ReadError, verify};
use conclave_protocol::id::CompanyId;
use conclave_protocol::object::HistoryPolicy;
use conclave_protocol::transcript::{AuthorReport, EnterReport, Report};
use serde_json::{Value, json};

use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::output::{list, moment, short};

/// Check a transcript that `export --format json` wrote
///
/// Needs no node, no home and no network. Checks every signature, who was let in by whom, every
/// text against what its author signed, and the exporter's signature over it all. It cannot know
/// which company is yours: compare the id that it prints, or name it with `--company`. Example:
/// conclave verify support.json
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The file; `-` for standard input
    file: PathBuf,
    /// The id of the company that it has to be of
    #[arg(long, value_name = "ID")]
    company: Option<CompanyId>,
}

pub(crate) fn run(context: &Context, args: &VerifyArgs) -> Result<(), CliError> {
    let shown = escape::line(&args.file.display().to_string()).into_owned();
    let source: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&args.file).map_err(|error| unreadable(&shown, &error))?)
    };
    let report = verify(source, args.company).map_err(|error| refused(&shown, error))?;
    let named = args.company.is_some();
    context.out.show(&document(&report), |_| human(context, &report, named))
}

fn unreadable(file: &str, error: &io::Error) -> CliError {
    let kind = if error.kind() == io::ErrorKind::NotFound { "not_found" } else { "failed" };
    let hint = "name a file that `conclave export --format json` wrote";
    CliError::new(kind, format!("{file} cannot be read: {error}"), hint)
}

fn refused(file: &str, error: ReadError) -> CliError {
    match error {
        ReadError::Unreadable(error) => unreadable(file, &error),
        ReadError::NoTranscript(_) => CliError::usage(
            format!("{file}: {error}"),
            "give a file that `conclave export --format json` wrote, of this version or another \
             one's program",
        ),
        ReadError::OtherCompany(_) => CliError::failed(
            format!("{file} is not verified: {error}"),
            "compare the ids of the companies: `conclave status --json` shows that of your own",
        ),
        ReadError::Damaged(_) | ReadError::Fault(_) => CliError::failed(
            format!("{file} is not verified: {error}"),
            "do not rely on any of it; ask whoever exported it for a new one",
        ),
    }
}

fn document(report: &Report) -> Value {
    let (head, words, notes) = (&report.head, &report.words, &report.notes);
    json!({
        "ok": true,
        "company": { "id": head.company, "name": words.company },
        "room": {
            "id": head.room,
            "name": words.room,
            "history": words.history.map(HistoryPolicy::word),
        },
        "exported": {
            "time": Time(head.time),
            "agent": { "id": words.exporter.id, "name": words.exporter.name },
            "device": head.device,
        },
        "control": { "digest": head.control_digest, "objects": head.objects },
        "digest": report.room_digest,
        "fingerprint": report.fingerprint,
        "messages": report.messages,
        "accepted": report.accepted,
        "vouched": report.vouched,
        "void": report.void,
        "without_text": report.without_text,
        "from": report.times.map(|(from, _)| Time(from)),
        "to": report.times.map(|(_, to)| Time(to)),
        "authors": report.authors.iter().map(author).collect::<Vec<_>>(),
        "notes": {
            "forks": notes.forks,
            "broken_chains": notes.broken_chains,
            "without_enter": notes.without_enter,
            "without_epoch": notes.without_epoch,
        },
        "problems": [],
    })
}

fn author(author: &AuthorReport) -> Value {
    let named = author.agent.as_ref().map(|agent| json!({ "id": agent.id, "name": agent.name }));
    let ended = author.ended_by.iter().map(|(id, text)| json!({ "id": id, "text": text }));
    json!({
        "agent": named,
        "device": author.device,
        "units": author.units,
        "may_write": author.live,
        "ended_by": ended.collect::<Vec<_>>(),
        "messages": author.messages,
        "vouched": author.vouched,
        "void": author.void,
        "authority": author.enters.iter().map(enter).collect::<Vec<_>>(),
    })
}

fn enter(enter: &EnterReport) -> Value {
    let grants = enter
        .grants
        .iter()
        .map(|grant| json!({ "id": grant.id, "text": grant.text, "counts": grant.counts }));
    json!({
        "enter": enter.id,
        "messages": enter.messages,
        "leads": enter.leads,
        "grants": grants.collect::<Vec<_>>(),
    })
}

fn human(context: &Context, report: &Report, named: bool) -> String {
    let (head, words) = (&report.head, &report.words);
    let mut lines = vec![
        format!("{}: every signature fits, and all agrees with it.", context.out.bold("verified")),
        format!("company   {}  {}", escape::line(&words.company), head.company),
    ];
    if !named {
        lines.push(
            "          Anybody can found a company of that name: compare the id with the one you \
             know."
                .to_owned(),
        );
    }
    lines.push(format!("room      {}  {}", escape::line(&words.room), short(head.room)));
    lines.push(format!(
        "exported  by {} on {}, device {}",
        escape::line(&words.exporter.name),
        moment(Time(head.time)),
        short(head.device)
    ));
    let mut counts = format!("messages  {}", report.messages);
    for (count, what) in [
        (report.vouched, "accepted on the word of others"),
        (report.void, "void"),
        (report.without_text, "without text"),
    ] {
        if count > 0 {
            counts += &format!(", {count} {what}");
        }
    }
    lines.push(counts);
    if let Some((from, to)) = report.times {
        lines.push(format!(
            "times     {} to {}, as their authors claim",
            moment(Time(from)),
            moment(Time(to))
        ));
    }
    for author in report.authors.iter().filter(|author| author.messages > 0) {
        lines.push(String::new());
        lines.extend(told(context, author));
    }
    let notes = &report.notes;
    for (count, what) in [
        (notes.forks, "stand where their device had written another one"),
        (notes.broken_chains, "do not follow what their device wrote before"),
        (notes.without_enter, "do not name what let their author in"),
        (notes.without_epoch, "name an epoch that does not begin before them"),
    ] {
        if count > 0 {
            lines.push(format!("note: {count} {what}"));
        }
    }
    lines.join("\n")
}

/// One author, with what let it in.
fn told(context: &Context, author: &AuthorReport) -> Vec<String> {
    let name = author.agent.as_ref().map_or("(unknown)", |agent| agent.name.as_str());
    let mut first = format!(
        "{}  device {}, {} messages",
        context.out.bold(escape::line(name)),
        short(author.device),
        author.messages
    );
    if author.vouched + author.void > 0 {
        first += &format!(" ({} vouched, {} void)", author.vouched, author.void);
    }
    let mut lines = vec![first, format!("  units: {}", list(&author.units))];
    for enter in &author.enters {
        let leads = if enter.leads { "" } else { " (does not lead here by this control log)" };
        lines.push(format!("  let in for {} messages by{leads}", enter.messages));
        for grant in &enter.grants {
            let void = if grant.counts { "" } else { " (void)" };
            lines.push(format!("    {} {}{void}", short(grant.id), escape::line(&grant.text)));
        }
    }
    if !author.live {
        lines.push("  may write no longer".to_owned());
        for (id, text) in &author.ended_by {
            lines.push(format!("    {} {}", short(id), escape::line(text)));
        }
    }
    lines
}
