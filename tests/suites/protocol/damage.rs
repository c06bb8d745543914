//! Damaged rows of a store: what peers hold comes back, and no place is used twice.

use conclave_protocol::engine::Table;
use conclave_protocol::id::ObjectId;
use conclave_protocol::object::Payload;
use conclave_protocol::signed::{Trust, Verified};
use conclave_tests::forge;
use conclave_tests::world::{NodeId, World};

use crate::scene::{help, team};

/// The rows on which a node's own membership rests, by what they are.
fn way_to_membership(w: &World, id: NodeId) -> Vec<(&'static str, ObjectId)> {
    let (company, device) = (w.ledger().company, w.node(id).device());
    let agent = w.engine(id).status().agent.expect("a member").id;
    let mut rows = vec![("genesis", ObjectId::from(company)), ("agent-cert", agent.into())];
    for entry in w.engine(id).control_log() {
        let trust = Trust::StoredAs(entry.id);
        let Ok(object) = Verified::control(&entry.bytes, company, trust) else { continue };
        match &object.value().payload {
            Payload::AdminGrant(_) => rows.push(("admin-grant", entry.id)),
            Payload::DeviceCert(cert) if cert.device == device => {
                rows.push(("device-cert", entry.id));
            }
            _ => {}
        }
    }
    assert_eq!(rows.len(), 4);
    rows
}

#[test]
fn a_damaged_control_row_costs_the_membership_only_until_a_member_is_met() {
    for (seed, founder) in [(1, true), (2, false)] {
        let (mut w, alice, others) = team(seed, &["bob", "carol"]);
        let (bob, carol) = (others[0], others[1]);
        w.post(alice, "help", "hello");
        w.settle();
        w.post(bob, "help", "good day");
        w.agree();
        // The founder has never asked to join; whoever has, asks again after each start. The
        // healthy member is no admin, so it can let nobody in.
        let hurt = if founder { alice } else { bob };
        let other = if founder { bob } else { alice };
        for (kind, row) in way_to_membership(&w, hurt) {
            for bend in [true, false] {
                w.crash(hurt);
                let mut bytes = w.disk(hurt).durable()[&(Table::Control, row.0.to_vec())].clone();
                if bend {
                    bytes[40] ^= 1;
                } else {
                    bytes.clear();
                }
                w.disk(hurt).put(Table::Control, &row.0, &bytes);
                w.start(hurt);
                assert!(!w.engine(hurt).status().member, "{kind}");
                w.isolate(other);
                w.connect(hurt, carol);
                let member = |w: &World| w.engine(hurt).status().member;
                w.until(&format!("membership without the {kind}"), 60_000, member);
                w.connect(other, carol);
                w.agree();
                assert_eq!(w.texts(hurt, "help"), ["hello", "good day"], "{kind}");
                w.crash(hurt);
                w.start(hurt);
                assert!(w.engine(hurt).status().member, "{kind}");
                assert_eq!(w.refusals(hurt, "damaged"), 0, "{kind}");
                assert_eq!(w.texts(hurt, "help"), ["hello", "good day"], "{kind}");
            }
        }
        assert!(w.engine(carol).status().alarms.is_empty());
    }
}

#[test]
fn after_the_loss_of_its_newest_messages_a_node_uses_none_of_their_places_again() {
    // Nobody else had them, or one other had.
    for shared in [false, true] {
        let (mut w, alice, others) = team(10, &["bob"]);
        if !shared {
            w.isolate(alice);
        }
        for n in 0..3 {
            w.post(alice, "help", &format!("m{n}"));
            w.settle();
        }
        w.isolate(alice);
        let device = w.node(alice).device();
        let before: Vec<u64> = forge::all_stored(&w, alice, help(&w, alice))
            .iter()
            .filter(|m| m.value().device == device)
            .map(|m| m.value().seq)
            .collect();
        // Entering, beginning an epoch, handing out its key and three texts.
        assert_eq!(before, [1, 2, 3, 4, 5, 6]);
        w.crash(alice);
        let rows = w.disk(alice).durable();
        let messages = rows.iter().filter(|((table, _), _)| *table == Table::Messages);
        // The two newest.
        for ((table, key), value) in messages.rev().take(2) {
            let mut bent = value.clone();
            let last = bent.len() - 70;
            bent[last] ^= 1;
            w.disk(alice).put(*table, key, &bent);
        }
        w.start(alice);
        assert_eq!(w.refusals(alice, "damaged"), 2);
        // The world looks for places used twice.
        let id = w.post(alice, "help", "after the loss");
        let posted = forge::stored(&w, alice, id).expect("stored");
        assert!(posted.value().seq > 4, "place {}", posted.value().seq);
        w.connect(alice, others[0]);
        w.agree();
        let kept: &[&str] = if shared { &["m0", "m1", "m2"] } else { &["m0"] };
        let texts = w.texts(others[0], "help");
        assert_eq!(texts.len(), kept.len() + 1);
        assert!(kept.iter().all(|text| texts.iter().any(|t| t == text)), "{texts:?}");
        // And once more, when the row of that place is the newest.
        w.crash(alice);
        w.start(alice);
        let id = w.post(alice, "help", "later");
        assert!(forge::stored(&w, alice, id).expect("stored").value().seq > posted.value().seq);
    }
}
