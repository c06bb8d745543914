//! What a command is about: looked up before it is carried out, since afterwards it may be gone.

use super::Engine;
use super::command::Failure;
use crate::id::{DeviceId, ObjectId};
use crate::object::UnitKind;
use crate::view::{AlarmView, UnitView};

impl Engine {
    /// A unit by full name or id.
    ///
    /// # Errors
    /// If there is none, it was deleted, or this device is not a member.
    pub fn unit(&self, selector: &str) -> Result<UnitView, Failure> {
        let id = self.find_unit(selector)?;
        let access = self.access()?;
        let kind = access.units().get(&id).map_or(UnitKind::Role, |unit| unit.kind);
        Ok(UnitView { id, kind, label: access.unit_label(id) })
    }

    /// What needs attention.
    #[must_use]
    pub fn alarms(&self) -> Vec<AlarmView> {
        let control = self.control.as_ref().filter(|_| self.member);
        control.map(|control| self.alarm_views(control)).unwrap_or_default()
    }

    /// The root key that may sign now, and the hash of the key that may replace it; none while
    /// the root is frozen.
    ///
    /// # Errors
    /// If this device is not a member.
    pub fn root_line(&self) -> Result<Option<(DeviceId, ObjectId)>, Failure> {
        let log = self.log()?;
        Ok(log.root().map(|(key, _)| key).zip(log.recovery_commitment()))
    }

    /// The deleted unit or room of a name that nothing in use bears: what `ratify` can bring back
    /// by name. None if several bore it.
    #[must_use]
    pub fn deleted(&self, selector: &str) -> Option<ObjectId> {
        let access = self.access().ok()?;
        let (kind, name) = selector.split_once(':')?;
        let found: Vec<ObjectId> = if kind == "room" {
            let rooms = access.rooms().iter();
            rooms.filter(|(_, r)| r.revoked && r.name == name).map(|(id, _)| (*id).into()).collect()
        } else {
            let units = access.units().iter().filter(|(_, unit)| unit.revoked);
            let named = units.filter(|(id, _)| access.unit_label(**id) == selector);
            named.map(|(id, _)| (*id).into()).collect()
        };
        match found.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }
}
