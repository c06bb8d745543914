//! What a home keeps for the page: the browsers that were let in, and the port of the API.

use serde::{Deserialize, Serialize};

use super::{Home, HomeError};
use crate::api::time::Time;

const SESSIONS_FILE: &str = "sessions.json";
const API_PORT_FILE: &str = "api-port.json";

/// A browser that was let in. Only the hash of its cookie is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptSession {
    /// BLAKE3 of the cookie, in hexadecimal.
    pub(crate) hash: String,
    /// When it ends.
    pub(crate) expires: Time,
}

impl Home {
    /// The browsers that were let in.
    pub(crate) fn read_sessions(&self) -> Result<Vec<KeptSession>, HomeError> {
        Ok(self.read_cache(SESSIONS_FILE)?.unwrap_or_default())
    }

    /// Replaces [`Home::read_sessions`].
    pub(crate) fn write_sessions(&self, sessions: &[KeptSession]) -> Result<(), HomeError> {
        self.write_json(SESSIONS_FILE, &sessions)
    }

    /// The port on which the local API listened last.
    pub(crate) fn read_api_port(&self) -> Result<Option<u16>, HomeError> {
        self.read_cache(API_PORT_FILE)
    }

    /// Remembers the port on which the local API listens.
    pub(crate) fn write_api_port(&self, port: u16) -> Result<(), HomeError> {
        self.write_json(API_PORT_FILE, &port)
    }
}
