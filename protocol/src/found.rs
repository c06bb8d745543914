//! The founding of a company: the first objects, signed by root and founder.

use crate::id::{AgentId, CompanyId, DeviceId, ObjectId};
use crate::keys::{DeviceKeys, device_statement};
use crate::object::{
    AdminGrant, AgentCert, CONTROL_VERSION, Capabilities, ControlObject, DeviceCert, Genesis,
    Header, ObjectType, Payload, SignatureBytes,
};
use crate::signed::sign;
use crate::topic::TopicSecret;

/// What a company is founded with. Names are in their stored form, see [`crate::name`].
pub struct Founding<'a> {
    /// The company's name.
    pub company: &'a str,
    /// The founder's display name.
    pub agent: &'a str,
    /// The root key.
    pub root: &'a DeviceKeys,
    /// Hash of the first recovery key.
    pub recovery: ObjectId,
    /// Random.
    pub salt: ObjectId,
    /// The founder's device.
    pub device: &'a DeviceKeys,
}

/// A founded company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foundation {
    /// The company.
    pub company: CompanyId,
    /// The founder.
    pub agent: AgentId,
    /// Ids and signed bytes: `Genesis`, the founder's certificate, its grant of rank 1, and
    /// the certificate of its device.
    pub objects: Vec<(ObjectId, Vec<u8>)>,
    /// What the names of its gossip topics are made of.
    pub topics: TopicSecret,
}

/// Signs the first objects of a company.
#[must_use]
pub fn found(founding: &Founding<'_>) -> Foundation {
    let root = founding.root.device();
    let genesis = Genesis {
        version: CONTROL_VERSION,
        name: founding.company.to_owned(),
        root,
        recovery: founding.recovery,
        salt: founding.salt,
    };
    let body = crate::codec::encode(&genesis);
    let (genesis_id, genesis_bytes) =
        sign(founding.root, ObjectType::Genesis, CompanyId::default(), &body);
    let company = CompanyId::from(genesis_id);
    let header = |author: DeviceId, seq, prev, authority, height| Header {
        version: CONTROL_VERSION,
        company,
        author,
        seq,
        prev,
        authority,
        height,
    };

    let agent_cert = ControlObject {
        header: header(root, 2, Some(genesis_id), genesis_id, 2),
        payload: Payload::AgentCert(AgentCert { name: founding.agent.to_owned() }),
    };
    let (agent_id, agent_bytes) = agent_cert.sign(founding.root);
    let agent = AgentId::from(agent_id);

    let device = founding.device.device();
    let grant = ControlObject {
        header: header(root, 3, Some(agent_id), genesis_id, 3),
        payload: Payload::AdminGrant(AdminGrant {
            device,
            agent,
            rank: 1,
            may: Capabilities::ALL,
            scope: None,
            overrides: Vec::new(),
        }),
    };
    let (grant_id, grant_bytes) = grant.sign(founding.root);

    let sealing = founding.device.sealing();
    let statement = device_statement(company, agent, device, sealing);
    let cert = ControlObject {
        header: header(device, 1, None, grant_id, 4),
        payload: Payload::DeviceCert(DeviceCert {
            agent,
            device,
            sealing,
            countersignature: None,
            proof: SignatureBytes(founding.device.sign(&statement)),
        }),
    };
    let (cert_id, cert_bytes) = cert.sign(founding.device);

    Foundation {
        company,
        agent,
        objects: vec![
            (genesis_id, genesis_bytes),
            (agent_id, agent_bytes),
            (grant_id, grant_bytes),
            (cert_id, cert_bytes),
        ],
        topics: TopicSecret::of(&genesis),
    }
}

impl ControlObject {
    /// Signs the object; gives its id and the bytes for the wire.
    #[must_use]
    pub fn sign(&self, keys: &DeviceKeys) -> (ObjectId, Vec<u8>) {
        sign(keys, self.payload.object_type(), self.header.company, &self.encode())
    }
}
