//! Changes that end, restore or appoint: said first, then made, then waited for.

use std::time::{Duration, Instant};

use clap::Args;
use conclave_node::api::client::Client;
use conclave_node::api::types::{
    Admin, Applied, Change, Changed, DryRun, Effects, MissingDevice, Named, RoomEffects,
};
use serde::Serialize;

use super::root_key::RootKeyArgs;
use crate::args::Context;
use crate::error::CliError;
use crate::escape;
use crate::output::{Output, list, moment, short};

/// How often a node is asked where a change has been applied.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Devices named one by one when a wait has run out.
const MISSING_SHOWN_MAX: usize = 10;
/// Longer than anybody waits; keeps the sum of times from overflowing.
const WAIT_SECONDS_MAX: u64 = 86_400;

/// How a change is made.
#[derive(Debug, Default, Args)]
pub(crate) struct ChangeArgs {
    /// Only say what it would change for people; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Wait until all certified devices have applied it, at most so long [default: 30]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "30")]
    #[arg(value_parser = clap::value_parser!(u64).range(..=WAIT_SECONDS_MAX))]
    pub(crate) wait: Option<u64>,
}

/// A change as it was asked for.
pub(crate) struct Order<'a> {
    /// What.
    pub(crate) change: Change,
    /// How.
    pub(crate) how: &'a ChangeArgs,
    /// Where the root key is, for changes that may need it.
    pub(crate) root: Option<&'a RootKeyArgs>,
}

/// The JSON of a change: the command's own fields, what was lost, and where it is applied.
#[derive(Serialize)]
struct Told<D> {
    #[serde(flatten)]
    document: D,
    lost: Effects,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<Applied>,
}

/// Says what a change means, makes it, shows it as `shown` wants, and waits if asked to. With
/// `--dry-run` it is only said.
pub(crate) async fn carry_out<D: Serialize>(
    context: &Context,
    order: Order<'_>,
    shown: impl FnOnce(&Changed) -> (D, String),
) -> Result<(), CliError> {
    let client = context.client()?;
    let out = &context.out;
    let given = order.root.map(|root| root.given(&context.home)).transpose()?.flatten();
    let mut request = client.request(order.change, given.as_ref())?;
    let planned = match client.preview(&request).await {
        Err(problem) if problem.kind == "not_admin" && request.root.is_none() => {
            // This device's own authority does not do: the root key may, if it is at hand.
            let at_hand = order.root.map(|root| root.at_hand(&context.home)).transpose()?.flatten();
            let Some(root) = at_hand else { return Err(problem.into()) };
            request = client.request(request.change, Some(&root))?;
            client.preview(&request).await?
        }
        planned => planned?,
    };
    if order.how.dry_run {
        return out.show(&planned, dry_run_text);
    }
    tell(out, &planned.effects);
    let changed = client.change(&request).await?;
    let (document, words) = shown(&changed);
    finish(context, &client, order.how, document, &words, changed.effects).await
}

/// Shows what was changed, and waits until it is applied everywhere if asked to.
pub(super) async fn finish<D: Serialize>(
    context: &Context,
    client: &Client,
    how: &ChangeArgs,
    document: D,
    words: &str,
    lost: Effects,
) -> Result<(), CliError> {
    let out = &context.out;
    if !out.json() && !out.quiet() {
        out.print(words)?;
    }
    let applied = match how.wait {
        Some(seconds) => Some(wait(out, client, seconds).await?),
        None => None,
    };
    if out.json() { out.document(&Told { document, lost, applied }) } else { Ok(()) }
}

/// Waits until all certified devices report this node's state.
async fn wait(out: &Output, client: &Client, seconds: u64) -> Result<Applied, CliError> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut shown = None;
    loop {
        let applied = client.status().await?.applied;
        let now = (applied.applied, applied.devices);
        if shown.replace(now) != Some(now) {
            out.note(&format!("applied on {} of {} devices", now.0, now.1));
        }
        if applied.missing.is_empty() {
            return Ok(applied);
        }
        if Instant::now() >= deadline {
            let message = format!(
                "it was done, but after {seconds} s it is known to be applied on only {} of {} \
                 devices; not yet: {}",
                now.0,
                now.1,
                missing_text(&applied.missing)
            );
            let hint = "they apply it when they are next connected; see `conclave status`";
            return Err(CliError::failed(message, hint));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Devices that are not known to have applied something, and when they were last heard of.
pub(super) fn missing_text(missing: &[MissingDevice]) -> String {
    let one = |missing: &MissingDevice| {
        let seen = match missing.last_seen {
            Some(time) => format!("last seen {}", moment(time)),
            None => "not heard of since this node started".to_owned(),
        };
        let name = escape::line(&missing.agent.name);
        format!("{name}'s device {}, {seen}", short(missing.device))
    };
    let mut parts: Vec<String> = missing.iter().take(MISSING_SHOWN_MAX).map(one).collect();
    let more = missing.len().saturating_sub(MISSING_SHOWN_MAX);
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    parts.join("; ")
}

/// Tells a person what is about to be changed.
pub(super) fn tell(out: &Output, effects: &Effects) {
    for line in lines(effects) {
        out.note(&line);
    }
}

fn dry_run_text(planned: &DryRun) -> String {
    let subject = escape::line(&planned.subject);
    let lines = lines(&planned.effects);
    if lines.is_empty() {
        return format!(
            "{subject}: nobody would lose or get access to anything.\nNothing was changed."
        );
    }
    format!("{subject}:\n  {}\nNothing was changed.", lines.join("\n  "))
}

/// What a change means, in sentences that are right before it and for a dry run.
pub(super) fn lines(effects: &Effects) -> Vec<String> {
    let names = |agents: &[Named<_>]| list(&agents.iter().map(|a| &a.name).collect::<Vec<_>>());
    let mut lines = Vec::new();
    if !effects.dismissed.is_empty() {
        lines.push(format!("dismissed, no longer able to act: {}", names(&effects.dismissed)));
    }
    if !effects.returned.is_empty() {
        lines.push(format!("able to act again: {}", names(&effects.returned)));
    }
    lines.extend(effects.rooms.iter().map(room_line));
    let ended = |admin: &Admin| {
        let scope = admin.scope.as_deref().map(|s| format!(" in {}", escape::line(s)));
        format!(
            "no longer an admin: {}, rank {}{}, device {}",
            escape::line(&admin.agent.name),
            admin.rank,
            scope.unwrap_or_default(),
            short(admin.device)
        )
    };
    lines.extend(effects.admins_ended.iter().map(ended));
    if !effects.voided.is_empty() {
        lines.push(format!(
            "control objects that count no longer: {}; `conclave ratify` restores one",
            ids(&effects.voided)
        ));
    }
    if !effects.restored.is_empty() {
        lines.push(format!("control objects that count again: {}", ids(&effects.restored)));
    }
    lines.extend(effects.warnings.iter().map(|w| format!("warning: {}", escape::line(w))));
    lines
}

fn room_line(room: &RoomEffects) -> String {
    let names = |agents: &[Named<_>]| list(&agents.iter().map(|a| &a.name).collect::<Vec<_>>());
    let mut parts = Vec::new();
    if !room.lose.is_empty() {
        parts.push(format!("lose access: {}", names(&room.lose)));
    }
    if !room.gain.is_empty() {
        parts.push(format!("get access: {}", names(&room.gain)));
    }
    match room.messages_lost {
        Some(0) => {}
        Some(1) => parts.push("1 message no longer shown".to_owned()),
        Some(lost) => parts.push(format!("{lost} messages no longer shown")),
        // Whoever gets access sees more, not less.
        None if room.lose.is_empty() => {}
        None => parts.push("messages no longer shown: unknown to this device".to_owned()),
    }
    if room.nobody_left {
        parts.push("nobody is left who can open it".to_owned());
    }
    format!("room {}: {}", escape::line(&room.room.name), parts.join("; "))
}

/// Ids in short form; the whole ones are in the JSON and in `conclave log`.
fn ids(ids: &[conclave_protocol::id::ObjectId]) -> String {
    let mut words: Vec<String> = ids.iter().take(MISSING_SHOWN_MAX).map(short).collect();
    if ids.len() > MISSING_SHOWN_MAX {
        words.push(format!("and {} more", ids.len() - MISSING_SHOWN_MAX));
    }
    format!("{} ({})", ids.len(), words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_node::api::time::Time;
    use conclave_protocol::id::{AgentId, DeviceId, ObjectId, RoomId};
    use conclave_protocol::time::Timestamp;

    fn agent(name: &str) -> Named<AgentId> {
        Named { id: AgentId([1; 32]), name: name.to_owned() }
    }

    #[test]
    fn what_is_lost_is_said_and_cannot_act() {
        let effects = Effects {
            rooms: vec![RoomEffects {
                room: Named { id: RoomId([2; 32]), name: "Hall".to_owned() },
                lose: vec![agent("bob"), agent("ev\u{1b}il")],
                gain: vec![],
                messages_lost: Some(2),
                nobody_left: true,
            }],
            dismissed: vec![agent("bob")],
            voided: vec![ObjectId([3; 32])],
            warnings: vec!["be\ncareful".to_owned()],
            ..Effects::default()
        };
        let lines = lines(&effects);
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(
            lines[1],
            "room Hall: lose access: bob, ev\\u{1b}il; 2 messages no longer shown; nobody is left \
             who can open it"
        );
        assert!(!lines.concat().contains(['\n', '\u{1b}']));
        assert_eq!(super::lines(&Effects::default()), Vec::<String>::new());
    }

    #[test]
    fn missing_devices_are_named_but_not_all_of_many() {
        let missing = |seen| MissingDevice {
            agent: agent("bob"),
            device: DeviceId([0xab; 32]),
            last_seen: seen,
        };
        let text = missing_text(&[missing(None), missing(Some(Time(Timestamp(0))))]);
        assert!(text.starts_with("bob's device abababababab, not heard of"), "{text}");
        assert!(text.contains("last seen 19"), "{text}");
        assert!(missing_text(&vec![missing(None); 12]).ends_with("and 2 more"));
    }
}
