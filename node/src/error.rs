//! Why a node cannot start, in the words of the contract: one line of what, one of what next.

use conclave_protocol::engine::Failure;

use crate::identity::{HomeError, RootKeyError};
use crate::net::NetError;
use crate::store::StoreError;

/// Sorts start failures by the exit code of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartErrorKind {
    /// The input is not valid (exit 2).
    Usage,
    /// A passphrase is wrong (exit 4).
    Refused,
    /// The home, or what was named, holds nothing (exit 5).
    EmptyHome,
    /// The home is in use or already initialised (exit 6).
    Conflict,
    /// Port, disk or permission (exit 1).
    Failed,
}

/// Why a home or node could not be set up.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    /// Decides the exit code.
    pub kind: StartErrorKind,
    /// One line: what is wrong.
    pub message: String,
    /// One line: what to do next.
    pub hint: String,
}

impl StartError {
    pub(crate) fn new(
        kind: StartErrorKind,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { kind, message: message.into(), hint: hint.into() }
    }
}

impl From<HomeError> for StartError {
    fn from(error: HomeError) -> Self {
        let (kind, hint) = match &error {
            HomeError::InUse(_) => (
                StartErrorKind::Conflict,
                "a node runs on this home already: use it, or end it first",
            ),
            HomeError::Exists(_) => (StartErrorKind::Conflict, "choose another folder"),
            HomeError::NotWritable { .. } => (
                StartErrorKind::Failed,
                "check the folder's owner and permissions and that the disk has room, or choose \
                 another with `--home DIR`",
            ),
            HomeError::UnknownVersion { .. } => {
                (StartErrorKind::Failed, "use the newer version of Conclave that wrote it")
            }
            HomeError::NoKeys(_) => (
                StartErrorKind::EmptyHome,
                "found a company with `conclave init`, or ask to be let into one with \
                 `conclave join`",
            ),
            HomeError::NoPassphrase(_) => {
                (StartErrorKind::Conflict, "`conclave passphrase set` gives them one")
            }
            HomeError::NeedsPassphrase(_) => (
                StartErrorKind::Usage,
                "give it with `--passphrase-file FILE`, or `-` for standard input",
            ),
            HomeError::WrongPassphrase(_) => (
                StartErrorKind::Refused,
                "try again with the one that was given to `conclave passphrase set`; capitals \
                 and blanks count",
            ),
            HomeError::Corrupt { .. } => {
                (StartErrorKind::Failed, "restore the file from a backup of this home")
            }
            HomeError::NoRandomness(_) => {
                (StartErrorKind::Failed, "this cannot be repaired from here; restart the computer")
            }
        };
        Self::new(kind, error.to_string(), hint)
    }
}

impl From<RootKeyError> for StartError {
    fn from(error: RootKeyError) -> Self {
        let (kind, hint) = match &error {
            RootKeyError::NotFound(_) => (
                StartErrorKind::EmptyHome,
                "insert the medium that it was moved to and name the file with `--root-key FILE`",
            ),
            RootKeyError::Exists(_) => (
                StartErrorKind::Conflict,
                "a root key is never overwritten: choose another place, or move that file away",
            ),
            RootKeyError::NeedsPassphrase(_) => (
                StartErrorKind::Usage,
                "give its passphrase with `--root-passphrase-file FILE`, or `-` for standard input",
            ),
            RootKeyError::WrongPassphrase(_) => (
                StartErrorKind::Refused,
                "try again with the one that was given to `conclave init`; capitals and blanks \
                 count",
            ),
            RootKeyError::Damaged { .. } => (
                StartErrorKind::Failed,
                "use another copy of the file; if there is none, the recovery phrase can replace \
                 the root key",
            ),
            RootKeyError::UnknownVersion { .. } => {
                (StartErrorKind::Failed, "use the newer version of Conclave that wrote it")
            }
            RootKeyError::Io { .. } => (
                StartErrorKind::Failed,
                "check the file's owner and permissions, the disk, and that 256 MiB of memory \
                 are free",
            ),
        };
        Self::new(kind, error.to_string(), hint)
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        let (kind, hint) = match &error {
            StoreError::InUse { .. } => (
                StartErrorKind::Conflict,
                "a node runs on this home already: use it, or end it first",
            ),
            StoreError::NewerFormat { .. } => {
                (StartErrorKind::Failed, "start the newer version of Conclave again")
            }
            StoreError::DiskFull { .. } => (StartErrorKind::Failed, "make room on the disk"),
            _ => (StartErrorKind::Failed, "check the folder's owner and permissions, and the disk"),
        };
        Self::new(kind, error.to_string(), hint)
    }
}

impl From<NetError> for StartError {
    fn from(error: NetError) -> Self {
        if error.is_bad_input() {
            let hint = "an address looks like /ip4/192.0.2.7/tcp/4001";
            return Self::new(StartErrorKind::Usage, error.to_string(), hint);
        }
        let hint = "choose a free port with `--listen /ip4/0.0.0.0/tcp/PORT`, or any with port 0";
        Self::new(StartErrorKind::Failed, error.to_string(), hint)
    }
}

impl From<Failure> for StartError {
    fn from(failure: Failure) -> Self {
        Self::new(StartErrorKind::Failed, failure.message, failure.hint)
    }
}
