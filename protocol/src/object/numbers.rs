//! How small enumerations and signatures stand on the wire.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use super::{HistoryPolicy, RevokeMode, SignatureBytes, UnitKind};

/// Small enumerations are unsigned integers on the wire.
macro_rules! number_on_wire {
    ($name:ident { $($number:literal => $variant:ident),* $(,)? }) => {
        impl<C> Encode<C> for $name {
            fn encode<W: Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), EncodeError<W::Error>> {
                e.u8(match self { $(Self::$variant => $number),* })?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                match d.u8()? {
                    $($number => Ok(Self::$variant),)*
                    _ => Err(DecodeError::message("unknown number")),
                }
            }
        }
    };
}

number_on_wire!(UnitKind { 0 => Department, 1 => Group, 2 => Role });
number_on_wire!(HistoryPolicy { 0 => Full, 1 => FromJoin });
number_on_wire!(RevokeMode { 0 => Depart, 1 => Strict });

impl<C> Encode<C> for SignatureBytes {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for SignatureBytes {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let bytes = d.bytes()?.try_into();
        Ok(Self(bytes.map_err(|_| DecodeError::message("a signature has 64 bytes"))?))
    }
}

impl std::fmt::Debug for SignatureBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignatureBytes({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}
