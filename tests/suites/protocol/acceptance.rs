//! Which messages of a room are accepted: the log that grows against the plain rule (P6).

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::control::{Ended, Standing};
use conclave_protocol::envelope::{Envelope, EnvelopeKind};
use conclave_protocol::id::{AgentId, CompanyId, DeviceId, MessageId, ObjectId, RoomId};
use conclave_protocol::room::RoomLog;
use conclave_tests::forge;
use proptest::prelude::*;

/// Standings of six devices, each of an agent of its own.
type Standings = Vec<(bool, bool)>;

fn standing(standings: &Standings, device: DeviceId) -> Standing {
    let n = usize::from(device.0[0]);
    let (live, proved) = standings[n];
    Standing {
        agent: Some(AgentId([device.0[0]; 32])),
        live,
        ways: if proved && !live {
            vec![vec![Ended { revoke: None, acknowledged_stays: true, keeps: Vec::new() }]]
        } else {
            Vec::new()
        },
    }
}

/// A message by one of six devices, on up to three of those before it.
#[derive(Clone, Debug)]
struct Drawn {
    device: u8,
    parents: Vec<prop::sample::Index>,
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let one = (0..6u8, prop::collection::vec(any::<prop::sample::Index>(), 0..3))
        .prop_map(|(device, parents)| Drawn { device, parents });
    prop::collection::vec(one, 1..40)
}

fn standings() -> impl Strategy<Value = Standings> {
    prop::collection::vec(any::<(bool, bool)>(), 6)
}

fn build(drawn: &[Drawn]) -> Vec<(MessageId, Envelope)> {
    let mut made: Vec<(MessageId, Envelope)> = Vec::new();
    for (n, draw) in drawn.iter().enumerate() {
        let parents: BTreeSet<(MessageId, u64)> = draw
            .parents
            .iter()
            .filter(|_| !made.is_empty())
            .map(|index| index.get(&made))
            .map(|(id, envelope)| (*id, envelope.height))
            .collect();
        let parents: Vec<(MessageId, u64)> = parents.into_iter().collect();
        let device = DeviceId([draw.device; 32]);
        let mut envelope = forge::envelope(CompanyId([1; 32]), RoomId([2; 32]), device, &parents);
        envelope.seq = n as u64 + 1;
        if n % 3 == 0 {
            envelope.kind = EnvelopeKind::Seal;
        }
        let id = ObjectId(blake3::hash(&envelope.encode()).into());
        made.push((id, envelope));
    }
    made
}

/// The rule, as the document has it.
fn accepted(made: &[(MessageId, Envelope)], standings: &Standings) -> BTreeSet<MessageId> {
    let by_id: BTreeMap<_, _> = made.iter().map(|(id, e)| (*id, e)).collect();
    let mut acknowledged = BTreeSet::new();
    let live = made.iter().filter(|(_, e)| standing(standings, e.device).live);
    let mut stack: Vec<MessageId> = live.clone().flat_map(|(_, e)| e.parents.clone()).collect();
    while let Some(id) = stack.pop() {
        if acknowledged.insert(id) {
            stack.extend(by_id[&id].parents.iter().copied());
        }
    }
    made.iter()
        .filter(|(id, e)| {
            let s = standing(standings, e.device);
            s.live || (s.proved() && acknowledged.contains(id))
        })
        .map(|(id, _)| *id)
        .collect()
}

fn check(log: &RoomLog, made: &[(MessageId, Envelope)], standings: &Standings) {
    let expected = accepted(made, standings);
    let got: BTreeSet<MessageId> = made
        .iter()
        .filter(|(id, _)| log.get(*id).is_some_and(conclave_protocol::room::Entry::is_accepted))
        .map(|(id, _)| *id)
        .collect();
    assert_eq!(got, expected);
    // Shared: the accepted and all their ancestors.
    let by_id: BTreeMap<_, _> = made.iter().map(|(id, e)| (*id, e)).collect();
    let mut shared = BTreeSet::new();
    let mut stack: Vec<MessageId> = expected.iter().copied().collect();
    while let Some(id) = stack.pop() {
        if shared.insert((by_id[&id].height, id)) {
            stack.extend(by_id[&id].parents.iter().copied());
        }
    }
    assert_eq!(log.shared().iter().collect::<BTreeSet<_>>(), shared);
    // Heads: accepted without accepted children; a new envelope follows up to eight of them.
    let covered: BTreeSet<MessageId> =
        expected.iter().flat_map(|id| by_id[id].parents.iter().copied()).collect();
    let heads: BTreeSet<MessageId> = expected.difference(&covered).copied().collect();
    let (parents, height) = log.parents();
    assert_eq!(parents.len(), heads.len().min(8));
    assert!(parents.iter().all(|id| heads.contains(id)));
    assert_eq!(height, heads.iter().map(|id| by_id[id].height).max().unwrap_or(0));
    let content = expected.iter().filter(|id| by_id[id].kind.is_content()).count();
    assert_eq!(log.messages(), content as u64);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_log_that_grows_accepts_what_the_rule_says(
        drawn in drawn(), first in standings(), second in standings(), half in 0..40usize,
    ) {
        let made = build(&drawn);
        let (early, late) = made.split_at(half.min(made.len()));
        let mut log = RoomLog::default();
        for (id, envelope) in early {
            let arrival = log.next_arrival();
            let before = log.clone();
            let fresh = log.insert(*id, envelope, standing(&first, envelope.device), arrival);
            // P6: nothing that was accepted is lost by more messages.
            for (_, id) in before.order().iter() {
                let was = before.get(id).is_some_and(|e| e.is_accepted());
                let is = log.get(id).is_some_and(|e| e.is_accepted());
                prop_assert!(is || !was);
                prop_assert_eq!(is && !was, fresh.contains(&id));
            }
        }
        check(&log, early, &first);
        let shown: BTreeSet<MessageId> = accepted(early, &first);
        let again = log.rejudge(|device| standing(&second, device)).unwrap_or_default();
        check(&log, early, &second);
        let now = accepted(early, &second);
        prop_assert_eq!(again.lost.into_iter().collect::<BTreeSet<_>>(),
            shown.difference(&now).copied().collect::<BTreeSet<_>>());
        prop_assert_eq!(again.accepted.into_iter().collect::<BTreeSet<_>>(),
            now.difference(&shown).copied().collect::<BTreeSet<_>>());
        // What was shown and is lost can be sealed by its heads.
        let unsealed: BTreeSet<MessageId> = log.unsealed().collect();
        for head in log.unsealed_heads() {
            prop_assert!(unsealed.contains(&head));
        }
        for (id, envelope) in late {
            let arrival = log.next_arrival();
            log.insert(*id, envelope, standing(&second, envelope.device), arrival);
        }
        check(&log, &made, &second);
        // Reading it all from a store gives the same.
        let mut loaded = RoomLog::default();
        for (_, id) in log.order().iter() {
            let envelope = &made.iter().find(|(other, _)| *other == id).expect("made").1;
            let entry = log.get(id).expect("held");
            loaded.load(id, envelope, entry.arrival, entry.shown);
        }
        let fresh = loaded.rejudge(|device| standing(&second, device)).unwrap_or_default();
        prop_assert!(fresh.accepted.is_empty(), "a start is no news");
        check(&loaded, &made, &second);
        prop_assert_eq!(loaded.digest(), log.digest());
    }

    #[test]
    fn what_is_taken_back_leaves_no_trace(
        drawn in drawn(), standings in standings(), chosen in prop::collection::vec(any::<bool>(), 40),
    ) {
        let made = build(&drawn);
        let mut log = RoomLog::default();
        for (id, envelope) in &made {
            let arrival = log.next_arrival();
            log.insert(*id, envelope, standing(&standings, envelope.device), arrival);
        }
        let candidates: BTreeMap<MessageId, ()> = made
            .iter()
            .zip(&chosen)
            .filter(|(_, chosen)| **chosen)
            .map(|((id, _), _)| (*id, ()))
            .collect();
        let taken: BTreeSet<MessageId> =
            log.take_back(&candidates).into_iter().map(|(id, _)| id).collect();
        let left: Vec<(MessageId, Envelope)> =
            made.iter().filter(|(id, _)| !taken.contains(id)).cloned().collect();
        for (_, envelope) in &left {
            prop_assert!(envelope.parents.iter().all(|p| !taken.contains(p)), "a parent is gone");
        }
        let everything = accepted(&made, &standings);
        prop_assert!(taken.iter().all(|id| candidates.contains_key(id) && !everything.contains(id)));
        check(&log, &left, &standings);
        prop_assert_eq!(log.order().len(), left.len());
        // All that could go did.
        let followed: BTreeSet<MessageId> =
            left.iter().flat_map(|(_, e)| e.parents.iter().copied()).collect();
        for id in candidates.keys().filter(|id| !everything.contains(id) && !followed.contains(id)) {
            prop_assert!(taken.contains(id));
        }
    }
}
