//! Where a device listens, signed by it. Soft state: kept for dialling, never in a log.

use minicbor::{Decode, Encode};

use crate::codec;
use crate::id::{CompanyId, DeviceId};
use crate::limits::{ADDRESS_BYTES_MAX, ADDRESSES_MAX, OBJECT_BYTES_MAX};
use crate::object::ObjectError;
use crate::time::Timestamp;

/// The newest record of a device replaces the ones before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct AddressRecord {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// The company.
    #[n(1)]
    pub company: CompanyId,
    /// The device that listens and signs.
    #[n(2)]
    pub device: DeviceId,
    /// Orders the records of one device; its clock when it began to listen there.
    #[n(3)]
    pub issued: Timestamp,
    /// Multiaddrs without `/p2p`, at most 16 of at most 256 bytes.
    #[n(4)]
    pub addresses: Vec<String>,
}

impl AddressRecord {
    /// Decodes and checks a record.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ObjectError> {
        codec::check_version(bytes, 1, 1).map_err(ObjectError::Version)?;
        let record: Self = codec::decode(bytes, OBJECT_BYTES_MAX)?;
        if record.version != 1 {
            return Err(ObjectError::Version(record.version));
        }
        let too_long = |a: &String| a.len() > ADDRESS_BYTES_MAX || !a.starts_with('/');
        if record.addresses.len() > ADDRESSES_MAX || record.addresses.iter().any(too_long) {
            return Err(ObjectError::List);
        }
        Ok(record)
    }
}
