//! The epochs of a room: which keys are known here, and under which of them to write.
//!
//! Reading is generous: any key that fits the hash in its `EpochStart` opens the messages that name
//! that epoch. Writing is strict: an epoch fits only if its author is live, if those who were given
//! its key all have access, and if it answers, itself or through epochs before it, everything that
//! has ended anyone's access. What an epoch claims to answer is to be believed because its author is
//! live, and because an honest author names as previous only what it can check itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::crypt::EpochKey;
use crate::epoch::{EpochKeys, EpochStart, recipients_digest};
use crate::id::{DeviceId, MessageId, ObjectId, RoomId};
use crate::limits::{EPOCH_KEY_TRIES_MAX, EPOCH_PREVIOUS_MAX};
use crate::sync::Place;

/// What is known of one epoch.
#[derive(Clone, Debug)]
struct Epoch {
    id: MessageId,
    start: Option<Start>,
    key: Option<EpochKey>,
    /// What was sealed for this device does not fit: others were given another key.
    split: bool,
    /// Who was asked for the key and did not give it.
    tried: BTreeSet<DeviceId>,
}

#[derive(Clone, Debug)]
struct Start {
    author: DeviceId,
    body: EpochStart,
    /// Where it stands; none if it does not count here (yet) and serves for reading only.
    place: Option<Place>,
    /// Devices for which the author has sealed the key, ascending.
    recipients: Vec<DeviceId>,
    /// All recipients are known.
    complete: bool,
}

impl Start {
    fn check_complete(&mut self) {
        self.complete = self.recipients.len() == self.body.recipients as usize
            && self.body.recipients_digest == recipients_digest(self.recipients.iter().copied());
    }
}

/// What decides, at one time, whether an epoch can be written under.
pub struct Fitting<'a> {
    /// Whether a device may write in the room now.
    pub live: &'a dyn Fn(DeviceId) -> bool,
    /// Whether those who were given a key are just those who may have it.
    pub may_have: &'a dyn Fn(&[DeviceId]) -> bool,
    /// What has ended access to the room, see [`crate::control::ControlLog::ended_access`].
    pub ended: &'a BTreeSet<ObjectId>,
}

/// The epochs of one room.
#[derive(Clone, Debug, Default)]
pub struct Epochs {
    all: Vec<Epoch>,
    numbers: BTreeMap<MessageId, u32>,
    /// Epochs by those that name them as previous.
    followers: BTreeMap<MessageId, Vec<MessageId>>,
    /// Under which this device writes, until something changes.
    writing: Option<MessageId>,
}

impl Epochs {
    /// The number of an epoch in this log, from 1; given out when it is first named.
    pub(super) fn number_of(&mut self, id: MessageId) -> u32 {
        if let Some(number) = self.numbers.get(&id) {
            return *number;
        }
        let (start, key, split, tried) = (None, None, false, BTreeSet::new());
        self.all.push(Epoch { id, start, key, split, tried });
        // A room with 2^32 epochs fits in no memory.
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.numbers.insert(id, number);
        number
    }

    /// The epoch of a number; none for 0.
    pub(super) fn id_of(&self, number: u32) -> Option<MessageId> {
        self.all.get((number as usize).checked_sub(1)?).map(|epoch| epoch.id)
    }

    /// Whether the key of the epoch with this number is known.
    pub(super) fn has_key_of(&self, number: u32) -> bool {
        let epoch = (number as usize).checked_sub(1).and_then(|at| self.all.get(at));
        epoch.is_some_and(|epoch| epoch.key.is_some())
    }

    fn get(&self, id: MessageId) -> Option<&Epoch> {
        let at = (*self.numbers.get(&id)? as usize).checked_sub(1)?;
        self.all.get(at)
    }

    fn get_mut(&mut self, id: MessageId) -> Option<&mut Epoch> {
        let at = (*self.numbers.get(&id)? as usize).checked_sub(1)?;
        self.all.get_mut(at)
    }

    fn start(&self, id: MessageId) -> Option<&Start> {
        self.get(id)?.start.as_ref()
    }

    /// An epoch that counts, with its place.
    fn counting(&self, id: MessageId) -> Option<(Place, &Start)> {
        let start = self.start(id)?;
        Some((start.place?, start))
    }

    /// The epochs that one names as previous, as far as they count and stand before it: whatever an
    /// author has seen stands before what it writes.
    fn before(&self, place: Place, start: &Start) -> impl Iterator<Item = MessageId> {
        let named = start.body.previous.iter().map(|previous| previous.epoch);
        named.filter(move |earlier| self.counting(*earlier).is_some_and(|(at, _)| at < place))
    }

    /// Takes note of an `EpochStart`; `place` is none if it does not count here and serves for
    /// reading only.
    pub fn begin(
        &mut self,
        id: MessageId,
        author: DeviceId,
        body: EpochStart,
        place: Option<Place>,
    ) {
        self.writing = None;
        self.number_of(id);
        let previous: Vec<MessageId> = body.previous.iter().map(|p| p.epoch).collect();
        let Some(epoch) = self.get_mut(id) else { return };
        match epoch.start.as_mut() {
            Some(start) => start.place = place.or(start.place),
            None => {
                let (recipients, complete) = (Vec::new(), false);
                epoch.start = Some(Start { author, body, place, recipients, complete });
                for earlier in previous {
                    self.followers.entry(earlier).or_default().push(id);
                }
            }
        }
    }

    /// An `EpochStart` counts no longer.
    pub(super) fn take_back(&mut self, id: MessageId) {
        self.writing = None;
        if let Some(start) = self.get_mut(id).and_then(|epoch| epoch.start.as_mut()) {
            start.place = None;
        }
    }

    /// Takes note of whom the author of an epoch has sealed its key for. False if another device
    /// says so, or the epoch is not known.
    pub fn add_recipients(&mut self, author: DeviceId, keys: &EpochKeys) -> bool {
        let devices: Vec<DeviceId> = keys.keys.iter().map(|key| key.device).collect();
        self.set_recipients(keys.epoch, author, devices)
    }

    /// As [`Epochs::add_recipients`], for an epoch of this device's own before it is sealed.
    pub fn set_recipients(
        &mut self,
        epoch: MessageId,
        author: DeviceId,
        devices: Vec<DeviceId>,
    ) -> bool {
        let Some(start) = self.get_mut(epoch).and_then(|epoch| epoch.start.as_mut()) else {
            return false;
        };
        // More than it has announced is nothing that an honest author says.
        let most = start.body.recipients as usize;
        if start.author != author || start.complete {
            return start.author == author;
        }
        start.recipients.extend(devices);
        start.recipients.sort_unstable();
        start.recipients.dedup();
        start.recipients.truncate(most);
        start.check_complete();
        self.writing = None;
        true
    }

    /// Forgets under which epoch to write: something that decides about it has changed.
    pub fn look_again(&mut self) {
        self.writing = None;
    }

    /// The key of an epoch, if it is known here.
    #[must_use]
    pub fn key(&self, id: MessageId) -> Option<&EpochKey> {
        self.get(id)?.key.as_ref()
    }

    /// The author of an epoch.
    #[must_use]
    pub fn author(&self, id: MessageId) -> Option<DeviceId> {
        self.start(id).map(|start| start.author)
    }

    /// Whether an `EpochStart` counts here.
    #[must_use]
    pub fn counts(&self, id: MessageId) -> bool {
        self.start(id).is_some_and(|start| start.place.is_some())
    }

    /// Takes in a key from the store, which was checked when it was written.
    pub fn load_key(&mut self, id: MessageId, key: EpochKey) {
        self.number_of(id);
        if let Some(epoch) = self.get_mut(id) {
            epoch.key = Some(key);
        }
    }

    /// Takes in a key if it fits the hash in its `EpochStart`, and with it the keys of earlier
    /// epochs that it opens if `with_earlier` says so. Gives those that are new.
    pub fn learn(
        &mut self,
        room: RoomId,
        id: MessageId,
        key: EpochKey,
        with_earlier: bool,
    ) -> Vec<MessageId> {
        let mut learned = Vec::new();
        if self.take_key(room, id, key) {
            learned.push(id);
        }
        if with_earlier {
            self.open_earlier(room, &mut learned);
        }
        learned
    }

    /// Opens what the key of a later epoch, if it is known, holds for one whose `EpochStart` has
    /// come only now.
    pub fn open_from_later(&mut self, room: RoomId, id: MessageId) -> Vec<MessageId> {
        let mut learned = Vec::new();
        if self.key(id).is_some() || self.start(id).is_none() {
            return learned;
        }
        for later in self.followers.get(&id).cloned().unwrap_or_default() {
            let Some(key) = self.unwrapped(room, later, id) else { continue };
            if self.take_key(room, id, key) {
                learned.push(id);
                self.open_earlier(room, &mut learned);
                break;
            }
        }
        learned
    }

    fn unwrapped(&self, room: RoomId, later: MessageId, earlier: MessageId) -> Option<EpochKey> {
        let (key, start) = (self.key(later)?, self.start(later)?);
        let previous = start.body.previous.iter().find(|p| p.epoch == earlier)?;
        key.unwrap_key(room, earlier, previous.wrapped.as_ref()?)
    }

    /// Follows keys to those of the epochs before, as far as these are known.
    fn open_earlier(&mut self, room: RoomId, learned: &mut Vec<MessageId>) {
        let mut at = 0;
        while let Some(later) = learned.get(at).copied() {
            at += 1;
            let previous: Vec<MessageId> = self
                .start(later)
                .map(|start| start.body.previous.iter().map(|p| p.epoch).collect())
                .unwrap_or_default();
            for earlier in previous {
                if let Some(key) = self.unwrapped(room, later, earlier)
                    && self.take_key(room, earlier, key)
                {
                    learned.push(earlier);
                }
            }
        }
    }

    fn take_key(&mut self, room: RoomId, id: MessageId, key: EpochKey) -> bool {
        let Some(epoch) = self.get_mut(id).filter(|epoch| epoch.key.is_none()) else {
            return false;
        };
        if epoch.start.as_ref().is_none_or(|start| start.body.key_hash != key.hash(room)) {
            return false;
        }
        epoch.key = Some(key);
        epoch.tried = BTreeSet::new();
        self.writing = None;
        true
    }

    /// Notes that what the author of an epoch sealed for this device is not the key that it
    /// announced. False if that was known.
    pub fn mark_split(&mut self, id: MessageId) -> bool {
        self.writing = None;
        let epoch = self.get_mut(id);
        epoch.is_some_and(|epoch| !std::mem::replace(&mut epoch.split, true))
    }

    /// Whether what was sealed for this device did not fit.
    #[must_use]
    pub fn is_split(&self, id: MessageId) -> bool {
        self.get(id).is_some_and(|epoch| epoch.split)
    }

    /// The authors of counting epochs that were split, with the epochs.
    pub fn splits(&self) -> impl Iterator<Item = (DeviceId, MessageId)> + '_ {
        let split = self.all.iter().filter(|epoch| epoch.split);
        split.filter_map(|epoch| Some((epoch.start.as_ref()?.author, epoch.id)))
    }

    /// Devices for which an epoch's author has sealed its key, if all are known.
    #[must_use]
    pub fn recipients(&self, id: MessageId) -> Option<&[DeviceId]> {
        let start = self.start(id)?;
        start.complete.then_some(start.recipients.as_slice())
    }

    /// What an epoch answers, itself and through the epochs before it that are known here.
    #[must_use]
    pub fn answered(&self, id: MessageId) -> BTreeSet<ObjectId> {
        let (mut answered, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut stack = vec![id];
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            // What does not count could be anybody's.
            let Some((place, start)) = self.counting(id) else { continue };
            answered.extend(&start.body.after);
            stack.extend(self.before(place, start));
        }
        answered
    }

    /// The epoch under which to write, if there is one: the newest that fits and whose key is here,
    /// of several at one height that with the smallest id.
    #[must_use]
    pub fn to_write_under(&mut self, fitting: &Fitting<'_>) -> Option<MessageId> {
        if self.writing.is_some() {
            return self.writing;
        }
        let mut counting: Vec<Place> = self
            .all
            .iter()
            .filter(|epoch| epoch.key.is_some() && !epoch.split)
            .filter_map(|epoch| epoch.start.as_ref()?.place)
            .collect();
        counting.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let newest = counting.into_iter().map(|(_, id)| id).find(|id| self.fits(*id, fitting));
        self.writing = newest;
        newest
    }

    /// Under which epoch this device writes, while nothing that decides about it has changed.
    #[must_use]
    pub fn writing(&self) -> Option<MessageId> {
        self.writing
    }

    fn fits(&self, id: MessageId, fitting: &Fitting<'_>) -> bool {
        let Some(start) = self.start(id) else { return false };
        (fitting.live)(start.author)
            && self.recipients(id).is_some_and(|r| !r.is_empty() && (fitting.may_have)(r))
            && self.answered(id).is_superset(fitting.ended)
    }

    /// Counting epochs that no other one follows, for a new one to follow: those of which all that
    /// they answer is known here, the newest if there are too many; ascending by id.
    #[must_use]
    pub fn heads(&self, is_known: impl Fn(ObjectId) -> bool) -> Vec<MessageId> {
        let (mut trusted, mut followed) = (BTreeSet::new(), BTreeSet::new());
        let counting = self.all.iter().filter_map(|epoch| self.counting(epoch.id));
        let mut counting: Vec<(Place, &Start)> = counting.collect();
        counting.sort_unstable_by_key(|(place, _)| *place);
        for (place, start) in counting {
            let knows = start.body.after.iter().copied().all(&is_known);
            if knows && self.before(place, start).all(|earlier| trusted.contains(&earlier)) {
                trusted.insert(place.1);
                followed.extend(self.before(place, start));
            }
        }
        let heads = trusted.difference(&followed).filter_map(|id| self.start(*id)?.place);
        let mut heads: Vec<Place> = heads.collect();
        heads.sort_unstable_by(|a, b| b.cmp(a));
        heads.truncate(EPOCH_PREVIOUS_MAX);
        let mut ids: Vec<MessageId> = heads.into_iter().map(|(_, id)| id).collect();
        ids.sort_unstable();
        ids
    }

    /// Epochs whose key is not here and that a peer has not been asked for in vain, the newest
    /// first; those that are only named, and not known, go first.
    #[must_use]
    pub fn wanted_from(
        &self,
        peer: DeviceId,
        may_have: impl Fn(&[DeviceId]) -> bool,
    ) -> Vec<MessageId> {
        let mut wanted: Vec<(Place, MessageId)> = Vec::new();
        for epoch in self.all.iter().filter(|epoch| epoch.key.is_none()) {
            if epoch.tried.contains(&peer) || epoch.tried.len() >= EPOCH_KEY_TRIES_MAX {
                continue;
            }
            // Nobody will give what others were meant to have.
            if self.recipients(epoch.id).is_some_and(|recipients| !may_have(recipients)) {
                continue;
            }
            let place = epoch.start.as_ref().map_or(Some((u64::MAX, epoch.id)), |s| s.place);
            wanted.push((place.unwrap_or((0, epoch.id)), epoch.id));
        }
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        wanted.into_iter().map(|(_, id)| id).collect()
    }

    /// Whether the key of any epoch is not here.
    #[must_use]
    pub fn lacks_any(&self) -> bool {
        self.all.iter().any(|epoch| epoch.key.is_none())
    }

    /// Notes that a peer was asked for keys.
    pub fn tried(&mut self, peer: DeviceId, ids: &[MessageId]) {
        for id in ids {
            if let Some(epoch) = self.get_mut(*id).filter(|epoch| epoch.key.is_none()) {
                epoch.tried.insert(peer);
            }
        }
    }

    /// Takes back that a peer was asked for these keys.
    pub fn not_tried(&mut self, peer: DeviceId, ids: &[MessageId]) {
        for id in ids {
            if let Some(epoch) = self.get_mut(*id) {
                epoch.tried.remove(&peer);
            }
        }
    }

    /// Lets a peer be asked again; every peer if none is named.
    pub fn try_again(&mut self, peer: Option<DeviceId>) {
        for epoch in self.all.iter_mut().filter(|epoch| !epoch.tried.is_empty()) {
            match peer {
                Some(peer) => drop(epoch.tried.remove(&peer)),
                None => epoch.tried.clear(),
            }
        }
    }

    /// Epochs of an author whose key is here and that have not been sealed for all they name, with
    /// the digest of these.
    #[must_use]
    pub fn unsealed_by(&self, author: DeviceId) -> Vec<(MessageId, ObjectId)> {
        let unsealed = self.all.iter().filter(|epoch| epoch.key.is_some()).filter_map(|epoch| {
            let start = epoch.start.as_ref()?;
            let ours = start.author == author && start.place.is_some() && !start.complete;
            ours.then_some((epoch.id, start.body.recipients_digest))
        });
        unsealed.collect()
    }
}
