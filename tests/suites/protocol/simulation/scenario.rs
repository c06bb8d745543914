//! One company under one seed: who there is, and what happens next.

use conclave_protocol::engine::{Command, Outcome};
use conclave_protocol::id::RoomId;
use conclave_protocol::object::{Capabilities, HistoryPolicy, UnitKind};
use conclave_tests::world::{NodeId, Options, World};

use super::Counts;
use super::faults::DiskFaults;
use super::liars::Liar;

const PEOPLE: [&str; 8] = ["bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan"];
/// Lines of a trace that a failure prints.
const LINES_TOLD: usize = 40;

/// See the module's documentation.
pub struct Scenario {
    pub w: World,
    /// Founder, never dismissed and never a liar.
    pub alice: NodeId,
    /// Honest nodes, alice too; those that were turned are taken out.
    pub honest: Vec<NodeId>,
    pub liars: Vec<Liar>,
    /// Liars reach nobody any more.
    pub liars_gone: bool,
    /// Agents, units and rooms that were dismissed or deleted, as `Ratify` names them.
    pub ended: Vec<String>,
    /// Who was made an admin.
    pub admins: Vec<String>,
    pub units: Vec<String>,
    pub rooms: Vec<RoomId>,
    /// Honest nodes that stay down until they return.
    pub away: Vec<NodeId>,
    pub disk_faults: DiskFaults,
    /// For names.
    pub made: u64,
    counts: Counts,
    tell: bool,
    trace: Vec<String>,
}

impl Drop for Scenario {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.tell {
            let from = self.trace.len().saturating_sub(LINES_TOLD);
            eprintln!("the last that happened under seed {}:", self.w.seed);
            self.trace[from..].iter().for_each(|line| eprintln!("{line}"));
        }
    }
}

impl Scenario {
    /// A company at rest.
    pub fn new(seed: u64, tell: bool) -> Self {
        let mut w = World::new(seed, Options::CALM);
        let alice = w.found("Acme", "alice");
        w.department(alice, "Support");
        w.group(alice, "Support", "Front");
        w.department(alice, "Sales");
        let (kind, name) = (UnitKind::Role, "Lead".to_owned());
        w.must(alice, Command::NewUnit { kind, name, department: None });
        let units = ["department:Support", "group:Support/Front", "department:Sales", "role:Lead"];
        let mut scenario = Self {
            w,
            alice,
            honest: vec![alice],
            liars: Vec::new(),
            liars_gone: false,
            ended: Vec::new(),
            admins: vec!["alice".to_owned()],
            units: units.map(str::to_owned).to_vec(),
            rooms: Vec::new(),
            away: Vec::new(),
            disk_faults: DiskFaults::wished(),
            made: 0,
            counts: Counts::new(),
            tell,
            trace: Vec::new(),
        };
        scenario.w.watch();
        scenario.open();
        scenario
    }

    fn open(&mut self) {
        for name in PEOPLE.iter().take(3 + self.draw(6)) {
            let units = self.some_units();
            let units: Vec<&str> = units.iter().map(String::as_str).collect();
            let id = self.w.join(self.alice, name, &units);
            self.honest.push(id);
        }
        for n in 0..1 + self.draw(4) {
            // One room is open to all, so that nobody is quite alone.
            let mut permits = self.some_units();
            permits.push(if n == 0 { "role:Agent".into() } else { "agent:alice".into() });
            let permits: Vec<&str> = permits.iter().map(String::as_str).collect();
            let permits = permits.into_iter().map(str::to_owned).collect();
            let (name, history) = (format!("room {n}"), self.some_history());
            let made = self.w.must(self.alice, Command::NewRoom { name, permits, history });
            let Outcome::Room(view, _) = made else { panic!("no room: {made:?}") };
            self.rooms.push(view.room.id);
        }
        self.w.connect_all();
        self.w.agree();
        for rank in 2..2 + self.draw(3) {
            let agent = PEOPLE[rank - 2].to_owned();
            let may = if self.draw(3) == 0 {
                Capabilities { units: true, agents: true, rooms: true, admins: false }
            } else {
                Capabilities::ALL
            };
            let scope = (self.draw(4) == 0).then(|| "department:Support".to_owned());
            let may = if scope.is_some() { Capabilities { agents: false, ..may } } else { may };
            let rank = u32::try_from(rank).unwrap_or(2);
            let (device, root) = (None, None);
            let command =
                Command::GrantAdmin { agent: agent.clone(), device, rank, may, scope, root };
            if self.w.command(self.alice, command).is_ok() {
                self.admins.push(agent);
            }
        }
        self.w.agree();
        self.say(format!("{} people, {} rooms", self.honest.len(), self.rooms.len()));
    }

    fn some_history(&mut self) -> HistoryPolicy {
        if self.draw(3) == 0 { HistoryPolicy::FromJoin } else { HistoryPolicy::Full }
    }

    fn some_units(&mut self) -> Vec<String> {
        let units = self.units.clone();
        let mut some: Vec<String> = units.into_iter().filter(|_| self.draw(3) == 0).collect();
        some.sort();
        some
    }

    /// A number below `bound`.
    pub fn draw(&mut self, bound: usize) -> usize {
        usize::try_from(self.w.random(bound as u64)).unwrap_or(0)
    }

    /// One of several, if there are any.
    pub fn one_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let n = self.draw(all.len());
        all.get(n).cloned()
    }

    /// Honest nodes that are up.
    pub fn up(&self) -> Vec<NodeId> {
        self.honest.iter().copied().filter(|id| self.w.is_up(*id)).collect()
    }

    pub fn name(&self, id: NodeId) -> String {
        self.w.node(id).name.clone()
    }

    /// Writes a line into the trace.
    pub fn say(&mut self, line: String) {
        let line = format!("{:>9} ms  {line}", self.w.now().0 - 1_700_000_000_000);
        if self.tell {
            println!("{line}");
        }
        self.trace.push(line);
    }

    pub fn count(&mut self, what: &str) {
        self.count_many(what, 1);
    }

    pub fn count_many(&mut self, what: &str, count: u64) {
        if count > 0 {
            *self.counts.entry(what.to_owned()).or_default() += count;
        }
    }

    /// All sorts of things happen.
    pub fn storm(&mut self) {
        let steps = 60 + self.draw(60);
        for _ in 0..steps {
            match self.draw(100) {
                0..38 => self.send(),
                38..44 => self.send_instant(),
                44..62 => self.administer(),
                62..64 => self.newcomer(),
                64..82 => self.fault(),
                82..86 => self.look(),
                _ => self.lie(),
            }
            let pause = match self.draw(10) {
                0 => 2_000,
                1..4 => 300,
                _ => 60,
            };
            let pause = self.w.random(pause);
            self.w.run(pause);
        }
    }

    fn send(&mut self) {
        let up = self.up();
        let Some(id) = self.one_of(&up) else { return };
        let rooms = self.w.engine(id).rooms(false).unwrap_or_default();
        let Some(line) = self.one_of(&rooms) else { return };
        self.made += 1;
        let text = format!("{} by {}", self.made, self.name(id));
        self.say(format!("{} writes \"{text}\" in {}", self.name(id), line.room.name));
        self.w.give(id, Command::Send { room: line.room.id.to_string(), text });
        self.count("messages written");
    }

    /// Writes to some agents, a third of the time to those of a conversation that there is.
    fn send_instant(&mut self) {
        let up = self.up();
        let Some(id) = self.one_of(&up) else { return };
        let begun = self.w.engine(id).instants().unwrap_or_default();
        let names: Vec<String> = if self.draw(3) == 0
            && let Some(view) = self.one_of(&begun)
        {
            view.agents.into_iter().map(|(agent, _)| agent.name).collect()
        } else {
            let agents = self.w.engine(id).agents().unwrap_or_default();
            let names: Vec<String> = agents.into_iter().map(|view| view.agent.name).collect();
            let count = 1 + self.draw(3);
            (0..count).filter_map(|_| self.one_of(&names)).collect()
        };
        let command = Command::OpenInstant { agents: names.clone() };
        let Some(Outcome::Instant(view)) = self.answer_now(id, command) else { return };
        self.made += 1;
        let text = format!("{} by {}", self.made, self.name(id));
        self.say(format!("{} writes \"{text}\" to {names:?}", self.name(id)));
        let room = view.room.id;
        self.w.give(id, Command::Send { room: room.to_string(), text });
        if !self.rooms.contains(&room) {
            self.rooms.push(room);
        }
        self.count("instant messages written");
    }

    /// Gives a command and a moment for its answer.
    fn answer_now(&mut self, id: NodeId, command: Command) -> Option<Outcome> {
        let given = self.w.give(id, command);
        self.w.run(50);
        self.w.node(id).answers.get(&given).cloned()?.ok().filter(|_| self.w.is_up(id))
    }

    fn look(&mut self) {
        let up = self.up();
        for id in up {
            for room in self.rooms.clone() {
                self.w.look(id, room);
            }
        }
    }

    /// Makes a room as an admin; there once it is durable.
    pub fn new_room(&mut self, by: NodeId) {
        self.made += 1;
        let name = format!("room {}", 10 + self.made);
        let mut permits = self.some_units();
        permits.push("agent:alice".into());
        let history = self.some_history();
        let command = Command::NewRoom { name, permits, history };
        let before = self.w.give(by, command);
        self.w.run(50);
        if let Some(Ok(Outcome::Room(view, _))) = self.w.node(by).answers.get(&before) {
            self.rooms.push(view.room.id);
        }
    }

    /// What happened.
    pub fn counts(&mut self) -> Counts {
        for (what, count) in self.w.checker().counts.clone() {
            self.count_many(what, count);
        }
        let seals = self.w.ledger().seals.len() as u64;
        self.count_many("seals", seals);
        for id in self.up() {
            for (reason, count) in self.w.engine(id).status().verdicts {
                self.count_many(&format!("refused: {reason}"), count);
            }
            for alarm in self.w.engine(id).status().alarms {
                self.count(&format!("alarm: {}", alarm.kind));
            }
        }
        self.counts.clone()
    }
}
