//! Removing a device: by whoever may revoke it, or by telling an admin exactly what to say.

use super::Engine;
use super::admin::Plan;
use super::authoring::not_admin;
use super::command::{Failure, FailureKind};
use crate::control::ControlLog;
use crate::id::{AgentId, DeviceId, MessageId};
use crate::limits::KEPT_HEADS_MAX;
use crate::object::{Keep, Payload, Revoke, RevokeMode};
use crate::view::AgentRef;

/// A beginning of an id that is shorter says too little.
const PREFIX_DIGITS_MIN: usize = 8;
/// Said instead of messages: nothing is kept.
const NOTHING: &str = "none";

impl Engine {
    /// What removes a device. Strictly, what this device has accepted of it until now stays, unless
    /// the user says what else: whoever stole it may have written, but not before the theft.
    pub(super) fn plan_remove_device(
        &self,
        typed: &str,
        strict: bool,
        keep: &[String],
    ) -> Result<Plan, Failure> {
        let log = self.log()?;
        let device = self.find_device(typed)?;
        if device == self.keys.device() {
            return Err(Failure::new(
                FailureKind::Usage,
                "this is the device that you are on",
                "remove it on another device of yours, or let an admin do it with `conclave agent \
                 revoke`",
            ));
        }
        let agent = self.agent_of_device(log, device);
        let cert = agent.and_then(|agent| log.certs_of(device, agent).next().zip(Some(agent)));
        let (cert, agent) = cert.ok_or_else(|| no_device(typed))?;
        self.require_removable(log, agent, device, strict)?;
        let (keep, warning) = if !strict {
            (Vec::new(), None)
        } else if keep.is_empty() {
            self.keep_what_is_here(log, device)
        } else if keep == [NOTHING] {
            (Vec::new(), None)
        } else {
            (self.keeps(keep)?, None)
        };
        let mode = if strict { RevokeMode::Strict } else { RevokeMode::Depart };
        let control_cuts = Vec::new();
        let revoke =
            Payload::Revoke(Revoke { target: cert, control_cuts, keep: keep.clone(), mode });
        if log.authority_for(self.keys.device(), &revoke).is_none() {
            return Err(if self.me() == Some(agent) {
                self.left_to_an_admin(agent, device, strict, &keep)
            } else {
                not_admin("remove devices of others")
            });
        }
        let name = self.agent_ref(agent).name;
        let mut plan = self.revocation(name, cert, vec![device], (mode, keep), None, &None)?;
        plan.warnings.extend(warning);
        Ok(plan)
    }

    /// Whose a device is, that a user names to remove it.
    ///
    /// # Errors
    /// If this device is not a member, or there is no such device.
    pub fn owner_of_device(&self, typed: &str) -> Result<Option<AgentRef>, Failure> {
        let device = self.find_device(typed)?;
        let agent = self.agent_of_device(self.log()?, device);
        Ok(agent.map(|agent| self.agent_ref(agent)))
    }

    fn agent_of_device(&self, log: &ControlLog, device: DeviceId) -> Option<AgentId> {
        let of: Vec<AgentId> = log.agents_of_device(device).collect();
        let own = self.me().filter(|me| of.contains(me));
        log.access().agent_of(device).or(own).or(of.first().copied())
    }

    fn require_removable(
        &self,
        log: &ControlLog,
        agent: AgentId,
        device: DeviceId,
        strict: bool,
    ) -> Result<(), Failure> {
        let live = log.access().agents().get(&agent).map(|a| a.devices.clone()).unwrap_or_default();
        if live.contains(&device) && live.len() == 1 {
            let name = self.agent_ref(agent).name;
            return Err(Failure::new(
                FailureKind::Conflict,
                format!("it is the only device that {name} has"),
                format!(
                    "add another one first; or an admin dismisses the agent: conclave agent revoke \
                     {}",
                    shell_word(&name)
                ),
            ));
        }
        // What departed can still be removed strictly, should it turn out to be stolen.
        if !live.contains(&device) && !strict {
            return Err(Failure::new(
                FailureKind::Conflict,
                "that device has been removed already",
                "see `conclave device list`",
            ));
        }
        Ok(())
    }

    /// The newest message of a device that is accepted here, in each room.
    fn keep_what_is_here(&self, log: &ControlLog, device: DeviceId) -> (Vec<Keep>, Option<String>) {
        let mut found: Vec<(u64, Keep)> = Vec::new();
        let mut conversations = 0_u64;
        for (room, state) in &self.rooms {
            let is_its = |id: &MessageId| {
                state.log.get(*id).is_some_and(|e| e.device == device && e.is_accepted())
            };
            let newest = state.log.order().newest_first().map(|(_, id)| id).find(is_its);
            let Some(newest) = newest else { continue };
            // A revocation is read by the whole company: who writes to whom is not said in it.
            if log.access().instant(*room).is_some() {
                conversations += 1;
                continue;
            }
            let height = state.log.get(newest).map_or(0, |entry| entry.height);
            found.push((height, Keep { room: *room, messages: vec![newest] }));
        }
        found.sort_by_key(|(height, keep)| (std::cmp::Reverse(*height), keep.room));
        let lost = found.len().saturating_sub(KEPT_HEADS_MAX);
        found.truncate(KEPT_HEADS_MAX);
        let mut keeps: Vec<Keep> = found.into_iter().map(|(_, keep)| keep).collect();
        keeps.sort_by_key(|keep| keep.room);
        let mut warning = format!(
            "what it wrote in {} rooms, as far as this device has it, stays; if some of it is \
             forged, name the last good messages with --keep, or `--keep none`",
            keeps.len()
        );
        if conversations > 0 {
            warning += &format!(
                "; what it wrote in {conversations} instant conversations goes, because a \
                 revocation that keeps it would tell the company of them"
            );
        }
        if lost > 0 {
            warning +=
                &format!("; what it wrote in {lost} more rooms goes: too many for one object");
        }
        (keeps, Some(warning))
    }

    /// Says what an admin has to type, with what is known here.
    fn left_to_an_admin(
        &self,
        agent: AgentId,
        device: DeviceId,
        strict: bool,
        keep: &[Keep],
    ) -> Failure {
        let mut line = format!(
            "conclave agent revoke {} --device {device}",
            shell_word(&self.agent_ref(agent).name)
        );
        if strict {
            line += " --strict";
            for keep in keep {
                for message in &keep.messages {
                    line += &format!(" --keep {}/{message}", keep.room);
                }
            }
        }
        Failure::new(
            FailureKind::NotAdmin,
            "this device has no grant to revoke devices; nothing was changed",
            format!("an admin for agents does it with: {line}"),
        )
    }

    /// A device of the own agent, or, of others, as admins name them: by id or its beginning.
    fn find_device(&self, typed: &str) -> Result<DeviceId, Failure> {
        let log = self.log()?;
        if let Ok(device) = typed.parse::<DeviceId>() {
            return Ok(device);
        }
        let hex = |c: char| c.is_ascii_hexdigit();
        if typed.len() < PREFIX_DIGITS_MIN || !typed.chars().all(hex) {
            return Err(Failure::new(
                FailureKind::Usage,
                format!("\"{typed}\" is no id of a device"),
                format!(
                    "use an id that `conclave device list` shows, or at least its first \
                     {PREFIX_DIGITS_MIN} digits"
                ),
            ));
        }
        let typed = typed.to_lowercase();
        let agents = log.access().agents().keys();
        let mut fitting: Vec<DeviceId> = agents
            .flat_map(|agent| log.devices_of(*agent))
            .filter(|device| device.to_string().starts_with(&typed))
            .collect();
        fitting.sort_unstable();
        fitting.dedup();
        match fitting.as_slice() {
            [device] => Ok(*device),
            [] => Err(no_device(&typed)),
            _ => Err(Failure::new(
                FailureKind::Usage,
                format!("several devices begin with {typed}"),
                "type more of it: see `conclave device list`",
            )),
        }
    }
}

fn no_device(typed: &str) -> Failure {
    Failure::new(
        FailureKind::NotFound,
        format!("there is no device \"{typed}\""),
        "see `conclave device list`, or `conclave device list AGENT` for another's",
    )
}

/// A name as one word of a command line.
fn shell_word(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && !name.starts_with('-') && name.chars().all(plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}
