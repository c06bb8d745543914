//! The root line.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::id::{DeviceId, ObjectId};
use conclave_protocol::object::Payload;

use super::sound::Sound;

/// One key at the root.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) key: DeviceId,
    /// `Genesis`, or the `RootRotate`s that are one rotation: what the key may cite.
    pub(super) opened_by: BTreeSet<ObjectId>,
}

/// The root keys one after another.
#[derive(Clone, Debug)]
pub(super) struct RootLine {
    steps: Vec<Step>,
    /// `RootRotate`s that open the last commitment and name different next hashes.
    pub(super) forked: BTreeSet<ObjectId>,
}

impl RootLine {
    pub(super) fn of(log: &Sound) -> Self {
        let first = Step { key: log.genesis.root, opened_by: BTreeSet::from([log.genesis_id]) };
        let mut line = Self { steps: vec![first], forked: BTreeSet::new() };
        while let Some(next) = line.next(log) {
            line.steps.push(next);
        }
        line
    }

    fn next(&mut self, log: &Sound) -> Option<Step> {
        let last = self.steps.last()?;
        let mut by_next: BTreeMap<ObjectId, BTreeSet<ObjectId>> = BTreeMap::new();
        let mut key = None;
        for (id, rotate) in log.rotations() {
            let header = &log.get(id)?.header;
            if last.opened_by.contains(&header.authority) {
                by_next.entry(rotate.next).or_default().insert(id);
                key = Some(header.author);
            }
        }
        if by_next.len() > 1 {
            self.forked = by_next.into_values().flatten().collect();
            return None;
        }
        let (_, opened_by) = by_next.pop_first()?;
        key.map(|key| Step { key, opened_by })
    }

    pub(super) fn keys(&self) -> Vec<DeviceId> {
        self.steps.iter().map(|step| step.key).collect()
    }

    /// The rotations that count. They are rank 0 by being in the line, not by lying in the
    /// chain of the key before.
    pub(super) fn rotations(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.steps.iter().skip(1).flat_map(|step| step.opened_by.iter().copied())
    }

    /// Whether an object that cites `authority` acts for the root, within what the rotation
    /// after that leaves.
    pub(super) fn carries(&self, log: &Sound, id: ObjectId, authority: ObjectId) -> bool {
        let Some(n) = self.steps.iter().position(|step| step.opened_by.contains(&authority)) else {
            return false;
        };
        let Some(after) = self.steps.get(n + 1) else {
            return true;
        };
        after.opened_by.iter().all(|rotate| match log.payload(*rotate) {
            Some(Payload::RootRotate(rotate)) => log.is_up_to(id, rotate.cut.id),
            _ => false,
        })
    }
}
