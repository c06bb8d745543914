//! The folder of a devnet, and which one was started last.

use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::CliError;

const FILE: &str = "devnet.json";

/// One node of a devnet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NodeEntry {
    /// Its agent.
    pub(crate) agent: String,
    /// Its home.
    pub(crate) home: PathBuf,
    /// Its local API.
    pub(crate) api: String,
}

/// A devnet, as its folder remembers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Devnet {
    /// The process that holds it.
    pub(crate) pid: u32,
    /// Its nodes.
    pub(crate) nodes: Vec<NodeEntry>,
}

impl Devnet {
    /// Remembers it in its folder, and its folder as the last.
    pub(crate) fn store(&self, dir: &Path) -> Result<(), CliError> {
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        fs::write(dir.join(FILE), bytes).map_err(|error| unwritable(dir, &error))?;
        // A convenience: without it, `devnet forge` needs `--dir`.
        if let Some(last) = last_file() {
            let written = last.parent().map_or(Ok(()), fs::create_dir_all);
            let path = dir.to_string_lossy();
            if let Err(error) = written.and_then(|()| fs::write(&last, path.as_bytes())) {
                tracing::debug!(%error, "the last devnet is not remembered");
            }
        }
        Ok(())
    }

    /// The devnet in `dir`, or the one started last.
    pub(crate) fn load(dir: Option<PathBuf>) -> Result<Self, CliError> {
        let missing = |message: String| {
            CliError::new("not_running", message, "start one with `conclave devnet`")
        };
        let last = || fs::read_to_string(last_file()?).ok().map(PathBuf::from);
        let dir = dir.or_else(last).ok_or_else(|| missing("there is no devnet".to_owned()))?;
        let none = || missing(format!("there is no devnet in {}", dir.display()));
        let bytes = fs::read(dir.join(FILE)).map_err(|_| none())?;
        serde_json::from_slice(&bytes).map_err(|_| none())
    }

    /// The node of an agent.
    pub(crate) fn node(&self, agent: &str) -> Result<&NodeEntry, CliError> {
        self.nodes.iter().find(|node| node.agent == agent).ok_or_else(|| {
            let names: Vec<_> = self.nodes.iter().map(|node| node.agent.as_str()).collect();
            let hint = format!("its agents are {}", names.join(", "));
            CliError::new("not_found", format!("the devnet has no agent '{agent}'"), hint)
        })
    }
}

/// Makes the folder of a new devnet; only this user can look into it.
pub(crate) fn make_folder(given: Option<PathBuf>) -> Result<PathBuf, CliError> {
    let dir = match given {
        Some(dir) => {
            // A folder that is there already stays as it is; the homes in it are private.
            let made = private_builder().recursive(true).create(&dir);
            made.map_err(|error| unwritable(&dir, &error))?;
            let dir = dir.canonicalize().map_err(|error| unwritable(&dir, &error))?;
            if super::demo::AGENTS.iter().any(|agent| dir.join(agent).exists()) {
                return Err(CliError::new(
                    "conflict",
                    format!("{} holds a devnet already", dir.display()),
                    "choose another folder, or remove that one",
                ));
            }
            dir
        }
        None => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let name = format!("conclave-devnet-{}-{}", std::process::id(), now.subsec_nanos());
            let dir = std::env::temp_dir().join(name);
            // Fails if the name exists: nobody else can have prepared the folder.
            make_private(&dir)?;
            dir
        }
    };
    Ok(dir)
}

/// Makes one folder that only this user can use.
pub(crate) fn make_private(dir: &Path) -> Result<(), CliError> {
    private_builder().create(dir).map_err(|error| unwritable(dir, &error))
}

fn private_builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn last_file() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "conclave")?;
    let folder = folders.state_dir().unwrap_or_else(|| folders.data_local_dir());
    Some(folder.join("devnet-last"))
}

fn unwritable(dir: &Path, error: &io::Error) -> CliError {
    let message = format!("{} cannot be written: {error}", dir.display());
    CliError::failed(message, "choose a folder of your own with `--dir`")
}
