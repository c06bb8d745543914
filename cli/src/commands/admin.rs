//! `conclave admin`: who may change units, agents, rooms and admins.

use clap::{Args, Subcommand, ValueEnum};
use conclave_node::api::types::{Admin, Admins, Change, Changed};

use super::agent::AgentChange;
use super::change::{ChangeArgs, Order, carry_out};
use super::root_key::RootKeyArgs;
use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::marks::Marks;
use crate::output::{Output, list, short};

/// What can be done with admins.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// List all admins, the most senior first
    List,
    /// Make an agent's devices admins
    ///
    /// Rank 1 is the most senior and needs the root key; an admin makes admins of lower rank
    /// (higher number) than its own, with no wider rights and scope.
    ///
    /// Example: conclave admin grant bob --rank 2
    /// Example: conclave admin grant carol --rank 3 --scope department:Support
    #[command(verbatim_doc_comment)]
    Grant(GrantArgs),
    /// End an agent's authority as an admin, or your own
    ///
    /// What the admin has signed up to now goes on counting, or up to `--last-good`. Only a
    /// strictly more senior admin, the root key, or the admin itself can do this.
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    /// The agent, by name or id
    agent: String,
    /// 1 is the most senior
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rank: u32,
    /// Only for one Department and what belongs to it, such as `department:Support`
    #[arg(long, value_name = "DEPARTMENT")]
    scope: Option<String>,
    /// What the admin may change [default: all; with --scope: units,rooms]
    #[arg(long, value_enum, value_name = "RIGHTS", value_delimiter = ',')]
    may: Option<Vec<Right>>,
    /// Only this device of the agent [default: all]
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    #[command(flatten)]
    root: RootKeyArgs,
    #[command(flatten)]
    how: ChangeArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Right {
    /// Departments, Groups, Roles and who belongs to them
    Units,
    /// Who is in the company
    Agents,
    /// Rooms and their permissions
    Rooms,
    /// Admins of lower rank
    Admins,
}

impl Right {
    fn word(self) -> &'static str {
        match self {
            Self::Units => "units",
            Self::Agents => "agents",
            Self::Rooms => "rooms",
            Self::Admins => "admins",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The agent, by name or id
    agent: String,
    /// Only its authority on this device [default: all]
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// The last object of `conclave log` that the admin signed and that still counts
    /// [default: all that are known here]
    #[arg(long, value_name = "ID")]
    last_good: Option<String>,
    #[command(flatten)]
    root: RootKeyArgs,
    #[command(flatten)]
    how: ChangeArgs,
}

pub(crate) async fn run(context: &Context, command: AdminCommand) -> Result<(), CliError> {
    match command {
        AdminCommand::List => {
            let client = context.client()?;
            let admins = client.admins().await?;
            let marks = Marks::ask(context, &client).await;
            context.out.show(&admins, |admins| admins_text(&context.out, admins, &marks))
        }
        AdminCommand::Grant(args) => {
            let GrantArgs { agent, rank, scope, may, device, root, how } = args;
            let may = may.map(|may| may.into_iter().map(|right| right.word().to_owned()).collect());
            let change = Change::GrantAdmin { agent, device, rank, may, scope };
            let order = Order { change, how: &how, root: Some(&root) };
            carry_out(context, order, |changed| {
                let name = escape::line(&changed.subject);
                let words = format!("{name} is now an admin of rank {rank}.");
                (AgentChange::of(changed), words)
            })
            .await
        }
        AdminCommand::Revoke(args) => {
            let RevokeArgs { agent, device, last_good, root, how } = args;
            let change = Change::RevokeAdmin { agent, device, last_good };
            let order = Order { change, how: &how, root: Some(&root) };
            carry_out(context, order, |changed: &Changed| {
                let ended = match changed.effects.admins_ended.as_slice() {
                    [] => "has less authority as an admin now".to_owned(),
                    [_] => "has lost its authority as an admin".to_owned(),
                    several => format!("has lost {} grants of authority", several.len()),
                };
                let words = format!("{} {ended}.", escape::line(&changed.subject));
                (AgentChange::of(changed), words)
            })
            .await
        }
    }
}

fn admins_text(out: &Output, admins: &Admins, marks: &Marks) -> String {
    let row = |admin: &Admin| {
        let ended = match admin.ended_by.as_slice() {
            _ if admin.in_force => String::new(),
            [] => "void".to_owned(),
            by => format!("ended by {}", list(&by.iter().map(short).collect::<Vec<_>>())),
        };
        vec![
            format!("{}{}", escape::line(&admin.agent.name), marks.beside(admin.agent.id)),
            admin.rank.to_string(),
            list(&admin.may),
            admin.scope.as_deref().map_or_else(|| "-".to_owned(), |s| escape::line(s).into_owned()),
            short(admin.device),
            ended,
        ]
    };
    let rows: Vec<_> = admins.admins.iter().map(row).collect();
    out.table(&["ADMIN", "RANK", "MAY", "SCOPE", "DEVICE", ""], &rows, "There are no admins.")
}
