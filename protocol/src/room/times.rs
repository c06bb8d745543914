//! Whether what a message claims of its time can be.

use std::collections::{BTreeMap, BTreeSet};

use super::RoomLog;
use super::entries::AHEAD;
use crate::id::MessageId;
use crate::limits::{CLOCK_COMPARED_MAX, CLOCK_WRONG_MS};
use crate::sync::Ix;
use crate::time::Timestamp;

/// How the clock of a message's author differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockNote {
    /// The message claims to be of a time that was far off when it came.
    Ahead,
    /// The message claims to be far older than what it follows.
    Behind,
}

impl ClockNote {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ahead => "ahead",
            Self::Behind => "behind",
        }
    }
}

/// Whether a claimed time is far ahead of a clock.
#[must_use]
pub fn is_ahead(claimed: Timestamp, now: Timestamp) -> bool {
    claimed > now.plus_ms(CLOCK_WRONG_MS)
}

impl RoomLog {
    /// Notes that a message claimed, when it came, a time far ahead of this node's clock.
    pub fn mark_ahead(&mut self, id: MessageId) {
        if let Some(ix) = self.entries.find(id) {
            self.entries.facts_mut(ix).set(AHEAD, true);
        }
    }

    /// Whether a message's claimed time is wildly wrong, as far as can be said.
    ///
    /// When a message came is not written down, but what it follows is older than it. It is
    /// behind if it claims to be more than a day older than what two other devices claimed
    /// before it, or the only other: one device that lies cannot make others look wrong where
    /// a third has written.
    #[must_use]
    pub fn clock_note(&self, id: MessageId) -> Option<ClockNote> {
        let ix = self.entries.find(id)?;
        let facts = self.entries.facts(ix);
        if facts.is(AHEAD) {
            return Some(ClockNote::Ahead);
        }
        let mut newest: Vec<Timestamp> = self.times_before(ix).into_values().collect();
        newest.sort_unstable();
        let one_lies = newest.len() > 1;
        let witness = if one_lies { newest.get(newest.len() - 2) } else { newest.last() };
        witness.is_some_and(|time| is_ahead(*time, facts.time)).then_some(ClockNote::Behind)
    }

    /// The newest time that each other device claims in the messages before one.
    fn times_before(&self, ix: Ix) -> BTreeMap<usize, Timestamp> {
        let author = self.entries.facts(ix).author();
        let mut newest: BTreeMap<usize, Timestamp> = BTreeMap::new();
        let mut seen: BTreeSet<Ix> = BTreeSet::new();
        let mut open: Vec<Ix> = self.entries.parents(ix).to_vec();
        while let Some(ix) = open.pop() {
            if seen.len() >= CLOCK_COMPARED_MAX || !seen.insert(ix) {
                continue;
            }
            let facts = self.entries.facts(ix);
            if facts.author() != author && !facts.is(AHEAD) {
                let time = newest.entry(facts.author()).or_default();
                *time = (*time).max(facts.time);
            }
            open.extend(self.entries.parents(ix));
        }
        newest
    }
}
