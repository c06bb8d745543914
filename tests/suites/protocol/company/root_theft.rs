//! Case 13: the root key is stolen, and the recovery phrase takes everything back.

use super::*;
use crate::scene::team;
use conclave_protocol::keys::{DeviceKeys, recovery_commitment, recovery_seed};
use conclave_tests::world::node::seed_of;

/// The `index`-th key of the phrase of the world's company, and the hash of those after it.
fn recovery(w: &World, index: u32) -> (Signer, ObjectId) {
    let entropy = seed_of("recovery", w.seed);
    let keys = DeviceKeys::new(&recovery_seed(&entropy, index), &[0; 32]);
    (Signer::new(keys), recovery_commitment(&entropy, index + 1))
}

fn recover(w: &World, index: u32, last_good: Option<ObjectId>) -> Command {
    let (key, next) = recovery(w, index);
    Command::Recover { key, next, last_good: last_good.map(|id| id.to_string()) }
}

fn grant(agent: &str, root: Option<Signer>) -> Command {
    let (agent, device, may, scope) = (agent.to_owned(), None, Capabilities::ALL, None);
    Command::GrantAdmin { agent, device, rank: 1, may, scope, root }
}

fn in_force(w: &World, id: NodeId) -> Vec<String> {
    let admins = w.engine(id).admins().expect("a member");
    admins.into_iter().filter(|a| a.in_force).map(|a| a.agent.name).collect()
}

#[test]
fn root_theft_everything_beyond_the_last_good_object_is_void() {
    for seed in 1..3 {
        let (mut w, alice, others) = team(seed, &["bob", "carol", "mallory"]);
        let [bob, carol, mallory] = others[..] else { panic!("three") };
        make_admin(&mut w, alice, "bob", 1, Capabilities::ALL);
        let stolen = w.root_keys("Acme");
        let (_, last_good) = Pen::of(&w, alice).log.tail(stolen.device()).expect("it signed");
        // The thief appoints himself, ends the others, and lets in a ghost, who posts.
        let root = root(&w);
        w.must(mallory, grant("mallory", root.clone()));
        for name in ["alice", "bob"] {
            let (agent, device, last_good) = (name.to_owned(), None, None);
            let root = root.clone();
            w.must(mallory, Command::RevokeAdmin { agent, device, last_good, root });
        }
        w.agree();
        assert_eq!(in_force(&w, alice), ["mallory"]);
        let ghost = w.join(mallory, "ghost", &["department:Support"]);
        w.connect_all();
        w.agree();
        w.post(ghost, "help", "boo");
        w.agree();
        w.post(carol, "help", "hm?");
        w.agree();
        w.remove_member(mallory, "alice", "department:Support");
        w.agree();
        w.crash(ghost);
        // A wrong phrase does nothing; nor does a last good object of somebody else.
        let (_, next) = recovery(&w, 1);
        let key = Signer::new(w.outsider("guess"));
        let wrong = w.command(carol, Command::Recover { key, next, last_good: None });
        assert_eq!(wrong.unwrap_err().kind, FailureKind::NotAdmin);
        let device = w.node(alice).device();
        let (_, other) = Pen::of(&w, alice).log.tail(device).expect("it signed");
        let command = recover(&w, 1, Some(other));
        assert_eq!(w.command(carol, command).unwrap_err().kind, FailureKind::NotFound);
        // Any member may bring the phrase.
        let command = recover(&w, 1, Some(last_good));
        let preview = foreseen(&mut w, carol, command);
        assert_eq!(preview.admins_ended.len(), 1);
        assert_eq!(preview.rooms[0].messages_lost, Some(1));
        for id in [alice, bob, carol, mallory] {
            assert_eq!(in_force(&w, id), ["alice", "bob"]);
            assert_eq!(w.texts(id, "help"), ["hm?"]);
        }
        // The old key is worth nothing now, at no node, by no command.
        for id in [mallory, carol] {
            let failed = w.command(id, grant("mallory", root.clone())).unwrap_err();
            assert_eq!(failed.kind, FailureKind::NotAdmin, "{failed}");
        }
        let mut pen = Pen::of(&w, mallory);
        let company = ObjectId::from(w.ledger().company);
        let thief = pen.agent("mallory");
        let payload =
            conclave_protocol::object::Payload::AdminGrant(conclave_protocol::object::AdminGrant {
                device: w.node(mallory).device(),
                agent: thief,
                rank: 1,
                may: Capabilities::ALL,
                scope: None,
                overrides: Vec::new(),
            });
        let forged = pen.sign_under(&stolen, company, payload);
        let from = w.node(mallory).device();
        pen::gossip(&mut w, bob, from, &[forged]);
        w.agree();
        assert_eq!(in_force(&w, bob), ["alice", "bob"]);
        // The new one is the root.
        let (key, _) = recovery(&w, 1);
        w.must(carol, grant("carol", Some(key)));
        w.agree();
        let fresh = w.join(carol, "dave", &["department:Support"]);
        w.connect_all();
        w.agree();
        assert_eq!(in_force(&w, fresh), ["alice", "bob", "carol"]);
        assert_eq!(w.texts(fresh, "help"), ["hm?"]);
        assert_eq!(alarms(&w, fresh), [""; 0]);
        // And a second time, without anything to undo.
        let command = recover(&w, 2, None);
        let preview = foreseen(&mut w, alice, command);
        assert!(preview.voided.is_empty() && preview.admins_ended.is_empty(), "{preview:?}");
        assert_eq!(in_force(&w, fresh), ["alice", "bob", "carol"]);
    }
}

#[test]
fn root_theft_recovered_in_two_partitions_is_one_recovery() {
    let (mut w, alice, others) = team(11, &["bob"]);
    let bob = others[0];
    let stolen = w.root_keys("Acme");
    let (_, last_good) = Pen::of(&w, alice).log.tail(stolen.device()).expect("it signed");
    let root = root(&w);
    w.must(bob, grant("bob", root));
    w.agree();
    w.isolate(bob);
    let (with, without) = (recover(&w, 1, Some(last_good)), recover(&w, 1, None));
    w.must(alice, with);
    w.must(bob, without);
    w.connect_all();
    w.agree();
    for id in [alice, bob] {
        assert_eq!(in_force(&w, id), ["alice"], "what both leave");
        assert_eq!(alarms(&w, id), ["root_fork"]);
    }
    // The line goes on from there.
    let (key, _) = recovery(&w, 1);
    w.must(bob, grant("bob", Some(key)));
    w.agree();
    assert_eq!(in_force(&w, alice), ["alice", "bob"]);
}
