//! Reconciliation with one peer: range fingerprints, frames, and the state machine that pulls.
//!
//! The side that pulls drives; the side that serves keeps no state. Each side pulls from the
//! other, so after both have finished they hold the same.

mod frames;
mod pull;
mod ranges;

pub use frames::{
    Blob, Bound, FrameError, JoinAnswer, Part, Referred, Request, Response, RoomSummary, Scope,
};
pub use pull::{Need, Pull, PullStep};
pub use ranges::{
    Items, answer_list, answer_newest, answer_ranges, fingerprint, fingerprint_of_range,
};
