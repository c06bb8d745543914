//! What somebody can read with the keys of a device, who has the messages and tries everything.

use std::collections::BTreeMap;

use conclave_protocol::crypt::{EpochKey, SealedKey, SealingContext, WrappedKey};
use conclave_protocol::envelope::Envelope;
use conclave_protocol::epoch::EpochStart;
use conclave_protocol::id::{CompanyId, DeviceId, MessageId, RoomId};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::signed::{Trust, Verified};
use conclave_protocol::sync::GivenKey;

/// Keys and texts that could be opened.
#[derive(Debug, Default)]
pub struct Opened {
    /// The keys of epochs.
    pub keys: BTreeMap<MessageId, EpochKey>,
    /// What messages say.
    pub texts: BTreeMap<MessageId, String>,
}

impl Opened {
    /// Whether a text could be read.
    #[must_use]
    pub fn has(&self, words: &str) -> bool {
        self.texts.values().any(|text| text == words)
    }
}

/// Everything with which something could be tried.
#[derive(Default)]
struct Locks {
    starts: BTreeMap<MessageId, (RoomId, EpochStart)>,
    sealed: Vec<(RoomId, MessageId, DeviceId, SealedKey)>,
    wrapped: Vec<(RoomId, MessageId, WrappedKey)>,
}

impl Locks {
    fn take(&mut self, id: MessageId, message: &Envelope) {
        let room = message.room;
        if let Some(keys) = message.epoch_keys() {
            let epoch = keys.epoch;
            self.sealed.extend(keys.keys.iter().map(|key| (room, epoch, key.device, key.sealed)));
        }
        if let Some(start) = message.epoch_start() {
            let wrapped = start.previous.iter();
            self.wrapped.extend(wrapped.filter_map(|p| Some((room, p.epoch, p.wrapped?))));
            self.starts.insert(id, (room, start));
        }
    }

    /// Whether this is the key of an epoch.
    fn fits(&self, epoch: MessageId, key: &EpochKey) -> bool {
        self.starts.get(&epoch).is_none_or(|(room, start)| start.key_hash == key.hash(*room))
    }
}

/// Opens what can be opened of these messages with the keys of a device and with keys of epochs
/// that it has from before: whatever was sealed for any device, given in an answer, or wrapped.
#[must_use]
pub fn open_all(
    company: CompanyId,
    messages: &BTreeMap<MessageId, Envelope>,
    given: &[GivenKey],
    keys: &DeviceKeys,
    before: &BTreeMap<MessageId, EpochKey>,
) -> Opened {
    let mut locks = Locks::default();
    for (id, message) in messages {
        locks.take(*id, message);
    }
    for given in given {
        let start = Verified::<Envelope>::envelope(&given.start.0, company, Trust::Nothing);
        let Ok(start) = start else { continue };
        let room = start.value().room;
        locks.take(start.id(), start.value());
        locks.sealed.push((room, start.id(), keys.device(), given.sealed));
    }
    let mut opened = Opened { keys: before.clone(), ..Opened::default() };
    for (room, epoch, device, sealed) in &locks.sealed {
        for device in [*device, keys.device()] {
            let context = SealingContext { company, room: *room, epoch: *epoch, device };
            let key = keys.sealing_secret().open(&context, sealed);
            if let Some(key) = key.filter(|key| locks.fits(*epoch, key)) {
                opened.keys.insert(*epoch, key);
            }
        }
    }
    // What one key opens may be the key to more.
    loop {
        let mut more = BTreeMap::new();
        for (room, epoch, wrapped) in &locks.wrapped {
            let mut tries =
                opened.keys.values().filter_map(|key| key.unwrap_key(*room, *epoch, wrapped));
            let found = tries.find(|key| locks.fits(*epoch, key));
            more.extend(found.map(|key| (*epoch, key)));
        }
        more.retain(|epoch, _| !opened.keys.contains_key(epoch));
        if more.is_empty() {
            break;
        }
        opened.keys.extend(more);
    }
    for (id, message) in messages {
        // Under whatever epoch it says to be.
        let text = opened.keys.values().find_map(|key| message.text(key));
        opened.texts.extend(text.map(|text| (*id, text)));
    }
    opened
}
