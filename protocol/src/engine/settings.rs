//! What the user of this node has chosen, and texts begun and not sent: rows of this node alone,
//! which nobody else sees.

use super::Engine;
use super::command::{Failure, FailureKind, Outcome};
use super::io::{Table, Write};
use super::load::id_at;
use crate::id::RoomId;
use crate::limits::{DRAFT_BYTES_MAX, DRAFTS_MAX};

/// The keys of the settings in [`Table::State`].
const PRESENCE: &[u8] = b"setting/presence";
const NOTIFICATIONS: &[u8] = b"setting/notifications";
/// Prefix of the drafts in [`Table::State`]; the room's id follows.
const DRAFT: &[u8] = b"draft/";

/// The settings of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether others are told that this device is there.
    pub presence: bool,
    /// Whether the page may show notifications.
    pub notifications: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { presence: true, notifications: true }
    }
}

/// A text that is not sent yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Where it would go.
    pub room: RoomId,
    /// The text.
    pub text: String,
}

fn draft_key(room: RoomId) -> Vec<u8> {
    [DRAFT, &room.0].concat()
}

impl Engine {
    pub(super) fn load_settings(&mut self) {
        let reader = self.reader.clone();
        let is_on = |key| reader.get(Table::State, key).is_none_or(|value| value == [1]);
        self.settings = Settings { presence: is_on(PRESENCE), notifications: is_on(NOTIFICATIONS) };
        let (drafts, vault) = (&mut self.drafts, &self.vault);
        reader.scan(Table::State, DRAFT, &mut |key, value| {
            let opened = vault.open(key, value);
            let text = opened.and_then(|text| String::from_utf8(text.to_vec()).ok());
            if let (Some(room), Some(text)) = (id_at(key, DRAFT.len()), text) {
                drafts.insert(RoomId(room), text);
            }
        });
    }

    /// The settings of this node.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    pub(super) fn change_settings(
        &mut self,
        presence: Option<bool>,
        notifications: Option<bool>,
    ) -> Result<Outcome, Failure> {
        let before = self.settings;
        self.settings = Settings {
            presence: presence.unwrap_or(before.presence),
            notifications: notifications.unwrap_or(before.notifications),
        };
        let now = self.settings;
        if now.notifications != before.notifications {
            self.write(Table::State, NOTIFICATIONS, vec![u8::from(now.notifications)]);
        }
        if now.presence != before.presence {
            self.write(Table::State, PRESENCE, vec![u8::from(now.presence)]);
            self.presence_switched();
        }
        Ok(Outcome::Done)
    }

    /// The drafts for rooms that are open to this agent.
    #[must_use]
    pub fn drafts(&self) -> Vec<Draft> {
        let open = self.drafts.iter().filter(|(room, _)| self.is_open(**room));
        open.map(|(room, text)| Draft { room: *room, text: text.clone() }).collect()
    }

    pub(super) fn set_draft(&mut self, room: &str, text: String) -> Result<Outcome, Failure> {
        let room = self.readable_room(room)?.id;
        if text.len() > DRAFT_BYTES_MAX {
            return Err(Failure::new(
                FailureKind::Usage,
                "the draft is longer than a message may be",
                "a draft has at most 16 KiB of UTF-8 text",
            ));
        }
        if text.is_empty() {
            self.drop_draft(room);
            return Ok(Outcome::Done);
        }
        if !self.drafts.contains_key(&room) && self.drafts.len() >= DRAFTS_MAX {
            self.drop_drafts(|engine, room| !engine.is_open(room));
        }
        if !self.drafts.contains_key(&room) && self.drafts.len() >= DRAFTS_MAX {
            return Err(Failure::new(
                FailureKind::Conflict,
                format!("there are {DRAFTS_MAX} drafts already"),
                "send one of them, or clear it",
            ));
        }
        if self.drafts.get(&room) != Some(&text) {
            let key = draft_key(room);
            let sealed = self.vault.seal(&key, text.as_bytes());
            self.write(Table::State, key, sealed);
            self.drafts.insert(room, text);
        }
        Ok(Outcome::Done)
    }

    /// Drops the drafts for rooms that are deleted or not open any more. Rooms that are not
    /// known at all may be on their way: a store that was damaged is being mended.
    pub(super) fn drop_drafts_of_closed_rooms(&mut self) {
        if self.member && !self.drafts.is_empty() {
            self.drop_drafts(|engine, room| {
                let rooms = engine.access().map(crate::control::Access::rooms);
                rooms.is_ok_and(|rooms| rooms.contains_key(&room)) && !engine.is_open(room)
            });
        }
    }

    fn drop_drafts(&mut self, ended: impl Fn(&Self, RoomId) -> bool) {
        let rooms: Vec<RoomId> =
            self.drafts.keys().copied().filter(|room| ended(self, *room)).collect();
        for room in rooms {
            self.drop_draft(room);
        }
    }

    fn drop_draft(&mut self, room: RoomId) {
        if self.drafts.remove(&room).is_some() {
            let (table, key) = (Table::State, draft_key(room));
            self.writes.push(Write { table, key, value: None });
        }
    }

    fn is_open(&self, room: RoomId) -> bool {
        self.readable_room(&room.to_string()).is_ok()
    }
}
