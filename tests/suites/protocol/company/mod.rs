//! Whole companies in the simulated world: what admins do to each other and to people, and what
//! becomes of the rooms. The pure control log is tested in `authority`.

mod commands;
mod duels;
mod impostor;
mod introduction;
mod late_joiner;
pub mod pen;
mod refusals;
mod regrant;
mod reports;
mod root_theft;
mod stolen_admin;
mod strict;
mod trail;
mod transfer;

use conclave_protocol::engine::{Command, FailureKind, Outcome, Signer};
use conclave_protocol::id::{DeviceId, MessageId, ObjectId};
use conclave_protocol::object::{Capabilities, UnitKind};
use conclave_protocol::view::Preview;
use conclave_tests::world::{NodeId, World};

use pen::{Pen, State};

/// May do everything with people and rooms, and make no admins.
const STAFF: Capabilities = Capabilities { units: true, agents: true, rooms: true, admins: false };

fn root(w: &World) -> Option<Signer> {
    Some(Signer::new(w.root_keys("Acme")))
}

/// Makes an agent's devices admins; rank 1 with the root key.
fn make_admin(w: &mut World, by: NodeId, agent: &str, rank: u32, may: Capabilities) {
    let root = root(w).filter(|_| rank == 1);
    let (agent, device, scope) = (agent.to_owned(), None, None);
    w.must(by, Command::GrantAdmin { agent, device, rank, may, scope, root });
    w.agree();
}

fn revoke_admin(agent: &str, last_good: Option<ObjectId>) -> Command {
    let last_good = last_good.map(|id| id.to_string());
    Command::RevokeAdmin { agent: agent.into(), device: None, last_good, root: None }
}

fn dismiss(agent: &str) -> Command {
    let (device, keep, last_good, root) = (None, Vec::new(), None, None);
    Command::RevokeAgent { agent: agent.into(), device, strict: false, keep, last_good, root }
}

/// A strict revocation of an agent, or of one of its devices.
fn strictly(agent: &str, device: Option<DeviceId>, keep: &[MessageId]) -> Command {
    let keep = keep.iter().map(ToString::to_string).collect();
    let device = device.map(|device| device.to_string());
    let (last_good, root) = (None, None);
    Command::RevokeAgent { agent: agent.into(), device, strict: true, keep, last_good, root }
}

fn ratify(target: impl ToString) -> Command {
    Command::Ratify { target: target.to_string(), root: None }
}

fn remove(agent: &str, unit: &str) -> Command {
    Command::RemoveMember { agent: agent.into(), unit: unit.into() }
}

fn alarms(w: &World, id: NodeId) -> Vec<&'static str> {
    w.engine(id).status().alarms.into_iter().map(|alarm| alarm.kind).collect()
}

/// What the same room shows on all of some nodes.
fn all_show(w: &World, ids: &[NodeId], room: &str, texts: &[&str]) {
    for id in ids {
        assert_eq!(w.texts(*id, room), texts, "at {}", w.node(*id).name);
    }
}

fn may_read(w: &World, id: NodeId, room: &str) -> bool {
    w.engine(id).readable_room(room).is_ok()
}

/// Carries a command out after a look at its preview; checks that the look changed nothing, and
/// that what followed is what it said. Whoever is up has to be connected.
fn foreseen(w: &mut World, by: NodeId, command: Command) -> Preview {
    let text = format!("{command:?}");
    let rows = w.disk(by).durable();
    let digest = w.engine(by).status().control_digest;
    let (_, preview) = match w.engine(by).preview(&command) {
        Ok(seen) => seen,
        Err(failure) => panic!("{text} has no preview: {failure:?}"),
    };
    assert_eq!(w.disk(by).durable(), rows, "{text}: a preview wrote something");
    assert_eq!(w.engine(by).status().control_digest, digest, "{text}: a preview signed something");
    let before = State::of(w, by);
    match w.must(by, command) {
        Outcome::Signed { preview: then, .. }
        | Outcome::Room(_, then)
        | Outcome::Member { preview: then, .. } => assert_eq!(then, preview, "{text}"),
        other => panic!("{text}: unexpected {other:?}"),
    }
    w.agree();
    State::of(w, by).follows(&before, &preview, &text);
    preview
}
