//! What commands name: devices, places in chains, messages, and what can be ratified.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::command::{Failure, FailureKind};
use crate::id::{AgentId, DeviceId, MessageId, ObjectId, RoomId};
use crate::object::{ControlCut, Keep};

impl Engine {
    /// The last objects of devices that still count: all known ones, or up to `last_good`.
    pub(super) fn cuts(
        &self,
        devices: &[DeviceId],
        last_good: Option<&str>,
    ) -> Result<Vec<ControlCut>, Failure> {
        let log = self.log()?;
        let mut cuts: BTreeMap<DeviceId, ControlCut> = BTreeMap::new();
        if let Some(typed) = last_good {
            let id: ObjectId = typed.parse().map_err(|_| {
                Failure::new(
                    FailureKind::Usage,
                    format!("\"{typed}\" is no id of a control object"),
                    "use the `id` of the last good object that `conclave log --json` shows",
                )
            })?;
            let place = log.place_of(id).filter(|(author, _)| devices.contains(author));
            let (device, seq) = place.ok_or_else(|| {
                Failure::new(
                    FailureKind::NotFound,
                    format!("{typed} was not signed by a device whose authority this would end"),
                    "use the `id` of the last good object that `conclave log` shows",
                )
            })?;
            cuts.insert(device, ControlCut { device, seq, id });
        }
        for device in devices {
            if let Some((seq, id)) = log.tail(*device) {
                let cut = ControlCut { device: *device, seq, id };
                cuts.entry(*device).or_insert(cut);
            }
        }
        Ok(cuts.into_values().collect())
    }

    /// Messages that stand, by room.
    pub(super) fn keeps(&self, typed: &[String]) -> Result<Vec<Keep>, Failure> {
        let mut keeps: BTreeMap<RoomId, BTreeSet<MessageId>> = BTreeMap::new();
        for text in typed {
            // With its room, whoever keeps it need not hold it.
            if let Some((room, id)) = text.split_once('/')
                && let (Ok(room), Ok(id)) = (room.parse::<RoomId>(), id.parse::<MessageId>())
            {
                keeps.entry(room).or_default().insert(id);
                continue;
            }
            let id = text.parse::<MessageId>().ok();
            let rooms = || self.rooms.iter();
            let found = id.and_then(|id| {
                rooms().find(|(_, state)| state.log.get(id).is_some()).map(|(room, _)| (*room, id))
            });
            let (room, id) = found.ok_or_else(|| {
                Failure::new(
                    FailureKind::NotFound,
                    format!("there is no message \"{text}\" here"),
                    "use the `id` of the last good message that `conclave history --json` shows",
                )
            })?;
            keeps.entry(room).or_default().insert(id);
        }
        let keep = |(room, ids): (RoomId, BTreeSet<MessageId>)| Keep {
            room,
            messages: ids.into_iter().collect(),
        };
        Ok(keeps.into_iter().map(keep).collect())
    }

    /// The live devices of an agent, or the one that is named.
    pub(super) fn devices_for(
        &self,
        agent: AgentId,
        device: Option<&str>,
    ) -> Result<Vec<DeviceId>, Failure> {
        let access = self.access()?;
        let live = access.agents().get(&agent).map(|a| a.devices.clone()).unwrap_or_default();
        let devices: Vec<DeviceId> = match device {
            None => live.into_iter().collect(),
            Some(typed) => {
                let device = parse_device(typed)?;
                live.contains(&device).then_some(device).into_iter().collect()
            }
        };
        if devices.is_empty() {
            return Err(Failure::new(
                FailureKind::NotFound,
                "that agent has no such live device",
                "see `conclave agent show`",
            ));
        }
        Ok(devices)
    }

    /// What a `ratify` may name.
    pub(super) fn find_ratifiable(&self, typed: &str) -> Result<ObjectId, Failure> {
        let log = self.log()?;
        if let Ok(id) = typed.parse::<ObjectId>() {
            if log.holds(id) && ObjectId::from(log.company()) != id {
                return Ok(id);
            }
            // A device is known by its certificate.
            let device = DeviceId(id.0);
            let certs: Vec<ObjectId> = log
                .agents_of_device(device)
                .flat_map(|agent| log.certs_of(device, agent))
                .collect();
            if let [cert] = certs.as_slice() {
                return Ok(*cert);
            }
        } else if let Some(room) = typed.strip_prefix("room:") {
            return Ok(self.find_room(room).or_else(|e| self.deleted_room(room).ok_or(e))?.into());
        } else if typed.starts_with("agent:") || !typed.contains(':') {
            return Ok(self.find_agent(typed)?.id.into());
        } else {
            let unit = self.find_unit(typed);
            return Ok(unit.or_else(|e| self.deleted_unit(typed).ok_or(e))?.into());
        }
        Err(Failure::new(
            FailureKind::NotFound,
            format!("there is no control object \"{typed}\" here"),
            "use an `id` that `conclave log --json` shows, or the name of an agent, unit or room",
        ))
    }

    pub(super) fn refuse_taken(&self, taken: bool, what: &str, name: &str) -> Result<(), Failure> {
        if !taken {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Conflict,
            format!("there is {what} named \"{name}\" already"),
            "choose another name",
        ))
    }

    pub(super) fn room_name(&self, room: RoomId) -> String {
        let info = self.control.as_ref().and_then(|c| c.access().rooms().get(&room));
        info.map(|r| r.name.clone()).unwrap_or_default()
    }
}

/// A device's id as typed.
pub(super) fn parse_device(typed: &str) -> Result<DeviceId, Failure> {
    typed.parse().map_err(|_| {
        Failure::new(
            FailureKind::Usage,
            format!("\"{typed}\" is no id of a device"),
            "use a `device` that `conclave agent show --json` or `conclave admin list` shows",
        )
    })
}
