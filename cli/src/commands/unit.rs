//! `conclave department`, `group` and `role`: units.

use clap::{Args, Subcommand};
use conclave_node::api::types::{Unit, Units};
use conclave_protocol::object::UnitKind;

use super::check_new_name;
use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::output::short;

/// What can be done with Departments and Roles.
#[derive(Debug, Subcommand)]
pub(crate) enum UnitCommand {
    /// Make one (admins)
    New(NewArgs),
    /// List them all
    List,
}

/// What can be done with Groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Make one inside a Department (admins)
    New(NewGroupArgs),
    /// List them all
    List,
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Its name: 1 to 64 characters, without '/' and ':'
    name: String,
}

#[derive(Debug, Args)]
pub(crate) struct NewGroupArgs {
    /// Its name: 1 to 64 characters, without '/' and ':'
    name: String,
    /// The Department it belongs to, for good
    #[arg(long, value_name = "D")]
    department: String,
}

/// Carries out a command on Departments or Roles.
pub(crate) async fn run(
    context: &Context,
    kind: UnitKind,
    command: UnitCommand,
) -> Result<(), CliError> {
    match command {
        UnitCommand::New(args) => new(context, kind, &args.name, None).await,
        UnitCommand::List => list(context, kind).await,
    }
}

/// Carries out a command on Groups.
pub(crate) async fn run_group(context: &Context, command: GroupCommand) -> Result<(), CliError> {
    let kind = UnitKind::Group;
    match command {
        GroupCommand::New(args) => new(context, kind, &args.name, Some(&args.department)).await,
        GroupCommand::List => list(context, kind).await,
    }
}

async fn new(
    context: &Context,
    kind: UnitKind,
    name: &str,
    department: Option<&str>,
) -> Result<(), CliError> {
    check_new_name(name)?;
    let unit = context.client()?.new_unit(kind, name, department).await?;
    context.out.done(&unit, |unit: &Unit| format!("Made {}.", escape::line(&unit.unit)))
}

async fn list(context: &Context, kind: UnitKind) -> Result<(), CliError> {
    let units = context.client()?.units(kind).await?;
    context.out.show(&units, |units: &Units| {
        let row = |unit: &Unit| vec![escape::line(&unit.unit).into_owned(), short(unit.id)];
        let rows: Vec<_> = units.units.iter().map(row).collect();
        let word = kind.word();
        let empty = format!("There is no {word} yet.");
        context.out.table(&[&word.to_uppercase(), "ID"], &rows, &empty)
    })
}
