//! What a security review tried: tests that fail show a defect.

mod changes;
mod commands;
mod costs;
mod devices_review;
mod encryption;
mod history;
mod instants_review;
mod introductions;
mod rules;
mod verdicts;
