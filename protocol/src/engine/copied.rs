//! A home that was restored from an older copy of itself.
//!
//! Such a node may have signed more than it remembers. Before it signs anything it learns its own
//! newest objects from members: no sequence number is used twice. Whoever was connected when it
//! signed may be away now, so its messages go on well beyond every number it can have used.

use super::Engine;
use super::command::{Command, Failure, FailureKind};
use super::io::{CommandId, Effect, Table};
use super::load::WAS_COPY;
use crate::id::{DeviceId, MessageId, RoomId};
use crate::limits::{COPIED_COMMANDS_MAX, COPIED_SEQ_GAP, COPIED_SEQ_GAP_RANDOM, COPIED_WAIT_MS};
use crate::time::Timestamp;

/// What a copied home has to learn, and the commands that wait for it.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// Not everything has been compared yet.
    is_copy: bool,
    waiting: Vec<(Timestamp, CommandId, Command)>,
}

impl Copied {
    pub(super) fn new(is_copy: bool) -> Self {
        Self { is_copy, waiting: Vec::new() }
    }

    /// When the next command has waited long enough.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.waiting.iter().map(|(until, ..)| *until).min()
    }

    /// The wall clock was set back.
    pub(super) fn clock_went_back(&mut self, ms: u64) {
        for (until, ..) in &mut self.waiting {
            *until = until.minus_ms(ms);
        }
    }
}

impl Engine {
    /// Whether a command has to wait until members have told what this device signed before; then
    /// it is carried out later.
    pub(super) fn waits_for_own_tail(&mut self, id: CommandId, command: &Command) -> bool {
        let signs = !matches!(
            command,
            Command::MarkRead { .. }
                | Command::ChangeSettings { .. }
                | Command::SetDraft { .. }
                | Command::OpenInstant { .. }
        );
        let waits = self.copied.is_copy
            && signs
            && self.copied.waiting.len() < COPIED_COMMANDS_MAX
            && !self.connected_members().is_empty();
        if waits {
            let until = self.now.plus_ms(COPIED_WAIT_MS);
            self.copied.waiting.push((until, id, command.clone()));
        }
        waits
    }

    /// Refuses to sign at the end of a chain that may be longer than it is known here; `room` for
    /// an envelope, `None` for a control object.
    pub(super) fn require_own_tail(&self, room: Option<RoomId>) -> Result<(), Failure> {
        let known = self.knows_own_chain() && room.is_none_or(|room| self.knows_own_tail(room));
        if !self.copied.is_copy || known {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::Failed,
            "this node was restored from a copy and must first learn from another member what it \
             had signed since",
            "connect it to another member that is up (see `conclave status`), then try again",
        ))
    }

    fn knows_own_chain(&self) -> bool {
        self.control_compared || !self.others(None)
    }

    fn knows_own_tail(&self, room: RoomId) -> bool {
        let compared = self.rooms.get(&room).is_some_and(|state| state.compared);
        (compared && !self.is_fetching(room)) || !self.others(Some(room))
    }

    /// Whether any other device could know more, of the company or of a room.
    pub(super) fn others(&self, room: Option<RoomId>) -> bool {
        let Some(access) = self.control.as_ref().map(crate::control::ControlLog::access) else {
            return false;
        };
        let ours = self.keys.device();
        let could = |device: &DeviceId| {
            *device != ours && room.is_none_or(|room| access.device_has_access(*device, room))
        };
        access.devices().keys().any(could)
    }

    /// Whether messages of ours have to leave numbers out.
    pub(super) fn is_copied(&self) -> bool {
        self.copied.is_copy
    }

    /// A place in this device's chain of a room that is beyond every number it can have used,
    /// also before it was restored from the same copy an earlier time.
    pub(super) fn beyond_own_numbers(&mut self, room: RoomId) -> (u64, MessageId) {
        let ours = self.keys.device();
        let tail = self.rooms.get(&room).and_then(|state| state.log.tail(ours));
        // It may have written here first after the copy was made: then nobody knows what came
        // before.
        let (seq, id) = tail.unwrap_or_default();
        let gap = COPIED_SEQ_GAP + self.entropy.below(COPIED_SEQ_GAP_RANDOM);
        (seq.saturating_add(gap), id)
    }

    /// In each room in which this device may ever have written it goes on well beyond. That is
    /// written down before the home counts as no copy any more.
    fn leave_numbers_out(&mut self) {
        let ours = self.keys.device();
        let Some(control) = self.control.as_ref() else { return };
        let access = control.access();
        let rooms = access.rooms().keys().chain(access.instants().keys()).copied();
        let rooms: Vec<RoomId> =
            rooms.filter(|room| control.standing(ours, *room).proved()).collect();
        for room in rooms {
            let (seq, id) = self.beyond_own_numbers(room);
            self.rooms.entry(room).or_default().log.keep_tail(ours, seq, id);
            self.write_tail(room, seq, id);
        }
        // And in instant rooms that this home has forgotten.
        self.instants.was_copy = true;
        self.write(Table::State, WAS_COPY, vec![1]);
    }

    /// Carries out what waited, if all is known by now or it has waited long enough.
    pub(super) fn go_on_after_copy(&mut self) {
        if !self.copied.is_copy {
            return;
        }
        let rooms = self.accessible_rooms();
        let all = self.member
            && self.knows_own_chain()
            && rooms.iter().all(|room| self.knows_own_tail(*room));
        if all && !self.connected_members().is_empty() {
            self.leave_numbers_out();
            self.copied.is_copy = false;
            self.emit(Effect::TailKnown);
        }
        let (now, is_copy) = (self.now, self.copied.is_copy);
        let ready: Vec<_> =
            self.copied.waiting.extract_if(.., |(until, ..)| !is_copy || *until <= now).collect();
        for (_, id, command) in ready {
            self.command_after_tail(id, command);
        }
    }
}
