//! `conclave agent`: who is in the company, who asks to be, who belongs where.

use clap::{Args, Subcommand};
use conclave_node::api::types::{
    Agent, Agents, Approved, Change, Changed, Device, JoinRequest, JoinRequests, Member, Named,
};
use conclave_protocol::id::{AgentId, ObjectId};
use serde::Serialize;

use super::change::{ChangeArgs, Order, carry_out};
use super::root_key::RootKeyArgs;
use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::marks::{self, Marks};
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
    /// Refuse a device that asks to be let in (admins)
    ///
    /// It hears of it and asks no more, unless its user runs `conclave join` again.
    ///
    /// Example: conclave agent refuse bob
    Refuse(RefuseArgs),
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
    Remove(RemoveArgs),
    /// Dismiss an agent, or revoke one of its devices (admins)
    ///
    /// For leavers and for stolen laptops. All nodes refuse the agent from then on. What it
    /// wrote before stays for the others, unless `--strict` says otherwise. `conclave ratify`
    /// lets it return. An admin can be dismissed only by a strictly more senior one, or with
    /// the root key.
    ///
    /// Example: conclave agent revoke bob --dry-run
    Revoke(RevokeArgs),
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
    /// It is another device of the agent that bears the name, all of whose devices are lost; since
    /// none of them confirms it, everybody is warned
    #[arg(long, conflicts_with = "to")]
    another_device: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RefuseArgs {
    /// The name it asks for, or its device's id
    agent: String,
    /// Its safety code, if several ask under this name
    #[arg(long, value_name = "XXXX-XXXX")]
    code: Option<String>,
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

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    member: MemberArgs,
    #[command(flatten)]
    how: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The agent, by name or id
    agent: String,
    /// Only this device of the agent [default: the agent with all of them]
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Of the messages written with the devices, only those named by `--keep`, and what came
    /// before them, stay; for a key that was in other hands
    #[arg(long)]
    strict: bool,
    /// The last good message, by id; may be repeated
    #[arg(long, value_name = "MESSAGE_ID", requires = "strict")]
    keep: Vec<String>,
    /// If it is an admin: the last object of `conclave log` that it signed and that still
    /// counts [default: all that are known here]
    #[arg(long, value_name = "ID")]
    last_good: Option<String>,
    #[command(flatten)]
    root: RootKeyArgs,
    #[command(flatten)]
    how: ChangeArgs,
}

/// The JSON of a change of an agent's authority or life.
#[derive(Serialize)]
pub(super) struct AgentChange {
    agent: Option<Named<AgentId>>,
    objects: Vec<ObjectId>,
}

impl AgentChange {
    pub(super) fn of(changed: &Changed) -> Self {
        Self { agent: changed.agent.clone(), objects: changed.objects.clone() }
    }
}

/// The JSON of a membership that ended, as that of one that began.
#[derive(Serialize)]
struct Removed {
    agent: Option<Named<AgentId>>,
    unit: String,
    object: Option<ObjectId>,
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
            let approved = if args.another_device {
                client.approve_device(&args.agent, &args.code).await?
            } else {
                client.approve(&args.agent, &args.code, &args.to).await?
            };
            // Afterwards it has several, whichever way it came.
            let id = approved.agent.id.to_string();
            let devices = client.agent(&id).await.map_or(1, |agent| agent.devices.len());
            out.done(&approved, |approved: &Approved| {
                let name = escape::line(&approved.agent.name);
                if args.another_device || devices > 1 {
                    return format!("Let another device of {name} in.");
                }
                match approved.units.as_slice() {
                    [] => format!("Let {name} in, in no unit yet."),
                    units => format!("Let {name} in: {}.", list(units)),
                }
            })
        }
        AgentCommand::Refuse(RefuseArgs { agent, code }) => {
            let refused = client.refuse(&agent, code.as_deref()).await?;
            out.done(&refused, |refused| {
                format!("Refused {}; nothing else was changed.", escape::line(&refused.name))
            })
        }
        AgentCommand::List => {
            let agents = client.agents().await?;
            let marks = Marks::ask(context, &client).await;
            out.show(&agents, |agents| agents_text(out, agents, &marks))
        }
        AgentCommand::Show(args) => {
            let agent = client.agent(&args.agent).await?;
            let marks = Marks::ask(context, &client).await;
            let id = agent.id.to_string();
            let devices = if out.json() { None } else { Some(client.devices(Some(&id)).await?) };
            let devices = devices.map(|devices| devices.devices).unwrap_or_default();
            out.show(&agent, |agent| agent_text(out, agent, &devices, &marks))
        }
        AgentCommand::Add(args) => {
            let member = client.add_member(&args.agent, &args.unit).await?;
            out.done(&member, member_text)
        }
        AgentCommand::Remove(args) => remove(context, args).await,
        AgentCommand::Revoke(args) => revoke(context, args).await,
    }
}

async fn remove(context: &Context, args: RemoveArgs) -> Result<(), CliError> {
    let MemberArgs { agent, unit } = args.member;
    let change = Change::RemoveMember { agent, unit };
    carry_out(context, Order { change, how: &args.how, root: None }, |changed| {
        let agent = changed.agent.clone();
        let name = agent.as_ref().map(|agent| escape::line(&agent.name)).unwrap_or_default();
        let words = format!("{name} is no longer in {}.", escape::line(&changed.subject));
        let object = changed.objects.last().copied();
        (Removed { agent, unit: changed.subject.clone(), object }, words)
    })
    .await
}

async fn revoke(context: &Context, args: RevokeArgs) -> Result<(), CliError> {
    let RevokeArgs { agent, device, strict, keep, last_good, root, how } = args;
    let one_device = device.is_some();
    let change = Change::RevokeAgent { agent, device, strict, keep, last_good };
    carry_out(context, Order { change, how: &how, root: Some(&root) }, |changed| {
        let name = escape::line(&changed.subject);
        let words = if one_device {
            format!("A device of {name} is revoked.")
        } else {
            format!("{name} is dismissed.")
        };
        (AgentChange::of(changed), words)
    })
    .await
}

fn requests_text(out: &Output, requests: &JoinRequests) -> String {
    let row = |request: &JoinRequest| {
        let note = marks::note(request.name_note.as_deref());
        let taken = match (&request.device_of, request.countersigned) {
            // What is to be known of it stands beside the name.
            (Some(_), _) | (None, true) => "",
            (None, false) if request.name_taken => "  (this name is taken)",
            (None, false) => "",
        };
        vec![
            format!("{}{note}{taken}", escape::line(&request.name)),
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
    let may = |request: &&JoinRequest| !request.name_taken;
    if let (Some(first), false) = (requests.requests.iter().find(may), out.quiet()) {
        text += &format!(
            "\n\nCompare the code with the newcomer, then run:\n  conclave agent approve {} --code {}",
            shell_word(&first.name),
            shell_word(&first.code)
        );
    }
    text
}

fn agents_text(out: &Output, agents: &Agents, marks: &Marks) -> String {
    let row = |agent: &Agent| {
        let away = if agent.active { "" } else { "  (inactive)" };
        let name = format!("{}{}{away}", escape::line(&agent.name), marks.beside(agent.id));
        vec![name, list(&agent.units), short(agent.id)]
    };
    let rows: Vec<_> = agents.agents.iter().map(row).collect();
    out.table(&["AGENT", "UNITS", "ID"], &rows, "There are no agents yet.")
}

fn agent_text(out: &Output, agent: &Agent, known: &[Device], marks: &Marks) -> String {
    let note = marks.beside(agent.id);
    let mut lines = vec![
        format!("{}{note}  {}", out.bold(escape::line(&agent.name)), out.dim(agent.id)),
        format!("active   {}", if agent.active { "yes" } else { "no" }),
        format!("units    {}", list(&agent.units)),
    ];
    lines.extend(agent.devices.iter().map(|device| {
        let doubtful = known.iter().any(|one| one.id == *device && one.unconfirmed);
        let warning = if doubtful { "  (CONFIRMED BY NONE of the others)" } else { "" };
        format!("device   {device}{warning}")
    }));
    lines.join("\n")
}

fn member_text(member: &Member) -> String {
    format!("{} is now in {}.", escape::line(&member.agent.name), escape::line(&member.unit))
}
