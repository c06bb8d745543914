//! Whom rooms can be opened to, who would get in, and who may go where.

use super::Client;
use crate::api::types::{AccessPreview, AgentRooms, Principals, Problem, ProposedAccess};

impl Client {
    /// Who would get into a room with these permissions.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn access_preview(&self, permits: &[String]) -> Result<AccessPreview, Problem> {
        let body = ProposedAccess { permits: permits.to_vec() };
        self.post(&["access", "preview"], &[], &body).await
    }

    /// Departments, Groups, Roles and agents whose full name holds a text.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn principals(&self, text: &str) -> Result<Principals, Problem> {
        self.get(&["principals"], &[("text", text)]).await
    }

    /// The rooms that an agent may read and write in.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn agent_rooms(&self, selector: &str) -> Result<AgentRooms, Problem> {
        self.get(&["agents", &unmistakable(selector), "rooms"], &[]).await
    }
}

/// An agent as a part of a path, where some names would mean other paths.
pub(super) fn unmistakable(selector: &str) -> String {
    let special = matches!(selector, "" | "." | "..");
    if special { format!("agent:{selector}") } else { selector.to_owned() }
}
