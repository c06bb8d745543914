//! From bytes to a control log: who writes, under what, after what.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use conclave_protocol::codec;
use conclave_protocol::control::{Added, ControlLog, Unsound};
use conclave_protocol::id::{CompanyId, DeviceId, ObjectId};
use conclave_protocol::keys::recovery_hash;
use conclave_protocol::object::{
    CONTROL_VERSION, ControlObject, Genesis, Header, ObjectType, Payload, SignatureBytes,
};
use conclave_protocol::signed::{Trust, Verified, object_id};
use conclave_protocol::sync::Blob;

use super::stored;
use crate::fuzzing::reader::Reader;

/// Longer logs are slower and find no more.
const OBJECTS_MAX: usize = 100;
/// A company with three admins, a Department, a Group and a room, written with this program.
const OPENING: &[u8] = &[
    3, 0, 0, // agent 0
    0, 0, 0, 0, 0, // the root makes device 0 of agent 0 an admin of rank 1
    4, 1, 0, 0, 0, // who certifies it,
    3, 1, 1, 3, 1, 2, // agents 1 and 2,
    4, 1, 1, 1, 0, 4, 1, 2, 2, 0, // and their devices,
    0, 1, 7, 0, 0, 1, 8, 0, // makes them admins of rank 2,
    2, 1, 0, 0, 2, 1, 1, 0, 1, // makes a Department and a Group
    7, 1, 0, // and a room,
    8, 1, 0, 0, 0, // which is open to the Department,
    6, 1, 2, 1, 0, // and puts agent 2 into the Group
];

/// Root keys in their line, then devices.
const ROOTS: u8 = 3;
const DEVICES: u8 = 6;

/// All keys: nothing is signed, so any bytes will do.
pub(super) fn keys() -> impl Iterator<Item = DeviceId> {
    (0..ROOTS + DEVICES).map(key)
}

fn key(n: u8) -> DeviceId {
    DeviceId([n + 1; 32])
}

pub(super) fn device(n: u8) -> DeviceId {
    key(ROOTS + n % DEVICES)
}

/// The place of a key in the root line.
pub(super) fn root_number(key: DeviceId) -> Option<u8> {
    (0..ROOTS).find(|n| self::key(*n) == key)
}

pub(super) fn root(n: u8) -> Option<DeviceId> {
    (n < ROOTS).then(|| key(n))
}

/// The hash for a root key and all after it.
pub(super) fn commitment(number: u8) -> ObjectId {
    let later = (number..ROOTS).rev();
    later.fold(ObjectId::default(), |next, n| recovery_hash(key(n), next))
}

fn genesis() -> &'static Verified<Genesis> {
    static GENESIS: OnceLock<Verified<Genesis>> = OnceLock::new();
    GENESIS.get_or_init(|| {
        let genesis = Genesis {
            version: CONTROL_VERSION,
            name: "Acme".to_owned(),
            root: key(0),
            recovery: commitment(1),
            salt: ObjectId([7; 32]),
        };
        let body = codec::encode(&genesis);
        let id = object_id(ObjectType::Genesis, &body);
        let number = ObjectType::Genesis.number();
        let bytes = codec::encode(&(number, Blob(body), SignatureBytes([0; 64])));
        Verified::genesis(&bytes, Trust::StoredAs(id)).expect("well formed")
    })
}

/// A log as it was written, with all that came of it.
pub(super) struct Written {
    pub(super) genesis: &'static Verified<Genesis>,
    /// In the order of writing, those that are not sound too.
    pub(super) objects: Vec<Verified<ControlObject>>,
    /// Evaluated object by object.
    pub(super) log: ControlLog,
    /// What each key wrote.
    pub(super) chains: BTreeMap<DeviceId, Vec<(u64, ObjectId)>>,
    /// What is sound, by type.
    pub(super) by_type: BTreeMap<ObjectType, Vec<ObjectId>>,
    /// Roots and grants, with their keys.
    authorities: Vec<(ObjectId, DeviceId)>,
}

/// How an object is to be written.
struct How {
    kind: u8,
    /// A predecessor other than the author's last.
    forks: bool,
    /// Something is wrong: see `Written::write`.
    flaw: u8,
}

impl How {
    fn read(reader: &mut Reader<'_>) -> Self {
        let byte = reader.byte();
        let odd = byte & 0x80 != 0;
        Self {
            kind: byte & 15,
            forks: byte & 0x30 == 0x30,
            flaw: if odd { reader.byte() } else { 0 },
        }
    }
}

impl Written {
    pub(super) fn of(data: &[u8]) -> Self {
        let genesis = genesis();
        let mut log = ControlLog::new(genesis.id().into());
        log.add_genesis(genesis.clone());
        log.refresh();
        let mut written = Self {
            genesis,
            objects: Vec::new(),
            log,
            chains: BTreeMap::from([(key(0), vec![(1, genesis.id())])]),
            by_type: BTreeMap::new(),
            authorities: vec![(genesis.id(), key(0))],
        };
        let mut reader = Reader::new(data);
        // From nothing, for whoever likes; but most of what is interesting needs some company.
        if reader.byte() != 255 {
            written.write_all(&mut Reader::new(OPENING));
        }
        written.write_all(&mut reader);
        written
    }

    fn write_all(&mut self, reader: &mut Reader<'_>) {
        while !reader.is_empty() && self.objects.len() < OBJECTS_MAX {
            self.write(reader);
        }
    }

    pub(super) fn of_type(&self, wanted: ObjectType) -> &[ObjectId] {
        self.by_type.get(&wanted).map_or(&[], Vec::as_slice)
    }

    pub(super) fn payload(&self, id: ObjectId) -> Option<&Payload> {
        self.log.get(id).map(|object| &object.payload)
    }

    fn write(&mut self, reader: &mut Reader<'_>) {
        let how = How::read(reader);
        let Some(first) = reader.place(self.authorities.len()) else { return };
        let (cited, holder) = self.authorities[first];
        let Some((payload, rotated)) = self.payload_of(how.kind, (cited, holder), reader) else {
            return;
        };
        // Mostly the first from there on that could issue it; with a flaw the very one.
        let mut candidates: Vec<(ObjectId, DeviceId)> =
            self.authorities[first..].iter().chain(&self.authorities[..first]).copied().collect();
        if let Some(author) = rotated {
            candidates = vec![(cited, author)];
        }
        let fork = how.forks.then(|| reader.byte());
        for (authority, author) in candidates {
            let mut author = author;
            if how.flaw == 1 {
                author = device(reader.byte());
            }
            let mut object = self.object(authority, author, fork, payload.clone());
            let header = &mut object.header;
            match how.flaw {
                2 => header.height += 1,
                3 => header.seq += u64::from(header.seq > 1),
                4 if header.prev.is_some() => {
                    // Somebody else's object as predecessor.
                    header.prev = Some(self.genesis.id());
                }
                _ => {}
            }
            let object = stored(&object);
            match self.log.add(object.clone()) {
                Added::Unsound(Unsound::NoAuthority) if how.flaw == 0 => {}
                added => {
                    self.log.refresh();
                    self.note(&object, &added);
                    return;
                }
            }
        }
    }

    fn object(
        &self,
        authority: ObjectId,
        author: DeviceId,
        fork: Option<u8>,
        payload: Payload,
    ) -> ControlObject {
        let chain = self.chains.get(&author).map(Vec::as_slice).unwrap_or_default();
        let before = match fork {
            // One place more than there are objects: a second beginning.
            Some(byte) => chain.get(usize::from(byte) % (chain.len() + 1)),
            None => chain.last(),
        };
        let company = CompanyId::from(self.genesis.id());
        let header = Header {
            version: CONTROL_VERSION,
            company,
            author,
            seq: before.map_or(1, |(seq, _)| seq + 1),
            prev: before.map(|(_, id)| *id),
            authority,
            height: 2,
        };
        let mut object = ControlObject { header, payload };
        // What refers to something that is not sound waits for ever; its height is no matter.
        object.header.height = self.log.height_over(&object.references()).unwrap_or(9);
        object
    }

    fn note(&mut self, object: &Verified<ControlObject>, added: &Added) {
        if *added == Added::Duplicate {
            return;
        }
        self.objects.push(object.clone());
        let (id, value) = (object.id(), object.value());
        if !matches!(added, Added::Taken(_)) {
            return;
        }
        self.by_type.entry(value.payload.object_type()).or_default().push(id);
        let header = &value.header;
        self.chains.entry(header.author).or_default().push((header.seq, id));
        match &value.payload {
            Payload::AdminGrant(grant) => self.authorities.push((id, grant.device)),
            Payload::RootRotate(_) => self.authorities.push((id, header.author)),
            _ => {}
        }
    }
}
