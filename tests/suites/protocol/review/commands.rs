//! Commands that do more harm than they say.

use conclave_protocol::engine::{Command, Signer};
use conclave_protocol::object::Capabilities;
use conclave_tests::world::World;

use crate::company::pen::{Pen, second_device};
use crate::scene::team;

fn root(w: &World) -> Signer {
    Signer::new(w.root_keys("Acme"))
}

/// Alice is an admin of rank 1 on two devices, and ends her office with the root key at hand. Her
/// own device cannot end the other's office, so the root signs both; the one for her own device
/// was planned as a resignation, without a cut, and voids everything that she ever signed.
#[test]
fn stepping_down_from_two_devices_with_the_root_key_voids_nothing() {
    let (mut w, alice, others) = team(3, &["bob"]);
    let _phone = second_device(&mut w, alice, alice, "alice's phone");
    w.must(
        alice,
        Command::GrantAdmin {
            agent: "alice".into(),
            device: None,
            rank: 1,
            may: Capabilities::ALL,
            scope: None,
            root: Some(root(&w)),
        },
    );
    w.agree();
    assert_eq!(Pen::of(&w, alice).grants("alice").len(), 2);
    let command = Command::RevokeAdmin {
        agent: "alice".into(),
        device: None,
        last_good: None,
        root: Some(root(&w)),
    };
    let (_, preview) = w.engine(alice).preview(&command).expect("a preview");
    assert_eq!(preview.admins_ended.len(), 2);
    let text = format!("{} objects go void, {:?}", preview.voided.len(), preview.warnings);
    assert!(preview.voided.is_empty(), "{text}");
    let _ = others;
}

/// Xavier once left a unit, was let in again, and is an admin of rank 1 now: only the root key can
/// dismiss him. It cannot write the cuts for his earlier departure, so it is told that it is not
/// the root key.
#[test]
fn the_root_key_can_dismiss_strictly_who_left_a_unit_before() {
    let (mut w, alice, others) = team(7, &["xavier"]);
    w.post(others[0], "help", "hello");
    w.agree();
    w.remove_member(alice, "xavier", "department:Support");
    w.agree();
    w.must(
        alice,
        Command::GrantAdmin {
            agent: "xavier".into(),
            device: None,
            rank: 1,
            may: Capabilities::ALL,
            scope: None,
            root: Some(root(&w)),
        },
    );
    w.agree();
    let command = Command::RevokeAgent {
        agent: "xavier".into(),
        device: None,
        strict: true,
        keep: Vec::new(),
        last_good: None,
        root: Some(root(&w)),
    };
    let done = w.command(alice, command);
    assert!(done.is_ok(), "{done:?}");
}

/// Who ends their own and only office hears that nobody is left who could do the work.
#[test]
fn the_last_admin_is_warned_before_stepping_down() {
    let (w, alice, _) = team(9, &["bob"]);
    let command =
        Command::RevokeAdmin { agent: "alice".into(), device: None, last_good: None, root: None };
    let (_, preview) = w.engine(alice).preview(&command).expect("a preview");
    assert!(!preview.warnings.is_empty(), "{preview:?}");
}

/// Bob is an admin on two devices, of rank 2 on the one at which he sits. He ends both offices; the
/// senior one has to go last, for it signs the end of the other.
#[test]
fn stepping_down_ends_the_junior_office_first() {
    let (mut w, alice, others) = team(9, &["bob"]);
    let bob = others[0];
    let phone = second_device(&mut w, alice, bob, "bob's phone");
    for (id, rank) in [(bob, 2), (phone, 3)] {
        let device = Some(w.node(id).device().to_string());
        let (agent, may, scope, root) = ("bob".into(), Capabilities::ALL, None, None);
        w.must(alice, Command::GrantAdmin { agent, device, rank, may, scope, root });
    }
    w.agree();
    let (device, last_good, root) = (None, None, None);
    w.must(bob, Command::RevokeAdmin { agent: "bob".into(), device, last_good, root });
    w.agree();
    assert!(Pen::of(&w, alice).grants("bob").is_empty());
}
