//! Alarms in words: what is the matter, and what an admin should do.

use super::Engine;
use crate::control::{Alarm, ControlLog};
use crate::id::{DeviceId, ObjectId};
use crate::view::AlarmView;

impl Engine {
    pub(super) fn alarm_views(&self, control: &ControlLog) -> Vec<AlarmView> {
        let control_alarms = control.alarms();
        let views = control_alarms.iter().map(|alarm| self.alarm_view(control, alarm));
        views
            .chain(self.fork_alarms(control))
            .chain(self.split_alarms(control))
            .chain(self.conflict_alarms(control))
            .collect()
    }

    /// Who gave this device another key than it announced to all.
    fn split_alarms(&self, control: &ControlLog) -> Vec<AlarmView> {
        let open = self.topics.values();
        let rooms = open.filter_map(|room| Some((*room, self.rooms.get(room)?)));
        let mut splits: Vec<(DeviceId, crate::id::RoomId)> = rooms
            .flat_map(|(room, state)| state.log.epochs.splits().map(move |(by, _)| (by, room)))
            .collect();
        splits.sort_unstable();
        splits.dedup();
        let view = |(device, room): (DeviceId, crate::id::RoomId)| AlarmView {
            kind: "split_key",
            message: format!(
                "{} began an epoch in {} and sealed another key for this device than for others, \
                 or none: some could not read what others could. A new key has been made; if it \
                 happens again, ask its owner, and revoke the device with `conclave agent revoke \
                 NAME --device {device}`",
                self.device_words(control, device),
                control.describe(room.into()),
            ),
            objects: control
                .agents_of_device(device)
                .flat_map(|agent| control.certs_of(device, agent))
                .collect(),
        };
        splits.into_iter().map(view).collect()
    }

    /// What admins changed apart. Only for admins: the names of rooms are not for everybody.
    fn conflict_alarms(&self, control: &ControlLog) -> Vec<AlarmView> {
        if self.own_authority().is_none() {
            return Vec::new();
        }
        let words = |id: &ObjectId| {
            // No device is at fault here, so none is named.
            let author = control.get(*id).map(|object| object.header.author);
            let agent = author.and_then(|device| control.agents_of_device(device).next());
            let agent = agent.map_or("the root key".to_owned(), |agent| self.agent_ref(agent).name);
            format!("{agent} {}", control.describe(*id))
        };
        let view = |objects: Vec<ObjectId>| {
            let all: Vec<String> = objects.iter().map(words).collect();
            let message = format!(
                "changed apart, without knowing of one another: {}. The first one counts, by rank; \
                 make the change that you want once more to settle it",
                all.join("; ")
            );
            AlarmView { kind: "conflicting_changes", message, objects }
        };
        control.conflicting_fields().into_iter().map(view).collect()
    }

    fn alarm_view(&self, control: &ControlLog, alarm: &Alarm) -> AlarmView {
        let (message, objects) = match alarm {
            Alarm::Equivocation { device, seq } => (
                format!(
                    "{} signed two control objects at place {seq} of its chain: its key may be \
                     in two hands. Ask its owner; if the laptop was copied or stolen, end its \
                     authority with `conclave admin revoke`",
                    self.device_words(control, *device)
                ),
                control.at_place(*device, *seq).collect(),
            ),
            Alarm::RootFork { rotations } => (
                "the recovery phrase was used twice, with different last good objects of the old \
                 root; only what both leave counts. If it was not you both times, somebody else has \
                 the phrase: plan a new company, and see `conclave log` for what they did"
                    .to_owned(),
                rotations.clone(),
            ),
            Alarm::DuelOfEquals { revoke } => (
                format!(
                    "{} tried this against an equal, which has no effect: {}. Let a more senior \
                     admin, or whoever holds the root key, decide who stays, with `conclave admin \
                     revoke`",
                    self.author_words(control, *revoke),
                    control.describe(*revoke)
                ),
                vec![*revoke],
            ),
            Alarm::PowerlessRevoke { revoke } => (
                format!(
                    "{} tried this against a more senior admin, which has no effect: {}. If that \
                     was not a mistake, end the junior's authority with `conclave admin revoke`",
                    self.author_words(control, *revoke),
                    control.describe(*revoke)
                ),
                vec![*revoke],
            ),
            Alarm::Uncountersigned { device, agent } => (
                format!(
                    "device {device} was certified for {} without being confirmed by another \
                     device of theirs. Ask them whether it is theirs; if not, revoke it with \
                     `conclave agent revoke … --device {device}` and look at who certified it",
                    self.agent_ref(*agent).name
                ),
                control.certs_of(*device, *agent).collect(),
            ),
            Alarm::DisputedKey { device, agents } => {
                let names: Vec<String> = agents.iter().map(|a| self.agent_ref(*a).name).collect();
                let certs = agents.iter().flat_map(|a| control.certs_of(*device, *a));
                (
                    format!(
                        "device {device} is certified for {} and is live for none of them until \
                         one certificate is revoked: `conclave agent revoke NAME --device {device}` \
                         for the wrong name",
                        names.join(" and ")
                    ),
                    certs.collect(),
                )
            }
        };
        AlarmView { kind: alarm.word(), message, objects }
    }

    fn author_words(&self, control: &ControlLog, object: ObjectId) -> String {
        control
            .get(object)
            .map_or_else(String::new, |o| self.device_words(control, o.header.author))
    }

    /// Whose device, in words.
    pub(super) fn device_words(&self, control: &ControlLog, device: DeviceId) -> String {
        if control.is_root_key(device) {
            return "the root key".to_owned();
        }
        let short: String = device.to_string().chars().take(12).collect();
        let agent = control.access().agent_of(device);
        match agent.or_else(|| control.agents_of_device(device).next()) {
            Some(agent) => format!("{} (device {short})", self.agent_ref(agent).name),
            None => format!("device {short}"),
        }
    }
}
