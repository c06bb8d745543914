//! `conclave init`: founds a company.

use std::path::PathBuf;

use clap::Args;
use conclave_node::api::types::Named;
use conclave_node::node;
use conclave_protocol::id::{AgentId, CompanyId, DeviceId};
use serde::Serialize;

use super::ask::{Asked, Words, opens_or_protects, passphrase_in};
use super::check_new_name;
use crate::args::Context;
use crate::error::CliError;
use crate::escape;

/// Found a company in this home
///
/// Makes the company's root key, its first agent with this device, and makes that device its
/// most senior admin. The recovery phrase is shown once and stored nowhere: it alone can
/// replace the root key.
///
/// The root key is written to `root.key` in the home folder. Daily work does not need it: move
/// it to a medium that is kept apart.
///
/// Example: conclave init --company "Example" --as alice
/// Example: conclave init --company "Example" --as alice --root-passphrase-file -
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct InitArgs {
    /// Name of the company
    #[arg(long, value_name = "NAME")]
    company: String,
    /// Name of its first agent: you
    #[arg(long = "as", value_name = "AGENT")]
    agent: String,
    /// Encrypt the root key with the passphrase in the first line of this file; `-` reads
    /// standard input, and asks if that is a terminal
    #[arg(long, value_name = "FILE")]
    root_passphrase_file: Option<PathBuf>,
    /// Protect this device's keys with the passphrase in the first line of this file; `-` reads
    /// standard input (the next line, after the root key's), and asks if that is a terminal
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Founded {
    company: Named<CompanyId>,
    agent: Named<AgentId>,
    device: DeviceId,
    peer_id: String,
    recovery_phrase: String,
}

pub(crate) fn run(context: &Context, args: &InitArgs) -> Result<(), CliError> {
    check_new_name(&args.company)?;
    check_new_name(&args.agent)?;
    let ask = |file| passphrase_in(file, Asked::Twice, Words::RootKey);
    let root_passphrase = args.root_passphrase_file.as_deref().map(ask).transpose()?;
    let passphrase = opens_or_protects(&context.home, args.passphrase_file.as_deref())?;
    let founded = node::found(
        &context.home,
        &args.company,
        &args.agent,
        root_passphrase.as_ref(),
        passphrase.as_ref(),
    )?;
    let root_key = founded.root_key.display().to_string();
    let founded = Founded {
        company: founded.company.into(),
        agent: founded.agent.into(),
        device: founded.device,
        peer_id: founded.peer_id,
        recovery_phrase: founded.recovery_phrase,
    };
    let shown = context.out.show(&founded, |founded| {
        format!(
            "Founded {} with {} as its first admin, in {}.\n\n\
             Recovery phrase:\n\n{}\n\n\
             Write it down now, on paper, and keep it apart from this computer. It is not\n\
             shown again and stored nowhere; with it the company survives the loss of every\n\
             admin, and whoever reads it can take the company over.\n\n\
             Root key, {}:\n\n    {}\n\n\
             {}\n",
            context.out.bold(escape::line(&founded.company.name)),
            context.out.bold(escape::line(&founded.agent.name)),
            escape::line(&context.home.to_string_lossy()),
            numbered(&founded.recovery_phrase),
            if root_passphrase.is_some() { "encrypted" } else { "not encrypted" },
            escape::line(&root_key),
            root_key_advice(root_passphrase.is_some()),
        )
    });
    // Whoever could not read the phrase now never will.
    shown.map_err(|_| {
        CliError::failed(
            "the company is founded, but its recovery phrase could not be shown",
            "remove this home and found the company again, with an output that can be read",
        )
    })?;
    context.out.note("Next: `conclave up` runs this node.");
    Ok(())
}

fn root_key_advice(encrypted: bool) -> &'static str {
    if encrypted {
        "Move this file to a medium that is kept apart from this computer, and the passphrase\n\
         to another place: both together appoint and remove the most senior admins. The node\n\
         needs neither to run."
    } else {
        "Move this file to a medium that is kept apart from this computer: whoever has it can\n\
         appoint and remove the most senior admins. The node does not need it to run. With\n\
         `--root-passphrase-file` it would be encrypted."
    }
}

/// Words in rows of six, each with its number, which helps when copying by hand.
fn numbered(phrase: &str) -> String {
    let words: Vec<_> = phrase.split_whitespace().collect();
    let rows = words.chunks(6).enumerate().map(|(row, words)| {
        let cells =
            words.iter().enumerate().map(|(at, word)| format!("{:>3} {word:<9}", row * 6 + at + 1));
        cells.collect::<String>().trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_as_documented() {
        let founded = Founded {
            company: Named { id: CompanyId([1; 32]), name: "Example".into() },
            agent: Named { id: AgentId([2; 32]), name: "alice".into() },
            device: DeviceId([3; 32]),
            peer_id: "12D3".into(),
            recovery_phrase: "abandon ability".into(),
        };
        let id = |byte: &str| byte.repeat(32);
        let expected = serde_json::json!({
            "company": { "id": id("01"), "name": "Example" },
            "agent": { "id": id("02"), "name": "alice" },
            "device": id("03"),
            "peer_id": "12D3",
            "recovery_phrase": "abandon ability",
        });
        assert_eq!(serde_json::to_value(founded).expect("JSON"), expected);
    }

    #[test]
    fn words_are_numbered() {
        let phrase = ["word"; 7].join(" ");
        let rows = numbered(&phrase);
        assert_eq!(rows.lines().count(), 2);
        assert!(rows.ends_with("  7 word"), "{rows}");
    }
}
