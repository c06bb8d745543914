//! Names of gossip topics, which only members can compute.
//!
//! A device that subscribes to a topic names it to whoever it is connected with, also before either
//! knows whether the other is a member. So the names are keyed with what only members hold: the
//! company's `Genesis`, in which 32 random bytes stand that no stranger is ever shown.

use crate::codec;
use crate::id::{RoomId, Topic};
use crate::object::Genesis;

/// What the topics of one company are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TopicSecret([u8; 32]);

impl TopicSecret {
    /// `BLAKE3-derive-key("conclave v1 topics", body)` over the body of the company's `Genesis`.
    #[must_use]
    pub fn of(genesis: &Genesis) -> Self {
        Self(blake3::derive_key("conclave v1 topics", &codec::encode(genesis)))
    }

    /// The topic of a room's messages: BLAKE3 over the room's id, keyed by this.
    #[must_use]
    pub fn room(&self, room: RoomId) -> Topic {
        Topic(blake3::keyed_hash(&self.0, &room.0).into())
    }

    /// The topic of the control log: as that of a room whose id is 32 zeros.
    #[must_use]
    pub fn control(&self) -> Topic {
        self.room(RoomId([0; 32]))
    }
}

impl std::fmt::Debug for TopicSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TopicSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{DeviceId, ObjectId};

    #[test]
    fn topics_depend_on_the_salt_and_the_room() {
        let genesis = |salt| Genesis {
            version: 1,
            name: "Acme".into(),
            root: DeviceId([1; 32]),
            recovery: ObjectId([2; 32]),
            salt: ObjectId([salt; 32]),
        };
        let (one, other) = (TopicSecret::of(&genesis(3)), TopicSecret::of(&genesis(4)));
        let room = RoomId([5; 32]);
        assert_ne!(one.room(room), other.room(room));
        assert_ne!(one.control(), other.control());
        assert_ne!(one.room(room), one.room(RoomId([6; 32])));
        assert_ne!(one.room(room), one.control());
        assert_eq!(one.room(room), TopicSecret::of(&genesis(3)).room(room));
        assert_eq!(format!("{one:?}"), "TopicSecret(…)");
    }
}
