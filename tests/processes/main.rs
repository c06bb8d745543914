//! The binary itself in real processes on loopback: what a user or a script can rely on.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test says what it expected, and prints what it measured"
)]

mod admins;
mod audit;
mod away;
mod bad_input;
mod devnet;
mod four_homes;
mod garbage;
mod joining;
mod json_shapes;
mod kill_nine;
mod leavers;
mod permissions;
mod refused_starts;
mod removal;
mod root;
mod scarce;
mod stranger;

use conclave_tests::process::{Company, Lab};

/// The binary that was built with these tests.
const BINARY: &str = env!("CARGO_BIN_EXE_conclave");

fn lab() -> Lab {
    Lab::new(BINARY)
}

fn company() -> Company {
    Company::new(BINARY)
}
