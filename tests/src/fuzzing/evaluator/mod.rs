//! A control log from bytes, in several orders and ways: what follows must be the same.
//!
//! - `writer`: bytes choose who writes what; most of it is sound, none of it is signed.
//! - `payload`: what is written.
//! - `picture`: all that can be asked of a log, to be compared.
//! - `print`: the log as a list that people can read, for failures.

mod payload;
mod picture;
mod print;
mod writer;

use std::collections::BTreeSet;

use conclave_protocol::codec;
use conclave_protocol::control::{Added, Changes, ControlLog, Standing, Verdict};
use conclave_protocol::id::{DeviceId, ObjectId, RoomId};
use conclave_protocol::object::{
    AgentCert, CONTROL_VERSION, ControlObject, Header, HistoryPolicy, Payload, Revoke, RevokeMode,
    RoomCreate, SignatureBytes, UnitCreate, UnitKind,
};
use conclave_protocol::signed::{Trust, Verified, object_id};
use conclave_protocol::sync::Blob;

use super::reader::Dice;
use picture::Picture;
pub use print::print;
use writer::{Written, keys};

/// Writes the log that the bytes choose and evaluates it.
pub fn run(data: &[u8]) {
    let written = Written::of(data);
    let mut dice = Dice::of(data);
    let first = &written.log;
    let expected = Picture::of(first);
    explain(&written, first);
    picture::check(first);

    let second = in_another_order(&written, &mut dice);
    assert_same(&Picture::of(&second), &expected, "in another order");
    explain(&written, &second);
    let ids = |log: &ControlLog| log.ids().collect::<BTreeSet<ObjectId>>();
    assert_eq!(ids(&second), ids(first), "another order: what is in the log");

    let third = loaded(&written, &mut dice, |_| true);
    assert_same(&Picture::of(&third), &expected, "loaded");
    assert_eq!(ids(&third), ids(first), "loaded: what is in the log");

    let reconciled: BTreeSet<ObjectId> = first.order().iter().map(|(_, id)| id).collect();
    let fourth = loaded(&written, &mut dice, |id| reconciled.contains(&id));
    assert_same(&Picture::of(&fourth), &expected, "only what is reconciled");
    assert_eq!(ids(&fourth), reconciled);

    let mut again = second;
    again.evaluate();
    assert_same(&Picture::of(&again), &expected, "evaluated again");
    assert!(again.refresh().is_empty(), "a refresh without cause");
    again.drop_idle(&ids(&again));
    assert_same(&Picture::of(&again), &expected, "without what is idle");
    what_is_allowed_counts(again, &mut dice);
}

fn assert_same(found: &Picture, expected: &Picture, how: &str) {
    if let Some((part, found, expected)) = found.difference(expected) {
        panic!("{how}, {part} differ:\n{found}\nexpected\n{expected}");
    }
}

/// Signed bytes without a signature, as if they had been verified before they were stored.
fn stored(object: &ControlObject) -> Verified<ControlObject> {
    let object_type = object.payload.object_type();
    let body = object.encode();
    let id = object_id(object_type, &body);
    let parts = (object_type.number(), Blob(body), SignatureBytes([0; 64]));
    let bytes = codec::encode(&parts);
    Verified::control(&bytes, object.header.company, Trust::StoredAs(id)).expect("well formed")
}

/// What every log says of every object, in it or not.
fn explain(written: &Written, log: &ControlLog) {
    for object in &written.objects {
        let explanation = log.explain(object.id());
        let counts = explanation.verdict == Verdict::Counts;
        assert_eq!(counts, log.counts(object.id()), "explain of {:?}", object.id());
        assert_eq!(counts, log.rank(object.id()).is_some(), "rank of {:?}", object.id());
        if log.holds(object.id()) {
            let root = explanation.links.last().map(|link| link.object);
            assert_eq!(root, Some(log.company().into()), "explanations end at the root");
            assert!(!log.describe(object.id()).is_empty());
        } else {
            assert!(matches!(explanation.verdict, Verdict::Parked(_) | Verdict::Unknown));
        }
    }
    assert_eq!(log.explain(log.company().into()).verdict, Verdict::Counts);
    assert_eq!(log.explain(ObjectId::default()).verdict, Verdict::Unknown);
}

/// Shuffled, some twice, `Genesis` somewhere; brought up to date now and then.
fn in_another_order(written: &Written, dice: &mut Dice) -> ControlLog {
    let mut order: Vec<Option<&Verified<ControlObject>>> =
        written.objects.iter().map(Some).chain([None]).collect();
    let rest = written.objects.iter().step_by(1 + dice.below(4));
    order.extend(rest.map(Some));
    // Now and then nearly as it was written, so that little waits and much is refreshed.
    if dice.below(3) == 0 {
        for _ in 0..4 {
            let (a, b) = (dice.below(order.len()), dice.below(order.len()));
            order.swap(a, b);
        }
    } else {
        dice.shuffle(&mut order);
    }
    let pause = 1 + dice.below(12);
    let mut log = ControlLog::new(written.genesis.id().into());
    let mut before = Standings::of(&log);
    let mut seen: BTreeSet<ObjectId> = BTreeSet::new();
    for object in order {
        match object {
            None => _ = log.add_genesis(written.genesis.clone()),
            Some(object) => {
                let held = log.holds(object.id());
                let added = log.add(object.clone());
                if held {
                    assert_eq!(added, Added::Duplicate);
                }
                if let Added::Taken(ids) = &added {
                    assert!(ids.iter().all(|id| seen.insert(*id)), "taken twice: {ids:?}");
                }
                assert_ne!(added, Added::Full);
            }
        }
        if dice.below(pause) == 0 {
            let changes = log.refresh();
            let after = Standings::of(&log);
            before.changed_as_said(&after, &changes, &log);
            before = after;
        }
    }
    let changes = log.refresh();
    before.changed_as_said(&Standings::of(&log), &changes, &log);
    log
}

/// All at once, as from a store.
fn loaded(written: &Written, dice: &mut Dice, keep: impl Fn(ObjectId) -> bool) -> ControlLog {
    let kept = written.objects.iter().filter(|object| keep(object.id()));
    let mut objects: Vec<Verified<ControlObject>> = kept.cloned().collect();
    dice.shuffle(&mut objects);
    let mut log = ControlLog::new(written.genesis.id().into());
    log.add_genesis(written.genesis.clone());
    log.load(objects);
    log
}

/// How every key stands in every room: messages are accepted by this.
struct Standings(Vec<(DeviceId, RoomId, Standing)>);

impl Standings {
    fn of(log: &ControlLog) -> Self {
        let pairs =
            keys().flat_map(|key| log.access().rooms().keys().map(move |room| (key, *room)));
        Self(pairs.map(|(key, room)| (key, room, log.standing(key, room))).collect())
    }

    /// Messages are judged again only where the changes of a refresh say so.
    fn changed_as_said(&self, after: &Self, changes: &Changes, log: &ControlLog) {
        let none = Standing::default();
        let find = |all: &Self, key: DeviceId, room: RoomId| {
            let found = all.0.iter().find(|(k, r, _)| (*k, *r) == (key, room));
            found.map_or_else(|| none.clone(), |(_, _, standing)| standing.clone())
        };
        for (key, room, _) in self.0.iter().chain(&after.0) {
            let (was, is) = (find(self, *key, *room), find(after, *key, *room));
            let said = changes.rooms.contains(room)
                || log.agents_of_device(*key).any(|agent| changes.agents.contains(&agent));
            // Who claims the key matters only to somebody who has a way in.
            let judged = |s: &Standing| (s.live, s.ways.clone());
            assert!(
                said || judged(&was) == judged(&is),
                "{key:?} stands differently in {room:?} and nobody is told: {was:?}, now {is:?}"
            );
        }
    }
}

/// What a log says that a device may sign now, and the device signs, counts.
fn what_is_allowed_counts(mut log: ControlLog, dice: &mut Dice) {
    let all: Vec<DeviceId> = keys().collect();
    for _ in 0..3 {
        let author = all[dice.below(all.len())];
        let own = log.grants_of(author).map(|(id, _)| id).next();
        let name = "new".to_owned();
        let payload = match (dice.below(4), own) {
            (0, Some(target)) => Payload::Revoke(Revoke {
                target,
                control_cuts: Vec::new(),
                keep: Vec::new(),
                mode: RevokeMode::Depart,
            }),
            (1, _) => Payload::AgentCert(AgentCert { name }),
            (2, _) => Payload::RoomCreate(RoomCreate { name, history: HistoryPolicy::Full }),
            _ => {
                let (kind, parent) = (UnitKind::Department, None);
                Payload::UnitCreate(UnitCreate { kind, parent, name })
            }
        };
        let Some(authority) = log.authority_for(author, &payload) else { continue };
        let tail = log.tail(author);
        let header = Header {
            version: CONTROL_VERSION,
            company: log.company(),
            author,
            seq: tail.map_or(1, |(seq, _)| seq + 1),
            prev: tail.map(|(_, id)| id),
            authority,
            height: 2,
        };
        let mut object = ControlObject { header, payload };
        object.header.height = log.height_over(&object.references()).expect("all is here");
        let object = stored(&object);
        let added = log.add(object.clone());
        log.refresh();
        if added == Added::Duplicate {
            continue;
        }
        assert!(matches!(added, Added::Taken(_)), "{added:?}: {:?}", object.value());
        assert!(log.counts(object.id()), "void although allowed: {:?}", object.value());
        picture::check(&log);
    }
}
