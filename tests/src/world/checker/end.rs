//! What must hold once all faults have stopped and everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::engine::Table;
use conclave_protocol::id::{MessageId, RoomId};
use conclave_protocol::limits::{UNACKNOWLEDGED_PER_ROOM_MAX, VOID_CONTROL_PER_DEVICE_MAX};

use super::Checker;
use crate::snapshot::snapshot;
use crate::world::{NodeId, World};

impl World {
    /// Judges the end: `live` are the honest nodes that are up and members, all agreed.
    pub fn judge_end(&mut self, live: &[NodeId]) {
        let live = live.to_vec();
        self.with_checker(|checker, world| checker.judge_end(world, &live));
    }

    /// Whether these nodes hold the same control log, and the same of every room that they share,
    /// and have nothing left to fetch. What liars built on nothing may wait for its parents until
    /// it is given up.
    #[must_use]
    pub fn agree_among(&self, ids: &[NodeId], liars: bool) -> bool {
        let done = |sync: &str| sync.starts_with("complete") || (liars && is_waiting(sync));
        let mut rooms = BTreeMap::new();
        let mut control = BTreeSet::new();
        for id in ids {
            let status = self.engine(*id).status();
            control.insert(status.control_digest);
            for room in status.rooms {
                if !done(&room.sync)
                    || *rooms.entry(room.room.id).or_insert(room.digest) != room.digest
                {
                    return false;
                }
            }
        }
        control.len() <= 1
    }
}

/// Nothing is being fetched, and something is held that lacks its parents.
fn is_waiting(sync: &str) -> bool {
    sync.ends_with("waiting for what they refer to")
}

impl Checker {
    fn judge_end(&mut self, world: &World, live: &[NodeId]) {
        let Some(first) = live.first() else { return };
        self.judge_control(world, *first);
        let rooms: Vec<RoomId> = match self.nodes[first].known.log() {
            Some(log) => {
                let access = log.access();
                access.rooms().keys().chain(access.instants().keys()).copied().collect()
            }
            None => Vec::new(),
        };
        for room in rooms {
            self.judge_room(world, room, *first, live);
        }
        for id in live {
            self.judge_bounds(world, *id);
        }
        self.judge_private(world);
        self.count("ends judged");
    }

    /// The log that all agree on means what the plain reference says it means.
    fn judge_control(&self, world: &World, id: NodeId) {
        let known = &self.nodes[&id].known;
        let (Some(log), Some(reference)) = (known.log(), known.reference()) else { return };
        assert_eq!(
            log.digest(),
            world.engine(id).status().control_digest,
            "the engine of {} holds another log than its disk",
            world.node(id).name
        );
        assert!(snapshot(log) == reference, "the control log is not what the reference says");
    }

    fn judge_room(&mut self, world: &World, room: RoomId, first: NodeId, live: &[NodeId]) {
        let log = self.nodes[&first].known.log().expect("it was there a moment ago");
        let with_access: Vec<NodeId> = live
            .iter()
            .copied()
            .filter(|id| log.access().device_has_access(world.node(*id).device(), room))
            .collect();
        let mut held: BTreeSet<MessageId> = BTreeSet::new();
        for id in &with_access {
            held.extend(self.held(world, *id, room));
        }
        let judged = self.judge(room, &held, &self.nodes[&first].known);
        let content = |id: &&MessageId| self.made[*id].envelope.kind.is_content();
        let shown: BTreeSet<MessageId> = judged.accepted.iter().filter(content).copied().collect();
        let expected = self.in_order(&shown);
        let digest = self.digest_of(&judged.accepted);
        let mut read: Vec<(NodeId, BTreeSet<MessageId>)> = Vec::new();
        for id in live {
            let name = &world.node(*id).name;
            let readable = world.engine(*id).readable_room(&room.to_string()).is_ok();
            // An instant room is there for its agents once there is something in it.
            let begun = log.access().instant(room).is_none() || !judged.counting.is_empty();
            let expected_here = with_access.contains(id) && begun;
            assert!(readable || !expected_here, "access: {name} cannot read {room:?}");
            assert!(!readable || with_access.contains(id), "access: {name} may read {room:?}");
            if !readable || !begun {
                continue;
            }
            let messages = world.messages(*id, &room.to_string());
            // What a liar built on nothing may be seen to wait.
            let whole = messages.iter().filter(|m| !m.incomplete);
            let places: Vec<_> = whole.map(|m| (m.height, m.id)).collect();
            let extra: Vec<_> = places.iter().filter(|place| !expected.contains(place)).collect();
            assert!(extra.is_empty(), "equal: {name} shows something else of {room:?}: {extra:?}");
            read.push((*id, places.into_iter().map(|(_, id)| id).collect()));
            let status = world.engine(*id).status().rooms;
            let status = status.iter().find(|status| status.room.id == room);
            let digests = status.map(|status| status.digest);
            assert_eq!(digests, Some(digest), "equal: {name} accepts something else of {room:?}");
            let sync = status.map(|status| status.sync.as_str()).unwrap_or_default();
            let waits = !self.liars.is_empty() && is_waiting(sync);
            assert!(
                waits || sync.starts_with("complete"),
                "{name} is not done with {room:?}: {sync}"
            );
            // What its user was told is there, or says why it is not.
            let seen = &self.nodes[id];
            if seen.damaged {
                continue;
            }
            let of_room =
                |id: &&MessageId| self.made.get(*id).is_some_and(|m| m.envelope.room == room);
            for message in seen.acknowledged.iter().filter(of_room) {
                assert!(
                    judged.accepted.contains(message),
                    "lost: {name} had acknowledged {message:?} of {room:?} and is a member"
                );
            }
            for message in seen.shown.iter().filter(of_room) {
                assert!(
                    judged.accepted.contains(message) || !judged.keepable.contains(message),
                    "history: {name} had shown {message:?} of {room:?}, and nobody sealed it"
                );
            }
        }
        let unread = self.judge_reading(world, log, room, &shown, &read);
        *self.counts.entry("texts of closed histories that a member cannot read").or_default() +=
            unread;
        let log = self.nodes[&first].known.log().expect("it was there a moment ago");
        if with_access.len() > 1 && log.access().instant(room).is_some() && !shown.is_empty() {
            *self.counts.entry("instant rooms that ended equal").or_default() += 1;
        }
        if with_access.len() > 1 {
            *self.counts.entry("rooms that ended equal").or_default() += 1;
        }
        let counts = [
            ("messages accepted at the end", shown.len()),
            ("of those vouched for", judged.vouched.iter().filter(content).count()),
            ("envelopes void at the end", judged.counting.len() - judged.accepted.len()),
        ];
        for (what, count) in counts {
            *self.counts.entry(what).or_default() += count as u64;
        }
    }

    /// What liars drove stays within its bounds.
    fn judge_bounds(&mut self, world: &World, id: NodeId) {
        let name = &world.node(id).name;
        for (device, count) in self.nodes[&id].known.void_by_author() {
            let fits = count <= VOID_CONTROL_PER_DEVICE_MAX;
            assert!(fits, "bounded: {name} stores {count} void objects of {device:?}");
        }
        let rows = world.disk(id).durable();
        let messages = rows.keys().filter(|(table, _)| *table == Table::Messages).count();
        let honest = self.made.values().filter(|made| !made.by_liar).count();
        let most = honest + UNACKNOWLEDGED_PER_ROOM_MAX;
        assert!(messages <= most, "bounded: {name} stores {messages} messages");
    }
}

impl World {
    /// In which rooms and envelopes these nodes differ, as far as each may read.
    pub fn differences(&mut self, ids: &[NodeId]) -> String {
        let mut lines = String::new();
        let ids = ids.to_vec();
        self.with_checker(|checker, world| {
            for id in &ids {
                let node = world.node(*id);
                let open = (node.asked.len(), node.serving.len());
                let peers = world.peers_of(node.device()).len();
                lines += &format!(
                    "\n{}: {peers} peers, {open:?} requests open, asked and to answer; {:?}",
                    node.name,
                    world.engine(*id).status().verdicts
                );
                for room in world.engine(*id).status().rooms {
                    let room = room.room.id;
                    let held = checker.held(world, *id, room);
                    let known = &checker.nodes[id].known;
                    let accepted = checker.judge(room, &held, known).accepted;
                    for (envelope, made) in
                        checker.made.iter().filter(|(_, m)| m.envelope.room == room)
                    {
                        let by = world.by_device(made.envelope.device);
                        let by = by.map_or("nobody", |by| &world.node(by).name);
                        let (held, accepted) =
                            (held.contains(envelope), accepted.contains(envelope));
                        if !held || !accepted {
                            lines += &format!(
                                "\n{}: {envelope:?} of {room:?} at height {} by {by}: held {held}, \
                                 to be accepted {accepted}, live {}, on {:?}",
                                world.node(*id).name,
                                made.envelope.height,
                                known.standing(made.envelope.device, room).live,
                                made.envelope.parents
                            );
                        }
                    }
                }
            }
        });
        lines
    }
}
