//! Control objects that wait for what they refer to: bounded, in all and per author.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{DeviceId, ObjectId};
use crate::limits::{PARKED_CONTROL_MAX, PARKED_CONTROL_PER_DEVICE_MAX};
use crate::object::ControlObject;
use crate::signed::Verified;

#[derive(Clone, Debug, Default)]
pub(super) struct Parked {
    objects: BTreeMap<ObjectId, Verified<ControlObject>>,
    /// Missing object → those that wait for it.
    waiting: BTreeMap<ObjectId, BTreeSet<ObjectId>>,
    by_author: BTreeMap<DeviceId, usize>,
}

impl Parked {
    pub(super) fn contains(&self, id: ObjectId) -> bool {
        self.objects.contains_key(&id)
    }

    /// Holds an object until one of `missing` counts; false if there is no room.
    pub(super) fn insert(
        &mut self,
        object: Verified<ControlObject>,
        missing: &[ObjectId],
    ) -> bool {
        let author = object.value().header.author;
        let held = self.by_author.get(&author).copied().unwrap_or(0);
        if self.objects.len() >= PARKED_CONTROL_MAX || held >= PARKED_CONTROL_PER_DEVICE_MAX {
            return false;
        }
        // One missing object is enough to wait for: when it counts, the rest is looked at.
        let Some(first) = missing.first() else {
            return false;
        };
        self.waiting.entry(*first).or_default().insert(object.id());
        self.by_author.insert(author, held + 1);
        self.objects.insert(object.id(), object);
        true
    }

    pub(super) fn take_waiting_for(&mut self, id: ObjectId) -> Vec<Verified<ControlObject>> {
        let waiting = self.waiting.remove(&id).unwrap_or_default();
        let mut taken = Vec::new();
        for id in waiting {
            let Some(object) = self.objects.remove(&id) else { continue };
            let author = object.value().header.author;
            if let Some(held) = self.by_author.get_mut(&author) {
                *held -= 1;
                if *held == 0 {
                    self.by_author.remove(&author);
                }
            }
            taken.push(object);
        }
        taken
    }

    /// What waiting objects wait for.
    pub(super) fn missing(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.waiting.keys().copied()
    }
}
