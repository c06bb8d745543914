//! What the real control log says, in the reference model's terms.

use std::collections::BTreeMap;

use conclave_protocol::control::{Alarm, ControlLog};
use conclave_protocol::id::ObjectId;
use conclave_protocol::object::{Payload, Principal};

use crate::reference::{RoomState, State};

/// The state of a log, to be compared with the reference's.
#[must_use]
pub fn snapshot(log: &ControlLog) -> State {
    let genesis = ObjectId::from(log.company());
    let sound = || log.ids().filter(move |id| *id != genesis);
    let payload = |id: ObjectId| log.get(id).map(|object| &object.payload);
    let access = log.access();
    let revokes = || sound().filter(|id| matches!(payload(*id), Some(Payload::Revoke(_))));
    let rooms: BTreeMap<_, _> = access
        .rooms()
        .iter()
        .map(|(id, info)| {
            let proved = access
                .agents()
                .keys()
                .copied()
                .filter(|agent| log.is_proved(*agent, *id))
                .collect();
            let state = RoomState {
                name: info.name.clone(),
                topic: info.topic.clone(),
                active: info.active,
                revoked: info.revoked,
                with_access: access.with_access(*id),
                proved,
            };
            (*id, state)
        })
        .collect();
    let permits = access
        .rooms()
        .keys()
        .flat_map(|room| access.principals(*room).map(|p: Principal| (*room, p)))
        .collect();
    State {
        sound: sound().collect(),
        carried: sound().filter_map(|id| log.rank(id).map(|rank| (id, rank))).collect(),
        in_force: sound().filter(|id| log.in_force(*id)).collect(),
        effective: revokes().filter(|id| log.is_effective(*id)).collect(),
        powerless: log.powerless().collect(),
        reconciled: log.order().iter().map(|(_, id)| id).collect(),
        recovered_twice: log.alarms().iter().any(|a| matches!(a, Alarm::RootFork { .. })),
        root_keys: log.root_keys(),
        agents: access
            .agents()
            .iter()
            .filter(|(_, info)| info.live)
            .map(|(id, info)| (*id, info.name.clone()))
            .collect(),
        devices: access.devices().iter().map(|(device, info)| (*device, info.agent)).collect(),
        disputed: access.disputed().clone(),
        uncountersigned: access.uncountersigned().clone(),
        units: access
            .units()
            .iter()
            .filter(|(_, info)| !info.revoked)
            .map(|(id, info)| (*id, info.name.clone()))
            .collect(),
        rooms,
        memberships: access
            .agents()
            .keys()
            .flat_map(|agent| access.units_of(*agent).map(|unit| (*agent, unit)))
            .collect(),
        permits,
        equivocations: log.equivocations().collect(),
    }
}
