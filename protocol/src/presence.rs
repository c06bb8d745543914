//! That a device is there now, signed by it. Soft state: it is shown to people, and decides nothing.

use minicbor::{Decode, Encode};

use crate::codec;
use crate::id::{CompanyId, DeviceId};
use crate::limits::OBJECT_BYTES_MAX;
use crate::object::ObjectError;
use crate::time::Timestamp;

/// The newest beacon of a device replaces the ones before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PresenceBeacon {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// The company.
    #[n(1)]
    pub company: CompanyId,
    /// The device that is there, or says that it goes; it signs.
    #[n(2)]
    pub device: DeviceId,
    /// Orders the beacons of one device; its clock when it signed. Nobody compares it with another
    /// clock.
    #[n(3)]
    pub issued: Timestamp,
    /// Whether it is there. False when it stops, or when its user does not want it to be seen.
    #[n(4)]
    pub online: bool,
}

impl PresenceBeacon {
    /// Decodes and checks a beacon.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ObjectError> {
        codec::check_version(bytes, 1, 1).map_err(ObjectError::Version)?;
        let beacon: Self = codec::decode(bytes, OBJECT_BYTES_MAX)?;
        if beacon.version == 1 { Ok(beacon) } else { Err(ObjectError::Version(beacon.version)) }
    }
}
