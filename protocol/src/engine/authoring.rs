//! Signing our own objects and messages. They then take the path of a stranger's.

use super::Engine;
use super::command::{Failure, FailureKind, Signer};
use super::io::Effect;
use super::messages::Origin;
use crate::control::{Added, ControlLog};
use crate::envelope::{ENVELOPE_VERSION, Envelope, EnvelopeKind};
use crate::id::{MessageId, ObjectId, RoomId};
use crate::keys::DeviceKeys;
use crate::limits::{PARENTS_MAX, SEAL_DELAY_MS_MAX};
use crate::object::{CONTROL_VERSION, ControlObject, Header, ObjectType, Payload};
use crate::signed::{Trust, Verified, peek_id, sign};

/// What an envelope of ours carries.
pub(super) enum Content<'a> {
    /// For everybody who may have the envelope.
    Plain(Vec<u8>),
    /// For those who have the epoch's key.
    Text {
        /// Whose key is here.
        epoch: MessageId,
        text: &'a str,
    },
}

impl Engine {
    /// Signs a control object at the end of our chain, without adding it to the log.
    pub(super) fn sign_control(&self, payload: Payload) -> Result<(ObjectId, Vec<u8>), Failure> {
        self.require_own_tail(None)?;
        sign_as(self.control.as_ref().ok_or_else(not_a_member)?, &self.keys, payload)
    }

    /// As [`Engine::author`], with another key if there is one.
    pub(super) fn author_as(
        &mut self,
        signer: Option<&Signer>,
        payload: Payload,
    ) -> Result<ObjectId, Failure> {
        let Some(signer) = signer else { return self.author(payload) };
        self.require_own_tail(None)?;
        let log = self.control.as_ref().ok_or_else(not_a_member)?;
        let (_, bytes) = sign_as(log, signer.keys(), payload)?;
        self.publish_control(&bytes)
    }

    /// Adds a signed object of ours to the log, stores and publishes it. The caller ends with
    /// `control_changed`.
    pub(super) fn publish_control(&mut self, bytes: &[u8]) -> Result<ObjectId, Failure> {
        let control = self.control.as_mut().ok_or_else(not_a_member)?;
        let company = control.company();
        let trust = peek_id(bytes).map_or(Trust::Nothing, Trust::StoredAs);
        let object = Verified::<ControlObject>::control(bytes, company, trust)
            .map_err(|_| broken("is malformed"))?;
        let id = object.id();
        match control.add(object) {
            Added::Taken(ids) => self.persist_control(&ids),
            _ => return Err(broken("would not count")),
        }
        if let Some(topics) = self.topic_names() {
            let topic = topics.control();
            self.emit(Effect::Publish { topic, id, bytes: bytes.to_vec() });
        }
        Ok(id)
    }

    /// Signs, adds, stores and publishes a control object.
    pub(super) fn author(&mut self, payload: Payload) -> Result<ObjectId, Failure> {
        let (_, bytes) = self.sign_control(payload)?;
        self.publish_control(&bytes)
    }

    /// Writes a message of ours: an `Enter` first if the last one no longer fits.
    pub(super) fn post(
        &mut self,
        room: RoomId,
        kind: EnvelopeKind,
        body: Vec<u8>,
        parents: Option<Vec<MessageId>>,
    ) -> Result<MessageId, Failure> {
        self.require_own_tail(Some(room))?;
        let standing = self.enter(room)?;
        let content = Content::Plain(body);
        let id = self.post_envelope(room, kind, Some(standing), content, parents)?;
        self.tell_instant(room, &[standing, id]);
        Ok(id)
    }

    /// Writes a text of ours, encrypted under the room's epoch; a new one is begun if none fits.
    pub(super) fn post_text(&mut self, room: RoomId, text: &str) -> Result<MessageId, Failure> {
        self.require_own_tail(Some(room))?;
        let standing = self.enter(room)?;
        let (epoch, begun) = self.epoch_to_write_under(room, standing)?;
        let content = Content::Text { epoch, text };
        let id = self.post_envelope(room, EnvelopeKind::Text, Some(standing), content, None)?;
        let told: Vec<MessageId> = [standing].into_iter().chain(begun).chain([id]).collect();
        self.tell_instant(room, &told);
        Ok(id)
    }

    /// This device's `Enter`, written if need be.
    pub(super) fn enter(&mut self, room: RoomId) -> Result<MessageId, Failure> {
        let device = self.keys.device();
        self.recall_enter(room);
        let control = self.control.as_ref().ok_or_else(not_a_member)?;
        let entered = self.rooms.get(&room).and_then(|r| r.entered.as_ref());
        if let Some((id, body)) = entered
            && control.enter_fits(device, room, body)
        {
            return Ok(*id);
        }
        let body = control.enter_body(device, room).ok_or_else(|| broken("has no standing"))?;
        let encoded = Content::Plain(crate::codec::encode(&body));
        let id = self.post_envelope(room, EnvelopeKind::Enter, None, encoded, None)?;
        if let Some(room) = self.rooms.get_mut(&room) {
            room.entered = Some((id, body));
        }
        Ok(id)
    }

    /// Finds this device's newest `Enter` in the store, after a start.
    fn recall_enter(&mut self, room: RoomId) {
        let device = self.keys.device();
        let Some(state) = self.rooms.get(&room).filter(|r| r.entered.is_none()) else { return };
        if state.log.tail(device).is_none() {
            return;
        }
        // Whatever this device wrote last names it; to look through the room takes long.
        let named = state.log.tail(device).and_then(|(_, last)| {
            let last = self.read_message(room, last)?;
            let is_enter = last.value().kind == EnvelopeKind::Enter;
            if is_enter { Some(last.id()) } else { last.value().standing }
        });
        let is_ours = |id: &MessageId| {
            state.log.get(*id).is_some_and(|e| e.device == device && e.kind == EnvelopeKind::Enter)
        };
        let search = || state.log.order().newest_first().map(|(_, id)| id).find(is_ours);
        let Some(id) = named.filter(is_ours).or_else(search) else { return };
        let body = self.read_message(room, id).and_then(|m| m.value().enter_body().ok());
        if let (Some(body), Some(state)) = (body, self.rooms.get_mut(&room)) {
            state.entered = Some((id, body));
        }
    }

    pub(super) fn post_envelope(
        &mut self,
        room: RoomId,
        kind: EnvelopeKind,
        standing: Option<MessageId>,
        content: Content<'_>,
        parents: Option<Vec<MessageId>>,
    ) -> Result<MessageId, Failure> {
        let company = self.company().ok_or_else(not_a_member)?;
        let device = self.keys.device();
        let state = self.rooms.get(&room).ok_or_else(|| broken("has no room"))?;
        let (parents, height) = match parents {
            Some(parents) => {
                let heights = parents.iter().filter_map(|p| state.log.get(*p)).map(|e| e.height);
                let height = heights.max().unwrap_or(0);
                (parents, height)
            }
            None => state.log.parents(),
        };
        let tail = if self.is_copied() {
            Some(self.beyond_own_numbers(room))
        } else {
            self.rooms.get(&room).and_then(|state| state.log.tail(device))
        };
        let mut envelope = Envelope {
            version: ENVELOPE_VERSION,
            company,
            room,
            device,
            seq: tail.map_or(1, |(seq, _)| seq.saturating_add(1)),
            prev: tail.map(|(_, id)| id),
            parents,
            height: height + 1,
            kind,
            standing,
            epoch: None,
            nonce: Vec::new(),
            body: Vec::new(),
            claimed_time: self.now,
        };
        match content {
            Content::Plain(body) => envelope.body = body,
            Content::Text { epoch, text } => {
                envelope.epoch = Some(epoch);
                let key = self.rooms.get(&room).and_then(|state| state.log.epochs.key(epoch));
                envelope.seal_text(key.ok_or_else(|| broken("has no key"))?, text);
            }
        }
        let (id, bytes) = sign(&self.keys, ObjectType::Envelope, company, &envelope.encode());
        self.take_message(room, &bytes, Origin::Own);
        let accepted = self.rooms.get(&room).and_then(|r| r.log.get(id));
        if !accepted.is_some_and(crate::room::Entry::is_accepted) {
            return Err(broken("was not accepted here"));
        }
        let topic = self.topic_names().ok_or_else(not_a_member)?.room(room);
        self.note_posted(room, topic, id);
        self.emit(Effect::Publish { topic, id, bytes });
        Ok(id)
    }

    /// Seals what a removal left without acknowledgement, in rooms where it is time to.
    pub(super) fn seal_what_is_due(&mut self) {
        let now = self.now;
        let due: Vec<RoomId> = self
            .rooms
            .iter()
            .filter(|(_, room)| room.seal_at.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for room in due {
            if let Some(state) = self.rooms.get_mut(&room) {
                state.seal_at = None;
            }
            self.seal(room);
        }
    }

    fn seal(&mut self, room: RoomId) {
        let may = self
            .me()
            .zip(self.control.as_ref())
            .is_some_and(|(me, control)| control.access().has_access(me, room));
        if !may {
            return;
        }
        let heads = match self.rooms.get(&room) {
            Some(state) => state.log.unsealed_heads(),
            None => return,
        };
        // Chained: each seal follows the one before it, so one parent is set aside for that.
        let mut before: Option<MessageId> = None;
        for chunk in heads.chunks(PARENTS_MAX - 1) {
            let follows = before
                .or_else(|| self.rooms.get(&room).and_then(|r| r.log.parents().0.first().copied()));
            let mut parents: Vec<MessageId> = chunk.iter().copied().chain(follows).collect();
            parents.sort_unstable();
            parents.dedup();
            match self.post(room, EnvelopeKind::Seal, Vec::new(), Some(parents)) {
                Ok(id) => before = Some(id),
                Err(_) => {
                    // Not expected; tried again rather than lost.
                    let again = self.now.plus_ms(SEAL_DELAY_MS_MAX);
                    if let Some(state) = self.rooms.get_mut(&room) {
                        state.seal_at = Some(again);
                    }
                    return;
                }
            }
        }
    }
}

/// Signs a control object at the end of a key's chain, under the authority that the key has.
pub(super) fn sign_as(
    control: &ControlLog,
    keys: &DeviceKeys,
    payload: Payload,
) -> Result<(ObjectId, Vec<u8>), Failure> {
    let author = keys.device();
    let root = || control.root().filter(|(root, _)| *root == author);
    let authority = match &payload {
        // A new root key acts under the commitment that it opens.
        Payload::RootRotate(_) => control.root().map(|(_, root)| root),
        _ => control.authority_for(author, &payload).or_else(|| root().map(|(_, root)| root)),
    };
    let authority = authority.ok_or_else(|| not_admin("do this"))?;
    let tail = control.tail(author);
    let mut object = ControlObject {
        header: Header {
            version: CONTROL_VERSION,
            company: control.company(),
            author,
            seq: tail.map_or(1, |(seq, _)| seq + 1),
            prev: tail.map(|(_, id)| id),
            authority,
            height: 0,
        },
        payload,
    };
    let height = control.height_over(&object.references());
    object.header.height = height.ok_or_else(|| broken("refers to an unknown object"))?;
    Ok(object.sign(keys))
}

pub(super) fn not_a_member() -> Failure {
    Failure::new(
        FailureKind::NotMember,
        "this device is not a member of a company yet",
        "wait until an admin has approved it: see `conclave status`, and compare the safety code",
    )
}

pub(super) fn not_admin(what: &str) -> Failure {
    Failure::new(
        FailureKind::NotAdmin,
        format!("this device has no grant to {what}"),
        "ask an admin of the company to do it",
    )
}

/// An object of our own that our own rules refuse: a defect of this program.
pub(super) fn broken(why: &str) -> Failure {
    Failure::new(
        FailureKind::Failed,
        format!("the object that this node signed {why}"),
        "nothing was changed; please report this as a defect",
    )
}
