//! Devices of agents that one of the agent's own devices has confirmed, and that wait for an
//! admin to certify them: kept by the device that confirmed them, and by the admins it told.
//!
//! Bounded, in memory only, and no longer than a request to join: nothing of it enters the log
//! before an admin says yes.

use std::collections::BTreeMap;

use crate::id::{AgentId, DeviceId};
use crate::join::Newcomer;
use crate::limits::{CONFIRMED_MAX, CONFIRMED_PER_AGENT_MAX, JOIN_REQUEST_MS};
use crate::object::{Countersignature, SignatureBytes};
use crate::time::Timestamp;

/// A device that was confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmedDevice {
    /// Whose it is to be.
    pub agent: AgentId,
    /// The device; its name is that of the agent.
    pub newcomer: Newcomer,
    /// Its own signature over [`crate::keys::device_statement`].
    pub proof: SignatureBytes,
    /// That of the device which confirmed it.
    pub countersignature: Countersignature,
    /// The safety code that both of them showed.
    pub code: String,
}

/// How it went to put a device on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is on the list.
    Waiting,
    /// It was refused here.
    Refused,
    /// Too many wait.
    Busy,
}

/// Devices that wait to be certified.
#[derive(Clone, Debug, Default)]
pub struct ConfirmedDevices {
    waiting: BTreeMap<DeviceId, (ConfirmedDevice, Timestamp)>,
    /// Which were refused, and until when that is remembered.
    refused: BTreeMap<DeviceId, Timestamp>,
}

impl ConfirmedDevices {
    /// Those that have not lapsed, each with when it does.
    pub fn open(&self, now: Timestamp) -> impl Iterator<Item = (&ConfirmedDevice, Timestamp)> {
        self.waiting
            .values()
            .filter(move |(_, until)| *until > now)
            .map(|(device, until)| (device, *until))
    }

    /// Whether exactly this is on the list: then nothing of it needs to be checked once more.
    #[must_use]
    pub fn holds(&self, device: &ConfirmedDevice, now: Timestamp) -> bool {
        self.open(now).any(|(held, _)| held == device)
    }

    /// Puts a device on the list, in place of what it said before; it does not live longer by being
    /// said again.
    pub fn note(&mut self, device: ConfirmedDevice, now: Timestamp) -> Noted {
        self.forget_expired(now);
        let key = device.newcomer.device;
        if self.refused.contains_key(&key) {
            return Noted::Refused;
        }
        if let Some((held, until)) = self.waiting.get_mut(&key) {
            // A second agent does not take a device over from the first.
            if held.agent != device.agent {
                return Noted::Busy;
            }
            if held.code != device.code {
                *until = now.plus_ms(JOIN_REQUEST_MS);
            }
            *held = device;
            return Noted::Waiting;
        }
        let of_agent = self.waiting.values().filter(|(d, _)| d.agent == device.agent).count();
        if self.waiting.len() >= CONFIRMED_MAX || of_agent >= CONFIRMED_PER_AGENT_MAX {
            return Noted::Busy;
        }
        self.waiting.insert(key, (device, now.plus_ms(JOIN_REQUEST_MS)));
        Noted::Waiting
    }

    /// The user confirms a device anew: an earlier refusal is over.
    pub fn allow(&mut self, device: DeviceId) {
        self.refused.remove(&device);
    }

    /// It is certified, or nobody waits for it any more.
    pub fn remove(&mut self, device: DeviceId) -> bool {
        self.waiting.remove(&device).is_some()
    }

    /// It is refused, and not taken again for a while.
    pub fn refuse(&mut self, device: DeviceId, now: Timestamp) -> bool {
        self.forget_expired(now);
        if self.waiting.remove(&device).is_none() {
            return false;
        }
        if self.refused.len() >= CONFIRMED_MAX {
            let oldest = self.refused.iter().min_by_key(|(_, at)| **at).map(|(device, _)| *device);
            oldest.map(|device| self.refused.remove(&device));
        }
        self.refused.insert(device, now.plus_ms(JOIN_REQUEST_MS));
        true
    }

    /// The wall clock was set back.
    pub fn clock_went_back(&mut self, ms: u64) {
        for (_, until) in self.waiting.values_mut() {
            *until = until.minus_ms(ms);
        }
        for until in self.refused.values_mut() {
            *until = until.minus_ms(ms);
        }
    }

    fn forget_expired(&mut self, now: Timestamp) {
        self.waiting.retain(|_, (_, until)| *until > now);
        self.refused.retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ObjectId;

    const NOW: Timestamp = Timestamp(60_000);

    fn device(n: u8, agent: u8) -> ConfirmedDevice {
        let signature = SignatureBytes([n; 64]);
        ConfirmedDevice {
            agent: AgentId([agent; 32]),
            newcomer: Newcomer {
                device: DeviceId([n; 32]),
                sealing: ObjectId([n; 32]),
                name: "alice".into(),
            },
            proof: signature,
            countersignature: Countersignature { device: DeviceId([agent; 32]), signature },
            code: "AAAA-AAAA".into(),
        }
    }

    #[test]
    fn one_agent_leaves_room_for_the_others_and_all_lapse() {
        let mut list = ConfirmedDevices::default();
        let (per_agent, all) = (CONFIRMED_PER_AGENT_MAX as u8, CONFIRMED_MAX as u8);
        for n in 0..per_agent {
            assert_eq!(list.note(device(n, 1), NOW), Noted::Waiting);
        }
        assert_eq!(list.note(device(per_agent, 1), NOW), Noted::Busy);
        assert_eq!(list.note(device(0, 2), NOW), Noted::Busy, "no other takes it over");
        for n in per_agent..all {
            assert_eq!(list.note(device(n, 2 + n / per_agent), NOW), Noted::Waiting);
        }
        assert_eq!(list.note(device(all, 250), NOW), Noted::Busy);
        // What is said again does not live longer by that.
        let later = NOW.plus_ms(JOIN_REQUEST_MS - 1);
        assert_eq!(list.note(device(0, 1), later), Noted::Waiting);
        assert!(list.holds(&device(0, 1), later));
        assert_eq!(list.open(NOW.plus_ms(JOIN_REQUEST_MS)).count(), 0);
        assert_eq!(list.note(device(all, 250), NOW.plus_ms(JOIN_REQUEST_MS)), Noted::Waiting);
    }

    #[test]
    fn what_is_refused_does_not_come_back_by_being_said_again() {
        let mut list = ConfirmedDevices::default();
        assert!(!list.refuse(device(1, 1).newcomer.device, NOW), "nobody asked");
        list.note(device(1, 1), NOW);
        assert!(list.refuse(device(1, 1).newcomer.device, NOW));
        assert_eq!(list.note(device(1, 1), NOW), Noted::Refused);
        list.allow(device(1, 1).newcomer.device);
        assert_eq!(list.note(device(1, 1), NOW), Noted::Waiting);
    }
}
