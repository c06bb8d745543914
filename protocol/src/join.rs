//! Joining: the commitment, the safety code, and the desk at which an admin finds requests.
//!
//! The newcomer commits to its nonce before it sees the admin's, and reveals it after. So
//! someone between them can only guess: the codes on the two screens agree by chance once in
//! 2^40 attempts, and the number of attempts is bounded by the limits on join frames.

use std::collections::BTreeMap;

use data_encoding::BASE32_NOPAD;

use crate::id::{CompanyId, DeviceId, ObjectId};
use crate::limits::{
    JOIN_FRAMES_PER_MINUTE_MAX, JOIN_REQUEST_MS, JOIN_REQUESTS_MAX, JOIN_UNREVEALED_MS,
    SAFETY_CODE_BYTES,
};
use crate::time::Timestamp;

/// What a newcomer asks with, known to both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// Its device key, proved by the connection.
    pub device: DeviceId,
    /// Its X25519 key.
    pub sealing: ObjectId,
    /// The name it asks for.
    pub name: String,
}

/// The commitment to a nonce: BLAKE3 over nonce, device, sealing key and name under the
/// context `conclave v1 join commitment`.
#[must_use]
pub fn commitment(newcomer: &Newcomer, nonce: ObjectId) -> ObjectId {
    let mut hasher = blake3::Hasher::new_derive_key("conclave v1 join commitment");
    for part in [&nonce.0, &newcomer.device.0, &newcomer.sealing.0] {
        hasher.update(part);
    }
    hasher.update(newcomer.name.as_bytes());
    ObjectId(hasher.finalize().into())
}

/// The safety code, `XXXX-XXXX`: the first 40 bits, in RFC 4648 base 32, of BLAKE3 over
/// company, newcomer's device, admin's device, newcomer's nonce, admin's nonce, sealing key
/// and name under the context `conclave v1 join code`.
#[must_use]
pub fn safety_code(
    company: CompanyId,
    newcomer: &Newcomer,
    admin: DeviceId,
    newcomer_nonce: ObjectId,
    admin_nonce: ObjectId,
) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("conclave v1 join code");
    for part in [
        &company.0,
        &newcomer.device.0,
        &admin.0,
        &newcomer_nonce.0,
        &admin_nonce.0,
        &newcomer.sealing.0,
    ] {
        hasher.update(part);
    }
    hasher.update(newcomer.name.as_bytes());
    let hash: [u8; 32] = hasher.finalize().into();
    let mut code = BASE32_NOPAD.encode(&hash[..5]);
    code.insert(4, '-');
    code
}

/// Whether a typed code is the same, whatever its case, hyphen and spaces.
#[must_use]
pub fn codes_match(typed: &str, code: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
    };
    plain(typed) == plain(code)
}

/// Whether a text has the form of a safety code.
#[must_use]
pub fn is_code(text: &str) -> bool {
    let base32 = |c: &u8| c.is_ascii_uppercase() || (b'2'..=b'7').contains(c);
    let bytes = text.as_bytes();
    bytes.len() == SAFETY_CODE_BYTES
        && bytes.iter().enumerate().all(|(n, c)| if n == 4 { *c == b'-' } else { base32(c) })
}

/// A request at the desk.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// Who asks.
    pub newcomer: Newcomer,
    /// When it lapses.
    pub expires: Timestamp,
    commitment: ObjectId,
    our_nonce: ObjectId,
    /// The safety code, once the newcomer has revealed its nonce.
    code: Option<String>,
}

impl JoinRequest {
    /// The safety code, once the newcomer has revealed its nonce.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

/// What the desk says to a newcomer's frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskAnswer {
    /// Our nonce.
    Offer(ObjectId),
    /// The request is shown to the admin.
    Waiting,
    /// An admin has said no.
    Refused,
    /// There is no such request.
    Unknown,
    /// Too many.
    Busy,
}

/// The requests that wait for an admin. Bounded; nothing of it enters the log or the store.
#[derive(Clone, Debug, Default)]
pub struct JoinDesk {
    requests: BTreeMap<DeviceId, JoinRequest>,
    /// Who was refused, and until when that is remembered: until it has heard of it, or nearly.
    refused: BTreeMap<DeviceId, Timestamp>,
    /// Frames of each device in the current minute.
    frames: BTreeMap<DeviceId, u32>,
    /// The same of members, which strangers must not crowd out.
    member_frames: BTreeMap<DeviceId, u32>,
    minute: u64,
}

impl JoinDesk {
    /// Requests whose code is known, so that an admin can compare it.
    pub fn open(&self, now: Timestamp) -> impl Iterator<Item = &JoinRequest> {
        self.requests.values().filter(move |r| r.code.is_some() && r.expires > now)
    }

    /// A newcomer introduces itself. A new introduction of a device replaces its old one.
    pub fn hello(
        &mut self,
        newcomer: Newcomer,
        commitment: ObjectId,
        our_nonce: ObjectId,
        now: Timestamp,
    ) -> DeskAnswer {
        self.forget_expired(now);
        if !self.allows(newcomer.device, now) {
            return DeskAnswer::Busy;
        }
        if !self.requests.contains_key(&newcomer.device)
            && self.requests.len() >= JOIN_REQUESTS_MAX
            && !self.make_room()
        {
            return DeskAnswer::Busy;
        }
        // Short until the nonce is revealed, so that introductions alone do not fill the desk.
        let expires = now.plus_ms(JOIN_UNREVEALED_MS);
        let device = newcomer.device;
        // Who was refused and heard of it asks again only because its user wants it to.
        self.refused.remove(&device);
        let request = JoinRequest { newcomer, expires, commitment, our_nonce, code: None };
        self.requests.insert(device, request);
        DeskAnswer::Offer(our_nonce)
    }

    /// A newcomer opens its commitment.
    pub fn reveal(
        &mut self,
        device: DeviceId,
        nonce: ObjectId,
        company: CompanyId,
        admin: DeviceId,
        now: Timestamp,
    ) -> DeskAnswer {
        self.forget_expired(now);
        if !self.allows(device, now) {
            return DeskAnswer::Busy;
        }
        let Some(request) = self.requests.get_mut(&device) else {
            return DeskAnswer::Unknown;
        };
        // A second nonce for one commitment would give a second try at the code.
        if request.code.is_some() || commitment(&request.newcomer, nonce) != request.commitment {
            self.requests.remove(&device);
            return DeskAnswer::Unknown;
        }
        let code = safety_code(company, &request.newcomer, admin, nonce, request.our_nonce);
        request.code = Some(code);
        request.expires = now.plus_ms(JOIN_REQUEST_MS);
        DeskAnswer::Waiting
    }

    /// A newcomer asks how its request stands.
    pub fn poll(&mut self, device: DeviceId, now: Timestamp) -> DeskAnswer {
        self.forget_expired(now);
        if !self.allows(device, now) {
            return DeskAnswer::Busy;
        }
        match self.requests.get(&device) {
            Some(request) if request.code.is_some() => DeskAnswer::Waiting,
            None if self.refused.contains_key(&device) => DeskAnswer::Refused,
            _ => DeskAnswer::Unknown,
        }
    }

    /// The wall clock was set back.
    pub fn clock_went_back(&mut self, ms: u64) {
        for request in self.requests.values_mut() {
            request.expires = request.expires.minus_ms(ms);
        }
        for expires in self.refused.values_mut() {
            *expires = expires.minus_ms(ms);
        }
    }

    /// The request is refused: its device hears so when it asks how it stands.
    pub fn refuse(&mut self, device: DeviceId, now: Timestamp) {
        self.forget_expired(now);
        if self.requests.remove(&device).is_none() {
            return;
        }
        if self.refused.len() >= JOIN_REQUESTS_MAX {
            let oldest = self.refused.iter().min_by_key(|(_, at)| **at).map(|(device, _)| *device);
            oldest.map(|device| self.refused.remove(&device));
        }
        self.refused.insert(device, now.plus_ms(JOIN_REQUEST_MS));
    }

    /// The request has been granted.
    pub fn remove(&mut self, device: DeviceId) {
        self.requests.remove(&device);
    }

    /// Whoever has not revealed its nonce gives way, the oldest first; false if all have.
    fn make_room(&mut self) -> bool {
        let unrevealed = self.requests.values().filter(|r| r.code.is_none());
        let oldest = unrevealed.min_by_key(|r| r.expires).map(|r| r.newcomer.device);
        oldest.is_some_and(|device| self.requests.remove(&device).is_some())
    }

    fn forget_expired(&mut self, now: Timestamp) {
        self.requests.retain(|_, r| r.expires > now);
        self.refused.retain(|_, expires| *expires > now);
    }

    /// Counts a frame of a device; false if there were too many in this minute.
    pub fn allows(&mut self, device: DeviceId, now: Timestamp) -> bool {
        self.turn_to(now);
        // Devices are strangers' keys, as many as they like to make.
        if self.frames.len() >= JOIN_REQUESTS_MAX * 8 && !self.frames.contains_key(&device) {
            return false;
        }
        let frames = self.frames.entry(device).or_default();
        *frames += 1;
        *frames <= JOIN_FRAMES_PER_MINUTE_MAX
    }

    /// As [`JoinDesk::allows`], for a device of a member: there are no more of them than certificates.
    pub fn allows_member(&mut self, device: DeviceId, now: Timestamp) -> bool {
        self.turn_to(now);
        let frames = self.member_frames.entry(device).or_default();
        *frames = frames.saturating_add(1);
        *frames <= JOIN_FRAMES_PER_MINUTE_MAX
    }

    fn turn_to(&mut self, now: Timestamp) {
        let minute = now.0 / 60_000;
        if minute != self.minute {
            self.minute = minute;
            self.frames.clear();
            self.member_frames.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ObjectId {
        ObjectId([n; 32])
    }

    fn newcomer() -> Newcomer {
        Newcomer { device: DeviceId([1; 32]), sealing: id(2), name: "bob".into() }
    }

    const COMPANY: CompanyId = CompanyId([9; 32]);
    const ADMIN: DeviceId = DeviceId([8; 32]);

    #[test]
    fn both_sides_reach_the_same_code() {
        let mut desk = JoinDesk::default();
        let now = Timestamp(1_000);
        let nonce = id(7);
        let answer = desk.hello(newcomer(), commitment(&newcomer(), nonce), id(6), now);
        assert_eq!(answer, DeskAnswer::Offer(id(6)));
        assert_eq!(desk.open(now).count(), 0, "not shown before the nonce is revealed");
        let answer = desk.reveal(newcomer().device, nonce, COMPANY, ADMIN, now);
        assert_eq!(answer, DeskAnswer::Waiting);
        let ours = safety_code(COMPANY, &newcomer(), ADMIN, nonce, id(6));
        let shown: Vec<_> = desk.open(now).filter_map(JoinRequest::code).collect();
        assert_eq!(shown, [ours.as_str()]);
        assert!(codes_match(&ours.to_lowercase().replace('-', " "), &ours));
        assert!(!codes_match("AAAA-AAAA", &ours));
        assert!(is_code(&ours));
        for other in ["AAAAAAAAA", "aaaa-aaaa", "AAAA-AAA1", "AAAA-AAAAA", "", "AAAA-AAA\n"] {
            assert!(!is_code(other), "{other:?}");
        }
        assert_eq!(desk.open(now.plus_ms(JOIN_REQUEST_MS)).count(), 0, "requests lapse");
    }

    #[test]
    fn another_nonce_than_the_committed_one_ends_the_request() {
        let mut desk = JoinDesk::default();
        let now = Timestamp(1_000);
        desk.hello(newcomer(), commitment(&newcomer(), id(7)), id(6), now);
        assert_eq!(desk.reveal(newcomer().device, id(5), COMPANY, ADMIN, now), DeskAnswer::Unknown);
        assert_eq!(desk.poll(newcomer().device, now), DeskAnswer::Unknown);
    }

    #[test]
    fn a_refusal_is_told_until_it_lapses_or_the_device_asks_anew() {
        let mut desk = JoinDesk::default();
        let now = Timestamp(60_000);
        let ask = |desk: &mut JoinDesk, device, now| {
            let newcomer = Newcomer { device, ..newcomer() };
            desk.hello(newcomer.clone(), commitment(&newcomer, id(7)), id(6), now);
            desk.reveal(device, id(7), COMPANY, ADMIN, now)
        };
        let device = newcomer().device;
        desk.refuse(device, now);
        assert_eq!(desk.poll(device, now), DeskAnswer::Unknown, "nobody was refused");
        assert_eq!(ask(&mut desk, device, now), DeskAnswer::Waiting);
        desk.refuse(device, now);
        assert_eq!(desk.open(now).count(), 0);
        assert_eq!(desk.poll(device, now.plus_ms(1_000)), DeskAnswer::Refused);
        assert_eq!(desk.poll(device, now.plus_ms(JOIN_REQUEST_MS)), DeskAnswer::Unknown);
        assert_eq!(ask(&mut desk, device, now), DeskAnswer::Waiting);
        desk.refuse(device, now);
        assert_eq!(ask(&mut desk, device, now), DeskAnswer::Waiting, "it may ask anew");
        for n in 0..=u8::try_from(JOIN_REQUESTS_MAX).unwrap_or(u8::MAX) {
            let now = now.plus_ms(n.into());
            assert_eq!(ask(&mut desk, DeviceId([n; 32]), now), DeskAnswer::Waiting);
            desk.refuse(DeviceId([n; 32]), now);
        }
        assert_eq!(desk.refused.len(), JOIN_REQUESTS_MAX);
        assert_eq!(desk.poll(DeviceId([0; 32]), now), DeskAnswer::Unknown, "the oldest goes");
    }

    #[test]
    fn strangers_take_no_turn_from_members() {
        let mut desk = JoinDesk::default();
        let now = Timestamp(60_000);
        let (member, others) = (DeviceId([255; 32]), JOIN_REQUESTS_MAX * 8 + 1);
        for n in 0..others as u16 {
            let mut stranger = [0; 32];
            stranger[..2].copy_from_slice(&n.to_be_bytes());
            desk.allows(DeviceId(stranger), now);
        }
        assert!(!desk.allows(member, now));
        let answers = (0..=JOIN_FRAMES_PER_MINUTE_MAX).map(|_| desk.allows_member(member, now));
        let allowed = answers.filter(|allowed| *allowed).count();
        assert_eq!(allowed, JOIN_FRAMES_PER_MINUTE_MAX as usize);
        assert!(desk.allows_member(member, now.plus_ms(60_000)));
    }

    #[test]
    fn requests_and_frames_are_bounded() {
        let mut desk = JoinDesk::default();
        let now = Timestamp(60_000);
        for n in 0..=u8::try_from(JOIN_REQUESTS_MAX).unwrap_or(u8::MAX) {
            let newcomer = Newcomer { device: DeviceId([n; 32]), ..newcomer() };
            desk.hello(newcomer, id(1), id(2), now);
        }
        assert_eq!(desk.requests.len(), JOIN_REQUESTS_MAX);
        let device = DeviceId([0; 32]);
        let answers: Vec<_> =
            (0..=JOIN_FRAMES_PER_MINUTE_MAX).map(|_| desk.poll(device, now)).collect();
        assert_eq!(answers.last(), Some(&DeskAnswer::Busy));
        assert_ne!(desk.poll(device, now.plus_ms(60_000)), DeskAnswer::Busy);
    }
}
