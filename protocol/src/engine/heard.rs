//! When this device took a control object in. Objects carry no time, since nobody could check it;
//! this is what one's own clock said, and nothing is decided by it.

use super::Engine;
use super::io::{Table, Write};
use super::load::number_at;
use crate::id::ObjectId;
use crate::time::Timestamp;

/// Prefix of the times in [`Table::State`]; the object's id follows. Read only when somebody asks.
const HEARD: &[u8] = b"heard/";

fn key(id: ObjectId) -> Vec<u8> {
    [HEARD, &id.0].concat()
}

/// The row that says when an object was taken in.
pub(super) fn heard_row(id: ObjectId, at: Timestamp) -> Write {
    Write { table: Table::State, key: key(id), value: Some(at.0.to_be_bytes().to_vec()) }
}

impl Engine {
    /// When this device took an object of the control log in, by its own clock; for what was
    /// signed here, when it was signed. None if that was before such times were kept.
    #[must_use]
    pub fn heard(&self, id: ObjectId) -> Option<Timestamp> {
        let row = self.reader.get(Table::State, &key(id))?;
        number_at(&row, 0).map(Timestamp)
    }

    /// Writes down that an object was taken in just now.
    pub(super) fn note_heard(&mut self, id: ObjectId) {
        // What comes again in the place of a damaged row was here before. Otherwise nothing is:
        // to look each time would slow a catch-up down.
        if self.verdicts.contains_key("damaged") && self.heard(id).is_some() {
            return;
        }
        self.writes.push(heard_row(id, self.now));
    }

    /// The object is taken back.
    pub(super) fn forget_heard(&mut self, id: ObjectId) {
        self.writes.push(Write { table: Table::State, key: key(id), value: None });
    }
}
