//! What admins do, and who comes.

use conclave_protocol::engine::{Command, JoinWish};
use conclave_protocol::object::{Capabilities, UnitKind};
use conclave_tests::world::NodeId;

use super::scenario::Scenario;

impl Scenario {
    fn names(&self) -> Vec<String> {
        let of_liars = self.liars.iter().map(|liar| liar.name.clone());
        self.honest.iter().map(|id| self.name(*id)).chain(of_liars).collect()
    }

    /// An admin who is up; mostly alice.
    fn admin(&mut self) -> Option<NodeId> {
        let admins = self.admins.clone();
        let name = if self.draw(2) == 0 { "alice".to_owned() } else { self.one_of(&admins)? };
        self.up().into_iter().find(|id| self.name(*id) == name)
    }

    /// Some admin does something; many such things fail, since they are so already, or since the
    /// admin may not.
    pub fn administer(&mut self) {
        let Some(by) = self.admin() else { return };
        let names = self.names();
        let Some(agent) = self.one_of(&names) else { return };
        let units = self.units.clone();
        let Some(unit) = self.one_of(&units) else { return };
        let rooms = self.rooms.clone();
        let Some(room) = self.one_of(&rooms).map(|room| room.to_string()) else { return };
        let (what, command) = match self.draw(40) {
            0..9 => ("member removed", Command::RemoveMember { agent, unit }),
            9..18 => ("member added", Command::AddMember { agent, unit }),
            18..20 => {
                // Moves: out of one, into another.
                let (to, who) = (self.one_of(&units).unwrap_or_default(), agent.clone());
                self.w.give(by, Command::AddMember { agent: who, unit: to });
                ("member moved", Command::RemoveMember { agent, unit })
            }
            20..23 => ("permission given", Command::Permit { room, unit }),
            23..26 => ("permission taken", Command::Unpermit { room, unit }),
            26 => {
                self.say(format!("{} makes a room", self.name(by)));
                self.count("room made");
                return self.new_room(by);
            }
            27 => ("unit made", self.new_unit()),
            28 => {
                self.ended.push(room.clone());
                ("room deleted", Command::DeleteRoom { room })
            }
            29 => {
                self.ended.push(unit.clone());
                ("unit deleted", Command::DeleteUnit { unit })
            }
            30 => {
                let active = self.draw(2) == 0;
                ("room put out of or into use", Command::SetRoomActive { room, active })
            }
            31..34 => {
                let Some(command) = self.dismissal(by, agent) else { return };
                if let Command::RevokeAgent { agent, .. } = &command {
                    self.ended.push(format!("agent:{agent}"));
                }
                let strict = matches!(command, Command::RevokeAgent { strict: true, .. });
                (if strict { "agent dismissed strictly" } else { "agent dismissed" }, command)
            }
            34..38 => {
                let ended = self.ended.clone();
                let Some(target) = self.one_of(&ended) else { return };
                let what = match target.split_once(':') {
                    Some(("agent", _)) => "agent returned",
                    Some(_) => "unit returned",
                    None => "room returned",
                };
                (what, Command::Ratify { target, root: None })
            }
            38 => ("admin appointed", appoint(agent)),
            _ => {
                if agent == "alice" {
                    return;
                }
                let (device, last_good, root) = (None, None, None);
                ("admin ended", Command::RevokeAdmin { agent, device, last_good, root })
            }
        };
        if let Command::GrantAdmin { agent, .. } = &command {
            self.admins.push(agent.clone());
        }
        self.say(format!("{}: {command:?}", self.name(by)));
        let given = self.w.give(by, command);
        self.w.run(40);
        if self.w.node(by).answers.get(&given).is_some_and(Result::is_ok) {
            self.count(what);
        }
    }

    fn new_unit(&mut self) -> Command {
        self.made += 1;
        let name = format!("U{}", self.made);
        self.units.push(format!("group:Support/{name}"));
        Command::NewUnit { kind: UnitKind::Group, name, department: Some("Support".into()) }
    }

    fn dismissal(&mut self, by: NodeId, agent: String) -> Option<Command> {
        if agent == "alice" {
            return None;
        }
        let strict = self.draw(2) == 0;
        let mut keep = Vec::new();
        for room in self.rooms.clone() {
            let page = self.w.engine(by).history(&room.to_string(), 20, None);
            let theirs: Vec<String> = page
                .map(|page| page.messages)
                .unwrap_or_default()
                .into_iter()
                .filter(|message| message.author.name == agent)
                .map(|message| message.id.to_string())
                .collect();
            keep.extend(self.one_of(&theirs).filter(|_| strict));
        }
        let (device, last_good, root) = (None, None, None);
        Some(Command::RevokeAgent { agent, device, strict, keep, last_good, root })
    }

    /// Somebody asks to be let in; healing lets in whoever still waits then.
    pub fn newcomer(&mut self) {
        if self.honest.len() + self.liars.len() >= 11 {
            return;
        }
        self.made += 1;
        let name = format!("new{}", self.made);
        self.say(format!("{name} asks to be let in"));
        let id = self.w.newcomer(&name);
        self.honest.push(id);
        self.count("newcomer");
        if self.w.is_up(self.alice) {
            self.w.connect(self.alice, id);
            self.w.run(500);
            self.admit(id);
        }
    }

    /// Lets a newcomer in if both sides show the code.
    pub fn admit(&mut self, id: NodeId) {
        if !self.w.is_up(self.alice) || !self.w.is_up(id) || self.w.engine(id).status().member {
            return;
        }
        let name = self.name(id);
        let requests = self.w.engine(self.alice).join_requests().unwrap_or_default();
        let code = requests.into_iter().find(|request| request.name == name).map(|r| r.code);
        let shown = self.w.engine(id).join_view().and_then(|view| view.code);
        let Some(code) = code.filter(|code| !code.is_empty() && shown.as_ref() == Some(code))
        else {
            return;
        };
        let unit = self.one_of(&self.units.clone());
        let units: Vec<String> = unit.into_iter().collect();
        self.say(format!("alice lets {name} in"));
        let alice = self.alice;
        let given =
            self.w.give(alice, Command::Approve { name: name.clone(), code: code.clone(), units });
        self.w.run(500);
        let failed = self.w.node(alice).answers.get(&given).is_some_and(Result::is_err);
        if failed {
            // The unit may be gone.
            self.w.give(alice, Command::Approve { name, code, units: Vec::new() });
        }
    }

    /// What a newcomer asks for when it starts again.
    pub fn wish_of(&self, id: NodeId) -> Option<JoinWish> {
        self.w.node(id).wish.clone()
    }
}

fn appoint(agent: String) -> Command {
    let (device, scope, root) = (None, None, None);
    Command::GrantAdmin { agent, device, rank: 3, may: Capabilities::ALL, scope, root }
}
