//! Who writes random logs: the same keys and the same founding every time, since making them
//! costs more than a log.

use std::sync::OnceLock;

use conclave_protocol::found::{Foundation, Founding, found};
use conclave_protocol::id::{DeviceId, ObjectId};
use conclave_protocol::keys::{DeviceKeys, recovery_hash};
use conclave_protocol::object::{ControlCut, ControlObject, Genesis};
use conclave_protocol::signed::{Trust, Verified};

use crate::reference::Sound;
use crate::world::node::{keys_of, seed_of};

/// Roots one after another, admins, and devices that seldom hold an office.
const ROOTS: usize = 4;
const ADMINS: usize = 6;
const OTHERS: usize = 5;

/// See the module's documentation.
pub(super) struct Cast {
    pub(super) keys: Vec<DeviceKeys>,
    pub(super) founded: Foundation,
    pub(super) genesis: Genesis,
    pub(super) founding: Vec<(ObjectId, ControlObject, Vec<u8>)>,
}

pub(super) fn cast() -> &'static Cast {
    static CAST: OnceLock<Cast> = OnceLock::new();
    CAST.get_or_init(|| {
        let names = (0..ROOTS + ADMINS + OTHERS).map(|n| format!("player {n}"));
        let keys: Vec<DeviceKeys> = names.map(|name| keys_of(&seed_of(&name, 0))).collect();
        let founded = found(&Founding {
            company: "Random",
            agent: "agent 0",
            root: &keys[0],
            recovery: line(&keys, 1),
            salt: ObjectId([2; 32]),
            device: &keys[ROOTS],
        });
        let genesis = Verified::<Genesis>::genesis(&founded.objects[0].1, Trust::Nothing)
            .expect("just made")
            .value()
            .clone();
        let rest = founded.objects[1..].iter().map(|(id, bytes)| {
            let object = Verified::<ControlObject>::control(bytes, founded.company, Trust::Nothing);
            (*id, object.expect("just made").value().clone(), bytes.clone())
        });
        let founding = rest.collect();
        Cast { keys, founded, genesis, founding }
    })
}

/// The hash for a root key and all after it.
fn line(keys: &[DeviceKeys], number: usize) -> ObjectId {
    let later = keys.get(number..ROOTS).unwrap_or_default().iter().rev();
    later.fold(ObjectId::default(), |next, keys| recovery_hash(keys.device(), next))
}

impl Cast {
    /// The keys that hold offices.
    pub(super) fn admins(&self) -> &[DeviceKeys] {
        &self.keys[ROOTS..ROOTS + ADMINS]
    }

    /// All keys that may be somebody's device.
    pub(super) fn devices(&self) -> &[DeviceKeys] {
        &self.keys[ROOTS..]
    }

    /// The hash of the key after the root key with that number.
    pub(super) fn commitment(&self, number: usize) -> ObjectId {
        line(&self.keys, number)
    }

    /// The number of a root key.
    pub(super) fn root_number(&self, device: DeviceId) -> Option<usize> {
        self.keys[..ROOTS].iter().position(|keys| keys.device() == device)
    }

    /// What the key after a root key may cite when it rotates, and that key.
    pub(super) fn successor(
        &self,
        cut: &ControlCut,
        log: &Sound,
    ) -> Option<(Vec<ObjectId>, DeviceId)> {
        let number = self.root_number(cut.device)?;
        let key = self.keys[..ROOTS].get(number + 1)?.device();
        if number == 0 {
            return Some((vec![log.genesis_id], key));
        }
        let all = log.rotations().map(|(id, _)| id);
        let all: Vec<ObjectId> = all.filter(|id| log.speaks_for(cut.device, *id)).collect();
        let mut before_the_cut = all.clone();
        before_the_cut.retain(|id| log.is_up_to(*id, cut.id));
        Some((if before_the_cut.is_empty() { all } else { before_the_cut }, key))
    }
}
