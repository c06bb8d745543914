//! Reconciliation with one peer: range fingerprints, frames, and the state machine that pulls.
//!
//! The side that pulls drives; the side that serves keeps no state. Each side pulls from the
//! other, so after both have finished they hold the same.

mod frames;
mod items;
mod pull;
mod ranges;
mod tree;

pub use frames::{
    AgedBeacon, Blob, Bound, FrameError, GivenKey, InstantSummary, JoinAnswer, NewDevice, Part,
    Referred, Request, Response, RoomSummary, Scope,
};
pub use items::Items;
pub(crate) use items::grow;
pub use pull::{Need, Pull, PullStep};
pub use ranges::{answer_list, answer_newest, answer_ranges, fingerprint_of_range};
pub(crate) use tree::Ix;
pub use tree::Place;
