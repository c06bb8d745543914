//! The protocol through simulated worlds, forged objects and golden vectors.

mod acceptance;
mod durable;
mod early_message;
mod frames;
mod garbage;
mod ghost_post;
mod history;
mod joining;
mod removal;
mod rooms;
mod shuffle;
mod storm;
mod strangers;
mod syncing;
mod vectors;
mod wire;
