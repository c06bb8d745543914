//! The protocol through simulated worlds, forged objects and golden vectors.

mod acceptance;
mod addresses;
mod asking_in;
mod bounds;
mod cut_off_pulls;
mod damage;
mod durable;
mod early_message;
mod frames;
mod garbage;
mod ghost_post;
mod history;
mod joining;
mod removal;
mod rooms;
mod scene;
mod shuffle;
mod storm;
mod strangers;
mod summaries;
mod syncing;
mod telling;
mod unread;
mod vectors;
mod waiting;
mod wire;
