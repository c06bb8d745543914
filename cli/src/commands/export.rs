//! `conclave export`: writes a whole room to standard output.

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use crate::args::Context;
use crate::error::CliError;

/// Write a whole room to standard output
///
/// As text: a line for each message, times of this computer, further lines of a message moved
/// in. As JSON: a document that `conclave verify` checks on any computer, without a node; it holds
/// the company's whole control log, and so the names of units and agents. Marks nothing as read.
/// Example: conclave export Support --format json > support.json
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The room, by name or id
    room: String,
    /// In which form [default: text; with --json: json]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs, and to be verified by `conclave verify`
    Json,
}

pub(crate) async fn run(context: &Context, args: &ExportArgs) -> Result<(), CliError> {
    let format = match (args.format, context.out.json()) {
        (Some(Format::Text), true) => {
            let hint = "use one of `--json` and `--format text`";
            return Err(CliError::usage("text for people is no JSON", hint));
        }
        (Some(Format::Json), _) | (None, true) => Format::Json,
        (Some(Format::Text) | None, false) => Format::Text,
    };
    let client = context.client()?;
    let mut transcript = match format {
        Format::Text => client.transcript(&args.room).await?,
        Format::Json => client.transcript_json(&args.room).await?,
    };
    let mut stdout = io::stdout().lock();
    while let Some(part) = transcript.next().await? {
        stdout.write_all(&part).map_err(|error| unwritable(&error))?;
    }
    stdout.flush().map_err(|error| unwritable(&error))
}

fn unwritable(error: &io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::OutputClosed,
        _ => CliError::failed(
            format!("standard output cannot be written: {error}"),
            "make room where it goes, or send it elsewhere",
        ),
    }
}
