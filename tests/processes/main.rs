//! The binary itself in real processes on loopback: what a user or a script can rely on.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test says what it expected, and prints what it measured"
)]

mod admins;
mod audit;
mod away;
mod backups;
mod bad_input;
mod crowds;
mod damage;
mod devices;
mod devnet;
mod event_stream;
mod formats;
mod four_homes;
mod frozen;
mod garbage;
mod home_scan;
mod hostile_api;
mod hostile_peer;
mod hostile_text;
mod instants;
mod joining;
mod json_shapes;
mod kill_nine;
mod leavers;
mod old_copy;
mod once;
mod outsider_reads;
mod page;
mod passphrase;
mod permissions;
mod presence;
mod reading;
mod refused_starts;
mod removal;
mod restless;
mod root;
mod route_sweep;
mod scarce;
mod stranger;
mod transcript;
mod traps;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conclave_tests::process::{Company, Lab};

/// The binary that was built with these tests.
const BINARY: &str = env!("CARGO_BIN_EXE_conclave");

/// How long nodes may take to agree after the fault is over; a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(120);

fn lab() -> Lab {
    Lab::new(BINARY)
}

fn company() -> Company {
    Company::new(BINARY)
}

/// Sets what it holds when it is dropped: what runs beside a test ends, also after a failure.
struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
