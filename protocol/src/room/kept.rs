//! What revocations keep, and which messages of an author who is not live that spares.

use std::collections::BTreeSet;

use super::RoomLog;
use super::entries::Entries;
use crate::bits::Bits;
use crate::control::Standing;
use crate::id::{DeviceId, MessageId};
use crate::sync::Ix;

/// What one keep holds of the room: its heads and their ancestors, as far as they are here.
#[derive(Clone, Debug)]
pub(super) struct Keep {
    pub(super) heads: BTreeSet<MessageId>,
    held: Bits,
}

/// One thing that ended a way in, made ready to be asked about many messages.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    acknowledged_stays: bool,
    /// Places in [`RoomLog::kept`]; none for a keep that holds nothing.
    keeps: Vec<Option<usize>>,
}

/// What several keeps hold, each once, however many authors they concern.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept(Vec<Keep>);

impl Kept {
    fn find(&self, heads: &BTreeSet<MessageId>) -> Option<usize> {
        self.0.binary_search_by(|keep| keep.heads.cmp(heads)).ok()
    }

    fn holds(&self, keep: usize, ix: Ix) -> bool {
        self.0.get(keep).is_some_and(|keep| keep.held.has(ix.index()))
    }

    /// Whether a message is a head of what is kept.
    pub(super) fn has_head(&self, id: MessageId) -> bool {
        self.0.iter().any(|keep| keep.heads.contains(&id))
    }

    /// A message was taken back, and its place may be given to another.
    pub(super) fn forget(&mut self, ix: Ix) {
        for keep in &mut self.0 {
            keep.held.set(ix.index(), false);
        }
    }

    fn rules(&self, standing: &Standing) -> Vec<Vec<Rule>> {
        let rule = |ended: &crate::control::Ended| Rule {
            acknowledged_stays: ended.acknowledged_stays,
            keeps: ended.keeps.iter().map(|heads| self.find(heads)).collect(),
        };
        standing.ways.iter().map(|way| way.iter().map(rule).collect()).collect()
    }
}

impl RoomLog {
    /// Whether a message of an author who is not live stands, given whether a live author's
    /// message follows it.
    pub(super) fn stands(&self, ix: Ix, acknowledged: bool) -> bool {
        let holds = |keep: &Option<usize>| keep.is_some_and(|keep| self.kept.holds(keep, ix));
        let spares = |rule: &Rule| {
            if rule.acknowledged_stays {
                acknowledged || rule.keeps.iter().any(holds)
            } else {
                !rule.keeps.is_empty() && rule.keeps.iter().all(holds)
            }
        };
        self.entries
            .author(ix)
            .is_some_and(|author| author.rules.iter().any(|way| way.iter().all(spares)))
    }

    /// Takes note of how an author stands; true if revocations keep what was not known to be
    /// kept.
    pub(super) fn learn_standing(&mut self, device: DeviceId, standing: Standing) -> bool {
        let keeps = standing.ways.iter().flatten().flat_map(|ended| &ended.keeps);
        let news = keeps.filter(|heads| !heads.is_empty()).any(|h| self.kept.find(h).is_none());
        let rules = self.kept.rules(&standing);
        if let Some(author) = self.entries.author_mut(device) {
            author.rules = rules;
            let agent = standing.agent;
            let before = author.standing.replace(standing);
            if before.is_some_and(|before| before.agent != agent) {
                self.reading.forget_unread();
            }
        }
        news
    }

    /// Finds what revocations keep, as far as it is held, and gives out its places.
    pub(super) fn find_kept(&mut self) -> Vec<Ix> {
        let standings = self.entries.authors.iter().filter_map(|author| author.standing.as_ref());
        let ended = standings.flat_map(|standing| &standing.ways).flatten();
        let heads: BTreeSet<&BTreeSet<MessageId>> =
            ended.flat_map(|ended| &ended.keeps).filter(|keep| !keep.is_empty()).collect();
        let (mut kept, mut places) = (Vec::new(), Vec::new());
        for heads in heads {
            let held = ancestors(&self.entries, heads, &mut places);
            kept.push(Keep { heads: heads.clone(), held });
        }
        self.kept = Kept(kept);
        for author in &mut self.entries.authors {
            let rules = author.standing.as_ref().map(|standing| self.kept.rules(standing));
            author.rules = rules.unwrap_or_default();
        }
        places
    }
}

fn ancestors(entries: &Entries, heads: &BTreeSet<MessageId>, places: &mut Vec<Ix>) -> Bits {
    let mut held = Bits::default();
    let mut open: Vec<Ix> = heads.iter().filter_map(|id| entries.find(*id)).collect();
    while let Some(ix) = open.pop() {
        if held.set(ix.index(), true) {
            places.push(ix);
            open.extend(entries.parents(ix));
        }
    }
    held
}
