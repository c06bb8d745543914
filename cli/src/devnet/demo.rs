//! What the devnet shows: a company, two newcomers, three rooms, who sees what.

use std::collections::BTreeSet;
use std::time::Duration;

use conclave_node::api::types::{JoinRequest, Message, RoomLine};
use conclave_node::node;
use conclave_protocol::limits::HISTORY_PAGE_MAX;
use conclave_protocol::object::UnitKind;

use super::child::{DevNode, Network};
use super::{Progress, Report, state};
use crate::error::CliError;
use crate::escape;

/// The agents; the first founds the company.
pub(crate) const AGENTS: [&str; 3] = ["alice", "bob", "carol"];

/// Each room with its permissions and the agents whom they let in.
const ROOMS: [(&str, &[&str], &[&str]); 3] = [
    ("Support", &["department:Support"], &["alice", "bob"]),
    ("Sales", &["department:Sales", "role:Manager"], &["alice", "carol"]),
    ("Everyone", &["role:Agent"], &["alice", "bob", "carol"]),
];

/// Generous: a condition ends the wait, not the clock.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Builds the network and checks that each agent sees exactly what it may.
pub(crate) async fn run(progress: &Progress, network: &mut Network) -> Result<Report, CliError> {
    progress.say(&format!("Starting three nodes in {}", network.dir().display()))?;
    found(progress, network).await?;
    build(progress, network.node("alice")?).await?;
    join(progress, network, "bob", "group:Support/Front Line").await?;
    join(progress, network, "carol", "group:Sales/Front Line").await?;
    wait_for_rooms(network).await?;
    send(progress, network).await?;
    let accepted = collect(progress, network).await?;
    show(progress, network).await?;
    Ok(Report { ok: false, nodes: Vec::new(), accepted, refused: Vec::new() })
}

async fn found(progress: &Progress, network: &mut Network) -> Result<(), CliError> {
    progress.heading("A company")?;
    let home = network.home("alice");
    state::make_private(&home)?;
    node::found(&home, "Devnet Company", "alice", None, None)?;
    network.start("alice", None).await?;
    progress.say("alice founded Devnet Company and runs its first node.")
}

async fn build(progress: &Progress, alice: &DevNode) -> Result<(), CliError> {
    let client = &alice.client;
    for (department, groups) in
        [("Sales", ["Front Line", "Enterprise"]), ("Support", ["Front Line", "Escalation"])]
    {
        client.new_unit(UnitKind::Department, department, None).await?;
        for group in groups {
            client.new_unit(UnitKind::Group, group, Some(department)).await?;
        }
        progress.say(&format!("Department {department} with the Groups {}", groups.join(", ")))?;
    }
    client.new_unit(UnitKind::Role, "Manager", None).await?;
    for unit in ["group:Support/Escalation", "role:Manager"] {
        client.add_member("alice", unit).await?;
    }
    progress.say("Role Manager; alice is in group:Support/Escalation and role:Manager")?;
    for (room, permits, _) in ROOMS {
        let permits: Vec<String> = permits.iter().map(|unit| (*unit).to_owned()).collect();
        client.new_room(room, &permits, "full").await?;
        progress.say(&format!("Chat Room {room}, open to {}", permits.join(", ")))?;
    }
    Ok(())
}

/// Lets an agent in as two people would: both look at their own screen and compare.
async fn join(
    progress: &Progress,
    network: &mut Network,
    agent: &str,
    unit: &str,
) -> Result<(), CliError> {
    progress.heading(&format!("{agent} joins"))?;
    let home = network.home(agent);
    state::make_private(&home)?;
    let peer = network.node("alice")?.listen.clone();
    let peers: Vec<String> = peer.iter().cloned().collect();
    node::request_join(&home, agent, None, &peers, None)?;
    network.start(agent, peer.as_deref()).await?;
    let what = format!("both alice and {agent} see the same safety code");
    let look = async |network: &Network| same_code(network, agent).await;
    let request = network.wait(&what, WAIT_MAX, look).await?;
    progress.say(&format!("Both screens show the safety code {}.", escape::line(&request.code)))?;
    let alice = &network.node("alice")?.client;
    alice.approve(&request.name, &request.code, &[unit.to_owned()]).await?;
    let what = format!("{agent} is a member");
    let look = async |network: &Network| {
        let status = network.node(agent)?.client.status().await?;
        Ok(status.member.then_some(()))
    };
    network.wait(&what, WAIT_MAX, look).await?;
    progress.say(&format!("alice approved {agent} to {unit}."))
}

/// The request of an agent as alice sees it, once the newcomer sees the same code.
async fn same_code(network: &Network, agent: &str) -> Result<Option<JoinRequest>, CliError> {
    let requests = network.node("alice")?.client.agent_requests().await?.requests;
    let Some(request) = requests.into_iter().find(|request| request.name == agent) else {
        return Ok(None);
    };
    let status = network.node(agent)?.client.status().await?;
    let Some(code) = status.join.and_then(|join| join.code) else { return Ok(None) };
    if code != request.code || status.device != request.device {
        return Err(CliError::failed(
            format!("{agent} sees the safety code {code}, alice {}", request.code),
            "report this: nobody but the two nodes takes part",
        ));
    }
    Ok(Some(request))
}

/// Waits until every node lists exactly the rooms that are open to its agent.
async fn wait_for_rooms(network: &mut Network) -> Result<(), CliError> {
    for agent in AGENTS {
        let expected: BTreeSet<&str> = rooms_of(agent).collect();
        let what = format!("{agent} sees exactly the rooms {expected:?}");
        let look = async |network: &Network| {
            let rooms = network.node(agent)?.client.rooms(false).await?.rooms;
            let seen: BTreeSet<&str> = rooms.iter().map(|room| room.name.as_str()).collect();
            Ok((seen == expected).then_some(()))
        };
        network.wait(&what, WAIT_MAX, look).await?;
    }
    Ok(())
}

async fn send(progress: &Progress, network: &Network) -> Result<(), CliError> {
    progress.heading("Messages")?;
    for (room, _, agents) in ROOMS {
        for agent in agents {
            let text = text_of(agent, room);
            network.node(agent)?.client.send(room, &text).await?;
            progress.say(&format!("{agent} wrote in {room}: {text}"))?;
        }
    }
    Ok(())
}

/// Waits until everyone who may has every message, and gives what alice has, who sees all.
async fn collect(progress: &Progress, network: &mut Network) -> Result<Vec<Message>, CliError> {
    let mut accepted = Vec::new();
    for (room, _, agents) in ROOMS {
        let expected: BTreeSet<String> = agents.iter().map(|agent| text_of(agent, room)).collect();
        for agent in agents {
            let what = format!("{agent} has all messages of {room}");
            let look = async |network: &Network| {
                let history = network.node(agent)?.client.history(room, HISTORY_PAGE_MAX, None);
                let messages = history.await?.messages;
                let seen: BTreeSet<&str> = messages.iter().map(|m| m.text.as_str()).collect();
                let all = expected.iter().all(|text| seen.contains(text.as_str()));
                // alice's are reported: those are to be known as held by others, too.
                let settled = *agent != "alice" || messages.iter().all(|m| m.state == "accepted");
                Ok((all && settled).then_some(messages))
            };
            let messages = network.wait(&what, WAIT_MAX, look).await?;
            if messages.len() != expected.len() {
                return Err(CliError::failed(
                    format!("{agent} sees {} messages in {room}", messages.len()),
                    format!("{} were sent; report this", expected.len()),
                ));
            }
            if *agent == "alice" {
                accepted.extend(messages);
            }
        }
    }
    progress.say("Everyone who may has received each of them.")?;
    Ok(accepted)
}

/// Shows for each agent its rooms and what is in them, and that the others are closed.
async fn show(progress: &Progress, network: &Network) -> Result<(), CliError> {
    for node in network.nodes() {
        progress.heading(&format!("What {} sees", node.agent))?;
        let rooms: Vec<RoomLine> = node.client.rooms(false).await?.rooms;
        for room in &rooms {
            progress.say(&format!("{}:", escape::line(&room.name)))?;
            let id = room.id.to_string();
            let page = node.client.history(&id, HISTORY_PAGE_MAX, None).await?;
            for message in &page.messages {
                progress.say(&format!("  {}", progress.out().message(message)))?;
            }
        }
        for (room, _, agents) in ROOMS {
            if !agents.contains(&node.agent.as_str()) {
                check_closed(progress, node, room).await?;
            }
        }
    }
    Ok(())
}

async fn check_closed(progress: &Progress, node: &DevNode, room: &str) -> Result<(), CliError> {
    match node.client.history(room, 1, None).await {
        Err(problem) if matches!(problem.kind.as_str(), "no_access" | "not_found") => {
            progress.say(&format!("{room} is closed: {}", escape::line(&problem.message)))
        }
        Err(problem) => Err(problem.into()),
        Ok(_) => Err(CliError::failed(
            format!("{} can read {room}, which no permission allows", node.agent),
            "report this",
        )),
    }
}

fn rooms_of(agent: &str) -> impl Iterator<Item = &'static str> {
    ROOMS.iter().filter(move |(_, _, agents)| agents.contains(&agent)).map(|(room, _, _)| *room)
}

fn text_of(agent: &str, room: &str) -> String {
    format!("hello {room}, this is {agent}")
}
