//! Keys of epochs that come from others: opened, asked for, given.
//!
//! A key goes only to a device that has access now, and only from one that knows all that the epoch
//! answers: whoever has not heard of a removal yet cannot hand the one who was removed a key that
//! was made because of it.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::epochs::{context_of, history_of, sealing_of};
use super::io::{Effect, Event};
use super::syncing::Asked;
use crate::crypt::SecretRng;
use crate::envelope::{Envelope, EnvelopeKind};
use crate::id::{AgentId, DeviceId, MessageId, RoomId};
use crate::limits::{
    EPOCH_KEYS_ASKED_MAX, EPOCH_KEYS_GIVEN_MAX, EPOCH_KEYS_GIVEN_MS, KEYS_ASKED_DELAY_MS,
    OBJECTS_FRAME_BYTES_MAX,
};
use crate::object::HistoryPolicy;
use crate::signed::{Trust, Verified};
use crate::sync::{Blob, GivenKey, Request, Response};
use crate::time::Timestamp;

/// What is shown of a message that its author has not encrypted as a text.
pub const UNREADABLE: &str = "[no text: its author has not encrypted it rightly]";

/// What is asked of others, and given to them.
#[derive(Debug, Default)]
pub(super) struct KeyRequests {
    /// When to look which keys are not here.
    at: Option<Timestamp>,
    /// Rooms for which a peer is being asked, with what.
    asking: BTreeMap<RoomId, (DeviceId, Vec<MessageId>)>,
    /// How many keys were given to a peer since when.
    given: BTreeMap<DeviceId, (Timestamp, u32)>,
}

impl KeyRequests {
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.at
    }

    pub(super) fn clock_went_back(&mut self, ms: u64) {
        self.at = self.at.map(|at| at.minus_ms(ms));
        for (since, _) in self.given.values_mut() {
            *since = since.minus_ms(ms);
        }
    }

    /// How many keys a peer may be given now; they are counted as given.
    fn allowance(&mut self, peer: DeviceId, wanted: usize, now: Timestamp) -> usize {
        self.given.retain(|_, (since, _)| now.ms_since(*since) < EPOCH_KEYS_GIVEN_MS);
        let (_, given) = self.given.entry(peer).or_insert((now, 0));
        let left = EPOCH_KEYS_GIVEN_MAX.saturating_sub(*given);
        let allowed = left.min(u32::try_from(wanted).unwrap_or(u32::MAX));
        *given += allowed;
        allowed as usize
    }
}

impl Engine {
    /// The text of a message, if its key is here; [`UNREADABLE`] if the key opens no text. That is
    /// shown too, and whose it is: else its author could fill pages with what nobody sees, and hide
    /// by that what came before.
    pub(super) fn text_of(&self, room: RoomId, message: &Envelope) -> Option<String> {
        let key = self.rooms.get(&room)?.log.epochs.key(message.epoch?)?;
        Some(message.text(key).unwrap_or_else(|| UNREADABLE.to_owned()))
    }

    /// What a message that counts from now on says of keys.
    pub(super) fn follow_epochs(&mut self, room: RoomId, id: MessageId, message: &Envelope) {
        let Some(state) = self.rooms.get_mut(&room) else { return };
        match message.kind {
            EnvelopeKind::Text => {
                let here = message.epoch.is_some_and(|epoch| state.log.epochs.key(epoch).is_some());
                if !here {
                    self.ask_for_keys_soon();
                }
            }
            EnvelopeKind::EpochStart => {
                let learned = state.log.epochs.open_from_later(room, id);
                if learned.is_empty() {
                    self.ask_for_keys_soon();
                }
                self.learned(room, &learned);
            }
            EnvelopeKind::EpochKeys => self.open_own_key(room, message),
            EnvelopeKind::Enter | EnvelopeKind::Seal => {}
        }
    }

    /// Opens what an epoch's author has sealed for this device.
    fn open_own_key(&mut self, room: RoomId, message: &Envelope) {
        let Some(keys) = message.epoch_keys() else { return };
        let device = self.keys.device();
        let own = keys.keys.binary_search_by_key(&device, |key| key.device);
        let sealed = own.ok().and_then(|at| keys.keys.get(at)).map(|key| key.sealed);
        let company = self.company();
        let with_earlier = self.opens_earlier(room);
        let Some(state) = self.rooms.get_mut(&room) else { return };
        let epochs = &mut state.log.epochs;
        let by_author = epochs.author(keys.epoch) == Some(message.device);
        let (Some(sealed), true) = (sealed, by_author) else { return };
        if epochs.key(keys.epoch).is_some() {
            return;
        }
        let context = context_of(company, room, keys.epoch, device);
        let opened = self.keys.sealing_secret().open(&context, &sealed);
        let learned = opened.map(|key| epochs.learn(room, keys.epoch, key, with_earlier));
        match learned {
            Some(learned) if !learned.is_empty() => self.learned(room, &learned),
            _ => {
                if epochs.mark_split(keys.epoch) {
                    self.count("split_key");
                    self.rekey_soon(room, keys.epoch);
                }
                // Others may have been given the real one.
                self.ask_for_keys_soon();
            }
        }
    }

    fn opens_earlier(&self, room: RoomId) -> bool {
        let access = self.control.as_ref().map(crate::control::ControlLog::access);
        access.is_some_and(|access| history_of(access, room) == HistoryPolicy::Full)
    }

    /// Keys have become known: they are written down, and what they open is shown.
    fn learned(&mut self, room: RoomId, epochs: &[MessageId]) {
        if epochs.is_empty() {
            return;
        }
        for epoch in epochs {
            self.write_epoch_key(room, *epoch);
        }
        let readable = match self.rooms.get_mut(&room) {
            Some(state) => state.log.became_readable(epochs),
            None => return,
        };
        for id in readable {
            self.write_mark(room, id);
            if let Some(view) = self.message_view(room, id) {
                let live = self.is_news(room, view.time);
                self.emit(Effect::Event(Event::Message(view, live)));
            }
        }
        self.write_index(room);
        let named = |message: &Envelope| message.epoch.is_some_and(|e| epochs.contains(&e));
        let waiting: Vec<MessageId> = self.rooms.get(&room).map_or_else(Vec::new, |state| {
            let waiting = state.log.held.iter().filter(|(_, w)| named(w.envelope.value()));
            waiting.map(|(id, _)| id).filter(|id| self.incomplete.contains(id)).collect()
        });
        for id in waiting {
            if let Some(view) = self.message_view(room, id) {
                self.write_waiting(room, id);
                let live = self.is_news(room, view.time);
                self.emit(Effect::Event(Event::Message(view, live)));
            }
        }
    }

    /// Looks soon which keys are not here; most of them are on their way.
    pub(super) fn ask_for_keys_soon(&mut self) {
        let at = self.now.plus_ms(KEYS_ASKED_DELAY_MS);
        let requests = &mut self.key_requests;
        requests.at = Some(requests.at.map_or(at, |before| before.min(at)));
    }

    /// A peer may have keys now that it could not give before.
    pub(super) fn ask_again_for_keys(&mut self, peer: DeviceId) {
        let mut lacks = false;
        for state in self.rooms.values_mut() {
            state.log.epochs.try_again(Some(peer));
            lacks |= state.log.epochs.lacks_any();
        }
        if lacks {
            self.ask_for_keys_soon();
        }
    }

    /// A peer that is gone answers no more: others are asked.
    pub(super) fn nobody_to_answer(&mut self, peer: DeviceId) {
        let asking = &mut self.key_requests.asking;
        let before = asking.len();
        asking.retain(|_, (asked, _)| *asked != peer);
        if asking.len() < before {
            self.ask_for_keys_soon();
        }
    }

    /// Asks for what is not here, one peer for each room at a time.
    pub(super) fn ask_for_keys_if_due(&mut self) {
        if self.key_requests.at.is_none_or(|at| at > self.now) {
            return;
        }
        self.key_requests.at = None;
        let rooms: Vec<RoomId> = self.topics.values().copied().collect();
        let members = self.connected_members();
        for room in rooms {
            let lacks = self.rooms.get(&room).is_some_and(|state| state.log.epochs.lacks_any());
            if !lacks || self.key_requests.asking.contains_key(&room) {
                continue;
            }
            for peer in &members {
                if self.ask_for_keys_of(room, *peer) {
                    break;
                }
            }
        }
    }

    fn ask_for_keys_of(&mut self, room: RoomId, peer: DeviceId) -> bool {
        let me = self.me();
        if !self.shares_room(peer, room) {
            return false;
        }
        let Some(control) = self.control.as_ref() else { return false };
        let full = self.opens_earlier(room);
        let Some(state) = self.rooms.get(&room) else { return false };
        let for_me = |devices: &[DeviceId]| {
            full || me.is_some_and(|me| agents_of(control, devices).contains(&me))
        };
        let mut wanted = state.log.epochs.wanted_from(peer, for_me);
        wanted.truncate(EPOCH_KEYS_ASKED_MAX);
        if wanted.is_empty() {
            return false;
        }
        if let Some(state) = self.rooms.get_mut(&room) {
            state.log.epochs.tried(peer, &wanted);
        }
        let request = Request::EpochKeys { room, epochs: wanted.clone() };
        self.send(peer, Asked::Keys(peer, room), &request);
        self.key_requests.asking.insert(room, (peer, wanted));
        true
    }

    /// A peer gave keys, or none.
    pub(super) fn keys_answered(
        &mut self,
        peer: DeviceId,
        room: RoomId,
        response: Option<Response>,
    ) {
        let Some((_, wanted)) = self.key_requests.asking.remove(&room) else { return };
        if let Some(Response::EpochKeys { keys }) = response {
            for given in keys.iter().take(EPOCH_KEYS_ASKED_MAX) {
                self.take_given_key(room, &wanted, given);
            }
        }
        let Some(state) = self.rooms.get_mut(&room) else { return };
        let epochs = &mut state.log.epochs;
        let missing: Vec<MessageId> =
            wanted.iter().copied().filter(|epoch| epochs.key(*epoch).is_none()).collect();
        if missing.len() < wanted.len() {
            // Its answer may have been full; while it gives something it is asked for the rest.
            epochs.not_tried(peer, &missing);
        }
        // Whoever names thousands of epochs that are none makes nobody ask in a hurry.
        let in_vain = missing.len() >= EPOCH_KEYS_ASKED_MAX;
        match (epochs.lacks_any(), in_vain) {
            (true, false) => self.key_requests.at = Some(self.now),
            (true, true) => self.ask_for_keys_soon(),
            (false, _) => {}
        }
    }

    /// Takes a key whose epoch's start is shown beside it, for that may not be here yet.
    fn take_given_key(&mut self, room: RoomId, wanted: &[MessageId], given: &GivenKey) {
        let Some(company) = self.company() else { return };
        let verified = Verified::<Envelope>::envelope(&given.start.0, company, Trust::Nothing);
        let Ok(start) = verified else { return self.count("malformed") };
        let (id, message) = (start.id(), start.value());
        let Some(body) = message.epoch_start().filter(|_| message.room == room) else { return };
        if !wanted.contains(&id) {
            return;
        }
        let context = context_of(Some(company), room, id, self.keys.device());
        let Some(key) = self.keys.sealing_secret().open(&context, &given.sealed) else {
            return self.count("split_key");
        };
        let with_earlier = self.opens_earlier(room);
        let Some(state) = self.rooms.get_mut(&room) else { return };
        state.log.epochs.begin(id, message.device, body, None);
        let learned = state.log.epochs.learn(room, id, key, with_earlier);
        self.learned(room, &learned);
    }

    /// Gives a peer the keys that it may have.
    pub(super) fn give_keys(
        &mut self,
        peer: DeviceId,
        room: RoomId,
        epochs: &[MessageId],
    ) -> Response {
        if !self.shares_room(peer, room) || self.instants.is_hidden_from(peer, room) {
            self.count("no_membership");
            return Response::Refused;
        }
        let now = self.now;
        let here = self.rooms.get(&room).map(|state| &state.log.epochs);
        let here = here.map(|here| epochs.iter().copied().filter(|epoch| here.has_to_give(*epoch)));
        let mut may: Vec<MessageId> = here.into_iter().flatten().collect();
        // Also what it may not be given costs a look at all the epochs before.
        may.truncate(self.key_requests.allowance(peer, may.len(), now));
        may.retain(|epoch| self.may_be_given(peer, room, *epoch));
        let company = self.company();
        let mut rng = SecretRng::new(&self.entropy.secret());
        let Some(control) = self.control.as_ref() else { return Response::Refused };
        let Some(sealing) = sealing_of(control, peer) else { return Response::Refused };
        let (mut keys, mut size) = (Vec::new(), 0);
        for epoch in may {
            let key = self.rooms.get(&room).and_then(|state| state.log.epochs.key(epoch));
            let (Some(key), Some(start)) = (key, self.read_message(room, epoch)) else { continue };
            let start = Blob(start.bytes().to_vec());
            size += start.0.len();
            if size > OBJECTS_FRAME_BYTES_MAX {
                break;
            }
            let context = context_of(company, room, epoch, peer);
            keys.push(GivenKey { start, sealed: context.seal(sealing, key, &mut rng) });
        }
        Response::EpochKeys { keys }
    }

    fn may_be_given(&self, peer: DeviceId, room: RoomId, epoch: MessageId) -> bool {
        let (Some(control), Some(state)) = (self.control.as_ref(), self.rooms.get(&room)) else {
            return false;
        };
        let epochs = &state.log.epochs;
        let answered = epochs.answered(epoch);
        let knows_all =
            answered.is_some_and(|answered| answered.into_iter().all(|id| control.holds(id)));
        let full = history_of(control.access(), room) == HistoryPolicy::Full;
        let agent = control.access().agent_of(peer);
        let listed = || {
            let recipients = epochs.recipients(epoch).unwrap_or_default();
            agent.is_some_and(|agent| agents_of(control, recipients).contains(&agent))
        };
        knows_all && (full || listed())
    }
}

/// The agents for which devices are, or were, certified. A certificate without authority, of an
/// admin whose grant is gone, makes nobody's keys another agent's.
fn agents_of(control: &crate::control::ControlLog, devices: &[DeviceId]) -> BTreeSet<AgentId> {
    let certified = |device: DeviceId| {
        let agents = control.agents_of_device(device);
        agents.filter(move |agent| control.certs_of(device, *agent).next().is_some())
    };
    devices.iter().flat_map(|device| certified(*device)).collect()
}
