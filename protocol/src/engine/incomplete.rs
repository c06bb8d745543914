//! Messages that are shown although parents of theirs are still on the way.
//!
//! Only messages whose author has access now wait in this way. Each has a row in
//! [`Table::Waiting`] before it is shown or passed on. They acknowledge nothing and are nobody's
//! parents until they count. What is shown is the newest page of a running pull, and what gossip
//! brings beside one, as far as it hangs together with messages that are shown.

use super::Engine;
use super::io::{Effect, Event, Table, Write};
use super::messages::Origin;
use crate::envelope::Envelope;
use crate::id::{DeviceId, MessageId, ObjectId, RoomId};
use crate::limits::{INCOMPLETE_DELAY_MS, NEWS_AGE_MS_MAX};
use crate::room::{ClockNote, WaitFor, Waiting, is_ahead};
use crate::signed::{Trust, Verified};
use crate::time::Timestamp;
use crate::view::{MessageState, MessageView};

fn waiting_key(room: RoomId, id: MessageId) -> Vec<u8> {
    [room.0, id.0].concat()
}

impl Engine {
    /// Makes a waiting message durable, and shows it if it belongs to a newest page.
    pub(super) fn store_waiting(&mut self, room: RoomId, id: MessageId) {
        let Some(waiting) = self.rooms.get(&room).and_then(|r| r.log.held.get(id)) else {
            return;
        };
        let page = waiting.newest_page;
        if self.rooms.get_mut(&room).is_some_and(|r| r.log.held.mark_stored(id)) {
            self.write_waiting(room, id);
        }
        if !page {
            let at = self.now.plus_ms(INCOMPLETE_DELAY_MS);
            self.incomplete_at = Some(self.incomplete_at.map_or(at, |before| before.min(at)));
        }
    }

    /// A pull has ended before what it brought could count: that waits like all else now.
    pub(super) fn store_what_waits(&mut self, room: RoomId, peer: DeviceId) {
        let Some(state) = self.rooms.get(&room) else { return };
        let waiting = state.log.held.iter();
        let left: Vec<MessageId> = waiting
            .filter(|(_, w)| w.from == peer && !w.stored && w.wait_for != WaitFor::Control)
            .filter(|(_, w)| self.standing_of(w.envelope.value().device, room).live)
            .map(|(id, _)| id)
            .collect();
        for id in left {
            self.store_waiting(room, id);
        }
    }

    /// The row of a waiting message: whether people see it, who brought it, its bytes.
    pub(super) fn write_waiting(&mut self, room: RoomId, id: MessageId) {
        let Some(waiting) = self.rooms.get(&room).and_then(|r| r.log.held.get(id)) else {
            return;
        };
        let shown = u8::from(self.incomplete.contains(&id));
        let value = [&[shown][..], &waiting.from.0, waiting.envelope.bytes()].concat();
        self.write(Table::Waiting, waiting_key(room, id), value);
    }

    /// Shows a newest page once it is here: what hangs together with the lowest of it, in which a
    /// message with invented parents has no place.
    pub(super) fn show_newest_page(&mut self, room: RoomId, peer: DeviceId) {
        let Some(state) = self.rooms.get(&room) else { return };
        let of_page = |w: &Waiting| w.newest_page && w.stored && w.from == peer;
        let mut page: Vec<(u64, MessageId)> = state
            .log
            .held
            .iter()
            .filter(|(id, waiting)| of_page(waiting) && !self.incomplete.contains(id))
            .map(|(id, waiting)| (waiting.envelope.value().height, id))
            .collect();
        page.sort_unstable();
        let Some(lowest) = page.first().map(|(height, _)| *height) else { return };
        for (height, id) in page {
            if height - lowest <= 1 || self.hangs_together(room, id) {
                self.show_incomplete(room, id);
            }
        }
    }

    /// A peer has given all it has of a room: what still waits of any newest page does not hang
    /// together with that.
    pub(super) fn hide_newest_pages(&mut self, room: RoomId) {
        let Some(state) = self.rooms.get(&room) else { return };
        let waiting = state.log.held.iter();
        let left: Vec<MessageId> = waiting
            .filter(|(id, waiting)| waiting.newest_page && self.incomplete.contains(id))
            .map(|(id, _)| id)
            .collect();
        for id in left {
            self.hide_incomplete(room, id);
        }
    }

    /// A message has been judged after waiting, or has waited too long.
    pub(super) fn waited(&mut self, room: RoomId, id: MessageId, stored: bool) {
        if let Some(state) = self.rooms.get_mut(&room)
            && state.log.held.contains(id)
        {
            if stored {
                state.log.held.mark_stored(id);
            }
            return;
        }
        if stored {
            let key = waiting_key(room, id);
            self.writes.push(Write { table: Table::Waiting, key, value: None });
        }
        self.hide_incomplete(room, id);
    }

    /// If a message was shown: it does not hang together with what is here.
    fn hide_incomplete(&mut self, room: RoomId, id: MessageId) {
        if self.incomplete.remove(&id) {
            self.write_waiting(room, id);
            self.emit(Effect::Event(Event::MessageGone { room, id }));
        }
    }

    /// After a change of the control log: whoever has lost access is shown without proof no more.
    pub(super) fn hide_incomplete_of_ended(&mut self) {
        let mut ended = Vec::new();
        for (room, state) in &self.rooms {
            for id in &self.incomplete {
                if let Some(waiting) = state.log.held.get(*id)
                    && !self.standing_of(waiting.envelope.value().device, *room).live
                {
                    ended.push((*room, *id));
                }
            }
        }
        for (room, id) in ended {
            self.hide_incomplete(room, id);
        }
    }

    /// Whether what claims to have been written then was written a moment ago, and not before the
    /// room was open to this agent.
    pub(super) fn is_news(&self, room: RoomId, claimed: Timestamp) -> bool {
        let opened = self.rooms.get(&room).and_then(|state| state.opened);
        self.now.ms_since(claimed).max(claimed.ms_since(self.now)) <= NEWS_AGE_MS_MAX
            && opened.is_none_or(|opened| claimed >= opened)
    }

    fn show_incomplete(&mut self, room: RoomId, id: MessageId) {
        // An instant room is there once something of it counts; till then a peer only says so.
        if self.instants.is_empty_room(room) {
            return;
        }
        let live =
            self.rooms.get(&room).and_then(|r| r.log.held.get(id)).is_some_and(|waiting| {
                self.standing_of(waiting.envelope.value().device, room).live
            });
        if live
            && self.incomplete.insert(id)
            && let Some(view) = self.message_view(room, id)
        {
            self.write_waiting(room, id);
            let live = self.is_news(room, view.time);
            self.emit(Effect::Event(Event::Message(view, live)));
        }
    }

    /// Shows what has waited a little and hangs together with what is shown.
    pub(super) fn show_incomplete_if_due(&mut self) {
        if self.incomplete_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.incomplete_at = None;
        let now = self.now;
        let mut due: Vec<(u64, MessageId, RoomId)> = Vec::new();
        let mut next: Option<Timestamp> = None;
        for (room, state) in &self.rooms {
            for (id, waiting) in state.log.held.iter() {
                if !waiting.stored || self.incomplete.contains(&id) {
                    continue;
                }
                let at = waiting.since.plus_ms(INCOMPLETE_DELAY_MS);
                if at <= now {
                    due.push((waiting.envelope.value().height, id, *room));
                } else {
                    next = Some(next.map_or(at, |next| next.min(at)));
                }
            }
        }
        self.incomplete_at = next;
        // Parents before children, so that a chain is found to hang together in one pass.
        due.sort_unstable();
        for (_, id, room) in due {
            if self.hangs_together(room, id) {
                self.show_incomplete(room, id);
            }
        }
    }

    /// Whether a waiting message stands just above a parent that is shown or counts.
    fn hangs_together(&self, room: RoomId, id: MessageId) -> bool {
        let Some(log) = self.rooms.get(&room).map(|state| &state.log) else { return false };
        let Some(waiting) = log.held.get(id) else { return false };
        let message = waiting.envelope.value();
        let height_of = |parent: &MessageId| {
            let counting = log.get(*parent).map(|entry| entry.height);
            let shown = || log.held.get(*parent).filter(|_| self.incomplete.contains(parent));
            counting.or_else(|| shown().map(|waiting| waiting.envelope.value().height))
        };
        let known = message.parents.iter().filter_map(height_of).max();
        known.is_some_and(|known| {
            // Invented parents beside a real one must not let it climb.
            message.height == known + 1
        })
    }

    /// How people see a waiting message, if it is shown.
    pub(super) fn incomplete_view(
        &self,
        room: RoomId,
        id: MessageId,
        message: &Envelope,
    ) -> Option<MessageView> {
        if !self.incomplete.contains(&id) {
            return None;
        }
        let author = self.author_of(room, message.device, id)?;
        Some(MessageView {
            id,
            room: self.room_ref(room),
            author: self.agent_ref(author),
            device: message.device,
            height: message.height,
            time: message.claimed_time,
            text: self.text_of(room, message)?,
            state: MessageState::Accepted,
            incomplete: true,
            late: false,
            clock: is_ahead(message.claimed_time, self.now).then_some(ClockNote::Ahead),
        })
    }

    /// A waiting message that is shown.
    pub(super) fn incomplete_message(&self, room: RoomId, id: MessageId) -> Option<&Envelope> {
        let waiting = self.rooms.get(&room)?.log.held.get(id)?;
        self.incomplete.contains(&id).then(|| waiting.envelope.value())
    }

    /// The places of waiting messages that are shown, in the order of the screen.
    pub(super) fn incomplete_order(
        &self,
        room: RoomId,
    ) -> std::collections::BTreeSet<(u64, MessageId)> {
        let Some(state) = self.rooms.get(&room) else { return Default::default() };
        let shown = state.log.held.iter().filter(|(id, _)| self.incomplete.contains(id));
        shown.map(|(id, waiting)| (waiting.envelope.value().height, id)).collect()
    }

    /// Takes up again, at a start, what waited when the node ended.
    pub(super) fn load_waiting(&mut self) {
        let Some(company) = self.company() else { return };
        let mut rows: Vec<(RoomId, ObjectId, Vec<u8>)> = Vec::new();
        self.reader.scan(Table::Waiting, &[], &mut |key, value| {
            let id = |at: usize| key.get(at..at + 32).and_then(|id| id.try_into().ok());
            if let (Some(room), Some(message)) = (id(0), id(32)) {
                rows.push((RoomId(room), ObjectId(message), value.to_vec()));
            }
        });
        for (room, id, value) in rows {
            let parsed = (|| {
                let shown = *value.first()? == 1;
                let from = DeviceId(value.get(1..33)?.try_into().ok()?);
                let bytes = value.get(33..)?;
                let trust = Trust::StoredAs(id);
                let envelope = Verified::<Envelope>::envelope(bytes, company, trust).ok()?;
                Some((shown, from, envelope))
            })();
            let Some((shown, from, envelope)) = parsed else {
                self.count("damaged");
                let key = waiting_key(room, id);
                self.writes.push(Write { table: Table::Waiting, key, value: None });
                continue;
            };
            let newest_page = false;
            if shown {
                self.incomplete.insert(id);
            }
            let wait_for = WaitFor::Control;
            let (since, verdict, stored) = (self.now, None, true);
            let charged = envelope.value().device;
            let waiting =
                Waiting { envelope, from, since, verdict, wait_for, charged, newest_page, stored };
            if self.rooms.contains_key(&room) {
                self.judge_again(room, vec![waiting]);
            } else {
                self.waited(room, id, true);
            }
        }
    }

    /// Where a waiting message came from, for judging it again. If its author has lost access
    /// meanwhile, a pull that is under way may still bring what follows it: then the message
    /// answers to that pull.
    pub(super) fn origin_of(&self, room: RoomId, waiting: &Waiting) -> Origin {
        if let Some((token, until)) = waiting.verdict {
            return Origin::Gossip { peer: waiting.from, token, until };
        }
        let pulled = || {
            let mut peers = self.peers.keys().copied();
            peers.find(|peer| self.is_pulling_from(*peer, room))
        };
        let own = Some(waiting.from);
        let keeps_own = !waiting.stored || self.is_pulling_from(waiting.from, room);
        let peer = if keeps_own { own } else { pulled().or(own) };
        Origin::Sync {
            peer: peer.unwrap_or(waiting.from),
            since: waiting.since,
            newest_page: waiting.newest_page,
        }
    }
}
