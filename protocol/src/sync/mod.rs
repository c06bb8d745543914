//! Reconciliation with one peer: range fingerprints, frames, and the state machine that pulls.
//!
//! The side that pulls drives; the side that serves keeps no state. Each side pulls from the
//! other, so after both have finished they hold the same.

mod frames;
mod items;
mod pull;
mod ranges;

pub use frames::{
    Blob, Bound, FrameError, JoinAnswer, Part, Referred, Request, Response, RoomSummary, Scope,
};
pub use items::{Items, Place};
pub(crate) use items::{Ix, grow};
pub use pull::{Pull, PullStep};
pub use ranges::{answer_list, answer_ranges, fingerprint_of_range};
