//! Several devices of one agent: how they come in, what they share, how they go.

mod adding;
mod lying;
mod removing;

use conclave_protocol::engine::{Command, Failure, Outcome};
use conclave_protocol::view::{DeviceView, DevicesView, JoinRequestView};
use conclave_tests::world::{NodeId, World};

use crate::scene::team;

fn devices(w: &World, id: NodeId) -> DevicesView {
    w.engine(id).devices(None).expect("a member")
}

fn device_of(w: &World, at: NodeId, of: NodeId) -> DeviceView {
    let device = w.node(of).device();
    let all = devices(w, at).devices;
    all.into_iter().find(|one| one.device == device).expect("it is listed")
}

fn add(code: &str) -> Command {
    Command::AddDevice { code: code.into() }
}

fn approve(name: &str, code: &str) -> Command {
    Command::Approve { name: name.into(), code: code.into(), units: Vec::new() }
}

/// What waits for an admin.
fn requests(w: &World, admin: NodeId) -> Vec<JoinRequestView> {
    w.engine(admin).join_requests().expect("an admin")
}

fn alarms(w: &World, id: NodeId) -> Vec<&'static str> {
    w.engine(id).status().alarms.into_iter().map(|alarm| alarm.kind).collect()
}

/// A second computer of somebody, connected with the first, and the code that both show.
fn asking(w: &mut World, first: NodeId) -> (NodeId, String) {
    let name = w.node(first).name.clone();
    let second = w.newcomer(&name);
    w.connect(first, second);
    let code = code_of(w, first, second);
    (second, code)
}

fn code_of(w: &mut World, first: NodeId, second: NodeId) -> String {
    let device = w.node(second).device();
    let shown = |w: &World| {
        let requests = devices(w, first).requests;
        requests.into_iter().find(|request| request.device == device).map(|r| r.code)
    };
    w.until("the request on the first device", 30_000, |w| shown(w).is_some());
    let code = shown(w).expect("shown");
    let join = w.engine(second).join_view().expect("it asks");
    assert_eq!(join.code.as_deref(), Some(code.as_str()), "the codes differ");
    code
}

fn admitted(w: &mut World, id: NodeId) {
    w.until("membership", 30_000, |w| w.engine(id).status().member);
    w.connect_all();
    w.agree();
}

/// Confirms a device on one that is no admin's.
fn confirm(w: &mut World, first: NodeId, code: &str) -> Result<usize, Failure> {
    match w.command(first, add(code))? {
        Outcome::Device { waits_until, admins, .. } => {
            assert!(waits_until.is_some(), "an admin has to decide");
            Ok(admins)
        }
        other => panic!("unexpected {other:?}"),
    }
}

/// Alice, admin; bob; and a second device of bob's, let in.
fn bob_has_two(seed: u64) -> (World, NodeId, NodeId, NodeId) {
    let (mut w, alice, others) = team(seed, &["bob", "carol"]);
    let bob = others[0];
    let (second, code) = asking(&mut w, bob);
    assert_eq!(confirm(&mut w, bob, &code), Ok(1));
    w.until("the request at the admin", 10_000, |w| requests(w, alice).len() == 1);
    w.must(alice, approve("bob", &code));
    admitted(&mut w, second);
    (w, alice, bob, second)
}
