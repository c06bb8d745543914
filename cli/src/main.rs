//! `conclave`: permanent chat rooms for a company, without a server.
//!
//! Each command is a file under [`commands`]; what it prints goes through [`output`], what
//! went wrong through [`error`]. Commands that need a running node call it through the local
//! API, with the client that `conclave_node` offers.

mod args;
mod commands;
mod devnet;
mod error;
mod logs;
mod marks;
mod memory;
mod output;
mod signals;

use std::process::ExitCode;

use conclave_node::api::escape;
use tokio::runtime::{Builder, Runtime};

use crate::args::{Arguments, Command, Context};
use crate::error::CliError;

fn main() -> ExitCode {
    memory::keep_private();
    logs::tame_panics();
    let raw: Vec<_> = std::env::args_os().collect();
    let arguments = match args::parse(&raw) {
        Ok(arguments) => arguments,
        Err(error) => return error::finish_parse(&error, args::wants_json(&raw)),
    };
    let json = arguments.global.json;
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.finish(json),
    }
}

fn run(arguments: Arguments) -> Result<(), CliError> {
    let context = Context::new(&arguments.global)?;
    let runtime = runtime(&arguments.command)?;
    let result = runtime.block_on(commands::run(&context, arguments.command));
    // A read of standard input that is still waiting must not hold the process up.
    runtime.shutdown_background();
    result
}

/// A node uses all cores; a command that asks one needs no thread besides this one.
fn runtime(command: &Command) -> Result<Runtime, CliError> {
    let mut builder = match command {
        Command::Up(_) | Command::Join(_) => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    builder.enable_all().build().map_err(|error| {
        CliError::failed(
            format!("the program cannot start: {error}"),
            "close other programs and try again",
        )
    })
}
