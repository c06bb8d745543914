//! The heads of rooms that this device does not hold, asked of members for a revocation's `keep`.
//!
//! A head is taken only from members who stay, and those report only what they accept, ancestors
//! included. So whoever is removed cannot invent a head and fill it later.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::admin::Plan;
use super::command::Command;
use super::io::{CommandId, RequestId};
use super::syncing::Asked;
use crate::control::ControlLog;
use crate::id::{DeviceId, MessageId, RoomId};
use crate::limits::{
    HEADS_COMMANDS_MAX, HEADS_FRESH_MS, HEADS_ROOMS_MAX, HEADS_WAIT_MS, IDS_FRAME_MAX,
    KEPT_HEADS_MAX,
};
use crate::object::Keep;
use crate::sync::{Bound, Request, Response};
use crate::time::Timestamp;

/// What members report, and commands that wait for it.
#[derive(Debug, Default)]
pub(super) struct Heads {
    reported: BTreeMap<(RoomId, DeviceId), (Timestamp, Vec<MessageId>)>,
    waiting: Vec<WaitingCommand>,
    /// The command that is carried out now has waited for them.
    asked: bool,
}

#[derive(Debug)]
struct WaitingCommand {
    id: CommandId,
    command: Command,
    asked: BTreeSet<RequestId>,
    until: Timestamp,
}

impl Heads {
    /// When the next command has waited long enough.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }

    /// The wall clock was set back.
    pub(super) fn clock_went_back(&mut self, ms: u64) {
        for waiting in &mut self.waiting {
            waiting.until = waiting.until.minus_ms(ms);
        }
        for (at, _) in self.reported.values_mut() {
            *at = at.minus_ms(ms);
        }
    }
}

/// What several members report, as much of each as there is room for: one who invents many heads
/// leaves the others their share.
fn evenly(reports: &[&[MessageId]]) -> Vec<MessageId> {
    let longest = reports.iter().map(|heads| heads.len()).max().unwrap_or(0);
    let mut taken = BTreeSet::new();
    for id in (0..longest).flat_map(|n| reports.iter().filter_map(move |heads| heads.get(n))) {
        if taken.len() >= IDS_FRAME_MAX {
            break;
        }
        taken.insert(*id);
    }
    taken.into_iter().collect()
}

impl Engine {
    /// Whether a command has to wait until members have reported the heads of `rooms`; then it is
    /// carried out later.
    pub(super) fn waits_for_heads(
        &mut self,
        id: CommandId,
        command: &Command,
        rooms: &BTreeSet<RoomId>,
    ) -> bool {
        if self.heads.waiting.len() >= HEADS_COMMANDS_MAX {
            return false;
        }
        let mut asked = BTreeSet::new();
        for room in rooms.iter().take(HEADS_ROOMS_MAX) {
            for peer in self.connected_members() {
                let holds = self
                    .control
                    .as_ref()
                    .is_some_and(|control| control.access().device_has_access(peer, *room));
                if holds {
                    let asks = Asked::Heads(peer, *room);
                    asked.insert(self.send(peer, asks, &Request::Heads { room: *room }));
                }
            }
        }
        if asked.is_empty() {
            return false;
        }
        let until = self.now.plus_ms(HEADS_WAIT_MS);
        let command = command.clone();
        self.heads.waiting.push(WaitingCommand { id, command, asked, until });
        true
    }

    /// A member has answered, or will not.
    pub(super) fn heads_answered(
        &mut self,
        request: RequestId,
        peer: DeviceId,
        room: RoomId,
        response: Option<Response>,
    ) {
        if let Some(Response::Ids { ids, .. }) = response {
            let heads = ids.into_iter().map(|bound| bound.id).collect();
            self.heads.reported.insert((room, peer), (self.now, heads));
        }
        for waiting in &mut self.heads.waiting {
            waiting.asked.remove(&request);
        }
        self.go_on_with_heads();
    }

    /// Carries out the commands that have what they need, or have waited long enough.
    pub(super) fn go_on_with_heads(&mut self) {
        let now = self.now;
        let ready: Vec<WaitingCommand> = self
            .heads
            .waiting
            .extract_if(.., |waiting| waiting.asked.is_empty() || waiting.until <= now)
            .collect();
        for waiting in ready {
            self.heads.asked = true;
            self.command_now(waiting.id, waiting.command);
            self.heads.asked = false;
        }
        if self.heads.waiting.is_empty() {
            let fresh = |at: Timestamp| now.ms_since(at) <= HEADS_FRESH_MS;
            self.heads.reported.retain(|_, (at, _)| fresh(*at));
        }
    }

    /// The heads of a room as members have lately reported them who stay in the company `after` a
    /// change; `None` if nobody did.
    pub(super) fn reported_heads(
        &self,
        room: RoomId,
        after: &ControlLog,
    ) -> Option<Vec<MessageId>> {
        let stays = |device: &DeviceId| after.access().agent_of(*device).is_some();
        let fresh = |at: &Timestamp| self.now.ms_since(*at) <= HEADS_FRESH_MS;
        let mut reports = self
            .heads
            .reported
            .iter()
            .filter(|((of, device), (at, _))| *of == room && stays(device) && fresh(at))
            .peekable();
        reports.peek()?;
        Some(evenly(&reports.map(|(_, (_, heads))| heads.as_slice()).collect::<Vec<_>>()))
    }

    /// Leaves of what is kept as much as fits an object, the highest of each room: whoever makes
    /// many forks must not be able to keep a room open.
    pub(super) fn fit_keeps(&self, plan: &mut Plan, keeps: &mut [Keep]) {
        if keeps.iter().map(|keep| keep.messages.len()).sum::<usize>() <= KEPT_HEADS_MAX {
            return;
        }
        let share = (KEPT_HEADS_MAX / keeps.len().max(1)).max(1);
        for keep in keeps.iter_mut().filter(|keep| keep.messages.len() > share) {
            let log = self.rooms.get(&keep.room).map(|state| &state.log);
            let height = |id: &MessageId| log.and_then(|log| log.get(*id)).map(|e| e.height);
            keep.messages.sort_by_key(|id| std::cmp::Reverse(height(id)));
            keep.messages.truncate(share);
            keep.messages.sort_unstable();
            let control = self.control.as_ref();
            let name = control.map(|c| c.describe(keep.room.into())).unwrap_or_default();
            plan.warnings.push(format!(
                "the history of {name} ends in more branches than a removal can name: what stands \
                 only at the end of some of them will be lost"
            ));
        }
    }

    /// What to say of a room whose history ends nobody knows where.
    pub(super) fn warning_of_heads(&self, room: RoomId, after: &ControlLog) -> String {
        let name = self.control.as_ref().map(|c| c.describe(room.into())).unwrap_or_default();
        let holds = |peer: &DeviceId| {
            let before = self.control.as_ref().map(ControlLog::access);
            before.is_some_and(|access| access.device_has_access(*peer, room))
                && after.access().agent_of(*peer).is_some()
        };
        if !self.heads.asked && self.connected_members().iter().any(holds) {
            return format!(
                "nobody with access is left in {name}, and this device does not hold its history: \
                 connected members who stay will be asked where it ends"
            );
        }
        format!(
            "nobody with access is left in {name}, this device does not hold its history, and no \
             connected member who stays has said where it ends: what was written there can be read \
             by nobody until somebody is let in again"
        )
    }

    /// Gives an admin the heads of a room: ids and heights, which tell nothing of what was said.
    pub(super) fn answer_heads(&self, peer: DeviceId, room: RoomId) -> Response {
        let Some(control) = self.control.as_ref() else { return Response::Refused };
        let may = control.grants_of(peer).any(|(_, g)| g.may.rooms || g.may.agents || g.may.units);
        let reads = self.me().is_some_and(|me| control.access().has_access(me, room));
        // Who writes to whom is none of an admin's business.
        let instant = control.access().instant(room).is_some();
        let Some(state) = self.rooms.get(&room).filter(|_| may && reads && !instant) else {
            return Response::Refused;
        };
        let bound =
            |id: MessageId| state.log.get(id).map(|entry| Bound { height: entry.height, id });
        let mut ids: Vec<Bound> = state.log.heads().into_iter().filter_map(bound).collect();
        ids.sort_unstable();
        let more = ids.len() > IDS_FRAME_MAX;
        ids.truncate(IDS_FRAME_MAX);
        Response::Ids { ids, more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ObjectId;

    #[test]
    fn who_invents_many_heads_does_not_crowd_out_those_of_others() {
        let invented: Vec<MessageId> = (0..IDS_FRAME_MAX)
            .map(|n| ObjectId([[0; 24].as_slice(), &n.to_be_bytes()].concat().try_into().unwrap()))
            .collect();
        let honest = [ObjectId([9; 32]), ObjectId([8; 32])];
        let both = evenly(&[&invented, &honest]);
        assert!(honest.iter().all(|head| both.contains(head)));
        assert_eq!(both.len(), IDS_FRAME_MAX);
    }
}
