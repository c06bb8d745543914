//! The protocol through simulated worlds, forged objects and golden vectors.

mod rooms;
