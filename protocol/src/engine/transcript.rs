//! Writing transcripts: what is in one is settled at its beginning, and read part by part.

use super::Engine;
use super::command::{Failure, FailureKind};
use crate::crypt::ContentKey;
use crate::id::{MessageId, ObjectId, RoomId};
use crate::object::SignatureBytes;
use crate::room::RoomLog;
use crate::transcript::{Entry, Head, HeadWords, Stands, seal_statement};

/// What a transcript will hold.
#[derive(Clone, Debug)]
pub struct TranscriptPlan {
    /// What it is of.
    pub head: Head,
    /// The same for people.
    pub words: HeadWords,
    /// Its control objects, in order.
    pub objects: Vec<ObjectId>,
    /// Its envelopes, in order, with how they stand.
    pub entries: Vec<(MessageId, Option<Stands>)>,
}

impl Engine {
    /// Settles what a transcript of a room holds: all that is shared of it now.
    ///
    /// # Errors
    /// Unknown, or not open to this agent.
    pub fn plan_transcript(&self, selector: &str) -> Result<TranscriptPlan, Failure> {
        let room = self.readable_room(selector)?.id;
        let Some(control) = self.control.as_ref() else { return Err(closed()) };
        let objects: Vec<ObjectId> = control.order().iter().map(|(_, id)| id).collect();
        let log = self.rooms.get(&room).map(|state| &state.log);
        let entries: Vec<(MessageId, Option<Stands>)> = log
            .into_iter()
            .flat_map(|log| log.shared().iter().map(|(_, id)| (id, self.stands(room, log, id))))
            .collect();
        let head = Head {
            company: control.company(),
            room,
            device: self.keys.device(),
            time: self.now,
            control_digest: control.digest(),
            objects: objects.len() as u64,
            entries: entries.len() as u64,
            agents: control.access().instant(room).cloned(),
        };
        let words = HeadWords::of(&head, control).ok_or_else(closed)?;
        Ok(TranscriptPlan { head, words, objects, entries })
    }

    fn stands(&self, room: RoomId, log: &RoomLog, id: MessageId) -> Option<Stands> {
        let entry = log.get(id).filter(|entry| entry.kind.is_content())?;
        let access = self.control.as_ref()?.access();
        let live = access.device_has_access(entry.device, room);
        Some(Stands::of(entry.is_accepted(), live))
    }

    /// The signed bytes of control objects of a plan.
    ///
    /// # Errors
    /// If one is here no longer.
    pub fn transcript_objects(&self, ids: &[ObjectId]) -> Result<Vec<Vec<u8>>, Failure> {
        let bytes = |id: &ObjectId| {
            let bytes = self.control.as_ref().and_then(|control| control.bytes(*id));
            bytes.map(<[u8]>::to_vec).ok_or_else(closed)
        };
        ids.iter().map(bytes).collect()
    }

    /// Envelopes of a plan, with the keys of those that can be read here and stand.
    ///
    /// # Errors
    /// If the room is open to this agent no longer, or a message is damaged.
    pub fn transcript_entries(
        &self,
        room: RoomId,
        ids: &[(MessageId, Option<Stands>)],
    ) -> Result<Vec<Entry>, Failure> {
        let access = self.access()?;
        if !self.me().is_some_and(|me| access.has_access(me, room)) {
            return Err(closed());
        }
        let entry = |(id, stands): &(MessageId, Option<Stands>)| {
            self.transcript_entry(room, *id, *stands).ok_or_else(|| {
                Failure::new(
                    FailureKind::Failed,
                    format!("the message {id} is damaged here, or was taken back"),
                    "connect other members' nodes, which mend it, and try again",
                )
            })
        };
        ids.iter().map(entry).collect()
    }

    fn transcript_entry(
        &self,
        room: RoomId,
        id: MessageId,
        stands: Option<Stands>,
    ) -> Option<Entry> {
        let log = &self.rooms.get(&room)?.log;
        let message = self.read_message(room, id)?;
        let envelope = message.value();
        let stays = stands.is_some_and(|stands| stands != Stands::Void);
        let key = envelope.epoch.filter(|_| stays).and_then(|epoch| log.epochs.key(epoch));
        let key = key.map(|key| ContentKey::of(key, &envelope.content_fields()));
        Some(Entry { bytes: message.bytes().to_vec(), key, stands })
    }

    /// Signs what was written of a plan.
    #[must_use]
    pub fn seal_transcript(&self, head: &Head, fingerprint: ObjectId) -> SignatureBytes {
        SignatureBytes(self.keys.sign(&seal_statement(head, fingerprint)))
    }
}

fn closed() -> Failure {
    Failure::new(
        FailureKind::NoAccess,
        "the room is open to you no longer",
        "what was written is not the whole; see `conclave room list`",
    )
}
