//! The command line: global flags, the list of commands, and what both lead to.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use conclave_node::api::client::Client;

use crate::commands::{
    admin::AdminCommand, agent::AgentCommand, backup::BackupArgs, backup::RestoreArgs,
    device::DeviceCommand, export::ExportArgs, history::HistoryArgs, im::ImArgs, init::InitArgs,
    join::JoinArgs, log::LogArgs, open::OpenArgs, passphrase::PassphraseCommand,
    ratify::RatifyArgs, recover::RecoverArgs, room::RoomCommand, send::SendArgs,
    settings::SettingsArgs, shell::CompletionsArgs, tail::TailArgs, unit::GroupCommand,
    unit::UnitCommand, up::UpArgs, why::WhyArgs,
};
use crate::devnet::DevnetArgs;
use crate::error::CliError;
use crate::output::Output;

const AFTER_HELP: &str = "\
Units are named `department:Support`, `group:Support/Front Line`, `role:Manager`, \
`agent:alice`; ids are accepted wherever names are.

Exit codes: 0 done; 1 failed; 2 usage; 3 node not running; 4 refused; 5 not found; 6 conflict.

First steps:
  conclave init --company \"Example\" --as alice   found a company
  conclave up                                    run this computer's node
  conclave open                                  open its web page
  conclave devnet                                try it all with three local nodes";

/// Permanent chat rooms for a company, without a server.
///
/// Every agent's computer runs one node. Rooms are open to whole Departments, Groups and
/// Roles, by grants that admins sign; nodes find each other on the local network and accept
/// a message only from someone whom a signed grant lets in.
#[derive(Debug, Parser)]
#[command(name = "conclave", version, after_help = AFTER_HELP)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command, accepted before and after its name.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder with this node's keys and data [default: the platform's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "CONCLAVE_HOME", hide_env_values = true)]
    #[arg(help_heading = "Global options")]
    pub(crate) home: Option<PathBuf>,
    /// Print JSON: one document, or for streams one a line; errors as one line on stderr
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Print only what was asked for, no hints or confirmations
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(InitArgs),
    Join(JoinArgs),
    Up(UpArgs),
    Open(OpenArgs),
    /// Show who this node is, its peers and how far its rooms are in sync
    Status,
    /// Departments: the divisions of the company
    #[command(subcommand)]
    Department(UnitCommand),
    /// Groups: teams inside one Department
    #[command(subcommand)]
    Group(GroupCommand),
    /// Roles: what agents are across Departments
    #[command(subcommand)]
    Role(UnitCommand),
    /// Agents: requests to join, approval, memberships, dismissal
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Devices: the computers of one agent
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Admins: who may change units, agents, rooms and admins
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Chat Rooms: make them, see them, open them to units
    #[command(subcommand)]
    Room(RoomCommand),
    Send(SendArgs),
    Im(ImArgs),
    History(HistoryArgs),
    Tail(TailArgs),
    Export(ExportArgs),
    Log(LogArgs),
    Why(WhyArgs),
    Ratify(RatifyArgs),
    Recover(RecoverArgs),
    Settings(SettingsArgs),
    /// Passphrase: protect the keys of this home
    #[command(subcommand)]
    Passphrase(PassphraseCommand),
    Backup(BackupArgs),
    Restore(RestoreArgs),
    Devnet(DevnetArgs),
    Completions(CompletionsArgs),
    /// Print the manual page, in the format of man(1)
    ///
    /// Example: conclave man > ~/.local/share/man/man1/conclave.1
    Man,
}

/// What every command works with.
pub(crate) struct Context {
    /// The home folder.
    pub(crate) home: PathBuf,
    /// Where results go.
    pub(crate) out: Output,
}

impl Context {
    pub(crate) fn new(global: &Global) -> Result<Self, CliError> {
        let given = global.home.clone().filter(|home| !home.as_os_str().is_empty());
        let home = given.or_else(default_home).ok_or_else(|| {
            CliError::usage("this platform names no data folder", "name one with `--home DIR`")
        })?;
        Ok(Self { home, out: Output::new(global.json, global.quiet) })
    }

    /// The node that runs on this home.
    pub(crate) fn client(&self) -> Result<Client, CliError> {
        Ok(Client::open(&self.home)?)
    }

    /// The same, once it has answered: before somebody is asked for anything.
    pub(crate) async fn running(&self) -> Result<Client, CliError> {
        let client = self.client()?;
        client.status().await?;
        Ok(client)
    }
}

fn default_home() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "conclave")?;
    Some(Path::to_path_buf(folders.data_dir()))
}

/// The whole command line as clap describes it; for completions, manual and parsing.
pub(crate) fn description() -> clap::Command {
    Arguments::command()
}

/// Reads the command line.
pub(crate) fn parse(raw: &[OsString]) -> Result<Arguments, clap::Error> {
    let matches = description().try_get_matches_from(raw)?;
    Arguments::from_arg_matches(&matches)
}

/// Whether errors of the command line itself are wanted as JSON: parsing has failed, so
/// this looks for the flag as it stands.
pub(crate) fn wants_json(raw: &[OsString]) -> bool {
    raw.iter().skip(1).take_while(|arg| *arg != "--").any(|arg| arg == "--json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Result<Arguments, clap::error::ErrorKind> {
        let raw: Vec<OsString> = std::iter::once(&"conclave").chain(line).map(Into::into).collect();
        parse(&raw).map_err(|error| error.kind())
    }

    #[test]
    fn the_description_is_consistent() {
        description().debug_assert();
    }

    #[test]
    fn global_flags_stand_before_or_after() {
        for line in [
            &["--json", "--home", "/h", "room", "list"][..],
            &["room", "--json", "list", "--home", "/h"],
            &["room", "list", "--all", "--home=/h", "--json"],
        ] {
            let arguments = parsed(line).expect("valid");
            assert!(arguments.global.json, "{line:?}");
            assert_eq!(arguments.global.home.as_deref(), Some(Path::new("/h")), "{line:?}");
        }
    }

    #[test]
    fn usage_errors_are_found() {
        use clap::error::ErrorKind::{
            InvalidSubcommand, InvalidValue, MissingRequiredArgument, UnknownArgument,
            ValueValidation,
        };
        for (line, kind) in [
            (&["room", "new", "Support"][..], MissingRequiredArgument),
            (&["room", "new", "S", "--permit", "role:R", "--history", "none"], InvalidValue),
            (&["group", "new", "Front Line"], MissingRequiredArgument),
            (&["agent", "approve", "bob"], MissingRequiredArgument),
            (&["history", "Support", "--limit", "0"], ValueValidation),
            (&["history", "Support", "--limit", "many"], ValueValidation),
            (&["up", "--api", "localhost"], ValueValidation),
            (&["status", "--frob"], UnknownArgument),
            (&["doctor"], InvalidSubcommand),
        ] {
            assert_eq!(parsed(line).err(), Some(kind), "{line:?}");
        }
    }

    #[test]
    fn permissions_are_repeatable_and_take_several() {
        for line in [
            &["room", "new", "Sales", "--permit", "department:Sales", "--permit", "role:M"][..],
            &["room", "new", "Sales", "--permit", "department:Sales", "role:M"],
        ] {
            let Command::Room(RoomCommand::New(new)) = parsed(line).expect("valid").command else {
                panic!("another command: {line:?}");
            };
            assert_eq!(new.permit, ["department:Sales", "role:M"]);
        }
    }

    #[test]
    fn texts_may_begin_with_a_hyphen() {
        for text in ["-", "-hello", "--> there", "- item"] {
            let line = ["send", "Support", text, "--json"];
            let arguments = parsed(&line).expect("valid");
            assert!(arguments.global.json, "{text}");
            let Command::Send(send) = arguments.command else { panic!("another command") };
            assert_eq!(send.text, text);
        }
        // Among several words a flag is a flag.
        for line in [&["im", "bob", "-", "--json"][..], &["im", "--json", "bob", "--", "-"]] {
            let arguments = parsed(line).expect("valid");
            assert!(arguments.global.json, "{line:?}");
            let Command::Im(im) = arguments.command else { panic!("another command") };
            assert_eq!(im.words, ["bob", "-"]);
        }
        let Command::Im(im) = parsed(&["im", "bob", "--", "--> there"]).expect("valid").command
        else {
            panic!("another command");
        };
        assert_eq!(im.words, ["bob", "--> there"]);
    }

    #[test]
    fn json_is_seen_even_if_the_rest_is_wrong() {
        let raw = |line: &[&str]| line.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(wants_json(&raw(&["conclave", "frob", "--json"])));
        assert!(!wants_json(&raw(&["conclave", "send", "S", "--", "--json"])));
    }
}
