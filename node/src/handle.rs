//! The way into a running node for everything in the same process: API, devnet, benches.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use conclave_protocol::engine::{Command, Engine, Event, Failure, FailureKind, Outcome};
use conclave_protocol::id::DeviceId;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::backup::{BackupError, backup};
use crate::error::StartError;
use crate::identity::{Home, HomeError, Passphrase};
use crate::store::Store;

/// What the network layer can say about itself at any time.
#[derive(Clone, Debug, Default)]
pub struct NetInfo {
    /// This node's libp2p identity.
    pub peer_id: String,
    /// Addresses it listens on, each with its `/p2p/…` part.
    pub listen: Vec<String>,
    /// Connected peers: libp2p identity and the address of one connection.
    pub peers: BTreeMap<DeviceId, (String, String)>,
}

type QueryFn = Box<dyn FnOnce(&Engine) -> Box<dyn FnOnce() + Send> + Send>;

/// What the driver is asked from inside the process.
pub(crate) enum Request {
    /// Carry out a command.
    Command(Box<Command>, oneshot::Sender<Result<Outcome, Failure>>),
    /// Look at the engine. The second closure gives the result out; the driver calls it once
    /// everything that the first one could see is durable.
    Query(QueryFn),
}

/// A cheap, cloneable handle to a running node.
#[derive(Clone)]
pub struct Handle {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) net: Arc<RwLock<NetInfo>>,
    /// Why nothing can be made durable for now.
    pub(crate) stalled: Arc<RwLock<Option<String>>>,
    pub(crate) home: Home,
    pub(crate) store: Arc<Store>,
}

impl Handle {
    /// Carries out a command; answers once its effect is durable here.
    ///
    /// # Errors
    /// The engine's [`Failure`], or one of kind `Failed` if the node is stopping.
    pub async fn command(&self, command: Command) -> Result<Outcome, Failure> {
        let (answer, answered) = oneshot::channel();
        let sent = self.requests.send(Request::Command(Box::new(command), answer)).await;
        if sent.is_err() {
            return Err(stopping());
        }
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Looks at the engine's state; sees only what is durable by the time of the answer.
    ///
    /// # Errors
    /// A [`Failure`] of kind `Failed` if the node is stopping.
    pub async fn query<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        let query: QueryFn = Box::new(move |engine| {
            let seen = look(engine);
            Box::new(move || {
                // Nobody waits any more: the caller has gone away.
                let _ = answer.send(seen);
            })
        });
        let sent = self.requests.send(Request::Query(query)).await;
        if sent.is_err() {
            return Err(stopping());
        }
        answered.await.map_err(|_| stopping())
    }

    /// Events from now on. A slow reader loses the oldest and is told so by the channel.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Why nothing can be made durable for now, if that is so.
    #[must_use]
    pub fn stalled(&self) -> Option<String> {
        self.stalled.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Writes this home, keys and all, to a new file that only its owner can read.
    ///
    /// # Errors
    /// [`BackupError`]; then there is no such file.
    pub async fn backup(&self, file: PathBuf) -> Result<(), BackupError> {
        let (home, store) = (self.home.clone(), Arc::clone(&self.store));
        let written = file.clone();
        let work = tokio::task::spawn_blocking(move || backup(&home, &store, &written));
        work.await
            .unwrap_or_else(|error| Err(BackupError::Io { path: file, detail: error.to_string() }))
    }

    /// Seals the keys of this home anew: under a passphrase, or none. The node goes on with them.
    ///
    /// # Errors
    /// [`StartError`], of kind `Refused` if the current passphrase is another.
    pub async fn change_passphrase(
        &self,
        current: Option<Passphrase>,
        new: Option<Passphrase>,
    ) -> Result<(), StartError> {
        let home = self.home.clone();
        let work = tokio::task::spawn_blocking(move || match &new {
            Some(new) => home.set_passphrase(current.as_ref(), new),
            None => home.remove_passphrase(current.as_ref()),
        });
        let done = work.await.map_err(|_| stopping()).map_err(StartError::from)?;
        done.map_err(|error| {
            let missing = matches!(error, HomeError::NeedsPassphrase(_));
            let mut error = StartError::from(error);
            if missing {
                error.hint = "give it with `--current-passphrase-file FILE`, or `-` for standard \
                              input"
                    .to_owned();
            }
            error
        })
    }

    /// Identity, addresses and connections.
    #[must_use]
    pub fn net(&self) -> NetInfo {
        self.net.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

fn stopping() -> Failure {
    Failure::new(FailureKind::Failed, "the node is stopping", "start it again with `conclave up`")
}
