//! What admins ask for that ends, restores or renames: worked out as a plan, which can be looked
//! at before it is signed.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::command::{Command, Failure, FailureKind, Outcome, Signer};
use super::commands::{depart, stored_name};
use super::preview::attempts;
use super::targets::parse_device;
use crate::control::ControlLog;
use crate::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use crate::object::{
    AdminGrant, Capabilities, Field, FieldValue, Keep, Payload, Ratify, Revoke, RevokeMode,
    RoomCut, RootRotate, SetField,
};

/// Control objects to be signed together, by this device or by the root key.
pub(super) struct Plan {
    /// What they are about.
    pub(super) subject: String,
    /// The key that signs instead of this device's.
    pub(super) signer: Option<Signer>,
    /// Which of the payloads it signs; this device signs the others.
    by_signer: BTreeSet<usize>,
    /// What is signed.
    pub(super) payloads: Vec<Payload>,
    /// What cannot be done as one might expect.
    pub(super) warnings: Vec<String>,
    /// Rooms that nobody is left in and whose history this device does not hold.
    pub(super) heads_wanted: BTreeSet<RoomId>,
    /// Part of it has no effect, because it is aimed at an equal.
    pub(super) powerless: bool,
    /// Whose memberships it is about: which rooms they keep is said too.
    pub(super) member: Option<AgentId>,
}

impl Plan {
    pub(super) fn new(subject: impl Into<String>, payloads: Vec<Payload>) -> Self {
        Self {
            subject: subject.into(),
            signer: None,
            by_signer: BTreeSet::new(),
            payloads,
            warnings: Vec::new(),
            heads_wanted: BTreeSet::new(),
            powerless: false,
            member: None,
        }
    }

    /// Makes it say which rooms an agent keeps.
    pub(super) fn of_member(mut self, agent: AgentId) -> Self {
        self.member = Some(agent);
        self
    }

    /// The key that signs the n-th payload instead of this device's.
    pub(super) fn signer_of(&self, n: usize) -> Option<&Signer> {
        self.signer.as_ref().filter(|_| self.by_signer.contains(&n))
    }

    /// Lets a key sign everything.
    fn sign_all(&mut self, signer: &Signer) {
        self.signer = Some(signer.clone());
        self.by_signer = (0..self.payloads.len()).collect();
    }
}

impl Engine {
    /// Works out what a command would sign; `None` for commands that end and restore nothing.
    pub(super) fn plan(&self, command: &Command) -> Result<Option<Plan>, Failure> {
        let plan = match command {
            Command::GrantAdmin { agent, device, rank, may, scope, root } => {
                self.plan_grant(agent, device.as_deref(), (*rank, *may), scope.as_deref(), root)?
            }
            Command::RevokeAdmin { agent, device, last_good, root } => {
                self.plan_revoke_admin(agent, device.as_deref(), last_good.as_deref(), root)?
            }
            Command::RevokeAgent { agent, device, strict, keep, last_good, root } => {
                let mode = if *strict { RevokeMode::Strict } else { RevokeMode::Depart };
                let last_good = last_good.as_deref();
                self.plan_revoke_agent(agent, device.as_deref(), mode, keep, last_good, root)?
            }
            Command::RemoveDevice { device, strict, keep } => {
                self.plan_remove_device(device, *strict, keep)?
            }
            Command::RenameUnit { unit, name } => self.plan_rename_unit(unit, name)?,
            Command::DeleteUnit { unit } => {
                let unit = self.find_unit(unit)?;
                let subject = self.access()?.unit_label(unit);
                Plan::new(subject, vec![Payload::Revoke(depart(unit.into()))])
            }
            Command::RenameRoom { room, name } => {
                let (room, name) = (self.find_room(room)?, stored_name(name)?);
                self.refuse_taken(self.access()?.select_room(&name).is_some(), "a room", &name)?;
                let subject = self.room_name(room);
                Plan::new(subject, vec![self.set(room.into(), FieldValue::Name(name))?])
            }
            Command::SetRoomActive { room, active } => {
                let room = self.find_room(room)?;
                let is = self.access()?.rooms().get(&room).is_some_and(|r| r.active);
                if is == *active {
                    return Err(Failure::new(
                        FailureKind::Conflict,
                        format!("the room is {} already", if is { "active" } else { "inactive" }),
                        "nothing needs to be done",
                    ));
                }
                let subject = self.room_name(room);
                Plan::new(subject, vec![self.set(room.into(), FieldValue::Active(*active))?])
            }
            Command::DeleteRoom { room } => {
                let room = self.find_room(room)?;
                let subject = self.room_name(room);
                Plan::new(subject, vec![Payload::Revoke(depart(room.into()))])
            }
            Command::RemoveMember { agent, unit } => self.plan_remove_member(agent, unit)?,
            Command::MoveMember { agent, from, to } => self.plan_move(agent, from, to)?,
            Command::SetTopic { room, topic } => self.plan_topic(room, topic)?,
            Command::Unpermit { room, unit } => self.plan_unpermit(room, unit)?,
            Command::Ratify { target, root } => self.plan_ratify(target, root)?,
            Command::Recover { key, next, last_good } => {
                self.plan_recover(key, *next, last_good.as_deref())?
            }
            _ => return Ok(None),
        };
        let mut plan = plan;
        self.check_plan(&plan)?;
        self.settle_grants(&mut plan)?;
        // Names and the like end nothing.
        if plan.payloads.iter().any(|payload| matches!(payload, Payload::Revoke(_))) {
            let (after, signed) = self.log_after(&plan)?;
            self.check_effect(&mut plan, &after, &signed)?;
            self.warn_of_forks(&mut plan);
            self.keep_what_nobody_is_left_to_acknowledge(&mut plan, &after)?;
            self.settle_grants(&mut plan)?;
        }
        Ok(Some(plan))
    }

    /// Signs, stores and publishes what was planned.
    pub(super) fn carry_out(&mut self, plan: Plan) -> Result<Outcome, Failure> {
        let mut preview = self.preview_of(&plan)?;
        let signers: Vec<Option<Signer>> =
            (0..plan.payloads.len()).map(|n| plan.signer_of(n).cloned()).collect();
        preview.warnings.extend(plan.warnings);
        preview.powerless = plan.powerless;
        let mut objects = Vec::new();
        for (signer, payload) in signers.into_iter().zip(plan.payloads) {
            objects.push(self.author_as(signer.as_ref(), payload)?);
        }
        self.control_changed();
        Ok(Outcome::Signed { subject: plan.subject, objects, preview })
    }

    fn plan_grant(
        &self,
        agent: &str,
        device: Option<&str>,
        (rank, may): (u32, Capabilities),
        scope: Option<&str>,
        root: &Option<Signer>,
    ) -> Result<Plan, Failure> {
        if rank == 0 {
            return Err(Failure::new(
                FailureKind::Usage,
                "rank 0 is the root key",
                "ranks of admins begin at 1, the most senior",
            ));
        }
        let agent = self.find_agent(agent)?;
        let log = self.log()?;
        let scope = scope.map(|unit| self.find_department(unit)).transpose()?;
        let devices = self.devices_for(agent.id, device)?;
        let held = |device: DeviceId| {
            log.grants_of(device).any(|(_, g)| {
                g.agent == agent.id && g.rank == rank && g.may == may && g.scope == scope
            })
        };
        let payloads: Vec<Payload> = devices
            .into_iter()
            .filter(|device| !held(*device))
            .map(|device| {
                let overrides = log.admin_revokes(agent.id, device).into_iter().collect();
                let agent = agent.id;
                Payload::AdminGrant(AdminGrant { device, agent, rank, may, scope, overrides })
            })
            .collect();
        if payloads.is_empty() {
            return Err(Failure::new(
                FailureKind::Conflict,
                format!("{} has exactly this authority already", agent.name),
                "see `conclave admin list`",
            ));
        }
        Ok(self.by_whoever_may(Plan::new(agent.name, payloads), root))
    }

    fn plan_revoke_admin(
        &self,
        agent: &str,
        device: Option<&str>,
        last_good: Option<&str>,
        root: &Option<Signer>,
    ) -> Result<Plan, Failure> {
        let agent = self.find_agent(agent)?;
        let log = self.log()?;
        let device = device.map(parse_device).transpose()?;
        let mut grants: Vec<(ObjectId, DeviceId)> = log
            .admin_grants()
            .filter(|(id, grant)| {
                let meant = grant.agent == agent.id && device.is_none_or(|d| d == grant.device);
                meant && log.in_force(*id)
            })
            .map(|(id, grant)| (id, grant.device))
            .collect();
        if grants.is_empty() {
            return Err(Failure::new(
                FailureKind::NotFound,
                format!("{} is not an admin", agent.name),
                "see `conclave admin list`",
            ));
        }
        let mut payloads = Vec::new();
        let me = self.keys.device();
        let cuts_own = last_good.is_some() && grants.iter().any(|(_, device)| *device == me);
        if cuts_own && root.is_none() {
            return Err(Failure::new(
                FailureKind::Usage,
                "whoever steps down leaves what was signed; a last good object needs somebody \
                 more senior",
                "leave `--last-good` out, or let a more senior admin or the root key do it",
            ));
        }
        // This device's go last: without them it could not sign the others.
        grants.sort_by_key(|(_, device)| *device == me);
        for (grant, device) in grants {
            // Our own: what was signed up to now stands by itself.
            let resigns = device == me && !cuts_own;
            let cuts = if resigns { Vec::new() } else { self.cuts(&[device], last_good)? };
            payloads.push(Payload::Revoke(Revoke {
                target: grant,
                control_cuts: cuts,
                keep: Vec::new(),
                mode: RevokeMode::Depart,
            }));
        }
        let mut plan = self.by_whoever_may(Plan::new(agent.name, payloads), root);
        if cuts_own && let Some(root) = root {
            plan.sign_all(root);
        }
        Ok(plan)
    }

    fn plan_revoke_agent(
        &self,
        agent: &str,
        device: Option<&str>,
        mode: RevokeMode,
        keep: &[String],
        last_good: Option<&str>,
        root: &Option<Signer>,
    ) -> Result<Plan, Failure> {
        let agent = self.find_agent(agent)?;
        let log = self.log()?;
        let (target, devices): (ObjectId, Vec<DeviceId>) = match device {
            None => {
                if !log.access().is_live(agent.id) {
                    return Err(Failure::new(
                        FailureKind::Conflict,
                        format!("{} has been dismissed already", agent.name),
                        "see `conclave agent show`; `conclave ratify` lets an agent return",
                    ));
                }
                (agent.id.into(), log.devices_of(agent.id).collect())
            }
            Some(typed) => {
                let device = parse_device(typed)?;
                let cert = log.certs_of(device, agent.id).next().ok_or_else(|| {
                    Failure::new(
                        FailureKind::NotFound,
                        format!("{} has no device {typed}", agent.name),
                        "see `conclave agent show`",
                    )
                })?;
                (cert, vec![device])
            }
        };
        let keep = self.keeps(keep)?;
        self.revocation(agent.name, target, devices, (mode, keep), last_good, root)
    }

    /// Revokes an agent or a certificate, with the devices that this strikes.
    pub(super) fn revocation(
        &self,
        subject: String,
        target: ObjectId,
        devices: Vec<DeviceId>,
        (mode, keep): (RevokeMode, Vec<Keep>),
        last_good: Option<&str>,
        root: &Option<Signer>,
    ) -> Result<Plan, Failure> {
        let log = self.log()?;
        let admins: Vec<DeviceId> =
            devices.iter().copied().filter(|device| log.tail(*device).is_some()).collect();
        let control_cuts = self.cuts(&admins, last_good)?;
        let revoke = Revoke { target, control_cuts, keep: keep.clone(), mode };
        let mut payloads = vec![Payload::Revoke(revoke)];
        if mode == RevokeMode::Strict {
            payloads.extend(self.cuts_of_earlier_departures(&devices, &keep)?);
        }
        Ok(self.by_whoever_may(Plan::new(subject, payloads), root))
    }

    /// A strict removal would be worth nothing if an earlier, mild one let through what members
    /// acknowledge.
    fn cuts_of_earlier_departures(
        &self,
        devices: &[DeviceId],
        keep: &[Keep],
    ) -> Result<Vec<Payload>, Failure> {
        let log = self.log()?;
        let me = self.keys.device();
        let mut cuts: BTreeMap<(RoomId, ObjectId), Payload> = BTreeMap::new();
        for room in log.access().rooms().keys().copied() {
            let kept = keep.iter().find(|k| k.room == room);
            for ended in devices.iter().flat_map(|d| log.standing(*d, room).ways).flatten() {
                let Some(revoke) = ended.revoke.filter(|_| ended.acknowledged_stays) else {
                    continue;
                };
                let keep = kept.map(|k| k.messages.clone()).unwrap_or_default();
                let cut = Payload::RoomCut(RoomCut { room, revoke, keep });
                if log.authority_for(me, &cut).is_some() {
                    cuts.insert((room, revoke), cut);
                }
            }
        }
        Ok(cuts.into_values().collect())
    }

    fn plan_rename_unit(&self, unit: &str, name: &str) -> Result<Plan, Failure> {
        let (unit, name) = (self.find_unit(unit)?, stored_name(name)?);
        let access = self.access()?;
        let info = access.units().get(&unit);
        let taken = info.is_some_and(|u| access.unit_named(u.kind, u.parent, &name).is_some());
        self.refuse_taken(taken, "a unit", &name)?;
        Ok(Plan::new(access.unit_label(unit), vec![self.set(unit.into(), FieldValue::Name(name))?]))
    }

    fn plan_remove_member(&self, agent: &str, unit: &str) -> Result<Plan, Failure> {
        let (agent, unit) = (self.find_agent(agent)?, self.find_unit(unit)?);
        let log = self.log()?;
        let access = log.access();
        let label = access.unit_label(unit);
        // Leaving a Department is leaving its Groups.
        let inside = |held: &UnitId| {
            *held == unit || access.units().get(held).is_some_and(|info| info.parent == Some(unit))
        };
        // One `Revoke` strikes a whole pair; the grants of one pair need no second.
        let payloads: Vec<Payload> = access
            .units_of(agent.id)
            .filter(inside)
            .filter_map(|held| log.member_grants(agent.id, held).first().copied())
            .map(|grant| Payload::Revoke(depart(grant)))
            .collect();
        if payloads.is_empty() {
            return Err(Failure::new(
                FailureKind::NotFound,
                format!("{} is not a member of {label}", agent.name),
                "see where an agent belongs with `conclave agent show`",
            ));
        }
        Ok(Plan::new(label, payloads).of_member(agent.id))
    }

    fn plan_unpermit(&self, room: &str, unit: &str) -> Result<Plan, Failure> {
        let (room, principal) = (self.find_room(room)?, self.find_principal(unit)?);
        let log = self.log()?;
        let Some(permit) = log.permits(room, principal).first().copied() else {
            return Err(Failure::new(
                FailureKind::NotFound,
                format!("the room has no permission for {}", log.access().label(principal)),
                "see its permissions with `conclave room show`",
            ));
        };
        Ok(Plan::new(self.room_name(room), vec![Payload::Revoke(depart(permit))]))
    }

    fn plan_ratify(&self, typed: &str, root: &Option<Signer>) -> Result<Plan, Failure> {
        let log = self.log()?;
        let target = self.find_ratifiable(typed)?;
        let overrides = log.revokes_on(target);
        if log.counts(target) && overrides.is_empty() {
            return Err(Failure::new(
                FailureKind::Conflict,
                format!("{typed} counts, and nothing has been revoked about it"),
                "`conclave why` says how it stands; a membership that ended is granted anew with \
                 `conclave agent add`, an admin's authority with `conclave admin grant`",
            ));
        }
        let subject = log.describe(target);
        let payload = Payload::Ratify(Ratify { target, overrides });
        let mut plan = self.by_whoever_may(Plan::new(subject, vec![payload]), root);
        let rank = self.rank_of(&plan);
        for revoke in log.revokes_on(target) {
            let strict = matches!(
                log.get(revoke).map(|o| &o.payload),
                Some(Payload::Revoke(r)) if r.mode == RevokeMode::Strict
            );
            if strict && log.rank(revoke) < rank {
                plan.warnings.push(format!(
                    "the strict revocation {revoke} can be overridden only by an admin of rank {} \
                     or more senior",
                    log.rank(revoke).unwrap_or(0)
                ));
            }
        }
        Ok(plan)
    }

    fn plan_recover(
        &self,
        key: &Signer,
        next: ObjectId,
        last_good: Option<&str>,
    ) -> Result<Plan, Failure> {
        let log = self.log()?;
        let (root, _) = log.root().ok_or_else(super::authoring::not_a_member)?;
        let cut = self.cuts(&[root], last_good)?.into_iter().next().ok_or_else(|| {
            Failure::new(FailureKind::Failed, "the root key has signed nothing", "this is a defect")
        })?;
        let mut plan =
            Plan::new("the root key", vec![Payload::RootRotate(RootRotate { next, cut })]);
        plan.sign_all(key);
        if last_good.is_none() {
            plan.warnings.push(
                "all that the old root key signed, as far as this node knows, goes on counting: if \
                 it was stolen, find its last good object in `conclave log` and name it with \
                 `--last-good`"
                    .to_owned(),
            );
        }
        Ok(plan)
    }

    /// Lets this device sign if that has an effect, else the root key that was given.
    fn by_whoever_may(&self, mut plan: Plan, root: &Option<Signer>) -> Plan {
        let Some(root) = root else { return plan };
        let me = self.keys.device();
        for (n, payload) in plan.payloads.iter().enumerate() {
            let own = self.log().is_ok_and(|log| log.authority_for(me, payload).is_some());
            let alone = Plan::new("", vec![payload.clone()]);
            let does = own
                && self
                    .log_after(&alone)
                    .is_ok_and(|(after, signed)| attempts(&after, &signed).is_empty());
            let could = self.log().is_ok_and(|log| log.root_could_issue(payload));
            if !does && (could || !own) {
                plan.by_signer.insert(n);
            }
        }
        if !plan.by_signer.is_empty() {
            plan.signer = Some(root.clone());
        }
        plan
    }

    fn rank_of(&self, plan: &Plan) -> Option<u32> {
        if plan.signer_of(0).is_some() {
            return Some(0);
        }
        let log = self.log().ok()?;
        let authority = log.authority_for(self.keys.device(), plan.payloads.first()?)?;
        match &log.get(authority)?.payload {
            Payload::AdminGrant(grant) => Some(grant.rank),
            _ => None,
        }
    }

    /// A `SetField` that supersedes what is known.
    pub(super) fn set(&self, target: ObjectId, value: FieldValue) -> Result<Payload, Failure> {
        let field: Field = value.field();
        let supersedes = self.log()?.current_fields(target, field);
        Ok(Payload::SetField(SetField { target, value, supersedes }))
    }

    /// Where nobody with access is left, nobody can acknowledge: what this device holds of such
    /// rooms is written into the revocation.
    fn keep_what_nobody_is_left_to_acknowledge(
        &self,
        plan: &mut Plan,
        after: &ControlLog,
    ) -> Result<(), Failure> {
        let revokes = |p: &Payload| matches!(p, Payload::Revoke(r) if r.mode == RevokeMode::Depart);
        if !plan.payloads.iter().any(revokes) {
            return Ok(());
        }
        let emptied: Vec<RoomId> = self
            .compare(self.log()?, after)
            .rooms
            .into_iter()
            .filter(|room| room.nobody_left)
            .map(|room| room.room.id)
            .collect();
        let mut keeps = Vec::new();
        for room in emptied {
            let held = self.rooms.get(&room).filter(|_| {
                self.me().is_some_and(|me| self.access().is_ok_and(|a| a.has_access(me, room)))
            });
            if held.is_none() {
                plan.heads_wanted.insert(room);
            }
            let held = held.map(|state| state.log.heads());
            match held.or_else(|| self.reported_heads(room, after)) {
                Some(messages) if messages.is_empty() => {}
                Some(messages) => keeps.push(Keep { room, messages }),
                None => plan.warnings.push(self.warning_of_heads(room, after)),
            }
        }
        self.fit_keeps(plan, &mut keeps);
        // In each of them: what ends a way into a room by one only must be spared by that one.
        for payload in &mut plan.payloads {
            if let Payload::Revoke(revoke) = payload
                && revoke.mode == RevokeMode::Depart
            {
                revoke.keep.clone_from(&keeps);
            }
        }
        Ok(())
    }
}
