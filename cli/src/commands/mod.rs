//! One file a command, or a small family of commands.

pub(crate) mod admin;
pub(crate) mod agent;
mod ask;
pub(crate) mod backup;
mod change;
pub(crate) mod device;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod im;
pub(crate) mod init;
pub(crate) mod join;
pub(crate) mod log;
pub(crate) mod open;
pub(crate) mod passphrase;
pub(crate) mod ratify;
pub(crate) mod recover;
pub(crate) mod room;
mod root_key;
pub(crate) mod send;
pub(crate) mod settings;
pub(crate) mod shell;
mod status;
pub(crate) mod tail;
pub(crate) mod unit;
pub(crate) mod up;
pub(crate) mod why;

use conclave_protocol::name::new_name;
use conclave_protocol::object::UnitKind;

use crate::args::{Command, Context};
use crate::devnet;
use crate::error::CliError;

/// Carries out one command.
pub(crate) async fn run(context: &Context, command: Command) -> Result<(), CliError> {
    match command {
        Command::Init(args) => init::run(context, &args),
        Command::Join(args) => join::run(context, args).await,
        Command::Up(args) => up::run(context, args).await,
        Command::Open(args) => open::run(context, &args).await,
        Command::Status => status::run(context).await,
        Command::Department(command) => unit::run(context, UnitKind::Department, command).await,
        Command::Group(command) => unit::run_group(context, command).await,
        Command::Role(command) => unit::run(context, UnitKind::Role, command).await,
        Command::Agent(command) => agent::run(context, command).await,
        Command::Device(command) => device::run(context, command).await,
        Command::Admin(command) => admin::run(context, command).await,
        Command::Room(command) => room::run(context, command).await,
        Command::Send(args) => send::run(context, &args).await,
        Command::Im(args) => im::run(context, &args).await,
        Command::History(args) => history::run(context, &args).await,
        Command::Tail(args) => tail::run(context, &args).await,
        Command::Export(args) => export::run(context, &args).await,
        Command::Log(args) => log::run(context, &args).await,
        Command::Why(args) => why::run(context, &args).await,
        Command::Ratify(args) => ratify::run(context, args).await,
        Command::Recover(args) => recover::run(context, &args).await,
        Command::Settings(args) => settings::run(context, &args).await,
        Command::Passphrase(command) => passphrase::run(context, command).await,
        Command::Backup(args) => backup::backup(context, &args).await,
        Command::Restore(args) => backup::restore(context, &args),
        Command::Devnet(args) => devnet::run(context, args).await,
        Command::Completions(args) => shell::completions(context, &args),
        Command::Man => shell::manual(context),
    }
}

/// Checks a name that is about to be given to something, before anything is asked of a node.
fn check_new_name(name: &str) -> Result<(), CliError> {
    let checked = new_name(name);
    checked.map(|_| ()).map_err(|error| {
        let hint = "a name has 1 to 64 visible characters, without '/' and ':'";
        CliError::usage(error.to_string(), hint)
    })
}

/// Checks the form of network addresses; the node checks the rest.
fn check_multiaddrs(addresses: &[String]) -> Result<(), CliError> {
    match addresses.iter().find(|address| !address.starts_with('/')) {
        None => Ok(()),
        Some(address) => Err(CliError::usage(
            format!("'{address}' is not a multiaddr"),
            "write it as `conclave up` prints it, such as /ip4/192.168.1.7/tcp/4100",
        )),
    }
}
