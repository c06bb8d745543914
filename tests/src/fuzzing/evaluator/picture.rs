//! All that can be asked of a control log and must not depend on the order in which it came.

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::control::{
    AgentInfo, Alarm, ControlLog, DeviceInfo, Ended, RoomInfo, UnitInfo,
};
use conclave_protocol::envelope::EnterBody;
use conclave_protocol::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use conclave_protocol::object::{Field, Payload, Principal};

use super::writer::keys;

/// For one device and one room: its agent, whether it is live, and its ways in.
type StandingSeen = (Option<AgentId>, bool, BTreeSet<Vec<Ended>>);

macro_rules! picture {
    ($($(#[$doc:meta])* $field:ident: $type:ty),* $(,)?) => {
        /// See the module.
        #[derive(Clone, Debug, PartialEq)]
        pub(super) struct Picture { $($(#[$doc])* $field: $type),* }

        impl Picture {
            /// The first part that differs, on both sides.
            pub(super) fn difference(&self, other: &Self) -> Option<(&str, String, String)> {
                $(if self.$field != other.$field {
                    let name = stringify!($field);
                    return Some((
                        name,
                        format!("{:#?}", self.$field),
                        format!("{:#?}", other.$field),
                    ));
                })*
                None
            }
        }
    };
}

picture! {
    carried: BTreeMap<ObjectId, u32>,
    order: BTreeSet<(u64, ObjectId)>,
    digest: (ObjectId, (u64, ObjectId)),
    in_force: BTreeSet<ObjectId>,
    effective: BTreeSet<ObjectId>,
    root_keys: Vec<DeviceId>,
    /// What hits a grant, or holds something else out.
    ended: BTreeMap<ObjectId, BTreeSet<ObjectId>>,
    agents: BTreeMap<AgentId, AgentInfo>,
    devices: BTreeMap<DeviceId, DeviceInfo>,
    disputed: BTreeSet<DeviceId>,
    uncountersigned: BTreeSet<DeviceId>,
    units: BTreeMap<UnitId, UnitInfo>,
    rooms: BTreeMap<RoomId, RoomInfo>,
    units_of: BTreeMap<AgentId, BTreeSet<UnitId>>,
    principals: BTreeMap<RoomId, BTreeSet<Principal>>,
    /// The grants and permits in force.
    grants: BTreeSet<ObjectId>,
    with_access: BTreeMap<RoomId, BTreeSet<AgentId>>,
    proved: BTreeSet<(AgentId, RoomId)>,
    standings: BTreeMap<(DeviceId, RoomId), StandingSeen>,
    enters: BTreeMap<(DeviceId, RoomId), Option<EnterBody>>,
    fields: BTreeMap<ObjectId, Vec<ObjectId>>,
    alarms: BTreeSet<Alarm>,
}

impl Picture {
    pub(super) fn of(log: &ControlLog) -> Self {
        let access = log.access();
        let carried: BTreeMap<ObjectId, u32> = log
            .ids()
            .filter(|id| log.counts(*id))
            .filter_map(|id| log.rank(id).map(|rank| (id, rank)))
            .collect();
        let counting = |keep: &dyn Fn(ObjectId) -> bool| -> BTreeSet<ObjectId> {
            log.ids().filter(|id| keep(*id)).collect()
        };
        let payload = |id: ObjectId| log.get(id).map(|object| &object.payload);
        let ended = |id: &ObjectId| match payload(*id) {
            Some(Payload::AdminGrant(_)) => log.hits(*id),
            _ => log.revokes_on(*id),
        };
        let rooms = || access.rooms().keys().copied();
        let agents = || access.agents().keys().copied();
        let pairs = || keys().flat_map(move |key| rooms().map(move |room| (key, room)));
        let grants = counting(&|id| match payload(id) {
            Some(Payload::MemberGrant(g)) => log.member_grants(g.agent, g.unit).contains(&id),
            Some(Payload::Permit(p)) => log.permits(p.room, p.principal).contains(&id),
            _ => false,
        });
        let fields = carried
            .keys()
            .flat_map(|id| [Field::Name, Field::Topic, Field::Active].map(|field| (*id, field)));
        let mut current: BTreeMap<ObjectId, Vec<ObjectId>> = BTreeMap::new();
        for (id, field) in fields {
            current.entry(id).or_default().extend(log.current_fields(id, field));
        }
        Self {
            order: log.order().iter().collect(),
            digest: (log.digest(), log.summary()),
            in_force: counting(&|id| log.in_force(id)),
            effective: counting(&|id| log.is_effective(id)),
            root_keys: log.root_keys(),
            ended: carried.keys().map(|id| (*id, ended(id).into_iter().collect())).collect(),
            agents: access.agents().clone(),
            devices: access.devices().clone(),
            disputed: access.disputed().clone(),
            uncountersigned: access.uncountersigned().clone(),
            units: access.units().clone(),
            rooms: access.rooms().clone(),
            units_of: agents().map(|agent| (agent, access.units_of(agent).collect())).collect(),
            principals: rooms().map(|room| (room, access.principals(room).collect())).collect(),
            grants,
            with_access: rooms().map(|room| (room, access.with_access(room))).collect(),
            proved: agents()
                .flat_map(|agent| rooms().map(move |room| (agent, room)))
                .filter(|(agent, room)| log.is_proved(*agent, *room))
                .collect(),
            standings: pairs().map(|pair| (pair, standing(log, pair))).collect(),
            enters: pairs().map(|(key, room)| ((key, room), log.enter_body(key, room))).collect(),
            fields: current,
            alarms: log.alarms(),
            carried,
        }
    }
}

fn standing(log: &ControlLog, (key, room): (DeviceId, RoomId)) -> StandingSeen {
    let standing = log.standing(key, room);
    let sorted = |mut way: Vec<Ended>| {
        way.sort_unstable();
        way
    };
    (standing.agent, standing.live, standing.ways.into_iter().map(sorted).collect())
}

/// What must hold in every single log.
pub(super) fn check(log: &ControlLog) {
    let access = log.access();
    for (_, id) in log.order().iter() {
        let references = log.get(id).map(|object| object.references()).unwrap_or_default();
        for reference in references {
            let height = log.get(reference).map_or(1, |object| object.header.height);
            assert!(log.order().contains(&(height, reference)), "{id:?} lacks what it refers to");
        }
    }
    for id in log.ids() {
        let counts = log.counts(id);
        let height = log.get(id).map_or(1, |object| object.header.height);
        assert!(!counts || log.order().contains(&(height, id)), "{id:?} is not reconciled");
        assert!(counts || !log.in_force(id), "{id:?} is void and in force");
        assert!(counts || !log.is_effective(id), "{id:?} is void and has an effect");
    }
    let mut unknown = [RoomId([0; 32])].into_iter().chain(access.rooms().keys().copied());
    assert!(unknown.all(|room| {
        keys().all(|key| device_stands(log, key, room))
            && access.agents().keys().all(|agent| {
                let has = access.has_access(*agent, room);
                assert_eq!(access.with_access(room).contains(agent), has, "{agent:?} in {room:?}");
                assert_eq!(access.via(*agent, room).is_empty(), !has, "{agent:?} in {room:?}");
                assert!(!has || log.is_proved(*agent, room), "{agent:?} in {room:?} by no way");
                true
            })
    }));
    let of_agents: BTreeSet<(DeviceId, AgentId)> = access
        .agents()
        .iter()
        .flat_map(|(agent, info)| info.devices.iter().map(move |device| (*device, *agent)))
        .collect();
    let live = access.devices().iter().map(|(device, info)| (*device, info.agent));
    assert_eq!(of_agents, live.collect(), "devices of agents");
    for (device, info) in access.devices() {
        assert!(access.is_live(info.agent), "{device:?} is live, its agent is not");
        assert!(!access.disputed().contains(device));
    }
    assert!(access.uncountersigned().iter().all(|key| access.devices().contains_key(key)));
    names(log);
}

fn device_stands(log: &ControlLog, key: DeviceId, room: RoomId) -> bool {
    let has = log.access().device_has_access(key, room);
    let standing = log.standing(key, room);
    assert_eq!(standing.live, has, "{key:?} in {room:?}");
    assert!(!standing.live || standing.ways.is_empty());
    // Somebody without access whom nothing ended would be let in.
    let ended = standing.ways.iter().all(|way| !way.is_empty());
    assert!(ended, "{key:?} has no access to {room:?}, and nothing ended it");
    let enter = log.enter_body(key, room);
    assert_eq!(enter.is_some(), has, "{key:?} in {room:?} has a way to say");
    assert!(enter.is_none_or(|body| log.enter_fits(key, room, &body)));
    assert!(log.revokes_against(key, room).iter().all(|id| log.holds(*id)));
    true
}

/// Shown names lead to what shows them, and nothing else shows the same.
fn names(log: &ControlLog) {
    let access = log.access();
    for (agent, info) in access.agents().iter().filter(|(_, info)| info.live) {
        assert_eq!(access.select_agent(&info.name), Some(*agent), "agent {}", info.name);
    }
    for (room, info) in access.rooms().iter().filter(|(_, info)| !info.revoked) {
        assert_eq!(access.select_room(&info.name), Some(*room), "room {}", info.name);
    }
}
