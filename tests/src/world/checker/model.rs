//! Which messages of a room are accepted: section 5 of the protocol in sets, worked out from
//! nothing each time.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::control::Standing;
use conclave_protocol::id::{DeviceId, MessageId, ObjectId, RoomId};

use super::Checker;
use super::access::Known;

/// What becomes of a set of envelopes under a control log.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// Those whose ancestors are all there and whose height is right.
    pub counting: BTreeSet<MessageId>,
    /// Those of them that are accepted.
    pub accepted: BTreeSet<MessageId>,
    /// Accepted by authors who have no access any more.
    pub vouched: BTreeSet<MessageId>,
    /// Those that an acknowledgement would keep, or that are accepted.
    pub keepable: BTreeSet<MessageId>,
}

impl Checker {
    /// Judges the envelopes of a room that are in `held`, as of a node's control log.
    pub(super) fn judge(&self, room: RoomId, held: &BTreeSet<MessageId>, known: &Known) -> Judged {
        let parents = |id: &MessageId| self.made[id].envelope.parents.clone();
        let height = |id: &MessageId| self.made[id].envelope.height;
        let mut by_height: Vec<&MessageId> = held
            .iter()
            .filter(|id| self.made.get(id).is_some_and(|made| made.envelope.room == room))
            .collect();
        by_height.sort_by_key(|id| height(id));
        let mut counting: BTreeSet<MessageId> = BTreeSet::new();
        for id in by_height {
            let parents = parents(id);
            let fits = parents.iter().map(height_if(self)).max().unwrap_or(0) + 1 == height(id);
            if fits && parents.iter().all(|parent| counting.contains(parent)) {
                counting.insert(*id);
            }
        }
        let with_ancestors = |heads: Vec<MessageId>| {
            let mut all = BTreeSet::new();
            let mut open = heads;
            while let Some(id) = open.pop() {
                if counting.contains(&id) && all.insert(id) {
                    open.extend(parents(&id));
                }
            }
            all
        };
        let mut standings: BTreeMap<DeviceId, Standing> = BTreeMap::new();
        for id in &counting {
            let device = self.made[id].envelope.device;
            standings.entry(device).or_insert_with(|| known.standing(device, room));
        }
        let of = |id: &MessageId| &standings[&self.made[id].envelope.device];
        let live: BTreeSet<MessageId> = counting.iter().filter(|id| of(id).live).copied().collect();
        let acknowledged = with_ancestors(live.iter().flat_map(&parents).collect());
        let stands = |id: &MessageId, acknowledged: bool| {
            of(id).ways.iter().any(|way| {
                way.iter().all(|ended| {
                    let mut keeps = ended
                        .keeps
                        .iter()
                        .map(|heads| with_ancestors(heads.iter().copied().collect()).contains(id));
                    if ended.acknowledged_stays {
                        acknowledged || keeps.any(|kept| kept)
                    } else {
                        !ended.keeps.is_empty() && keeps.all(|kept| kept)
                    }
                })
            })
        };
        let accepted: BTreeSet<MessageId> = counting
            .iter()
            .filter(|id| live.contains(id) || stands(id, acknowledged.contains(id)))
            .copied()
            .collect();
        let keepable =
            counting.iter().filter(|id| live.contains(id) || stands(id, true)).copied().collect();
        let vouched = accepted.difference(&live).copied().collect();
        Judged { counting, accepted, vouched, keepable }
    }

    /// The digest of a set of messages, as the document defines it.
    pub(super) fn digest_of(&self, accepted: &BTreeSet<MessageId>) -> ObjectId {
        let mut hasher = blake3::Hasher::new_derive_key("conclave v1 room digest");
        for (_, id) in self.in_order(accepted) {
            hasher.update(&id.0);
        }
        ObjectId(hasher.finalize().into())
    }

    /// In the order of the screen.
    pub(super) fn in_order(&self, ids: &BTreeSet<MessageId>) -> Vec<(u64, MessageId)> {
        let mut places: Vec<(u64, MessageId)> =
            ids.iter().map(|id| (self.made[id].envelope.height, *id)).collect();
        places.sort_unstable();
        places
    }
}

fn height_if(checker: &Checker) -> impl Fn(&MessageId) -> u64 + '_ {
    |id| checker.made.get(id).map_or(0, |made| made.envelope.height)
}
