//! What the user asks for: checked in full before anything is signed.

use std::collections::BTreeSet;

use super::Engine;
use super::authoring::{not_a_member, not_admin, sign_as};
use super::command::{Command, Failure, FailureKind, Outcome};
use super::io::{CommandId, Effect};
use crate::control::{Access, ControlLog, Selected};
use crate::envelope::check_text;
use crate::id::{AgentId, ObjectId, RoomId, UnitId};
use crate::limits::OVERRIDES_MAX;
use crate::name::{new_name, normal_form, normalize_name};
use crate::object::{
    Capabilities, ControlObject, HistoryPolicy, MemberGrant, Payload, Permit, Principal, Revoke,
    RevokeMode, RoomCreate, UnitCreate, UnitKind,
};
use crate::signed::{Trust, Verified};
use crate::view::{AgentRef, Preview, UnitView};

impl Engine {
    pub(super) fn command(&mut self, id: CommandId, command: Command) {
        if !self.waits_for_own_tail(id, &command) {
            self.command_after_tail(id, command);
        }
    }

    /// As [`Engine::command`], with what is known now of what this device has signed.
    pub(super) fn command_after_tail(&mut self, id: CommandId, command: Command) {
        // What it asks of members is only known once it is worked out.
        if let Ok(Some(plan)) = self.plan(&command)
            && !plan.heads_wanted.is_empty()
            && self.waits_for_heads(id, &command, &plan.heads_wanted)
        {
            return;
        }
        self.command_now(id, command);
    }

    /// As [`Engine::command`], with what is known now.
    pub(super) fn command_now(&mut self, id: CommandId, command: Command) {
        let result = match self.plan(&command) {
            Ok(None) => self.other_command(id, command),
            Ok(Some(plan)) => {
                Some(self.carry_out(plan).and_then(|outcome| self.shown_as(&command, outcome)))
            }
            Err(failure) => Some(Err(failure)),
        };
        if let Some(result) = result {
            self.emit(Effect::Answer { id, result });
        }
    }

    /// Some commands have had answers of their own before there were plans.
    fn shown_as(&self, command: &Command, outcome: Outcome) -> Result<Outcome, Failure> {
        match (command, outcome) {
            (
                Command::RemoveMember { agent, .. },
                Outcome::Signed { subject, objects, preview },
            ) => {
                let object = objects.last().copied().unwrap_or_default();
                let agent = self.find_agent(agent)?;
                Ok(Outcome::Member { agent, unit: subject, object, preview })
            }
            (
                Command::Unpermit { room, .. }
                | Command::RenameRoom { room, .. }
                | Command::SetTopic { room, .. }
                | Command::SetRoomActive { room, .. },
                Outcome::Signed { preview, .. },
            ) => {
                // By id, should it have another name now.
                let room = match command {
                    Command::RenameRoom { name, .. } => {
                        self.find_room(room).or_else(|_| self.find_room(name))?
                    }
                    _ => self.find_room(room)?,
                };
                Ok(Outcome::Room(self.room_view(room)?, preview))
            }
            (_, outcome) => Ok(outcome),
        }
    }

    fn other_command(
        &mut self,
        id: CommandId,
        command: Command,
    ) -> Option<Result<Outcome, Failure>> {
        Some(match command {
            Command::Approve { name, code, units } => {
                match self.approve(id, &name, &code, &units) {
                    // The answer follows when the newcomer has proved itself.
                    Ok(()) => return None,
                    Err(failure) => Err(failure),
                }
            }
            Command::ApproveDevice { name, code } => match self.approve_device(id, &name, &code) {
                Ok(()) => return None,
                Err(failure) => Err(failure),
            },
            Command::AddDevice { code } => match self.add_device(id, &code) {
                Ok(()) => return None,
                Err(failure) => Err(failure),
            },
            Command::Refuse { name, code } => self.refuse_newcomer(&name, code.as_deref()),
            Command::NewUnit { kind, name, department } => {
                self.new_unit(kind, &name, department.as_deref())
            }
            Command::AddMember { agent, unit } => self.add_member(&agent, &unit),
            Command::NewRoom { name, permits, history } => self.new_room(&name, &permits, history),
            Command::Permit { room, unit } => self.permit(&room, &unit),
            Command::OpenInstant { agents } => self.open_instant(&agents),
            Command::Send { room, text } => self.send_text(&room, &text),
            Command::MarkRead { room, up_to } => self.mark_read(&room, up_to.as_deref()),
            Command::ChangeSettings { presence, notifications } => {
                self.change_settings(presence, notifications)
            }
            Command::SetDraft { room, text } => self.set_draft(&room, text),
            _ => return None,
        })
    }

    fn new_unit(
        &mut self,
        kind: UnitKind,
        name: &str,
        department: Option<&str>,
    ) -> Result<Outcome, Failure> {
        self.require_admin(|may| may.units, "make units")?;
        let name = stored_name(name)?;
        if kind == UnitKind::Role && name.to_lowercase() == "agent" {
            return Err(Failure::new(
                FailureKind::Usage,
                "the Role \"Agent\" is built in: every agent holds it",
                "choose another name, or open rooms to `role:Agent`",
            ));
        }
        let parent = match (kind, department) {
            (UnitKind::Group, Some(department)) => Some(self.find_department(department)?),
            (UnitKind::Group, None) => {
                return Err(Failure::new(
                    FailureKind::Usage,
                    "a Group belongs to a Department",
                    "name it with `--department NAME`",
                ));
            }
            (UnitKind::Department | UnitKind::Role, _) => None,
        };
        if self.access()?.unit_named(kind, parent, &name).is_some() {
            return Err(Failure::new(
                FailureKind::Conflict,
                format!("there is a {} named \"{name}\" already", kind.word()),
                format!("choose another name, or see `conclave {} list`", kind.word()),
            ));
        }
        let id = self.author(Payload::UnitCreate(UnitCreate { kind, parent, name }))?;
        self.control_changed();
        let label = self.access()?.unit_label(id.into());
        Ok(Outcome::Unit(UnitView { id: id.into(), kind, label }))
    }

    fn add_member(&mut self, agent: &str, unit: &str) -> Result<Outcome, Failure> {
        self.require_admin(|may| may.units, "change memberships")?;
        let (agent, unit) = (self.find_agent(agent)?, self.find_unit(unit)?);
        let access = self.access()?;
        if !self.log()?.member_grants(agent.id, unit).is_empty() {
            return Err(Failure::new(
                FailureKind::Conflict,
                format!("{} is a member of {} already", agent.name, access.unit_label(unit)),
                "nothing needs to be done",
            ));
        }
        let overrides = answerable(self.log()?.member_revokes(agent.id, unit))?;
        let grant = MemberGrant { agent: agent.id, unit, overrides };
        let object = self.author(Payload::MemberGrant(grant))?;
        self.control_changed();
        let unit = self.access()?.unit_label(unit);
        Ok(Outcome::Member { agent, unit, object, preview: Preview::default() })
    }

    fn new_room(
        &mut self,
        name: &str,
        permits: &[String],
        history: HistoryPolicy,
    ) -> Result<Outcome, Failure> {
        self.require_admin(|may| may.rooms, "make rooms")?;
        let name = stored_name(name)?;
        if permits.is_empty() {
            return Err(Failure::new(
                FailureKind::Usage,
                "a room without a permission is open to nobody",
                "add at least one, such as `--permit department:Support`",
            ));
        }
        let principals: BTreeSet<Principal> =
            permits.iter().map(|p| self.find_principal(p)).collect::<Result<_, _>>()?;
        if self.access()?.select_room(&name).is_some() {
            return Err(Failure::new(
                FailureKind::Conflict,
                format!("there is a room named \"{name}\" already"),
                "choose another name, or see `conclave room list --all`",
            ));
        }
        self.rehearse_room(&name, history, &principals)?;
        let id = self.author(Payload::RoomCreate(RoomCreate { name, history }))?;
        let room = RoomId::from(id);
        for principal in principals {
            let permit = Permit { room, principal, overrides: Vec::new() };
            self.author(Payload::Permit(permit))?;
        }
        self.control_changed();
        Ok(Outcome::Room(self.room_view(room)?, Preview::default()))
    }

    /// A Department's admin may make rooms, but not open them to everybody. Signed in part, a
    /// command would leave a room behind that is open to nobody.
    fn rehearse_room(
        &self,
        name: &str,
        history: HistoryPolicy,
        principals: &BTreeSet<Principal>,
    ) -> Result<(), Failure> {
        let log = self.log()?;
        if log.grants_of(self.keys.device()).all(|(_, grant)| grant.scope.is_none()) {
            return Ok(());
        }
        let mut copy = log.clone();
        let create = Payload::RoomCreate(RoomCreate { name: name.to_owned(), history });
        let (id, bytes) = sign_as(&copy, &self.keys, create)?;
        let trust = Trust::StoredAs(id);
        if let Ok(object) = Verified::<ControlObject>::control(&bytes, copy.company(), trust) {
            copy.add(object);
        }
        for principal in principals {
            let (room, principal, overrides) = (id.into(), *principal, Vec::new());
            sign_as(&copy, &self.keys, Payload::Permit(Permit { room, principal, overrides }))?;
        }
        Ok(())
    }

    fn permit(&mut self, room: &str, unit: &str) -> Result<Outcome, Failure> {
        self.require_admin(|may| may.rooms, "change permissions")?;
        let (room, principal) = (self.find_room(room)?, self.find_principal(unit)?);
        let access = self.access()?;
        if !self.log()?.permits(room, principal).is_empty() {
            return Err(Failure::new(
                FailureKind::Conflict,
                format!("the room is open to {} already", access.label(principal)),
                "nothing needs to be done",
            ));
        }
        let overrides = answerable(self.log()?.permit_revokes(room, principal))?;
        self.author(Payload::Permit(Permit { room, principal, overrides }))?;
        self.control_changed();
        Ok(Outcome::Room(self.room_view(room)?, Preview::default()))
    }

    fn send_text(&mut self, room: &str, text: &str) -> Result<Outcome, Failure> {
        let room = self.readable_room(room)?.id;
        if self.access()?.rooms().get(&room).is_some_and(|info| !info.active) {
            return Err(Failure::new(
                FailureKind::Conflict,
                "the room is not in use: nothing can be posted to it",
                "an admin can put it into use again with `conclave room reactivate`",
            ));
        }
        let text = text.replace("\r\n", "\n");
        check_text(&text).map_err(|error| {
            Failure::new(
                FailureKind::Usage,
                error.to_string(),
                "a message is 1 byte to 16 KiB of UTF-8 text, without control characters",
            )
        })?;
        let id = self.post_text(room, &text)?;
        let view = self.message_view(room, id).ok_or_else(not_a_member)?;
        Ok(Outcome::Message(view))
    }

    pub(super) fn log(&self) -> Result<&ControlLog, Failure> {
        self.control.as_ref().filter(|_| self.member).ok_or_else(not_a_member)
    }

    pub(super) fn access(&self) -> Result<&Access, Failure> {
        let control = self.control.as_ref().filter(|_| self.member);
        control.map(crate::control::ControlLog::access).ok_or_else(not_a_member)
    }

    /// Whether this device may let agents in.
    pub(super) fn may_approve(&self) -> bool {
        let me = self.keys.device();
        // A Department's admin has no say in who belongs to the company.
        let may =
            |log: &ControlLog| log.grants_of(me).any(|(_, g)| g.may.agents && g.scope.is_none());
        self.member && self.control.as_ref().is_some_and(may)
    }

    pub(super) fn require_approver(&self) -> Result<(), Failure> {
        self.access()?;
        if self.may_approve() { Ok(()) } else { Err(not_admin("let agents in")) }
    }

    pub(super) fn is_admin(&self, needed: impl Fn(Capabilities) -> bool) -> bool {
        self.member
            && self
                .control
                .as_ref()
                .is_some_and(|c| c.grants_of(self.keys.device()).any(|(_, g)| needed(g.may)))
    }

    pub(super) fn require_admin(
        &self,
        needed: impl Fn(Capabilities) -> bool,
        what: &str,
    ) -> Result<(), Failure> {
        self.access()?;
        if self.is_admin(needed) { Ok(()) } else { Err(not_admin(what)) }
    }

    pub(super) fn find_agent(&self, typed: &str) -> Result<AgentRef, Failure> {
        let access = self.access()?;
        let id = access.select_agent(typed).ok_or_else(|| {
            Failure::new(
                FailureKind::NotFound,
                format!("there is no agent \"{typed}\""),
                "see `conclave agent list`",
            )
        })?;
        Ok(self.agent_ref(id))
    }

    pub(super) fn find_room(&self, typed: &str) -> Result<RoomId, Failure> {
        let access = self.access()?;
        // A deleted room is still known by its id, and nobody can do anything with it.
        let in_use = |id: &RoomId| access.rooms().get(id).is_some_and(|room| !room.revoked);
        access.select_room(typed).filter(in_use).ok_or_else(|| {
            Failure::new(
                FailureKind::NotFound,
                format!("there is no room \"{typed}\""),
                "see `conclave room list`; a name with spaces needs quotes",
            )
        })
    }

    pub(super) fn find_unit(&self, typed: &str) -> Result<UnitId, Failure> {
        let access = self.access()?;
        let mut found = access.select_unit(typed);
        if let Selected::One(unit) = &found
            && access.units().get(unit).is_some_and(|info| info.revoked)
        {
            found = Selected::None;
        }
        match selected(found, typed)? {
            UnitId::ROLE_AGENT => Err(Failure::new(
                FailureKind::Usage,
                "every agent holds `role:Agent`; nobody can be put into it or taken out",
                "name a Department, Group or Role that was made with `conclave … new`",
            )),
            unit => Ok(unit),
        }
    }

    /// A deleted room by name, if there is only one: its name is free for others.
    pub(super) fn deleted_room(&self, typed: &str) -> Option<RoomId> {
        let name = normalize_name(typed).ok()?;
        let rooms = self.access().ok()?.rooms().iter();
        only(rooms.filter(|(_, room)| room.revoked && room.name == name).map(|(id, _)| *id))
    }

    /// A deleted unit by full name, if there is only one.
    pub(super) fn deleted_unit(&self, typed: &str) -> Option<UnitId> {
        let access = self.access().ok()?;
        let units = access.units().iter().filter(|(_, unit)| unit.revoked).map(|(id, _)| *id);
        only(units.filter(|id| normal_form(&access.unit_label(*id)) == normal_form(typed)))
    }

    pub(super) fn find_principal(&self, typed: &str) -> Result<Principal, Failure> {
        selected(self.access()?.select_principal(typed), typed)
    }

    pub(super) fn find_department(&self, typed: &str) -> Result<UnitId, Failure> {
        let access = self.access()?;
        let plain = typed.strip_prefix("department:").unwrap_or(typed);
        let by_id = typed
            .parse::<UnitId>()
            .ok()
            .filter(|id| access.units().get(id).is_some_and(|u| u.kind == UnitKind::Department));
        by_id.or_else(|| access.unit_named(UnitKind::Department, None, plain)).ok_or_else(|| {
            Failure::new(
                FailureKind::NotFound,
                format!("there is no Department \"{plain}\""),
                "see `conclave department list`, or make it with `conclave department new`",
            )
        })
    }

    pub(super) fn agent_ref(&self, id: AgentId) -> AgentRef {
        let info = self.control.as_ref().and_then(|c| c.access().agents().get(&id));
        AgentRef { id, name: info.map(|a| a.name.clone()).unwrap_or_default() }
    }
}

fn only<T>(mut found: impl Iterator<Item = T>) -> Option<T> {
    let one = found.next()?;
    found.next().is_none().then_some(one)
}

/// The revocations that a new grant overrides: as many as one object may name.
pub(super) fn answerable(revokes: BTreeSet<ObjectId>) -> Result<Vec<ObjectId>, Failure> {
    if revokes.len() <= OVERRIDES_MAX {
        return Ok(revokes.into_iter().collect());
    }
    Err(Failure::new(
        FailureKind::Failed,
        format!(
            "this has been revoked {} times, more than one grant can answer (at most \
             {OVERRIDES_MAX})",
            revokes.len()
        ),
        "see `conclave log` for who did it: `conclave admin revoke --last-good` voids what came \
         after a good object",
    ))
}

fn selected<T>(selected: Selected<T>, typed: &str) -> Result<T, Failure> {
    match selected {
        Selected::One(found) => Ok(found),
        Selected::None => Err(Failure::new(
            FailureKind::NotFound,
            format!("there is no unit or agent \"{typed}\""),
            "see `conclave department list`, `group list`, `role list` and `agent list`",
        )),
        Selected::NotAName => Err(Failure::new(
            FailureKind::Usage,
            format!("\"{typed}\" does not name a unit"),
            "write `department:Support`, `group:Support/Front Line`, `role:Manager` or, for a \
             permission, `agent:alice`",
        )),
    }
}

pub(super) fn stored_name(typed: &str) -> Result<String, Failure> {
    new_name(typed).map_err(|error| {
        Failure::new(
            FailureKind::Usage,
            error.to_string(),
            "a name has 1 to 64 visible characters, without '/' and ':'",
        )
    })
}

pub(super) fn depart(target: ObjectId) -> Revoke {
    Revoke { target, control_cuts: Vec::new(), keep: Vec::new(), mode: RevokeMode::Depart }
}
