//! Full names of units and the way from a typed name to an id.

use super::Access;
use crate::id::{AgentId, ObjectId, RoomId, UnitId};
use crate::name::normalize_name;
use crate::object::{Principal, UnitKind};

/// The name of the built-in Role; reserved.
pub(super) const ROLE_AGENT: &str = "Agent";

/// What a typed name led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected<T> {
    /// Exactly one.
    One(T),
    /// None of that name.
    None,
    /// The text is no full name; the hint says what one looks like.
    NotAName,
}

/// Whether a text is written like an id.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.parse::<ObjectId>().is_ok()
}

impl Access {
    /// The full name of a principal, such as `group:Support/Front Line`.
    #[must_use]
    pub fn label(&self, principal: Principal) -> String {
        match principal {
            Principal::Unit(UnitId::ROLE_AGENT) => format!("role:{ROLE_AGENT}"),
            Principal::Unit(unit) => self.unit_label(unit),
            Principal::Agent(agent) => match self.agents().get(&agent) {
                Some(info) => format!("agent:{}", info.name),
                None => format!("agent:{agent}"),
            },
        }
    }

    /// The full name of a unit.
    #[must_use]
    pub fn unit_label(&self, unit: UnitId) -> String {
        let Some(info) = self.units().get(&unit) else {
            return format!("unit:{unit}");
        };
        let parent = info.parent.and_then(|parent| self.units().get(&parent));
        match parent {
            Some(parent) => format!("{}:{}/{}", info.kind.word(), parent.name, info.name),
            None => format!("{}:{}", info.kind.word(), info.name),
        }
    }

    /// A unit by full name or id.
    #[must_use]
    pub fn select_unit(&self, typed: &str) -> Selected<UnitId> {
        match self.select_principal(typed) {
            Selected::One(Principal::Unit(unit)) => Selected::One(unit),
            Selected::One(Principal::Agent(_)) | Selected::NotAName => Selected::NotAName,
            Selected::None => Selected::None,
        }
    }

    /// A unit or agent by full name or id.
    #[must_use]
    pub fn select_principal(&self, typed: &str) -> Selected<Principal> {
        if let Ok(id) = typed.parse::<ObjectId>() {
            let (unit, agent) = (UnitId::from(id), AgentId::from(id));
            return if unit == UnitId::ROLE_AGENT || self.units().contains_key(&unit) {
                Selected::One(Principal::Unit(unit))
            } else if self.agents().contains_key(&agent) {
                Selected::One(Principal::Agent(agent))
            } else {
                Selected::None
            };
        }
        let Some((kind, name)) = typed.split_once(':') else {
            return Selected::NotAName;
        };
        // An id may stand behind the kind too.
        if is_id(name) && !matches!(self.select_principal(name), Selected::None) {
            return match self.select_principal(name) {
                Selected::One(principal) if self.is_of_kind(principal, kind) => {
                    Selected::One(principal)
                }
                _ => Selected::None,
            };
        }
        let unit = |kind, name: &str| found(self.unit_named(kind, None, name).map(Principal::Unit));
        match kind {
            "department" => unit(UnitKind::Department, name),
            "role" if name == ROLE_AGENT => Selected::One(Principal::Unit(UnitId::ROLE_AGENT)),
            "role" => unit(UnitKind::Role, name),
            "group" => {
                let Some((department, name)) = name.split_once('/') else {
                    return Selected::NotAName;
                };
                found(
                    self.unit_named(UnitKind::Department, None, department)
                        .and_then(|parent| self.unit_named(UnitKind::Group, Some(parent), name))
                        .map(Principal::Unit),
                )
            }
            "agent" => found(self.agent_named(name).map(Principal::Agent)),
            _ => Selected::NotAName,
        }
    }

    fn is_of_kind(&self, principal: Principal, kind: &str) -> bool {
        match principal {
            Principal::Unit(UnitId::ROLE_AGENT) => kind == UnitKind::Role.word(),
            Principal::Unit(unit) => self.units().get(&unit).is_some_and(|u| u.kind.word() == kind),
            Principal::Agent(_) => kind == "agent",
        }
    }

    /// A unit by kind, Department and plain name.
    #[must_use]
    pub fn unit_named(&self, kind: UnitKind, parent: Option<UnitId>, name: &str) -> Option<UnitId> {
        let name = normalize_name(name).ok()?;
        self.units()
            .iter()
            .find(|(_, u)| u.kind == kind && u.parent == parent && u.name == name)
            .map(|(id, _)| *id)
    }

    /// An agent by display name.
    #[must_use]
    pub fn agent_named(&self, name: &str) -> Option<AgentId> {
        let name = normalize_name(name).ok()?;
        self.agents().iter().find(|(_, a)| a.name == name).map(|(id, _)| *id)
    }

    /// An agent by display name (with or without `agent:`) or id.
    #[must_use]
    pub fn select_agent(&self, typed: &str) -> Option<AgentId> {
        let typed = typed.strip_prefix("agent:").unwrap_or(typed);
        if let Ok(id) = typed.parse::<AgentId>() {
            return self.agents().contains_key(&id).then_some(id);
        }
        self.agent_named(typed)
    }

    /// A room by name (with or without `room:`) or id.
    #[must_use]
    pub fn select_room(&self, typed: &str) -> Option<RoomId> {
        let typed = typed.strip_prefix("room:").unwrap_or(typed);
        if let Ok(id) = typed.parse::<RoomId>() {
            return self.rooms().contains_key(&id).then_some(id);
        }
        let name = normalize_name(typed).ok()?;
        self.rooms().iter().find(|(_, r)| r.name == name).map(|(id, _)| *id)
    }
}

fn found<T>(option: Option<T>) -> Selected<T> {
    option.map_or(Selected::None, Selected::One)
}
