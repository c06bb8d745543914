//! `conclave passphrase`: protects the keys of this home.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::ask::{Asked, Words, is_protected};
use crate::args::Context;
use crate::error::CliError;

/// What is done with the passphrase of a home.
#[derive(Debug, Subcommand)]
pub(crate) enum PassphraseCommand {
    Set(SetArgs),
    Remove(RemoveArgs),
}

/// Protect the keys of this home with a passphrase, or with another one
///
/// From then on `conclave up` asks for it, and a copy of this home or a backup of it is of no use
/// without it. Backups that were made before open as they did. Nobody can open the keys when it
/// is forgotten.
///
/// The node must be running. Asks on the terminal for what is not given in a file; when both
/// files are `-`, the first line is the current passphrase and the second the new one.
///
/// Example: conclave passphrase set
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SetArgs {
    /// File whose first line is the new passphrase; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// File whose first line is the current passphrase, if there is one; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    current_passphrase_file: Option<PathBuf>,
}

/// Let the keys of this home open without a passphrase
///
/// They are protected by the permissions of their files again. The node must be running.
///
/// Example: conclave passphrase remove
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RemoveArgs {
    /// File whose first line is the current passphrase; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    current_passphrase_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Changed {
    protected: bool,
}

pub(crate) async fn run(context: &Context, command: PassphraseCommand) -> Result<(), CliError> {
    match command {
        PassphraseCommand::Set(args) => set(context, &args).await,
        PassphraseCommand::Remove(args) => remove(context, &args).await,
    }
}

async fn set(context: &Context, args: &SetArgs) -> Result<(), CliError> {
    let client = context.running().await?;
    let file = args.current_passphrase_file.as_deref();
    let current =
        is_protected(&context.home)?.then(|| Words::CurrentHome.needed(file, Asked::Once));
    let current = current.transpose()?;
    let new = Words::NewHome.needed(args.passphrase_file.as_deref(), Asked::Twice)?;
    client.set_passphrase(current.as_ref(), &new).await?;
    context.out.done(&Changed { protected: true }, |_| {
        "The keys of this home open only with this passphrase from now on: keep it, for nobody \
         can open them without. Make a new backup; older ones open as they did."
            .to_owned()
    })
}

async fn remove(context: &Context, args: &RemoveArgs) -> Result<(), CliError> {
    let client = context.running().await?;
    let file = args.current_passphrase_file.as_deref();
    let current =
        is_protected(&context.home)?.then(|| Words::CurrentHome.needed(file, Asked::Once));
    client.remove_passphrase(current.transpose()?.as_ref()).await?;
    context.out.done(&Changed { protected: false }, |_| {
        "The keys of this home open without a passphrase from now on.".to_owned()
    })
}
