//! `conclave device`: the computers of one agent.

use clap::{Args, Subcommand};
use conclave_node::api::types::{Change, Device, DeviceAdded, DeviceRequest, Devices};

use super::agent::AgentChange;
use super::change::{ChangeArgs, Order, carry_out};
use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::output::{Output, moment, shell_word};

/// What can be done with devices.
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// List the devices of an agent, and what asks to become one of yours
    List(ListArgs),
    /// Let another computer of yours in, whose screen shows the same safety code
    ///
    /// Start it there with `conclave join --as` and your name. Read the code on its own screen:
    /// it proves that nobody stands between the two. If this device may not let agents in, an
    /// admin has to approve it as well.
    ///
    /// Example: conclave device add 7K2M-QX4P
    Add(AddArgs),
    /// Revoke a device: another one of yours or, for admins, of anybody
    ///
    /// All nodes refuse it from then on. What was written with it stays, unless `--strict` says
    /// otherwise: use that for a device that was stolen. If this device may not revoke it, the
    /// hint says what an admin has to type.
    ///
    /// Example: conclave device remove 4f2a9c31 --strict
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The agent, by name or id [default: you]
    agent: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The safety code on the new device's screen
    #[arg(value_name = "XXXX-XXXX", required_unless_present = "typed")]
    code: Option<String>,
    /// The same
    #[arg(id = "typed", long = "code", value_name = "XXXX-XXXX", conflicts_with = "code")]
    typed: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The device, by id or at least its first 8 digits
    device: String,
    /// Of the messages written with it, only what this device has of them now stays, or what
    /// `--keep` names; for a device in other hands
    #[arg(long)]
    strict: bool,
    /// The last good message, by id; may be repeated. Then nothing else stays; `none`: nothing at
    /// all
    #[arg(long, value_name = "MESSAGE_ID", requires = "strict")]
    keep: Vec<String>,
    #[command(flatten)]
    how: ChangeArgs,
}

pub(crate) async fn run(context: &Context, command: DeviceCommand) -> Result<(), CliError> {
    let out = &context.out;
    match command {
        DeviceCommand::List(ListArgs { agent }) => {
            let devices = context.client()?.devices(agent.as_deref()).await?;
            out.show(&devices, |devices| devices_text(out, devices))
        }
        DeviceCommand::Add(AddArgs { code, typed }) => {
            let code = code.or(typed).unwrap_or_default();
            let added = context.client()?.add_device(&code).await?;
            out.show(&added, |added| added_text(added, &code))
        }
        DeviceCommand::Remove(args) => remove(context, args).await,
    }
}

async fn remove(context: &Context, args: RemoveArgs) -> Result<(), CliError> {
    let RemoveArgs { device, strict, keep, how } = args;
    let change = Change::RemoveDevice { device, strict, keep };
    carry_out(context, Order { change, how: &how, root: None }, |changed| {
        let words = format!("A device of {} is revoked.", escape::line(&changed.subject));
        (AgentChange::of(changed), words)
    })
    .await
}

fn added_text(added: &DeviceAdded, code: &str) -> String {
    let name = escape::line(&added.agent.name);
    let Some(expires) = added.expires else {
        return format!("The device is one of {name}'s now. It fetches your rooms by itself.");
    };
    let told = match added.admins {
        0 => {
            "No admin who may do that is connected; they are told when they come, as long as this \
              node runs."
                .to_owned()
        }
        1 => "One device of an admin has been told.".to_owned(),
        n => format!("{n} devices of admins have been told."),
    };
    format!(
        "You have confirmed the device. An admin has to let it in, until {}:\n  conclave agent \
         approve {} --code {}\n{told}",
        moment(expires),
        shell_word(&added.agent.name),
        shell_word(code)
    )
}

fn devices_text(out: &Output, devices: &Devices) -> String {
    let row = |device: &Device| {
        let mut state = vec![if device.active { "live" } else { "revoked" }];
        state.extend(device.this.then_some("this device"));
        state.extend(device.connected.then_some("connected"));
        state.extend(device.countersigned.then_some("confirmed"));
        state.extend(device.unconfirmed.then_some("CONFIRMED BY NONE"));
        let peer = device.peer_id.as_deref().unwrap_or_default();
        let since = device.since.map(moment).unwrap_or_default();
        vec![device.id.to_string(), state.join(", "), since, escape::line(peer).into_owned()]
    };
    let rows: Vec<_> = devices.devices.iter().map(row).collect();
    let empty = format!("{} has no devices.", escape::line(&devices.agent.name));
    let mut text = out.table(&["DEVICE", "STATE", "SINCE", "PEER ID"], &rows, &empty);
    if devices.devices.iter().any(|device| device.unconfirmed) {
        text +=
            "\n\nA device that none of the others confirmed may be an impostor's: ask its owner.";
    }
    if devices.requests.is_empty() {
        return text;
    }
    let row = |request: &DeviceRequest| {
        let state = if request.confirmed { "waits for an admin" } else { "asks" };
        vec![
            escape::line(&request.code).into_owned(),
            state.to_owned(),
            moment(request.expires),
            request.device.to_string(),
        ]
    };
    let rows: Vec<_> = devices.requests.iter().map(row).collect();
    text += "\n\n";
    text += &out.table(&["SAFETY CODE", "STATE", "LAPSES", "DEVICE"], &rows, "");
    let asks = devices.requests.iter().find(|request| !request.confirmed);
    if let Some(request) = asks.filter(|_| !out.quiet()) {
        text += &format!(
            "\n\nIf it is yours and its own screen shows the same code, run:\n  conclave device add \
             {}",
            shell_word(&request.code)
        );
    }
    text
}
