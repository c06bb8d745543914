//! Whom a room can be opened to, who would get in, and where an agent may go.

use std::collections::BTreeSet;

use super::Engine;
use super::command::Failure;
use crate::control::Access;
use crate::id::{AgentId, ObjectId, UnitId};
use crate::limits::PRINCIPALS_PAGE_MAX;
use crate::name::normal_form;
use crate::object::Principal;
use crate::view::{
    AccessLine, AccessPreview, AgentRef, AgentRoom, OwnAuthority, PermittedView, PrincipalView,
};

impl Engine {
    /// Who would get into a room with these permissions, had this device made it.
    ///
    /// # Errors
    /// If this device is not a member.
    pub fn access_preview(&self, permits: &[String]) -> Result<AccessPreview, Failure> {
        let access = self.access()?;
        let mut unknown = Vec::new();
        let mut principals: BTreeSet<Principal> = BTreeSet::new();
        for typed in permits {
            match self.find_principal(typed) {
                Ok(principal) => drop(principals.insert(principal)),
                Err(_) => unknown.push(typed.clone()),
            }
        }
        let limit = self.limit_of_permits();
        let lets_in = |agent: AgentId, principal: Principal| match principal {
            Principal::Unit(UnitId::ROLE_AGENT) => true,
            Principal::Unit(unit) => access.is_member(agent, unit),
            Principal::Agent(named) => {
                let within = |unit: &UnitId| access.is_member(agent, *unit);
                named == agent && limit.as_ref().is_none_or(|units| units.iter().any(within))
            }
        };
        let line = |agent: AgentId| {
            let via = principals.iter().filter(|principal| lets_in(agent, **principal));
            let via: Vec<String> = via.map(|principal| access.label(*principal)).collect();
            (!via.is_empty()).then(|| AccessLine {
                agent: self.agent_ref(agent),
                via,
                present: false,
            })
        };
        let mut agents: Vec<AccessLine> = live(access).filter_map(line).collect();
        agents.sort_by(|a, b| a.agent.name.cmp(&b.agent.name));
        Ok(AccessPreview { agents, unknown })
    }

    /// A permit for one agent that only admins of Departments stand behind lets the agent in while
    /// it belongs to one of them. None if this device's word has no such limit.
    fn limit_of_permits(&self) -> Option<BTreeSet<UnitId>> {
        let log = self.log().ok()?;
        let grants = log.grants_of(self.keys.device()).filter(|(_, grant)| grant.may.rooms);
        let scopes: Vec<Option<UnitId>> = grants.map(|(_, grant)| grant.scope).collect();
        if scopes.is_empty() { None } else { scopes.into_iter().collect() }
    }

    /// Whom a room can be opened to: Departments, Groups, Roles and live agents whose full name
    /// holds a text, in whatever case; such as begin with it first.
    ///
    /// # Errors
    /// If this device is not a member.
    pub fn principals(&self, text: &str) -> Result<Vec<PrincipalView>, Failure> {
        let access = self.access()?;
        let form = |text: &str| normal_form(text).to_lowercase();
        let wanted = form(text.trim());
        let alive = |agents: BTreeSet<AgentId>| {
            agents.into_iter().filter(|agent| access.is_live(*agent)).count() as u64
        };
        let everybody = UnitId::ROLE_AGENT;
        let role = Principal::Unit(everybody);
        let units = access.units().iter().filter(|(_, unit)| !unit.revoked);
        let units = units.map(|(id, unit)| (Principal::Unit(*id), unit.kind.word(), &*unit.name));
        let agents = access.agents().iter().filter(|(_, agent)| agent.live);
        let agents = agents.map(|(id, agent)| (Principal::Agent(*id), "agent", &*agent.name));
        let all = std::iter::once((role, "role", "Agent")).chain(units).chain(agents);
        let mut found: Vec<(bool, String, PrincipalView)> = Vec::new();
        for (principal, kind, name) in all {
            let label = access.label(principal);
            let (formed, own) = (form(&label), form(name));
            if !formed.contains(&wanted) {
                continue;
            }
            let begins = own.starts_with(&wanted) || formed.starts_with(&wanted);
            let id: ObjectId = match principal {
                Principal::Unit(unit) => unit.into(),
                Principal::Agent(agent) => agent.into(),
            };
            let name = name.to_owned();
            found.push((
                !begins,
                formed,
                PrincipalView { principal: label, id, kind, name, members: 0 },
            ));
        }
        found.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        found.truncate(PRINCIPALS_PAGE_MAX);
        let counted = found.into_iter().map(|(_, _, mut view)| {
            view.members = match (view.kind, UnitId::from(view.id)) {
                ("agent", _) => 1,
                (_, unit) if unit == everybody => live(access).count() as u64,
                (_, unit) => alive(access.members_of(unit)),
            };
            view
        });
        Ok(counted.collect())
    }

    /// The rooms that an agent may read and write in, by name; for admins, and of oneself.
    ///
    /// # Errors
    /// Unknown agent, or neither an admin nor oneself.
    pub fn agent_rooms(&self, selector: &str) -> Result<(AgentRef, Vec<AgentRoom>), Failure> {
        let agent = self.find_agent(selector)?;
        if self.me() != Some(agent.id) {
            self.require_admin(|_| true, "see the rooms of others")?;
        }
        let access = self.access()?;
        let rooms = access.rooms().iter().filter_map(|(id, info)| {
            let via = access.via(agent.id, *id);
            (!via.is_empty()).then(|| AgentRoom {
                room: self.room_ref(*id),
                active: info.active,
                via: via.into_iter().map(|principal| access.label(principal)).collect(),
            })
        });
        let mut rooms: Vec<AgentRoom> = rooms.collect();
        rooms.sort_by(|a, b| a.room.name.cmp(&b.room.name));
        Ok((agent, rooms))
    }

    /// What this device may do as an admin, by its most senior grant.
    pub(super) fn own_authority(&self) -> Option<OwnAuthority> {
        let log = self.log().ok()?;
        let grants = log.grants_of(self.keys.device());
        let (id, _) = grants.min_by_key(|(id, grant)| (grant.rank, grant.scope.is_some(), *id))?;
        let view = self.admin_view(log, id)?;
        Some(OwnAuthority { rank: view.rank, may: view.may, scope: view.scope })
    }
}

/// A principal that a room is open to, and whether there is still somebody whom that could let in.
pub(super) fn permitted(access: &Access, principal: Principal) -> PermittedView {
    let (id, gone) = match principal {
        Principal::Unit(unit) => {
            let deleted = access.units().get(&unit).is_none_or(|info| info.revoked);
            (unit.into(), deleted && unit != UnitId::ROLE_AGENT)
        }
        Principal::Agent(agent) => (agent.into(), !access.is_live(agent)),
    };
    PermittedView { principal: access.label(principal), id, gone }
}

fn live(access: &Access) -> impl Iterator<Item = AgentId> + '_ {
    access.agents().iter().filter(|(_, agent)| agent.live).map(|(id, _)| *id)
}
