//! Instant messages.

use super::Client;
use crate::api::routes::instants::NewInstant;
use crate::api::types::{Instant, Instants, Problem};

impl Client {
    /// The instant messages of this agent, the newest first.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn instants(&self) -> Result<Instants, Problem> {
        self.get(&["instants"], &[]).await
    }

    /// The instant messages with these agents. Nobody hears of them before the first.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn open_instant(&self, agents: &[String]) -> Result<Instant, Problem> {
        self.post(&["instants"], &[], &NewInstant { agents: agents.to_vec() }).await
    }
}
