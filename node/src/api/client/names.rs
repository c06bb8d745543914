//! Asking which names deceive.

use super::Client;
use crate::api::types::{Marks, Problem};

impl Client {
    /// The names of agents, rooms and units that hide something or look like another.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn marks(&self) -> Result<Marks, Problem> {
        self.get(&["marks"], &[]).await
    }
}
