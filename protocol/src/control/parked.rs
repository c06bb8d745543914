//! Control objects that wait for what they refer to: bounded, in all and per author.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{DeviceId, ObjectId};
use crate::limits::{PARKED_CONTROL_MAX, PARKED_CONTROL_PER_DEVICE_MAX};
use crate::object::ControlObject;
use crate::signed::Verified;

#[derive(Clone, Debug, Default)]
pub(super) struct Parked {
    /// With the number of their arrival.
    objects: BTreeMap<ObjectId, (u64, Verified<ControlObject>)>,
    /// Missing object → those that wait for it.
    waiting: BTreeMap<ObjectId, BTreeSet<ObjectId>>,
    by_author: BTreeMap<DeviceId, usize>,
    /// In order of arrival; the oldest gives way when there is no room.
    arrivals: BTreeMap<u64, ObjectId>,
    arrived: u64,
}

impl Parked {
    pub(super) fn contains(&self, id: ObjectId) -> bool {
        self.objects.contains_key(&id)
    }

    /// Holds an object until one of `missing` counts; false if there is no room.
    pub(super) fn insert(&mut self, object: Verified<ControlObject>, missing: &[ObjectId]) -> bool {
        let author = object.value().header.author;
        let held = self.by_author.get(&author).copied().unwrap_or(0);
        if held >= PARKED_CONTROL_PER_DEVICE_MAX {
            return false;
        }
        if self.objects.len() >= PARKED_CONTROL_MAX {
            self.drop_oldest();
        }
        let held = self.by_author.get(&author).copied().unwrap_or(0);
        // One missing object is enough to wait for: when it counts, the rest is looked at.
        let Some(first) = missing.first() else {
            return false;
        };
        self.waiting.entry(*first).or_default().insert(object.id());
        self.by_author.insert(author, held + 1);
        self.arrived += 1;
        self.arrivals.insert(self.arrived, object.id());
        self.objects.insert(object.id(), (self.arrived, object));
        true
    }

    /// What a parked object waits for.
    pub(super) fn missing(
        &self,
        id: ObjectId,
        holds: impl Fn(ObjectId) -> bool,
    ) -> Option<Vec<ObjectId>> {
        let (_, object) = self.objects.get(&id)?;
        Some(object.value().references().into_iter().filter(|id| !holds(*id)).collect())
    }

    pub(super) fn take_waiting_for(&mut self, id: ObjectId) -> Vec<Verified<ControlObject>> {
        let waiting = self.waiting.remove(&id).unwrap_or_default();
        let mut taken = Vec::new();
        for id in waiting {
            taken.extend(self.remove(id));
        }
        taken
    }

    fn remove(&mut self, id: ObjectId) -> Option<Verified<ControlObject>> {
        let (arrived, object) = self.objects.remove(&id)?;
        self.arrivals.remove(&arrived);
        let author = object.value().header.author;
        if let Some(held) = self.by_author.get_mut(&author) {
            *held -= 1;
            if *held == 0 {
                self.by_author.remove(&author);
            }
        }
        Some(object)
    }

    /// It comes again by synchronisation, should it be honest.
    fn drop_oldest(&mut self) {
        let Some((_, oldest)) = self.arrivals.pop_first() else { return };
        self.remove(oldest);
        self.waiting.retain(|_, ids| {
            ids.remove(&oldest);
            !ids.is_empty()
        });
    }
}
