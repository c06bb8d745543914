//! Who listens where: signed address records, exchanged among members.

use super::io::{Effect, Table};
use super::{Engine, KnownAddresses};
use crate::address::AddressRecord;
use crate::id::DeviceId;
use crate::limits::{ADDRESS_CHANGES_MAX, ADDRESS_CHANGES_MS, ADDRESS_RECORDS_MAX, ADDRESSES_MAX};
use crate::object::ObjectType;
use crate::signed::{Verified, sign};
use crate::sync::{Blob, Request};

impl Engine {
    /// Our listen addresses changed.
    pub(super) fn listening_on(&mut self, mut addresses: Vec<String>) {
        addresses.truncate(ADDRESSES_MAX);
        self.listening = addresses;
        self.publish_own_addresses();
    }

    pub(super) fn publish_own_addresses(&mut self) {
        let Some(company) = self.company().filter(|_| self.member) else { return };
        if self.listening.is_empty() {
            return;
        }
        let device = self.keys.device();
        // Above the last one even if the clock stood still or was set back.
        let last = self.addresses.get(&device).map(|known| known.issued.plus_ms(1));
        let issued = last.map_or(self.now, |last| last.max(self.now));
        let record = AddressRecord {
            version: 1,
            company,
            device,
            issued,
            addresses: self.listening.clone(),
        };
        let body = crate::codec::encode(&record);
        let (_, bytes) = sign(&self.keys, ObjectType::AddressRecord, company, &body);
        self.take_address_record(None, &bytes);
    }

    /// Takes an address record in, if it is newer than what is known, and passes it on.
    pub(super) fn take_address_record(&mut self, from: Option<DeviceId>, bytes: &[u8]) {
        let Some(company) = self.company() else { return };
        let record = match Verified::<AddressRecord>::address(bytes, company) {
            Ok(record) => record,
            Err(error) => return self.count(super::control::verify_word(error)),
        };
        let AddressRecord { device, issued, addresses, .. } = record.value().clone();
        let now = self.now;
        let known = self.addresses.get(&device);
        let ours = device == self.keys.device();
        // What says nothing new is not worth a write and a frame to everyone.
        let newer = known
            .is_none_or(|known| known.issued < issued && (ours || known.addresses != addresses));
        if let Some(known) = self.addresses.get_mut(&device)
            && known.issued < issued
            && !newer
        {
            // But it makes those of before it old news.
            (known.issued, known.bytes) = (issued, bytes.to_vec());
            return;
        }
        let known = self.addresses.get(&device);
        let recent = known.map_or((now, 0), |known| match known.changes {
            (since, _) if now.ms_since(since) > ADDRESS_CHANGES_MS => (now, 0),
            recent => recent,
        });
        if !ours && newer && recent.1 >= ADDRESS_CHANGES_MAX {
            if let Some(known) = self.addresses.get_mut(&device)
                && known.later.as_ref().is_none_or(|(later, _)| *later < issued)
            {
                known.later = Some((issued, bytes.to_vec()));
            }
            return self.count("address_flood");
        }
        let room_left =
            self.addresses.contains_key(&device) || self.addresses.len() < ADDRESS_RECORDS_MAX;
        if !newer || !room_left || !self.is_member(device) {
            return;
        }
        // Our own comes back only from nodes that knew us before; ours is the newest.
        if ours && from.is_some() {
            return;
        }
        self.write(Table::State, Self::address_key(device), bytes.to_vec());
        let changes = (recent.0, recent.1 + 1);
        let bytes = bytes.to_vec();
        if !ours {
            self.emit(Effect::Addresses { peer: device, addresses: addresses.clone() });
        }
        let known = KnownAddresses { issued, addresses, bytes, changes, later: None };
        self.addresses.insert(device, known);
        let record = Blob(self.addresses.get(&device).map(|k| k.bytes.clone()).unwrap_or_default());
        for peer in self.connected_members() {
            if Some(peer) != from && peer != device {
                self.ask(peer, Request::Addresses { records: vec![record.clone()] });
            }
        }
    }

    /// Takes the newest addresses of devices that had changed theirs too often.
    pub(super) fn take_later_addresses(&mut self) {
        let now = self.now;
        let later: Vec<Vec<u8>> = self
            .addresses
            .values_mut()
            .filter(|known| now.ms_since(known.changes.0) > ADDRESS_CHANGES_MS)
            .filter_map(|known| known.later.take().map(|(_, bytes)| bytes))
            .collect();
        for bytes in later {
            self.take_address_record(None, &bytes);
        }
    }
}
