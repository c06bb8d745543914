//! `conclave agent`: who is in the company, who asks to be, who belongs where.

use clap::{Args, Subcommand};
use conclave_node::api::types::{Agent, Agents, Approved, JoinRequest, JoinRequests, Member};

use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::output::{Output, list, moment, shell_word, short};

/// What can be done with agents.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// List devices that ask to be let in, with their safety codes (admins)
    Requests,
    /// Let a device in whose screen shows the same safety code (admins)
    ///
    /// Compare the code with the newcomer by voice or in person: it proves that nobody stands
    /// between your two computers.
    ///
    /// Example: conclave agent approve bob --code 7K2M-QX4P --to "group:Support/Front Line"
    Approve(ApproveArgs),
    /// List all agents
    List,
    /// Show one agent
    Show(ShowArgs),
    /// Put an agent into a unit (admins)
    ///
    /// Example: conclave agent add bob role:Manager
    Add(MemberArgs),
    /// Take an agent out of a unit (admins)
    ///
    /// Taken out of a Department, the agent leaves its Groups as well. Rooms that no other
    /// unit opens to the agent are closed to it at once; what it wrote stays for the others.
    Remove(MemberArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// The name it asks for, or its device's id
    agent: String,
    /// The safety code on the newcomer's screen
    #[arg(long, value_name = "XXXX-XXXX")]
    code: String,
    /// Unit to put the agent into; may be repeated
    #[arg(long, value_name = "UNIT")]
    to: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The agent, by name or id
    agent: String,
}

#[derive(Debug, Args)]
pub(crate) struct MemberArgs {
    /// The agent, by name or id
    agent: String,
    /// The unit, such as `group:Support/Front Line`
    unit: String,
}

pub(crate) async fn run(context: &Context, command: AgentCommand) -> Result<(), CliError> {
    let client = context.client()?;
    let out = &context.out;
    match command {
        AgentCommand::Requests => {
            let requests = client.agent_requests().await?;
            out.show(&requests, |requests| requests_text(out, requests))
        }
        AgentCommand::Approve(args) => {
            let approved = client.approve(&args.agent, &args.code, &args.to).await?;
            out.done(&approved, |approved: &Approved| {
                let name = escape::line(&approved.agent.name);
                match approved.units.as_slice() {
                    [] => format!("Let {name} in, in no unit yet."),
                    units => format!("Let {name} in: {}.", list(units)),
                }
            })
        }
        AgentCommand::List => {
            let agents = client.agents().await?;
            out.show(&agents, |agents| agents_text(out, agents))
        }
        AgentCommand::Show(args) => {
            let agent = client.agent(&args.agent).await?;
            out.show(&agent, |agent| agent_text(out, agent))
        }
        AgentCommand::Add(args) => {
            let member = client.add_member(&args.agent, &args.unit).await?;
            out.done(&member, |member| member_text(member, "is now in"))
        }
        AgentCommand::Remove(args) => {
            let member = client.remove_member(&args.agent, &args.unit).await?;
            out.done(&member, |member| member_text(member, "is no longer in"))
        }
    }
}

fn requests_text(out: &Output, requests: &JoinRequests) -> String {
    let row = |request: &JoinRequest| {
        let taken = if request.name_taken { "  (this name is taken)" } else { "" };
        vec![
            format!("{}{taken}", escape::line(&request.name)),
            escape::line(&request.code).into_owned(),
            moment(request.expires),
            short(request.device),
        ]
    };
    let rows: Vec<_> = requests.requests.iter().map(row).collect();
    let mut text = out.table(
        &["ASKS AS", "SAFETY CODE", "LAPSES", "DEVICE"],
        &rows,
        "Nobody asks to be let in.",
    );
    if let (Some(first), false) = (requests.requests.first(), out.quiet()) {
        text += &format!(
            "\n\nCompare the code with the newcomer, then run:\n  conclave agent approve {} --code {}",
            shell_word(&first.name),
            shell_word(&first.code)
        );
    }
    text
}

fn agents_text(out: &Output, agents: &Agents) -> String {
    let row = |agent: &Agent| {
        let away = if agent.active { "" } else { "  (inactive)" };
        vec![format!("{}{away}", escape::line(&agent.name)), list(&agent.units), short(agent.id)]
    };
    let rows: Vec<_> = agents.agents.iter().map(row).collect();
    out.table(&["AGENT", "UNITS", "ID"], &rows, "There are no agents yet.")
}

fn agent_text(out: &Output, agent: &Agent) -> String {
    let mut lines = vec![
        format!("{}  {}", out.bold(escape::line(&agent.name)), out.dim(agent.id)),
        format!("active   {}", if agent.active { "yes" } else { "no" }),
        format!("units    {}", list(&agent.units)),
    ];
    lines.extend(agent.devices.iter().map(|device| format!("device   {device}")));
    lines.join("\n")
}

fn member_text(member: &Member, verb: &str) -> String {
    format!("{} {verb} {}.", escape::line(&member.agent.name), escape::line(&member.unit))
}
