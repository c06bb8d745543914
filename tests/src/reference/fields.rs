//! Values that change, and names that collide.

use std::collections::BTreeSet;

use conclave_protocol::id::{ObjectId, RoomId};
use conclave_protocol::object::{Field, FieldValue, Payload, SetField};

use unicode_normalization::UnicodeNormalization;

use super::access::Access;

impl<'a> Access<'a> {
    /// The value that was set, if one was, and what set it.
    fn set_value(&self, target: ObjectId, field: Field) -> Option<(ObjectId, &'a FieldValue)> {
        let about = |f: &SetField| f.target == target && f.value.field() == field;
        let all: Vec<(ObjectId, &'a SetField)> = self
            .carried()
            .filter_map(|(id, payload)| match payload {
                Payload::SetField(f) if about(f) => Some((id, f)),
                _ => None,
            })
            .collect();
        let superseded: BTreeSet<ObjectId> =
            all.iter().flat_map(|(_, f)| f.supersedes.iter().copied()).collect();
        all.into_iter()
            .filter(|(id, _)| !superseded.contains(id))
            .min_by_key(|(id, _)| (self.authority.rank_of(*id), *id))
            .map(|(id, f)| (id, &f.value))
    }

    /// The text of a name or topic.
    pub(super) fn text(&self, target: ObjectId, field: Field) -> String {
        match self.set_value(target, field) {
            Some((_, FieldValue::Name(text) | FieldValue::Topic(text))) => text.clone(),
            _ if field == Field::Name => self.first_name(target),
            _ => String::new(),
        }
    }

    fn first_name(&self, target: ObjectId) -> String {
        match self.log.payload(target) {
            Some(Payload::AgentCert(agent)) => agent.name.clone(),
            Some(Payload::UnitCreate(unit)) => unit.name.clone(),
            Some(Payload::RoomCreate(room)) => room.name.clone(),
            _ => String::new(),
        }
    }

    /// Rooms are in use until somebody says otherwise.
    pub(super) fn is_active(&self, room: RoomId) -> bool {
        let set = self.set_value(room.into(), Field::Active);
        !matches!(set, Some((_, FieldValue::Active(false))))
    }

    /// The name of `id`, told from those among `peers` that bear the same: names that look alike
    /// in NFC. How a name is written stays as it was signed. What is not among
    /// them, such as a deleted room, shows its name plain.
    pub(super) fn shown_name(&self, id: ObjectId, peers: &BTreeSet<ObjectId>) -> String {
        let name = self.text(id, Field::Name);
        let looks = |name: &str| name.nfc().collect::<String>();
        let same = |peer: ObjectId| looks(&self.text(peer, Field::Name)) == looks(&name);
        // Whoever gave the name vouches for it.
        let giver = |id: ObjectId| self.set_value(id, Field::Name).map_or(id, |(by, _)| by);
        let place = |id: ObjectId| (self.authority.rank_of(giver(id)), id);
        let later = peers.iter().any(|peer| place(*peer) < place(id) && same(*peer));
        if later && peers.contains(&id) { format!("{name}:{}", &id.to_string()[..8]) } else { name }
    }
}
