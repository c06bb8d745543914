//! Random control logs of many authors from one seed: honest work, quarrels of every kind, and
//! a small share that is not sound.
//!
//! What to write next is chosen first ([`payload`]), then somebody who could issue it. Only
//! simple notes are kept on the way, so that a log of 60 objects costs little more than its
//! signatures.

mod cast;
mod payload;
mod rng;

use std::collections::{BTreeMap, BTreeSet};

use conclave_protocol::id::{AgentId, CompanyId, DeviceId, ObjectId};
use conclave_protocol::object::{
    AdminGrant, CONTROL_VERSION, ControlObject, Genesis, Header, ObjectType, Payload,
};

use crate::reference::{Objects, Sound};
use cast::Cast;
use rng::Rng;

/// Tries to find something that a given author can write, before giving up.
const TRIES_MAX: usize = 40;

/// What a log quarrels about most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    Any,
    /// Recoveries, run twice and by keys that were replaced.
    Roots,
    /// Certificates: impostors, masks, lost laptops.
    Devices,
    /// Resignations, removals, and what is ratified after them.
    Offices,
}

impl Theme {
    const ALL: [Self; 5] = [Self::Any, Self::Any, Self::Roots, Self::Devices, Self::Offices];
}

/// A company's log and the hands that write it.
pub struct RandomLog {
    /// The company.
    pub company: CompanyId,
    /// Its first root key.
    pub root: DeviceId,
    /// `Genesis`.
    pub genesis: Vec<u8>,
    /// The same, decoded.
    pub founding: Genesis,
    /// The rest in the order of writing, with signed bytes.
    pub objects: Vec<(ObjectId, ControlObject, Vec<u8>)>,
    rng: Rng,
    cast: &'static Cast,
    /// Only to see who could issue what.
    log: Sound,
    by_type: BTreeMap<ObjectType, Vec<ObjectId>>,
    /// What each author signed, in the order of writing.
    chains: BTreeMap<DeviceId, Vec<(u64, ObjectId)>>,
    /// Grants that somebody tried to end.
    attacked: BTreeSet<ObjectId>,
    /// Each key's first agent.
    homes: BTreeMap<DeviceId, AgentId>,
    /// What still belongs to the opening.
    opening: usize,
    /// What this log quarrels about more than others do.
    theme: Theme,
}

impl RandomLog {
    /// A log of `length` objects beyond the founding.
    #[must_use]
    pub fn new(seed: u64, length: usize) -> Self {
        let cast = cast::cast();
        let mut random = Self {
            company: cast.founded.company,
            root: cast.genesis.root,
            genesis: cast.founded.objects[0].1.clone(),
            founding: cast.genesis.clone(),
            objects: Vec::new(),
            rng: Rng::new(seed),
            cast,
            log: Sound::of(cast.founded.company.into(), &cast.genesis, &Objects::new()),
            by_type: BTreeMap::new(),
            chains: BTreeMap::new(),
            attacked: BTreeSet::new(),
            homes: BTreeMap::new(),
            opening: 0,
            theme: Theme::Any,
        };
        random.theme = random.rng.pick(&Theme::ALL).unwrap_or(Theme::Any);
        random.chains.insert(cast.genesis.root, vec![(1, cast.founded.company.into())]);
        for (id, object, bytes) in &cast.founding {
            random.keep(*id, object.clone(), bytes.clone());
        }
        while random.objects.len() < length + 3 {
            random.write();
        }
        random
    }

    /// The decoded objects by id.
    #[must_use]
    pub fn set(&self) -> Objects {
        self.objects.iter().map(|(id, object, _)| (*id, object.clone())).collect()
    }

    /// Writes up to `count` more that fit, judged by authority, author and what is written.
    /// They are appended to `objects`.
    pub fn write_more(
        &mut self,
        count: usize,
        fits: impl Fn(ObjectId, DeviceId, &Payload) -> bool,
    ) {
        for _ in 0..count {
            for _ in 0..TRIES_MAX {
                let Some(payload) = self.payload() else { continue };
                let mut able = match &payload {
                    Payload::RootRotate(rotate) => {
                        let next = self.cast.successor(&rotate.cut, &self.log);
                        let all = next.into_iter().flat_map(|(cited, author)| {
                            cited.into_iter().map(move |authority| (authority, author))
                        });
                        all.collect()
                    }
                    _ => self.able(&payload),
                };
                able.retain(|(authority, author)| fits(*authority, *author, &payload));
                if let Some((authority, author)) = self.rng.pick(&able) {
                    self.sign(authority, author, payload);
                    break;
                }
            }
        }
    }

    fn write(&mut self) {
        let Some(payload) = self.opening_payload().or_else(|| self.payload()) else { return };
        if let Payload::RootRotate(rotate) = &payload {
            // Chosen together with the payload: only one key opens a commitment.
            if let Some((cited, author)) = self.cast.successor(&rotate.cut, &self.log)
                && let Some(authority) = self.rng.pick(&cited)
            {
                self.sign(authority, author, payload);
            }
            return;
        }
        let able = self.able(&payload);
        let of_room = matches!(&payload, Payload::Ratify(r)
            if matches!(self.log.payload(r.target), Some(Payload::RoomCreate(_))));
        // A Department's admins like to give back the rooms of the company.
        let flaw = self.rng.chance(if of_room { 12 } else { 2 });
        let chosen = if able.is_empty() || flaw {
            // Somebody who may not, now and then under somebody else's grant.
            let all = self.authorities();
            let stranger = self.rng.chance(30);
            let author = self.cast.keys[self.rng.below(self.cast.keys.len())].device();
            self.rng
                .pick(&all)
                .filter(|_| flaw)
                .map(|(authority, own)| (authority, if stranger { author } else { own }))
        } else {
            self.choose(&payload, &able)
        };
        if let Some((authority, author)) = chosen {
            self.sign(authority, author, payload);
        }
    }

    /// All grants and roots, with their keys.
    fn authorities(&self) -> Vec<(ObjectId, DeviceId)> {
        let genesis = (ObjectId::from(self.company), self.root);
        let rotations = self
            .of_type(ObjectType::RootRotate)
            .iter()
            .filter_map(|id| self.log.get(*id).map(|rotate| (*id, rotate.header.author)));
        let grants = self.grants().map(|(id, grant)| (id, grant.device));
        [genesis].into_iter().chain(rotations).chain(grants).collect()
    }

    fn able(&self, payload: &Payload) -> Vec<(ObjectId, DeviceId)> {
        let mut able = self.authorities();
        able.retain(|(authority, _)| self.log.could_issue(*authority, payload));
        able
    }

    /// Mostly somebody who is still in office; for a removal mostly somebody senior.
    fn choose(
        &mut self,
        payload: &Payload,
        able: &[(ObjectId, DeviceId)],
    ) -> Option<(ObjectId, DeviceId)> {
        let rank = |id: ObjectId| self.log.grant(id).map_or(0, |grant| grant.rank);
        let struck = match payload {
            Payload::Revoke(revoke) => self.log.grant(revoke.target).map(|grant| grant.rank),
            _ => None,
        };
        if let Payload::Revoke(revoke) = payload
            && revoke.control_cuts.is_empty()
            && let Some(resigning) = able.iter().find(|(id, _)| *id == revoke.target)
            && self.rng.chance(40)
        {
            return Some(*resigning);
        }
        if let Payload::Revoke(revoke) = payload
            && let Some(cert) = self.log.device_cert(revoke.target)
            && self.rng.chance(40)
        {
            // One's own lost laptop, or somebody's who was given a grant in the agent's name.
            let agent = |id: ObjectId| self.log.grant(id).map(|grant| grant.agent);
            let own: Vec<_> =
                able.iter().copied().filter(|(id, _)| agent(*id) == Some(cert.agent)).collect();
            if !own.is_empty() {
                return self.rng.pick(&own);
            }
        }
        let in_office: Vec<_> =
            able.iter().copied().filter(|(id, _)| !self.attacked.contains(id)).collect();
        let ended: Vec<_> =
            able.iter().copied().filter(|(id, _)| self.attacked.contains(id)).collect();
        let senior: Vec<_> =
            able.iter().copied().filter(|(id, _)| struck.is_some_and(|s| rank(*id) < s)).collect();
        let dice = self.rng.below(100);
        let group = match dice {
            0..=54 if !senior.is_empty() => &senior,
            55..=66 if !ended.is_empty() => &ended,
            _ if !in_office.is_empty() => &in_office,
            _ => return self.rng.pick(able),
        };
        self.rng.pick(group)
    }

    fn sign(&mut self, authority: ObjectId, author: DeviceId, payload: Payload) {
        let chain = self.chains.get(&author).cloned().unwrap_or_default();
        let ended = self.attacked.contains(&authority);
        // Who was removed likes to begin again somewhere before the cut.
        let forks = self.rng.chance(if ended { 40 } else { 4 });
        let before = if forks {
            let skipped = self.rng.chance(20) && author != self.root;
            self.rng.pick(&chain).filter(|_| !skipped)
        } else {
            chain.last().copied()
        };
        let mut seq = before.map_or(1, |(seq, _)| seq + 1);
        if seq > 1 && self.rng.below(200) == 0 {
            seq += 1;
        }
        let header = Header {
            version: CONTROL_VERSION,
            company: self.company,
            author,
            seq,
            prev: before.map(|(_, id)| id),
            authority,
            height: 0,
        };
        let mut object = ControlObject { header, payload };
        let height = |id: ObjectId| self.log.get(id).map_or(1, |o| o.header.height);
        let highest = object.references().into_iter().map(height).max().unwrap_or(0);
        object.header.height = highest + 1 + u64::from(self.rng.below(150) == 0);
        let Some(keys) = self.cast.keys.iter().find(|keys| keys.device() == author) else {
            return;
        };
        let (id, bytes) = object.sign(keys);
        self.keep(id, object, bytes);
    }

    fn keep(&mut self, id: ObjectId, object: ControlObject, bytes: Vec<u8>) {
        if self.objects.iter().any(|(held, _, _)| *held == id) {
            return;
        }
        if self.log.add(id, &object) {
            self.note(id, &object);
        }
        self.objects.push((id, object, bytes));
    }

    fn note(&mut self, id: ObjectId, object: &ControlObject) {
        self.by_type.entry(object.payload.object_type()).or_default().push(id);
        let header = &object.header;
        self.chains.entry(header.author).or_default().push((header.seq, id));
        match &object.payload {
            Payload::DeviceCert(cert) => _ = self.homes.entry(cert.device).or_insert(cert.agent),
            Payload::Revoke(revoke) => {
                let cert = self.log.device_cert(revoke.target).cloned();
                let hit: Vec<ObjectId> = self
                    .grants()
                    .filter(|(id, g)| {
                        *id == revoke.target
                            || ObjectId::from(g.agent) == revoke.target
                            || cert.as_ref().is_some_and(|c| c.device == g.device)
                    })
                    .map(|(id, _)| id)
                    .collect();
                self.attacked.extend(hit);
            }
            _ => {}
        }
    }

    fn of_type(&self, wanted: ObjectType) -> &[ObjectId] {
        self.by_type.get(&wanted).map_or(&[], Vec::as_slice)
    }

    fn grants(&self) -> impl Iterator<Item = (ObjectId, &AdminGrant)> + '_ {
        let ids = self.of_type(ObjectType::AdminGrant).iter();
        ids.filter_map(|id| self.log.grant(*id).map(|grant| (*id, grant)))
    }
}
