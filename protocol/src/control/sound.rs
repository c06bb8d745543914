//! Whether an object is sound: what can be decided once, from the object and what it refers to.
//!
//! The rules stand in `docs/decisions/0009-authority.md`, in the same order.

use super::names::ROLE_AGENT;
use super::nodes::{Ix, Nodes};
use crate::id::{DeviceId, ObjectId, UnitId};
use crate::keys::recovery_hash;
use crate::object::{
    AdminGrant, Capabilities, ControlCut, ControlObject, FieldValue, Payload, Permit, Principal,
    Revoke, RevokeMode, UnitKind,
};

/// Why an object is not sound; it is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsound {
    /// The authority it cites could not issue it.
    NoAuthority,
    /// Its height is not 1 + the largest height of what it refers to.
    Height,
    /// Its predecessor is not its author's object before it.
    Chain,
    /// It refers to an object of the wrong type, or a cut names another device's object.
    Reference,
}

impl Unsound {
    /// The counter in `status`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NoAuthority => "no_authority",
            Self::Height => "height_mismatch",
            Self::Chain => "chain_mismatch",
            Self::Reference => "wrong_reference",
        }
    }

    /// The reason in a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NoAuthority => "the authority that it cites could not issue it",
            Self::Height => "its height does not fit what it refers to",
            Self::Chain => "its predecessor is not its author's object before it",
            Self::Reference => "it refers to an object of the wrong kind",
        }
    }
}

/// Decides about an object whose references are all here.
pub(super) fn check(object: &ControlObject, nodes: &Nodes) -> Result<(), Unsound> {
    let heights = object.references().into_iter().filter_map(|id| nodes.find(id));
    let highest = heights.map(|ix| nodes.height(ix)).max().unwrap_or(0);
    if object.header.height != highest + 1 {
        return Err(Unsound::Height);
    }
    let chain_fits = object.header.prev.and_then(|prev| nodes.find(prev)).is_none_or(|prev| {
        nodes.author(prev) == object.header.author && nodes.seq(prev) + 1 == object.header.seq
    });
    if !chain_fits {
        return Err(Unsound::Chain);
    }
    if !references_fit(&object.payload, nodes) {
        return Err(Unsound::Reference);
    }
    check_authority(object, nodes)
}

fn references_fit(payload: &Payload, nodes: &Nodes) -> bool {
    let get = |id: ObjectId| nodes.payload_of(id);
    let agent = |id: ObjectId| matches!(get(id), Some(Payload::AgentCert(_)));
    let unit = |id: UnitId| matches!(get(id.into()), Some(Payload::UnitCreate(_)));
    let room = |id: ObjectId| matches!(get(id), Some(Payload::RoomCreate(_)));
    let department = |id: UnitId| matches!(get(id.into()), Some(Payload::UnitCreate(u)) if u.kind == UnitKind::Department);
    let revokes =
        |ids: &[ObjectId]| ids.iter().all(|id| matches!(get(*id), Some(Payload::Revoke(_))));
    match payload {
        Payload::RootRotate(r) => cut_fits(&r.cut, nodes),
        Payload::AdminGrant(g) => {
            agent(g.agent.into()) && g.scope.is_none_or(department) && revokes(&g.overrides)
        }
        Payload::UnitCreate(u) => {
            u.parent.is_none_or(department) && !(u.kind == UnitKind::Role && u.name == ROLE_AGENT)
        }
        Payload::AgentCert(_) | Payload::RoomCreate(_) => true,
        Payload::DeviceCert(c) => agent(c.agent.into()),
        Payload::MemberGrant(g) => agent(g.agent.into()) && unit(g.unit) && revokes(&g.overrides),
        Payload::Permit(p) => {
            let principal = match p.principal {
                Principal::Unit(UnitId::ROLE_AGENT) => true,
                Principal::Unit(id) => unit(id),
                Principal::Agent(id) => agent(id.into()),
            };
            room(p.room.into()) && principal && revokes(&p.overrides)
        }
        Payload::Revoke(r) => {
            let target = matches!(
                get(r.target),
                Some(
                    Payload::AdminGrant(_)
                        | Payload::AgentCert(_)
                        | Payload::DeviceCert(_)
                        | Payload::MemberGrant(_)
                        | Payload::Permit(_)
                        | Payload::UnitCreate(_)
                        | Payload::RoomCreate(_)
                )
            );
            target && r.control_cuts.iter().all(|cut| cut_fits(cut, nodes))
        }
        Payload::RoomCut(c) => {
            room(c.room.into()) && matches!(get(c.revoke), Some(Payload::Revoke(_)))
        }
        Payload::Ratify(r) => {
            let target = get(r.target).is_some_and(|p| !matches!(p, Payload::RootRotate(_)));
            target && revokes(&r.overrides)
        }
        Payload::SetField(f) => {
            let target = match &f.value {
                FieldValue::Name(_) => agent(f.target) || unit(f.target.into()) || room(f.target),
                FieldValue::Topic(_) | FieldValue::Active(_) => room(f.target),
            };
            let same = |id: &ObjectId| {
                matches!(get(*id), Some(Payload::SetField(old))
                    if old.target == f.target && old.value.field() == f.value.field())
            };
            // A Role cannot be renamed to the built-in one either.
            let reserved = matches!(&f.value, FieldValue::Name(name) if name == ROLE_AGENT)
                && matches!(get(f.target), Some(Payload::UnitCreate(u)) if u.kind == UnitKind::Role);
            target && !reserved && f.supersedes.iter().all(same)
        }
    }
}

/// A cut names the object of that device at that place.
fn cut_fits(cut: &ControlCut, nodes: &Nodes) -> bool {
    nodes.find(cut.id).is_some_and(|ix| nodes.author(ix) == cut.device && nodes.seq(ix) == cut.seq)
}

fn check_authority(object: &ControlObject, nodes: &Nodes) -> Result<(), Unsound> {
    let header = &object.header;
    let authority = nodes.find(header.authority).ok_or(Unsound::NoAuthority)?;
    if let Payload::RootRotate(rotate) = &object.payload {
        let (key, commitment) = root_of(authority, nodes).ok_or(Unsound::NoAuthority)?;
        let opens = recovery_hash(header.author, rotate.next) == commitment;
        let cut = nodes.find(rotate.cut.id).ok_or(Unsound::Reference)?;
        if rotate.cut.device != key || !nodes.is_ancestor(authority, cut) {
            return Err(Unsound::Reference);
        }
        return if opens { Ok(()) } else { Err(Unsound::NoAuthority) };
    }
    let holder = match root_of(authority, nodes) {
        Some((key, _)) => key,
        None => match nodes.payload(authority) {
            Some(Payload::AdminGrant(grant)) => grant.device,
            _ => return Err(Unsound::NoAuthority),
        },
    };
    let resigns = matches!(&object.payload, Payload::Revoke(r) if r.target == header.authority);
    let allowed = resigns || could_issue(authority, &object.payload, nodes);
    if holder == header.author && allowed { Ok(()) } else { Err(Unsound::NoAuthority) }
}

/// The root key of a `Genesis` or `RootRotate`, and the hash of the next.
fn root_of(authority: Ix, nodes: &Nodes) -> Option<(DeviceId, ObjectId)> {
    if authority == Ix::GENESIS {
        return nodes.genesis().map(|g| (g.value().root, g.value().recovery));
    }
    match nodes.payload(authority)? {
        Payload::RootRotate(rotate) => Some((nodes.author(authority), rotate.next)),
        _ => None,
    }
}

/// Whether an authority could issue a payload, judged by its content alone.
pub(super) fn could_issue(authority: Ix, payload: &Payload, nodes: &Nodes) -> bool {
    // A `Ratify` of a `Ratify` … asks for what its last target asks for.
    let mut payload = payload;
    let mut ratified = None;
    while let Payload::Ratify(ratify) = payload {
        let Some(target) = nodes.payload_of(ratify.target) else { return false };
        payload = target;
        ratified = Some(ratify.target);
    }
    match nodes.payload(authority) {
        Some(Payload::AdminGrant(grant)) => match (payload, ratified) {
            // Letting a unit or room return takes what deleting it takes.
            (Payload::UnitCreate(_) | Payload::RoomCreate(_), Some(target)) => {
                let revoke = Payload::Revoke(Revoke {
                    target,
                    control_cuts: Vec::new(),
                    keep: Vec::new(),
                    mode: RevokeMode::Depart,
                });
                admin_could_issue(grant, &revoke, nodes)
            }
            _ => admin_could_issue(grant, payload, nodes),
        },
        None | Some(Payload::RootRotate(_)) => match payload {
            Payload::AdminGrant(_) | Payload::AgentCert(_) => true,
            // It may revoke a device, so it may let it return.
            Payload::DeviceCert(_) => ratified.is_some(),
            Payload::Revoke(r) => matches!(
                nodes.payload_of(r.target),
                Some(Payload::AdminGrant(_) | Payload::AgentCert(_) | Payload::DeviceCert(_))
            ),
            _ => false,
        },
        Some(_) => false,
    }
}

pub(super) fn admin_could_issue(grant: &AdminGrant, payload: &Payload, nodes: &Nodes) -> bool {
    let may = grant.may;
    let company = grant.scope.is_none();
    let unit = |id: UnitId| may.units && (company || in_department(id, grant.scope, nodes));
    let room = |id: ObjectId| may.rooms && (company || room_scope(id, nodes) == grant.scope);
    match payload {
        Payload::RootRotate(_) | Payload::Ratify(_) => false,
        Payload::AdminGrant(other) => {
            may.admins
                && other.rank > grant.rank
                && is_within(other.may, may)
                && scope_is_within(other.scope, grant.scope)
        }
        Payload::UnitCreate(u) => {
            may.units && (company || u.parent.is_some_and(|p| Some(p) == grant.scope))
        }
        Payload::AgentCert(_) | Payload::DeviceCert(_) => may.agents && company,
        Payload::MemberGrant(g) => unit(g.unit),
        Payload::RoomCreate(_) => may.rooms,
        Payload::Permit(p) => {
            room(p.room.into()) && (company || permits_own(p, grant.scope, nodes))
        }
        Payload::RoomCut(c) => room(c.room.into()),
        Payload::Revoke(r) => match nodes.payload_of(r.target) {
            Some(Payload::AdminGrant(other)) => {
                may.admins && scope_is_within(other.scope, grant.scope)
            }
            Some(Payload::AgentCert(_) | Payload::DeviceCert(_)) => may.agents && company,
            Some(Payload::MemberGrant(g)) => unit(g.unit),
            Some(Payload::UnitCreate(_)) => unit(r.target.into()),
            Some(Payload::Permit(p)) => room(p.room.into()),
            Some(Payload::RoomCreate(_)) => room(r.target),
            _ => false,
        },
        Payload::SetField(f) => match nodes.payload_of(f.target) {
            Some(Payload::AgentCert(_)) => may.agents && company,
            Some(Payload::UnitCreate(_)) => unit(f.target.into()),
            Some(Payload::RoomCreate(_)) => room(f.target),
            _ => false,
        },
    }
}

fn is_within(inner: Capabilities, outer: Capabilities) -> bool {
    (!inner.units || outer.units)
        && (!inner.agents || outer.agents)
        && (!inner.rooms || outer.rooms)
        && (!inner.admins || outer.admins)
}

fn scope_is_within(inner: Option<UnitId>, outer: Option<UnitId>) -> bool {
    outer.is_none() || inner == outer
}

/// Whether a unit is the Department, or one of its Groups.
pub(super) fn in_department(unit: UnitId, department: Option<UnitId>, nodes: &Nodes) -> bool {
    let parent = match nodes.payload_of(unit) {
        Some(Payload::UnitCreate(u)) => u.parent,
        _ => None,
    };
    department.is_some() && (Some(unit) == department || parent == department)
}

/// The Department under whose scope a room was made, if any.
fn room_scope(room: ObjectId, nodes: &Nodes) -> Option<UnitId> {
    let create = nodes.find(room)?;
    match nodes.payload(nodes.authority(create))? {
        Payload::AdminGrant(grant) => grant.scope,
        _ => None,
    }
}

fn permits_own(permit: &Permit, department: Option<UnitId>, nodes: &Nodes) -> bool {
    match permit.principal {
        Principal::Unit(unit) => in_department(unit, department, nodes),
        // Only while it is a member, which is looked at when access is asked for.
        Principal::Agent(_) => true,
    }
}
