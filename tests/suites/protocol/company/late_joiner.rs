//! Case 25 (its part of the control log): a newcomer to a large company, a provider that leaves
//! out a revocation, and a power cut on the way.

use super::*;
use crate::scene::{stand_in, team};
use conclave_protocol::engine::Table;
use conclave_protocol::object::{Payload, UnitCreate};
use conclave_protocol::sync::Scope;
use conclave_tests::forge::Forged;

/// A company with so many control objects, by alice; then carol, an admin too, put xavier out
/// of Support. Eve was away all the time. All but eve are down.
struct Late {
    w: World,
    alice: NodeId,
    bob: NodeId,
    eve: NodeId,
    revocation: ObjectId,
    acknowledged: MessageId,
}

fn late(seed: u64, objects: usize) -> Late {
    let (mut w, alice, others) = team(seed, &["bob", "carol", "xavier", "eve"]);
    let [bob, carol, xavier, eve] = others[..] else { panic!("four") };
    make_admin(&mut w, alice, "carol", 2, STAFF);
    w.post(xavier, "help", "hello");
    w.agree();
    let acknowledged = w.post(eve, "help", "good night");
    w.agree();
    for id in [eve, xavier, alice] {
        w.crash(id);
    }
    // Signed at the desk, as it were: no node has to take part.
    let mut pen = Pen::of(&w, alice);
    let (keys, grant) = (w.node(alice).keys(), pen.grants("alice")[0]);
    for n in 0..objects {
        let (kind, parent, name) = (UnitKind::Role, None, format!("r{n}"));
        let unit = Payload::UnitCreate(UnitCreate { kind, parent, name });
        let Forged { id, bytes } = pen.sign_under(&keys, grant, unit);
        w.disk(alice).put(Table::Control, &id.0, &bytes);
    }
    w.start(alice);
    w.connect(alice, carol);
    w.until("everything at carol", 600_000, |w| {
        w.engine(carol).status().control_digest == w.engine(alice).status().control_digest
    });
    let revocation = match w.must(carol, remove("xavier", "department:Support")) {
        Outcome::Member { object, .. } => object,
        other => panic!("{other:?}"),
    };
    w.until("the removal at alice", 60_000, |w| {
        w.engine(carol).status().control_digest == w.engine(alice).status().control_digest
    });
    w.isolate(alice);
    w.crash(carol);
    Late { w, alice, bob, eve, revocation, acknowledged }
}

impl Late {
    /// A device with bob's key that serves all but the revocation.
    fn provider(&mut self) -> DeviceId {
        let device = stand_in(&mut self.w, self.bob);
        let entries = self.w.engine(self.alice).control_log();
        let puppet = self.w.puppet_mut(device);
        for entry in entries.iter().filter(|entry| entry.id != self.revocation) {
            puppet.hold(Scope::Control, entry.height, &entry.bytes);
        }
        device
    }

    fn held(&self) -> usize {
        let rows = self.w.disk(self.eve).durable();
        rows.keys().filter(|(table, _)| *table == Table::Control).count()
    }

    fn equal(&self) -> bool {
        let digest = |id| self.w.engine(id).status().control_digest;
        digest(self.eve) == digest(self.alice)
    }

    /// Pulls from the bad provider, with a power cut at every so many objects; then meets alice.
    fn run(mut self, cuts: usize) {
        let provider = self.provider();
        let (eve, total) = (self.eve, self.w.engine(self.alice).control_log().len());
        self.w.start(eve);
        let mut held = self.held();
        for cut in 1..=cuts {
            self.w.connect_device(provider, eve);
            let some = total * cut / (cuts + 1);
            let until = self.w.now().plus_ms(600_000);
            while self.held() < some {
                self.w.run(20);
                assert!(self.w.now() < until, "{} of {some} objects", self.held());
            }
            self.w.crash(eve);
            assert!(self.held() >= held, "what was durable is gone");
            held = self.held();
            self.w.start(eve);
            let status = self.w.engine(eve).status();
            assert!(status.member);
            assert_eq!(self.w.refusals(eve, "damaged"), 0);
            assert!(self.w.messages(eve, "help").iter().any(|m| m.id == self.acknowledged));
        }
        self.w.connect_device(provider, eve);
        let w = &mut self.w;
        w.until("all that the provider serves", 600_000, |w| {
            w.engine(eve).status().control_objects as usize == total - 1
        });
        assert!(!w.disk(eve).holds(self.revocation));
        assert_eq!(w.engine(eve).agent("xavier").expect("known").units, ["department:Support"]);
        // The next honest peer repairs it.
        w.connect(self.alice, eve);
        let late = &mut self;
        let until = late.w.now().plus_ms(60_000);
        while !late.equal() {
            late.w.run(50);
            assert!(late.w.now() < until, "no repair");
        }
        assert!(late.w.disk(eve).holds(late.revocation));
        assert!(late.w.engine(eve).agent("xavier").expect("known").units.is_empty());
        assert_eq!(late.w.engine(eve).control_log().len(), total);
        assert_eq!(late.w.texts(eve, "help"), late.w.texts(late.alice, "help"));
        assert_eq!(alarms(&late.w, eve), [""; 0]);
    }
}

#[test]
fn late_joiner_gets_thousands_of_objects_and_the_one_that_was_left_out() {
    late(1, 3_000).run(3);
}

#[test]
fn late_joiner_whose_provider_changes_all_the_time() {
    let mut late = late(2, 800);
    let provider = late.provider();
    let (alice, eve) = (late.alice, late.eve);
    late.w.start(eve);
    // Now this one, now that one, never for long.
    for n in 0..40 {
        if n % 2 == 0 {
            late.w.connect_device(provider, eve);
        } else {
            late.w.connect(alice, eve);
        }
        let pause = 5 + late.w.random(30);
        late.w.run(pause);
        late.w.isolate(eve);
        if n % 7 == 0 {
            late.w.crash(eve);
            late.w.start(eve);
        }
    }
    late.w.connect(alice, eve);
    late.w.run(30_000);
    assert!(late.equal());
    assert!(late.w.messages(eve, "help").iter().any(|m| m.id == late.acknowledged));
}

#[test]
#[ignore = "long: 100 000 objects"]
fn late_joiner_gets_a_hundred_thousand_objects() {
    late(3, 100_000).run(2);
}
