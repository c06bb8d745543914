//! Reading a room: pages of its messages, and marks of what has been read.

use std::collections::BTreeSet;

use super::Engine;
use super::command::{Failure, FailureKind, Outcome};
use super::io::{Effect, Event, Table};
use super::load::READ;
use crate::id::{MessageId, ObjectId, RoomId};
use crate::limits::HISTORY_PAGE_MAX;
use crate::room::RoomLog;
use crate::sync::Place;
use crate::view::{MessageView, Page, RoomLine};

/// Which messages a page holds; messages are named by their ids, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageAt<'a> {
    /// The oldest.
    Oldest,
    /// The newest.
    Newest,
    /// Those just before a message.
    Before(&'a str),
    /// Those just after a message.
    After(&'a str),
    /// A message in the middle of those around it.
    Around(&'a str),
}

/// Below and above everything.
const BOTTOM: Place = (0, ObjectId([0; 32]));
const TOP: Place = (u64::MAX, ObjectId([255; 32]));

/// What can be walked through in a room: messages that count, and such as wait and are shown.
struct Walk<'a> {
    engine: &'a Engine,
    room: RoomId,
    log: &'a RoomLog,
    waiting: BTreeSet<Place>,
}

impl Walk<'_> {
    /// What is on its way to the disk may never get there: its event follows when it has.
    fn shows(&self, (_, id): &Place) -> bool {
        self.engine.is_visible(self.room, *id) && !self.engine.in_flight.contains_key(id)
    }

    /// What is shown before a place, the newest first.
    fn down(&self, end: Place) -> impl Iterator<Item = Place> + '_ {
        let counting = self.log.order().before(end);
        let waiting = self.waiting.range(..end).rev().copied();
        merge(counting, waiting, |a, b| a >= b).filter(|place| self.shows(place))
    }

    /// What is shown from a place on, the oldest first.
    fn up(&self, start: Place) -> impl Iterator<Item = Place> + '_ {
        let counting = self.log.order().from(start);
        let waiting = self.waiting.range(start..).copied();
        let in_order = |a: &Option<Place>, b: &Option<Place>| b.is_none() || a.is_some() && a <= b;
        merge(counting, waiting, in_order).filter(|place| self.shows(place))
    }

    /// Up to `limit` places before one, oldest first, and whether there are more.
    fn older(&self, end: Place, limit: usize) -> (Vec<Place>, bool) {
        let mut places = self.down(end);
        let mut found: Vec<Place> = places.by_ref().take(limit).collect();
        found.reverse();
        (found, places.next().is_some())
    }

    /// Up to `limit` places behind one, oldest first, and whether there are more.
    fn newer(&self, start: Place, limit: usize) -> (Vec<Place>, bool) {
        let mut places = self.up(start).filter(|place| *place > start);
        let found: Vec<Place> = places.by_ref().take(limit).collect();
        (found, places.next().is_some())
    }
}

impl Engine {
    /// The newest `limit` messages (at most [`HISTORY_PAGE_MAX`]) before message `before`.
    ///
    /// # Errors
    /// Unknown room or message, or not open to this agent.
    pub fn history(
        &self,
        selector: &str,
        limit: usize,
        before: Option<&str>,
    ) -> Result<Page, Failure> {
        self.page(selector, limit, before.map_or(PageAt::Newest, PageAt::Before))
    }

    /// A page of up to `limit` messages (at most [`HISTORY_PAGE_MAX`]), oldest first.
    ///
    /// # Errors
    /// Unknown room or message, or not open to this agent.
    pub fn page(&self, selector: &str, limit: usize, at: PageAt<'_>) -> Result<Page, Failure> {
        let room = self.readable_room(selector)?.id;
        let Some(state) = self.rooms.get(&room) else { return Ok(Page::default()) };
        let waiting = self.incomplete_order(room);
        let walk = Walk { engine: self, room, log: &state.log, waiting };
        let limit = limit.min(HISTORY_PAGE_MAX);
        let (places, more, newer) = match at {
            PageAt::Oldest => {
                let (places, newer) = walk.newer(BOTTOM, limit);
                (places, false, newer)
            }
            PageAt::Newest => {
                let (places, more) = walk.older(TOP, limit);
                (places, more, false)
            }
            PageAt::Before(typed) => {
                let end = self.place_of(room, typed)?;
                let (places, more) = walk.older(end, limit);
                (places, more, walk.up(end).next().is_some())
            }
            PageAt::After(typed) => {
                let start = self.place_of(room, typed)?;
                let (places, newer) = walk.newer(start, limit);
                let older = walk.shows(&start) || walk.down(start).next().is_some();
                (places, older, newer)
            }
            PageAt::Around(typed) => {
                let middle = self.place_of(room, typed)?;
                let shown = walk.shows(&middle);
                let rest = limit - usize::from(shown && limit > 0);
                let (mut places, more) = walk.older(middle, rest / 2);
                places.extend(shown.then_some(middle));
                // What there is too little of before it goes to what comes after.
                let (after, newer) = walk.newer(middle, limit.saturating_sub(places.len()));
                places.extend(after);
                (places, more, newer)
            }
        };
        let messages: Vec<MessageView> =
            places.into_iter().filter_map(|(_, id)| self.message_view(room, id)).collect();
        Ok(Page { messages, more, newer })
    }

    /// A line of the room list.
    pub(super) fn room_line(&self, id: RoomId) -> RoomLine {
        let me = self.me();
        let info = self.control.as_ref().and_then(|control| control.access().rooms().get(&id));
        let access = self.control.as_ref().map(crate::control::ControlLog::access);
        let open = me.zip(access).is_some_and(|(me, access)| access.has_access(me, id));
        let log = self.rooms.get(&id).map(|state| &state.log).filter(|_| open);
        let unread = log.map(|log| log.unread_of(me)).unwrap_or_default();
        RoomLine {
            room: self.room_ref(id),
            unread: unread.count,
            active: info.is_some_and(|room| room.active),
            access: open,
            topic: info.map(|room| room.topic.clone()).unwrap_or_default(),
            first_unread: unread.first.map(|(_, id)| id),
            newest: log.and_then(|log| {
                let waiting = self.incomplete_order(id).last().copied();
                let (_, newest) = log.newest().max(waiting)?;
                let waits = || self.incomplete_message(id, newest).map(|m| m.claimed_time);
                log.get(newest).map(|entry| entry.claimed_time).or_else(waits)
            }),
        }
    }

    pub(super) fn mark_read(
        &mut self,
        selector: &str,
        up_to: Option<&str>,
    ) -> Result<Outcome, Failure> {
        let room = self.readable_room(selector)?.id;
        let place = up_to.map(|typed| self.place_of(room, typed)).transpose()?;
        let me = self.me();
        let Some(state) = self.rooms.get_mut(&room) else { return Ok(Outcome::Done) };
        // What waits has no number yet, and is unread once it has one. Nothing that is still to
        // come before it has been read.
        let place = match place {
            Some((_, id)) if state.log.get(id).is_none() => {
                let counting = place.and_then(|place| state.log.order().before(place).next());
                let Some(counting) = counting.min(state.log.newest()) else {
                    return Ok(Outcome::Done);
                };
                Some(counting)
            }
            place => place,
        };
        if state.log.mark_read(place, me) {
            let (row, unread) = (state.log.reading(), state.log.unread(me));
            self.write(Table::State, [READ, &room.0].concat(), row);
            self.emit(Effect::Event(Event::Read { room, unread }));
        }
        Ok(Outcome::Done)
    }

    /// The place of a message that counts, or waits and is shown.
    fn place_of(&self, room: RoomId, typed: &str) -> Result<Place, Failure> {
        let height_of = |id: MessageId| {
            let counting = self.rooms.get(&room)?.log.get(id).map(|entry| entry.height);
            counting.or_else(|| Some(self.incomplete_message(room, id)?.height))
        };
        let id = typed.parse::<MessageId>().ok();
        id.and_then(|id| Some((height_of(id)?, id))).ok_or_else(|| {
            Failure::new(
                FailureKind::NotFound,
                format!("there is no message \"{typed}\" in this room"),
                "use the `id` of a message that `conclave history --json` shows",
            )
        })
    }
}

/// Two sequences as one; the first goes first where `first` says so of the next of each.
fn merge<T>(
    a: impl Iterator<Item = T>,
    b: impl Iterator<Item = T>,
    first: impl Fn(&Option<T>, &Option<T>) -> bool,
) -> impl Iterator<Item = T> {
    let (mut a, mut b) = (a, b);
    let (mut next_a, mut next_b) = (a.next(), b.next());
    std::iter::from_fn(move || {
        if first(&next_a, &next_b) {
            std::mem::replace(&mut next_a, a.next())
        } else {
            std::mem::replace(&mut next_b, b.next())
        }
    })
}
