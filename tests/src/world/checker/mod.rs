//! An independent judge of a world: it sees every effect and every frame, keeps books of its
//! own, and asks the engines nothing before the end.
//!
//! - Here: what is signed, stored, shown and acknowledged, and by whom.
//! - `access`: what a node's own control log says about whom it may send what.
//! - `model`: section 5 of the protocol in sets.
//! - `end`: what must hold once everything has healed.

mod access;
mod end;
mod model;

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::engine::{Batch, Effect, Event, Outcome, Table};
use conclave_protocol::envelope::{EnterBody, Envelope};
use conclave_protocol::id::{CompanyId, DeviceId, MessageId, ObjectId, RoomId};
use conclave_protocol::instant::InstantAgents;
use conclave_protocol::object::ObjectType;
use conclave_protocol::signed::peek_type;
use conclave_protocol::view::MessageView;

use access::Known;
pub use model::Judged;

use super::hostile::{Sighted, envelopes_in};
use super::{NodeId, World};
use crate::forge::Forged;

/// An envelope that exists, whoever made it.
#[derive(Clone, Debug)]
pub struct Made {
    /// What it says.
    pub envelope: Envelope,
    /// All of it.
    pub bytes: Vec<u8>,
    /// Why it may never be shown or stored, if that is so.
    pub never: Option<&'static str>,
    /// It can be told only once its ancestors are here: until then it may wait, and be seen to.
    pub may_wait: bool,
    /// A liar made it, so nobody owes it anything.
    pub by_liar: bool,
}

/// What has been seen of one node.
#[derive(Default)]
pub(super) struct Seen {
    known: Known,
    /// Every message that it ever announced.
    shown: BTreeSet<MessageId>,
    /// Every object whose making it acknowledged to its user.
    acknowledged: BTreeSet<ObjectId>,
    /// What it showed of a room, under which control log and in which life.
    before: BTreeMap<RoomId, (ObjectId, u32, BTreeSet<MessageId>)>,
    /// Its disk was damaged or put back: what it had acknowledged may be gone until peers bring it.
    pub(super) damaged: bool,
}

/// See the module's documentation.
pub struct Checker {
    company: CompanyId,
    made: BTreeMap<MessageId, Made>,
    nodes: BTreeMap<NodeId, Seen>,
    /// Instant rooms that somebody has begun.
    instants: BTreeSet<InstantAgents>,
    /// Nodes that have been turned into liars.
    liars: BTreeSet<NodeId>,
    /// What happened, by name.
    pub counts: BTreeMap<&'static str, u64>,
}

impl World {
    /// From now on everything is judged.
    pub fn watch(&mut self) {
        self.checker = Some(Box::new(Checker {
            company: self.ledger.company,
            made: BTreeMap::new(),
            nodes: BTreeMap::new(),
            instants: BTreeSet::new(),
            liars: BTreeSet::new(),
            counts: BTreeMap::new(),
        }));
        for id in self.ids().collect::<Vec<_>>() {
            self.check_start(id);
        }
    }

    /// The judge, which has to be there.
    pub fn checker(&mut self) -> &mut Checker {
        self.checker.as_mut().expect("nobody watches this world")
    }

    fn with_checker(&mut self, look: impl FnOnce(&mut Checker, &mut Self)) {
        if let Some(mut checker) = self.checker.take() {
            look(&mut checker, self);
            self.checker = Some(checker);
        }
    }

    pub(super) fn watch_effect(&mut self, id: NodeId, effect: &Effect) {
        self.with_checker(|checker, world| checker.effect(world, id, effect));
    }

    /// A node is about to start from its disk.
    pub(super) fn check_start(&mut self, id: NodeId) {
        self.with_checker(|checker, world| checker.starts(world, id));
    }

    /// Bytes leave a node for a device.
    pub(super) fn check_leaving(&mut self, id: NodeId, to: DeviceId, bytes: &[u8]) {
        self.check_strangers(id, to, bytes);
        self.with_checker(|checker, world| {
            for sighted in envelopes_in(bytes) {
                checker.leaves(world, id, to, &sighted);
            }
        });
    }

    /// Who never was a member is not shown what topics are made of.
    fn check_strangers(&self, id: NodeId, to: DeviceId, bytes: &[u8]) {
        let knows = |id: NodeId| self.node(id).policy().members.contains(&to);
        if !knows(id) && self.shows_salt(bytes) {
            let name = &self.node(id).name;
            assert!(self.ids().any(knows), "{name} shows a stranger, {to:?}, the Genesis");
        }
    }

    /// Whether the random bytes of the company's `Genesis` are among these.
    #[must_use]
    pub fn shows_salt(&self, bytes: &[u8]) -> bool {
        let salt = self.ledger.salt;
        salt.is_some_and(|salt| bytes.windows(32).any(|window| window == salt.0))
    }

    /// A node's key is in a liar's hand from now on.
    pub fn turned(&mut self, id: NodeId) {
        self.with_checker(|checker, _| _ = checker.liars.insert(id));
    }

    /// A node's disk is not what it was: see [`super::disk::Disk::damage`].
    pub fn disk_changed(&mut self, id: NodeId) {
        self.with_checker(|checker, _| checker.seen(id).damaged = true);
    }
}

/// How a node keeps what it cannot judge yet.
const WAITS: &str = "keeps waiting";

impl Checker {
    fn seen(&mut self, id: NodeId) -> &mut Seen {
        self.nodes.entry(id).or_default()
    }

    /// Counts something that happened.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// An envelope, if it exists.
    #[must_use]
    pub fn made(&self, id: MessageId) -> Option<&Made> {
        self.made.get(&id)
    }

    /// Whether a node was turned into a liar.
    #[must_use]
    pub fn is_liar(&self, id: NodeId) -> bool {
        self.liars.contains(&id)
    }

    /// A liar made an envelope that may never count, because of its ancestors.
    pub fn note_rootless(&mut self, forged: &Forged, never: &'static str) {
        self.note_lie(forged, Some(never));
        if let Some(made) = self.made.get_mut(&forged.id) {
            made.may_wait = true;
        }
    }

    /// A liar made an envelope; it may never be shown or stored if `never` says why.
    pub fn note_lie(&mut self, forged: &Forged, never: Option<&'static str>) {
        let found = envelopes_in(&forged.bytes);
        let Some(sighted) = found.first() else { return };
        let Ok(envelope) = Envelope::decode(sighted.body) else { return };
        self.note_begun(&envelope);
        let bytes = forged.bytes.clone();
        self.made.entry(forged.id).or_insert(Made {
            envelope,
            bytes,
            never,
            may_wait: false,
            by_liar: true,
        });
    }

    fn effect(&mut self, world: &World, id: NodeId, effect: &Effect) {
        match effect {
            Effect::Persist(batch) => self.persists(world, id, batch),
            Effect::Answer { result: Ok(outcome), .. } => {
                let objects: Vec<ObjectId> = match outcome {
                    Outcome::Message(view) => vec![view.id],
                    Outcome::Member { object, .. } => vec![*object],
                    Outcome::Signed { objects, .. } => objects.clone(),
                    Outcome::Unit(view) => vec![view.id.into()],
                    Outcome::Room(view, _) => vec![view.room.id.into()],
                    Outcome::Approved { agent, .. } => vec![agent.id.into()],
                    // What waits for an admin is in memory only; a certificate is not named by it.
                    Outcome::Device { .. }
                    | Outcome::Instant(_)
                    | Outcome::Refused { .. }
                    | Outcome::Done => Vec::new(),
                };
                self.seen(id).acknowledged.extend(objects);
            }
            Effect::Event(Event::Message(view, _)) => self.shows(world, id, view),
            Effect::Event(Event::MessageState(view)) => self.is_as_made(world, id, view),
            Effect::Event(Event::MessageGone { id: message, .. }) => {
                // Should it count one day, that is news.
                self.seen(id).shown.remove(message);
            }
            Effect::Publish { bytes, .. } if peek_type(bytes) == Some(ObjectType::Envelope) => {
                for sighted in envelopes_in(bytes) {
                    self.is_genuine(world, id, &sighted, "published");
                }
            }
            _ => {}
        }
    }

    /// What a node stores: its own envelopes are made here; all others somebody has signed.
    fn persists(&mut self, world: &World, id: NodeId, batch: &Batch) {
        let device = world.node(id).device();
        for write in &batch.writes {
            let Some(value) = &write.value else { continue };
            if write.table == Table::Control {
                continue;
            }
            for sighted in envelopes_in(value) {
                if sighted.device == device && !self.made.contains_key(&sighted.id) {
                    self.is_made(world, id, &sighted);
                }
                let how = if write.table == Table::Waiting { WAITS } else { "stored" };
                self.is_genuine(world, id, &sighted, how);
            }
        }
        let changed = batch.writes.iter().any(|write| write.table == Table::Control);
        if changed {
            let now = world.now();
            let devices: Vec<DeviceId> = world.ids().map(|id| world.node(id).device()).collect();
            let company = self.company;
            self.seen(id).known.learn(company, batch, now, &devices);
        }
    }

    fn is_made(&mut self, world: &World, id: NodeId, sighted: &Sighted<'_>) {
        let name = &world.node(id).name;
        assert!(sighted.is_signed(self.company), "{name} made an envelope without a signature");
        let Ok(envelope) = Envelope::decode(sighted.body) else {
            panic!("{name} made an envelope that nobody can read");
        };
        self.note_begun(&envelope);
        let bytes = sighted.bytes.to_vec();
        let made = Made { envelope, bytes, never: None, may_wait: false, by_liar: false };
        self.made.insert(sighted.id, made);
    }

    /// Whose an instant room is stands in each `Enter` of it.
    fn note_begun(&mut self, envelope: &Envelope) {
        if let Ok(EnterBody::Instant { agents, .. }) = envelope.enter_body()
            && self.instants.insert(agents.clone())
        {
            self.count("instant rooms begun");
            for seen in self.nodes.values_mut() {
                seen.known.learn_instant(&agents);
            }
        }
    }

    /// Nothing forged is stored, shown or passed on.
    fn is_genuine(&mut self, world: &World, id: NodeId, sighted: &Sighted<'_>, how: &str) {
        let name = &world.node(id).name;
        let Some(made) = self.made.get(&sighted.id) else {
            panic!("forged: {name} {how} {:?}, which nobody made", sighted.id);
        };
        assert!(
            made.bytes == sighted.bytes,
            "forged: {name} {how} other bytes of {:?}",
            sighted.id
        );
        // What waits is passed on too: nobody can tell yet.
        if let Some(reason) = made.never.filter(|_| how == "stored" || !made.may_wait) {
            panic!("forged: {name} {how} {:?}: {reason}", sighted.id);
        }
    }

    /// Content leaves a node only for those who have access, as far as the node knows.
    fn leaves(&mut self, world: &World, id: NodeId, to: DeviceId, sighted: &Sighted<'_>) {
        self.is_genuine(world, id, sighted, "passed on");
        let denied = self.seen(id).known.denied_for_ms(to, sighted.room, world.now());
        let name = &world.node(id).name;
        let whom = world.by_device(to).map_or("a stranger", |to| &world.node(to).name);
        assert!(
            denied == 0,
            "private: {name} gave {whom} a message of {:?}, and had known for {denied} ms that it \
             has no access",
            sighted.room
        );
        self.count("envelopes passed on");
    }

    /// What is shown is what was written.
    fn is_as_made(&mut self, world: &World, id: NodeId, view: &MessageView) {
        let name = &world.node(id).name;
        let Some(made) = self.made.get(&view.id) else {
            panic!("forged: {name} shows {:?}, which nobody made", view.id);
        };
        if let Some(reason) = made.never.filter(|_| !view.incomplete || !made.may_wait) {
            panic!("forged: {name} shows {:?}: {reason}", view.id);
        }
        let envelope = &made.envelope;
        let shown = (view.device, view.room.id, view.height, Some(view.text.clone()));
        let text = crate::forge::text_of(envelope);
        let written = (envelope.device, envelope.room, envelope.height, text);
        assert_eq!(shown, written, "{name} shows something else than was written");
    }

    /// A message is news only once; and of those who have lost access only what is acknowledged.
    fn shows(&mut self, world: &World, id: NodeId, view: &MessageView) {
        self.is_as_made(world, id, view);
        let name = world.node(id).name.clone();
        let seen = self.seen(id);
        let first = seen.shown.insert(view.id) || seen.damaged;
        assert!(first, "twice: {name} announces {:?} ({}) a second time", view.id, view.text);
        let own = world.node(id).device();
        let known = &self.nodes[&id].known;
        let late = known.denied_for_ms(view.device, view.room.id, world.now());
        self.count("messages shown");
        if late == 0 || view.device == own {
            return;
        }
        let held: BTreeSet<MessageId> = self.held(world, id, view.room.id);
        let judged = self.judge(view.room.id, &held, &self.nodes[&id].known);
        self.count("messages shown of who had lost access, since they are acknowledged");
        // Whoever acknowledged it may have lost access while the disk was slow: then it is on its
        // way off the screen, and the next event says so.
        let room = view.room.id.to_string();
        let stays = world.engine(id).readable_room(&room).is_ok()
            && world.messages(id, &room).iter().any(|message| message.id == view.id);
        assert!(
            judged.accepted.contains(&view.id) || !stays,
            "removal: {name} shows {:?} ({}) of {}, whose removal it has known for {late} ms, and \
             which nobody acknowledged ({}, incomplete: {})",
            view.id,
            view.text,
            view.author.name,
            view.state.word(),
            view.incomplete
        );
    }

    /// Envelopes of a room that a node's disk holds durably.
    fn held(&self, world: &World, id: NodeId, room: RoomId) -> BTreeSet<MessageId> {
        let disk = world.disk(id);
        let of_room = self.made.iter().filter(|(_, made)| made.envelope.room == room);
        of_room.map(|(id, _)| *id).filter(|id| disk.holds(*id)).collect()
    }

    /// What was acknowledged or shown has survived; the control log is read anew.
    fn starts(&mut self, world: &World, id: NodeId) {
        let disk = world.disk(id);
        let seen = self.nodes.entry(id).or_default();
        if !seen.damaged {
            for (what, objects) in [("acknowledged", &seen.acknowledged), ("shown", &seen.shown)] {
                for object in objects {
                    let name = &world.node(id).name;
                    assert!(
                        disk.holds(*object),
                        "durable: {name} lost {object:?}, which it had {what}"
                    );
                }
            }
        }
        let devices: Vec<DeviceId> = world.ids().map(|id| world.node(id).device()).collect();
        let rows = disk.durable();
        seen.known = Known::of(self.company, &rows, world.now(), &devices, &self.instants);
    }

    /// Looks at a room as a node shows it: in order, without doubles, and growing as long as its
    /// control log stays the same.
    pub(super) fn looks(&mut self, world: &World, id: NodeId, room: RoomId) {
        if world.engine(id).readable_room(&room.to_string()).is_err() {
            return;
        }
        let shown = world.messages(id, &room.to_string());
        let name = &world.node(id).name;
        let places: Vec<(u64, MessageId)> = shown.iter().map(|m| (m.height, m.id)).collect();
        assert!(places.windows(2).all(|p| p[0] < p[1]), "order: {name} shows {places:?}");
        for view in &shown {
            self.is_as_made(world, id, view);
        }
        let digest = world.engine(id).status().control_digest;
        let life = world.node(id).life;
        // What is incomplete may turn out to be nothing.
        let whole = shown.iter().filter(|m| !m.incomplete);
        let ids: BTreeSet<MessageId> = whole.map(|m| m.id).collect();
        let seen = self.seen(id);
        if let Some((log, in_life, before)) = seen.before.get(&room)
            && (*log, *in_life) == (digest, life)
        {
            let gone: Vec<_> = before.difference(&ids).collect();
            assert!(gone.is_empty(), "monotone: {name} no longer shows {gone:?}");
        }
        seen.before.insert(room, (digest, life, ids));
        self.count("looks at a room");
    }
}

impl World {
    /// Looks at a room as a node that is up shows it.
    pub fn look(&mut self, id: NodeId, room: RoomId) {
        self.with_checker(|checker, world| checker.looks(world, id, room));
    }
}
