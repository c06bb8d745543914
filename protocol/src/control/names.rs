//! Names: who shows which, full names of units, and the way from a typed name to an id.

use std::collections::{BTreeMap, BTreeSet};

use super::Access;
use crate::id::{AgentId, ObjectId, RoomId, UnitId};
use crate::name::{normal_form, normalize_name};
use crate::object::{Principal, UnitKind};

/// The name of the built-in Role; reserved.
pub(super) const ROLE_AGENT: &str = "Agent";
/// Digits of the id that tell two bearers of one name apart.
const SUFFIX_DIGITS: usize = 8;

/// Among whom a name should be unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Namespace {
    Agents,
    Rooms,
    Units(UnitKind, Option<UnitId>),
}

/// Live agents, rooms and units by name, in normalisation form C. The first of a name by (rank, id) shows it plain; the
/// others show it with `:` and the first digits of their id, which no name can hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NameTable {
    bearers: BTreeMap<(Namespace, String), BTreeSet<(u32, ObjectId)>>,
    listed: BTreeMap<ObjectId, (Namespace, String, u32)>,
}

impl NameTable {
    /// Lists a bearer, or takes it out; gives those whose shown name may be another now.
    pub(super) fn set(
        &mut self,
        id: ObjectId,
        entry: Option<(Namespace, String, u32)>,
    ) -> BTreeSet<ObjectId> {
        let mut affected = BTreeSet::from([id]);
        if self.listed.get(&id) == entry.as_ref() {
            return affected;
        }
        if let Some((space, name, rank)) = self.listed.remove(&id) {
            let key = (space, normal_form(&name));
            if let Some(bearers) = self.bearers.get_mut(&key) {
                bearers.remove(&(rank, id));
                affected.extend(bearers.first().map(|(_, id)| *id));
                if bearers.is_empty() {
                    self.bearers.remove(&key);
                }
            }
        }
        if let Some((space, name, rank)) = entry {
            let bearers = self.bearers.entry((space, normal_form(&name))).or_default();
            affected.extend(bearers.first().map(|(_, id)| *id));
            bearers.insert((rank, id));
            self.listed.insert(id, (space, name, rank));
        }
        affected
    }

    /// What a listed bearer shows.
    pub(super) fn shown(&self, id: ObjectId) -> Option<String> {
        let (space, name, _) = self.listed.get(&id)?;
        let first = self.bearers.get(&(*space, normal_form(name)))?.first()?.1;
        Some(if first == id { name.clone() } else { format!("{name}:{}", digits(id)) })
    }

    /// The bearer of a shown name.
    fn find(&self, space: Namespace, typed: &str) -> Option<ObjectId> {
        let (plain, suffix) = match typed.rsplit_once(':') {
            Some((plain, suffix)) => (plain, Some(suffix)),
            None => (typed, None),
        };
        let bearers = self.bearers.get(&(space, normalize_name(plain).ok()?))?;
        let mut ids = bearers.iter().map(|(_, id)| *id);
        match suffix {
            None => ids.next(),
            Some(suffix) => ids.find(|id| digits(*id) == suffix),
        }
    }
}

fn digits(id: ObjectId) -> String {
    id.to_string().chars().take(SUFFIX_DIGITS).collect()
}

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

    /// A unit in use by kind, Department and shown name.
    #[must_use]
    pub fn unit_named(&self, kind: UnitKind, parent: Option<UnitId>, name: &str) -> Option<UnitId> {
        self.names.find(Namespace::Units(kind, parent), name).map(UnitId::from)
    }

    /// A live agent by shown name; without one, a dismissed agent that bore it.
    #[must_use]
    pub fn agent_named(&self, name: &str) -> Option<AgentId> {
        let live = self.names.find(Namespace::Agents, name).map(AgentId::from);
        live.or_else(|| {
            let name = normalize_name(name).ok()?;
            let mut gone = self.agents().iter().filter(|(_, agent)| !agent.live);
            gone.find(|(_, agent)| agent.name == name).map(|(id, _)| *id)
        })
    }

    /// An agent by shown name (with or without `agent:`) or id.
    #[must_use]
    pub fn select_agent(&self, typed: &str) -> Option<AgentId> {
        let typed = typed.strip_prefix("agent:").unwrap_or(typed);
        if let Ok(id) = typed.parse::<AgentId>() {
            return self.agents().contains_key(&id).then_some(id);
        }
        self.agent_named(typed)
    }

    /// A room by shown name (with or without `room:`) or id.
    #[must_use]
    pub fn select_room(&self, typed: &str) -> Option<RoomId> {
        let typed = typed.strip_prefix("room:").unwrap_or(typed);
        if let Ok(id) = typed.parse::<RoomId>() {
            return self.rooms().contains_key(&id).then_some(id);
        }
        self.names.find(Namespace::Rooms, typed).map(RoomId::from)
    }
}

fn found<T>(option: Option<T>) -> Selected<T> {
    option.map_or(Selected::None, Selected::One)
}
