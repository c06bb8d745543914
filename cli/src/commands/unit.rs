//! `conclave department`, `group` and `role`: units.

use clap::{Args, Subcommand};
use conclave_node::api::types::{Change, Changed, Unit, Units};
use conclave_protocol::id::ObjectId;
use conclave_protocol::object::UnitKind;
use serde::Serialize;

use super::change::{ChangeArgs, Order, carry_out};
use super::check_new_name;
use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::marks::Marks;
use crate::output::short;

/// What can be done with Departments and Roles.
#[derive(Debug, Subcommand)]
pub(crate) enum UnitCommand {
    /// Make one (admins)
    New(NewArgs),
    /// List them all
    List,
    /// Give one another name (admins)
    ///
    /// Memberships and permissions stay as they are.
    Rename(RenameArgs),
    /// Delete one, a Department with its Groups (admins)
    ///
    /// Permissions that name it match nobody from then on. `conclave ratify` brings it back.
    Delete(DeleteArgs),
}

/// What can be done with Groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Make one inside a Department (admins)
    New(NewGroupArgs),
    /// List them all
    List,
    /// Give one another name (admins)
    ///
    /// It stays in its Department; memberships and permissions stay as they are.
    ///
    /// Example: conclave group rename "Support/Front Line" "First Line"
    Rename(RenameGroupArgs),
    /// Delete one (admins)
    ///
    /// Permissions that name it match nobody from then on. `conclave ratify` brings it back.
    Delete(DeleteGroupArgs),
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

#[derive(Debug, Args)]
pub(crate) struct RenameArgs {
    /// The unit, by name or id
    unit: String,
    /// Its new name: 1 to 64 characters, without '/' and ':'
    name: String,
}

#[derive(Debug, Args)]
pub(crate) struct RenameGroupArgs {
    /// The Group, such as `Support/Front Line`, or by id
    unit: String,
    /// Its new name: 1 to 64 characters, without '/' and ':'
    name: String,
    /// Its Department, if the Group is named without
    #[arg(long, value_name = "D")]
    department: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The unit, by name or id
    unit: String,
    #[command(flatten)]
    how: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteGroupArgs {
    /// The Group, such as `Support/Front Line`, or by id
    unit: String,
    /// Its Department, if the Group is named without
    #[arg(long, value_name = "D")]
    department: Option<String>,
    #[command(flatten)]
    how: ChangeArgs,
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
        UnitCommand::Rename(args) => {
            rename(context, full_name(kind, &args.unit, None)?, args.name).await
        }
        UnitCommand::Delete(args) => {
            delete(context, full_name(kind, &args.unit, None)?, &args.how).await
        }
    }
}

/// Carries out a command on Groups.
pub(crate) async fn run_group(context: &Context, command: GroupCommand) -> Result<(), CliError> {
    let kind = UnitKind::Group;
    match command {
        GroupCommand::New(args) => new(context, kind, &args.name, Some(&args.department)).await,
        GroupCommand::List => list(context, kind).await,
        GroupCommand::Rename(args) => {
            let unit = full_name(kind, &args.unit, args.department.as_deref())?;
            rename(context, unit, args.name).await
        }
        GroupCommand::Delete(args) => {
            let unit = full_name(kind, &args.unit, args.department.as_deref())?;
            delete(context, unit, &args.how).await
        }
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
    let client = context.client()?;
    let units = client.units(kind).await?;
    let marks = Marks::ask(context, &client).await;
    context.out.show(&units, |units: &Units| {
        let row = |unit: &Unit| {
            let name = format!("{}{}", escape::line(&unit.unit), marks.beside(unit.id));
            vec![name, short(unit.id)]
        };
        let rows: Vec<_> = units.units.iter().map(row).collect();
        let word = kind.word();
        let empty = format!("There is no {word} yet.");
        context.out.table(&[&word.to_uppercase(), "ID"], &rows, &empty)
    })
}

async fn rename(context: &Context, unit: String, name: String) -> Result<(), CliError> {
    check_new_name(&name)?;
    let client = context.client()?;
    let changed = client.change(&client.request(Change::RenameUnit { unit, name }, None)?).await?;
    context.out.done(&about(&changed)?, |unit: &Unit| {
        format!("{} is now {}.", escape::line(&changed.subject), escape::line(&unit.unit))
    })
}

#[derive(Serialize)]
struct Deleted {
    #[serde(flatten)]
    unit: Option<Unit>,
    objects: Vec<ObjectId>,
}

async fn delete(context: &Context, unit: String, how: &ChangeArgs) -> Result<(), CliError> {
    let order = Order { change: Change::DeleteUnit { unit }, how, root: None };
    carry_out(context, order, |changed| {
        let words = format!("Deleted {}.", escape::line(&changed.subject));
        (Deleted { unit: changed.unit.clone(), objects: changed.objects.clone() }, words)
    })
    .await
}

fn about(changed: &Changed) -> Result<Unit, CliError> {
    changed.unit.clone().ok_or_else(|| {
        CliError::failed("the node did not say which unit it changed", "look at what was done")
    })
}

/// A unit's full name, from what may be one, a plain name or an id.
fn full_name(kind: UnitKind, typed: &str, department: Option<&str>) -> Result<String, CliError> {
    let word = kind.word();
    if typed.strip_prefix(word).is_some_and(|rest| rest.starts_with(':')) {
        return Ok(typed.to_owned());
    }
    let group = kind == UnitKind::Group && typed.parse::<ObjectId>().is_err();
    match department {
        Some(department) if group => {
            let department = department.strip_prefix("department:").unwrap_or(department);
            Ok(format!("{word}:{department}/{typed}"))
        }
        None if group && !typed.contains('/') => Err(CliError::usage(
            format!("\"{typed}\" does not say to which Department the Group belongs"),
            "write `DEPARTMENT/GROUP`, or add `--department D`",
        )),
        _ => Ok(format!("{word}:{typed}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_named_in_several_ways() {
        use UnitKind::{Department, Group, Role};
        let id = "ab".repeat(32);
        for (kind, typed, department, full) in [
            (Department, "Support", None, "department:Support"),
            (Department, "department:Support", None, "department:Support"),
            (Role, "Manager", None, "role:Manager"),
            (Group, "Support/Front Line", None, "group:Support/Front Line"),
            (Group, "group:Support/Front Line", None, "group:Support/Front Line"),
            (Group, "Front Line", Some("Support"), "group:Support/Front Line"),
            (Group, "Front Line", Some("department:Support"), "group:Support/Front Line"),
            (Group, &id, None, &format!("group:{id}")),
            (Group, &id, Some("Support"), &format!("group:{id}")),
        ] {
            assert_eq!(full_name(kind, typed, department).expect("a name"), full);
        }
        assert!(full_name(Group, "Front Line", None).is_err());
    }
}
