//! `conclave backup` and `conclave restore`: a home in one file.

use std::path::{Path, PathBuf, absolute};

use clap::Args;
use conclave_node::api::types::Problem;
use conclave_node::backup::restore as restore_home;
use serde::Serialize;

use crate::args::Context;
use crate::error::CliError;
use crate::escape;

/// Write this home to one file while its node runs
///
/// The file holds the secret keys of this device, and the root key if it is in the home: only
/// its owner can read it. The device's keys are under the passphrase of this home, if it has one
/// (see `conclave passphrase`). Messages and grants come back from other members too; keys do not.
///
/// Example: conclave backup /media/usb/conclave.backup
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct BackupArgs {
    /// A file that is not there yet
    file: PathBuf,
}

/// Make a home out of a backup
///
/// The home must be new or empty, and the node of the backup must never run again: two nodes
/// with one key would contradict each other. A restored node signs nothing before it has
/// learned from another member what it had signed since the backup.
///
/// Example: conclave --home ~/conclave restore /media/usb/conclave.backup
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RestoreArgs {
    /// What `conclave backup` has written
    file: PathBuf,
}

#[derive(Serialize)]
struct BackedUp {
    file: PathBuf,
    bytes: u64,
}

#[derive(Serialize)]
struct Restored {
    home: PathBuf,
    file: PathBuf,
}

pub(crate) async fn backup(context: &Context, args: &BackupArgs) -> Result<(), CliError> {
    let file = whole(&args.file)?;
    let made = context.client()?.backup(file).await?;
    let (file, bytes) = (made.file, made.bytes);
    let place = file.display().to_string();
    let words = format!(
        "Written: {} ({bytes} bytes). It holds this device's secret keys: keep it as safe as them.",
        escape::line(&place)
    );
    context.out.done(&BackedUp { file, bytes }, |_| words)
}

pub(crate) fn restore(context: &Context, args: &RestoreArgs) -> Result<(), CliError> {
    let (file, home) = (whole(&args.file)?, context.home.clone());
    restore_home(&file, &home).map_err(|error| CliError::from(Problem::from(error)))?;
    let words = format!(
        "Restored to {}. Start it with `conclave up`. Never run the node of which this is a copy \
         again.",
        escape::line(&home.display().to_string())
    );
    context.out.done(&Restored { home, file }, |_| words)
}

fn whole(path: &Path) -> Result<PathBuf, CliError> {
    absolute(path).map_err(|error| {
        CliError::usage(format!("the file cannot be named: {error}"), "name a file")
    })
}
