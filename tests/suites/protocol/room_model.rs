//! A room's log against a plain model of it, after every step: what came, what is accepted,
//! shared, shown, unread, with everything that a revocation may spare.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::control::{Ended, Standing};
use conclave_protocol::crypt::EpochKey;
use conclave_protocol::envelope::{Envelope, EnvelopeKind};
use conclave_protocol::id::{AgentId, CompanyId, DeviceId, MessageId, ObjectId, RoomId};
use conclave_protocol::room::{RoomLog, Unread};
use conclave_tests::forge;
use proptest::prelude::*;
use proptest::sample::Index;

const DEVICES: u8 = 5;

/// What ended a way in: whether acknowledged messages stay, and what is kept.
type DrawnEnd = (bool, Vec<Vec<Index>>);
/// Live, or the ways in with what ended each.
type DrawnStanding = Option<Vec<Vec<DrawnEnd>>>;

#[derive(Clone, Debug)]
enum Step {
    /// One of those whose parents are here.
    Insert(Index),
    Rejudge(Vec<DrawnStanding>),
    TakeBack(Vec<bool>),
    Read,
    /// Up to one of those that are here.
    ReadTo(Index),
    Restart,
}

fn standing() -> impl Strategy<Value = DrawnStanding> {
    let keep = prop::collection::vec(any::<Index>(), 0..3);
    let end = (any::<bool>(), prop::collection::vec(keep, 0..3));
    let ways = prop::collection::vec(prop::collection::vec(end, 1..3), 0..3);
    prop_oneof![2 => Just(None), 3 => ways.prop_map(Some)]
}

fn step() -> impl Strategy<Value = Step> {
    let standings = prop::collection::vec(standing(), usize::from(DEVICES));
    prop_oneof![
        12 => any::<Index>().prop_map(Step::Insert),
        2 => standings.prop_map(Step::Rejudge),
        1 => prop::collection::vec(any::<bool>(), 40).prop_map(Step::TakeBack),
        1 => Just(Step::Read),
        3 => any::<Index>().prop_map(Step::ReadTo),
        1 => Just(Step::Restart),
    ]
}

/// Under which all is encrypted.
const EPOCH: MessageId = ObjectId([0xee; 32]);

/// A log that can read everything.
fn empty_log() -> RoomLog {
    let mut log = RoomLog::default();
    log.epochs.load_key(EPOCH, EpochKey::new([0xee; 32]));
    log
}

fn build(drawn: &[(u8, Vec<Index>)]) -> BTreeMap<MessageId, Envelope> {
    let mut made: Vec<(MessageId, Envelope)> = Vec::new();
    for (n, (device, on)) in drawn.iter().enumerate() {
        let parents: BTreeSet<(MessageId, u64)> = on
            .iter()
            .filter(|_| !made.is_empty())
            .map(|index| index.get(&made))
            .map(|(id, envelope)| (*id, envelope.height))
            .collect();
        let parents: Vec<(MessageId, u64)> = parents.into_iter().collect();
        let device = DeviceId([*device; 32]);
        let mut envelope = forge::envelope(CompanyId([1; 32]), RoomId([2; 32]), device, &parents);
        envelope.seq = n as u64 + 1;
        if n % 4 == 0 {
            envelope.kind = EnvelopeKind::Seal;
        } else {
            envelope.epoch = Some(EPOCH);
        }
        made.push((ObjectId(blake3::hash(&envelope.encode()).into()), envelope));
    }
    made.into_iter().collect()
}

/// The rules, with sets of ids and nothing kept from one question to the next.
struct Model<'a> {
    made: &'a BTreeMap<MessageId, Envelope>,
    held: BTreeSet<MessageId>,
    /// Whoever has ever written here.
    authors: BTreeSet<DeviceId>,
    standings: BTreeMap<DeviceId, Standing>,
    shown: BTreeSet<MessageId>,
    /// When each came, or became visible.
    places: BTreeMap<MessageId, u64>,
    last: u64,
    /// How many had come, or become visible, when everything was read.
    all_read: u64,
    /// The furthest place on the screen up to which was read.
    furthest: Option<(u64, MessageId)>,
    came_late: BTreeSet<MessageId>,
    /// Where people read, and how many messages there were then.
    marks: Vec<((u64, MessageId), u64)>,
}

impl Model<'_> {
    fn up(&self, from: impl IntoIterator<Item = MessageId>) -> BTreeSet<MessageId> {
        let mut found = BTreeSet::new();
        let mut open: Vec<MessageId> =
            from.into_iter().filter(|id| self.held.contains(id)).collect();
        while let Some(id) = open.pop() {
            if found.insert(id) {
                open.extend(self.made[&id].parents.iter().copied());
            }
        }
        found
    }

    fn live(&self, id: &MessageId) -> bool {
        self.standings[&self.made[id].device].live
    }

    fn acknowledged(&self) -> BTreeSet<MessageId> {
        let live = self.held.iter().filter(|id| self.live(id));
        self.up(live.flat_map(|id| self.made[id].parents.iter().copied()))
    }

    fn stands(&self, id: MessageId, acknowledged: bool) -> bool {
        let holds = |keep: &BTreeSet<MessageId>| self.up(keep.iter().copied()).contains(&id);
        let spares = |ended: &Ended| {
            if ended.acknowledged_stays {
                acknowledged || ended.keeps.iter().any(holds)
            } else {
                !ended.keeps.is_empty() && ended.keeps.iter().all(holds)
            }
        };
        let standing = &self.standings[&self.made[&id].device];
        standing.ways.iter().any(|way| way.iter().all(spares))
    }

    fn accepted(&self) -> BTreeSet<MessageId> {
        let acknowledged = self.acknowledged();
        let stands =
            |id: &&MessageId| self.live(id) || self.stands(**id, acknowledged.contains(*id));
        self.held.iter().filter(stands).copied().collect()
    }

    /// What is accepted, all before it, and what is kept of those who have written here.
    fn shared(&self) -> BTreeSet<(u64, MessageId)> {
        let standings = self.authors.iter().map(|device| &self.standings[device]);
        let ended = standings.flat_map(|standing| &standing.ways).flatten();
        let kept = ended.flat_map(|ended| &ended.keeps).flatten().copied();
        let shared = self.up(self.accepted().into_iter().chain(kept));
        shared.into_iter().map(|id| (self.made[&id].height, id)).collect()
    }

    /// Takes note of what became visible just now.
    fn show(&mut self) -> BTreeSet<MessageId> {
        let news: BTreeSet<MessageId> = &self.accepted() - &self.shown;
        for id in &news {
            if !self.made[id].kind.is_content() {
                continue;
            }
            if self.furthest.is_some_and(|furthest| self.place(*id) < furthest) {
                self.came_late.insert(*id);
            }
            if self.has_read(*id) {
                self.last += 1;
                self.places.insert(*id, self.last);
            }
        }
        self.shown.extend(&news);
        news
    }

    fn place(&self, id: MessageId) -> (u64, MessageId) {
        (self.made[&id].height, id)
    }

    fn has_read(&self, id: MessageId) -> bool {
        self.covers(self.place(id), self.places[&id])
    }

    fn covers(&self, place: (u64, MessageId), position: u64) -> bool {
        let by_mark = |(to, by): &((u64, MessageId), u64)| place <= *to && position <= *by;
        position <= self.all_read || self.marks.iter().any(by_mark)
    }

    /// Reads up to a place, or everything.
    fn read(&mut self, up_to: Option<(u64, MessageId)>, me: AgentId) {
        let to = up_to.unwrap_or((u64::MAX, ObjectId([255; 32])));
        let before = self.unread(me);
        if before.is_empty() && up_to.is_some() && self.covers(to, self.last) {
            return;
        }
        if !before.is_empty() && before.iter().all(|id| self.place(*id) > to) {
            return;
        }
        self.marks.push((to, self.last));
        let reached = up_to.into_iter();
        if self.unread(me).is_empty() {
            self.all_read = self.last;
            let content = self.accepted().into_iter().map(|id| self.place(id));
            let content = content.filter(|(_, id)| self.made[id].kind.is_content());
            self.furthest = self.furthest.into_iter().chain(reached).chain(content.max()).max();
        } else {
            self.furthest = self.furthest.into_iter().chain(reached).max();
        }
    }

    fn unread(&self, me: AgentId) -> BTreeSet<MessageId> {
        let accepted = self.accepted();
        let unread = accepted.iter().filter(|id| {
            let message = &self.made[*id];
            message.kind.is_content()
                && !self.has_read(**id)
                && self.standings[&message.device].agent != Some(me)
        });
        unread.copied().collect()
    }

    /// What can go, the newest first.
    fn take_back(&mut self, candidates: &BTreeMap<MessageId, ()>) -> BTreeSet<MessageId> {
        let shared: BTreeSet<MessageId> = self.shared().into_iter().map(|(_, id)| id).collect();
        let mut gone = BTreeSet::new();
        loop {
            let followed: BTreeSet<MessageId> =
                self.held.iter().flat_map(|id| self.made[id].parents.iter().copied()).collect();
            let next = self.held.iter().copied().find(|id| {
                candidates.contains_key(id) && !shared.contains(id) && !followed.contains(id)
            });
            let Some(next) = next else { return gone };
            self.held.remove(&next);
            self.shown.remove(&next);
            gone.insert(next);
        }
    }
}

fn standing_of(drawn: &DrawnStanding, device: u8, ids: &[MessageId]) -> Standing {
    let agent = Some(AgentId([device; 32]));
    let Some(ways) = drawn else { return Standing { agent, live: true, ways: Vec::new() } };
    let keep = |keep: &Vec<Index>| keep.iter().map(|index| *index.get(ids)).collect();
    let end = |(acknowledged_stays, keeps): &DrawnEnd| Ended {
        revoke: None,
        acknowledged_stays: *acknowledged_stays,
        keeps: keeps.iter().map(keep).collect(),
    };
    let ways = ways.iter().map(|way| way.iter().map(end).collect()).collect();
    Standing { agent, live: false, ways }
}

fn compare(log: &RoomLog, model: &Model<'_>) {
    let order: BTreeSet<(u64, MessageId)> =
        model.held.iter().map(|id| (model.made[id].height, *id)).collect();
    assert!(log.order().iter().eq(order.iter().copied()));
    assert!(log.order().newest_first().eq(order.iter().rev().copied()));
    let accepted = model.accepted();
    let mut digest = blake3::Hasher::new_derive_key("conclave v1 room digest");
    for (height, id) in &order {
        let (entry, envelope) = (log.get(*id).expect("held"), &model.made[id]);
        assert_eq!(entry.is_accepted(), accepted.contains(id));
        assert_eq!(entry.shown, model.shown.contains(id));
        assert_eq!((entry.height, entry.device), (*height, envelope.device));
        let parents: BTreeSet<_> = log.parents_of(*id).into_iter().collect();
        assert_eq!(parents, envelope.parents.iter().copied().collect());
        if entry.is_accepted() {
            digest.update(&id.0);
        }
    }
    assert_eq!(log.digest(), ObjectId(digest.finalize().into()));
    assert_eq!(log.shared().iter().collect::<BTreeSet<_>>(), model.shared());
    let covered: BTreeSet<MessageId> =
        accepted.iter().flat_map(|id| model.made[id].parents.iter().copied()).collect();
    assert!(log.heads().into_iter().eq(accepted.difference(&covered).copied()));
    let content = accepted.iter().filter(|id| model.made[*id].kind.is_content());
    assert_eq!(log.messages(), content.count() as u64);
    let unsealed: BTreeSet<MessageId> = (&model.shown - &accepted)
        .into_iter()
        .filter(|id| model.held.contains(id) && model.stands(*id, true))
        .collect();
    assert_eq!(log.unsealed().collect::<BTreeSet<_>>(), unsealed);
    let me = AgentId([0; 32]);
    let unread = model.unread(me);
    let first = unread.iter().map(|id| model.place(*id)).min();
    assert_eq!(log.unread_of(Some(me)), Unread { count: unread.len() as u64, first });
    let content = accepted.iter().filter(|id| model.made[*id].kind.is_content());
    assert_eq!(log.newest(), content.map(|id| model.place(*id)).max());
    let late: BTreeSet<MessageId> =
        accepted.iter().copied().filter(|id| log.came_late(*id)).collect();
    assert_eq!(late, &model.came_late & &accepted);
}

fn restarted(log: &mut RoomLog, model: &Model<'_>) -> RoomLog {
    let mut by_arrival: Vec<(u64, MessageId)> = Vec::new();
    let mut marks = Vec::new();
    for (_, id) in log.order().iter().collect::<Vec<_>>() {
        by_arrival.push((log.get(id).expect("held").arrival, id));
        marks.extend(log.mark(id).and_then(|mark| Some((mark.arrival, mark.value?))));
    }
    by_arrival.sort_unstable();
    let mut loaded = empty_log();
    loaded.load_reading(&log.reading());
    for (arrival, id) in by_arrival {
        assert!(loaded.load(id, &model.made[&id], arrival, true));
    }
    for (arrival, value) in marks {
        assert!(loaded.load_mark(arrival, &value));
    }
    // Whoever wrote what was taken back is an author still.
    for device in &model.authors {
        if let Some((seq, id)) = log.tail(*device) {
            loaded.keep_tail(*device, seq, id);
        }
    }
    let news = loaded.rejudge(|device| model.standings[&device].clone());
    assert!(news.unwrap_or_default().accepted.is_empty(), "a start is no news");
    loaded
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_log_does_what_the_model_does(
        drawn in prop::collection::vec((0..DEVICES, prop::collection::vec(any::<Index>(), 0..3)), 1..40),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let made = build(&drawn);
        let ids: Vec<MessageId> = made.keys().copied().collect();
        let standings = (0..DEVICES).map(|n| (DeviceId([n; 32]), standing_of(&None, n, &ids)));
        let mut model = Model {
            made: &made,
            held: BTreeSet::new(),
            authors: BTreeSet::new(),
            standings: standings.collect(),
            shown: BTreeSet::new(),
            places: BTreeMap::new(),
            last: 0,
            all_read: 0,
            furthest: None,
            came_late: BTreeSet::new(),
            marks: Vec::new(),
        };
        let mut log = empty_log();
        for step in steps {
            match step {
                Step::Insert(index) => {
                    let fits = |id: &&MessageId| {
                        let parents = &made[*id].parents;
                        !model.held.contains(id) && parents.iter().all(|p| model.held.contains(p))
                    };
                    let fitting: Vec<MessageId> = ids.iter().filter(fits).copied().collect();
                    if fitting.is_empty() {
                        continue;
                    }
                    let id = *index.get(&fitting);
                    let (arrival, device) = (log.next_arrival(), made[&id].device);
                    let before = model.accepted();
                    let standing = model.standings[&device].clone();
                    let fresh = log.insert(id, &made[&id], standing, arrival);
                    model.held.insert(id);
                    model.authors.insert(device);
                    model.last += 1;
                    model.places.insert(id, model.last);
                    let seen: BTreeSet<MessageId> =
                        fresh.iter().filter(|id| model.shown.contains(id)).copied().collect();
                    let news = model.show();
                    let fresh: BTreeSet<MessageId> = fresh.into_iter().collect();
                    prop_assert_eq!(&fresh - &seen, news);
                    prop_assert!(before.is_disjoint(&fresh));
                }
                Step::Rejudge(drawn) => {
                    let before = model.accepted();
                    for (n, drawn) in (0..DEVICES).zip(&drawn) {
                        model.standings.insert(DeviceId([n; 32]), standing_of(drawn, n, &ids));
                    }
                    let rejudged = log.rejudge(|device| model.standings[&device].clone());
                    let rejudged = rejudged.unwrap_or_default();
                    let lost = &before - &model.accepted();
                    let news = model.show();
                    prop_assert_eq!(rejudged.accepted.into_iter().collect::<BTreeSet<_>>(), news);
                    prop_assert_eq!(rejudged.lost.into_iter().collect::<BTreeSet<_>>(), lost);
                }
                Step::TakeBack(chosen) => {
                    let chosen = ids.iter().zip(chosen).filter(|(_, chosen)| *chosen);
                    let candidates = chosen.map(|(id, _)| (*id, ())).collect();
                    let taken = log.take_back(&candidates).into_iter().map(|(id, _)| id);
                    let taken: BTreeSet<MessageId> = taken.collect();
                    prop_assert_eq!(taken, model.take_back(&candidates));
                }
                Step::Read => {
                    log.mark_read(None, Some(AgentId([0; 32])));
                    model.read(None, AgentId([0; 32]));
                }
                Step::ReadTo(index) => {
                    let held: Vec<MessageId> = model.held.iter().copied().collect();
                    if held.is_empty() {
                        continue;
                    }
                    let place = model.place(*index.get(&held));
                    log.mark_read(Some(place), Some(AgentId([0; 32])));
                    model.read(Some(place), AgentId([0; 32]));
                }
                Step::Restart => {
                    log = restarted(&mut log, &model);
                }
            }
            compare(&log, &model);
        }
    }
}
