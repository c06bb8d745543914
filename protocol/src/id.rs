//! Identifiers. Each is 32 bytes in a type of its own, so that one cannot stand for another.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 64 lower-case hexadecimal digits")]
pub struct ParseIdError;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The raw bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({}…)", stringify!($name), HEXLOWER.encode(&self.0[..4]))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| ParseIdError)?;
                Ok(Self(bytes.try_into().map_err(|_| ParseIdError)?))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), EncodeError<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                let bytes = d.bytes()?;
                let array = bytes.try_into();
                Ok(Self(array.map_err(|_| DecodeError::message("an id has 32 bytes"))?))
            }
        }
    };
}

id_type! {
    /// Any signed object: the BLAKE3 hash of its body under its type's context.
    ObjectId
}
id_type! {
    /// A company: the id of its `Genesis`.
    CompanyId
}
id_type! {
    /// A person: the id of the `AgentCert`.
    AgentId
}
id_type! {
    /// A node: its Ed25519 public key, which is also its network identity.
    DeviceId
}
id_type! {
    /// A Department, Group or Role: the id of its `UnitCreate`, or [`UnitId::ROLE_AGENT`].
    UnitId
}
id_type! {
    /// A room: the id of its `RoomCreate`, or of an instant room the hash of its agents, see
    /// [`crate::instant::InstantAgents`].
    RoomId
}
id_type! {
    /// A gossip topic, see [`crate::topic::TopicSecret`].
    Topic
}

macro_rules! id_of_object {
    ($($name:ident),*) => {$(
        impl From<ObjectId> for $name {
            fn from(id: ObjectId) -> Self {
                Self(id.0)
            }
        }

        impl From<$name> for ObjectId {
            fn from(id: $name) -> Self {
                Self(id.0)
            }
        }
    )*};
}

id_of_object!(CompanyId, AgentId, UnitId, RoomId);

/// A message of a room is known by the id of its envelope.
pub type MessageId = ObjectId;

impl UnitId {
    /// The built-in principal that every certified agent holds: `role:Agent`.
    ///
    /// Its bytes are the ASCII text `conclave v1 role:Agent`, padded with zeros, so that no
    /// hash equals it.
    pub const ROLE_AGENT: Self = Self(*b"conclave v1 role:Agent\0\0\0\0\0\0\0\0\0\0");
}
