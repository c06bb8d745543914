//! Instant messages: which such rooms this node knows, and how others come to know of them.
//!
//! A room is *kept*, and its name written down, once a message of it is stored. Before that it is
//! only *opened* by the user, of which nobody hears, or *told of* by peers that hold messages;
//! what they told of is forgotten when they bring none. Members hear of a room from everybody who
//! holds it: at once when its first message is stored, and page by page on every comparison.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::authoring::not_a_member;
use super::command::{Failure, FailureKind, Outcome};
use super::io::{Effect, Event, GossipVerdict, Table};
use super::load::{WAS_COPY, id_at};
use super::syncing::Asked;
use super::{Engine, Room};
use crate::id::{AgentId, DeviceId, MessageId, RoomId};
use crate::instant::InstantAgents;
use crate::limits::{
    INSTANT_AGENTS_MIN, INSTANTS_ANSWERS_MAX, INSTANTS_OF_OTHERS_MAX, INSTANTS_OPENED_MAX,
    INSTANTS_OWN_MAX, INSTANTS_PER_STARTER_MAX, INSTANTS_TOLD_MAX, INSTANTS_TOLD_PER_PEER_MAX,
};
use crate::sync::{Blob, InstantSummary, Request, Response, Scope};
use crate::view::{InstantView, RoomLine};

/// Prefix of the kept rooms in [`Table::State`]; the room's id follows. The value is who started
/// it, then its agents.
const INSTANT: &[u8] = b"instant/";

/// What this node knows of instant rooms beside their agents.
#[derive(Debug, Default)]
pub(super) struct Instants {
    /// Those with messages, and which agent started them.
    kept: BTreeMap<RoomId, AgentId>,
    /// Those without, of which peers have told.
    told: BTreeMap<RoomId, BTreeSet<DeviceId>>,
    /// Those without that the user has opened, the oldest first.
    opened: VecDeque<RoomId>,
    /// What peers are being asked about rooms.
    walks: BTreeMap<DeviceId, Walk>,
    /// Rooms have been kept since gossip last heard which there are.
    policy_due: bool,
    /// This home was a copy once: it may have written in rooms of which it has never heard since.
    pub(super) was_copy: bool,
}

/// A peer's rooms are asked for page by page, the next when the last is done with.
#[derive(Debug)]
struct Walk {
    next: Option<RoomId>,
    asked: bool,
    answers_left: u32,
}

impl Instants {
    pub(super) fn is_kept(&self, room: RoomId) -> bool {
        self.kept.contains_key(&room)
    }

    pub(super) fn kept(&self) -> impl Iterator<Item = RoomId> + '_ {
        self.kept.keys().copied()
    }

    pub(super) fn told(&self) -> impl Iterator<Item = RoomId> + '_ {
        self.told.keys().copied()
    }

    /// Whether it is an instant room of which no message is stored.
    pub(super) fn is_empty_room(&self, room: RoomId) -> bool {
        self.told.contains_key(&room) || self.opened.contains(&room)
    }

    /// Whether a peer must not notice that the room is known here: the user may have opened it.
    pub(super) fn is_hidden_from(&self, peer: DeviceId, room: RoomId) -> bool {
        self.is_empty_room(room) && !self.told.get(&room).is_some_and(|told| told.contains(&peer))
    }
}

impl Engine {
    /// The instant messages of this agent, the newest first.
    ///
    /// # Errors
    /// If this device is not a member.
    pub fn instants(&self) -> Result<Vec<InstantView>, Failure> {
        self.access()?;
        let known = self.instants.kept().chain(self.instants.opened.iter().copied());
        let mut views = known.map(|room| self.instant_view(room)).collect::<Result<Vec<_>, _>>()?;
        // What claims to be from tomorrow stands with what is from now.
        let time = |view: &InstantView| view.newest.map(|newest| newest.min(self.now));
        views.sort_by_key(|view| (Reverse(time(view)), view.room.id));
        Ok(views)
    }

    fn instant_view(&self, room: RoomId) -> Result<InstantView, Failure> {
        let access = self.access()?;
        let agents = access.instant(room).into_iter().flat_map(InstantAgents::iter);
        let agents = agents.map(|id| (self.agent_ref(id), access.is_live(id))).collect();
        let RoomLine { room, unread, first_unread, newest, access, .. } = self.room_line(room);
        Ok(InstantView { room, agents, unread, first_unread, newest, access })
    }

    /// An instant room is known to its agents by the names of the others.
    pub(super) fn instant_name(&self, room: RoomId) -> Option<String> {
        let agents = self.control.as_ref()?.access().instant(room)?;
        let others = agents.iter().filter(|agent| Some(*agent) != self.me());
        let mut names: Vec<String> = others.map(|agent| self.agent_ref(agent).name).collect();
        names.sort_unstable();
        Some(names.join(", "))
    }

    /// A room by name, or an instant room by its id.
    pub(super) fn find_conversation(&self, typed: &str) -> Result<RoomId, Failure> {
        let access = self.access()?;
        let instant = typed.parse().ok().filter(|room| access.instant(*room).is_some());
        instant.map_or_else(|| self.find_room(typed), Ok)
    }

    /// Reads the kept rooms from the store.
    pub(super) fn load_instants(&mut self) {
        let Some(control) = self.control.as_mut() else { return };
        let (mut kept, mut damaged) = (BTreeMap::new(), 0);
        self.reader.scan(Table::State, INSTANT, &mut |key, value| {
            let ids = value.chunks(32).map(|id| id.try_into().ok().map(AgentId));
            let mut ids = ids.collect::<Option<Vec<_>>>().unwrap_or_default().into_iter();
            let room = id_at(key, INSTANT.len()).map(RoomId);
            let (starter, agents) = (ids.next(), InstantAgents::new(ids));
            match (room, starter, agents) {
                (Some(room), Some(starter), Some(agents))
                    if agents.room(control.company()) == room =>
                {
                    kept.insert(control.learn_instant(agents), starter);
                }
                _ => damaged += 1,
            }
        });
        self.instants.kept = kept;
        self.instants.was_copy = self.reader.get(Table::State, WAS_COPY).is_some();
        for _ in 0..damaged {
            self.count("damaged");
        }
    }

    /// Whether a message may be stored by which an instant room would be kept. An agent that has
    /// started its share of rooms is not heard in more, and others are.
    pub(super) fn may_start_instant(&self, room: RoomId, author: DeviceId) -> bool {
        if !self.instants.is_empty_room(room) {
            return true;
        }
        let starter = self.standing_of(author, room).agent;
        let ours = self.instants.kept.values().filter(|by| Some(**by) == self.me()).count();
        if starter == self.me() {
            return ours < INSTANTS_OWN_MAX;
        }
        let started = self.instants.kept.values().filter(|by| Some(**by) == starter).count();
        started < INSTANTS_PER_STARTER_MAX
            && self.instants.kept.len() - ours < INSTANTS_OF_OTHERS_MAX
    }

    /// A message of a room has been stored: if it is an instant room, it is kept from now on.
    pub(super) fn keep_instant(&mut self, room: RoomId, author: DeviceId) {
        if !self.instants.is_empty_room(room) {
            return;
        }
        let Some(control) = self.control.as_ref() else { return };
        let starter = control.standing(author, room).agent.unwrap_or_default();
        let Some(agents) = control.access().instant(room).cloned() else { return };
        let told = self.instants.told.remove(&room).unwrap_or_default();
        self.instants.opened.retain(|opened| *opened != room);
        self.instants.kept.insert(room, starter);
        let row = [starter].into_iter().chain(agents.iter()).flat_map(|id| id.0).collect();
        self.write(Table::State, [INSTANT, &room.0].concat(), row);
        let ours = self.keys.device();
        let tail = self.rooms.get(&room).and_then(|state| state.log.tail(ours));
        if let Some((seq, id)) = tail.filter(|_| self.instants.was_copy) {
            self.write_tail(room, seq, id);
        }
        if let Some(topics) = self.topic_names() {
            self.topics.insert(topics.room(room), room);
        }
        self.instants.policy_due = true;
        if author == ours {
            // What was written is published next, and told with its text.
            self.follow_kept();
        } else {
            self.tell_instant(room, &[]);
        }
        self.emit(Effect::Event(Event::Instants));
        // Before, nobody could have found what was shown.
        for peer in told {
            self.show_newest_page(room, peer);
        }
    }

    /// Lets gossip know of rooms that are new.
    fn follow_kept(&mut self) {
        if std::mem::take(&mut self.instants.policy_due) {
            self.update_policy();
        }
    }

    /// Tells the devices of a room's agents that are connected, and not in its topic yet, that it
    /// is there. With messages, these are enough for who has none; without, they ask for them.
    pub(super) fn tell_instant(&mut self, room: RoomId, messages: &[MessageId]) {
        let Some(control) = self.control.as_ref() else { return };
        let access = control.access();
        let Some(agents) = access.instant(room).cloned() else { return };
        let topic = control.topics().map(|topics| topics.room(room));
        let present = topic.and_then(|topic| self.in_topic.get(&topic));
        let unaware: Vec<DeviceId> = agents
            .iter()
            .filter_map(|agent| access.agents().get(&agent).filter(|info| info.live))
            .flat_map(|info| info.devices.iter().copied())
            .filter(|device| self.peers.contains_key(device))
            .filter(|device| present.is_none_or(|present| !present.contains(device)))
            .collect();
        if unaware.is_empty() {
            return;
        }
        let bytes = messages.iter().filter_map(|id| self.stored_message(room, *id));
        let objects: Vec<Blob> = bytes.map(Blob).collect();
        for device in unaware {
            let (agents, objects) = (agents.clone(), objects.clone());
            self.ask(device, Request::Instant { agents, objects });
        }
    }

    /// A peer told of a room, with messages of it or without.
    pub(super) fn take_instant(
        &mut self,
        peer: DeviceId,
        agents: InstantAgents,
        objects: &[Blob],
    ) -> Response {
        let Some(room) = self.told_of(peer, agents) else { return Response::Refused };
        self.take_pushed_messages(peer, room, objects);
        if self.instants.told.contains_key(&room) {
            self.want(peer, Scope::Room(room));
        }
        self.drop_told();
        Response::Ack
    }

    /// Takes note of a room that a peer holds, if both sides are in it and there is a place for it.
    fn told_of(&mut self, peer: DeviceId, agents: InstantAgents) -> Option<RoomId> {
        let me = self.me()?;
        let control = self.control.as_ref()?;
        let theirs = control.access().agent_of(peer)?;
        if !agents.contains(me) || !agents.contains(theirs) {
            self.count("not_our_room");
            return None;
        }
        let room = agents.room(control.company());
        if self.instants.is_kept(room) {
            return Some(room);
        }
        if let Some(peers) = self.instants.told.get_mut(&room) {
            peers.insert(peer);
            return Some(room);
        }
        let by_peer = self.instants.told.values().filter(|peers| peers.contains(&peer)).count();
        if by_peer >= INSTANTS_TOLD_PER_PEER_MAX || self.instants.told.len() >= INSTANTS_TOLD_MAX {
            self.count("instants_full");
            return None;
        }
        self.learn_instant(agents);
        self.instants.told.insert(room, BTreeSet::from([peer]));
        // Messages may be here whose room the store has lost.
        let author = self.rooms.get(&room).and_then(|state| state.log.authors().next());
        if let Some(author) = author {
            self.keep_instant(room, author);
        }
        Some(room)
    }

    fn learn_instant(&mut self, agents: InstantAgents) -> Option<RoomId> {
        let room = self.control.as_mut()?.learn_instant(agents);
        self.rooms.entry(room).or_default();
        if self.instants.was_copy {
            let (seq, id) = self.beyond_own_numbers(room);
            let ours = self.keys.device();
            self.rooms.entry(room).or_default().log.keep_tail(ours, seq, id);
        }
        Some(room)
    }

    /// `OpenInstant`: the user names agents to write to, of which nobody hears.
    pub(super) fn open_instant(&mut self, typed: &[String]) -> Result<Outcome, Failure> {
        let me = self.me().ok_or_else(not_a_member)?;
        let mut agents = BTreeSet::from([me]);
        for agent in typed {
            agents.insert(self.find_agent(agent)?.id);
        }
        let dismissed = agents
            .iter()
            .copied()
            .find(|agent| !self.access().is_ok_and(|access| access.is_live(*agent)));
        let hint = "name one to 31 other agents: see `conclave agent list`";
        if agents.len() < INSTANT_AGENTS_MIN {
            return Err(Failure::new(FailureKind::Usage, "nobody else was named", hint));
        }
        let Some(agents) = InstantAgents::new(agents) else {
            return Err(Failure::new(FailureKind::Usage, "too many agents were named", hint));
        };
        let known = self.company().is_some_and(|c| self.instants.is_kept(agents.room(c)));
        if let Some(agent) = dismissed.filter(|_| !known) {
            return Err(Failure::new(
                FailureKind::Conflict,
                format!("{} has been dismissed and reads nothing", self.agent_ref(agent).name),
                "leave them out",
            ));
        }
        let ours = self.instants.kept.values().filter(|by| **by == me).count();
        if !known && ours >= INSTANTS_OWN_MAX {
            return Err(Failure::new(
                FailureKind::Failed,
                format!(
                    "you have started {INSTANTS_OWN_MAX} instant messages, the most there may be"
                ),
                "go on in one that there is: see `conclave im`",
            ));
        }
        let room = self.remember_opened(agents).ok_or_else(not_a_member)?;
        Ok(Outcome::Instant(self.instant_view(room)?))
    }

    fn remember_opened(&mut self, agents: InstantAgents) -> Option<RoomId> {
        let control = self.control.as_ref()?;
        let room = agents.room(control.company());
        if self.instants.is_kept(room) || self.instants.opened.contains(&room) {
            return Some(room);
        }
        self.learn_instant(agents)?;
        self.instants.opened.push_back(room);
        if self.instants.opened.len() > INSTANTS_OPENED_MAX
            && let Some(oldest) = self.instants.opened.pop_front()
        {
            self.forget_if_unknown(oldest);
        }
        self.emit(Effect::Event(Event::Instants));
        Some(room)
    }

    fn forget_if_unknown(&mut self, room: RoomId) {
        if self.instants.is_empty_room(room) || self.instants.is_kept(room) {
            return;
        }
        if let Some(control) = self.control.as_mut() {
            control.forget_instant(room);
        }
        let Some(state) = self.rooms.remove(&room) else { return };
        for (id, waiting) in state.log.held.iter() {
            if let Some((token, _)) = waiting.verdict {
                self.verdict(token, GossipVerdict::Ignore);
            }
            self.waited(room, id, waiting.stored);
        }
    }

    /// Forgets rooms of which peers have told and then brought nothing.
    pub(super) fn drop_told(&mut self) {
        let rooms: Vec<RoomId> = self.instants.told.keys().copied().collect();
        for room in rooms {
            let waits = self
                .rooms
                .get(&room)
                .is_some_and(|Room { log, .. }| !log.held.is_empty() || !log.order().is_empty());
            let brings = |peer: &DeviceId| waits || self.brings(*peer, room);
            let left: BTreeSet<DeviceId> =
                self.instants.told[&room].iter().copied().filter(brings).collect();
            if left.is_empty() {
                self.instants.told.remove(&room);
                self.forget_if_unknown(room);
            } else {
                self.instants.told.insert(room, left);
            }
        }
        if self.instants.told.is_empty() {
            self.follow_kept();
        }
        let idle: Vec<DeviceId> = self.instants.walks.keys().copied().collect();
        for peer in idle {
            self.go_on_asking(peer);
        }
    }

    /// Whether something of a room is still to come from a peer.
    fn brings(&self, peer: DeviceId, room: RoomId) -> bool {
        let scopes = [Scope::Room(room), Scope::Waiting(room)];
        self.peers.get(&peer).is_some_and(|state| {
            state.wanted.contains_key(&room)
                || scopes.iter().any(|scope| {
                    state.todo.contains(scope)
                        || state.again.contains(scope)
                        || state.pull.as_ref().is_some_and(|pull| pull.scope() == *scope)
                })
        })
    }

    /// On the slow timer: gossip does not wait for ever for a peer that is slow.
    pub(super) fn settle_instants(&mut self) {
        self.drop_told();
        self.follow_kept();
    }

    /// Asks a peer which rooms both sides are in.
    pub(super) fn ask_for_instants(&mut self, peer: DeviceId) {
        if !self.is_member(peer) || self.instants.walks.contains_key(&peer) {
            return;
        }
        let next = Some(RoomId::default());
        let walk = Walk { next, asked: false, answers_left: INSTANTS_ANSWERS_MAX };
        self.instants.walks.insert(peer, walk);
        self.go_on_asking(peer);
    }

    fn go_on_asking(&mut self, peer: DeviceId) {
        let told = self.instants.told.values().any(|peers| peers.contains(&peer));
        let Some(walk) = self.instants.walks.get_mut(&peer).filter(|walk| !walk.asked) else {
            return;
        };
        match walk.next {
            Some(from) if walk.answers_left > 0 => {
                if !told {
                    walk.asked = true;
                    self.send(peer, Asked::Instants(peer), &Request::Instants { from });
                }
            }
            _ => drop(self.instants.walks.remove(&peer)),
        }
    }

    /// A peer says which rooms it holds that both sides are in, from some id on.
    pub(super) fn instants_answered(&mut self, peer: DeviceId, response: Option<Response>) {
        let Some(walk) = self.instants.walks.get_mut(&peer) else { return };
        walk.asked = false;
        walk.answers_left -= 1;
        let Some(Response::Instants { rooms, next }) = response else {
            self.instants.walks.remove(&peer);
            return;
        };
        // Only ever upwards, or it would not end.
        walk.next = next.filter(|next| walk.next.is_some_and(|from| *next > from));
        for InstantSummary { agents, summary, waiting } in rooms {
            let Some(room) = self.told_of(peer, agents) else { continue };
            if room == summary.room {
                self.compare_with(peer, summary);
            }
            if let Some(waiting) = waiting.filter(|waiting| waiting.room == room) {
                self.compare_waiting(peer, waiting);
            }
        }
        self.drop_told();
        self.go_on_asking(peer);
    }

    /// Which rooms a peer may hear of, from an id on.
    pub(super) fn answer_instants(&self, peer: DeviceId, from: RoomId) -> Response {
        let mut shared = self.instants.kept.range(from..).map(|(room, _)| *room).filter(|room| {
            // Both its agent and ours are in it.
            self.shares_room(peer, *room)
        });
        let page: Vec<RoomId> = shared.by_ref().take(INSTANTS_TOLD_PER_PEER_MAX).collect();
        let summary = |room: &RoomId| {
            let agents = self.control.as_ref()?.access().instant(*room)?.clone();
            let waiting = self.waiting_summary(*room).filter(|summary| summary.count > 0);
            Some(InstantSummary { agents, summary: self.room_summary(*room)?, waiting })
        };
        Response::Instants { rooms: page.iter().filter_map(summary).collect(), next: shared.next() }
    }

    /// A peer is gone, and with it what it was going to bring.
    pub(super) fn instants_of_gone(&mut self, peer: DeviceId) {
        self.instants.walks.remove(&peer);
        for peers in self.instants.told.values_mut() {
            peers.remove(&peer);
        }
        self.drop_told();
    }
}
