//! Canonical CBOR: one value, one encoding.
//!
//! minicbor alone accepts over-long integers, indefinite lengths and trailing bytes. Here a
//! value counts as decoded only if encoding it again gives the bytes that arrived.

use minicbor::{Decode, Encode};

/// Bytes that are not the canonical encoding of what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// More bytes than the bound allows; nothing was decoded.
    #[error("{size} bytes, at most {max} are allowed")]
    TooLarge {
        /// Bytes that arrived.
        size: usize,
        /// The bound.
        max: usize,
    },
    /// Not CBOR, or not of the expected shape.
    #[error("not well formed")]
    Malformed,
    /// Another encoding of the same value, or bytes behind it.
    #[error("not canonical")]
    NotCanonical,
}

/// The canonical bytes of a value.
#[must_use]
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    // Most objects fit without growing.
    let mut bytes = Vec::with_capacity(1024);
    // Writing to memory has no error, and no `Encode` of this crate makes one of its own.
    if minicbor::encode(value, &mut bytes).is_err() {
        unreachable!("encoding to memory cannot fail");
    }
    bytes
}

/// The small number that stands first inside `depth` arrays: an object's version, which can be
/// told although the rest has another shape than this version knows.
#[must_use]
pub fn leading_number(bytes: &[u8], depth: usize) -> Option<u8> {
    let arrays = bytes.get(..depth)?;
    let number = *bytes.get(depth)?;
    (arrays.iter().all(|byte| byte >> 5 == 4) && number < 24).then_some(number)
}

/// Checks the version of an object before anything else of it is looked at.
///
/// # Errors
/// The version that stands there, if it is another.
pub fn check_version(bytes: &[u8], depth: usize, known: u8) -> Result<(), u8> {
    match leading_number(bytes, depth) {
        Some(version) if version != known => Err(version),
        _ => Ok(()),
    }
}

/// Decodes exactly one canonical value of at most `max` bytes.
///
/// # Errors
/// [`CodecError`], without having allocated more than a small multiple of `max`.
pub fn decode<'b, T: Decode<'b, ()> + Encode<()>>(
    bytes: &'b [u8],
    max: usize,
) -> Result<T, CodecError> {
    if bytes.len() > max {
        return Err(CodecError::TooLarge { size: bytes.len(), max });
    }
    let value: T = minicbor::decode(bytes).map_err(|_| CodecError::Malformed)?;
    let mut rest = Expected(bytes);
    if minicbor::encode(&value, &mut rest).is_err() || !rest.0.is_empty() {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// Takes an encoding and compares it with the bytes that are expected, instead of keeping it.
struct Expected<'b>(&'b [u8]);

/// The encoding is not what was expected.
#[derive(Debug)]
struct Differs;

impl minicbor::encode::Write for Expected<'_> {
    type Error = Differs;

    fn write_all(&mut self, part: &[u8]) -> Result<(), Differs> {
        self.0 = self.0.strip_prefix(part).ok_or(Differs)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_encoding_is_accepted() {
        assert_eq!(decode::<u64>(&[0x05], 9), Ok(5));
        // 5 in two bytes, in nine bytes, and with a trailing byte.
        assert_eq!(decode::<u64>(&[0x18, 0x05], 9), Err(CodecError::NotCanonical));
        assert_eq!(
            decode::<u64>(&[0x1b, 0, 0, 0, 0, 0, 0, 0, 5], 9),
            Err(CodecError::NotCanonical)
        );
        assert_eq!(decode::<u64>(&[0x05, 0x00], 9), Err(CodecError::NotCanonical));
        // An array of indefinite length.
        assert_eq!(decode::<Vec<u64>>(&[0x9f, 0x05, 0xff], 9), Err(CodecError::NotCanonical));
        assert_eq!(decode::<Vec<u64>>(&[0x81, 0x05], 9), Ok(vec![5]));
        assert_eq!(decode::<u64>(&[0x05, 0x00], 1), Err(CodecError::TooLarge { size: 2, max: 1 }));
        assert_eq!(decode::<u64>(&[], 9), Err(CodecError::Malformed));
    }

    #[test]
    fn a_version_is_told_whatever_follows() {
        assert_eq!(leading_number(&[0x82, 0x87, 0x02, 0xff], 2), Some(2));
        assert_eq!(leading_number(&[0x82, 0x02], 1), Some(2));
        assert_eq!(leading_number(&[0x82, 0x18, 0x02], 1), None);
        assert_eq!(leading_number(&[0x02], 1), None);
        assert_eq!(leading_number(&[0x82], 1), None);
    }
}
