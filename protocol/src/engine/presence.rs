//! Who is there now: each device says so itself, by gossip, and is heard for a while.
//!
//! Soft state in memory. What counts is when a beacon came here, by our clock; the clock of whoever
//! signed it only says which of its beacons is newer. An older one never counts again, and one
//! that comes by a second hand brings its age with it, so that passing it on makes nobody younger.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::control::{refusal_of, verify_word};
use super::io::{Effect, Event, GossipVerdict, RequestId};
use super::syncing::Asked;
use crate::id::{AgentId, DeviceId, Topic};
use crate::limits::{
    BEACONS_FRAME_MAX, PRESENCE_DELAY_MS, PRESENCE_EVERY_MS, PRESENCE_EXPIRY_MS,
    PRESENCE_FEW_PEERS, PRESENCE_GRACE_MS, PRESENCE_JITTER_MS, PRESENCE_KEPT_MAX,
    PRESENCE_SPACING_MS, PRESENCE_TAKEN_MAX, PRESENCE_TAKEN_MS, PRESENCE_TELL_MS,
};
use crate::object::ObjectType;
use crate::presence::PresenceBeacon;
use crate::signed::{Verified, VerifyError, peek_presence, sign};
use crate::sync::{AgedBeacon, Blob, Request, Response};
use crate::time::Timestamp;

/// The newest beacon of each device, and what is due.
#[derive(Debug)]
pub(super) struct Presence {
    known: BTreeMap<DeviceId, Known>,
    /// When our next beacon is due.
    due: Timestamp,
    /// When our last one was sent.
    sent: Option<Timestamp>,
    /// When the next beacon expires, or earlier.
    look_at: Option<Timestamp>,
    /// When to tell the user, if something may have changed.
    tell_at: Option<Timestamp>,
    /// Whom the user knows to be there, besides its own agent.
    told: BTreeSet<AgentId>,
    stopping: bool,
}

#[derive(Debug)]
struct Known {
    issued: Timestamp,
    online: bool,
    /// Until when it counts.
    until: Timestamp,
    /// Its connection is gone: from then on it is not there, unless it is heard by another way.
    lost: Option<Timestamp>,
    bytes: Vec<u8>,
    /// It has been passed on by gossip, or was ours to publish.
    spread: bool,
    /// Since when, and how many beacons were taken since then.
    taken: (Timestamp, u32),
}

/// How far the exchange of beacons with a peer has come.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// It has sent us some: it knows that we are a member.
    came: bool,
    /// We have sent it ours.
    sent: bool,
    /// It has refused ours: it did not know it then.
    refused: bool,
    /// We have sent them once more.
    again: bool,
}

impl Known {
    fn is_here(&self, now: Timestamp) -> bool {
        self.online && now < self.until && self.lost.is_none_or(|lost| now < lost)
    }

    /// When it is not here any more, if nothing is heard of it.
    fn ends(&self) -> Timestamp {
        self.lost.map_or(self.until, |lost| lost.min(self.until))
    }

    /// How long ago it came, as far as that matters.
    fn age(&self, now: Timestamp) -> u64 {
        PRESENCE_EXPIRY_MS.saturating_sub(self.until.ms_since(now))
    }
}

impl Presence {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            known: BTreeMap::new(),
            due: now,
            sent: None,
            look_at: None,
            tell_at: None,
            told: BTreeSet::new(),
            stopping: false,
        }
    }

    /// The wall clock was set back: what counts for a while counts for the same while.
    pub(super) fn clock_went_back(&mut self, ms: u64) {
        self.due = self.due.minus_ms(ms);
        for at in [&mut self.sent, &mut self.look_at, &mut self.tell_at] {
            *at = at.map(|at| at.minus_ms(ms));
        }
        for known in self.known.values_mut() {
            known.until = known.until.minus_ms(ms);
            known.lost = known.lost.map(|lost| lost.minus_ms(ms));
            known.taken.0 = known.taken.0.minus_ms(ms);
        }
    }

    fn look_by(&mut self, at: Timestamp) {
        self.look_at = Some(self.look_at.map_or(at, |before| before.min(at)));
    }
}

impl Engine {
    /// When something of this file is due next.
    pub(super) fn presence_due(&self) -> Option<Timestamp> {
        let beacon = self.shows_itself().then_some(self.presence.due);
        let others = self.presence.look_at.into_iter().chain(self.presence.tell_at);
        beacon.into_iter().chain(others).min()
    }

    pub(super) fn presence_tick(&mut self) {
        let now = self.now;
        if self.shows_itself() && self.presence.due <= now {
            let jitter = self.entropy.below(PRESENCE_JITTER_MS);
            self.presence.due = now.plus_ms(PRESENCE_EVERY_MS + jitter);
            if let Some(beacon) = self.beacon(true) {
                self.emit(beacon);
            }
        }
        if self.presence.look_at.is_some_and(|at| at <= now) {
            let here = self.presence.known.values().filter(|known| known.is_here(now));
            self.presence.look_at = here.map(Known::ends).min();
            self.presence.tell_at = Some(now);
        }
        if self.presence.tell_at.is_some_and(|at| at <= now) {
            self.presence.tell_at = None;
            let mut present = self.present_agents();
            if let Some(me) = self.me() {
                present.remove(&me);
            }
            if present != self.presence.told {
                self.presence.told = present;
                self.emit(Effect::Event(Event::Presence { room: None }));
            }
        }
    }

    /// Who is there, as far as this node knows: agents of whom a device is, and our own.
    #[must_use]
    pub fn present_agents(&self) -> BTreeSet<AgentId> {
        let Some(control) = self.control.as_ref().filter(|_| self.member) else {
            return BTreeSet::new();
        };
        let here = |(device, known): (&DeviceId, &Known)| {
            known.is_here(self.now).then(|| control.access().agent_of(*device)).flatten()
        };
        // Without a neighbour nothing is heard of anybody.
        let heard = if self.has_neighbour() { Some(&self.presence.known) } else { None };
        heard.into_iter().flatten().filter_map(here).chain(self.me()).collect()
    }

    /// Whether an agent is there. A user always sees its own.
    pub(super) fn is_present(&self, agent: AgentId) -> bool {
        let Some(control) = self.control.as_ref() else { return false };
        let here = |device: &DeviceId| {
            self.presence.known.get(device).is_some_and(|known| known.is_here(self.now))
        };
        let devices = control.access().agents().get(&agent).map(|info| &info.devices);
        self.me() == Some(agent)
            || (devices.into_iter().flatten().any(here) && self.has_neighbour())
    }

    fn has_neighbour(&self) -> bool {
        self.peers.keys().any(|peer| self.is_member(*peer))
    }

    fn shows_itself(&self) -> bool {
        self.member && self.settings.presence && !self.presence.stopping
    }

    /// Who is there may have changed: the user hears of it soon.
    pub(super) fn presence_changed(&mut self) {
        let at = self.now.plus_ms(PRESENCE_TELL_MS);
        self.presence.tell_at.get_or_insert(at);
    }

    /// Signs our next beacon, and gives what publishes it.
    fn beacon(&mut self, online: bool) -> Option<Effect> {
        let company = self.company().filter(|_| self.member)?;
        let topic = self.topic_names()?.control();
        let (now, device) = (self.now, self.keys.device());
        // Above the last one even if the clock stood still or was set back.
        let last = self.presence.known.get(&device).map(|known| known.issued.plus_ms(1));
        let issued = last.map_or(now, |last| last.max(now));
        let beacon = PresenceBeacon { version: 1, company, device, issued, online };
        let body = crate::codec::encode(&beacon);
        let (id, bytes) = sign(&self.keys, ObjectType::Presence, company, &body);
        self.presence.sent = Some(now);
        self.know(device, (issued, online), None, &bytes, (now, 0));
        Some(Effect::Publish { topic, id, bytes })
    }

    fn know(
        &mut self,
        device: DeviceId,
        (issued, online): (Timestamp, bool),
        age: Option<u64>,
        bytes: &[u8],
        taken: (Timestamp, u32),
    ) {
        let now = self.now;
        let until = now.plus_ms(PRESENCE_EXPIRY_MS.saturating_sub(age.unwrap_or(0)));
        let (bytes, spread) = (bytes.to_vec(), age.is_none());
        let known = Known { issued, online, until, lost: None, bytes, spread, taken };
        let here = known.is_here(now);
        let before = self.presence.known.insert(device, known);
        if here {
            self.presence.look_by(until);
        }
        if before.is_some_and(|before| before.is_here(now)) != here {
            self.presence_changed();
        }
    }

    /// Somebody may not know that we are here: several such reasons make one beacon.
    fn beacon_soon(&mut self) {
        let spaced = self.presence.sent.map(|sent| sent.plus_ms(PRESENCE_SPACING_MS));
        let soon = self.now.plus_ms(PRESENCE_DELAY_MS);
        let at = spaced.map_or(soon, |spaced| spaced.max(soon));
        self.presence.due = self.presence.due.min(at);
    }

    /// The user wants this device to be seen from now on, or not any more.
    pub(super) fn presence_switched(&mut self) {
        if self.settings.presence {
            self.presence.due = self.now;
        } else if let Some(beacon) = self.beacon(false) {
            self.emit(beacon);
        }
    }

    /// The process is about to end: the neighbours hear it, each for itself too, so that it can
    /// be seen when the word has left.
    pub(super) fn say_goodbye(&mut self) {
        let shown = self.shows_itself();
        self.presence.stopping = true;
        if !shown {
            return;
        }
        let Some(beacon) = self.beacon(false) else { return };
        let Effect::Publish { bytes, .. } = &beacon else { return };
        let bytes = Blob(bytes.clone());
        let frame = Request::Presence { beacons: vec![AgedBeacon { bytes, age: 0 }] }.encode();
        // It refers to nothing that would have to be durable.
        self.at_once.push_back(beacon);
        for peer in self.connected_members() {
            self.last_request += 1;
            let request = RequestId(self.last_request);
            self.requests.insert(request, Asked::Goodbye(peer));
            self.at_once.push_back(Effect::Send { peer, request, frame: frame.clone() });
        }
    }

    /// Whether neighbours have not confirmed yet that they know that we stop. Not worth to be
    /// waited for long.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.requests.values().any(|asked| matches!(asked, Asked::Goodbye(_)))
    }

    /// All beacons that are known, for a member that has just connected: also the expired ones,
    /// so that it takes none for new, and knows where its own have to go on.
    pub(super) fn send_beacons(&mut self, peer: DeviceId) {
        let now = self.now;
        let aged =
            |known: &Known| AgedBeacon { bytes: Blob(known.bytes.clone()), age: known.age(now) };
        let all: Vec<AgedBeacon> = self.presence.known.values().map(aged).collect();
        if let Some(state) = self.peers.get_mut(&peer) {
            state.beacons.sent = true;
        }
        // Also if there are none: it answers with its own.
        let none: &[AgedBeacon] = &[];
        let chunks = all.chunks(BEACONS_FRAME_MAX);
        for beacons in chunks.chain(all.is_empty().then_some(none)) {
            let request = Request::Presence { beacons: beacons.to_vec() };
            self.send(peer, Asked::Beacons(peer), &request);
        }
    }

    pub(super) fn beacons_answered(&mut self, peer: DeviceId, response: Option<Response>) {
        if let Some(state) = self.peers.get_mut(&peer)
            && response == Some(Response::Refused)
        {
            state.beacons.refused = true;
            self.send_beacons_again(peer);
        }
    }

    pub(super) fn beacons_came(&mut self, peer: DeviceId) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.beacons.came = true;
            self.send_beacons_again(peer);
        }
    }

    /// Whoever lets a newcomer in does not greet it, and a newcomer refuses our beacons until it has
    /// heard that it is let in itself. Once it speaks as a member it gets them.
    fn send_beacons_again(&mut self, peer: DeviceId) {
        let state = self.peers.get_mut(&peer).map(|state| &mut state.beacons);
        let lacks = |state: &&mut Exchange| !state.sent || (state.refused && !state.again);
        if let Some(state) = state.filter(|state| state.came).filter(lacks) {
            state.again = state.sent;
            self.send_beacons(peer);
        }
    }

    pub(super) fn link_found(&mut self, peer: DeviceId) {
        // It has proved its key: no word of it is needed that it is there after all.
        if let Some(known) = self.presence.known.get_mut(&peer)
            && known.lost.take().is_some()
            && known.is_here(self.now)
        {
            let until = known.until;
            self.presence.look_by(until);
        }
        self.presence_changed();
    }

    /// The last connection with a device is gone. It may have stopped, or only the connection:
    /// then it has lost ours too, and each says by other ways that it is there.
    pub(super) fn link_lost(&mut self, peer: DeviceId) {
        let now = self.now;
        let other_ways = self.has_neighbour();
        let known = self.presence.known.get_mut(&peer);
        let said_goodbye = known.as_ref().is_some_and(|known| !known.online && now < known.until);
        if let Some(known) = known.filter(|known| known.is_here(now)) {
            let lost = if other_ways { now.plus_ms(PRESENCE_GRACE_MS) } else { now };
            known.lost = Some(lost);
            self.presence.look_by(lost);
        }
        if other_ways && !said_goodbye && self.is_member(peer) {
            self.beacon_soon();
        }
        self.presence_changed();
    }

    /// A neighbour hears the control log's topic now. Behind it others may be who do not know us.
    pub(super) fn neighbour_listens(&mut self, topic: Topic, listening: usize) {
        let is_control = self.topic_names().is_some_and(|topics| topic == topics.control());
        if is_control && listening <= PRESENCE_FEW_PEERS {
            self.beacon_soon();
        }
    }

    /// Takes a beacon in, if it is newer than what is known. Only then its signature is checked. It
    /// has an age if it did not come by gossip.
    pub(super) fn take_beacon(&mut self, bytes: &[u8], age: Option<u64>) -> GossipVerdict {
        let Some(company) = self.company() else { return GossipVerdict::Ignore };
        let peeked = peek_presence(bytes).and_then(|beacon| {
            let ours = beacon.company == company;
            if ours { Ok(beacon) } else { Err(VerifyError::WrongCompany) }
        });
        let beacon = match peeked {
            Ok(beacon) => beacon,
            Err(error) => return self.refuse_beacon(error),
        };
        let PresenceBeacon { device, issued, online, .. } = beacon;
        let now = self.now;
        if age.is_none()
            && let Some(known) = self.presence.known.get_mut(&device)
            && known.bytes == bytes
            && now < known.until
            && !std::mem::replace(&mut known.spread, true)
        {
            // A frame was faster than gossip, which others wait for.
            return GossipVerdict::Accept;
        }
        let known = self.presence.known.get(&device);
        if known.is_some_and(|known| known.issued >= issued) || !self.is_member(device) {
            return GossipVerdict::Ignore;
        }
        let recent = known.map_or((now, 0), |known| match known.taken {
            (since, _) if now.ms_since(since) > PRESENCE_TAKEN_MS => (now, 0),
            recent => recent,
        });
        if recent.1 >= PRESENCE_TAKEN_MAX {
            self.count("presence_flood");
            return GossipVerdict::Ignore;
        }
        if known.is_none() && !self.has_room_for_beacon() {
            return GossipVerdict::Ignore;
        }
        if let Err(error) = Verified::<PresenceBeacon>::presence(bytes, company) {
            return self.refuse_beacon(error);
        }
        self.know(device, (issued, online), age, bytes, (recent.0, recent.1 + 1));
        if device == self.keys.device() {
            self.heard_ourselves(online && age.unwrap_or(0) < PRESENCE_EXPIRY_MS);
        }
        GossipVerdict::Accept
    }

    fn refuse_beacon(&mut self, error: VerifyError) -> GossipVerdict {
        self.count(verify_word(error));
        refusal_of(error)
    }

    fn has_room_for_beacon(&mut self) -> bool {
        if self.presence.known.len() >= PRESENCE_KEPT_MAX {
            let mut known = std::mem::take(&mut self.presence.known);
            known.retain(|device, _| self.is_member(*device));
            self.presence.known = known;
        }
        self.presence.known.len() < PRESENCE_KEPT_MAX
    }

    /// A beacon of ours from before a restart, when our clock may have been ahead: our next one
    /// is above it, and is due if others think wrongly of us.
    fn heard_ourselves(&mut self, counts: bool) {
        if self.shows_itself() && !counts {
            self.beacon_soon();
        } else if counts && self.member && !self.settings.presence {
            self.presence_switched();
        }
    }
}
