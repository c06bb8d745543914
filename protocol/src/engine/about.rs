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

    /// The root key that may sign now, and the commitment to the key that may replace it; none
    /// if the recovery phrase has no further key.
    ///
    /// # Errors
    /// If this device is not a member.
    pub fn root_line(&self) -> Result<Option<(DeviceId, ObjectId)>, Failure> {
        let log = self.log()?;
        let commitment = log.recovery_commitment().filter(|hash| *hash != ObjectId::default());
        Ok(log.root().map(|(key, _)| key).zip(commitment))
    }

    /// The deleted unit or room of a name that nothing in use bears: what `ratify` can bring back
    /// by name. None if several bore it.
    #[must_use]
    pub fn deleted(&self, selector: &str) -> Option<ObjectId> {
        match selector.strip_prefix("room:") {
            Some(room) => self.deleted_room(room).map(Into::into),
            None => self.deleted_unit(selector).map(Into::into),
        }
    }
}
