//! What a plan would change for people, worked out on a copy of the log.

use std::collections::BTreeSet;

use super::Engine;
use super::admin::Plan;
use super::authoring::sign_as;
use super::command::{Command, Failure, FailureKind, Signer};
use crate::control::{Added, Alarm, ControlLog};
use crate::id::{AgentId, ObjectId, RoomId};
use crate::object::ControlObject;
use crate::signed::{Trust, Verified};
use crate::view::{AdminView, AgentRef, Preview, RoomPreview, RoomRef};

impl Engine {
    /// What a command would change for people.
    ///
    /// # Errors
    /// As the command itself; and for commands that change nothing for others.
    pub fn preview(&self, command: &Command) -> Result<(String, Preview), Failure> {
        let planned = match self.plan_added(command)? {
            Some(plan) => Some(plan),
            None => self.plan(command)?,
        };
        let plan = planned.ok_or_else(|| {
            Failure::new(FailureKind::Usage, "this command takes nothing away", "just run it")
        })?;
        let mut preview = self.preview_of(&plan)?;
        preview.warnings.extend(plan.warnings);
        preview.powerless = plan.powerless;
        Ok((plan.subject, preview))
    }

    pub(super) fn preview_of(&self, plan: &Plan) -> Result<Preview, Failure> {
        let (before, (after, _)) = (self.log()?, self.log_after(plan)?);
        let mut preview = self.compare(before, &after);
        if let Some(agent) = plan.member {
            preview.kept = self.kept_by(agent, before, &after);
        }
        Ok(preview)
    }

    /// A copy of the log with what a plan would add, and the ids of that. It costs as much as the
    /// log is large, so it is made as seldom as possible.
    pub(super) fn log_after(
        &self,
        plan: &Plan,
    ) -> Result<(ControlLog, BTreeSet<ObjectId>), Failure> {
        let mut after = self.log()?.clone();
        let mut signed = BTreeSet::new();
        for (n, payload) in plan.payloads.iter().enumerate() {
            let keys = plan.signer_of(n).map_or(&self.keys, Signer::keys);
            let (id, bytes) = sign_as(&after, keys, payload.clone())?;
            signed.insert(id);
            let company = after.company();
            let trust = crate::signed::peek_id(&bytes).map_or(Trust::Nothing, Trust::StoredAs);
            let added = Verified::<ControlObject>::control(&bytes, company, trust)
                .map(|object| after.add(object));
            if !matches!(added, Ok(Added::Taken(_))) {
                return Err(super::authoring::broken("would not count"));
            }
        }
        after.refresh();
        Ok((after, signed))
    }

    pub(super) fn compare(&self, before: &ControlLog, after: &ControlLog) -> Preview {
        let agents = |log: &ControlLog| -> BTreeSet<AgentId> {
            let all = log.access().agents().iter();
            all.filter(|(_, info)| info.live).map(|(id, _)| *id).collect()
        };
        let (live_before, live_after) = (agents(before), agents(after));
        let name = |id: &AgentId| AgentRef {
            id: *id,
            name: [before, after]
                .iter()
                .find_map(|log| log.access().agents().get(id).map(|a| a.name.clone()))
                .unwrap_or_default(),
        };
        let counting = |log: &ControlLog| -> BTreeSet<ObjectId> {
            log.ids().filter(|id| log.counts(*id)).collect()
        };
        let (counted, counts) = (counting(before), counting(after));
        let in_force = |log: &ControlLog| -> BTreeSet<ObjectId> {
            log.admin_grants().map(|(id, _)| id).filter(|id| log.in_force(*id)).collect()
        };
        let ended = &in_force(before) - &in_force(after);
        let rooms: BTreeSet<RoomId> =
            before.access().rooms().keys().chain(after.access().rooms().keys()).copied().collect();
        Preview {
            rooms: rooms
                .into_iter()
                .filter_map(|room| self.compare_room(room, before, after))
                .collect(),
            dismissed: live_before.difference(&live_after).map(name).collect(),
            returned: live_after.difference(&live_before).map(name).collect(),
            admins_ended: ended.iter().filter_map(|id| self.admin_view(before, *id)).collect(),
            voided: counted.difference(&counts).copied().collect(),
            restored: counts
                .difference(&counted)
                .filter(|id| before.holds(**id))
                .copied()
                .collect(),
            warnings: Vec::new(),
            powerless: false,
            kept: Vec::new(),
        }
    }

    fn compare_room(
        &self,
        room: RoomId,
        before: &ControlLog,
        after: &ControlLog,
    ) -> Option<RoomPreview> {
        let (had, have) = (before.access().with_access(room), after.access().with_access(room));
        let agent = |id: &AgentId| self.agent_ref(*id);
        let lose: Vec<AgentRef> = had.difference(&have).map(agent).collect();
        let gain: Vec<AgentRef> = have.difference(&had).map(agent).collect();
        let reads = self.me().is_some_and(|me| had.contains(&me));
        let state = self.rooms.get(&room).filter(|_| reads);
        let messages_lost =
            state.map(|state| state.log.lost_by(|device| after.standing(device, room)));
        let info = before.access().rooms().get(&room).or(after.access().rooms().get(&room))?;
        if lose.is_empty() && gain.is_empty() && messages_lost.unwrap_or(0) == 0 {
            return None;
        }
        let nobody_left = have.is_empty() && !had.is_empty();
        let room = RoomRef { id: room, name: info.name.clone() };
        Some(RoomPreview { room, lose, gain, messages_lost, nobody_left })
    }

    /// An admin grant as people see it.
    pub(super) fn admin_view(&self, log: &ControlLog, id: ObjectId) -> Option<AdminView> {
        let (_, grant) = log.admin_grants().find(|(other, _)| *other == id)?;
        let mut may = Vec::new();
        for (has, word) in [
            (grant.may.units, "units"),
            (grant.may.agents, "agents"),
            (grant.may.rooms, "rooms"),
            (grant.may.admins, "admins"),
        ] {
            may.extend(has.then_some(word));
        }
        Some(AdminView {
            grant: id,
            agent: self.agent_ref(grant.agent),
            device: grant.device,
            rank: grant.rank,
            may,
            scope: grant.scope.map(|unit| log.access().unit_label(unit)),
            in_force: log.in_force(id),
            ended_by: log.hits(id),
        })
    }
}

/// Which of the revocations that were signed have no effect, because of whom they are aimed at.
pub(super) fn attempts(after: &ControlLog, signed: &BTreeSet<ObjectId>) -> Vec<Alarm> {
    let ours = |alarm: &Alarm| match alarm {
        Alarm::DuelOfEquals { revoke } | Alarm::PowerlessRevoke { revoke } => {
            signed.contains(revoke)
        }
        _ => false,
    };
    after.alarms().into_iter().filter(ours).collect()
}
