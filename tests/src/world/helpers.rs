//! What most tests do: found, join, command, wait, compare.

use conclave_protocol::engine::{Command, Failure, JoinWish, Outcome, Table};
use conclave_protocol::found::{Founding, found};
use conclave_protocol::id::{MessageId, ObjectId, RoomId, Topic};
use conclave_protocol::keys::recovery_commitment;
use conclave_protocol::object::{HistoryPolicy, UnitKind};
use conclave_protocol::time::Timestamp;
use conclave_protocol::topic::TopicSecret;
use conclave_protocol::view::{MessageView, RoomStatus};

use super::node::{keys_of, seed_of};
use super::{NodeId, World};

/// How long commands and joins may take, in simulated ms.
const PATIENCE_MS: u64 = 30_000;
/// How long nodes may take to agree, in simulated ms.
const AGREE_MS: u64 = 180_000;

impl World {
    /// Makes and starts the node of a company's founder.
    pub fn found(&mut self, company: &str, agent: &str) -> NodeId {
        let id = self.add(agent);
        let root = self.root_keys(company);
        let salt = ObjectId(seed_of("salt", self.seed));
        let foundation = found(&Founding {
            company,
            agent,
            root: &root,
            recovery: recovery_commitment(&seed_of("recovery", self.seed), 1),
            salt,
            device: &self.node(id).keys(),
        });
        let disk = self.disk(id);
        for (object, bytes) in &foundation.objects {
            disk.put(Table::Control, &object.0, bytes);
        }
        disk.put(Table::State, b"company", &foundation.company.0);
        if self.ledger.company == Default::default() {
            self.ledger.company = foundation.company;
            self.ledger.topics = Some(foundation.topics);
            self.ledger.salt = Some(salt);
        }
        self.start(id);
        id
    }

    /// The root keys of a company that this world founds.
    #[must_use]
    pub fn root_keys(&self, company: &str) -> conclave_protocol::keys::DeviceKeys {
        keys_of(&seed_of(&format!("root of {company}"), self.seed))
    }

    /// Makes and starts a node that wants to join.
    pub fn newcomer(&mut self, name: &str) -> NodeId {
        self.newcomer_as(name, false)
    }

    /// As [`World::newcomer`]; with `lost`, it says that all other devices of its agent are gone.
    pub fn newcomer_as(&mut self, name: &str, lost: bool) -> NodeId {
        let id = self.add(name);
        self.nodes[id.0].wish = Some(JoinWish { agent: name.to_owned(), company: None, lost });
        self.start(id);
        id
    }

    /// The code that an admin sees for a name, once it does.
    pub fn code_at(&mut self, admin: NodeId, name: &str) -> String {
        let find = |w: &World| {
            let requests = w.engine(admin).join_requests().unwrap_or_default();
            requests.into_iter().find(|r| r.name == name).map(|r| r.code)
        };
        self.until("a request to join", PATIENCE_MS, |w| find(w).is_some());
        find(self).unwrap_or_default()
    }

    /// Makes a node and lets it in, through the real frames.
    pub fn join(&mut self, admin: NodeId, name: &str, units: &[&str]) -> NodeId {
        let id = self.newcomer(name);
        self.connect(admin, id);
        let code = self.code_at(admin, name);
        let shown = |w: &World| w.engine(id).join_view().and_then(|v| v.code);
        self.until("the code at the newcomer", PATIENCE_MS, |w| shown(w).is_some());
        assert_eq!(shown(self).as_deref(), Some(code.as_str()), "the codes differ");
        let units = units.iter().map(ToString::to_string).collect();
        self.must(admin, Command::Approve { name: name.into(), code, units });
        self.until("membership", PATIENCE_MS, |w| w.engine(id).status().member);
        id
    }

    /// Does everything that is due in the next `ms` milliseconds.
    pub fn run(&mut self, ms: u64) {
        let until = self.now.plus_ms(ms);
        while self.step(until) {}
    }

    /// Goes on until a condition holds.
    pub fn until(&mut self, what: &str, ms: u64, condition: impl Fn(&Self) -> bool) {
        let until = self.now.plus_ms(ms);
        while !condition(self) {
            let more = self.step(until);
            assert!(more || condition(self), "no {what} within {ms} ms");
        }
    }

    /// Goes on until nothing is under way and no timer is near.
    pub fn settle(&mut self) {
        let until = self.now.plus_ms(AGREE_MS);
        loop {
            let near: Timestamp = self.now.plus_ms(2_500);
            if self.is_idle() && self.next_timer().is_none_or(|at| at > near) {
                return;
            }
            assert!(self.step(until), "the world does not come to rest");
        }
    }

    /// Gives a command and waits for its answer.
    ///
    /// # Errors
    /// What the engine answered.
    pub fn command(&mut self, id: NodeId, command: Command) -> Result<Outcome, Failure> {
        let number = self.give(id, command);
        self.until("answer", PATIENCE_MS, |w| w.node(id).answers.contains_key(&number));
        self.node(id).answers[&number].clone()
    }

    /// Gives a command that has to succeed.
    pub fn must(&mut self, id: NodeId, command: Command) -> Outcome {
        let text = format!("{command:?}");
        match self.command(id, command) {
            Ok(outcome) => outcome,
            Err(failure) => panic!("{text} failed: {failure:?}"),
        }
    }

    /// Makes a Department.
    pub fn department(&mut self, admin: NodeId, name: &str) {
        let (kind, name) = (UnitKind::Department, name.to_owned());
        self.must(admin, Command::NewUnit { kind, name, department: None });
    }

    /// Makes a Group.
    pub fn group(&mut self, admin: NodeId, department: &str, name: &str) {
        let (kind, name) = (UnitKind::Group, name.to_owned());
        self.must(admin, Command::NewUnit { kind, name, department: Some(department.into()) });
    }

    /// Makes a room.
    pub fn room(&mut self, admin: NodeId, name: &str, permits: &[&str]) -> RoomId {
        let permits = permits.iter().map(ToString::to_string).collect();
        let (name, history) = (name.to_owned(), HistoryPolicy::Full);
        match self.must(admin, Command::NewRoom { name, permits, history }) {
            Outcome::Room(view, _) => view.room.id,
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Puts an agent into a unit.
    pub fn add_member(&mut self, admin: NodeId, agent: &str, unit: &str) {
        self.must(admin, Command::AddMember { agent: agent.into(), unit: unit.into() });
    }

    /// Takes an agent out of a unit.
    pub fn remove_member(&mut self, admin: NodeId, agent: &str, unit: &str) {
        self.must(admin, Command::RemoveMember { agent: agent.into(), unit: unit.into() });
    }

    /// Opens a room to a principal.
    pub fn permit(&mut self, admin: NodeId, room: &str, unit: &str) {
        self.must(admin, Command::Permit { room: room.into(), unit: unit.into() });
    }

    /// Takes a permission away.
    pub fn unpermit(&mut self, admin: NodeId, room: &str, unit: &str) {
        self.must(admin, Command::Unpermit { room: room.into(), unit: unit.into() });
    }

    /// Posts a text and waits for the answer.
    pub fn post(&mut self, id: NodeId, room: &str, text: &str) -> MessageId {
        match self.must(id, Command::Send { room: room.into(), text: text.into() }) {
            Outcome::Message(view) => view.id,
            other => panic!("unexpected {other:?}"),
        }
    }

    /// All messages of a room as a node shows them, read page by page.
    #[must_use]
    pub fn messages(&self, id: NodeId, room: &str) -> Vec<MessageView> {
        let mut all: Vec<MessageView> = Vec::new();
        loop {
            let before = all.first().map(|m| m.id.to_string());
            let page = match self.engine(id).history(room, 100, before.as_deref()) {
                Ok(page) => page,
                Err(failure) => panic!("{} cannot read {room}: {failure:?}", self.node(id).name),
            };
            let more = page.more;
            all.splice(0..0, page.messages);
            if !more {
                return all;
            }
        }
    }

    /// The texts of a room as a node shows them.
    #[must_use]
    pub fn texts(&self, id: NodeId, room: &str) -> Vec<String> {
        self.messages(id, room).into_iter().map(|m| m.text).collect()
    }

    /// How often a reason led to a refusal at a node, since its start.
    #[must_use]
    pub fn refusals(&self, id: NodeId, reason: &str) -> u64 {
        let status = self.engine(id).status();
        status.verdicts.iter().find(|(r, _)| *r == reason).map_or(0, |(_, n)| *n)
    }

    /// A room in a node's status, if it may access it.
    #[must_use]
    pub fn room_status(&self, id: NodeId, room: &str) -> Option<RoomStatus> {
        self.engine(id).status().rooms.into_iter().find(|r| r.room.name == room)
    }

    /// The topic of a room.
    #[must_use]
    pub fn topic(&self, room: RoomId) -> Topic {
        self.topics().room(room)
    }

    /// The topic of the control log.
    #[must_use]
    pub fn control_topic(&self) -> Topic {
        self.topics().control()
    }

    /// What the topics of this world's company are made of.
    #[must_use]
    pub fn topics(&self) -> TopicSecret {
        self.ledger.topics.unwrap_or_else(|| panic!("nobody has founded a company"))
    }

    /// Whether all nodes that are up hold the same, as far as each may.
    #[must_use]
    pub fn agrees(&self) -> bool {
        let mut control = None;
        let mut rooms = std::collections::BTreeMap::new();
        for id in self.ids().filter(|id| self.is_up(*id)) {
            let status = self.engine(id).status();
            if *control.get_or_insert(status.control_digest) != status.control_digest {
                return false;
            }
            for room in status.rooms {
                if *rooms.entry(room.room.id).or_insert(room.digest) != room.digest {
                    return false;
                }
            }
        }
        true
    }

    /// Goes on until all agree and the world is at rest, and compares what they show.
    pub fn agree(&mut self) {
        self.settle();
        self.until("agreement", AGREE_MS, Self::agrees);
        self.settle();
        assert!(self.agrees(), "agreement did not last");
        let mut shown = std::collections::BTreeMap::new();
        let mut access = std::collections::BTreeMap::new();
        for id in self.ids().filter(|id| self.is_up(*id)).collect::<Vec<_>>() {
            let name = self.node(id).name.clone();
            for room in self.engine(id).status().rooms {
                let selector = room.room.id.to_string();
                let lines = self.messages(id, &selector);
                let lines: Vec<_> = lines.into_iter().map(|m| (m.height, m.id, m.text)).collect();
                assert!(lines.windows(2).all(|p| (p[0].0, p[0].1) < (p[1].0, p[1].1)));
                let first = shown.entry(room.room.id).or_insert_with(|| lines.clone());
                assert_eq!(*first, lines, "{name} shows another history of {}", room.room.name);
                let Ok((_, mut who)) = self.engine(id).room_access(&selector) else {
                    panic!("{name} cannot see who has access");
                };
                who.iter_mut().for_each(|line| line.present = false);
                let first = access.entry(room.room.id).or_insert_with(|| who.clone());
                assert_eq!(*first, who, "{name} has another access list");
            }
        }
    }

    /// As [`World::agree`], but of these nodes nothing is expected.
    pub fn agree_without(&mut self, others: &[NodeId]) {
        self.settle();
        let ids: Vec<NodeId> =
            self.ids().filter(|id| self.is_up(*id) && !others.contains(id)).collect();
        self.until("agreement", AGREE_MS, |w| w.agree_among(&ids, false));
        self.settle();
        assert!(self.agree_among(&ids, false), "agreement did not last");
    }

    /// Ids and devices of a node's control log, for messages of failing tests.
    #[must_use]
    pub fn control_kinds(&self, id: NodeId) -> Vec<&'static str> {
        self.engine(id).control_log().into_iter().map(|e| e.kind).collect()
    }
}
