//! Summaries are kept until what they summarise changes: after whatever change, they are what
//! anyone would compute anew.

use std::collections::BTreeMap;

use conclave_protocol::control::ControlLog;
use conclave_protocol::control::{Ended, Standing};
use conclave_protocol::engine::Engine;
use conclave_protocol::id::{AgentId, CompanyId, DeviceId, MessageId, ObjectId, RoomId};
use conclave_protocol::object::{ControlObject, Genesis};
use conclave_protocol::room::RoomLog;
use conclave_protocol::signed::{Trust, Verified};
use conclave_protocol::sync::Items;
use conclave_tests::forge;
use conclave_tests::random_log::RandomLog;
use conclave_tests::reference::fingerprint;
use proptest::prelude::*;

fn anew(items: &Items) -> (u64, ObjectId) {
    let places: Vec<_> = items.iter().collect();
    (places.len() as u64, fingerprint(&places))
}

#[derive(Clone, Debug)]
enum Change {
    /// A message of one of four devices on some of those before it.
    Insert {
        device: u8,
        parents: Vec<prop::sample::Index>,
    },
    /// The devices stand otherwise from now on.
    Rejudge(Vec<(bool, bool)>),
    /// What of every so many is not needed goes.
    TakeBack {
        every: usize,
    },
    MarkHeld(prop::sample::Index),
    Restart,
}

fn change() -> impl Strategy<Value = Change> {
    use prop::sample::Index;
    let parents = || prop::collection::vec(any::<Index>(), 0..3);
    prop_oneof![
        6 => (0..4u8, parents()).prop_map(|(device, parents)| Change::Insert { device, parents }),
        2 => prop::collection::vec(any::<(bool, bool)>(), 4).prop_map(Change::Rejudge),
        1 => (1..4usize).prop_map(|every| Change::TakeBack { every }),
        1 => any::<Index>().prop_map(Change::MarkHeld),
        1 => Just(Change::Restart),
    ]
}

struct Grown {
    log: RoomLog,
    made: BTreeMap<MessageId, conclave_protocol::envelope::Envelope>,
    standings: Vec<(bool, bool)>,
    seq: u64,
}

impl Grown {
    fn standing(&self, device: DeviceId) -> Standing {
        let (live, proved) = self.standings[usize::from(device.0[0])];
        Standing {
            agent: Some(AgentId(device.0)),
            live,
            ways: if proved && !live {
                vec![vec![Ended { revoke: None, acknowledged_stays: true, keeps: Vec::new() }]]
            } else {
                Vec::new()
            },
        }
    }

    fn one(&self, index: prop::sample::Index) -> Option<(MessageId, u64)> {
        let held: Vec<(u64, MessageId)> = self.log.order().iter().collect();
        (!held.is_empty()).then(|| *index.get(&held)).map(|(height, id)| (id, height))
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Insert { device, parents } => {
                let mut on: Vec<_> = parents.into_iter().filter_map(|p| self.one(p)).collect();
                on.sort_unstable();
                on.dedup();
                let device = DeviceId([device; 32]);
                let mut envelope =
                    forge::envelope(CompanyId([1; 32]), RoomId([2; 32]), device, &on);
                self.seq += 1;
                envelope.seq = self.seq;
                let id = ObjectId(blake3::hash(&envelope.encode()).into());
                let (arrival, standing) = (self.log.next_arrival(), self.standing(device));
                self.log.insert(id, &envelope, standing, arrival);
                self.made.insert(id, envelope);
            }
            Change::Rejudge(standings) => {
                self.standings = standings;
                self.rejudge();
            }
            Change::TakeBack { every } => {
                let ids = self.log.order().iter().map(|(_, id)| (id, ())).step_by(every);
                let candidates: BTreeMap<MessageId, ()> = ids.collect();
                self.log.take_back(&candidates);
            }
            Change::MarkHeld(index) => {
                if let Some((id, _)) = self.one(index) {
                    self.log.mark_held_elsewhere(id);
                }
            }
            Change::Restart => {
                let mut loaded = RoomLog::default();
                for (_, id) in self.log.order().iter() {
                    let entry = self.log.get(id).expect("held");
                    loaded.load(id, &self.made[&id], entry.arrival, entry.shown);
                }
                self.log = loaded;
                self.rejudge();
            }
        }
    }

    fn rejudge(&mut self) {
        let standings: Vec<Standing> = (0..4).map(|n| self.standing(DeviceId([n; 32]))).collect();
        self.log.rejudge(|device| standings[usize::from(device.0[0])].clone());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn of_a_room_after_every_change(changes in prop::collection::vec(change(), 1..40)) {
        let (log, made) = (RoomLog::default(), BTreeMap::new());
        let mut grown = Grown { log, made, standings: vec![(true, true); 4], seq: 0 };
        for change in changes {
            let what = format!("{change:?}");
            grown.apply(change);
            prop_assert_eq!(grown.log.summary(), anew(grown.log.shared()), "after {}", what);
        }
    }
}

#[test]
fn of_the_control_log_after_every_object_in_any_order() {
    let digest = |log: &ControlLog| {
        let mut hasher = blake3::Hasher::new_derive_key("conclave v1 control digest");
        for (_, id) in log.order().iter() {
            hasher.update(&id.0);
        }
        ObjectId(hasher.finalize().into())
    };
    for seed in 0..6_u64 {
        let random = RandomLog::new(seed, 60);
        let mut log = ControlLog::new(random.company);
        let count = random.objects.len();
        // Orders in which much has to wait, and `Genesis` comes early, in the middle or last.
        let step = [1, 7, 11, 13, 17, 19][usize::try_from(seed).expect("small")];
        for n in 0..=count {
            if n == count * usize::try_from(seed % 3).expect("small") / 2 {
                let genesis = Verified::<Genesis>::genesis(&random.genesis, Trust::Nothing);
                log.add_genesis(genesis.expect("sound"));
            }
            if let Some((_, _, bytes)) = random.objects.get((n * step + 3) % count) {
                let object =
                    Verified::<ControlObject>::control(bytes, random.company, Trust::Nothing);
                log.add(object.expect("sound"));
            }
            log.refresh();
            assert_eq!(log.summary(), anew(log.order()), "seed {seed}, step {n}");
            assert_eq!(log.digest(), digest(&log), "seed {seed}, step {n}");
        }
    }
}

#[test]
fn an_engine_may_move_to_another_thread() {
    fn movable<T: Send>() {}
    movable::<Engine>();
}
