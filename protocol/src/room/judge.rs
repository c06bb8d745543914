//! Which messages are accepted, and what follows from that.

use super::entries::{ACCEPTED, ACKNOWLEDGED, FOLLOWED, SEEN_BEFORE, SHOWN, UNACKNOWLEDGED};
use super::{Rejudged, RoomLog};
use crate::bits::Bits;
use crate::control::Standing;
use crate::id::{DeviceId, MessageId};
use crate::sync::Ix;

impl RoomLog {
    /// Judges every message again after a change of the control log; `None` if no author stands
    /// differently.
    pub fn rejudge(&mut self, standing_of: impl Fn(DeviceId) -> Standing) -> Option<Rejudged> {
        let mut changed = false;
        for author in &mut self.entries.authors {
            let standing = standing_of(author.device);
            if author.standing.as_ref() != Some(&standing) {
                author.standing = Some(standing);
                changed = true;
            }
        }
        changed.then(|| self.judge_all())
    }

    pub(super) fn judge_all(&mut self) -> Rejudged {
        let descending: Vec<Ix> = self.entries.all(true).collect();
        let (mut was_accepted, mut was_shown) = (Bits::default(), Bits::default());
        let mut is_start = true;
        for ix in &descending {
            let facts = self.entries.facts_mut(*ix);
            if facts.set(ACCEPTED, false) {
                was_accepted.set(ix.index(), true);
                is_start = false;
            }
            // Also those of before a restart: a start is no news.
            if facts.is(SHOWN) {
                was_shown.set(ix.index(), true);
            }
            facts.set(ACKNOWLEDGED | FOLLOWED, false);
        }
        self.digest.clear();
        self.heads.clear();
        self.content = 0;
        self.newest = None;
        self.reading.forget_unread();
        let mut shared = Bits::default();
        for ix in self.find_kept() {
            shared.set(ix.index(), true);
        }
        self.draft = Some(shared);
        // Children come before parents, so one pass finds all that live authors acknowledge.
        for ix in &descending {
            let (live, acknowledged) =
                (self.is_live(*ix), self.entries.facts(*ix).is(ACKNOWLEDGED));
            if live || acknowledged {
                self.acknowledge_parents(*ix, &mut Vec::new());
            }
            if live || self.stands(*ix, acknowledged) {
                self.accept(*ix);
            }
        }
        if let Some(shared) = self.draft.take() {
            self.entries.items.share_only(shared);
        }
        let mut rejudged = Rejudged::default();
        for ix in descending.into_iter().rev() {
            let is = self.entries.facts(ix).is(ACCEPTED);
            if is && !was_shown.has(ix.index()) {
                rejudged.accepted.push(self.entries.id(ix));
            } else if is && !is_start && !was_accepted.has(ix.index()) {
                rejudged.returned.push(self.entries.id(ix));
            } else if !is && was_accepted.has(ix.index()) {
                rejudged.lost.push(self.entries.id(ix));
            }
        }
        rejudged
    }

    /// Takes in a message that was just added. Returns what is accepted now and was not before.
    pub(super) fn judge_new(&mut self, ix: Ix, live: bool, more_is_kept: bool) -> Vec<MessageId> {
        let id = self.entries.id(ix);
        let mut accepted = Vec::new();
        if more_is_kept {
            // This is rare enough to look at everything.
            accepted = self.judge_all().accepted;
            accepted.retain(|other| *other != id);
            if self.entries.facts(ix).is(ACCEPTED) {
                accepted.insert(0, id);
            }
        } else if live {
            self.accept(ix);
            accepted.push(id);
            self.acknowledge_ancestors(ix, &mut accepted);
        }
        accepted
    }

    fn is_live(&self, ix: Ix) -> bool {
        let standing = self.entries.author(ix).and_then(|author| author.standing.as_ref());
        standing.is_some_and(|standing| standing.live)
    }

    fn share(&mut self, ix: Ix) {
        match self.draft.as_mut() {
            Some(draft) => drop(draft.set(ix.index(), true)),
            None => drop(self.entries.items.share(ix, true)),
        }
    }

    fn accept(&mut self, ix: Ix) {
        let place = self.entries.items.place(ix);
        let facts = self.entries.facts_mut(ix);
        if !facts.set(ACCEPTED, true) {
            return;
        }
        let seen_before = facts.is(SHOWN);
        facts.set(SEEN_BEFORE, seen_before);
        facts.set(SHOWN, true);
        facts.set(UNACKNOWLEDGED, false);
        let content = facts.kind.is_content();
        let leaf = !facts.is(FOLLOWED);
        if content && self.is_readable_at(ix) {
            if !seen_before {
                self.became_visible(ix);
            }
            self.note_newest(place);
            self.count_unread(ix);
        }
        self.content += u64::from(content);
        self.digest.clear();
        self.share(ix);
        if leaf {
            self.heads.insert(self.entries.id(ix));
        }
        for n in 0..self.entries.parents(ix).len() {
            let Some(parent) = self.entries.parent(ix, n) else { continue };
            let facts = self.entries.facts_mut(parent);
            if facts.set(FOLLOWED, true) && facts.is(ACCEPTED) {
                self.heads.remove(&self.entries.id(parent));
            }
        }
    }

    /// Marks the parents of a message as acknowledged; adds those that were not to `fresh`.
    fn acknowledge_parents(&mut self, ix: Ix, fresh: &mut Vec<Ix>) {
        for n in 0..self.entries.parents(ix).len() {
            let Some(parent) = self.entries.parent(ix, n) else { continue };
            if self.entries.facts_mut(parent).set(ACKNOWLEDGED, true) {
                self.share(parent);
                fresh.push(parent);
            }
        }
    }

    /// Follows the parents of a live author's message down to what is acknowledged already.
    fn acknowledge_ancestors(&mut self, ix: Ix, accepted: &mut Vec<MessageId>) {
        let mut stack = vec![ix];
        while let Some(ix) = stack.pop() {
            let at = stack.len();
            self.acknowledge_parents(ix, &mut stack);
            for n in at..stack.len() {
                let Some(parent) = stack.get(n).copied() else { continue };
                if !self.entries.facts(parent).is(ACCEPTED) && self.stands(parent, true) {
                    self.accept(parent);
                    accepted.push(self.entries.id(parent));
                }
            }
        }
    }
}
