//! The page as people use it: real browsers, each in front of a real node.
//!
//! All of it needs the package `chromium`, so all of it is ignored unless asked for: `.ci/run`
//! does. By hand: `cargo test -p conclave --test browser -- --ignored agents:: admins::`; for
//! `axe::` first `npm ci` in this folder's copy, then `CONCLAVE_AXE=…/axe-core/axe.min.js`.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test says what it expected, and prints what it measured"
)]

mod admins;
mod agents;
mod axe;
mod believable;
mod chrome;
mod figures;
mod harness;
mod hostile;
mod people;
mod screenshots;
mod views;
mod windows;

/// The binary that was built with these tests.
const BINARY: &str = env!("CARGO_BIN_EXE_conclave");
