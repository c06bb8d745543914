//! Liars that begin epochs, and that ask for keys.

use conclave_protocol::crypt::{EpochKey, SEALED_KEY_BYTES, SealedKey, SealingContext, SecretRng};
use conclave_protocol::epoch::{
    DeviceKey, EpochKeys, EpochStart, PreviousEpoch, recipients_digest,
};
use conclave_protocol::id::{DeviceId, MessageId, ObjectId, RoomId};
use conclave_protocol::limits::EPOCH_KEYS_ASKED_MAX;
use conclave_protocol::object::Payload;
use conclave_protocol::sync::Request;
use conclave_tests::forge;
use conclave_tests::world::NodeId;

use super::scenario::Scenario;
use crate::company::pen::Pen;

/// What is wrong with an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// Nothing but that it may be back-dated, or the author's access may have ended.
    Nothing,
    /// It names a revocation that there is not.
    AnswersNothing,
    /// It names every revocation that the liar knows, and is for those whom they hit, too.
    AnswersAll,
    /// Every other device is given another key.
    Split,
    /// What is sealed opens for nobody.
    Garbage,
    /// Its digest is that of other devices.
    OtherDigest,
    /// What it wraps are not the keys of the epochs before.
    OtherWraps,
    /// The epoch that it follows does not exist.
    Rootless,
    /// The keys are said to be those of another's epoch.
    Foreign,
    /// Nobody is given the key.
    Kept,
}

const ALL: [Wrong; 10] = [
    Wrong::Nothing,
    Wrong::AnswersNothing,
    Wrong::AnswersAll,
    Wrong::Split,
    Wrong::Garbage,
    Wrong::OtherDigest,
    Wrong::OtherWraps,
    Wrong::Rootless,
    Wrong::Foreign,
    Wrong::Kept,
];

impl Scenario {
    /// A liar begins an epoch in which something is wrong, and hands out its keys.
    pub(super) fn begins_an_epoch(&mut self, n: usize, victim: NodeId, room: RoomId) {
        let Some(wrong) = self.one_of(&ALL) else { return };
        let pen = Pen::of(&self.w, victim);
        let mut devices = with_sealing(&pen, room, wrong == Wrong::AnswersAll);
        let mut revokes: Vec<ObjectId> = pen.log.ids().collect();
        revokes.retain(|id| {
            pen.log.get(*id).is_some_and(|object| matches!(object.payload, Payload::Revoke(_)))
        });
        let after = match wrong {
            Wrong::AnswersNothing => vec![ObjectId([self.made as u8; 32])],
            Wrong::AnswersAll | Wrong::Nothing => revokes,
            _ => self.one_of(&revokes).into_iter().collect(),
        };
        let seed = [n as u8 + 1, self.made as u8, (self.made >> 8) as u8, 7].repeat(8);
        let key = EpochKey::new(seed.as_slice().try_into().unwrap_or([9; 32]));
        let epochs = self.epochs_of(victim, room);
        let before = match wrong {
            Wrong::Rootless => vec![ObjectId([8; 32])],
            _ => self.one_of(&epochs).into_iter().collect(),
        };
        let previous = before.into_iter().map(|epoch| {
            let earlier = forge::epoch_key(room, epoch).filter(|_| wrong != Wrong::OtherWraps);
            let earlier = earlier.unwrap_or(EpochKey::new([3; 32]));
            PreviousEpoch { wrapped: Some(key.wrap(room, epoch, &earlier)), epoch }
        });
        let mut named: Vec<DeviceId> = devices.iter().map(|(device, _)| *device).collect();
        if wrong == Wrong::OtherDigest {
            named.pop();
        }
        let start = EpochStart {
            previous: previous.collect(),
            after,
            key_hash: key.hash(room),
            recipients: u32::try_from(devices.len()).unwrap_or(0),
            recipients_digest: recipients_digest(named),
        };
        let mut claim = self.claim(n, victim, room);
        (claim.kind, claim.body) = (18, start.encode());
        let begun = claim.sign(&self.liars[n].keys());
        forge::learn_epoch(room, begun.id, &key);
        self.w.checker().note_lie(&begun, None);
        self.liars[n].went_on(room, claim.seq, begun.id);
        self.hand(n, victim, room, &begun, claim.height());
        self.say(format!("{} begins an epoch: {wrong:?}", self.liars[n].name));
        self.count("liar: begins an epoch");
        if wrong == Wrong::Kept || devices.is_empty() {
            return;
        }
        let epoch = match wrong {
            Wrong::Foreign => self.one_of(&epochs).unwrap_or(begun.id),
            _ => begun.id,
        };
        devices.truncate(256);
        let mut rng = SecretRng::new(&[self.made as u8; 32]);
        let keys = devices.into_iter().enumerate().map(|(at, (device, sealing))| {
            let company = claim.company;
            let context = SealingContext { company, room, epoch, device };
            let other = EpochKey::new([6; 32]);
            let given = if wrong == Wrong::Split && at % 2 == 1 { &other } else { &key };
            let sealed = match wrong {
                Wrong::Garbage => SealedKey([5; SEALED_KEY_BYTES]),
                _ => context.seal(sealing, given, &mut rng),
            };
            DeviceKey { device, sealed }
        });
        let body = EpochKeys { epoch, part: 0, keys: keys.collect() }.encode();
        let parents = vec![(begun.id, claim.height())];
        (claim.seq, claim.prev, claim.parents) = (claim.seq + 1, Some(begun.id), parents);
        (claim.kind, claim.body) = (19, body);
        let handed = claim.sign(&self.liars[n].keys());
        self.w.checker().note_lie(&handed, None);
        self.liars[n].went_on(room, claim.seq, handed.id);
        self.hand(n, victim, room, &handed, claim.height());
    }

    /// Whoever has no access to a room, liar or not, asks everybody for all its keys.
    pub(super) fn outsiders_ask(&mut self, room: RoomId) {
        let up = self.up();
        let mut asked = 0;
        for id in up {
            let epochs = self.epochs_of(id, room);
            let log = Pen::of(&self.w, id).log;
            for device in self.w.ids().map(|id| self.w.node(id).device()).collect::<Vec<_>>() {
                // Who has access would not get what it needs itself for a while.
                if log.access().device_has_access(device, room) && !self.is_liar(device) {
                    continue;
                }
                for some in epochs.chunks(EPOCH_KEYS_ASKED_MAX) {
                    let request = Request::EpochKeys { room, epochs: some.to_vec() };
                    self.w.inject_request(id, device, request.encode());
                    asked += 1;
                }
            }
        }
        self.count_many("liar: asks for keys", asked);
    }

    fn is_liar(&self, device: DeviceId) -> bool {
        self.liars.iter().any(|liar| liar.device == device)
    }

    /// The epochs of a room that a node's disk holds.
    fn epochs_of(&self, id: NodeId, room: RoomId) -> Vec<MessageId> {
        let held = forge::all_stored(&self.w, id, room);
        held.iter().filter(|m| m.value().epoch_start().is_some()).map(|m| m.id()).collect()
    }
}

/// Devices with access, or all, ascending, with the keys to which is sealed.
fn with_sealing(pen: &Pen, room: RoomId, all: bool) -> Vec<(DeviceId, ObjectId)> {
    let access = pen.log.access();
    let devices = access.devices().iter();
    let devices = devices.filter(|(device, _)| all || access.device_has_access(**device, room));
    let sealing = |cert: ObjectId| match &pen.log.get(cert)?.payload {
        Payload::DeviceCert(cert) => Some(cert.sealing),
        _ => None,
    };
    devices.filter_map(|(device, info)| Some((*device, sealing(info.cert)?))).collect()
}
