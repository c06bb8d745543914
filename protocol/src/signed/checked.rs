//! Checks of signatures apart from the engine: on any thread, and once for each object.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ed25519_dalek::{Signature, VerifyingKey};

use super::{Parts, Trust, Verified, VerifyError, object_id, signed_statement, split};
use crate::envelope::Envelope;
use crate::id::{CompanyId, DeviceId, ObjectId};
use crate::limits::{CHECKED_KEPT_MAX, KEYS_KEPT_MAX};
use crate::object::{ControlObject, ObjectType};

/// Bytes that arrived, with what a check of their signature gave.
///
/// Only [`Checker::check`] makes one, so that holding it is as good as checking again.
#[derive(Clone, Debug)]
pub struct Checked {
    id: ObjectId,
    outcome: Outcome,
}

#[derive(Clone, Debug)]
enum Outcome {
    Envelope(Verified<Envelope>),
    Control(Verified<ControlObject>),
    Refused(Vec<u8>, VerifyError),
}

impl Checked {
    /// The id that the bytes have, whether or not the signature fits.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Whether it was these bytes that were checked.
    #[must_use]
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        let checked = match &self.outcome {
            Outcome::Envelope(envelope) => envelope.bytes(),
            Outcome::Control(object) => object.bytes(),
            Outcome::Refused(bytes, _) => bytes,
        };
        checked == bytes
    }

    /// Whether the bytes are malformed or the signature does not fit.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.outcome, Outcome::Refused(..))
    }

    /// The message, if it is one of `company`.
    ///
    /// # Errors
    /// As [`Verified::envelope`].
    pub fn into_envelope(self, company: CompanyId) -> Result<Verified<Envelope>, VerifyError> {
        match self.outcome {
            Outcome::Envelope(envelope) if envelope.value().company == company => Ok(envelope),
            Outcome::Envelope(_) => Err(VerifyError::WrongCompany),
            Outcome::Control(_) => Err(crate::codec::CodecError::Malformed.into()),
            Outcome::Refused(_, error) => Err(error),
        }
    }

    /// The control object, if it is one of `company`.
    ///
    /// # Errors
    /// As [`Verified::control`].
    pub fn into_control(self, company: CompanyId) -> Result<Verified<ControlObject>, VerifyError> {
        match self.outcome {
            Outcome::Control(object) if object.value().header.company == company => Ok(object),
            Outcome::Control(_) => Err(VerifyError::WrongCompany),
            Outcome::Envelope(_) => Err(crate::codec::CodecError::Malformed.into()),
            Outcome::Refused(_, error) => Err(error),
        }
    }
}

/// Checks signatures, and remembers what it has checked: an object that comes by gossip and by
/// synchronisation costs one check. Many threads may share one.
#[derive(Debug, Default)]
pub struct Checker {
    recent: Mutex<Recent>,
    checks: AtomicU64,
}

/// Of all bytes of an object: the id covers all but the signature.
type Print = (ObjectId, [u8; 64]);

#[derive(Debug, Default)]
struct Recent {
    /// Objects that passed; the oldest go first.
    known: BTreeSet<Print>,
    order: VecDeque<Print>,
    /// Keys of authors in the form that checks need; to unpack one takes as long as a tenth of
    /// a check.
    keys: BTreeMap<DeviceId, VerifyingKey>,
}

impl Checker {
    /// Checks a message or control object; `None` for anything else, which the engine checks
    /// itself: there is little of it.
    #[must_use]
    pub fn check(&self, bytes: &[u8]) -> Option<Checked> {
        let (object_type, parts) = split(bytes).ok()?;
        match object_type {
            ObjectType::Genesis
            | ObjectType::AddressRecord
            | ObjectType::StateReport
            | ObjectType::Presence => return None,
            _ => {}
        }
        let id = object_id(object_type, parts.body);
        let print = (id, parts.signature.0);
        let known = self.lock().known.contains(&print);
        let checked = match object_type {
            ObjectType::Envelope => {
                self.check_envelope(bytes, &parts, id, known).map(Outcome::Envelope)
            }
            _ => {
                let trust = if known { Trust::StoredAs(id) } else { Trust::Nothing };
                Verified::<ControlObject>::control_of(bytes, None, trust).map(Outcome::Control)
            }
        };
        if !known {
            self.checks.fetch_add(1, Ordering::Relaxed);
        }
        let outcome = match checked {
            Ok(passed) => {
                if !known {
                    self.remember(print);
                }
                passed
            }
            Err(error) => Outcome::Refused(bytes.to_vec(), error),
        };
        Some(Checked { id, outcome })
    }

    /// As [`Verified::envelope`], of any company.
    fn check_envelope(
        &self,
        bytes: &[u8],
        parts: &Parts<'_>,
        id: ObjectId,
        known: bool,
    ) -> Result<Verified<Envelope>, VerifyError> {
        let value = Envelope::decode(parts.body)?;
        if !known {
            let statement = signed_statement(ObjectType::Envelope, value.company, id);
            let key = self.lock().keys.get(&value.device).copied();
            let is_new = key.is_none();
            let key = key.map_or_else(|| VerifyingKey::from_bytes(&value.device.0), Ok);
            let key = key.map_err(|_| VerifyError::BadSignature)?;
            let signature = Signature::from_bytes(&parts.signature.0);
            // Alone: batch verification accepts another set.
            key.verify_strict(&statement, &signature).map_err(|_| VerifyError::BadSignature)?;
            if is_new {
                let keys = &mut self.lock().keys;
                if keys.len() >= KEYS_KEPT_MAX {
                    keys.pop_first();
                }
                keys.insert(value.device, key);
            }
        }
        Ok(Verified { id, value, bytes: bytes.to_vec() })
    }

    /// How many objects have been checked, those that were known left out.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }

    fn remember(&self, print: Print) {
        let mut recent = self.lock();
        if !recent.known.insert(print) {
            return;
        }
        recent.order.push_back(print);
        if recent.order.len() > CHECKED_KEPT_MAX
            && let Some(oldest) = recent.order.pop_front()
        {
            recent.known.remove(&oldest);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who a message says has written it, nothing checked; `None` if it is no message.
#[must_use]
pub fn claimed_author(bytes: &[u8]) -> Option<DeviceId> {
    let (object_type, parts) = split(bytes).ok()?;
    if object_type != ObjectType::Envelope {
        return None;
    }
    let mut fields = minicbor::Decoder::new(parts.body);
    fields.array().ok()?;
    // Version, company, room; see [`Envelope`].
    for _ in 0..3 {
        fields.skip().ok()?;
    }
    fields.decode().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{ENVELOPE_VERSION, EnvelopeKind};
    use crate::id::RoomId;
    use crate::keys::DeviceKeys;
    use crate::signed::sign;
    use crate::time::Timestamp;

    const COMPANY: CompanyId = CompanyId([1; 32]);

    fn message(keys: &DeviceKeys, height: u64) -> Vec<u8> {
        let envelope = Envelope {
            version: ENVELOPE_VERSION,
            company: COMPANY,
            room: RoomId([2; 32]),
            device: keys.device(),
            seq: 1,
            prev: None,
            parents: if height > 1 { vec![ObjectId([3; 32])] } else { Vec::new() },
            height,
            kind: EnvelopeKind::Text,
            standing: Some(ObjectId([4; 32])),
            epoch: Some(ObjectId([6; 32])),
            nonce: vec![7; 24],
            body: b"whatever is encrypted".to_vec(),
            claimed_time: Timestamp(5),
        };
        sign(keys, ObjectType::Envelope, COMPANY, &envelope.encode()).1
    }

    #[test]
    fn what_passed_is_not_checked_again_and_what_failed_is() {
        let keys = DeviceKeys::new(&[7; 32], &[8; 32]);
        let bytes = message(&keys, 1);
        let mut forged = bytes.clone();
        *forged.last_mut().unwrap() ^= 1;
        let checker = Checker::default();
        for _ in 0..3 {
            let checked = checker.check(&bytes).unwrap();
            assert!(checked.is_of(&bytes) && !checked.is_of(&forged));
            assert_eq!(checked.into_envelope(COMPANY).unwrap().bytes(), bytes);
        }
        assert_eq!(checker.checks(), 1);
        // Same id, another signature: knowing the one says nothing about the other.
        for n in 2..4 {
            let checked = checker.check(&forged).unwrap();
            assert_eq!(Some(checked.id()), super::super::peek_id(&bytes));
            assert!(checked.is_refused());
            assert_eq!(checked.into_envelope(COMPANY), Err(VerifyError::BadSignature));
            assert_eq!(checker.checks(), n);
        }
    }

    #[test]
    fn another_company_and_another_kind_are_refused() {
        let bytes = message(&DeviceKeys::new(&[7; 32], &[8; 32]), 2);
        let checked = Checker::default().check(&bytes).unwrap();
        let other = checked.clone().into_envelope(CompanyId([9; 32]));
        assert_eq!(other, Err(VerifyError::WrongCompany));
        assert!(checked.into_control(COMPANY).is_err());
        assert!(Checker::default().check(b"no object").is_none());
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest() {
        let checker = Checker::default();
        let print = |n: usize| (ObjectId(*blake3::hash(&n.to_be_bytes()).as_bytes()), [0; 64]);
        for n in 0..=CHECKED_KEPT_MAX {
            checker.remember(print(n));
        }
        let recent = checker.lock();
        assert_eq!((recent.known.len(), recent.order.len()), (CHECKED_KEPT_MAX, CHECKED_KEPT_MAX));
        assert!(!recent.known.contains(&print(0)) && recent.known.contains(&print(1)));
    }

    #[test]
    fn the_claimed_author_is_that_of_the_envelope() {
        let keys = DeviceKeys::new(&[7; 32], &[8; 32]);
        assert_eq!(claimed_author(&message(&keys, 1)), Some(keys.device()));
        assert_eq!(claimed_author(b"no object"), None);
    }
}
