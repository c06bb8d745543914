//! `conclave settings`: what the user of this node has chosen.

use clap::Args;
use conclave_node::api::types::{Settings, SettingsChange};

use crate::args::Context;
use crate::error::CliError;

/// Show or change this node's settings
///
/// `presence off` tells nobody any more that you are there; you still see who else is. What
/// `notifications` says is for the page in the browser.
///
/// Example: conclave settings presence off
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SettingsArgs {
    /// `presence` or `notifications`, followed by `on` or `off`
    #[arg(value_name = "NAME on|off")]
    changes: Vec<String>,
}

pub(crate) async fn run(context: &Context, args: &SettingsArgs) -> Result<(), CliError> {
    let change = change_in(&args.changes)?;
    let client = context.client()?;
    let settings = if change == SettingsChange::default() {
        client.settings().await?
    } else {
        client.change_settings(&change).await?
    };
    context.out.show(&settings, text)
}

fn change_in(words: &[String]) -> Result<SettingsChange, CliError> {
    let wrong = || {
        CliError::usage(
            "a setting is `presence` or `notifications`, each followed by `on` or `off`",
            "for example `conclave settings presence off`",
        )
    };
    let mut change = SettingsChange::default();
    let (pairs, rest) = words.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    for [name, value] in pairs {
        let on = match value.as_str() {
            "on" => true,
            "off" => false,
            _ => return Err(wrong()),
        };
        match name.as_str() {
            "presence" => change.presence = Some(on),
            "notifications" => change.notifications = Some(on),
            _ => return Err(wrong()),
        }
    }
    Ok(change)
}

fn text(settings: &Settings) -> String {
    let word = |on: bool| if on { "on" } else { "off" };
    let Settings { presence, notifications } = *settings;
    format!("presence       {}\nnotifications  {}", word(presence), word(notifications))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_in_pairs() {
        let read = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            change_in(&words).ok().map(|change| (change.presence, change.notifications))
        };
        assert_eq!(read(""), Some((None, None)));
        assert_eq!(read("presence off"), Some((Some(false), None)));
        assert_eq!(read("notifications on presence off"), Some((Some(false), Some(true))));
        for wrong in ["presence", "presence maybe", "colour on", "presence on notifications"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
