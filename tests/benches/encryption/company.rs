//! A company with one room that is open to a unit of many.

use conclave_protocol::control::{Added, ControlLog};
use conclave_protocol::engine::{Engine, Table};
use conclave_protocol::found::{Founding, found};
use conclave_protocol::id::{AgentId, DeviceId, ObjectId, RoomId, UnitId};
use conclave_protocol::keys::{DeviceKeys, device_statement};
use conclave_protocol::object::{
    AgentCert, CONTROL_VERSION, ControlObject, DeviceCert, Genesis, Header, HistoryPolicy,
    MemberGrant, Payload, Permit, Principal, Revoke, RevokeMode, RoomCreate, SignatureBytes,
    UnitCreate, UnitKind,
};
use conclave_protocol::signed::{Trust, Verified};
use conclave_protocol::time::Timestamp;
use conclave_tests::world::node::{keys_of, seed_of};

pub(crate) struct Company {
    pub(crate) founder: DeviceKeys,
    pub(crate) room: RoomId,
    /// What its founder's store holds.
    pub(crate) rows: Vec<(Table, Vec<u8>, Vec<u8>)>,
    log: ControlLog,
}

impl Company {
    /// `devices` with access, of as many agents; so many more have left.
    pub(crate) fn new(devices: usize, left: usize) -> Self {
        let (root, founder) = (keys_of(&seed_of("root", 1)), keys_of(&seed_of("founder", 1)));
        let foundation = found(&Founding {
            company: "Large",
            agent: "founder",
            root: &root,
            recovery: ObjectId([1; 32]),
            salt: ObjectId([2; 32]),
            device: &founder,
        });
        let mut log = ControlLog::new(foundation.company);
        for (id, bytes) in &foundation.objects {
            let trust = Trust::StoredAs(*id);
            if *id == foundation.company.into() {
                log.add_genesis(Verified::<Genesis>::genesis(bytes, trust).expect("sound"));
            } else {
                let object = Verified::<ControlObject>::control(bytes, foundation.company, trust);
                log.add(object.expect("sound"));
            }
        }
        log.refresh();
        let writes = Engine::founding_writes(&foundation, Timestamp(1));
        let rows = writes.into_iter().filter_map(|w| Some((w.table, w.key, w.value?)));
        let rows = rows.collect();
        let mut company = Self { founder, room: RoomId::default(), rows, log };
        company.fill(devices, left);
        company
    }

    fn fill(&mut self, devices: usize, left: usize) {
        let kind = UnitKind::Department;
        let unit = UnitCreate { kind, parent: None, name: "Support".into() };
        let unit = UnitId::from(self.sign(Payload::UnitCreate(unit)));
        let room = RoomCreate { name: "help".into(), history: HistoryPolicy::Full };
        self.room = RoomId::from(self.sign(Payload::RoomCreate(room)));
        let permit =
            |principal, room| Payload::Permit(Permit { room, principal, overrides: vec![] });
        let me = self.log.access().agent_of(self.founder.device()).expect("certified");
        self.sign(permit(Principal::Unit(unit), self.room));
        self.sign(permit(Principal::Agent(me), self.room));
        for n in 1..devices + left {
            let name = format!("agent {n}");
            let keys = keys_of(&seed_of(&name, 1));
            let agent = AgentId::from(self.sign(Payload::AgentCert(AgentCert { name })));
            let cert = self.device_cert(agent, &keys);
            self.sign(cert);
            let grant = MemberGrant { agent, unit, overrides: Vec::new() };
            let target = self.sign(Payload::MemberGrant(grant));
            if n >= devices {
                let (control_cuts, keep) = (Vec::new(), Vec::new());
                let mode = RevokeMode::Depart;
                self.sign(Payload::Revoke(Revoke { target, control_cuts, keep, mode }));
            }
        }
    }

    fn device_cert(&self, agent: AgentId, keys: &DeviceKeys) -> Payload {
        let (device, sealing): (DeviceId, ObjectId) = (keys.device(), keys.sealing());
        let statement = device_statement(self.log.company(), agent, device, sealing);
        let proof = SignatureBytes(keys.sign(&statement));
        Payload::DeviceCert(DeviceCert { agent, device, sealing, countersignature: None, proof })
    }

    /// Signs at the end of the founder's chain.
    fn sign(&mut self, payload: Payload) -> ObjectId {
        let author = self.founder.device();
        let tail = self.log.tail(author);
        let header = Header {
            version: CONTROL_VERSION,
            company: self.log.company(),
            author,
            seq: tail.map_or(1, |(seq, _)| seq + 1),
            prev: tail.map(|(_, id)| id),
            authority: self.log.authority_for(author, &payload).expect("an admin"),
            height: 0,
        };
        let mut object = ControlObject { header, payload };
        object.header.height = self.log.height_over(&object.references()).expect("all is here");
        let (id, bytes) = object.sign(&self.founder);
        let trust = Trust::StoredAs(id);
        let object = Verified::<ControlObject>::control(&bytes, self.log.company(), trust);
        let added = self.log.add(object.expect("well formed"));
        assert!(matches!(added, Added::Taken(_)), "{added:?}");
        self.log.refresh();
        self.rows.push((Table::Control, id.0.to_vec(), bytes));
        id
    }
}
