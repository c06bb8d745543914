//! `conclave status`: the state of the node.

use conclave_node::api::types::Status;

use super::change::missing_text;
use super::log::alarm_text;
use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::output::{Output, short};

pub(crate) async fn run(context: &Context) -> Result<(), CliError> {
    let status = context.client()?.status().await?;
    context.out.show(&status, |status| text(&context.out, status))
}

fn text(out: &Output, status: &Status) -> String {
    let mut lines = Vec::new();
    for trouble in &status.troubles {
        lines.push(out.bold(escape::line(trouble)));
        lines.push(String::new());
    }
    for alarm in &status.alarms {
        lines.push(alarm_text(out, alarm));
        lines.push(String::new());
    }
    let mut fact = |name: &str, value: String| {
        lines.push(format!("{} {value}", out.dim(format!("{name:<9}"))));
    };
    match (&status.company, &status.agent) {
        (Some(company), Some(agent)) => {
            fact("company", out.bold(escape::line(&company.name)));
            fact("agent", out.bold(escape::line(&agent.name)));
        }
        (Some(company), None) => {
            fact("company", out.bold(escape::line(&company.name)));
            fact("agent", "no longer a member: this device or its agent was revoked".to_owned());
        }
        (None, _) => fact("company", "not a member yet".to_owned()),
    }
    if let Some(join) = &status.join {
        let code = join.code.as_deref().map(|code| format!(", safety code {}", escape::line(code)));
        let taken = if join.name_taken { ", a name that somebody bears already" } else { "" };
        let again = if join.state == "refused" { "; `conclave join` asks again" } else { "" };
        fact(
            "join",
            format!(
                "{} as {}{}{taken}{again}",
                escape::line(&join.state),
                escape::line(&join.agent),
                code.unwrap_or_default()
            ),
        );
    }
    fact("device", short(status.device));
    fact("peer id", status.peer_id.clone());
    for address in &status.listen {
        fact("listen", escape::line(address).into_owned());
    }
    fact(
        "control",
        format!("{} objects, digest {}", status.control.objects, short(status.control.digest)),
    );
    if !status.presence {
        fact("presence", "off: others are not told that you are there".to_owned());
    }
    if status.member {
        let applied = &status.applied;
        let mut text = format!("on {} of {} devices", applied.applied, applied.devices);
        if !applied.missing.is_empty() {
            text += &format!("; not yet: {}", missing_text(&applied.missing));
        }
        fact("applied", text);
    }
    let refused: Vec<_> = status
        .verdicts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(reason, count)| format!("{} {count}", escape::line(reason)))
        .collect();
    if !refused.is_empty() {
        fact("refused", refused.join(", "));
    }
    lines.push(String::new());
    lines.push(peers(out, status));
    if !status.rooms.is_empty() {
        lines.push(String::new());
        lines.push(rooms(out, status));
    }
    lines.join("\n")
}

fn peers(out: &Output, status: &Status) -> String {
    let rows: Vec<_> = status
        .peers
        .iter()
        .map(|peer| {
            let agent = peer.agent.as_ref().map_or("-".into(), |agent| escape::line(&agent.name));
            vec![agent.into_owned(), escape::line(&peer.addr).into_owned(), peer.peer_id.clone()]
        })
        .collect();
    out.table(&["PEER", "ADDRESS", "PEER ID"], &rows, "No peers connected.")
}

fn rooms(out: &Output, status: &Status) -> String {
    let rows: Vec<_> = status
        .rooms
        .iter()
        .map(|room| {
            vec![
                match room.kind.as_str() {
                    "instant" => format!("with {}", escape::line(&room.name)),
                    _ => escape::line(&room.name).into_owned(),
                },
                match room.locked {
                    0 => room.messages.to_string(),
                    locked => format!("{} ({locked} without a key here)", room.messages),
                },
                escape::line(&room.sync).into_owned(),
                short(room.digest),
            ]
        })
        .collect();
    out.table(&["CHAT ROOM", "MESSAGES", "SYNC", "DIGEST"], &rows, "")
}
