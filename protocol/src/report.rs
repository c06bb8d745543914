//! Which state of the control log a device has applied, signed by it. Soft state: it tells admins
//! where a removal has taken effect, and decides nothing.

use minicbor::{Decode, Encode};

use crate::codec;
use crate::id::{CompanyId, DeviceId, ObjectId};
use crate::limits::OBJECT_BYTES_MAX;
use crate::object::ObjectError;
use crate::time::Timestamp;

/// The newest report of a device replaces the ones before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct StateReport {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// The company.
    #[n(1)]
    pub company: CompanyId,
    /// The device that reports and signs.
    #[n(2)]
    pub device: DeviceId,
    /// Orders the reports of one device; its clock when it signed.
    #[n(3)]
    pub issued: Timestamp,
    /// See [`crate::control::ControlLog::digest`].
    #[n(4)]
    pub digest: ObjectId,
    /// How many objects that digest is over.
    #[n(5)]
    pub objects: u64,
}

impl StateReport {
    /// Decodes and checks a report.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ObjectError> {
        codec::check_version(bytes, 1, 1).map_err(ObjectError::Version)?;
        let report: Self = codec::decode(bytes, OBJECT_BYTES_MAX)?;
        if report.version == 1 { Ok(report) } else { Err(ObjectError::Version(report.version)) }
    }
}
