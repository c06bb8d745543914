//! The second phase: all faults stop, and within bounded time all must be well.

use conclave_tests::world::{NodeId, Options};

use super::scenario::Scenario;

/// Simulated time in which all have to agree. Links that stood through the storm are not greeted
/// anew, so what is missing comes by the slow timer, each time from some random neighbour.
const PATIENCE_MS: u64 = 900_000;

/// Simulated time in which whoever may has every key.
const KEYS_MS: u64 = 120_000;

impl Scenario {
    /// Heals everything and judges the end; some begin anew after that, and are judged again.
    pub fn heal(&mut self) {
        self.say("everything heals".to_owned());
        self.w.options = Options::CALM;
        let stay = self.draw(2) == 0;
        if !stay {
            self.silence_liars();
        }
        for id in std::mem::take(&mut self.away) {
            self.w.start(id);
        }
        self.reconnect();
        self.admit_all();
        if stay {
            // Whatever they go on doing, the others agree.
            self.converge(false);
            self.count("agreed while liars went on");
            self.silence_liars();
        }
        self.converge(true);
        self.judge();
        match self.draw(4) {
            0 => {
                self.say("all start again".to_owned());
                for id in self.up() {
                    self.w.crash(id);
                    self.w.start(id);
                }
                self.reconnect();
            }
            1 => {
                self.newcomer();
                self.admit_all();
                // Alice alone may not have access to all that the newcomer has.
                self.reconnect();
            }
            _ => return,
        }
        self.converge(true);
        self.judge();
    }

    fn judge(&mut self) {
        let live = self.live();
        if self.disk_faults.damage {
            // Damage is found by reading, and mended by the slow timer.
            for id in &live {
                for room in self.w.engine(*id).status().rooms {
                    let _ = self.w.messages(*id, &room.room.id.to_string());
                }
            }
            self.w.run(60_000);
        }
        if self.w.counted("keys given to who asked") > 0 {
            // Who asked somebody in vain asks again when the slow timer comes to it.
            self.w.run(KEYS_MS);
        }
        self.say(format!("{} live members are judged", live.len()));
        self.w.judge_end(&live);
    }

    fn silence_liars(&mut self) {
        self.liars_gone = true;
        for liar in self.liars.clone() {
            self.w.isolate(liar.node);
        }
    }

    /// Honest nodes whose device is a live member's, as alice sees it; alice first.
    fn live(&self) -> Vec<NodeId> {
        let agents = self.w.engine(self.alice).agents().unwrap_or_default();
        let live = |id: &NodeId| {
            let device = self.w.node(*id).device();
            agents.iter().any(|agent| agent.devices.contains(&device))
        };
        self.up().into_iter().filter(live).collect()
    }

    fn admit_all(&mut self) {
        for id in self.up() {
            for _ in 0..40 {
                let wishes = self.wish_of(id).is_some() && !self.w.engine(id).status().member;
                // Who was let in and dismissed at once does not learn that it was in.
                if !wishes || self.known(id) {
                    break;
                }
                self.w.run(1_000);
                self.admit(id);
            }
        }
    }

    fn known(&self, id: NodeId) -> bool {
        self.w.engine(self.alice).agent(&self.name(id)).is_ok()
    }

    fn converge(&mut self, complete: bool) {
        let until = self.w.now().plus_ms(PATIENCE_MS);
        let liars = !self.liars.is_empty();
        loop {
            let live = self.live();
            let agree = if complete { self.w.agree_among(&live, liars) } else { self.equal(&live) };
            if agree {
                // It has to last.
                self.w.run(if complete { 12_000 } else { 2_000 });
                let live = self.live();
                let lasts =
                    if complete { self.w.agree_among(&live, liars) } else { self.equal(&live) };
                if lasts {
                    return;
                }
            }
            if self.w.now() >= until {
                panic!("no agreement: {}{}", self.difference(&live), self.w.differences(&live));
            }
            self.w.run(200);
        }
    }

    fn equal(&self, live: &[NodeId]) -> bool {
        let mut rooms = std::collections::BTreeMap::new();
        let mut control = std::collections::BTreeSet::new();
        live.iter().all(|id| {
            let status = self.w.engine(*id).status();
            control.insert(status.control_digest);
            let mut same = |room: &conclave_protocol::view::RoomStatus| {
                *rooms.entry(room.room.id).or_insert(room.digest) == room.digest
            };
            status.rooms.iter().all(&mut same) && control.len() == 1
        })
    }

    fn difference(&self, live: &[NodeId]) -> String {
        let mut lines = String::new();
        for id in live {
            let status = self.w.engine(*id).status();
            lines += &format!(
                "\n{} member {} control {:?} of {} objects;",
                self.name(*id),
                status.member,
                status.control_digest,
                status.control_objects
            );
            for room in status.rooms {
                lines += &format!(
                    " {}: {} {:?} {};",
                    room.room.name, room.messages, room.digest, room.sync
                );
            }
        }
        lines
    }
}
