//! Control logs and what they mean: random ones, whole and in parts, and cases with names.
//!
//! What is expected is what the real log says. The objects are chosen once; from then on those in
//! the file are taken, so that the file does not change with the writer of random logs.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::control::ControlLog;
use conclave_protocol::id::{CompanyId, ObjectId};
use conclave_protocol::object::{ControlObject, Genesis, ObjectType};
use conclave_protocol::signed::{Trust, Verified, peek_id, peek_type};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{cases, hex};
use crate::random_log::RandomLog;
use crate::reference::{self, Objects, State};
use crate::snapshot::snapshot;

/// Logs that share objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Where they are from.
    pub name: String,
    /// Their company.
    pub company: String,
    /// Signed bytes; everything else names them by their place in this list.
    pub objects: Vec<String>,
    /// The logs.
    pub logs: Vec<LogVector>,
}

/// A log and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogVector {
    /// What it is an example of.
    pub name: String,
    /// What is known, in any order; some may be unsound, or lack what they refer to.
    pub objects: Vec<usize>,
    /// What everybody must make of it.
    pub expected: Value,
}

/// Seeds of random logs with many quarrels, and how many objects beyond the founding they have.
const SEEDS: [u64; 6] = [1, 2, 3, 4, 5, 6];
const LENGTH: usize = 40;
/// Parts of each random log, beside the whole.
const PARTS: u8 = 7;

impl Group {
    fn bytes(&self, log: &LogVector) -> Vec<Vec<u8>> {
        let hex = log.objects.iter().filter_map(|place| self.objects.get(*place));
        hex.filter_map(|hex| HEXLOWER.decode(hex.as_bytes()).ok()).collect()
    }

    /// The objects of a log in the node's own control log.
    ///
    /// # Panics
    /// If an object is not well formed.
    #[must_use]
    pub fn control_log(&self, log: &LogVector) -> ControlLog {
        let company = CompanyId(self.company.parse::<ObjectId>().expect("an id").0);
        let mut control = ControlLog::new(company);
        for bytes in self.bytes(log) {
            if peek_type(&bytes) == Some(ObjectType::Genesis) {
                control.add_genesis(Verified::genesis(&bytes, Trust::Nothing).expect("good"));
            } else {
                control.add(Verified::control(&bytes, company, Trust::Nothing).expect("good"));
            }
        }
        control.refresh();
        control
    }

    /// What the reference makes of a log.
    ///
    /// # Panics
    /// If an object is not well formed.
    #[must_use]
    pub fn reference(&self, log: &LogVector) -> State {
        let company = CompanyId(self.company.parse::<ObjectId>().expect("an id").0);
        let mut objects = Objects::new();
        let mut genesis = None;
        for bytes in self.bytes(log) {
            if peek_type(&bytes) == Some(ObjectType::Genesis) {
                genesis = Verified::<Genesis>::genesis(&bytes, Trust::Nothing).ok();
                continue;
            }
            let object = Verified::<ControlObject>::control(&bytes, company, Trust::Nothing);
            let object = object.expect("good");
            objects.insert(object.id(), object.value().clone());
        }
        let genesis = genesis.expect("one of them");
        reference::evaluate(genesis.id(), genesis.value(), &objects)
    }

    /// What is expected of a log, as the file says it.
    #[must_use]
    pub fn expected(&self, log: &LogVector) -> Value {
        let control = self.control_log(log);
        let state = snapshot(&control);
        let all = self.objects.iter().enumerate().filter_map(|(place, hex)| {
            Some((peek_id(&HEXLOWER.decode(hex.as_bytes()).ok()?)?, place))
        });
        let places: BTreeMap<ObjectId, usize> = all.collect();
        let place = |id: ObjectId| places.get(&id).copied().unwrap_or(usize::MAX);
        let listed =
            |ids: &mut dyn Iterator<Item = ObjectId>| ids.map(place).collect::<BTreeSet<usize>>();
        let genesis = ObjectId::from(control.company());
        let mut carried: BTreeMap<usize, u32> =
            state.carried.iter().map(|(id, rank)| (place(*id), *rank)).collect();
        carried.insert(place(genesis), 0);
        let rooms = state.rooms.iter().filter(|(_, room)| !room.revoked).map(|(id, room)| {
            let with_access = listed(&mut room.with_access.iter().map(|a| (*a).into()));
            let room = json!({
                "name": room.name,
                "topic": room.topic,
                "active": room.active,
                "with_access": with_access,
            });
            (place((*id).into()), room)
        });
        let members: BTreeSet<(usize, usize)> = state
            .memberships
            .iter()
            .map(|(agent, unit)| (place((*agent).into()), place((*unit).into())))
            .collect();
        let agents = state.agents.iter().map(|(id, name)| (place((*id).into()), name));
        let units = state.units.iter().map(|(id, name)| (place((*id).into()), name));
        let devices =
            state.devices.iter().map(|(key, agent)| (key.to_string(), place((*agent).into())));
        let keys = |keys: &BTreeSet<conclave_protocol::id::DeviceId>| {
            keys.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        json!({
            "sound": listed(&mut state.sound.iter().copied().chain([genesis])),
            "carried": carried,
            "in_force": listed(&mut state.in_force.iter().copied()),
            "reconciled": listed(&mut state.reconciled.iter().copied()),
            "control_digest": control.digest().to_string(),
            "agents": agents.collect::<BTreeMap<_, _>>(),
            "devices": devices.collect::<BTreeMap<_, _>>(),
            "disputed": keys(&state.disputed),
            "unconfirmed": keys(&state.uncountersigned),
            "units": units.collect::<BTreeMap<_, _>>(),
            "memberships": members,
            "rooms": rooms.collect::<BTreeMap<_, _>>(),
        })
    }

    /// Where the reference says otherwise than the node's own log; nothing, if nowhere.
    #[must_use]
    pub fn disagreement(&self, log: &LogVector) -> Option<String> {
        let real = snapshot(&self.control_log(log));
        let model = self.reference(log);
        let parts: [(&str, bool); 9] = [
            ("sound", real.sound == model.sound),
            ("carried", real.carried == model.carried),
            ("in force", real.in_force == model.in_force),
            ("reconciled", real.reconciled == model.reconciled),
            ("agents", real.agents == model.agents),
            ("devices", (&real.devices, &real.disputed) == (&model.devices, &model.disputed)),
            ("unconfirmed", real.uncountersigned == model.uncountersigned),
            ("units", (&real.units, &real.memberships) == (&model.units, &model.memberships)),
            ("rooms", real.rooms == model.rooms),
        ];
        let differ: Vec<&str> =
            parts.iter().filter(|(_, same)| !same).map(|(what, _)| *what).collect();
        (!differ.is_empty()).then(|| format!("{}, {}: {}", self.name, log.name, differ.join(", ")))
    }
}

/// A random log, whole and in parts.
#[must_use]
pub fn random(seed: u64, length: usize, parts: u8) -> Group {
    let log = RandomLog::new(seed, length);
    let ids: Vec<ObjectId> = [ObjectId::from(log.company)]
        .into_iter()
        .chain(log.objects.iter().map(|(id, _, _)| *id))
        .collect();
    let hash = |part: u8, place: usize| {
        let hash: [u8; 32] = blake3::hash(format!("{seed} {part} {place}").as_bytes()).into();
        u16::from_be_bytes([hash[0], hash[1]])
    };
    let mut logs = vec![LogVector {
        name: "all of it".to_owned(),
        objects: (0..ids.len()).collect(),
        expected: Value::Null,
    }];
    for part in 0..parts {
        let mut known = BTreeSet::from([0]);
        for (place, (_, object, _)) in log.objects.iter().enumerate().rev() {
            let place = place + 1;
            // Some with all that they refer to, and few without.
            let chosen = known.contains(&place) || hash(part, place) % 8 == 0;
            if chosen {
                known.insert(place);
                let refs = object.references().into_iter();
                known.extend(refs.filter_map(|id| ids.iter().position(|other| *other == id)));
            } else if hash(part, place) % 40 == 1 {
                known.insert(place);
            }
        }
        let mut objects: Vec<usize> = known.into_iter().collect();
        objects.sort_by_key(|place| hash(part, 1_000 + place));
        let name = format!("part {}", part + 1);
        logs.push(LogVector { name, objects, expected: Value::Null });
    }
    let bytes = log.objects.iter().map(|(_, _, bytes)| bytes);
    let objects = [&log.genesis].into_iter().chain(bytes).map(|bytes| hex(bytes)).collect();
    Group { name: format!("random log {seed}"), company: log.company.to_string(), objects, logs }
}

/// A choice of logs, without what is expected of them.
#[must_use]
pub fn choice() -> Vec<Group> {
    let mut groups = vec![cases::cases()];
    groups.extend(SEEDS.map(|seed| random(seed, LENGTH, PARTS)));
    groups
}

/// The same objects with what is expected of them now.
#[must_use]
pub fn logs(mut groups: Vec<Group>) -> Vec<Group> {
    for group in &mut groups {
        let expected: Vec<Value> = group.logs.iter().map(|log| group.expected(log)).collect();
        for (log, expected) in group.logs.iter_mut().zip(expected) {
            log.expected = expected;
        }
    }
    groups
}

/// The file: an object and a log to a line.
#[must_use]
pub fn logs_json(groups: &[Group]) -> String {
    fn lines<T: Serialize>(items: &[T]) -> String {
        let lines: Vec<String> =
            items.iter().filter_map(|item| serde_json::to_string(item).ok()).collect();
        lines.join(",\n")
    }
    let group = |group: &Group| {
        format!(
            "{{\"name\": {}, \"company\": {}, \"objects\": [\n{}\n], \"logs\": [\n{}\n]}}",
            json!(group.name),
            json!(group.company),
            lines(&group.objects),
            lines(&group.logs),
        )
    };
    let groups: Vec<String> = groups.iter().map(group).collect();
    format!("[\n{}\n]\n", groups.join(",\n"))
}
