//! What goes wrong with machines, links and clocks.

use std::collections::BTreeMap;

use conclave_protocol::engine::Table;
use conclave_tests::world::disk::Rows;
use conclave_tests::world::{NodeId, Options};

use super::scenario::Scenario;

/// Ten years.
const CLOCK_OFF_MS: u64 = 10 * 365 * 24 * 3_600 * 1_000;

/// What disks do beyond losing what is not durable; `CONCLAVE_FAULTS=damage,old` switches it on.
pub struct DiskFaults {
    /// A bit of a row may flip while a node is down.
    pub damage: bool,
    /// A node may start from an old copy of its disk.
    old: bool,
    copies: BTreeMap<NodeId, Rows>,
}

impl DiskFaults {
    pub fn wished() -> Self {
        let wished = std::env::var("CONCLAVE_FAULTS").unwrap_or_default();
        let has = |what: &str| wished.split(',').any(|word| word == what);
        Self { damage: has("damage"), old: has("old"), copies: BTreeMap::new() }
    }
}

impl Scenario {
    /// While a node is down its disk may suffer.
    fn harm_disk(&mut self, id: NodeId) {
        if self.disk_faults.damage && self.draw(3) == 0 {
            let pick = self.w.random(1_000);
            if self.w.disk(id).damage(Table::Messages, pick).is_some() {
                self.say(format!("a message on the disk of {} is damaged", self.name(id)));
                self.count("row damaged");
                self.w.disk_changed(id);
            }
        }
        if self.disk_faults.old {
            let now = self.w.disk(id).durable();
            let before = self.disk_faults.copies.insert(id, now);
            if let Some(before) = before.filter(|_| self.draw(3) == 0) {
                self.say(format!("{} starts from an old copy of its disk", self.name(id)));
                self.count("old copy of a disk");
                self.w.restore(id, before);
                self.w.disk_changed(id);
            }
        }
    }

    /// Something fails, or works again.
    pub fn fault(&mut self) {
        match self.draw(20) {
            0..4 => self.crash(),
            4..7 => self.come_back(),
            7 => self.leave(),
            8 | 9 => self.isolate(),
            10 | 11 => self.partition(),
            12..15 => self.reconnect(),
            15 => self.deafen(),
            16 => self.flap(),
            17 => self.set_clock(),
            _ => self.change_network(),
        }
    }

    fn crash(&mut self) {
        let up = self.up();
        let Some(id) = self.one_of(&up) else { return };
        self.say(format!("{} crashes", self.name(id)));
        self.count("crash");
        self.w.crash_torn(id);
        let pause = self.w.random(300);
        self.w.run(pause);
        self.harm_disk(id);
        self.w.start(id);
        if self.draw(3) > 0 {
            self.connect(id);
        }
    }

    /// Goes away for long.
    fn leave(&mut self) {
        let up = self.up();
        if up.len() < 3 {
            return;
        }
        let Some(id) = self.one_of(&up) else { return };
        self.say(format!("{} goes away", self.name(id)));
        self.count("goes away for long");
        self.w.crash_torn(id);
        self.away.push(id);
    }

    fn come_back(&mut self) {
        let away = self.away.clone();
        let Some(id) = self.one_of(&away) else { return };
        self.away.retain(|other| *other != id);
        self.say(format!("{} comes back", self.name(id)));
        self.w.start(id);
        self.connect(id);
    }

    /// Connects a node with all others.
    fn connect(&mut self, id: NodeId) {
        for other in self.up() {
            if other != id {
                self.w.connect(id, other);
            }
        }
        for liar in self.liars.clone().into_iter().filter(|_| !self.liars_gone) {
            self.w.connect_device(liar.device, id);
        }
    }

    fn isolate(&mut self) {
        let up = self.up();
        let Some(id) = self.one_of(&up) else { return };
        self.say(format!("{} is cut off", self.name(id)));
        self.count("cut off");
        self.w.isolate(id);
    }

    fn partition(&mut self) {
        let up = self.up();
        let (one, two): (Vec<NodeId>, Vec<NodeId>) =
            up.into_iter().partition(|_| self.w.random(2) == 0);
        let names: Vec<String> = one.iter().map(|id| self.name(*id)).collect();
        self.say(format!("partition: {names:?} and the others"));
        self.count("partition");
        for a in &one {
            for b in &two {
                self.w.disconnect(*a, *b);
            }
        }
    }

    pub fn reconnect(&mut self) {
        self.say("all links work".to_owned());
        self.count("links restored");
        self.w.undeafen();
        for id in self.up() {
            self.connect(id);
        }
    }

    /// Frames pass in one direction only.
    fn deafen(&mut self) {
        let up = self.up();
        let (Some(a), Some(b)) = (self.one_of(&up), self.one_of(&up)) else { return };
        if a != b {
            self.say(format!("{} no longer hears {}", self.name(b), self.name(a)));
            self.count("deaf link");
            self.w.deafen(a, b);
        }
    }

    fn flap(&mut self) {
        let up = self.up();
        let (Some(a), Some(b)) = (self.one_of(&up), self.one_of(&up)) else { return };
        if a == b {
            return;
        }
        self.say(format!("the link of {} and {} flaps", self.name(a), self.name(b)));
        self.count("flapping link");
        for _ in 0..2 + self.draw(4) {
            self.w.disconnect(a, b);
            let pause = self.w.random(30);
            self.w.run(pause);
            self.w.connect(a, b);
            let pause = self.w.random(60);
            self.w.run(pause);
        }
    }

    fn set_clock(&mut self) {
        let up = self.up();
        let Some(id) = self.one_of(&up) else { return };
        let most = [1_000, 100_000, CLOCK_OFF_MS];
        let most = self.one_of(&most).unwrap_or(1_000);
        let ms = i64::try_from(self.w.random(2 * most)).unwrap_or(0);
        let ms = ms - i64::try_from(most).unwrap_or(0);
        self.say(format!("the clock of {} is {ms} ms off", self.name(id)));
        self.count("clock set");
        self.w.set_clock(id, ms);
    }

    fn change_network(&mut self) {
        let lossy = Options { frames_lost_percent: 10, ..Options::ROUGH };
        let lost = Options { gossip_lost_percent: 90, ..Options::ROUGH };
        let options = [Options::CALM, Options::ROUGH, lossy, lost];
        self.w.options = self.one_of(&options).unwrap_or(Options::CALM);
        self.say(format!("{:?}", self.w.options));
        self.count("network changed");
    }
}
