//! Starting and stopping a node: the only wiring.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use conclave_protocol::engine::{Engine, EngineConfig, Event, JoinWish, Reader, Table};
use conclave_protocol::found::{Founding, found as sign_foundation};
use conclave_protocol::id::{CompanyId, DeviceId, ObjectId};
use conclave_protocol::name::new_name;
use conclave_protocol::signed::Checker;
use conclave_protocol::view::{AgentRef, CompanyRef};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::api::{Sessions, serve};
use crate::checks::Checks;
use crate::driver::{Driver, now};
pub use crate::error::{StartError, StartErrorKind};
use crate::handle::Handle;
use crate::identity::{
    DeviceSecrets, Existing, Home, HomeLock, Passphrase, PendingJoin, RootKey, RootKeyError,
    RunningNode, new_recovery, recovery_commitment,
};
use crate::net::{NetConfig, Network};
use crate::store::Store;

/// Requests from inside the process that may wait for the driver.
const REQUESTS_MAX: usize = 256;
/// Events that a slow listener may be behind before it is told that it missed some.
const EVENTS_MAX: usize = 4096;

/// How a node is started.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its home folder.
    pub home: PathBuf,
    /// Multiaddrs to listen on; empty means all interfaces, any port.
    pub listen: Vec<String>,
    /// Multiaddrs of peers to dial.
    pub peers: Vec<String>,
    /// Whether to find peers on the LAN.
    pub mdns: bool,
    /// Where the local API listens; loopback only. With port 0, where it did the last time if
    /// that is free, so that a bookmark of the page goes on working; else at any free port.
    /// `None`: no API (the `join` command).
    pub api: Option<SocketAddr>,
    /// What opens the keys of the home, if they are protected by a passphrase.
    pub passphrase: Option<Passphrase>,
}

/// What `up` prints when the node is ready.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Whether this device is a member of a company.
    pub member: bool,
    /// libp2p identity.
    pub peer_id: String,
    /// Listen addresses with `/p2p/…`.
    pub listen: Vec<String>,
    /// `http://127.0.0.1:PORT`.
    pub api: Option<String>,
    /// A link that lets one browser in, once.
    pub open: Option<String>,
}

/// A founded company.
#[derive(Clone, Debug)]
pub struct Founded {
    /// The company.
    pub company: CompanyRef,
    /// Its first agent.
    pub agent: AgentRef,
    /// Its first device.
    pub device: DeviceId,
    /// That device's libp2p identity.
    pub peer_id: String,
    /// Where its root key is: in the home, until somebody moves it.
    pub root_key: PathBuf,
    /// Twenty-four words; shown once, stored nowhere.
    pub recovery_phrase: String,
}

/// A running node.
pub struct Node {
    handle: Handle,
    ready: Ready,
    home: Home,
    failed: watch::Receiver<Option<String>>,
    stop: oneshot::Sender<()>,
    stop_api: Option<oneshot::Sender<()>>,
    tasks: Vec<JoinHandle<()>>,
    _lock: HomeLock,
}

impl Node {
    /// Opens the home, starts network, driver and API; returns once it listens and answers.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub async fn start(config: NodeConfig) -> Result<Self, StartError> {
        if config.api.is_some_and(|address| !address.ip().is_loopback()) {
            return Err(StartError::new(
                StartErrorKind::Usage,
                "the local API serves this computer only",
                "use an address such as `--api 127.0.0.1:0`",
            ));
        }
        let home = existing_home(&config.home)?;
        let lock = home.lock()?;
        // Of a node that was killed.
        home.remove_running()?;
        let secrets = home.device_secrets(config.passphrase.as_ref())?;
        let secrets = secrets.ok_or_else(|| empty_home(&config.home))?;
        drop(config.passphrase);
        let store = Arc::new(Store::open(&home.db_path())?);
        let founded = company_of(&store).is_some();
        if founded {
            // A node that was killed between admission and this has left its request behind.
            home.settle_join()?;
        }
        let pending = home.read_join()?;
        if !founded && pending.is_none() {
            return Err(empty_home(&config.home));
        }
        let api = match config.api {
            Some(address) => Some(bind_api(&home, address).await?),
            None => None,
        };

        let mut peers = config.peers;
        peers.extend(pending.iter().flat_map(|join| join.peers.clone()));
        peers.extend(home.read_peers()?);
        let network = start_network(&home, &secrets, config.listen, peers, config.mdns).await?;

        let engine = Engine::new(
            EngineConfig {
                keys: secrets.keys(),
                vault: secrets.vault(),
                seed: random()?,
                reader: store.clone(),
                join: pending.map(wish),
                copied: store.is_copy(),
            },
            now(),
        );
        let (writer, persisted) = store.writer()?;
        let (requests_in, requests) = mpsc::channel(REQUESTS_MAX);
        let (events, _) = broadcast::channel::<Event>(EVENTS_MAX);
        let (stop, stopped) = oneshot::channel();
        let (failed_in, failed) = watch::channel(None);
        let stalled = Arc::<RwLock<Option<String>>>::default();
        let handle = Handle {
            requests: requests_in,
            events: events.clone(),
            net: network.info.clone(),
            stalled: stalled.clone(),
            home: home.clone(),
            store: store.clone(),
        };
        let driver = Driver {
            engine,
            home: home.clone(),
            store: store.clone(),
            stalled,
            inputs: Checks::new(network.inputs, Arc::new(Checker::default())),
            net: network.commands,
            writer,
            persisted,
            requests,
            events,
            stop: stopped,
            failed: failed_in,
            sealing: tokio::task::JoinSet::new(),
        };
        let mut tasks = vec![tokio::spawn(driver.run()), network.task];

        let mut ready = Ready {
            member: handle.query(|engine| engine.status().member).await?,
            peer_id: secrets.peer_id(),
            listen: handle.net().listen,
            api: None,
            open: None,
        };
        let mut stop_api = None;
        if let Some((listener, url)) = api {
            let (stop, stopped) = oneshot::channel::<()>();
            let (token, seal) = (home.new_api_token()?, home.new_api_seal()?);
            let stopping = async {
                // An error means that the node is gone, which is the same news.
                let _ = stopped.await;
            };
            let token = token.to_string();
            let sessions = Arc::new(Sessions::open(home.clone(), &url)?);
            ready.open = Some(sessions.new_link()?.open);
            let serving = serve(listener, handle.clone(), token, seal, sessions, stopping);
            tasks.push(tokio::spawn(async {
                if let Err(error) = serving.await {
                    tracing::error!(%error, "the local API stops");
                }
            }));
            home.write_running(&RunningNode { api: url.clone(), pid: std::process::id() })?;
            ready.api = Some(url);
            stop_api = Some(stop);
        }
        Ok(Self { handle, ready, home, failed, stop, stop_api, tasks, _lock: lock })
    }

    /// The way in.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What to print.
    #[must_use]
    pub fn ready(&self) -> Ready {
        self.ready.clone()
    }

    /// Resolves, with the reason, if the node can no longer work (its disk failed, say).
    pub async fn failed(&mut self) -> String {
        match self.failed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "the node has stopped".to_owned(),
        }
    }

    /// Stops everything; what was acknowledged is durable.
    pub async fn stop(self) {
        if let Err(error) = self.home.remove_running() {
            tracing::warn!(%error, "cannot remove the note of where the API is");
        }
        if let Some(stop) = self.stop_api {
            // Gone already: it has stopped by itself.
            let _ = stop.send(());
        }
        let _ = self.stop.send(());
        for task in self.tasks {
            if task.await.is_err() {
                tracing::error!("a part of the node did not stop cleanly");
            }
        }
    }
}

/// Founds a company in an empty home; its root key is encrypted, and the keys of this device
/// are protected, if there are passphrases for that.
///
/// # Errors
/// [`StartError`]; a home that already holds keys is a conflict.
pub fn found(
    home: &Path,
    company: &str,
    agent: &str,
    root_passphrase: Option<&Passphrase>,
    passphrase: Option<&Passphrase>,
) -> Result<Founded, StartError> {
    let company_name = stored_name(company)?;
    let agent_name = stored_name(agent)?;
    let (home, _lock) = home_for_setup(home)?;
    if home.read_join()?.is_some() {
        return Err(already(&home, "asks to join a company"));
    }
    let store = Store::open(&home.db_path())?;
    if company_of(&store).is_some() || !is_empty(&store) {
        return Err(already(&home, "belongs to a company"));
    }
    // Keys without a company are those of an earlier try that did not get to its end.
    let secrets = keys_for_setup(&home, passphrase)?;
    let root_path = Home::root_key_path(home.path());
    let root = root_for_setup(&root_path, root_passphrase)?;
    let (phrase, entropy) = new_recovery()?;
    let (root, device) = (root.keys(), secrets.keys());
    let foundation = sign_foundation(&Founding {
        company: &company_name,
        agent: &agent_name,
        root: &root,
        recovery: recovery_commitment(&entropy, 1),
        salt: ObjectId(random()?),
        device: &device,
    });
    store.write_now(Engine::founding_writes(&foundation, now()))?;
    Ok(Founded {
        company: CompanyRef { id: foundation.company, name: company_name },
        agent: AgentRef { id: foundation.agent, name: agent_name },
        device: device.device(),
        peer_id: secrets.peer_id(),
        root_key: root_path,
        recovery_phrase: phrase.to_string(),
    })
}

/// The keys of an earlier try, or new ones; protected from now on if there is a passphrase.
fn keys_for_setup(
    home: &Home,
    passphrase: Option<&Passphrase>,
) -> Result<DeviceSecrets, StartError> {
    let Some(secrets) = home.device_secrets(passphrase)? else {
        return Ok(home.create_device_secrets(passphrase)?);
    };
    if let Some(passphrase) = passphrase
        && !home.needs_passphrase()?
    {
        home.set_passphrase(None, passphrase)?;
    }
    Ok(secrets)
}

/// The root key of an earlier try to found a company, or a new one. What is there is never
/// thrown away: it could be the only copy of another company's.
fn root_for_setup(path: &Path, passphrase: Option<&Passphrase>) -> Result<RootKey, StartError> {
    match RootKey::read(path, passphrase) {
        Ok(root) => {
            if passphrase.is_some() && !RootKey::is_encrypted(path)? {
                root.write(path, passphrase, Existing::Replace)?;
            }
            Ok(root)
        }
        Err(RootKeyError::NotFound(_)) => {
            let root = RootKey::generate()?;
            root.write(path, passphrase, Existing::Refuse)?;
            Ok(root)
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes this device's keys and stores the request to join; the next node on this home
/// sends it. Returns this device and its libp2p identity. Asking again before admission
/// replaces the request. The keys are protected if there is a passphrase.
///
/// # Errors
/// [`StartError`]; a home that is already a member is a conflict.
pub fn request_join(
    home: &Path,
    agent: &str,
    company: Option<&str>,
    peers: &[String],
    passphrase: Option<&Passphrase>,
) -> Result<(DeviceId, String), StartError> {
    let join = PendingJoin {
        agent: agent.to_owned(),
        company: company.map(str::to_owned),
        peers: peers.to_vec(),
        lost: false,
    };
    request_join_as(home, join, passphrase)
}

/// As [`request_join`], with all that can be said.
///
/// # Errors
/// As [`request_join`].
pub fn request_join_as(
    home: &Path,
    mut join: PendingJoin,
    passphrase: Option<&Passphrase>,
) -> Result<(DeviceId, String), StartError> {
    join.agent = stored_name(&join.agent)?;
    crate::net::check_peers(&join.peers)?;
    let (home, _lock) = home_for_setup(home)?;
    let store = Store::open(&home.db_path())?;
    if company_of(&store).is_some() {
        return Err(already(&home, "belongs to a company"));
    }
    let secrets = keys_for_setup(&home, passphrase)?;
    // An earlier request may have been refused.
    store.write_now(Engine::asking_anew())?;
    home.write_join(&join)?;
    Ok((secrets.keys().device(), secrets.peer_id()))
}

fn wish(join: PendingJoin) -> JoinWish {
    JoinWish { agent: join.agent, company: join.company, lost: join.lost }
}

fn company_of(store: &Store) -> Option<CompanyId> {
    let bytes = store.get(Table::State, Engine::COMPANY_KEY)?;
    Some(CompanyId(bytes.try_into().ok()?))
}

/// Whether a store holds no object; one that has lost its company's id by damage still does.
fn is_empty(store: &Store) -> bool {
    let mut empty = true;
    store.scan(Table::Control, &[], &mut |_, _| empty = false);
    empty
}

/// Starts the network where the user says; if the user leaves it open, on the port of the last
/// time if that is free. Members that all restart would otherwise know each other only by
/// addresses that are gone.
async fn start_network(
    home: &Home,
    secrets: &DeviceSecrets,
    listen: Vec<String>,
    peers: Vec<String>,
    mdns: bool,
) -> Result<Network, StartError> {
    let config = |listen| NetConfig { seed: secrets.seed(), listen, peers: peers.clone(), mdns };
    if !listen.is_empty() {
        return Ok(Network::start(config(listen)).await?);
    }
    let last = home.read_port()?.map(|port| format!("/ip4/0.0.0.0/tcp/{port}"));
    let network = match last {
        Some(last) => match Network::start(config(vec![last])).await {
            Ok(network) => network,
            Err(_) => Network::start(config(Vec::new())).await?,
        },
        None => Network::start(config(Vec::new())).await?,
    };
    let info = network.info.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let port = info.listen.first().and_then(|address| address.split('/').nth(4)?.parse().ok());
    if let Some(port) = port {
        home.write_port(port)?;
    }
    Ok(network)
}

/// A home that exists: a mistyped path must not make a folder, nor change somebody's.
fn existing_home(path: &Path) -> Result<Home, StartError> {
    if Home::is_home(path) { Ok(Home::open(path)?) } else { Err(empty_home(path)) }
}

/// A home to found or join in: new, empty, or one that began as a home. Anything else is
/// somebody's folder, whose permissions are not ours to change.
fn home_for_setup(path: &Path) -> Result<(Home, HomeLock), StartError> {
    let entries = std::fs::read_dir(path).map(|mut entries| entries.next().is_some());
    let foreign = entries.unwrap_or(false) && !path.join("lock").is_file();
    if foreign {
        return Err(StartError::new(
            StartErrorKind::Conflict,
            format!("the folder {} holds other files", path.display()),
            "choose a folder that is new or empty with `--home DIR`",
        ));
    }
    let home = Home::open(path)?;
    let lock = home.lock()?;
    Ok((home, lock))
}

async fn bind_api(home: &Home, address: SocketAddr) -> Result<(TcpListener, String), StartError> {
    let fail = |error: std::io::Error| {
        StartError::new(
            StartErrorKind::Failed,
            format!("the local API cannot listen on {address}: {error}"),
            "choose a free port with `--api 127.0.0.1:PORT`, or any with `--api 127.0.0.1:0`",
        )
    };
    let last = if address.port() == 0 { home.read_api_port()? } else { None };
    let again = match last {
        Some(port) => TcpListener::bind(SocketAddr::new(address.ip(), port)).await.ok(),
        None => None,
    };
    let listener = match again {
        Some(listener) => listener,
        None => TcpListener::bind(address).await.map_err(fail)?,
    };
    let bound = listener.local_addr().map_err(fail)?;
    if last != Some(bound.port()) {
        home.write_api_port(bound.port())?;
    }
    Ok((listener, format!("http://{bound}")))
}

fn stored_name(typed: &str) -> Result<String, StartError> {
    new_name(typed).map_err(|error| {
        StartError::new(
            StartErrorKind::Usage,
            error.to_string(),
            "a name has 1 to 64 visible characters, without '/' and ':'",
        )
    })
}

fn random() -> Result<[u8; 32], StartError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        StartError::new(
            StartErrorKind::Failed,
            format!("the system gives no random numbers: {error}"),
            "this cannot be repaired from here; restart the computer",
        )
    })?;
    Ok(bytes)
}

fn empty_home(path: &Path) -> StartError {
    StartError::new(
        StartErrorKind::EmptyHome,
        format!("there is no Conclave node in {}", path.display()),
        "found a company with `conclave init`, or ask to be let into one with `conclave join`",
    )
}

fn already(home: &Home, what: &str) -> StartError {
    StartError::new(
        StartErrorKind::Conflict,
        format!("the node in {} {what} already", home.path().display()),
        "start it with `conclave up`, or choose another folder with `--home DIR`",
    )
}
