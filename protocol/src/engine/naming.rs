//! All names that this agent sees, to find out which of them deceive.

use super::Engine;
use super::command::Failure;
use crate::control::ControlLog;
use crate::id::ObjectId;
use crate::object::UnitKind;
use crate::view::{NameView, NamedKind};

impl Engine {
    /// The names of all agents, of units in use, and of the rooms that this agent may see; with
    /// the digest of the control log, which changes whenever they do. `None` if the digest is
    /// `known`.
    ///
    /// # Errors
    /// If this device is not a member.
    pub fn names(
        &self,
        known: Option<ObjectId>,
    ) -> Result<Option<(ObjectId, Vec<NameView>)>, Failure> {
        let access = self.access()?;
        let digest = self.control.as_ref().map(ControlLog::digest).unwrap_or_default();
        if known == Some(digest) {
            return Ok(None);
        }
        let all = self.require_admin(|may| may.rooms, "see all rooms").is_ok();
        let me = self.me();
        let agents = access.agents().iter().map(|(id, agent)| NameView {
            id: (*id).into(),
            kind: NamedKind::Agent,
            name: agent.name.clone(),
            live: agent.live,
        });
        let rooms = access
            .rooms()
            .iter()
            .filter(|(_, room)| !room.revoked)
            .filter(|(id, _)| all || me.is_some_and(|me| access.has_access(me, **id)))
            .map(|(id, room)| NameView {
                id: (*id).into(),
                kind: NamedKind::Room,
                name: room.name.clone(),
                live: true,
            });
        let units = access.units().iter().filter(|(_, unit)| !unit.revoked).map(|(id, unit)| {
            let parent = unit.parent.and_then(|parent| access.units().get(&parent));
            let name = match parent.filter(|_| unit.kind == UnitKind::Group) {
                Some(parent) => format!("{}/{}", parent.name, unit.name),
                None => unit.name.clone(),
            };
            NameView { id: (*id).into(), kind: NamedKind::Unit(unit.kind), name, live: true }
        });
        Ok(Some((digest, agents.chain(rooms).chain(units).collect())))
    }
}
