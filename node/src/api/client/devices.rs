//! The devices of an agent.

use super::Client;
use crate::api::routes::Approval;
use crate::api::routes::devices::NewDevice;
use crate::api::types::{Approved, DeviceAdded, Devices, Problem};

impl Client {
    /// The devices of an agent, by default of the node's own.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn devices(&self, agent: Option<&str>) -> Result<Devices, Problem> {
        let query: Vec<(&str, &str)> = agent.iter().map(|agent| ("agent", *agent)).collect();
        self.get(&["devices"], &query).await
    }

    /// Confirms another device of the node's agent.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn add_device(&self, code: &str) -> Result<DeviceAdded, Problem> {
        self.post(&["devices"], &[], &NewDevice { code: code.to_owned() }).await
    }

    /// Lets another device of an agent in that none of the agent's devices confirms.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn approve_device(&self, name: &str, code: &str) -> Result<Approved, Problem> {
        let (name, code) = (name.to_owned(), code.to_owned());
        let approval = Approval { name, code, units: Vec::new(), another_device: true };
        self.post(&["agent-requests", "approve"], &[], &approval).await
    }
}
