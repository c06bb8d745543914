//! A peer without our local checks, for developers who want to see their nodes refuse it.
//!
//! It uses the real key of a device of a local test network, connects to one node as that
//! device, and offers it what an honest node never would: on the room's gossip topic and by
//! push. The receiving node's counters tell what it made of that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use conclave_protocol::codec;
use conclave_protocol::control::ControlLog;
use conclave_protocol::crypt::EpochKey;
use conclave_protocol::engine::{Input, PeerPolicy, RequestId};
use conclave_protocol::envelope::{ENVELOPE_VERSION, EnterBody, Envelope, EnvelopeKind};
use conclave_protocol::id::{CompanyId, DeviceId, MessageId, ObjectId, RoomId, Topic};
use conclave_protocol::keys::DeviceKeys;
use conclave_protocol::object::{ControlObject, Genesis, ObjectType};
use conclave_protocol::signed::{Trust, Verified, peek_id, sign};
use conclave_protocol::sync::{Blob, Request, Scope};
use zeroize::Zeroizing;

use crate::driver::now;
use crate::identity::Home;
use crate::net::{NetCommand, NetConfig, Network};

/// How long the receiving node may take to connect, to show its topic and to answer.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long the connection must go on after everything was offered.
const LINGER: Duration = Duration::from_millis(500);

/// What is wrong with the forged message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForgeKind {
    /// Rightly signed by a member of the company to whom the room is not open.
    NoMembership,
    /// Its signature does not fit.
    BadSignature,
    /// Rightly signed by a key that no admin has certified.
    UnknownKey,
    /// A message for another room, published on this room's topic.
    OtherRoom,
}

impl ForgeKind {
    /// All kinds.
    pub const ALL: [Self; 4] =
        [Self::NoMembership, Self::BadSignature, Self::UnknownKey, Self::OtherRoom];

    /// The word on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NoMembership => "no-membership",
            Self::BadSignature => "bad-signature",
            Self::UnknownKey => "unknown-key",
            Self::OtherRoom => "other-room",
        }
    }

    /// The counter in the receiving node's `status` that rises.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoMembership => "no_membership",
            Self::BadSignature => "bad_signature",
            Self::UnknownKey => "unknown_device",
            Self::OtherRoom => "wrong_room",
        }
    }
}

/// What a forgery needs.
pub struct ForgeConfig {
    /// The home whose device key signs.
    pub home: PathBuf,
    /// The control log, as signed bytes in order of height.
    pub control: Vec<Vec<u8>>,
    /// The receiving node.
    pub target: DeviceId,
    /// Its address, with or without `/p2p`.
    pub address: String,
    /// The room that is not open to the forger.
    pub room: RoomId,
    /// The text.
    pub text: String,
}

/// What was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgeReport {
    /// The forged message.
    pub id: MessageId,
}

/// Why nothing could be offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ForgeError(String);

/// Forges a message and offers it to a node by gossip and by push.
///
/// # Errors
/// [`ForgeError`] if the node could not be reached or has not taken the frames.
pub async fn forge(kind: ForgeKind, config: ForgeConfig) -> Result<ForgeReport, ForgeError> {
    let error = |what: &dyn std::fmt::Display| ForgeError(what.to_string());
    let home = Home::open(&config.home).map_err(|e| error(&e))?;
    let secrets = home.device_secrets(None).map_err(|e| error(&e))?;
    let secrets = secrets.ok_or_else(|| ForgeError("the author's home has no keys".to_owned()))?;
    let forged = forge_objects(kind, &config, secrets.keys())?;

    let net = NetConfig {
        seed: secrets.seed(),
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
        peers: vec![config.address.clone()],
        mdns: false,
    };
    let mut network = Network::start(net).await.map_err(|e| error(&e))?;
    let offered = tokio::time::timeout(PATIENCE, offer(&mut network, &config, &forged)).await;
    // The task ends by itself when its channels are dropped, if it has ended already.
    let _ = network.commands.send(NetCommand::Stop).await;
    let _ = network.task.await;
    offered.map_err(|_| ForgeError("the node did not take the message in time".to_owned()))??;
    Ok(ForgeReport { id: forged.id })
}

struct Forged {
    topic: Topic,
    id: MessageId,
    /// In order; published on the topic and pushed.
    objects: Vec<(ObjectId, Vec<u8>)>,
}

async fn offer(
    network: &mut Network,
    config: &ForgeConfig,
    forged: &Forged,
) -> Result<(), ForgeError> {
    let gone = || ForgeError("the network stopped".to_owned());
    let send = async |command| network.commands.send(command).await.map_err(|_| gone());
    let members = BTreeSet::from([config.target]);
    let topics = BTreeMap::from([(forged.topic, members.clone())]);
    send(NetCommand::Policy(PeerPolicy { members, topics })).await?;

    let (mut pushed, mut answered, mut published) = (false, false, false);
    loop {
        // Done when the connection has lasted long enough for everything to be on its way.
        let limit = if answered && published { LINGER } else { PATIENCE };
        let Ok(input) = tokio::time::timeout(limit, network.inputs.recv()).await else {
            return Ok(());
        };
        match input.ok_or_else(gone)? {
            Input::Connected { peer } if peer == config.target && !pushed => {
                pushed = true;
                let objects = forged.objects.iter().map(|(_, bytes)| Blob(bytes.clone()));
                let push =
                    Request::Push { scope: Scope::Room(config.room), objects: objects.collect() };
                let (request, frame) = (RequestId(1), push.encode());
                send(NetCommand::Send { peer, request, frame }).await?;
            }
            // The author's own node, if it runs, has taken the connection back: once more.
            Input::Disconnected { peer } if peer == config.target => {
                (pushed, answered, published) = (false, false, false);
            }
            // Whether it was taken or refused is for the node's counters to say.
            Input::Response { frame, .. } => answered = frame.is_some(),
            Input::TopicPeer { peer, topic, joined: true }
                if peer == config.target && topic == forged.topic && !published =>
            {
                published = true;
                for (id, bytes) in &forged.objects {
                    let (topic, id, bytes) = (forged.topic, *id, bytes.clone());
                    send(NetCommand::Publish { topic, id, bytes }).await?;
                }
            }
            _ => {}
        }
    }
}

fn forge_objects(
    kind: ForgeKind,
    config: &ForgeConfig,
    keys: DeviceKeys,
) -> Result<Forged, ForgeError> {
    let (company, control) = read_control(&config.control)?;
    let signer = match kind {
        ForgeKind::UnknownKey => {
            let mut seed = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *seed).map_err(|e| ForgeError(e.to_string()))?;
            DeviceKeys::new(&seed, &[0; 32])
        }
        _ => keys.clone(),
    };
    let room = match kind {
        // Any other id will do: the message says that it belongs elsewhere.
        ForgeKind::OtherRoom => RoomId(blake3::derive_key("conclave forged room", &config.room.0)),
        _ => config.room,
    };
    let body = standing(&control, keys.device(), config.room)?;
    let envelope = |seq, prev: Option<MessageId>, kind, body| Envelope {
        version: ENVELOPE_VERSION,
        company,
        room,
        device: signer.device(),
        seq,
        prev,
        parents: prev.into_iter().collect(),
        height: seq,
        kind,
        standing: prev,
        epoch: None,
        nonce: Vec::new(),
        body,
        claimed_time: now(),
    };
    let enter = envelope(1, None, EnvelopeKind::Enter, codec::encode(&body)).encode();
    let (enter_id, enter) = sign(&signer, ObjectType::Envelope, company, &enter);
    let mut text = envelope(2, Some(enter_id), EnvelopeKind::Text, Vec::new());
    // Whoever is not let in has no key; to the receiver that makes no difference.
    text.epoch = Some(enter_id);
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key).map_err(|e| ForgeError(e.to_string()))?;
    text.seal_text(&EpochKey::new(*key), &config.text);
    let text = text.encode();
    let (id, mut text) = sign(&signer, ObjectType::Envelope, company, &text);
    let mut objects = vec![(enter_id, enter)];
    if kind == ForgeKind::BadSignature {
        // The signature stands at the end of the bytes.
        if let Some(last) = text.last_mut() {
            *last ^= 1;
        }
        objects.clear();
    }
    objects.push((id, text));
    let topics =
        control.topics().ok_or_else(|| ForgeError("the control log has no Genesis".to_owned()))?;
    Ok(Forged { topic: topics.room(config.room), id, objects })
}

/// The best claim that the forger can make: its real certificate and memberships, and a
/// permit of the room that lets in others.
fn standing(control: &ControlLog, device: DeviceId, room: RoomId) -> Result<EnterBody, ForgeError> {
    let missing = |what: &str| ForgeError(format!("the control log has no {what}"));
    let access = control.access();
    let info = access.devices().get(&device).ok_or_else(|| missing("device of the author"))?;
    if !access.rooms().contains_key(&room) {
        return Err(missing("such room"));
    }
    let mut principals = access.principals(room);
    let permit = principals.find_map(|principal| control.permits(room, principal).first().copied());
    let grants: BTreeSet<ObjectId> =
        access.units_of(info.agent).flat_map(|u| control.member_grants(info.agent, u)).collect();
    Ok(EnterBody::Permitted {
        device_cert: info.cert,
        member_grants: grants.into_iter().take(1).collect(),
        permit: permit.ok_or_else(|| missing("permit of the room"))?,
    })
}

fn read_control(objects: &[Vec<u8>]) -> Result<(CompanyId, ControlLog), ForgeError> {
    let error = |e: &dyn std::fmt::Display| ForgeError(format!("the control log: {e}"));
    let genesis =
        objects.first().ok_or_else(|| ForgeError("the control log is empty".to_owned()))?;
    let company = CompanyId::from(peek_id(genesis).unwrap_or_default());
    let mut control = ControlLog::new(company);
    for bytes in objects {
        if peek_id(bytes) == Some(company.into()) {
            let genesis = Verified::<Genesis>::genesis(bytes, Trust::Nothing);
            control.add_genesis(genesis.map_err(|e| error(&e))?);
        } else {
            let object = Verified::<ControlObject>::control(bytes, company, Trust::Nothing);
            control.add(object.map_err(|e| error(&e))?);
        }
    }
    control.refresh();
    match control.genesis() {
        Some(_) => Ok((company, control)),
        None => Err(ForgeError("the control log does not begin with its Genesis".to_owned())),
    }
}
