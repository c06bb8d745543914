//! `conclave export`: writes a whole room to standard output.

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use crate::args::Context;
use crate::error::CliError;

/// Write a whole room to standard output
///
/// As text: a line for each message, times of this computer, further lines of a message moved
/// in. Marks nothing as read. Example: conclave export Support > support.txt
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The room, by name or id
    room: String,
    /// In which form
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs; not available yet
    Json,
}

pub(crate) async fn run(context: &Context, args: &ExportArgs) -> Result<(), CliError> {
    if args.format == Format::Json || context.out.json() {
        return Err(CliError::failed(
            "a room cannot be exported as JSON yet; nothing was written",
            "use `--format text` without `--json`, or read it with `conclave history --json`",
        ));
    }
    let mut transcript = context.client()?.transcript(&args.room).await?;
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
