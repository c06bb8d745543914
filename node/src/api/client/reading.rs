//! What a reader of rooms asks of the node.

use super::Client;
use crate::api::routes::Nothing;
use crate::api::routes::reading::ReadMark;
use crate::api::types::Problem;

impl Client {
    /// What stands at or before a message on the screen has been read; all that is now in the
    /// room if none is named.
    ///
    /// # Errors
    /// See [`Client::status`].
    pub async fn mark_read(&self, room: &str, up_to: Option<&str>) -> Result<(), Problem> {
        let body = ReadMark { room: room.to_owned(), up_to: up_to.map(str::to_owned) };
        self.post::<_, Nothing>(&["read"], &[], &body).await.map(|_| ())
    }
}
