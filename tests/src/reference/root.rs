//! The root line.

use std::collections::BTreeSet;

use conclave_protocol::id::{DeviceId, ObjectId};
use conclave_protocol::object::Payload;

use super::sound::Sound;

/// One key at the root.
#[derive(Clone, Debug)]
struct Era {
    key: DeviceId,
    /// `Genesis`, or the `RootRotate`s that cite a member of the era before.
    members: BTreeSet<ObjectId>,
    /// Those of them that count.
    standing: BTreeSet<ObjectId>,
}

/// The root keys one after another.
#[derive(Clone, Debug)]
pub(super) struct RootLine {
    eras: Vec<Era>,
}

impl RootLine {
    pub(super) fn of(log: &Sound) -> Self {
        let genesis = BTreeSet::from([log.genesis_id]);
        let first = Era { key: log.genesis.root, members: genesis.clone(), standing: genesis };
        let mut line = Self { eras: vec![first] };
        while let Some(next) = line.next(log) {
            line.eras.push(next);
        }
        line.settle(log);
        line
    }

    /// A recovery hash names one key and one next hash, so all that cite members of one era
    /// are by one key.
    fn next(&self, log: &Sound) -> Option<Era> {
        let last = self.eras.last()?;
        let members: BTreeSet<ObjectId> = log
            .rotations()
            .map(|(id, _)| id)
            .filter(|id| log.get(*id).is_some_and(|o| last.members.contains(&o.header.authority)))
            .collect();
        let key = log.get(*members.first()?)?.header.author;
        Some(Era { key, members, standing: BTreeSet::new() })
    }

    /// From the last era back: its members stand; of an earlier one, those that some standing
    /// member of the era after it leaves.
    fn settle(&mut self, log: &Sound) {
        for n in (1..self.eras.len()).rev() {
            let mut standing = self.eras[n].members.clone();
            if let Some(after) = self.eras.get(n + 1) {
                standing.retain(|id| after.standing.iter().any(|by| leaves(log, *by, *id)));
            }
            self.eras[n].standing = standing;
        }
    }

    pub(super) fn keys(&self) -> Vec<DeviceId> {
        self.eras.iter().map(|era| era.key).collect()
    }

    /// Whether two rotations that count open one commitment with different cuts.
    pub(super) fn recovered_twice(&self, log: &Sound) -> bool {
        let cut = |id: &ObjectId| match log.payload(*id) {
            Some(Payload::RootRotate(rotate)) => Some(rotate.cut.id),
            _ => None,
        };
        let cuts = |era: &Era| era.standing.iter().filter_map(cut).collect::<BTreeSet<_>>();
        self.eras.iter().any(|era| cuts(era).len() > 1)
    }

    /// The rotations that count.
    pub(super) fn rotations(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.eras.iter().skip(1).flat_map(|era| era.standing.iter().copied())
    }

    /// Whether an object that cites `authority` acts for the root: within the common prefix
    /// of what the rotations after it leave.
    pub(super) fn carries(&self, log: &Sound, id: ObjectId, authority: ObjectId) -> bool {
        let Some(n) = self.eras.iter().position(|era| era.standing.contains(&authority)) else {
            return false;
        };
        let after = self.eras.get(n + 1);
        after.is_none_or(|after| after.standing.iter().all(|by| leaves(log, *by, id)))
    }
}

/// Whether a rotation leaves an object of the key that it replaces.
fn leaves(log: &Sound, rotation: ObjectId, id: ObjectId) -> bool {
    match log.payload(rotation) {
        Some(Payload::RootRotate(rotate)) => log.is_up_to(id, rotate.cut.id),
        _ => false,
    }
}
