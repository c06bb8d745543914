//! What belongs to this node alone.

use super::{Client, REQUEST_TIME_MAX, asked_for_change, read_json};
use crate::api::types::{Present, Problem, Settings, SettingsChange};

impl Client {
    /// The settings of the node.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn settings(&self) -> Result<Settings, Problem> {
        self.get(&["settings"], &[]).await
    }

    /// Changes settings of the node, and gives them all.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn change_settings(&self, change: &SettingsChange) -> Result<Settings, Problem> {
        let request = self.http.put(self.url(&["settings"], &[])).timeout(REQUEST_TIME_MAX);
        let answer = async { read_json(self.call(request.json(change)).await?).await };
        answer.await.map_err(asked_for_change)
    }

    /// Who is there now.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn present(&self) -> Result<Present, Problem> {
        self.get(&["presence"], &[]).await
    }
}
